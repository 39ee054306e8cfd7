/* Query strings and percent-encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/server.h"

static const struct {
	const char *name, *source, *raw;
	const char *decoded; /* NULL: refused */
} escapes[] = {
	{ "plain", "RFC 3986 2.3", "a-b_c.d~", "a-b_c.d~" },
	{ "both cases", "RFC 3986 2.1", "%2f%2F", "//" },
	{ "plus stays", "RFC 3986 2.2", "a+b%20c", "a+b c" },
	{ "bytes above ASCII", "RFC 3986 2.5", "%C3%A4", "\xc3\xa4" },
	{ "cut short", "RFC 3986 2.1", "a%2", NULL },
	{ "alone", "RFC 3986 2.1", "%", NULL },
	{ "not hexadecimal", "RFC 3986 2.1", "%g0", NULL },
	{ "NUL", "ours", "a%00b", NULL },
	{ "decoded once", "RFC 3986 2.4", "%2541", "%41" },
};

static void test_decode(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
		struct strbuf out;
		bool fine;

		strbuf_init(&out, 100);
		fine = http_percent_decode(str_of(escapes[i].raw), &out);
		if (fine != (escapes[i].decoded != NULL) ||
		    (fine && !str_eq(strbuf_str(&out), str_of(escapes[i].decoded))))
			fail_msg("%s", escapes[i].name);
		strbuf_fini(&out);
	}
}

static void test_decode_over_the_cap(void **state)
{
	struct strbuf out;

	strbuf_init(&out, 2);
	assert_false(http_percent_decode(STR("%41%41%41"), &out));
	strbuf_fini(&out);
}

static const struct {
	const char *name, *query, *key, *value; /* value NULL: absent */
} queries[] = {
	{ "first", "a=1&b=2", "a", "1" },
	{ "second", "a=1&b=2", "b", "2" },
	{ "not a prefix", "ab=1", "a", NULL },
	{ "not a longer one", "a=1", "ab", NULL },
	{ "encoded name", "%24top=5", "$top", "5" },
	{ "value stays raw", "q=a%26b", "q", "a%26b" },
	{ "no value", "a&b=2", "a", "" },
	{ "empty value", "a=", "a", "" },
	{ "equals in the value", "a=b=c", "a", "b=c" },
	{ "empty parts", "&&a=1", "a", "1" },
	{ "the first of two", "a=1&a=2", "a", "1" },
	{ "bad escape in another name", "%zz=1&a=2", "a", "2" },
	{ "nothing", "", "a", NULL },
};

static void test_query(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		struct str value = { NULL, 0 };
		bool found = http_query_get(str_of(queries[i].query), queries[i].key, &value);

		if (found != (queries[i].value != NULL) ||
		    (found && !str_eq(value, str_of(queries[i].value))))
			fail_msg("%s", queries[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_over_the_cap),
		cmocka_unit_test(test_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
