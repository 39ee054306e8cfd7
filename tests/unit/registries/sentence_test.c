/* What is said of an event that nobody can put in words, and that the registry says the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "event/event.h"
#include "event/quirks.h"
#include "registries/default_words.h"
#include "registries/registry_priv.h"
#include "registries/resolve.h"
#include "registries/sentence_priv.h"
#include "translations/catalog.h"

#define NO_SOURCE ((struct uuid){ { 0 } })

static struct registry_set *shipped(void)
{
	const char *const dirs[] = { "registries/standard" };
	struct registry_load_result result = { 0 };

	return registry_set_load(dirs, 1, &result);
}

/* The English text is written twice, since an event must have words without any registry. */
static void test_registry_agrees(void **state)
{
	struct registry_set *set = shipped();
	struct str key, english;
	size_t i;

	for (i = 0; sentence_at(i, &key, &english); i++) {
		const struct candidate_group *group = registry_set_group(set, SENTENCE_PREFIX, key);

		print_message("%.*s\n", STR_ARG(key));
		assert_non_null(group);
		assert_true(str_eq(group->candidates[0].message->text, english));
	}
	assert_int_equal(i, 13);
	registry_set_unref(set);
}

static struct event bare(const char *id)
{
	return (struct event){ .message_id = str_of(id) };
}

/* Each kind, in the language of a site; the sender's own words stay as they are. */
static void test_default_language(void **state)
{
	static const struct {
		const char *id;
		uint64_t quirks;
		const char *expect; /* a part of it */
	} rows[] = {
		{ "", 0, "nichts, was eine Meldung nennt (EventType: -; Ressource: -)" },
		{ "", QUIRK_BIT(RECORD_REFERENCE), "einen Verweis" },
		{ "0x592A28", 0,
		  "\xe2\x80\x9e"
		  "0x592A28\xe2\x80\x9c kam ohne Text" },
		{ "35.1132", 0, "Klassen- und Codenummer" },
		{ "Contoso.1.7.X", 0, "Version 1.7 ist nicht geladen" },
		{ "Contoso.X", 0,
		  "\xe2\x80\x9e"
		  "Contoso\xe2\x80\x9c ist nicht geladen" },
		{ "ResourceEvent.1.0.NoSuchKey", 0, "(neueste: 1." },
		{ "NoSuchKey", 0, "Schl\xc3\xbcssel" },
	};
	const char *const folders[] = { "translations" };
	struct registry_set *set = shipped();
	struct catalog_set *catalogs = catalog_set_load(folders, 1, "de");
	struct default_words *words = default_words_new();
	struct arena *arena = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event event = bare(rows[i].id), said = bare(rows[i].id);

		event.quirks = said.quirks = rows[i].quirks;
		said.sender_message = STR("It broke.");
		resolve_event(set, NO_SOURCE, &event, arena);
		default_words_put(words, set, catalogs, NO_SOURCE, &event, arena);
		print_message("%.*s\n", STR_ARG(event.message));
		assert_true(str_eq(event.language, STR("de")));
		assert_true(str_find(event.message, str_of(rows[i].expect)) < event.message.len);
		resolve_event(set, NO_SOURCE, &said, arena);
		default_words_put(words, set, catalogs, NO_SOURCE, &said, arena);
		assert_true(str_eq(said.message, STR("It broke.")));
		assert_int_equal(said.language.len, 0);
	}
	arena_free(arena);
	default_words_free(words);
	catalog_set_unref(catalogs);
	registry_set_unref(set);
}

/* A registry's message and its resolution change language together. */
static void test_registry_words(void **state)
{
	const char *const folders[] = { "translations" };
	struct registry_set *set = shipped();
	struct default_words *words = default_words_new();
	struct arena *arena = arena_new(1 << 20);
	static const char *const languages[] = { "de", "ja", "ar", "en" };

	for (size_t i = 0; i < 4; i++) {
		struct catalog_set *catalogs = catalog_set_load(folders, 1, languages[i]);
		struct event event = bare("Rfeventd.1.0.JournalNoLongerFull");
		struct str message, resolution;

		resolve_event(set, NO_SOURCE, &event, arena);
		message = event.message;
		resolution = event.resolution;
		default_words_put(words, set, catalogs, NO_SOURCE, &event, arena);
		print_message("%.*s | %.*s\n", STR_ARG(event.message), STR_ARG(event.resolution));
		assert_true(str_eq(event.language, str_of(languages[i])));
		assert_int_equal(str_eq(event.message, message), i == 3);
		assert_int_equal(str_eq(event.resolution, resolution), i == 3);
		default_words_put(words, set, NULL, NO_SOURCE, &event, arena);
		catalog_set_unref(catalogs);
	}
	arena_free(arena);
	default_words_free(words);
	registry_set_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registry_agrees),
		cmocka_unit_test(test_default_language),
		cmocka_unit_test(test_registry_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
