/* Coverage: what counts as translated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "registries/coverage.h"
#include "registry_fixture.h"
#include "tests/unit/translation_fixture.h"
#include "translations/catalog.h"

#define KEY(key, text) "\"" key "\":{\"Message\":\"" text "\",\"Resolution\":\"R\"}"

static const char french[] = "{\"Language\":\"fr\",\"RegistryPrefix\":\"fans\",\"Messages\":{" KEY(
	"Good", "Ici %1") "," KEY("Few", "Sans") ",\"Bare\":{\"Message\":\"Oui\"},\"Mute\":{"
						 "\"Resolution\":\"R\"}," KEY("Old", "Vieux "
										     "%1") "}}";

/* "language prefix keys translated" a line. */
static void put_row(void *ctx, const struct coverage *row)
{
	strbuf_putf(ctx, "%s %.*s %zu %zu\n", row->language, STR_ARG(row->prefix), row->n_keys,
		    row->n_translated);
}

/* A registry in French itself, as a vendor may ship one. */
static struct registry *french_registry(void)
{
	struct registry *registry = NULL;
	struct err err;

	assert_int_equal(
		registry_parse(STR("{\"Id\":\"Own.1.0.0\",\"Language\":\"fr\",\"RegistryPrefix\":"
				   "\"Own\",\"RegistryVersion\":\"1.0.0\",\"Messages\":{\"Both\":{"
				   "\"Message\":\"Les deux\",\"Resolution\":\"R\"},\"Gone\":{"
				   "\"Message\":\"\"}}}"),
			       "Own.fr", &registry, &err),
		0);
	return registry;
}

static void what_counts_as_translated(void **state)
{
	struct registry *registries[] = {
		fixture_registry("Fans", "1.0.0",
				 FIXTURE_MESSAGE("Old", 0, "OK", "Old") "," FIXTURE_MESSAGE(
					 "Good", 0, "OK", "Here")),
		fixture_registry(
			"Fans", "1.1.0",
			FIXTURE_MESSAGE("Good", 1, "OK", "Here %1") "," FIXTURE_MESSAGE(
				"Few", 1, "OK",
				"With %1") "," FIXTURE_MESSAGE("Bare", 0, "OK",
							       "Yes") "," FIXTURE_MESSAGE("Mute", 0,
											  "OK",
											  "m")),
		fixture_registry("Own", "1.0.0",
				 FIXTURE_MESSAGE("Both", 0, "OK", "Both") "," FIXTURE_MESSAGE(
					 "Gone", 0, "OK", "Gone")),
		french_registry(),
	};
	struct registry_set *set = registry_set_new(registries, 4);
	struct catalog_set *catalogs = fixture_catalogs("fr", "Fans.json", french);
	struct strbuf rows;

	strbuf_init(&rows, 4096);
	registry_coverage(set, catalogs, put_row, &rows);
	/* Few has too few arguments, Old too many, Bare no resolution, Mute no message. */
	assert_string_equal(rows.p, "en Fans 5 5\nen Own 2 2\nfr Fans 5 1\nfr Own 2 1\n");
	strbuf_fini(&rows);
	catalog_set_unref(catalogs);
	registry_set_unref(set);
}

static void all_that_is_shipped_is_said(void **state)
{
	static const char *const registries[] = { "registries/standard" };
	static const char *const translations[] = { "translations" };
	struct registry_set *set = registry_set_load(registries, 1, NULL);
	struct catalog_set *catalogs = catalog_set_load(translations, 1, "en");
	struct strbuf rows;
	struct str line;
	size_t n = 0, end;

	strbuf_init(&rows, 1 << 20);
	registry_coverage(set, catalogs, put_row, &rows);
	for (line = strbuf_str(&rows); line.len > 0; n++) {
		size_t keys, translated;

		end = str_find_char(line, '\n');
		assert_int_equal(sscanf(line.p, "%*s %*s %zu %zu", &keys, &translated), 2);
		assert_int_equal(keys, translated);
		line = (struct str){ line.p + end + 1, line.len - end - 1 };
	}
	assert_int_equal(n, catalog_set_n_languages(catalogs) * registry_set_count(set));
	assert_true(catalog_set_n_languages(catalogs) >= 4);
	strbuf_fini(&rows);
	catalog_set_unref(catalogs);
	registry_set_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_counts_as_translated),
		cmocka_unit_test(all_that_is_shipped_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
