#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/slot.h"
#include "registries/registry.h"
#include "stream/words.h"

static const char registry_text[] =
	"{\"@odata.type\":\"#MessageRegistry.v1_6_0.MessageRegistry\",\"Id\":\"Oven.1.0.0\","
	"\"Name\":\"Oven\",\"Language\":\"en\",\"RegistryPrefix\":\"Oven\","
	"\"RegistryVersion\":\"1.0.0\",\"OwningEntity\":\"x\",\"Messages\":{"
	"\"TooHot\":{\"Description\":\"d\",\"Message\":\"%1 is at %2 "
	"degrees.\",\"Severity\":\"Critical\","
	"\"NumberOfArgs\":2,\"ParamTypes\":[\"string\",\"number\"],\"Resolution\":\"Open the "
	"door.\"}}}";

/* Set of one registry, read from a file as the service reads it. */
static struct registry_set *load(void)
{
	char dir[] = "/tmp/words-test-XXXXXX";
	char *path;
	const char *dirs[1] = { dir };
	struct registry_load_result result;
	struct registry_set *set;

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/oven.json", dir);
	assert_int_equal(file_replace(path, STR(registry_text), 0600, NULL), 0);
	set = registry_set_load(dirs, 1, &result);
	assert_int_equal(result.n_loaded, 1);
	unlink(path);
	rmdir(dir);
	free(path);
	return set;
}

static struct str args[2] = { { "The oven", 8 }, { "300", 3 } };

struct words_case {
	const char *name;
	const char *message_id;
	enum resolve_step step;
	const char *stored;
	bool loaded;
	const char *message, *resolution; /* shown; resolution NULL: the stored one */
};

static const struct words_case cases[] = {
	{ "resolved: as stored", "Oven.1.0.TooHot", STEP_EXACT, "Stored.", true, "Stored.", NULL },
	{ "the sender's own text", "Oven.1.0.TooHot", STEP_SENDER, "Said.", true, "Said.", NULL },
	{ "nobody knew it, no registries yet", "Oven.1.0.TooHot", STEP_NONE, "Oven is missing.",
	  false, "Oven is missing.", NULL },
	{ "nobody knew it, now one does", "Oven.1.0.TooHot", STEP_NONE, "Oven is missing.", true,
	  "The oven is at 300 degrees.", "Open the door." },
	{ "nobody knows it still", "Fridge.1.0.TooWarm", STEP_NONE, "Fridge is missing.", true,
	  "Fridge is missing.", NULL },
	{ "without an id", NULL, STEP_NONE, "Unidentified.", true, "Unidentified.", NULL },
};

static void test_words(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct words_case *c = &cases[i];
		struct slot *slot = slot_new(NULL, registry_set_slot_ref, registry_set_slot_unref);
		struct words *words = words_new(slot, NULL, "en");
		struct entry entry = { .seq = 1 };
		struct wording wording;

		print_message("%s\n", c->name);
		entry.event.message_id = str_of(c->message_id);
		entry.event.message_args = args;
		entry.event.n_message_args = ARRAY_LEN(args);
		entry.event.has_message_args = true;
		entry.event.message = str_of(c->stored);
		entry.event.resolved_by.step = c->step;
		if (c->loaded)
			slot_put(slot, load());
		wording = words_of(words, &entry, words_language(words, STR("de-AT")));
		assert_true(str_eq(wording.message, str_of(c->message)));
		assert_true(str_eq(wording.resolution, str_of(c->resolution)));
		words_free(words);
		slot_free(slot);
	}
}

/* What is shown gets better with a reload, without asking again from the start. */
static void test_reload(void **state)
{
	struct slot *slot = slot_new(NULL, registry_set_slot_ref, registry_set_slot_unref);
	struct words *words = words_new(slot, NULL, "en");
	struct entry entry = { .seq = 1 };

	entry.event.message_id = STR("Oven.1.0.TooHot");
	entry.event.message_args = args;
	entry.event.n_message_args = ARRAY_LEN(args);
	entry.event.has_message_args = true;
	entry.event.message = STR("Oven is missing.");
	assert_true(str_eq(words_of(words, &entry, "en").message, STR("Oven is missing.")));
	slot_put(slot, load());
	assert_true(
		str_eq(words_of(words, &entry, "en").message, STR("The oven is at 300 degrees.")));
	assert_true(str_eq(words_of(words, &entry, "en").language, STR("en")));
	words_free(words);
	words_free(NULL);
	slot_free(slot);
}

/* A site that stores German words, and a guest who reads English. */
static void test_stored_in_another_language(void **state)
{
	static const struct {
		const char *id, *stored_in, *expect;
	} rows[] = {
		{ "Oven.1.0.TooHot", "de", "The oven is at 300 degrees." },
		{ "Oven.1.0.TooHot", "en", "Gespeichert." },
		{ "Oven.1.0.TooHot", "", "Gespeichert." }, /* the sender's own */
		{ "Fridge.1.0.TooWarm", "de",
		  "Event 'Fridge.1.0.TooWarm' came without text, and message registry 'Fridge' "
		  "version 1.0 is not loaded: add the sender's message registry for 'Fridge' "
		  "('rfevent registry add FILE'), or have it read from the sender ('rfevent "
		  "registry fetch SOURCE')." },
		{ "Fridge.1.0.TooWarm", "en", "Gespeichert." },
	};
	struct slot *slot = slot_new(load(), registry_set_slot_ref, registry_set_slot_unref);
	struct words *words = words_new(slot, NULL, "de");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct entry entry = { .seq = 1 };

		entry.event.message_id = str_of(rows[i].id);
		entry.event.message_args = args;
		entry.event.n_message_args = ARRAY_LEN(args);
		entry.event.has_message_args = true;
		entry.event.message = STR("Gespeichert.");
		entry.event.language = str_of(rows[i].stored_in);
		entry.event.resolved_by.step = rows[i].id[0] == 'O' ? STEP_EXACT : STEP_NONE;
		assert_true(str_eq(words_of(words, &entry, "en").message, str_of(rows[i].expect)));
		assert_true(str_eq(words_of(words, &entry, "de").message, STR("Gespeichert.")) ||
			    entry.event.resolved_by.step == STEP_NONE);
	}
	words_free(words);
	slot_free(slot);
}

static void test_language(void **state)
{
	static const char *const wanted[] = { "", "de", "de-AT, en;q=0.5", "*", "en" };
	struct words *words = words_new(NULL, NULL, "en");

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		assert_string_equal(words_language(words, str_of(wanted[i])), "en");
	words_free(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_stored_in_another_language),
		cmocka_unit_test(test_language),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
