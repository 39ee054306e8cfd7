/* Parsing a registry file: facts, every defect that real files have, and damaged bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "registries/limits.h"
#include "registries/registry.h"
#include "registry_fixture.h"

#define FINE FIXTURE_MESSAGE("Fine", 1, "OK", "All is %1.")
#define REST "\"Description\":\"d\",\"Resolution\":\"r\""

static void print_findings(const struct registry *registry)
{
	const struct registry_finding *finding = registry_findings(registry);

	for (; finding; finding = finding->next)
		print_message("  %s [%.*s]: %.*s\n", finding->code, STR_ARG(finding->key),
			      STR_ARG(finding->words));
}

static void facts(void **state)
{
	struct registry *registry = fixture_registry(
		"Contoso", "1.2.3",
		"\"FanFailed\":{\"Description\":\"A fan.\",\"LongDescription\":\"l\","
		"\"Message\":\"Fan %2 of %1 failed.\",\"Severity\":\"Warning\","
		"\"MessageSeverity\":\"Critical\",\"NumberOfArgs\":2,"
		"\"ParamTypes\":[\"string\",\"number\"],\"Resolution\":\"Replace it.\"},"
		"\"FanFine\":{\"Description\":\"d\",\"Message\":\"m\",\"MessageSeverity\":\"OK\","
		"\"NumberOfArgs\":0,\"Resolution\":\"None.\",\"ClearingLogic\":{\"ClearsIf\":"
		"\"SameOriginOfCondition\",\"ClearsMessage\":[\"FanFailed\"]}},"
		"\"Gone\":{\"Description\":\"d\",\"Message\":\"m\",\"MessageSeverity\":\"OK\","
		"\"NumberOfArgs\":0,\"Resolution\":\"None.\",\"ClearingLogic\":{\"ClearsIf\":"
		"\"SameOriginOfCondition\",\"ClearsAll\":true}}");
	const struct message *message;
	unsigned numbers[3];

	assert_non_null(registry);
	print_findings(registry);
	assert_null(registry_findings(registry));
	assert_true(str_eq(registry_prefix(registry), STR("Contoso")));
	assert_true(str_eq(registry_version(registry), STR("1.2.3")));
	assert_true(str_eq(registry_language(registry), STR("en")));
	assert_string_equal(registry_place(registry), "Contoso");
	registry_version_numbers(registry, numbers);
	assert_int_equal(numbers[0] * 100 + numbers[1] * 10 + numbers[2], 123);
	assert_int_equal(registry_count(registry), 3);
	message = registry_find(registry, STR("FanFailed"));
	assert_non_null(message);
	assert_ptr_equal(message, registry_message_at(registry, 0));
	assert_true(str_eq(message->text, STR("Fan %2 of %1 failed.")));
	assert_true(str_eq(message->description, STR("A fan.")));
	assert_true(str_eq(message->resolution, STR("Replace it.")));
	assert_int_equal(message->severity, SEVERITY_CRITICAL);
	assert_int_equal(message->n_args, 2);
	assert_int_equal(message->n_clears, 0);
	assert_false(message->clears_same_origin);
	message = registry_find(registry, STR("FanFine"));
	assert_true(message->clears_same_origin);
	assert_false(message->clears_all);
	assert_int_equal(message->n_clears, 1);
	assert_true(str_eq(message->clears[0], STR("FanFailed")));
	assert_true(registry_find(registry, STR("Gone"))->clears_all);
	assert_null(registry_find(registry, STR("fanfailed")));
	assert_null(registry_find(registry, STR("")));
	assert_null(registry_message_at(registry, 3));
	registry_unref(registry);
}

static void hash_is_of_the_bytes(void **state)
{
	struct registry *registry = NULL;
	struct err err;
	struct str json = STR("{\"RegistryPrefix\":\"A\",\"Messages\":{}}");

	/* printf '{"RegistryPrefix":"A","Messages":{}}' | sha256sum */
	assert_int_equal(registry_parse(json, "A.json", &registry, &err), 0);
	assert_true(
		str_eq(registry_sha256(registry),
		       STR("a780872734e543e735d1b9c4af08c3931926279862d800ecc36cdd20e89bc8e2")));
	assert_int_equal(registry_count(registry), 0);
	assert_null(registry_find(registry, STR("Any")));
	registry_unref(registry);
	registry_unref(NULL);
}

