/* The JSON reader: what RFC 8259 allows and forbids, what is mended, and jansson's opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "event/tree.h"
#include "tests/unit/tree_reference.h"

struct reading {
	struct arena *arena;
	struct tree *tree;
	struct tree_fault fault;
	uint64_t quirks;
};

static struct reading read_text(struct str text)
{
	struct reading reading = { .arena = arena_new(1u << 30) };

	reading.tree = tree_read(reading.arena, text, &reading.quirks, &reading.fault);
	return reading;
}

#define EM "\xe2\x80\x94"

static void texts(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "null", true },
		{ " true\n", true },
		{ "\tfalse \r\n", true },
		{ "0", true },
		{ "-0", true },
		{ "10", true },
		{ "-1.5e+10", true },
		{ "0.0", true },
		{ "1E5", true },
		{ "1e-5", true },
		{ "123456789012345678901234567890", true },
		{ "9223372036854775807", true },
		{ "-9223372036854775808", true },
		{ "\"\"", true },
		{ "\"a\"", true },
		{ "\"12345678\"", true },
		{ "\"1234567\\\"\"", true },
		{ "\"" EM EM EM "\"", true },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", true },
		{ "\"\\ud83d\\ude00\"", true },
		{ "[]", true },
		{ "[ ]", true },
		{ "[1,2]", true },
		{ "[[],{}]", true },
		{ "{}", true },
		{ "{ }", true },
		{ "{\"a\":1}", true },
		{ " { \"a\" : [ 1 , 2 ] , \"b\" : { } } ", true },
		{ "[null,true,false,\"x\",1,1.0]", true },
		{ "", false },
		{ " ", false },
		{ "nul", false },
		{ "nulll", false },
		{ "True", false },
		{ "01", false },
		{ "-", false },
		{ "-01", false },
		{ "1.", false },
		{ ".5", false },
		{ "1e", false },
		{ "1e+", false },
		{ "+1", false },
		{ "0x10", false },
		{ "NaN", false },
		{ "Infinity", false },
		{ "\"", false },
		{ "\"a", false },
		{ "\"\\\"", false },
		{ "\"\\x\"", false },
		{ "\"\\u12\"", false },
		{ "\"\\u12g4\"", false },
		{ "\"\\u\"", false },
		{ "\"\\", false },
		{ "'a'", false },
		{ "[", false },
		{ "]", false },
		{ "[1", false },
		{ "[1,", false },
		{ "[1,]", false },
		{ "[,1]", false },
		{ "[1 2]", false },
		{ "[1}", false },
		{ "{", false },
		{ "}", false },
		{ "{\"a\"}", false },
		{ "{\"a\":}", false },
		{ "{\"a\":1,}", false },
		{ "{,}", false },
		{ "{a:1}", false },
		{ "{1:1}", false },
		{ "{\"a\":1 \"b\":2}", false },
		{ "{\"a\":1]", false },
		{ "{\"a\" 1}", false },
		{ "1 2", false },
		{ "{}{}", false },
		{ "[] x", false },
		{ "//c\n1", false },
		{ "\xef\xbb\xbf"
		  "1",
		  false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str text = str_of(cases[i].text);
		struct reading r = read_text(text);

		print_message("%s\n", cases[i].text);
		assert_int_equal(r.tree != NULL, cases[i].good);
		if (!r.tree) {
			assert_int_equal(r.fault.refusal, TREE_NOT_JSON);
			assert_non_null(r.fault.wanted);
			assert_in_range(r.fault.at, 0, text.len);
		}
		tree_check_reference(text);
		arena_free(r.arena);
	}
}

static void values(void **state)
{
	struct str text =
		STR(" { \"n\" : -12 , \"big\":9223372036854775808, \"r\":1.50,"
		    "\"s\":\"a\\u00e9\\ud83d\\ude00\\n\",\"l\":[true,null , {\"x\":\"y\"}]} ");
	struct reading r = read_text(text);
	const struct tree *n = tree_member(r.tree, STR("n")), *big, *list, *item;

	assert_int_equal(r.quirks, 0);
	assert_true(str_eq(r.tree->place, str_trim(text)));
	assert_int_equal(tree_count(r.tree), 5);
	assert_true(n->fits && n->number == -12 && str_eq(n->place, STR("-12")));
	big = tree_member(r.tree, STR("big"));
	assert_true(tree_is(big, TREE_INTEGER) && !big->fits);
	assert_true(str_eq(big->place, STR("9223372036854775808")));
	assert_true(tree_is(tree_member(r.tree, STR("r")), TREE_REAL));
	assert_true(
		str_eq(tree_member(r.tree, STR("s"))->text, STR("a\xc3\xa9\xf0\x9f\x98\x80\n")));
	list = tree_member(r.tree, STR("l"));
	assert_true(str_eq(list->place, STR("[true,null , {\"x\":\"y\"}]")));
	item = tree_first(list);
	assert_true(tree_is(item, TREE_TRUE) && tree_is_boolean(item) && !item->key.p);
	assert_true(tree_is(item->next, TREE_NULL));
	assert_true(str_eq(tree_member(item->next->next, STR("x"))->text, STR("y")));
	assert_null(item->next->next->next);
	assert_null(tree_member(list, STR("x")));
	assert_null(tree_member(r.tree, STR("N")));
	assert_false(tree_is(NULL, TREE_NULL));
	assert_int_equal(tree_count(NULL), 0);
	arena_free(r.arena);
}

static void behind_a_zero_byte(void **state)
{
	struct reading r = read_text((struct str){ "{}\0junk", 7 });

	assert_non_null(r.tree);
	assert_int_equal(r.quirks, QUIRK_BIT(TRAILING_NUL));
	arena_free(r.arena);
}

static void mended(void **state)
{
	static const struct {
		const char *name;
		struct str text;
		struct str key, value;
		uint64_t quirks;
	} cases[] = {
		{ "line break",
		  { "{\"a\":\"x\ny\"}", 11 },
		  { "a", 1 },
		  { "x y", 3 },
		  QUIRK_BIT(CONTROL_CHARACTER) },
		{ "zero byte",
		  { "{\"a\":\"x\0y\"}", 11 },
		  { "a", 1 },
		  { "x y", 3 },
		  QUIRK_BIT(CONTROL_CHARACTER) },
		{ "zero escaped",
		  { "{\"a\":\"x\\u0000\"}", 15 },
		  { "a", 1 },
		  { "x\0", 2 },
		  QUIRK_BIT(NUL_CHARACTER) },
		{ "zero in a key",
		  { "{\"a\\u0000\":\"x\"}", 15 },
		  { "a\xef\xbf\xbd", 4 },
		  { "x", 1 },
		  QUIRK_BIT(NUL_CHARACTER) },
		{ "high half alone",
		  { "{\"a\":\"\\ud83dx\"}", 15 },
		  { "a", 1 },
		  { "\xef\xbf\xbdx", 4 },
		  0 },
		{ "low half alone",
		  { "{\"a\":\"\\ude00\"}", 14 },
		  { "a", 1 },
		  { "\xef\xbf\xbd", 3 },
		  0 },
		{ "two high halves",
		  { "{\"a\":\"\\ud83d\\ud83d\"}", 20 },
		  { "a", 1 },
		  { "\xef\xbf\xbd\xef\xbf\xbd", 6 },
		  0 },
		{ "told twice",
		  { "{\"a\":{\"b\":1},\"c\":2,\"a\":\"x\"}", 27 },
		  { "a", 1 },
		  { "x", 1 },
		  QUIRK_BIT(DUPLICATE_KEY) },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reading r = read_text(cases[i].text);
		const struct tree *value = tree_member(r.tree, cases[i].key);

		print_message("%s\n", cases[i].name);
		assert_non_null(value);
		assert_true(str_eq(value->text, cases[i].value));
		assert_int_equal(r.quirks, cases[i].quirks);
		arena_free(r.arena);
	}
}

/* Where eight bytes at a time begin and end must not matter. */
static void every_alignment(void **state)
{
	static const char *const odd[] = {
		"\\n", "\\\\", "\\\"", "\\u00e9", "\x01", "\xc3\xa9", "x"
	};
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		for (size_t before = 0; before < 20; before++) {
			for (size_t after = 0; after < 20; after++) {
				struct reading r;
				int n = snprintf(text, sizeof(text), "[\"%.*s%s%.*s\",1]",
						 (int)before, "abcdefghijklmnopqrstu", odd[i],
						 (int)after, "ABCDEFGHIJKLMNOPQRSTU");

				r = read_text((struct str){ text, (size_t)n });
				assert_non_null(r.tree);
				assert_int_equal(tree_count(r.tree), 2);
				assert_int_equal(r.tree->first->place.len, (size_t)n - 4);
				tree_check_reference((struct str){ text, (size_t)n });
				arena_free(r.arena);
				for (int cut = 0; cut < n; cut++) {
					r = read_text((struct str){ text, (size_t)cut });
					assert_null(r.tree);
					arena_free(r.arena);
				}
			}
		}
	}
}

