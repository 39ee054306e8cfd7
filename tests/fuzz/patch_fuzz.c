/* Bodies of PATCH and POST: whatever one says, a source keeps its bounds, what is refused leaves it as it
 * was, and what is kept of it reads back the same. The first byte chooses POST (odd) or PATCH. */
#include "fuzz.h"

#include <jansson.h>

#include "api/properties.h"
#include "api/source_body.h"
#include "base/arena.h"
#include "base/seal.h"

#define TEXT_MAX 256

static const char known[] = "{\"url\":\"https://a\",\"user_name\":\"u\",\"password\":\"1:x\","
			    "\"tags\":{\"a\":\"1\",\"b\":\"2\"}}";

static void check_text(struct str text, size_t max_bytes)
{
	CHECK(!text.p || (text.len > 0 && text.len <= max_bytes));
	for (size_t i = 0; i < text.len; i++)
		CHECK((unsigned char)text.p[i] >= ' ' && text.p[i] != 0x7f);
}

static void check_source(const struct source_body *said)
{
	const struct source *source = &said->source;
	const struct source_details *details = &said->details;

	check_text(source->name, SOURCE_URL_MAX_BYTES);
	check_text(source->site, TEXT_MAX);
	check_text(source->rack, TEXT_MAX);
	check_text(source->owner, TEXT_MAX);
	check_text(source->address, TEXT_MAX);
	check_text(source->certificate, TEXT_MAX);
	check_text(details->user_name, SOURCE_SECRET_MAX_BYTES);
	CHECK(details->n_tags <= SOURCE_MAX_TAGS);
	for (size_t i = 0; i < details->n_tags; i++) {
		check_text(details->tags[i].name, SOURCE_TAG_NAME_MAX_BYTES);
		check_text(details->tags[i].value, SOURCE_TAG_VALUE_MAX_BYTES);
	}
}

/* As text, and back, it is the same text. */
static void check_kept(const struct source_details *details)
{
	struct source_details again;
	struct strbuf first, second;
	void *held;

	strbuf_init(&first, SOURCE_DETAILS_MAX_BYTES);
	strbuf_init(&second, SOURCE_DETAILS_MAX_BYTES);
	source_details_put(details, &first);
	CHECK(!first.failed);
	source_details_parse(first.len > 0 ? strbuf_str(&first) : (struct str){ NULL, 0 }, &again, &held);
	source_details_put(&again, &second);
	CHECK(str_eq(strbuf_str(&first), strbuf_str(&second)));
	source_details_release(held);
	strbuf_fini(&first);
	strbuf_fini(&second);
}

static void check_properties(const struct properties *properties)
{
	CHECK(properties->n_faults <= API_MAX_FAULTS);
	CHECK(properties->n_good <= json_object_size(properties->body));
	for (size_t i = 0; i < properties->n_faults; i++)
		CHECK(properties->faults[i].key && properties->faults[i].property[0] == '/');
}

static bool is_refused(const struct properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n_faults; i++)
		if (strcmp(properties->names[i], name) == 0)
			return true;
	return false;
}

static void check_refused(const struct properties *properties, const struct source_details *details)
{
	CHECK(!is_refused(properties, "HostName") || str_eq(details->url, STR("https://a")));
	CHECK(!is_refused(properties, "UserName") || str_eq(details->user_name, STR("u")));
	CHECK(!is_refused(properties, "Password") || str_eq(details->password, STR("1:x")));
	CHECK(!is_refused(properties, "Oem/Rfeventd/Tags") || details->n_tags == 2);
}

static void check_body(json_t *body, bool is_new)
{
	struct source_body said = { .is_new = is_new, .texts = arena_new(4 << 20) };
	json_t *flat = source_body_flatten(body);
	struct properties properties;
	struct seal_key key;
	void *held;

	seal_key_make(STR("key"), &key);
	said.seal_key = &key;
	source_details_parse(is_new ? (struct str){ NULL, 0 } : STR(known), &said.details, &held);
	properties_begin(&properties, flat);
	source_body_read(&said, &properties);
	check_properties(&properties);
	if (!is_new)
		check_refused(&properties, &said.details);
	check_source(&said);
	check_kept(&said.details);
	CHECK(!is_new || properties.n_faults > 0 || said.source.name.p || !said.details.url.p);
	properties_fini(&properties);
	source_details_release(held);
	json_decref(flat);
	arena_free(said.texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *body;

	if (size == 0)
		return 0;
	body = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(body))
		check_body(body, data[0] & 1);
	json_decref(body);
	return 0;
}
