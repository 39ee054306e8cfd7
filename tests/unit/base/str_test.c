#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void test_compare(void **state)
{
	static const struct {
		const char *name, *a, *b;
		bool eq, eq_nocase, starts, ends;
		int cmp;
	} cases[] = {
		{ "same", "abc", "abc", true, true, true, true, 0 },
		{ "case", "aBc", "AbC", false, true, false, false, 1 },
		{ "prefix", "abcd", "ab", false, false, true, false, 1 },
		{ "suffix", "abcd", "cd", false, false, false, true, -1 },
		{ "shorter", "ab", "abcd", false, false, false, false, -1 },
		{ "empty in anything", "ab", "", false, false, true, true, 1 },
		{ "both empty", "", "", true, true, true, true, 0 },
		{ "only ASCII folds: [ is not {", "[", "{", false, false, false, false, -1 },
		{ "high bytes are larger", "\xff", "a", false, false, false, false, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str a = str_of(cases[i].a), b = str_of(cases[i].b);
		int cmp = str_cmp(a, b);

		print_message("%s\n", cases[i].name);
		assert_int_equal(str_eq(a, b), cases[i].eq);
		assert_int_equal(str_eq_nocase(a, b), cases[i].eq_nocase);
		assert_int_equal(str_starts_with(a, b), cases[i].starts);
		assert_int_equal(str_ends_with(a, b), cases[i].ends);
		assert_int_equal((cmp > 0) - (cmp < 0), cases[i].cmp);
	}
	assert_null(str_of(NULL).p);
	assert_true(str_eq(str_of(NULL), STR("")));
}

static void test_search(void **state)
{
	assert_int_equal(str_find_char(STR("abca"), 'a'), 0);
	assert_int_equal(str_find_char(STR("abc"), 'c'), 2);
	assert_int_equal(str_find_char(STR("abc"), 'x'), 3);
	assert_int_equal(str_find_char(str_of(NULL), 'x'), 0);
	assert_int_equal(str_find(STR("a%1b%1"), STR("%1")), 1);
	assert_int_equal(str_find(STR("abc"), STR("abcd")), 3);
	assert_int_equal(str_find(STR("abc"), STR("")), 0);
	assert_int_equal(str_find(STR("a\0b"), STR("\0b")), 1);
	assert_true(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")));
	assert_int_equal(str_trim(STR(" \n ")).len, 0);
}

static void test_cut(void **state)
{
	struct str word = STR("x\xc3\xa4\xe2\x82\xac"); /* of one, two and three bytes */
	static const size_t expect[] = { 0, 1, 1, 3, 3, 3, 6, 6 };

	for (size_t max = 0; max < ARRAY_LEN(expect); max++)
		assert_int_equal(str_cut(word, max).len, expect[max]);
	assert_int_equal(str_cut(str_of(NULL), 3).len, 0);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool is_u64, is_i64;
		uint64_t u64;
		int64_t i64;
	} cases[] = {
		{ "0", true, true, 0, 0 },
		{ "007", true, true, 7, 7 },
		{ "-7", false, true, 0, -7 },
		{ "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
		{ "9223372036854775808", true, false, UINT64_C(1) << 63, 0 },
		{ "-9223372036854775808", false, true, 0, INT64_MIN },
		{ "-9223372036854775809", false, false, 0, 0 },
		{ "18446744073709551615", true, false, UINT64_MAX, 0 },
		{ "18446744073709551616", false, false, 0, 0 },
		{ "99999999999999999999999", false, false, 0, 0 },
		{ "", false, false, 0, 0 },
		{ "-", false, false, 0, 0 },
		{ "--1", false, false, 0, 0 },
		{ "+1", false, false, 0, 0 },
		{ " 1", false, false, 0, 0 },
		{ "1 ", false, false, 0, 0 },
		{ "0x1", false, false, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t u64 = 0;
		int64_t i64 = 0;

		print_message("'%s'\n", cases[i].text);
		assert_int_equal(str_to_u64(str_of(cases[i].text), &u64), cases[i].is_u64);
		assert_int_equal(str_to_i64(str_of(cases[i].text), &i64), cases[i].is_i64);
		if (cases[i].is_u64)
			assert_true(u64 == cases[i].u64);
		if (cases[i].is_i64)
			assert_true(i64 == cases[i].i64);
	}
}

/* Boundaries of Unicode 15, table 3-7. */
static const struct {
	const char *name, *bytes;
	bool good;
} utf8_cases[] = {
	{ "ASCII", "plain", true },
	{ "DEL", "\x7f", true },
	{ "lone continuation", "\x80", false },
	{ "C0 and C1 would be overlong", "\xc1\xbf", false },
	{ "U+0080", "\xc2\x80", true },
	{ "U+07FF", "\xdf\xbf", true },
	{ "two bytes, cut", "\xdf", false },
	{ "two bytes, second wrong", "\xdf\x41", false },
	{ "overlong three", "\xe0\x9f\xbf", false },
	{ "U+0800", "\xe0\xa0\x80", true },
	{ "U+D7FF", "\xed\x9f\xbf", true },
	{ "surrogate U+D800", "\xed\xa0\x80", false },
	{ "U+E000", "\xee\x80\x80", true },
	{ "U+FFFF", "\xef\xbf\xbf", true },
	{ "three bytes, cut", "\xef\xbf", false },
	{ "overlong four", "\xf0\x8f\xbf\xbf", false },
	{ "U+10000", "\xf0\x90\x80\x80", true },
	{ "U+10FFFF", "\xf4\x8f\xbf\xbf", true },
	{ "U+110000", "\xf4\x90\x80\x80", false },
	{ "four bytes, cut", "\xf0\x90\x80", false },
	{ "F5", "\xf5\x80\x80\x80", false },
	{ "Windows-1252 degree",
	  "25 \xb0"
	  "C",
	  false },
};

static void test_utf8(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(utf8_cases); i++) {
		/* Behind 0 to 16 plain bytes, so that each way through the fast path is met. */
		for (size_t n_before = 0; n_before <= 16; n_before++) {
			char *text = xasprintf("%.*s%s", (int)n_before, "abcdefghijklmnop",
					       utf8_cases[i].bytes);
			/* Exactly sized: reading past the end is for ASan to see. */
			char *exact = xmalloc(strlen(text));

			memcpy(exact, text, strlen(text));
			print_message("%s after %zu\n", utf8_cases[i].name, n_before);
			assert_int_equal(str_is_utf8((struct str){ exact, strlen(text) }),
					 utf8_cases[i].good);
			free(exact);
			free(text);
		}
	}
}

static void test_json(void **state)
{
	static const struct {
		const char *name;
		struct str in;
		const char *out;
	} cases[] = {
		{ "empty", { "", 0 }, "\"\"" },
		{ "plain, longer than a word",
		  { "0123456789abcdef!", 17 },
		  "\"0123456789abcdef!\"" },
		{ "quote in the first word", { "01234\"67", 8 }, "\"01234\\\"67\"" },
		{ "backslash behind it", { "01234567\\", 9 }, "\"01234567\\\\\"" },
		{ "short forms", { "\b\f\n\r\t", 5 }, "\"\\b\\f\\n\\r\\t\"" },
		{ "NUL and 1F", { "\0\x1f", 2 }, "\"\\u0000\\u001f\"" },
		{ "control within a word",
		  { "0123\x01"
		    "567",
		    8 },
		  "\"0123\\u0001567\"" },
		{ "DEL", { "0123456\x7f", 8 }, "\"0123456\\u007f\"" },
		{ "C1 control", { "\xc2\x9b", 2 }, "\"\\u009b\"" },
		{ "UTF-8 stays", { "25 °C ☃ 𝄞", 15 }, "\"25 °C ☃ 𝄞\"" },
		{ "bytes that are not UTF-8",
		  { "25 \xb0"
		    "C\xe2\x98",
		    7 },
		  "\"25 \xef\xbf\xbd"
		  "C\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "slash stays", { "/redfish/v1", 11 }, "\"/redfish/v1\"" },
	};
	struct strbuf b;

	strbuf_init(&b, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].name);
		strbuf_reset(&b);
		strbuf_put_json(&b, cases[i].in);
		assert_string_equal(b.p, cases[i].out);
		assert_true(str_is_utf8(strbuf_str(&b)));
	}
	strbuf_fini(&b);
}

