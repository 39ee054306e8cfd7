/* Queries: one is taken or refused in words; what is taken stays within its bounds, and shapes any
 * body into JSON that says where it came from. */
#include "fuzz.h"

#include <jansson.h>

#include "api/query_options.h"
#include "api/resources.h"
#include "api/shape.h"

#define ALL (QUERY_COMMON | QUERY_FILTER | QUERY_ORDERBY | QUERY_SKIPTOKEN)

static const char body[] =
	"{\"@odata.id\":\"/c\",\"@odata.type\":\"#C.C\",\"Status\":{\"State\":\"Enabled\"},"
	"\"Members\":[{\"@odata.id\":\"/c/1\"},{\"@odata.id\":\"/c/2\"},{\"@odata.id\":\"/x\"}],"
	"\"Links\":{\"Up\":{\"@odata.id\":\"/c/1\"}},\"Members@odata.count\":3}";

static bool encode(void *ctx, struct str uri, struct strbuf *out)
{
	strbuf_put_text(out, "{\"@odata.id\":");
	strbuf_put_json(out, uri);
	strbuf_put_text(out, ",\"Id\":\"1\"}");
	return str_starts_with(uri, STR("/c/"));
}

static void check_fault(const struct query_fault *fault)
{
	CHECK(fault->status == 400 || fault->status == 501);
	CHECK(str_starts_with(str_of(fault->key), STR("Query")));
}

static void check_shape(struct str query, const struct query_options *options)
{
	struct shape shape = {
		.path = STR("/c"), .query = query, .options = options, .encode = encode
	};
	struct query_fault fault;
	struct strbuf out;
	json_t *json;

	strbuf_init(&out, 1 << 20);
	if (shape_body(&shape, STR(body), &out, &fault) < 0) {
		check_fault(&fault);
	} else {
		json = json_loadb(out.p, out.len, 0, NULL);
		CHECK(json_is_string(json_object_get(json, "@odata.id")));
		CHECK(!(options->given & QUERY_TOP) ||
		      json_array_size(json_object_get(json, "Members")) <= options->top);
		json_decref(json);
	}
	strbuf_fini(&out);
}

static void check_path(struct str path)
{
	struct place place = resource_find(path);

	CHECK(!place.resource || fuzz_within(place.rest, path));
	for (size_t i = 0; place.resource && i < RESOURCE_MAX_IDS; i++)
		CHECK(!place.ids[i].p || (fuzz_within(place.ids[i], path) && place.ids[i].len > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str query = fuzz_str(data, size);
	struct query_options options;
	struct query_fault fault;

	check_path(query);
	if (query_options_parse(query, ALL, &options, &fault) < 0) {
		check_fault(&fault);
		return 0;
	}
	CHECK(options.top <= INT64_MAX && options.skip <= INT64_MAX);
	CHECK(!!(options.given & QUERY_EXPAND) == (options.expand != 0));
	check_shape(query, &options);
	query_options_fini(&options);
	return 0;
}
