/* Filter: a text is parsed or refused with a column in it; what is parsed is two-valued logic. */
#include "fuzz.h"

#include <errno.h>

#include "event/entry.h"
#include "event/filter.h"
#include "event/limits.h"
#include "event/source_set.h"

static const struct source source = {
	.id = { { 7, 1 } }, .name = { "rack7-n12", 9 }, .site = { "Lyon", 4 }, .rack = { "7", 1 }
};

static const struct entry entries[] = {
	{ .seq = 4711,
	  .source = { { 7, 1 } },
	  .received_us = 1763629964000000ll,
	  .event = { .message_id = { "Power.1.2.Failed", 16 },
		     .event_type = { "Alert", 5 },
		     .event_id = { "2162", 4 },
		     .origin = { "/redfish/v1/Systems/1/", 22 },
		     .message = { "Inlet's temperature is HIGH", 27 },
		     .has_event_time = true,
		     .event_time_us = 1763629964500000ll,
		     .has_event_group_id = true,
		     .event_group_id = 5,
		     .severity = SEVERITY_WARNING,
		     .category = CATEGORY_ALERT } },
	{ .seq = 0, .received_us = -1 }, /* hardly a fact */
};

static bool passes(const struct filter *filter, size_t i)
{
	return filter_match(filter, &entries[i], i == 0 ? &source : NULL);
}

static void check_refusal(struct str text, const struct err *err)
{
	struct str words = str_of(err->text);
	size_t at = str_find(words, STR("column "));
	uint64_t column = 0;

	CHECK(words.len > 0);
	if (text.len > FILTER_MAX_BYTES)
		return;
	CHECK_SAYING(at < words.len, "(%s)", err->text);
	words = (struct str){ words.p + at + 7, words.len - at - 7 };
	words.len = str_find_char(words, ':');
	CHECK_SAYING(str_to_u64(words, &column) && column >= 1 && column <= text.len + 1, "(%s)",
		     err->text);
}

/* `not (f)` says the opposite, `(f) and (f)` the same; each may pass a cap that f does not. */
static void check_again(struct str text, const struct filter *filter)
{
	static const char *const forms[] = { "not (%.*s)", "(%.*s) and (%.*s)",
					     "(%.*s\t) or\n(%.*s)", " %.*s\r\n" };

	for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
		struct filter *again = NULL;
		struct err err = { "" };
		struct strbuf out;

		strbuf_init(&out, 3 * FILTER_MAX_BYTES);
		for (const char *p = forms[k]; *p; p++) {
			bool here = strncmp(p, "%.*s", 4) == 0;

			strbuf_put(&out, here ? text : (struct str){ p, 1 });
			p += here ? 3 : 0;
		}
		if (filter_parse(strbuf_str(&out), &again, &err) == 0) {
			for (size_t i = 0; i < ARRAY_LEN(entries); i++)
				CHECK(passes(again, i) == (passes(filter, i) == (k != 0)));
			filter_free(again);
		} else {
			CHECK_SAYING(k < 3 || out.len > FILTER_MAX_BYTES, "(%s)", err.text);
		}
		strbuf_fini(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = fuzz_str(data, size);
	struct filter *filter = NULL;
	struct err err = { "" };
	int r = filter_parse(text, &filter, &err);

	CHECK(r == 0 || (r == -EINVAL && !filter));
	if (r < 0) {
		check_refusal(text, &err);
		return 0;
	}
	CHECK(str_eq(filter->text, str_trim(text)));
	if (!filter->root)
		CHECK(passes(filter, 0) && passes(filter, 1));
	else
		check_again(text, filter);
	filter_free(filter);
	return 0;
}
