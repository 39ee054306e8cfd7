/* Tags, Accept-Language, and which language a reader gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "translations/language.h"

static void tags(void **state)
{
	static const struct {
		const char *given, *expect; /* NULL: no tag */
	} cases[] = {
		{ "de", "de" },
		{ "DE", "de" },
		{ "de-at", "de-AT" },
		{ "zh_CN", "zh-CN" }, /* spec 6 */
		{ "zh-hant-tw", "zh-Hant-TW" },
		{ "jp", "ja" }, /* HPE (spec 6) */
		{ "cn", "zh" },
		{ "kr", "ko" },
		{ "ne-a-true", NULL }, /* ICU makes "ne-a" of it */
		{ "kau", NULL }, /* Kanuri, whose short tag is "kr" */
		{ " en-US ", "en-US" },
		{ "", NULL },
		{ "e", NULL },
		{ "english please", NULL },
		{ "English", NULL }, /* well-formed, but nobody has registered it */
		{ "de-", NULL },
		{ "*", NULL },
		{ "de\xc3\xa9", NULL },
		{ "a-very-long-tag-that-nobody-would-ever-write-down", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[LANGUAGE_MAX_BYTES];
		bool ok = language_tidy(str_of(cases[i].given), out);

		print_message("%s\n", cases[i].given);
		assert_int_equal(ok, cases[i].expect != NULL);
		assert_string_equal(out, cases[i].expect ? cases[i].expect : "");
	}
}

static void accept_language(void **state)
{
	struct language_range ranges[LANGUAGE_MAX_RANGES];
	char many[LANGUAGE_MAX_HEADER * 2];
	size_t n;

	n = language_ranges(STR("fr;q=0.3, de-AT, en;q=0.85 , *;q=0.1, x y, ;q=1, ja;q=0"), ranges);
	assert_int_equal(n, 5);
	assert_string_equal(ranges[0].tag, "de-AT");
	assert_string_equal(ranges[1].tag, "en");
	assert_int_equal(ranges[1].weight, 850);
	assert_string_equal(ranges[2].tag, "fr");
	assert_string_equal(ranges[3].tag, "*");
	assert_string_equal(ranges[4].tag, "ja");
	assert_int_equal(ranges[4].weight, 0);
	assert_int_equal(language_ranges(STR(""), ranges), 0);
	assert_int_equal(language_ranges(STR("de;q=2, fr;q=0.1.1, it;level=1"), ranges), 3);
	assert_int_equal(ranges[0].weight, 0); /* none of these is a weight */
	memset(many, 0, sizeof(many));
	for (size_t i = 0; i + 4 < sizeof(many); i += 3)
		memcpy(many + i, "de,", 3);
	assert_int_equal(language_ranges(str_of(many), ranges), LANGUAGE_MAX_RANGES);
}

static void choice(void **state)
{
	static const char *const some[] = { "en", "de", "ja", "zh-Hans", "pt-BR", "sr-Latn" };
	static const struct {
		const char *asks, *gets; /* NULL: none */
		const char *why;
	} cases[] = {
		{ "de", "de", "itself" },
		{ "de-AT", "de", "RFC 4647 3.4" },
		{ "de-AT-1901", "de", "subtags fall one by one" },
		{ "DE_at", "de", "as some write it" },
		{ "ja-JP, en;q=0.5", "ja", "the first that can be served" },
		{ "fr, ja;q=0.2, en;q=0.9", "en", "weights" },
		{ "zh", "zh-Hans", "likely subtags" },
		{ "zh-CN", "zh-Hans", "likely subtags" },
		{ "zh-SG", "zh-Hans", "likely subtags" },
		{ "zh-TW", NULL, "written in Hant" },
		{ "zh-Hant", NULL, "written in Hant" },
		{ "zh-TW, ja", "ja", "goes on to the next" },
		{ "zh-TW-u-co-stroke", NULL, "extensions do not open it" },
		{ "pt", "pt-BR", "the only Portuguese" },
		{ "pt-PT", "pt-BR", "readable" },
		{ "sr", NULL, "Cyrillic by default" },
		{ "sr-Latn-RS", "sr-Latn", "the same script" },
		{ "*", "en", "anything is the default" },
		{ "fr, *;q=0.1", "en", "anything else" },
		{ "de;q=0, *", "en", "not wanted" },
		{ "en;q=0, *", "de", "anything but the default" },
		{ "", NULL, "nothing asked" },
		{ "tlh", NULL, "unknown" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct language_range ranges[LANGUAGE_MAX_RANGES];
		size_t n = language_ranges(str_of(cases[i].asks), ranges);
		int found = language_choose(ranges, n, some, ARRAY_LEN(some));

		print_message("%s: %s\n", cases[i].asks, cases[i].why);
		assert_string_equal(found < 0 ? "-" : some[found],
				    cases[i].gets ? cases[i].gets : "-");
	}
	assert_int_equal(language_choose(NULL, 0, some, 0), -1);
}

/* A reader of zh-TW with zh-Hant there, whatever the order. */
static void script_decides(void **state)
{
	static const char *const both[] = { "en", "zh-Hans", "zh-Hant", "zh" };
	struct language_range ranges[LANGUAGE_MAX_RANGES];

	assert_int_equal(language_ranges(STR("zh-TW"), ranges), 1);
	assert_int_equal(language_choose(ranges, 1, both, 4), 2);
	assert_int_equal(language_ranges(STR("zh-Hans-CN"), ranges), 1);
	assert_int_equal(language_choose(ranges, 1, both, 4), 1);
}

static void directions(void **state)
{
	assert_true(language_is_rtl("ar"));
	assert_true(language_is_rtl("he-IL"));
	assert_true(language_is_rtl("az-Arab"));
	assert_false(language_is_rtl("de"));
	assert_false(language_is_rtl(""));
	assert_true(language_is_english("en"));
	assert_true(language_is_english("en-GB"));
	assert_false(language_is_english("enm"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),       cmocka_unit_test(accept_language),
		cmocka_unit_test(choice),     cmocka_unit_test(script_decides),
		cmocka_unit_test(directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