/* Every byte at every place of a word comes out plain or escaped, as RFC 8259 section 7 says. */
static void test_json_every_byte(void **state)
{
	struct strbuf b;

	strbuf_init(&b, 4096);
	for (int c = 0; c < 0x80; c++) {
		bool plain = c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;

		for (size_t at = 0; at < 17; at++) {
			char text[17];

			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			strbuf_reset(&b);
			strbuf_put_json(&b, (struct str){ text, sizeof(text) });
			assert_int_equal(b.len > sizeof(text) + 2, !plain);
			assert_int_equal(b.p[at + 1], plain ? c : '\\');
		}
	}
	strbuf_fini(&b);
}

static void test_build(void **state)
{
	struct strbuf b;

	strbuf_init(&b, 1000);
	assert_true(str_eq(strbuf_str(&b), STR("")));
	strbuf_put_text(&b, "a");
	strbuf_put_char(&b, 'b');
	strbuf_put(&b, STR("cd"));
	strbuf_putf(&b, "%d-%s", 7, "x");
	strbuf_put_u64(&b, UINT64_MAX);
	strbuf_put_i64(&b, INT64_MIN);
	strbuf_put_u64(&b, 0);
	assert_string_equal(b.p, "abcd7-x18446744073709551615-92233720368547758080");
	/* One that does not fit what is allocated, only what is allowed. */
	strbuf_reset(&b);
	strbuf_putf(&b, "%500d", 1);
	assert_int_equal(b.len, 500);
	assert_int_equal(strlen(b.p), 500);
	strbuf_drop_front(&b, 498);
	assert_string_equal(b.p, " 1");
	memcpy(strbuf_reserve(&b, 3), "xyz", 3);
	strbuf_commit(&b, 3);
	assert_string_equal(b.p, " 1xyz");
	strbuf_drop_front(&b, 5);
	assert_string_equal(b.p, "");
	strbuf_fini(&b);
}

static void test_cap(void **state)
{
	struct strbuf b;

	strbuf_init(&b, 100);
	for (int i = 0; i < 100; i++)
		strbuf_put_char(&b, 'x');
	assert_false(b.failed);
	assert_int_equal(b.len, 100);
	strbuf_put_char(&b, 'x');
	assert_true(b.failed);
	/* It sticks, even for what would fit. */
	strbuf_drop_front(&b, 50);
	strbuf_put_char(&b, 'x');
	assert_null(strbuf_reserve(&b, 1));
	assert_int_equal(b.len, 50);
	strbuf_reset(&b);
	assert_false(b.failed);
	strbuf_putf(&b, "%101d", 1);
	assert_true(b.failed);
	strbuf_reset(&b);
	strbuf_putf(&b, "%100d", 1);
	assert_false(b.failed);
	strbuf_fini(&b);
	/* A size that would wrap. */
	strbuf_init(&b, SIZE_MAX);
	strbuf_put_char(&b, 'x');
	assert_null(strbuf_reserve(&b, SIZE_MAX - 1));
	assert_true(b.failed);
	strbuf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_every_byte),
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
