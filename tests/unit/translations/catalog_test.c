/* Translation files, sets of them, and arguments in a language's form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "tests/unit/translation_fixture.h"
#include "translations/catalog.h"
#include "translations/format.h"
#include "translations/limits.h"

static struct catalog *parse(const char *json, const char *folder)
{
	struct catalog *catalog = NULL;
	struct err err = { "" };

	if (catalog_parse(str_of(json), "x/Fans.json", folder, &catalog, &err) < 0)
		print_message("%s\n", err.text);
	return catalog;
}

static bool has_finding(const struct catalog *catalog, const char *code, const char *key)
{
	const struct catalog_finding *finding = catalog_findings(catalog);

	for (; finding; finding = finding->next)
		if (strcmp(finding->code, code) == 0 &&
		    (key ? str_eq(finding->key, str_of(key)) : !finding->key.p))
			return true;
	return false;
}

static void a_file(void **state)
{
	struct catalog *catalog =
		parse("{\"Language\":\"DE\",\"RegistryPrefix\":\"Fans\",\"RegistryVersion\":"
		      "\"1.2.0\",\"Messages\":{"
		      "\"Stopped\":{\"Message\":\"%1 steht.\",\"Resolution\":\"Nachsehen.\"},"
		      "\"Half\":{\"Resolution\":\"Tauschen.\"},"
		      "\"Empty\":{\"Message\":\" \"},"
		      "\"Number\":{\"Message\":5,\"Resolution\":\"R\"},"
		      "\"List\":[],"
		      "\"Loose\":{\"Message\":\"Lu\xcc\x88"
		      "fter\",\"Resolution\":\"-\"}}}",
		      NULL);

	assert_non_null(catalog);
	assert_string_equal(catalog_language(catalog), "de");
	assert_true(str_eq(catalog_prefix(catalog), STR("Fans")));
	assert_true(str_eq(catalog_version(catalog), STR("1.2.0")));
	assert_int_equal(catalog_count(catalog), 4);
	assert_true(str_eq(catalog_at(catalog, 0)->message, STR("%1 steht.")));
	assert_null(catalog_at(catalog, 1)->message.p);
	assert_null(catalog_at(catalog, 2)->message.p);
	assert_true(str_eq(catalog_at(catalog, 3)->message, STR("L\xc3\xbc"
								"fter")));
	assert_true(has_finding(catalog, "language_tag", NULL));
	assert_true(has_finding(catalog, "text_missing", "Empty"));
	assert_true(has_finding(catalog, "text_missing", "Number"));
	assert_true(has_finding(catalog, "message_form", "List"));
	assert_true(has_finding(catalog, "not_nfc", "Loose"));
	assert_false(has_finding(catalog, "not_nfc", "Stopped"));
	catalog_free(catalog);
}

static void bad_files(void **state)
{
	static const struct {
		const char *json, *says;
	} cases[] = {
		{ "{", "x/Fans.json:1:" },
		{ "[]", "no Messages" },
		{ "{\"Messages\":{}}", "no RegistryPrefix" },
		{ "{\"Messages\":{},\"RegistryPrefix\":\"F\"}", "no language tag" },
		{ "{\"Messages\":{},\"RegistryPrefix\":\"F\",\"Language\":\"klingonisch\"}",
		  "no language tag" },
		{ "{\"Messages\":{\"A\":{},\"A\":{}}}", "duplicate" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct catalog *catalog = NULL;
		struct err err = { "" };

		assert_true(catalog_parse(str_of(cases[i].json), "x/Fans.json", NULL, &catalog,
					  &err) < 0);
		print_message("%s\n", err.text);
		assert_null(catalog);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

static void the_folder_counts(void **state)
{
	struct catalog *catalog = parse("{\"Language\":\"fr\",\"RegistryPrefix\":\"F\","
					"\"Messages\":{}}",
					"de");

	assert_string_equal(catalog_language(catalog), "de");
	assert_true(has_finding(catalog, "language_differs", NULL));
	catalog_free(catalog);
}

#define FILE_OF(language, text)                                                                    \
	"{\"Language\":\"" language "\",\"RegistryPrefix\":\"Fans\",\"Messages\":{\"Stopped\":{"   \
	"\"Message\":\"" text "\",\"Resolution\":\"R\"}}}"

static void sets(void **state)
{
	char first[] = "/tmp/catalog_test.XXXXXX", second[] = "/tmp/catalog_test.XXXXXX";
	const char *folders[] = { first, "/nonexistent", second };
	const struct translated *found;
	struct catalog_set *set;
	size_t de;

	assert_non_null(mkdtemp(first));
	assert_non_null(mkdtemp(second));
	fixture_translation(first, "de", "Fans.json", FILE_OF("de", "alt"));
	fixture_translation(first, "ja", "Fans.json", FILE_OF("ja", "j"));
	fixture_translation(first, "no language", "Fans.json", FILE_OF("de", "x"));
	fixture_translation(first, "fr", "Fans.json", "{");
	fixture_translation(second, "de", "Fans.json", FILE_OF("de", "neu"));
	set = catalog_set_load(folders, 3, "ja");
	fixture_remove(first);
	fixture_remove(second);
	assert_int_equal(catalog_set_count(set), 3);
	assert_string_equal(catalog_set_language(set, 0), "ja");
	assert_string_equal(catalog_set_language(set, 1), "en");
	de = catalog_set_choose(set, STR("de-CH;q=0.9, it"));
	assert_string_equal(catalog_set_language(set, de), "de");
	assert_int_equal(catalog_set_choose(set, STR("it")), 0);
	found = catalog_set_find(set, de, STR("FANS"), STR("Stopped"));
	assert_non_null(found);
	assert_true(str_eq(found->message, STR("neu")));
	assert_null(catalog_set_find(set, de, STR("Fans"), STR("stopped")));
	assert_null(catalog_set_find(set, 1, STR("Fans"), STR("Stopped")));
	assert_null(catalog_set_find(set, 99, STR("Fans"), STR("Stopped")));
	catalog_set_unref(catalog_set_ref(set));
	catalog_set_unref(set);
}

static void arguments(void **state)
{
	static const struct {
		const char *language, *arg;
		bool is_number;
		const char *expect;
	} cases[] = {
		{ "de", "1234.50", true, "1.234,50" },
		{ "de", "1234.50", false, "1234.50" },
		{ "en", "-1234567", true, "-1,234,567" },
		{ "ja", "0.25", true, "0.25" },
		{ "de", "PSU 2", true, "PSU 2" },
		{ "de", "1e3", true, "1e3" },
		{ "de", "", true, "" },
		{ "de", "5.", true, "5." },
		{ "de", "-", true, "-" },
		{ "de", "0x1F", true, "0x1F" },
		{ "ar", "PSU 2", false, "\xe2\x81\xa8PSU 2\xe2\x81\xa9" },
		{ "fr", "1234.5", true,
		  "1\xe2\x80\xaf"
		  "234,5" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct formatter *formatter = formatter_new(cases[i].language);
		struct strbuf out;

		strbuf_init(&out, 1024);
		formatter_put(formatter, str_of(cases[i].arg), cases[i].is_number, &out);
		print_message("%s: %s -> %.*s\n", cases[i].language, cases[i].arg, (int)out.len,
			      out.p ? out.p : "");
		assert_true(str_eq(strbuf_str(&out), str_of(cases[i].expect)));
		strbuf_fini(&out);
		formatter_free(formatter);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(the_folder_counts),
		cmocka_unit_test(sets),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