static char *repeat(const char *front, const char *middle, size_t n, const char *end)
{
	struct strbuf out;
	char *text;

	strbuf_init(&out, 64u << 20);
	strbuf_put_text(&out, front);
	for (size_t i = 0; i < n; i++)
		strbuf_put_text(&out, middle);
	strbuf_put_text(&out, end);
	text = xstrndup(strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

static enum tree_refusal refusal_of(char *text, size_t arena_bytes)
{
	struct arena *arena = arena_new(arena_bytes);
	struct tree_fault fault;
	uint64_t quirks = 0;
	struct tree *tree = tree_read(arena, str_of(text), &quirks, &fault);

	assert_int_equal(tree == NULL, fault.refusal != TREE_FINE);
	arena_free(arena);
	free(text);
	return fault.refusal;
}

static void caps(void **state)
{
	char *deep = repeat("", "[", DECODE_MAX_DEPTH, "");
	char *full = xasprintf("%s%.*s", deep, DECODE_MAX_DEPTH,
			       "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");

	assert_int_equal(refusal_of(full, 1u << 20), TREE_FINE);
	assert_int_equal(refusal_of(xasprintf("%s[", deep), 1u << 20), TREE_TOO_DEEP);
	assert_int_equal(refusal_of(deep, 1u << 20), TREE_NOT_JSON);
	assert_int_equal(refusal_of(repeat("[1", ",1", DECODE_MAX_VALUES - 2, "]"), 1u << 30),
			 TREE_FINE);
	assert_int_equal(refusal_of(repeat("[1", ",1", DECODE_MAX_VALUES - 1, "]"), 1u << 30),
			 TREE_TOO_MANY);
	assert_int_equal(refusal_of(repeat("[1", ",1", 10000, "]"), 64u << 10), TREE_TOO_LARGE);
	assert_int_equal(refusal_of(repeat("\"\\n", "x", 70000, "\""), 64u << 10), TREE_TOO_LARGE);
}

/* A large object costs no more a member than a small one, whatever its keys are. */
static void many_members(void **state)
{
	struct strbuf text, other;
	struct reading a, b;

	strbuf_init(&text, 64u << 20);
	strbuf_init(&other, 64u << 20);
	for (unsigned i = 0; i < 200000; i++) {
		strbuf_putf(&text, "%c\"k%06u\":%u", i ? ',' : '{', i, i);
		strbuf_putf(&other, "%c\"k%06u\":%u", i ? ',' : '{', 199999 - i, 199999 - i);
	}
	strbuf_put_char(&text, '}');
	strbuf_put_char(&other, '}');
	a = read_text(strbuf_str(&text));
	b = read_text(strbuf_str(&other));
	assert_int_equal(tree_count(a.tree), 200000);
	assert_int_equal(a.quirks, 0);
	assert_true(tree_same(a.tree, b.tree));
	assert_int_equal(tree_hash(a.tree), tree_hash(b.tree));
	arena_free(a.arena);
	arena_free(b.arena);
	/* told again, all of them */
	text.p[text.len - 1] = ',';
	strbuf_put(&text, (struct str){ other.p + 1, other.len - 1 });
	a = read_text(strbuf_str(&text));
	assert_int_equal(tree_count(a.tree), 200000);
	assert_int_equal(a.quirks, QUIRK_BIT(DUPLICATE_KEY));
	arena_free(a.arena);
	strbuf_fini(&text);
	strbuf_fini(&other);
}

static void sameness(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{ "{\"a\":1,\"b\":[2,3]}", "{ \"b\" : [ 2, 3 ], \"a\" : 1 }", true },
		{ "{\"a\":1}", "{\"a\":2}", false },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false },
		{ "[1,2]", "[2,1]", false },
		{ "[]", "{}", false },
		{ "\"a\"", "\"\\u0061\"", true },
		{ "true", "false", false },
		{ "1", "1.0", false },
		{ "0", "-0", true },
		{ "12345678901234567890", "12345678901234567890", true },
		{ "12345678901234567890", "12345678901234567891", false },
		{ "null", "null", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reading a = read_text(str_of(cases[i].a)), b = read_text(str_of(cases[i].b));

		print_message("%s %s\n", cases[i].a, cases[i].b);
		assert_int_equal(tree_same(a.tree, b.tree), cases[i].same);
		if (cases[i].same)
			assert_int_equal(tree_hash(a.tree), tree_hash(b.tree));
		arena_free(a.arena);
		arena_free(b.arena);
	}
}

/* Texts made up at random from what JSON is made of. */
static void like_jansson(void **state)
{
	static const char *const bits[] = { "{",
					    "}",
					    "[",
					    "]",
					    ",",
					    ":",
					    "\"a\"",
					    "\"b\"",
					    "1",
					    "-2.5e3",
					    "null",
					    "true",
					    " ",
					    "\"",
					    "\\",
					    "\\u0041",
					    "\"\\ud83d\\ude00\"",
					    "{\"a\":1}",
					    "[1,2]" };
	unsigned seed = 20261121;
	struct strbuf text;

	strbuf_init(&text, 4096);
	for (unsigned round = 0; round < 200000; round++) {
		unsigned n = 1 + (unsigned)rand_r(&seed) % 9;

		strbuf_reset(&text);
		for (unsigned i = 0; i < n; i++)
			strbuf_put_text(&text, bits[(size_t)rand_r(&seed) % ARRAY_LEN(bits)]);
		tree_check_reference(strbuf_str(&text));
	}
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),           cmocka_unit_test(values),
		cmocka_unit_test(mended),          cmocka_unit_test(behind_a_zero_byte),
		cmocka_unit_test(every_alignment), cmocka_unit_test(caps),
		cmocka_unit_test(many_members),    cmocka_unit_test(sameness),
		cmocka_unit_test(like_jansson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
