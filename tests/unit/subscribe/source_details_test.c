/* Source details: there and back, and what is no good is as if not said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/seal.h"
#include "base/uuid.h"
#include "subscribe/source_details.h"

static void test_there_and_back(void **state)
{
	const struct source_details said = { .url = STR("https://a\"b"),
					     .user_name = STR("röot"),
					     .password = STR("1:xyz"),
					     .insecure = true,
					     .tags = { { STR("b"), STR("2") }, { STR("a"), STR("") } },
					     .n_tags = 2 };
	struct source_details read;
	struct strbuf text;
	void *held;

	strbuf_init(&text, SOURCE_DETAILS_MAX_BYTES);
	source_details_put(&said, &text);
	source_details_parse(strbuf_str(&text), &read, &held);
	assert_true(str_eq(read.url, said.url) && str_eq(read.user_name, said.user_name));
	assert_true(str_eq(read.password, said.password) && read.insecure);
	assert_int_equal(read.n_tags, 2);
	assert_true(str_eq(read.tags[0].name, STR("a")) && str_eq(read.tags[1].value, STR("2")));
	source_details_release(held);
	strbuf_fini(&text);
}

static void test_little_is_said(void **state)
{
	static const struct {
		struct source_details said;
		const char *text;
	} cases[] = {
		{ { .n_tags = 0 }, "" },
		{ { .insecure = true }, "{ \"insecure\":true}" },
		{ { .tags = { { STR("t"), STR("v") } }, .n_tags = 1 }, "{ \"tags\":{\"t\":\"v\"}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf text;

		strbuf_init(&text, 4096);
		source_details_put(&cases[i].said, &text);
		assert_true(str_eq(strbuf_str(&text), str_of(cases[i].text)) || text.len == 0);
		assert_int_equal(text.len, str_of(cases[i].text).len);
		strbuf_fini(&text);
	}
}

static void test_nonsense_says_nothing(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "7", "{\"url\":7,\"tags\":[1]}",
					     "{\"tags\":{\"a\":1}}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct source_details read;
		void *held;

		source_details_parse(str_of(texts[i]), &read, &held);
		assert_null(read.url.p);
		assert_int_equal(read.n_tags, 0);
		assert_false(read.insecure);
		source_details_release(held);
	}
}

/* A password that was moved to another source's row does not open there. */
static void test_a_password_belongs_to_its_source(void **state)
{
	struct uuid mine = uuid_v4(), yours = uuid_v4();
	struct strbuf sealed, open;
	struct seal_key key;

	seal_key_make(STR("k"), &key);
	strbuf_init(&sealed, 4096);
	strbuf_init(&open, 4096);
	source_password_seal(&key, mine, STR("calvin"), &sealed);
	assert_false(source_password_open(&key, yours, strbuf_str(&sealed), &open));
	assert_false(source_password_open(&key, mine, (struct str){ NULL, 0 }, &open));
	assert_true(source_password_open(&key, mine, strbuf_str(&sealed), &open));
	assert_string_equal(open.p, "calvin");
	strbuf_fini(&sealed);
	strbuf_fini(&open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_little_is_said),
		cmocka_unit_test(test_nonsense_says_nothing),
		cmocka_unit_test(test_a_password_belongs_to_its_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
