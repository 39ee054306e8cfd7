/* Query strings: what is taken, and how the rest is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/query_options.h"
#include "base/mem.h"

#define ALL (QUERY_COMMON | QUERY_FILTER | QUERY_ORDERBY | QUERY_SKIPTOKEN)

static void test_what_is_taken(void **state)
{
	struct query_options options;
	struct query_fault fault;

	assert_int_equal(
		query_options_parse(STR("$select=Id,Status/Health&%24top=5&$skip=007&x=1&"
					"$filter=Severity%20eq%20'OK'&$expand=.($levels=1)"),
				    ALL, &options, &fault),
		0);
	assert_int_equal(options.given,
			 QUERY_SELECT | QUERY_TOP | QUERY_SKIP | QUERY_FILTER | QUERY_EXPAND);
	assert_string_equal(options.select.p, "Id,Status/Health");
	assert_string_equal(options.filter.p, "Severity eq 'OK'");
	assert_int_equal(options.top, 5);
	assert_int_equal(options.skip, 7);
	assert_int_equal(options.expand, QUERY_EXPAND_NO_LINKS);
	query_options_fini(&options);
}

/* What clients make of the same filter: python-requests and forms, browsers and curl, hands. */
static void test_plus_signs(void **state)
{
	static const struct {
		const char *raw, *filter;
	} cases[] = {
		{ "Severity+eq+%27OK%27", "Severity eq 'OK'" },
		{ "Severity+eq+'OK'", "Severity eq 'OK'" },
		{ "contains%28Message%2C%27power+supply%27%29",
		  "contains(Message,'power supply')" },
		{ "contains(Message,'power+supply')+and+Id+gt+3",
		  "contains(Message,'power supply') and Id gt 3" },
		{ "contains(Message,'a+b')", "contains(Message,'a+b')" },
		{ "contains(Message,'a+b')%20and%20Id%20gt%203",
		  "contains(Message,'a+b') and Id gt 3" },
		{ "contains(Message,'a+b')%20and+Id%20gt%203",
		  "contains(Message,'a+b') and Id gt 3" },
		{ "contains%28Message%2C%27a%2Bb+c%27%29", "contains(Message,'a+b c')" },
		{ "EventId+eq+'it''s+1'", "EventId eq 'it''s 1'" },
		{ "Created+ge+2026-11-21T10:00:00+01:00", "Created ge 2026-11-21T10:00:00+01:00" },
		{ "Created%20ge%202026-11-21T10:00:00+01:00",
		  "Created ge 2026-11-21T10:00:00+01:00" },
		{ "Created+ge+2026-11-21T10%3A00%3A00.25+01%3a00+and+Id+gt+1",
		  "Created ge 2026-11-21T10:00:00.25+01:00 and Id gt 1" },
		{ "Created+ge+2026-11-21T10%3A00%3A00%2B01%3A00",
		  "Created ge 2026-11-21T10:00:00+01:00" },
		{ "Created+ge+'2026-11-21T10:00:00+0100'",
		  "Created ge '2026-11-21T10:00:00+0100'" },
		{ "Created+ge+2026-11-21T10:00:00Z+and+Id+gt+1",
		  "Created ge 2026-11-21T10:00:00Z and Id gt 1" },
		{ "EventGroupId+in+(1,+2)", "EventGroupId in (1, 2)" },
		{ "%2", NULL },
	};
	struct query_options options;
	struct query_fault fault;
	char query[256];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r;

		snprintf(query, sizeof(query), "$orderby=Id+desc&$filter=%s", cases[i].raw);
		r = query_options_parse(str_of(query), ALL, &options, &fault);
		assert_int_equal(r, cases[i].filter ? 0 : -EINVAL);
		if (r < 0)
			continue;
		if (!str_eq(strbuf_str(&options.filter), str_of(cases[i].filter)))
			fail_msg("%s is taken for %.*s", cases[i].raw,
				 STR_ARG(strbuf_str(&options.filter)));
		assert_true(str_eq(strbuf_str(&options.orderby), STR("Id desc")));
		query_options_fini(&options);
	}
}

static void test_nothing_asked_is_nothing_given(void **state)
{
	static const char *const queries[] = { "", "&&", "a=b&c", "top=5&filter=x" };
	struct query_options options;
	struct query_fault fault;

	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		assert_int_equal(query_options_parse(str_of(queries[i]), ALL, &options, &fault), 0);
		assert_int_equal(options.given, 0);
		query_options_fini(&options);
	}
}

static void test_expand(void **state)
{
	static const struct {
		const char *query;
		unsigned expand;
	} cases[] = {
		{ "$expand=*", QUERY_EXPAND_LINKS | QUERY_EXPAND_NO_LINKS },
		{ "$expand=~", QUERY_EXPAND_LINKS },
		{ "$expand=.", QUERY_EXPAND_NO_LINKS },
		{ "$expand=*($levels=1)", QUERY_EXPAND_LINKS | QUERY_EXPAND_NO_LINKS },
	};
	struct query_options options;
	struct query_fault fault;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(query_options_parse(str_of(cases[i].query), ALL, &options, &fault),
				 0);
		assert_int_equal(options.expand, cases[i].expand);
		query_options_fini(&options);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *query;
		unsigned taken;
		int status;
		const char *key, *parameter;
	} cases[] = {
		{ "$wrong=1", ALL, 501, "QueryParameterUnsupported", "$wrong" },
		{ "a=1&%24x", ALL, 501, "QueryParameterUnsupported", "$x" },
		{ "$filter=x", QUERY_COMMON, 400, "QueryNotSupportedOnResource", "$filter" },
		{ "$top=-1", ALL, 400, "QueryParameterValueTypeError", "$top" },
		{ "$skip=", ALL, 400, "QueryParameterValueTypeError", "$skip" },
		{ "$top=9223372036854775808", ALL, 400, "QueryParameterValueTypeError", "$top" },
		{ "$select=", ALL, 400, "QueryParameterValueFormatError", "$select" },
		{ "$select=a,,b", ALL, 400, "QueryParameterValueFormatError", "$select" },
		{ "$select=/a", ALL, 400, "QueryParameterValueFormatError", "$select" },
		{ "$select=a%00", ALL, 400, "QueryParameterValueFormatError", "$select" },
		{ "$select=%zz", ALL, 400, "QueryParameterValueFormatError", "$select" },
		{ "$expand=", ALL, 400, "QueryParameterValueFormatError", "$expand" },
		{ "$expand=x", ALL, 400, "QueryParameterValueFormatError", "$expand" },
		{ "$expand=.($levels=", ALL, 400, "QueryParameterValueFormatError", "$expand" },
		{ "$expand=.($levels=)", ALL, 400, "QueryParameterValueTypeError", "$expand" },
		{ "$expand=*($levels=2)", ALL, 400, "QueryParameterOutOfRange", "$expand" },
		{ "$top=1&$top=2", ALL, 400, "QueryParameterValueError", "$top" },
		{ "only&$top=2", ALL, 400, "QueryCombinationInvalid", "only" },
		{ "only=yes", ALL, 400, "QueryParameterValueFormatError", "only" },
	};
	struct query_options options;
	struct query_fault fault;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (query_options_parse(str_of(cases[i].query), cases[i].taken, &options, &fault) ==
		    0)
			fail_msg("'%s' was taken", cases[i].query);
		assert_int_equal(fault.status, cases[i].status);
		assert_string_equal(fault.key, cases[i].key);
		assert_string_equal(fault.parameter, cases[i].parameter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_plus_signs),
		cmocka_unit_test(test_nothing_asked_is_nothing_given),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
