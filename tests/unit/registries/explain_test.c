/* Explanations: the words, the arguments, and the reasons given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/str.h"
#include "registries/explain.h"
#include "registry_fixture.h"
#include "tests/unit/translation_fixture.h"
#include "translations/catalog.h"

static const char german[] =
	"{\"Language\":\"de\",\"RegistryPrefix\":\"Power\",\"Messages\":{"
	"\"High\":{\"Message\":\"Zu hoch: %2 an %1.\",\"Resolution\":\"Nachsehen.\"},"
	"\"Odd\":{\"Message\":\"Ohne Angabe.\",\"Resolution\":\"Nichts.\"}}}";

struct house {
	struct registry_set *set;
	struct catalog_set *catalogs;
};

static int open_house(void **state)
{
	struct house *house = xcalloc(1, sizeof(*house));
	struct registry *registries[] = {
		fixture_registry("Power", "1.1.0",
				 FIXTURE_MESSAGE("High", 2, "Critical", "Sensor %1 reads %2.")),
		fixture_registry(
			"Power", "1.3.0",
			FIXTURE_MESSAGE("High", 2, "Critical",
					"Sensor %1 reads %2.") "," FIXTURE_MESSAGE("Odd", 1, "OK",
										   "Odd %1.")),
		fixture_registry("Alpha", "1.0.0", FIXTURE_MESSAGE("Shared", 0, "OK", "a")),
		fixture_registry("Beta", "1.0.0",
				 FIXTURE_MESSAGE("Shared", 0, "OK", "b") "," FIXTURE_MESSAGE(
					 "Lone", 1, "Warning", "Alone %1.")),
	};

	house->set = registry_set_new(registries, 4);
	house->catalogs = fixture_catalogs("de", "Power.json", german);
	*state = house;
	return 0;
}

static int close_house(void **state)
{
	struct house *house = *state;

	registry_set_unref(house->set);
	catalog_set_unref(house->catalogs);
	free(house);
	return 0;
}

#define NO_ARGS                                                                                    \
	{                                                                                          \
		NULL                                                                               \
	}

struct explain_case {
	const char *name, *id;
	const char *args[4]; /* the first one NULL: nothing is known of them */
	const char *text, *language;
	const char *facts; /* Message|Resolution|Severity|language|step|registry version|args */
	const char *why;   /* sentences, each behind a '|' */
};

#define NO_TEXT "|the sender gave no text: the registry's is filled with the arguments"