/* Defects of single messages: each is found, is the only finding, and costs nothing else. */
static void message_defects(void **state)
{
	static const struct {
		const char *name, *code, *message; /* code NULL: no finding */
	} cases[] = {
		{ "number in quotes (License 1.0.0)", "number_of_args_text",
		  "\"K\":{\"Message\":\"%1\",\"NumberOfArgs\":\"1\",\"MessageSeverity\":"
		  "\"OK\"," REST "}" },
		{ "number missing (Update 1.0.0)", "number_of_args_missing",
		  "\"K\":{\"Message\":\"%1\",\"MessageSeverity\":\"OK\"," REST "}" },
		{ "number null", "number_of_args_missing",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":null,\"MessageSeverity\":\"OK\"," REST
		  "}" },
		{ "number too small (Base 1.10)", "number_of_args_wrong",
		  FIXTURE_MESSAGE("K", 1, "OK", "%1 and %2") },
		{ "number too large", "number_of_args_wrong", FIXTURE_MESSAGE("K", 3, "OK", "%1") },
		{ "number absurd", "number_of_args_wrong",
		  FIXTURE_MESSAGE("K", 1e300, "OK", "%1") },
		{ "number negative", "number_of_args_wrong", FIXTURE_MESSAGE("K", -1, "OK", "m") },
		{ "blank behind the key (Fabric 1.0.0)", "key_blank",
		  FIXTURE_MESSAGE("K ", 0, "OK", "m") },
		{ "no key", "key_form", FIXTURE_MESSAGE(" ", 0, "OK", "m") },
		{ "not an object", "message_form", "\"K\":7" },
		{ "ParamTypes capital", "param_types",
		  "\"K\":{\"Message\":\"%1\",\"NumberOfArgs\":1,\"ParamTypes\":[\"String\"],"
		  "\"MessageSeverity\":\"OK\"," REST "}" },
		{ "ParamTypes null", "param_types",
		  "\"K\":{\"Message\":\"%1\",\"NumberOfArgs\":1,\"ParamTypes\":null,"
		  "\"MessageSeverity\":\"OK\"," REST "}" },
		{ "ParamTypes too few", "param_types",
		  "\"K\":{\"Message\":\"%1 %2\",\"NumberOfArgs\":2,\"ParamTypes\":[\"number\"],"
		  "\"MessageSeverity\":\"OK\"," REST "}" },
		{ "no severity", "severity_missing",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0," REST "}" },
		{ "severity Ok", "severity_form", FIXTURE_MESSAGE("K", 0, "Ok", "m") },
		{ "severity WARNING", "severity_form", FIXTURE_MESSAGE("K", 0, "WARNING", "m") },
		{ "severity Informational (iDRAC)", "severity_form",
		  FIXTURE_MESSAGE("K", 0, "Informational", "m") },
		{ "severity null", "severity_form",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"Severity\":null," REST "}" },
		{ "dollar (Base 1.10.0)", "placeholder_dollar",
		  FIXTURE_MESSAGE("K", 0, "OK", "at line $1") },
		{ "percent d (iLO)", "placeholder_percent",
		  FIXTURE_MESSAGE("K", 0, "OK", "NIC %d is up") },
		{ "percent s at the end", "placeholder_percent",
		  FIXTURE_MESSAGE("K", 0, "OK", "NIC %s") },
		{ "literal percent (iDRAC)", NULL, FIXTURE_MESSAGE("K", 1, "OK", "%1 %, ok") },
		{ "literal percent (iDRAC)", NULL, FIXTURE_MESSAGE("K", 0, "OK", "80% full") },
		{ "percent and a word", NULL, FIXTURE_MESSAGE("K", 0, "OK", "100%done") },
		{ "price", NULL, FIXTURE_MESSAGE("K", 0, "OK", "US$ 5, $0") },
		{ "no text", "text_missing",
		  "\"K\":{\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\"," REST "}" },
		{ "empty text", "text_missing", FIXTURE_MESSAGE("K", 0, "OK", " ") },
		{ "no resolution", "resolution_missing",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"Description\":\"d\"}" },
		{ "no description", "description_missing",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"Resolution\":\"r\"}" },
		{ "unknown property", "unknown_property",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"CorrespondingMessage\":1," REST "}" },
		{ "annotation", NULL,
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"Message@Contoso.Note\":1," REST "}" },
		{ "clears a key that is none (EthernetFabric)", "clears_unknown_key",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"ClearingLogic\":{\"ClearsIf\":\"SameOriginOfCondition\",\"ClearsMessage\":"
		  "[\"Fine\",\"Foul\"]}," REST "}" },
		{ "clears on an unknown condition", "clears_if_form",
		  "\"K\":{\"Message\":\"m\",\"NumberOfArgs\":0,\"MessageSeverity\":\"OK\","
		  "\"ClearingLogic\":{\"ClearsIf\":\"Never\",\"ClearsMessage\":[\"Fine\"]}," REST
		  "}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *messages = xasprintf("%s,%s", FINE, cases[i].message);
		struct registry *registry = fixture_registry("Contoso", "1.0.0", messages);
		size_t n_expected = cases[i].code ? 1 : 0;
		const struct message *fine;

		print_message("%s\n", cases[i].name);
		assert_non_null(registry);
		print_findings(registry);
		assert_int_equal(fixture_count_findings(registry, NULL), n_expected);
		if (cases[i].code)
			assert_int_equal(fixture_count_findings(registry, cases[i].code), 1);
		fine = registry_find(registry, STR("Fine"));
		assert_non_null(fine);
		assert_true(str_eq(fine->text, STR("All is %1.")));
		registry_unref(registry);
		free(messages);
	}
}

/* What the tolerant reading makes of the defects. */
#define SHORT(key, severity, text)                                                                 \
	"\"" key "\":{\"Message\":\"" text "\",\"Severity\":\"" severity "\"},"

static const char odd_messages[] = SHORT("Blank ", "Serious", "m") SHORT("None", "None", "m")
	SHORT("Args", "Informational", "%10 %2") SHORT("Twice", "OK", "first")
		SHORT(" Twice", "OK", "second") "\"Clears\":{\"Message\":\"m\","
						"\"Severity\":\"WARNING\","
						"\"ClearingLogic\":{\"ClearsIf\":"
						"\"SameOriginOfCondition\",\"ClearsMessage\":"
						"[\" Blank\",\"Foul\",7]}}";

static void readings(void **state)
{
	struct registry *registry = fixture_registry("Contoso", "1.0.0", odd_messages);
	const struct message *message;

	assert_non_null(registry);
	assert_int_equal(registry_count(registry), 5);
	assert_int_equal(fixture_count_findings(registry, "key_blank"), 2);
	assert_int_equal(fixture_count_findings(registry, "duplicate_key"), 1);
	assert_int_equal(registry_find(registry, STR("Blank"))->severity, SEVERITY_CRITICAL);
	assert_int_equal(registry_find(registry, STR("Args"))->n_args, 10);
	assert_int_equal(registry_find(registry, STR("Args"))->severity, SEVERITY_OK);
	assert_true(str_eq(registry_find(registry, STR("Twice"))->text, STR("first")));
	assert_int_equal(registry_find(registry, STR("None"))->severity, SEVERITY_NONE);
	message = registry_find(registry, STR("Clears"));
	assert_int_equal(message->severity, SEVERITY_WARNING);
	assert_int_equal(message->n_clears, 2);
	assert_true(str_eq(message->clears[0], STR("Blank")));
	assert_true(str_eq(message->clears[1], STR("Foul")));
	registry_unref(registry);
}

#define ENVELOPE(type, id, language, prefix, version)                                              \
	"{\"@odata.type\":\"" type "\",\"Id\":\"" id "\",\"Language\":" language                   \
	",\"RegistryPrefix\":\"" prefix "\",\"RegistryVersion\":" version ",\"Messages\":{" FINE   \
	"}"
#define TYPE "#MessageRegistry.v1_4_0.MessageRegistry"

static void envelope_defects(void **state)
{
	static const struct {
		const char *name, *place, *json;
		const char *codes[3];
		const char *prefix, *version, *language;
	} cases[] = {
		{ "none",
		  "/some/where/A.1.2.3.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A", "\"1.2.3\"") "}",
		  { NULL },
		  "A",
		  "1.2.3",
		  "en" },
		{ "region, unversioned file",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"zh-Hant-TW\"", "A", "\"1.2.3\"") "}",
		  { NULL },
		  "A",
		  "1.2.3",
		  "zh-Hant-TW" },
		{ "type without v (Base 1.0.0)",
		  "A.json",
		  ENVELOPE("#MessageRegistry.1.2.0.MessageRegistry", "A.1.2.3", "\"en\"", "A",
			   "\"1.2.3\"") "}",
		  { "odata_type_form" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "Id of another version (ResourceEvent 1.0.0)",
		  "A.json",
		  ENVELOPE(TYPE, "AEvent.1.2.0", "\"en\"", "A", "\"1.0.0\"") "}",
		  { "id_differs" },
		  "A",
		  "1.0.0",
		  "en" },
		{ "file of another name (CDU alarms)",
		  "dir/HPECDUAlarms.1.2.3.json",
		  ENVELOPE(TYPE, "HPE_CDUAlarms.1.2.3", "\"en\"", "HPE_CDUAlarms", "\"1.2.3\"") "}",
		  { "prefix_differs_from_file" },
		  "HPE_CDUAlarms",
		  "1.2.3",
		  "en" },
		{ "file of a longer name",
		  "AB.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A", "\"1.2.3\"") "}",
		  { "prefix_differs_from_file" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "jp is no language",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"jp\"", "A", "\"1.2.3\"") "}",
		  { "language_tag" },
		  "A",
		  "1.2.3",
		  "ja" },
		{ "underscore",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"zh_CN\"", "A", "\"1.2.3\"") "}",
		  { "language_tag" },
		  "A",
		  "1.2.3",
		  "zh-CN" },
		{ "a word",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"English\"", "A", "\"1.2.3\"") "}",
		  { "language_tag" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "no language",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "null", "A", "\"1.2.3\"") "}",
		  { "language_tag" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "two numbers",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.0", "\"en\"", "A", "\"1.2\"") "}",
		  { "version_form" },
		  "A",
		  "1.2.0",
		  "en" },
		{ "four numbers",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A", "\"1.2.3.4\"") "}",
		  { "version_form" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "no version",
		  "A.json",
		  ENVELOPE(TYPE, "A.0.0.0", "\"en\"", "A", "null") "}",
		  { "version_form" },
		  "A",
		  "0.0.0",
		  "en" },
		{ "no prefix",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "", "\"1.2.3\"") "}",
		  { "prefix_missing" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "unknown property and annotation",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A",
			   "\"1.2.3\"") ",\"Hostname\":1,\"@Redfish.Copyright\":\"c\"}",
		  { "unknown_property" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "byte order mark",
		  "A.json",
		  "\xef\xbb\xbf" ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A", "\"1.2.3\"") "}",
		  { "byte_order_mark" },
		  "A",
		  "1.2.3",
		  "en" },
		{ "the same property twice",
		  "A.json",
		  ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A", "\"1.2.3\"") ",\"Name\":1,\"Name\":2}",
		  { "duplicate_key" },
		  "A",
		  "1.2.3",
		  "en" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct registry *registry = NULL;
		struct err err = { "" };
		size_t n = 0;

		print_message("%s\n", cases[i].name);
		assert_int_equal(
			registry_parse(str_of(cases[i].json), cases[i].place, &registry, &err), 0);
		print_findings(registry);
		for (; cases[i].codes[n]; n++)
			assert_int_equal(fixture_count_findings(registry, cases[i].codes[n]), 1);
		assert_int_equal(fixture_count_findings(registry, NULL), n);
		assert_true(str_eq(registry_prefix(registry), str_of(cases[i].prefix)));
		assert_true(str_eq(registry_version(registry), str_of(cases[i].version)));
		assert_true(str_eq(registry_language(registry), str_of(cases[i].language)));
		assert_non_null(registry_find(registry, STR("Fine")));
		registry_unref(registry);
	}
}

