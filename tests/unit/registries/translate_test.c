/* One event in several languages: arguments in their slots, and when nothing is translated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/entry.h"
#include "event/quirks.h"
#include "registries/translate.h"
#include "registry_fixture.h"
#include "tests/unit/translation_fixture.h"
#include "translations/catalog.h"

static const char german[] =
	"{\"Language\":\"de\",\"RegistryPrefix\":\"Power\",\"Messages\":{"
	"\"High\":{\"Message\":\"Zu hoch: %2 V an \xe2\x80\x9e%1\xe2\x80\x9c.\","
	"\"Resolution\":\"Netzteil pr\xc3\xbc"
	"fen.\"},"
	"\"Wrong\":{\"Message\":\"Nur %1.\",\"Resolution\":\"R\"},"
	"\"Cure\":{\"Resolution\":\"Tauschen.\"},"
	"\"None\":{\"Message\":\"Ohne Angaben.\",\"Resolution\":\"Nichts.\"}}}";
static const char arabic[] = "{\"Language\":\"ar\",\"RegistryPrefix\":\"Power\",\"Messages\":{"
			     "\"High\":{\"Message\":\"A %2 B %1 C\",\"Resolution\":\"D\"}}}";

static const char german_own[] =
	"{\"Language\":\"de\",\"RegistryPrefix\":\"Rfeventd\",\"Messages\":{"
	"\"EventOfUnknownVersion\":{\"Message\":\"%3 von %2 fehlt: %1 (%2).\"},"
	"\"EventOfBareKey\":{\"Message\":\"Bloss %1 %2.\"},"
	"\"EventUnnamedTelemetry\":{\"Message\":\"Telemetrie: %1, %2.\"}}}";

struct house {
	struct registry_set *set;
	struct catalog_set *catalogs;
	struct translator *translator;
};

static struct registry *power(const char *version, const char *high)
{
	char *messages = xasprintf(
		"\"High\":{\"Description\":\"d\",\"Message\":\"%s\",\"MessageSeverity\":"
		"\"Critical\",\"NumberOfArgs\":2,\"ParamTypes\":[\"string\",\"number\"],"
		"\"Resolution\":\"Check it.\"}," FIXTURE_MESSAGE(
			"Wrong", 2, "OK",
			"Of %%1 and %%2") "," FIXTURE_MESSAGE("Cure", 0, "OK",
							      "Broken.") "," FIXTURE_MESSAGE("None",
											     0,
											     "OK",
											     "Nothi"
											     "ng"),
		high);
	struct registry *registry = fixture_registry("Power", version, messages);

	free(messages);
	assert_non_null(registry);
	return registry;
}

static void open_house(struct house *house)
{
	char dir[] = "/tmp/translate_test.XXXXXX";
	const char *folders[] = { dir };
	struct registry *registries[3];

	registries[0] = power("1.0.0", "Reads %2 at %1: high.");
	registries[1] = power("1.1.0", "Sensor %1 reads %2 volts, too high.");
	registries[2] =
		fixture_registry("Solo", "1.0.0", FIXTURE_MESSAGE("Only", 1, "OK", "Just %1."));
	house->set = registry_set_new(registries, 3);
	assert_non_null(mkdtemp(dir));
	fixture_translation(dir, "de", "Power.json", german);
	fixture_translation(dir, "ar", "Power.json", arabic);
	fixture_translation(dir, "de", "Rfeventd.json", german_own);
	house->catalogs = catalog_set_load(folders, 1, "en");
	house->translator = translator_new();
	fixture_remove(dir);
}

static void close_house(struct house *house)
{
	translator_free(house->translator);
	catalog_set_unref(house->catalogs);
	registry_set_unref(house->set);
}

struct words_case {
	const char *name, *language, *id, *text, *advice;
	const char *args[3];
	uint64_t quirks;
	const char *expect, *resolution; /* NULL: not translated */
	const char *shown_in;
};

#define DE_HIGH(value, sensor) "Zu hoch: " value " V an \xe2\x80\x9e" sensor "\xe2\x80\x9c."
#define DE_CURE                                                                                    \
	"Netzteil pr\xc3\xbc"                                                                      \
	"fen."

