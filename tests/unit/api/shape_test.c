/* Bodies shaped by a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/query_options.h"
#include "api/shape.h"
#include "base/mem.h"

#define COLLECTION                                                                                 \
	"{\"@odata.id\":\"/c\",\"Name\":\"C\",\"Members\":[{\"@odata.id\":\"/c/1\"},"              \
	"{\"@odata.id\":\"/c/2\"},{\"@odata.id\":\"/c/gone\"}],\"Members@odata.count\":3}"
#define SINGLE                                                                                     \
	"{\"@odata.id\":\"/s\",\"Members\":[{\"@odata.id\":\"/c/1\"}],\"Members@odata.count\":1}"
#define RESOURCE                                                                                   \
	"{\"@odata.id\":\"/r\",\"@odata.type\":\"#R.v1.R\",\"Id\":\"r\",\"Id@x.y\":1,"             \
	"\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},\"Below\":{\"@odata.id\":\"/c/1\"}," \
	"\"Links\":{\"Far\":{\"@odata.id\":\"/c/2\"}}}"
#define SHOWN                                                                                      \
	"{\"@odata.id\":\"/e\",\"Members\":[{\"@odata.id\":\"/e/1\",\"A\":1,\"B\":2},"             \
	"{\"@odata.id\":\"/e/2\",\"A\":3,\"B\":4}],\"Members@odata.count\":9}"

static bool encode(void *ctx, struct str uri, struct strbuf *out)
{
	if (!str_starts_with(uri, STR("/c/")) || str_eq(uri, STR("/c/gone")))
		return false;
	strbuf_putf(out, "{\"@odata.id\":\"%.*s\",\"Id\":\"%c\",\"Next\":{\"@odata.id\":\"/c/2\"}}",
		    STR_ARG(uri), uri.p[3]);
	return true;
}

static int shaped(const char *query, unsigned done, const char *body, struct strbuf *out,
		  struct query_fault *fault)
{
	struct query_options options;
	struct shape shape = { .path = STR("/c"),
			       .query = str_of(query),
			       .options = &options,
			       .done = done,
			       .encode = encode };
	int r;

	assert_int_equal(query_options_parse(shape.query, QUERY_COMMON, &options, fault), 0);
	strbuf_init(out, 1 << 16);
	r = shape_body(&shape, str_of(body), out, fault);
	query_options_fini(&options);
	return r;
}

static void test_shapes(void **state)
{
	static const struct {
		const char *query;
		unsigned done;
		const char *body, *expected;
	} cases[] = {
		{ "$select=Id", 0, RESOURCE,
		  "{\"@odata.id\":\"/r\",\"@odata.type\":\"#R.v1.R\",\"Id\":\"r\",\"Id@x.y\":1}" },
		{ "$select=Status/Health,None", 0, RESOURCE,
		  "{\"@odata.id\":\"/"
		  "r\",\"@odata.type\":\"#R.v1.R\",\"Status\":{\"Health\":\"OK\"}}" },
		{ "$select=Status,Status/Health", 0, RESOURCE,
		  "{\"@odata.id\":\"/"
		  "r\",\"@odata.type\":\"#R.v1.R\",\"Status\":{\"State\":\"Enabled\","
		  "\"Health\":\"OK\"}}" },
		{ "$select=Name", 0, COLLECTION, "{\"@odata.id\":\"/c\",\"Name\":\"C\"}" },
		{ "$select=B", 0, SHOWN,
		  "{\"@odata.id\":\"/e\",\"Members\":[{\"@odata.id\":\"/e/1\",\"B\":2},"
		  "{\"@odata.id\":\"/e/2\",\"B\":4}],\"Members@odata.count\":9}" },
		{ "$top=1", 0, COLLECTION,
		  "{\"@odata.id\":\"/c\",\"Name\":\"C\",\"Members\":[{\"@odata.id\":\"/c/1\"}],"
		  "\"Members@odata.count\":3,\"Members@odata.nextLink\":\"/c?$skip=1&$top=1\"}" },
		{ "$skip=2&$top=5", 0, COLLECTION,
		  "{\"@odata.id\":\"/c\",\"Name\":\"C\",\"Members\":[{\"@odata.id\":\"/c/gone\"}],"
		  "\"Members@odata.count\":3}" },
		{ "$skip=9", 0, COLLECTION,
		  "{\"@odata.id\":\"/"
		  "c\",\"Name\":\"C\",\"Members\":[],\"Members@odata.count\":3}" },
		{ "$top=0", 0, COLLECTION,
		  "{\"@odata.id\":\"/"
		  "c\",\"Name\":\"C\",\"Members\":[],\"Members@odata.count\":3}" },
		{ "$top=1", QUERY_TOP, SHOWN, SHOWN },
		{ "$expand=.&$skip=1", 0, COLLECTION,
		  "{\"@odata.id\":\"/c\",\"Name\":\"C\",\"Members\":[{\"@odata.id\":\"/c/"
		  "2\",\"Id\":\"2\","
		  "\"Next\":{\"@odata.id\":\"/c/2\"}},{\"@odata.id\":\"/c/gone\"}],"
		  "\"Members@odata.count\":3}" },
		{ "$expand=~&$select=Below,Links", 0, RESOURCE,
		  "{\"@odata.id\":\"/r\",\"@odata.type\":\"#R.v1.R\",\"Below\":{\"@odata.id\":\"/c/"
		  "1\"},"
		  "\"Links\":{\"Far\":{\"@odata.id\":\"/c/2\",\"Id\":\"2\",\"Next\":{\"@odata.id\":"
		  "\"/c/2\"}}}}" },
		{ "$expand=.&$select=Below,Links", 0, RESOURCE,
		  "{\"@odata.id\":\"/r\",\"@odata.type\":\"#R.v1.R\",\"Below\":{\"@odata.id\":\"/c/"
		  "1\","
		  "\"Id\":\"1\",\"Next\":{\"@odata.id\":\"/c/"
		  "2\"}},\"Links\":{\"Far\":{\"@odata.id\":"
		  "\"/c/2\"}}}" },
		{ "only&$select=Id", 0, SINGLE, "{\"@odata.id\":\"/c/1\",\"Id\":\"1\"}" },
		{ "only", 0, COLLECTION, COLLECTION },
	};
	struct query_fault fault;
	struct strbuf out;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(shaped(cases[i].query, cases[i].done, cases[i].body, &out, &fault),
				 0);
		assert_string_equal(out.p, cases[i].expected);
		strbuf_fini(&out);
	}
}

static void test_the_next_page_keeps_the_rest_of_the_query(void **state)
{
	struct query_fault fault;
	struct strbuf out;

	assert_int_equal(shaped("x=1&$top=1&$skip=1&$select=Members", 0, COLLECTION, &out, &fault),
			 0);
	assert_non_null(strstr(out.p, "\"/c?$skip=2&x=1&$top=1&$select=Members\""));
	strbuf_fini(&out);
}

static void test_what_has_no_members_has_no_pages(void **state)
{
	static const char *const queries[] = { "$top=1", "$skip=1", "only" };
	struct query_fault fault;
	struct strbuf out;

	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		assert_true(shaped(queries[i], 0, RESOURCE, &out, &fault) < 0);
		assert_string_equal(fault.key, "QueryNotSupportedOnResource");
		strbuf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_the_next_page_keeps_the_rest_of_the_query),
		cmocka_unit_test(test_what_has_no_members_has_no_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