static void not_utf8(void **state)
{
	struct registry *registry = fixture_registry(
		"Contoso", "1.0.0", FIXTURE_MESSAGE("K", 1, "OK", "%1 \xb0\x43, L\xc3\xbc\x66ter"));

	assert_non_null(registry);
	assert_int_equal(fixture_count_findings(registry, "not_utf8"), 1);
	assert_true(str_eq(registry_find(registry, STR("K"))->text,
			   STR("%1 \xc2\xb0\x43, L\xc3\xbc\x66ter")));
	registry_unref(registry);
}

static void refusals(void **state)
{
	static const struct {
		const char *name, *json;
		int code;
		const char *words;
	} cases[] = {
		{ "empty", "", -EBADMSG, "place:" },
		{ "not JSON", "{\"Messages\":", -EBADMSG, "not JSON" },
		{ "two documents", "{} {}", -EBADMSG, "not JSON" },
		{ "an array", "[]", -EINVAL, "Messages" },
		{ "attribute registry", "{\"RegistryPrefix\":\"A\",\"RegistryEntries\":{}}",
		  -EINVAL, "Messages" },
		{ "Messages is an array", "{\"RegistryPrefix\":\"A\",\"Messages\":[]}", -EINVAL,
		  "Messages" },
		{ "no prefix", "{\"Messages\":{}}", -EINVAL, "RegistryPrefix" },
		{ "prefix is a number", "{\"Messages\":{},\"RegistryPrefix\":5}", -EINVAL,
		  "RegistryPrefix" },
	};
	struct registry *registry = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		err.text[0] = '\0';
		assert_int_equal(registry_parse(str_of(cases[i].json), "place", &registry, &err),
				 cases[i].code);
		assert_null(registry);
		assert_non_null(strstr(err.text, cases[i].words));
	}
	/* Refused by its size before a byte is looked at. */
	assert_int_equal(registry_parse((struct str){ "", REGISTRY_MAX_BYTES + 1 }, "place",
					&registry, &err),
			 -EFBIG);
}

