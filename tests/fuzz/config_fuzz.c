/* Configuration: any YAML is refused with the place in it, or taken; what is printed then is YAML
 * that gives the same. The service's own table, without the keys that name files of secrets. */
#include "fuzz.h"

#include "service/config.h"

#define MAX_KEYS 128

static struct config_key keys[MAX_KEYS], fields[8][32];

/* Secrets in the open: nothing is read from files, and print can be compared. */
static void take_table(void)
{
	size_t n_fields = 0, n = 0;

	for (; config_keys[n].name; n++) {
		CHECK(n + 1 < MAX_KEYS);
		keys[n] = config_keys[n];
		keys[n].secret = false;
		if (!keys[n].fields)
			continue;
		CHECK(n_fields < ARRAY_LEN(fields));
		for (size_t k = 0; config_keys[n].fields[k].name; k++) {
			CHECK(k + 1 < ARRAY_LEN(fields[0]));
			fields[n_fields][k] = config_keys[n].fields[k];
			fields[n_fields][k].secret = false;
		}
		keys[n].fields = fields[n_fields++];
	}
}

static void print(const struct config *config, struct strbuf *out)
{
	strbuf_init(out, 16u << 20);
	config_print(keys, config, out);
	CHECK(!out->failed);
}

static void check_print(const struct config *config)
{
	struct config again = { 0 };
	struct strbuf first, second;
	struct err err = { "" };

	print(config, &first);
	CHECK(config_defaults(keys, &again, &err) == 0);
	CHECK_SAYING(config_parse(keys, &again, strbuf_str(&first), "printed", &err) == 0,
		     "(%s in:\n%s)", err.text, first.p);
	print(&again, &second);
	CHECK_SAYING(str_eq(strbuf_str(&first), strbuf_str(&second)), "(\n%s\nagain:\n%s)", first.p,
		     second.p);
	strbuf_fini(&first);
	strbuf_fini(&second);
	config_free(keys, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config = { 0 };
	struct err err = { "" };
	int r;

	if (!keys[0].name)
		take_table();
	CHECK(config_defaults(keys, &config, &err) == 0);
	r = config_parse(keys, &config, fuzz_str(data, size), "place", &err);
	CHECK_SAYING(r == 0 || (r < 0 && str_starts_with(str_of(err.text), STR("place"))), "(%s)",
		     err.text);
	if (r == 0)
		check_print(&config);
	config_free(keys, &config);
	return 0;
}
