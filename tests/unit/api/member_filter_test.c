/* $filter and $orderby over JSON members: what passes, in which order, and which column is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/member_filter.h"
#include "event/filter.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/limits.h"

static const char member_text[] =
	"{\"Name\":\"rack7\",\"Count\":12,\"Enabled\":true,\"Gone\":null,\"Quote\":\"it's\","
	"\"Created\":\"2026-11-20T09:00:00Z\",\"Oem\":{\"Rfeventd\":{\"Site\":\"Köln\"}}}";

static void test_what_passes(void **state)
{
	static const struct {
		const char *filter;
		bool passes;
	} cases[] = {
		{ "", true },
		{ "Name eq 'rack7'", true },
		{ "Name eq 'Rack7'", false },
		{ "Name ne 'rack7'", false },
		{ "Oem/Rfeventd/Site eq 'Köln'", true },
		{ "Oem/Rfeventd/Rack eq null", true },
		{ "Oem/Rfeventd/Rack ne 'x'", true },
		{ "Oem/Rfeventd/Rack lt 'x'", false },
		{ "Gone eq null and Name ne null", true },
		{ "Count gt 9", true },
		{ "Count gt 12 or Count le 11.5", false },
		{ "Count eq '12'", false },
		{ "Enabled eq true", true },
		{ "not Enabled eq true", false },
		{ "not (Enabled eq false) and Count ge 12", true },
		{ "Name in ('a','rack7')", true },
		{ "Count in (1,2,3)", false },
		{ "contains(Name,'ack')", true },
		{ "startswith(Name,'ack')", false },
		{ "endswith(Name,'k7')", true },
		{ "contains(Count,'1')", false },
		{ "Quote eq 'it''s'", true },
		{ "Created lt 2026-11-20T10:00:00+00:30", true },
		{ "Created gt '2026-11-20T08:59:59Z'", true },
		/* and before or */
		{ "Name eq 'x' and Count eq 1 or Enabled eq true", true },
		{ "Name eq 'x' and (Count eq 1 or Enabled eq true)", false },
	};
	json_t *member = json_loads(member_text, 0, NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = NULL;
		struct err err = { "" };

		if (member_filter_parse(str_of(cases[i].filter), &filter, &err) < 0)
			fail_msg("%s: %s", cases[i].filter, err.text);
		if (member_filter_passes(filter, member) != cases[i].passes)
			fail_msg("%s", cases[i].filter);
		filter_free(filter);
	}
	json_decref(member);
}

static void test_what_is_wrong(void **state)
{
	static const struct {
		const char *filter, *words;
	} cases[] = {
		{ "Name", "column 5: expected one of eq" },
		{ "Name eq", "column 8: expected a string" },
		{ "Name eq 'x", "column 9: the string that starts here has no closing" },
		{ "Name eq x", "column 9: expected a string" },
		{ "(Name eq 'ö'", "column 13: expected 'and', 'or' or ')'" },
		{ "Name eq 'ö') or", "column 12: expected 'and', 'or' or the end" },
		{ "Name eq 1 and", "column 14: expected the name" },
		{ "contains(Name,7)", "column 15: expected a string" },
		{ "Name in ()", "column 10: expected a string" },
		{ "7 eq 7", "column 1: expected the name" },
		{ "Name eq 1e999", "column 9: expected a string" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = NULL;
		struct err err = { "" };

		assert_int_equal(member_filter_parse(str_of(cases[i].filter), &filter, &err), -EINVAL);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: %s", cases[i].filter, err.text);
	}
}

static void test_caps(void **state)
{
	struct filter *filter = NULL;
	struct strbuf text;
	struct err err;

	strbuf_init(&text, 1 << 20);
	for (int i = 0; i <= FILTER_MAX_DEPTH; i++)
		strbuf_put_char(&text, '(');
	assert_int_equal(member_filter_parse(strbuf_str(&text), &filter, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nested more than"));
	strbuf_reset(&text);
	strbuf_put_text(&text, "a eq 1");
	for (int i = 0; i < FILTER_MAX_NODES; i++)
		strbuf_put_text(&text, " or a eq 1");
	assert_int_equal(member_filter_parse(strbuf_str(&text), &filter, &err), -EINVAL);
	strbuf_fini(&text);
}

static void test_order(void **state)
{
	static const struct {
		const char *order, *a, *b;
		int sign;
	} cases[] = {
		{ "Name", "{\"Name\":\"a\"}", "{\"Name\":\"b\"}", -1 },
		{ "Name desc", "{\"Name\":\"a\"}", "{\"Name\":\"b\"}", 1 },
		{ "Name asc", "{}", "{\"Name\":\"b\"}", -1 },
		{ "n", "{\"n\":9}", "{\"n\":10}", -1 },
		{ "n, Name desc", "{\"n\":9,\"Name\":\"a\"}", "{\"n\":9,\"Name\":\"b\"}", 1 },
		{ "x/y", "{\"x\":{\"y\":1}}", "{\"x\":{\"y\":1}}", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *a = json_loads(cases[i].a, 0, NULL), *b = json_loads(cases[i].b, 0, NULL);
		struct member_order order;
		int r;

		assert_int_equal(member_order_parse(str_of(cases[i].order), &order, NULL), 0);
		r = member_order_compare(&order, a, b);
		assert_int_equal((r > 0) - (r < 0), cases[i].sign);
		r = member_order_compare(&order, b, a);
		assert_int_equal((r > 0) - (r < 0), -cases[i].sign);
		json_decref(a);
		json_decref(b);
	}
}

static void test_no_order(void **state)
{
	static const char *const texts[] = { "", "Name up", "7", "a,b,c,d,e", "a,,b", "a asc desc" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct member_order order;
		struct err err;

		assert_int_equal(member_order_parse(str_of(texts[i]), &order, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_passes), cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_caps),	    cmocka_unit_test(test_order),
		cmocka_unit_test(test_no_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