static const struct explain_case cases[] = {
	{ "plain",
	  "Power.1.1.High",
	  { "P12V", "13" },
	  NULL,
	  NULL,
	  "Sensor P12V reads 13.|Look at High.|Critical|en|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1" NO_TEXT },
	{ "the errata named is not there",
	  "power.1.1.5.High",
	  { "P12V", "13" },
	  NULL,
	  NULL,
	  "Sensor P12V reads 13.|Look at High.|Critical|en|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1, though not in 1.1.5"
	  "|the prefix is spelled 'Power' there" NO_TEXT },
	{ "newer minor, translated",
	  "Power.1.2.High",
	  { "P12V", "13" },
	  NULL,
	  "de-AT",
	  "Zu hoch: 13 an P12V.|Nachsehen.|Critical|de|newer_minor|Power 1.3.0|P12V,13",
	  "|no version 1.2 of registry 'Power' with this key fits: the next newer minor version "
	  "that has it answers" NO_TEXT "|the message is translated into 'de'" },
	{ "older minor",
	  "Power.1.9.Odd",
	  { "x" },
	  NULL,
	  NULL,
	  "Odd x.|Look at Odd.|OK|en|older_minor|Power 1.3.0|x",
	  "|no version 1.9 of registry 'Power' with this key fits: the next older minor version "
	  "that has it answers" NO_TEXT },
	{ "other major, key in other case",
	  "Power.2.0.ODD",
	  { "x" },
	  NULL,
	  NULL,
	  "Odd x.|Look at Odd.|OK|en|other_major|Power 1.3.0|x",
	  "|no version 2.0 of registry 'Power' with this key fits: the newest version that has it "
	  "answers|the key is spelled 'Odd' there" NO_TEXT },
	{ "a translation that does not fit",
	  "Power.1.3.Odd",
	  { "x" },
	  NULL,
	  "de",
	  "Odd x.|Nichts.|OK|en|exact|Power 1.3.0|x",
	  "|registry 'Power' has the key in version 1.3" NO_TEXT
	  "|the message has no translation into 'de' that fits" },
	{ "arguments in another order",
	  "Power.1.1.High",
	  { "13", "P12V" },
	  "Sensor P12V reads 13.",
	  "de",
	  "Zu hoch: 13 an P12V.|Nachsehen.|Critical|de|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1"
	  "|the arguments are those of the sender's text, not those given"
	  "|the message is translated into 'de'" },
	{ "as given, and more around it",
	  "Power.1.1.High",
	  { "P12V", "13" },
	  "User root: Sensor P12V reads 13.",
	  NULL,
	  "User root: Sensor P12V reads 13.|Look at High.|Critical|en|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1"
	  "|the sender's text is the template with the arguments as given"
	  "|the sender's text says more than the template, which is kept" },
	{ "arguments out of the text alone", "Power.1.1.High", NO_ARGS, "Sensor P12V reads 13.",
	  NULL, "Sensor P12V reads 13.|Look at High.|Critical|en|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1"
	  "|the arguments are those of the sender's text" },
	{ "unknown wording, arguments in order",
	  "Power.1.1.High",
	  { "P12V", "13" },
	  "Voltage at P12V: 13",
	  "de",
	  "Zu hoch: 13 an P12V.|Nachsehen.|Critical|de|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1"
	  "|the sender's text is of no known wording, but the arguments stand in it in their order"
	  "|the message is translated into 'de'" },
	{ "unknown wording",
	  "Power.1.1.High",
	  { "13", "P12V" },
	  "Voltage at P12V: 13",
	  "de",
	  "Voltage at P12V: 13|Nachsehen.|Critical|-|exact|Power 1.1.0|13,P12V",
	  "|registry 'Power' has the key in version 1.1"
	  "|the sender's text is of no known wording: which argument belongs where is not certain"
	  "|the message has no translation into 'de' that fits" },
	{ "a template as text",
	  "Power.1.1.High",
	  { "P12V", "13" },
	  "Sensor %1 reads %2.",
	  NULL,
	  "Sensor P12V reads 13.|Look at High.|Critical|en|exact|Power 1.1.0|P12V,13",
	  "|registry 'Power' has the key in version 1.1"
	  "|the sender's text is a template: the arguments are filled in" },
	{ "too few arguments",
	  "Power.1.1.High",
	  { "P12V" },
	  NULL,
	  NULL,
	  "Sensor P12V reads %2.|Look at High.|Critical|en|exact|Power 1.1.0|P12V",
	  "|registry 'Power' has the key in version 1.1"
	  "|it asks for 2 arguments, and 1 were given, as with all candidates" NO_TEXT
	  "|arguments are missing: their places stay visible" },
	{ "no version", "Power.High", NO_ARGS, NULL, "fr",
	  "Sensor %1 reads %2.|Look at High.|Critical|en|exact|Power 1.3.0|",
	  "|the id names no version: the newest one that fits answers" NO_TEXT
	  "|arguments are missing: their places stay visible"
	  "|there are no translations for this reader: 'en' is what is left" },
	{ "a bare key",
	  "Lone",
	  { "x" },
	  NULL,
	  NULL,
	  "Alone x.|Look at Lone.|Warning|en|bare_key|Beta 1.0.0|x",
	  "|the key alone was looked up: of all prefixes 'Beta' answers" NO_TEXT },
	{ "a bare key of two", "Shared", NO_ARGS, "Said so.", NULL, "Said so.|-|-|-|sender|- -|",
	  "|the key alone was looked up, and registries of several prefixes have it: nobody can "
	  "say which one is meant|the sender's text is shown as it came" },
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "-";
}

static void join(struct strbuf *out, const json_t *list, const char *between)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		strbuf_put_text(out, between[0] == ',' && i == 0 ? "" : between);
		strbuf_put_text(out, json_string_value(item));
	}
}

static json_t *explain(const struct house *house, const struct question *question)
{
	struct strbuf out;
	json_t *answer;

	strbuf_init(&out, 1 << 20);
	registry_explain(house->set, house->catalogs, question, &out);
	assert_false(out.failed);
	answer = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(answer);
	strbuf_fini(&out);
	return answer;
}