static void long_text_is_cut(void **state)
{
	char *text = xmalloc(REGISTRY_MAX_TEXT_BYTES + 3);
	char *messages;
	struct registry *registry;
	const struct message *message;

	/* The cap falls into the middle of the last "ü". */
	memset(text, 'x', REGISTRY_MAX_TEXT_BYTES);
	memcpy(text + REGISTRY_MAX_TEXT_BYTES - 1, "\xc3\xbcy", 4);
	messages = xasprintf("\"K\":{\"Message\":\"%s\",\"NumberOfArgs\":0,\"MessageSeverity\":"
			     "\"OK\"," REST "}",
			     text);
	registry = fixture_registry("Contoso", "1.0.0", messages);
	message = registry_find(registry, STR("K"));
	assert_int_equal(fixture_count_findings(registry, "text_cut"), 1);
	assert_int_equal(message->text.len, REGISTRY_MAX_TEXT_BYTES - 1);
	assert_true(str_is_utf8(message->text));
	registry_unref(registry);
	free(messages);
	free(text);
}

/* A name shown, and the words in all, end at whole characters wherever the cap falls. */
static void words_are_cut_at_characters(void **state)
{
	static const char *const shifts[] = { "", "x", "xy" };
	char longest[601] = "";

	for (size_t i = 0; i < 300; i++)
		memcpy(longest + 2 * i, "\xc3\xa4", 2);
	for (size_t i = 0; i < 3; i++) {
		char *json = xasprintf("{\"RegistryPrefix\":\"A\",\"RegistryVersion\":\"1.0.0\","
				       "\"Id\":\"%s%s\",\"%s%s\":1,\"Messages\":{}}",
				       shifts[i], longest, shifts[i], longest);
		struct registry *registry = NULL;
		size_t n = 0;

		assert_int_equal(registry_parse(str_of(json), "A.json", &registry, NULL), 0);
		for (const struct registry_finding *f = registry_findings(registry); f;
		     f = f->next) {
			assert_true(str_is_utf8(f->words));
			n += f->words.len > 64;
		}
		assert_true(n >= 2);
		registry_unref(registry);
		free(json);
	}
}