static const struct words_case cases[] = {
	{ "no text of the sender's",
	  "de",
	  "Power.1.1.High",
	  NULL,
	  NULL,
	  { "P12V", "1234.50" },
	  0,
	  DE_HIGH("1.234,50", "P12V"),
	  DE_CURE,
	  "de" },
	{ "arguments reversed, the text tells (spec 5.5)",
	  "de",
	  "Power.1.1.High",
	  "Sensor P12V reads 13.1 volts, too high.",
	  NULL,
	  { "13.1", "P12V" },
	  0,
	  DE_HIGH("13,1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "the wording of another version",
	  "de",
	  "Power.1.1.High",
	  "Reads 13.1 at P12V: high.",
	  NULL,
	  { "13.1", "P12V" },
	  0,
	  DE_HIGH("13,1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "what the sender says besides stays",
	  "de",
	  "Power.1.1.High",
	  "User: root - Sensor P12V reads 13.1 volts, too high.",
	  NULL,
	  { "P12V", "13.1" },
	  0,
	  "User: root - " DE_HIGH("13,1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "a wording nobody knows, arguments in order",
	  "de",
	  "Power.1.1.High",
	  "P12V is up at 13.1!",
	  NULL,
	  { "P12V", "13.1" },
	  0,
	  DE_HIGH("13,1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "a wording nobody knows, arguments in another order: as sent",
	  "de",
	  "Power.1.1.High",
	  "13.1 V is what P12V has",
	  NULL,
	  { "P12V", "13.1" },
	  0,
	  "13.1 V is what P12V has",
	  DE_CURE,
	  NULL },
	{ "an unfilled template is no evidence",
	  "de",
	  "Power.1.1.High",
	  "Volts %1 of %2",
	  NULL,
	  { "P12V", "13.1" },
	  QUIRK_BIT(MESSAGE_TEMPLATE),
	  DE_HIGH("13,1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "the sender's own advice stays",
	  "de",
	  "Power.1.1.High",
	  NULL,
	  "Call Contoso.",
	  { "P12V", "1" },
	  0,
	  DE_HIGH("1", "P12V"),
	  "Call Contoso.",
	  "de" },
	{ "advice that is the registry's is translated",
	  "de",
	  "Power.1.1.High",
	  NULL,
	  "Check it.",
	  { "P12V", "1" },
	  0,
	  DE_HIGH("1", "P12V"),
	  DE_CURE,
	  "de" },
	{ "arguments missing stay visible",
	  "de",
	  "Power.1.1.High",
	  NULL,
	  NULL,
	  { "P12V" },
	  0,
	  DE_HIGH("%2", "P12V"),
	  DE_CURE,
	  "de" },
	{ "a translation with other placeholders falls back alone",
	  "de",
	  "Power.1.1.Wrong",
	  NULL,
	  NULL,
	  { "a", "b" },
	  0,
	  "stored",
	  "R",
	  NULL },
	{ "only the resolution is translated",
	  "de",
	  "Power.1.1.Cure",
	  NULL,
	  NULL,
	  { NULL },
	  0,
	  "stored",
	  "Tauschen.",
	  NULL },
	{ "right to left: arguments stand apart",
	  "ar",
	  "Power.1.1.High",
	  NULL,
	  NULL,
	  { "P12V", "x" },
	  0,
	  "A \xe2\x81\xa8x\xe2\x81\xa9 B \xe2\x81\xa8P12V\xe2\x81\xa9 C",
	  "D",
	  "ar" },
	{ "no translation of the key",
	  "ar",
	  "Power.1.1.Cure",
	  NULL,
	  NULL,
	  { NULL },
	  0,
	  NULL,
	  NULL,
	  NULL },
	{ "no translation of the prefix",
	  "de",
	  "Solo.1.0.Only",
	  NULL,
	  NULL,
	  { "a" },
	  0,
	  NULL,
	  NULL,
	  NULL },
	{ "nobody knows the id: our sentence",
	  "de",
	  "Contoso.1.7.X",
	  NULL,
	  NULL,
	  { "a" },
	  0,
	  "1.7 von Contoso fehlt: Contoso.1.7.X (Contoso).",
	  NULL,
	  "de" },
	{ "the same in a language without it",
	  "ar",
	  "Contoso.1.7.X",
	  NULL,
	  NULL,
	  { "a" },
	  0,
	  NULL,
	  NULL,
	  NULL },
	{ "a sentence whose translation asks for another argument",
	  "de",
	  "Nothing",
	  NULL,
	  NULL,
	  { "a" },
	  0,
	  NULL,
	  NULL,
	  NULL },
	{ "nobody knows the id, but the sender speaks",
	  "de",
	  "Contoso.1.7.X",
	  "It broke.",
	  NULL,
	  { "a" },
	  0,
	  NULL,
	  NULL,
	  NULL },
	{ "no MessageId at all",
	  "de",
	  "",
	  NULL,
	  NULL,
	  { NULL },
	  QUIRK_BIT(METRIC_IN_OEM) | QUIRK_BIT(RECORD_OEM_ONLY),
	  "Telemetrie: -, -.",
	  NULL,
	  "de" },
};

static struct str optional(const char *text)
{
	return text ? str_of(text) : (struct str){ NULL, 0 };
}

static void words(void **state)
{
	struct house house;

	open_house(&house);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct words_case *c = &cases[i];
		struct str args[3];
		struct event event = {
			.message_id = str_of(c->id),
			.message_args = args,
			.has_message_args = true,
			.sender_message = optional(c->text),
			.sender_resolution = optional(c->advice),
			.message = optional(c->text ? c->text : "stored"),
			.resolution = optional(c->advice),
			.quirks = c->quirks,
		};
		struct wording wording = { .message = STR("untouched") };
		size_t language = catalog_set_choose(house.catalogs, str_of(c->language));
		bool found;

		print_message("%s\n", c->name);
		while (event.n_message_args < 3 && c->args[event.n_message_args]) {
			args[event.n_message_args] = str_of(c->args[event.n_message_args]);
			event.n_message_args++;
		}
		found = translator_words(house.translator, house.set, house.catalogs, language,
					 (struct uuid){ { 0 } }, &event, &wording);
		assert_int_equal(found, c->expect != NULL);
		if (!found) {
			assert_true(str_eq(wording.message, STR("untouched")));
			continue;
		}
		print_message("  %.*s\n", STR_ARG(wording.message));
		assert_true(str_eq(wording.message, str_of(c->expect)));
		assert_true(str_eq(wording.resolution, optional(c->resolution)));
		assert_true(c->shown_in ? str_eq(wording.language, str_of(c->shown_in))
					: !wording.language.p);
	}
	close_house(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