static void assert_case(const struct house *house, const struct explain_case *one)
{
	struct str args[4];
	struct question question = { .message_id = str_of(one->id),
				     .args = args,
				     .text = str_of(one->text),
				     .language = str_of(one->language) };
	struct strbuf facts, why;
	json_t *answer;

	for (; question.n_args < 4 && one->args[question.n_args]; question.n_args++)
		args[question.n_args] = str_of(one->args[question.n_args]);
	question.has_args = question.n_args > 0;
	answer = explain(house, &question);
	strbuf_init(&facts, 1 << 16);
	strbuf_init(&why, 1 << 16);
	strbuf_putf(&facts, "%s|%s|%s|%s|%s|%s %s|", text_of(answer, "Message"),
		    text_of(answer, "Resolution"), text_of(answer, "Severity"),
		    text_of(answer, "language"), text_of(answer, "step"),
		    text_of(answer, "registry"), text_of(answer, "version"));
	join(&facts, json_object_get(answer, "args"), ",");
	join(&why, json_object_get(answer, "why"), "|");
	assert_string_equal(text_of(answer, "MessageId"), one->id);
	assert_string_equal(facts.p, one->facts);
	assert_string_equal(why.p, one->why);
	strbuf_fini(&facts);
	strbuf_fini(&why);
	json_decref(answer);
}

static void words_and_reasons(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		assert_case(*state, &cases[i]);
	}
}

static void candidates_are_shown(void **state)
{
	const struct question question = { .message_id = STR("Power.1.2.High") };
	json_t *answer = explain(*state, &question), *list, *last;

	list = json_object_get(answer, "candidates");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_of(json_array_get(list, 0), "version"), "1.3.0");
	last = json_array_get(list, 1);
	assert_string_equal(text_of(last, "version"), "1.1.0");
	assert_string_equal(text_of(last, "step"), "older_minor");
	assert_string_equal(text_of(last, "place"), "Power");
	assert_int_equal(json_integer_value(json_object_get(last, "n_args")), 2);
	assert_true(json_is_false(json_object_get(last, "contradicts")));
	json_decref(answer);
}

static void what_a_source_serves(void **state)
{
	const struct house *house = *state;
	struct question question = { .message_id = STR("Power.1.3.High"), .source = { { 1 } } };
	const char *hash = registry_sha256(registry_set_at(house->set, 2)).p; /* Power 1.1.0 */
	struct strbuf why;
	json_t *answer;

	registry_set_hold(house->set, question.source, &hash, 1);
	strbuf_init(&why, 4096);
	answer = explain(house, &question);
	assert_string_equal(text_of(answer, "version"), "1.1.0");
	join(&why, json_object_get(answer, "why"), "|");
	assert_non_null(strstr(why.p, "|the source serves this registry itself|"));
	json_decref(answer);
	question.message_id = STR("Power.1.3.Odd");
	answer = explain(house, &question);
	strbuf_reset(&why);
	join(&why, json_object_get(answer, "why"), "|");
	assert_non_null(
		strstr(why.p, "|the source serves registries itself, but none of them fits|"));
	json_decref(answer);
	strbuf_fini(&why);
}

/* Bytes that are no UTF-8, and more arguments than any message has. */
static void hostile_questions(void **state)
{
	struct str args[200];
	struct question question = { .message_id = STR("Power.1.1.High\xff\x01\""),
				     .args = args,
				     .n_args = 200,
				     .has_args = true,
				     .text = STR("\xc3 %1 \xff"),
				     .language = STR("\xff,;q=,*") };
	json_t *answer;

	for (size_t i = 0; i < 200; i++)
		args[i] = STR("\xfe");
	answer = explain(*state, &question);
	assert_int_equal(json_array_size(json_object_get(answer, "args")), 100);
	json_decref(answer);
	question = (struct question){ .message_id = STR("") };
	answer = explain(*state, &question);
	assert_string_equal(text_of(answer, "step"), "none");
	assert_true(strlen(text_of(answer, "Message")) > 1);
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_reasons),
		cmocka_unit_test(candidates_are_shown),
		cmocka_unit_test(hostile_questions),
		cmocka_unit_test(what_a_source_serves),
	};

	return cmocka_run_group_tests(tests, open_house, close_house);
}