/* Damage a sound file at random: whatever comes out must be usable, or refused with words. */
static void damaged_bytes(void **state)
{
	static const char sound[] =
		"\xef\xbb\xbf" ENVELOPE(TYPE, "A.1.2.3", "\"en\"", "A",
					"\"1.2.3\"") ",\"Oem\":{"
						     "\"x\":[1,2.5e3,null,true,\"\\u00e4\"]}}";
	static const char pieces[] = "\"{}[]:,\\u0%1$ \xff\xc3\x00";
	unsigned seed = 7, n_read = 0, n_refused = 0;

	for (int round = 0; round < 20000; round++) {
		size_t n = sizeof(sound) - 1;
		struct registry *registry = NULL;
		struct err err = { "" };
		char *bytes;

		seed = seed * 1103515245u + 12345u;
		if (seed >> 16 & 1)
			n -= (seed >> 17) % n; /* torn */
		bytes = xmalloc(n);            /* exactly so long: a byte too far is seen by ASan */
		memcpy(bytes, sound, n);
		for (unsigned i = 0; i < 1 + (seed >> 20 & 3); i++) {
			size_t at;

			seed = seed * 1103515245u + 12345u;
			at = (seed >> 8) % n;
			seed = seed * 1103515245u + 12345u;
			bytes[at] = pieces[(seed >> 16) % (sizeof(pieces) - 1)];
		}
		if (registry_parse((struct str){ bytes, n }, "A.json", &registry, &err) < 0) {
			assert_null(registry);
			assert_true(err.text[0] != '\0');
			n_refused++;
		} else {
			for (size_t i = 0; i < registry_count(registry); i++)
				assert_true(registry_message_at(registry, i)->key.len > 0);
			n_read++;
		}
		free(bytes);
		registry_unref(registry);
	}
	print_message("%u read, %u refused\n", n_read, n_refused);
	assert_true(n_read > 100 && n_refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts),
		cmocka_unit_test(hash_is_of_the_bytes),
		cmocka_unit_test(message_defects),
		cmocka_unit_test(readings),
		cmocka_unit_test(envelope_defects),
		cmocka_unit_test(not_utf8),
		cmocka_unit_test(refusals),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(words_are_cut_at_characters),
		cmocka_unit_test(damaged_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
