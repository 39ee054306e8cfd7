/* Lint: what shows only beside other files, in the name, and in translations. What parsing finds in
 * a file by itself is registry_test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/str.h"
#include "registries/lint.h"
#include "registry_fixture.h"

struct folder {
	char path[64];
	char *files[8];
	size_t n;
};

static void folder_init(struct folder *folder)
{
	*folder = (struct folder){ .path = "/tmp/lint_test.XXXXXX" };
	assert_non_null(mkdtemp(folder->path));
}

/* `name` may have one folder in front. */
static void folder_write(struct folder *folder, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", folder->path, name);
	char *slash = strrchr(path, '/');
	FILE *file;

	*slash = '\0';
	mkdir(path, 0755);
	*slash = '/';
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	folder->files[folder->n++] = path;
}

static void folder_fini(struct folder *folder)
{
	for (size_t i = 0; i < folder->n; i++) {
		unlink(folder->files[i]);
		*strrchr(folder->files[i], '/') = '\0';
		rmdir(folder->files[i]);
		free(folder->files[i]);
	}
	rmdir(folder->path);
}

static char *registry_json(const char *prefix, const char *version, const char *messages)
{
	return xasprintf("{\"@odata.type\":\"#MessageRegistry.v1_7_0.MessageRegistry\","
			 "\"Id\":\"%s.%s\",\"Language\":\"en\",\"RegistryPrefix\":\"%s\","
			 "\"RegistryVersion\":\"%s\",\"Messages\":{%s}}",
			 prefix, version, prefix, version, messages);
}

/* "code file key level words" a line. */
static void list_findings(const struct lint *lint, struct strbuf *out)
{
	for (size_t i = 0; i < lint_count(lint); i++) {
		const struct lint_finding *finding = lint_at(lint, i);

		strbuf_putf(out, "%s %s %.*s %s %.*s\n", finding->code,
			    strrchr(finding->place, '/') + 1,
			    finding->key.p ? (int)finding->key.len : 1,
			    finding->key.p ? finding->key.p : "-", lint_level_name(finding->level),
			    STR_ARG(finding->words));
	}
}

/* All of the folder, beside nothing. */
static void assert_findings(const struct folder *folder, const char *expected)
{
	struct lint *lint = lint_new();
	struct strbuf found;
	struct err err;

	strbuf_init(&found, 1 << 20);
	strbuf_put_char(&found, '\n');
	assert_int_equal(lint_read(lint, folder->path, LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	list_findings(lint, &found);
	assert_string_equal(found.p + 1, expected);
	strbuf_fini(&found);
	lint_free(lint);
}

/* --- registries ----------------------------------------------------------------------------------
 */

#define FAN(n, severity, text) FIXTURE_MESSAGE("Fan", n, severity, text)
#define KEY(key)               FIXTURE_MESSAGE(key, 0, "OK", "Words.")

struct files_case {
	const char *name;
	struct {
		const char *file, *prefix, *version, *messages;
	} files[3];
	const char *expected;
};

static const struct files_case files_cases[] = {
	{ "nothing is wrong",
	  { { "A.1.0.0.json", "A", "1.0.0", FAN(1, "OK", "%1 runs.") },
	    { "A.1.1.0.json", "A", "1.1.0", FAN(1, "OK", "%1 turns.") "," KEY("More") } },
	  "" },
	{ "a key vanishes",
	  { { "A.1.0.0.json", "A", "1.0.0", KEY("Gone") "," KEY("Kept") },
	    { "A.1.1.0.json", "A", "1.1.0", KEY("Kept") } },
	  "key_vanished A.1.1.0.json Gone warning version 1.0.0 has this key, 1.1.0 has it no "
	  "more\n" },
	{ "a major version may drop keys",
	  { { "A.1.0.0.json", "A", "1.0.0", KEY("Gone") "," KEY("Kept") },
	    { "A.2.0.0.json", "A", "2.0.0", KEY("Kept") } },
	  "" },
	{ "another prefix is another matter",
	  { { "A.1.0.0.json", "A", "1.0.0", KEY("Mine") },
	    { "B.1.1.0.json", "B", "1.1.0", KEY("Yours") } },
	  "" },
	{ "versions are numbers: 1.10.0 comes after 1.9.0",
	  { { "A.1.10.0.json", "A", "1.10.0", KEY("Kept") "," KEY("New") },
	    { "A.1.9.0.json", "A", "1.9.0", KEY("Kept") } },
	  "" },
	{ "arguments and severity change, over a version that lacks the key",
	  { { "A.1.0.0.json", "A", "1.0.0", FAN(0, "Warning", "It stopped.") "," KEY("Kept") },
	    { "A.1.0.1.json", "A", "1.0.1", KEY("Kept") },
	    { "A.1.1.0.json", "A", "1.1.0",
	      FAN(3, "Critical", "%1 of %2 at %3 stopped.") "," KEY("Kept") } },
	  "key_vanished A.1.0.1.json Fan warning version 1.0.0 has this key, 1.0.1 has it no more\n"
	  "args_changed A.1.1.0.json Fan warning arguments: 3 here, 0 in version 1.0.0\n"
	  "severity_changed A.1.1.0.json Fan warning Critical here, Warning in version 1.0.0\n" },
	{ "a key that nothing has is cleared",
	  { { "A.1.0.0.json", "A", "1.0.0",
	      "\"Up\":{\"Description\":\"d\",\"Message\":\"Up.\",\"MessageSeverity\":\"OK\","
	      "\"NumberOfArgs\":0,\"Resolution\":\"r\",\"ClearingLogic\":{\"ClearsMessage\":"
	      "[\"Downs\"]}}" } },
	  "clears_unknown_key A.1.0.0.json Up error ClearsMessage names 'Downs', which is no key "
	  "here\n" },
	{ "a name that tells other things than the file",
	  { { "A.1.2.0.jp.json", "A", "1.3.0", KEY("Any") } },
	  "version_differs_from_file A.1.2.0.jp.json - warning RegistryVersion is 1.3.0, the "
	  "file's "
	  "name says 1.2.0\n"
	  "language_differs_from_file A.1.2.0.jp.json - warning Language is taken for 'en', the "
	  "file's name says 'jp'\n" },
	{ "names that tell nothing else",
	  { { "A.v1_2_0.A.json", "A", "1.2.0", KEY("Any") },
	    { "B.1.0.0.as-served.json", "B", "1.0.0", KEY("Any") },
	    { "C.CMM.en-GB.json", "C", "7.0.0", KEY("Any") } },
	  "" },
	{ "a name that tells a part of the version",
	  { { "A.1.3.json", "A", "1.2.0", KEY("Any") } },
	  "version_differs_from_file A.1.3.json - warning RegistryVersion is 1.2.0, the file's "
	  "name "
	  "says 1.3\n" },
	{ "placeholders that readers stumble over",
	  { { "A.1.0.0.json", "A", "1.0.0",
	      FIXTURE_MESSAGE("Close", 3, "OK", "%1 %2%3") "," FIXTURE_MESSAGE("Left", 3, "OK",
									       "%1 and %3") } },
	  "placeholders_adjacent A.1.0.0.json Close note nothing stands between two placeholders\n"
	  "placeholder_skipped A.1.0.0.json Left warning the text has no %2, but a %3\n" },
};

static void write_files(struct folder *folder, const struct files_case *one)
{
	for (size_t i = 0; i < 3 && one->files[i].file; i++) {
		char *json = registry_json(one->files[i].prefix, one->files[i].version,
					   one->files[i].messages);

		folder_write(folder, one->files[i].file, json);
		free(json);
	}
}

static void files_beside_each_other(void **state)
{
	for (size_t i = 0; i < sizeof(files_cases) / sizeof(files_cases[0]); i++) {
		struct folder folder;

		print_message("%s\n", files_cases[i].name);
		folder_init(&folder);
		write_files(&folder, &files_cases[i]);
		assert_findings(&folder, files_cases[i].expected);
		folder_fini(&folder);
	}
}

/* Three contents of one version: what all of the earlier ones said otherwise is a change. */
static void one_version_several_contents(void **state)
{
	char *first = registry_json("A", "1.0.0", FAN(1, "OK", "%1 runs.") "," KEY("Old"));
	char *second = registry_json("A", "1.0.0", FAN(0, "OK", "Runs.") "," KEY("New"));
	char *third = registry_json("A", "1.0.1", FAN(0, "OK", "Runs."));
	char *same = xasprintf("%s\n", first), *expected;
	struct folder folder;

	folder_init(&folder);
	folder_write(&folder, "a/A.1.0.0.json", first);
	folder_write(&folder, "b/A.1.0.0.json", second);
	folder_write(&folder, "c/A.1.0.0.json", same);
	folder_write(&folder, "d/A.1.0.0.json", first); /* the same file twice is no defect */
	folder_write(&folder, "e/A.1.0.1.json", third);
	expected = xasprintf(
		"same_version_differs A.1.0.0.json - warning the version 1.0.0 of '%s' too, with "
		"other content: 1 keys more, 1 less, 1 changed\n"
		"same_version_bytes A.1.0.0.json - note the version 1.0.0 of '%s' too, with the "
		"same messages in other bytes\n"
		"key_vanished A.1.0.1.json Old warning version 1.0.0 has this key, 1.0.1 has it no "
		"more\n"
		"key_vanished A.1.0.1.json New warning version 1.0.0 has this key, 1.0.1 has it no "
		"more\n",
		folder.files[0], folder.files[0]);
	assert_findings(&folder, expected);
	free(expected);
	folder_fini(&folder);
	free(first);
	free(second);
	free(third);
	free(same);
}

static void files_that_cannot_be_used(void **state)
{
	struct lint *lint = lint_new();
	struct folder folder;
	struct strbuf found;
	struct err err;

	strbuf_init(&found, 1 << 16);
	folder_init(&folder);
	folder_write(&folder, "Broken.json", "{\"Messages\":");
	folder_write(&folder, "Other.json", "{\"Attributes\":[]}");
	assert_int_equal(lint_read(lint, "/nowhere/at/all", LINT_JUDGE, false, &err), -ENOENT);
	assert_int_equal(lint_read(lint, folder.path, LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	assert_int_equal(lint_count(lint), 1); /* other files lie in the same folders */
	assert_string_equal(lint_at(lint, 0)->code, "unreadable");
	lint_free(lint);
	lint = lint_new();
	assert_int_equal(lint_read(lint, folder.files[1], LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	list_findings(lint, &found);
	assert_true(str_starts_with(strbuf_str(&found), STR("not_a_registry Other.json - error ")));
	assert_int_equal(lint_n_files(lint), 0);
	lint_free(lint);
	strbuf_fini(&found);
	folder_fini(&folder);
}

/* --- translations --------------------------------------------------------------------------------
 */

#define GERMAN(messages)                                                                           \
	"{\"Language\":\"de\",\"RegistryPrefix\":\"A\",\"Messages\":{" messages "}}"
#define SAID(key, text) "\"" key "\":{\"Message\":\"" text "\",\"Resolution\":\"Nichts.\"}"

struct translation_case {
	const char *name, *file, *text, *expected;
};

static const struct translation_case translation_cases[] = {
	{ "all is well", "de/A.json", GERMAN(SAID("Fan", "%2 an %1.") "," SAID("Old", "Alt.")),
	  "" },
	{ "a message and a resolution are left out", "de/A.json",
	  GERMAN("\"Fan\":{\"Message\":\"%1 und %2\"}"),
	  "untranslated A.json Fan warning no Resolution in 'de'\n"
	  "untranslated A.json Old warning no Message and no Resolution in 'de'\n" },
	{ "other placeholders", "de/A.json",
	  GERMAN(SAID("Fan", "%1 und %3") "," SAID("Old", "Alt.")),
	  "placeholders_differ A.json Fan error Message does not have the placeholders of '%1 and "
	  "%2.': it is never shown\n" },
	{ "placeholders of an older version", "de/A.json",
	  GERMAN(SAID("Fan", "Nur %1") "," SAID("Old", "Alt.")),
	  "placeholders_older A.json Fan warning Message has the placeholders of version 1.0.0, "
	  "not "
	  "those of 1.1.0\n" },
	{ "a key that is none", "de/A.json",
	  GERMAN(SAID("Fan", "%2 an %1.") "," SAID("Old", "Alt.") "," SAID(
		  "fan", "%1, %2") "," SAID("Fun", "Nein.")),
	  "key_unknown A.json fan error registry 'A' spells this key in other case\n"
	  "key_unknown A.json Fun error registry 'A' has no such key\n" },
	{ "a placeholder where none is filled", "de/A.json",
	  GERMAN(SAID("Fan", "%2 an %1.") ",\"Old\":{\"Message\":\"Alt.\",\"Resolution\":\"%1 "
					  "tauschen.\"}"),
	  "resolution_placeholder A.json Old warning Resolution has a placeholder, which is shown "
	  "as "
	  "it stands\n" },
	{ "the wrong language and name", "fr/Wrong.json",
	  GERMAN(SAID("Fan", "%2 an %1.") "," SAID("Old", "Alt.")),
	  "language_differs Wrong.json - warning Language 'de' differs from the folder's 'fr', "
	  "which "
	  "counts\n"
	  "prefix_differs_from_file Wrong.json - warning RegistryPrefix is 'A', the file is named "
	  "'Wrong.json'\n" },
	{ "nothing to be laid over", "de/Zap.json",
	  "{\"Language\":\"de\",\"RegistryPrefix\":\"Zap\",\"Messages\":{" SAID("Any", "Wort") "}}",
	  "prefix_unknown Zap.json - warning no registry 'Zap' is known that this could be laid "
	  "over\n" },
};

static void write_context(struct folder *folder)
{
	char *older = registry_json("A", "1.0.0", FAN(1, "OK", "Just %1") "," KEY("Old"));
	char *newer = registry_json("A", "1.1.0", FAN(2, "OK", "%1 and %2.") "," KEY("Old"));

	folder_write(folder, "A.1.0.0.json", older);
	folder_write(folder, "A.1.1.0.json", newer);
	free(older);
	free(newer);
}

static void translations_and_their_messages(void **state)
{
	struct folder context;

	folder_init(&context);
	write_context(&context);
	for (size_t i = 0; i < sizeof(translation_cases) / sizeof(translation_cases[0]); i++) {
		const struct translation_case *one = &translation_cases[i];
		struct lint *lint = lint_new();
		struct folder folder;
		struct strbuf found;
		struct err err;

		print_message("%s\n", one->name);
		strbuf_init(&found, 1 << 16);
		strbuf_put_char(&found, '\n');
		folder_init(&folder);
		folder_write(&folder, one->file, one->text);
		/* Versions of the context differ in arguments, which is not judged. */
		assert_int_equal(lint_read(lint, context.path, LINT_CONTEXT, false, &err), 0);
		assert_int_equal(lint_read(lint, folder.path, LINT_JUDGE, false, &err), 0);
		assert_int_equal(lint_n_files(lint), 1);
		lint_run(lint);
		list_findings(lint, &found);
		assert_string_equal(found.p + 1, one->expected);
		strbuf_fini(&found);
		lint_free(lint);
		folder_fini(&folder);
	}
	folder_fini(&context);
}

/* What one translation leaves out another one may have; together they are complete. */
static void translations_are_laid_together(void **state)
{
	struct folder context, judged;
	struct lint *lint = lint_new();
	struct err err;

	folder_init(&context);
	folder_init(&judged);
	write_context(&context);
	folder_write(&context, "de/A.json", GERMAN(SAID("Old", "Alt.")));
	folder_write(&judged, "de/A.json", GERMAN(SAID("Fan", "%1, %2")));
	assert_int_equal(lint_read(lint, context.path, LINT_CONTEXT, false, &err), 0);
	assert_int_equal(lint_read(lint, judged.path, LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	assert_int_equal(lint_count(lint), 0);
	lint_free(lint);
	folder_fini(&judged);
	folder_fini(&context);
}

static void a_translation_is_told_or_said(void **state)
{
	static const struct {
		const char *file, *text;
		bool translations;
		const char *code; /* of the first finding */
	} rows[] = {
		{ "de/A.json", GERMAN(SAID("Fan", "Wort")), false, "prefix_unknown" },
		{ "german/A.json", GERMAN(SAID("Fan", "Wort")), false, "version_form" },
		{ "german/A.json", GERMAN(SAID("Fan", "Wort")), true, "prefix_unknown" },
		{ "x y/A.json", GERMAN(SAID("Fan", "Wort")), true, "prefix_unknown" },
		{ "de/A.json", GERMAN(FAN(0, "OK", "Wort")), false, "version_form" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lint *lint = lint_new();
		struct folder folder;
		struct err err;

		folder_init(&folder);
		folder_write(&folder, rows[i].file, rows[i].text);
		assert_int_equal(
			lint_read(lint, folder.path, LINT_JUDGE, rows[i].translations, &err), 0);
		lint_run(lint);
		assert_true(lint_count(lint) > 0);
		assert_string_equal(lint_at(lint, 0)->code, rows[i].code);
		lint_free(lint);
		folder_fini(&folder);
	}
}

/* --- what is shipped, and what is published ------------------------------------------------------
 */

static void the_shipped_ones_are_clean(void **state)
{
	struct lint *lint = lint_new();
	struct strbuf found;
	struct err err;

	strbuf_init(&found, 1 << 20);
	assert_int_equal(lint_read(lint, "registries/standard", LINT_JUDGE, false, &err), 0);
	assert_int_equal(lint_read(lint, "translations", LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	list_findings(lint, &found);
	print_message("%s", found.len > 0 ? found.p : "");
	assert_true(lint_n_files(lint) >= 66);
	assert_int_equal(lint_count(lint), 0);
	strbuf_fini(&found);
	lint_free(lint);
}

/* An instance of every defect that spec 5.1 names and the published files have. */
static const struct {
	const char *file, *key, *code; /* key "": the file */
} published[] = {
	/* NumberOfArgs */
	{ "dmtf/License.1.0.0.json", "LicenseInstalled", "number_of_args_text" },
	{ "dmtf/Update.1.0.0.json", "TransferringToComponent", "number_of_args_text" },
	{ "dmtf/Update.1.0.0.json", "UpdateInProgress", "number_of_args_missing" },
	{ "dmtf/Base.1.10.0.json", "PropertyValueDeprecated", "number_of_args_wrong" },
	{ "dmtf/Base.1.11.0.json", "PropertyValueDeprecated", "number_of_args_wrong" },
	{ "dmtf/Base.1.12.0.json", "PropertyValueDeprecated", "number_of_args_wrong" },
	{ "dmtf/Base.1.18.0.json", "ActionParameterValueOutOfRange", "number_of_args_wrong" },
	{ "oem/openbmc/OpenBMC.0.4.0.stock-mockup.json", "FanRemoved", "number_of_args_wrong" },
	/* keys, ParamTypes, severities */
	{ "dmtf/Fabric.1.0.0.json", "CableOK", "key_blank" },
	{ "oem/dell/iDRAC.1.6.0.R740.json", "RAC0256", "severity_form" },
	{ "oem/ami-gigabyte/Task.1.0.0.json", "Exception", "severity_form" },
	{ "dmtf/Power.1.0.2.json", "PowerSupplyFailed", "severity_changed" },
	{ "dmtf/Environmental.1.1.1.json", "FanFailed", "severity_changed" },
	{ "dmtf/Environmental.1.1.1.json", "PumpFailed", "severity_changed" },
	/* placeholders */
	{ "dmtf/Base.1.10.0.json", "InvalidJSON", "placeholder_dollar" },
	{ "dmtf/Base.1.11.0.json", "InvalidJSON", "placeholder_dollar" },
	{ "oem/hpe/iLOEvents.2.3.0.DL325.json", "NicAllLinksDownRepaired", "placeholder_percent" },
	{ "oem/dell/iDRAC.1.6.0.R740.json", "HWC4017", "placeholders_adjacent" },
	/* the envelope, the name, unknown properties */
	{ "dmtf/Base.1.0.0.json", "", "odata_type_form" },
	{ "dmtf/TaskEvent.1.0.0.json", "", "odata_type_form" },
	{ "dmtf/ResourceEvent.1.0.0.json", "", "odata_type_form" },
	{ "dmtf/ResourceEvent.1.0.0.json", "", "id_differs" },
	{ "oem/hpe/iLO.2.14.0.DL325.json", "", "id_differs" },
	{ "dmtf/ResourceEvent.1.1.0.json", "", "version_differs_from_file" },
	{ "oem/hpe/SUT.2.9.0.jp.json", "", "language_differs_from_file" },
	{ "oem/hpe/hpebiosmessageregistry.v1_0_0.XL675d_A40.json", "", "prefix_differs_from_file" },
	{ "dmtf/ResourceEvent.1.0.0.json", "ResourceErrorThresholdExceeded", "unknown_property" },
	/* one version, several contents */
	{ "oem/hpe/iLOEvents.2.3.0.XL675d.json", "", "same_version_differs" },
	{ "oem/hpe/iLO.2.14.0.XL675d_A40.json", "", "same_version_differs" },
	{ "oem/hpe/iLO.2.14.0.XL675d_A100.json", "", "same_version_differs" },
	{ "oem/openbmc/OpenBMC.0.4.0.stock-mockup.json", "", "same_version_differs" },
	{ "oem/cray/CrayAlerts.1.0.0.EX4252.json", "", "same_version_differs" },
	{ "oem/dell/Base.1.0.0.R740.json", "", "same_version_bytes" },
	/* between versions */
	{ "dmtf/Base.1.4.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.5.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.6.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.7.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.8.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.9.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.10.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/Base.1.11.0.json", "PropertyValueOutOfRange", "key_vanished" },
	{ "dmtf/TaskEvent.1.0.1.json", "TaskProgessChanged", "key_vanished" },
	{ "dmtf/Base.1.2.0.json", "ResourceAlreadyExists", "args_changed" },
	/* clearing (5.6) */
	{ "dmtf/EthernetFabric.1.0.0.json", "MLAGInterfacesUp", "clears_unknown_key" },
	{ "dmtf/Power.1.2.0.json", "PowerSupplyRestored", "clears_unknown_key" },
};

static bool is_found(const struct lint *lint, size_t row)
{
	for (size_t i = 0; i < lint_count(lint); i++) {
		const struct lint_finding *finding = lint_at(lint, i);

		if (strcmp(finding->code, published[row].code) == 0 &&
		    str_eq(finding->key, str_of(published[row].key)) &&
		    str_ends_with(str_of(finding->place), str_of(published[row].file)))
			return true;
	}
	return false;
}

static size_t count_words(const struct lint *lint, const char *code, const char *words)
{
	size_t n = 0;

	for (size_t i = 0; i < lint_count(lint); i++) {
		const struct lint_finding *finding = lint_at(lint, i);

		n += strcmp(finding->code, code) == 0 &&
		     str_find(finding->words, str_of(words)) < finding->words.len;
	}
	return n;
}

static void every_published_defect_is_named(void **state)
{
	static const char *const folders[] = { "registries/dmtf", "registries/oem" };
	struct lint *lint;
	struct err err;

	if (!fixture_shared(folders[0])) {
		print_message(
			"../shared/data/registries is not here: published files are not tested\n");
		skip();
	}
	lint = lint_new();
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			lint_read(lint, fixture_shared(folders[i]), LINT_JUDGE, false, &err), 0);
	lint_run(lint);
	assert_int_equal(lint_n_files(lint), 262);
	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		if (!is_found(lint, i))
			print_message("not found: %s %s %s\n", published[i].file, published[i].key,
				      published[i].code);
		assert_true(is_found(lint, i));
	}
	assert_int_equal(count_words(lint, "severity_form", "'Informational'"), 2192);
	assert_int_equal(count_words(lint, "severity_form", "'Serious'"), 4);
	assert_int_equal(count_words(lint, "severity_form", "'Ok'"), 6);
	assert_true(count_words(lint, "param_types", "holds 'String'") > 0);
	assert_true(count_words(lint, "param_types", "holds 'value'") > 0);
	assert_true(count_words(lint, "param_types", "items") > 0);
	assert_int_equal(count_words(lint, "number_of_args_wrong", ""), 150);
	lint_free(lint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_beside_each_other),
		cmocka_unit_test(one_version_several_contents),
		cmocka_unit_test(files_that_cannot_be_used),
		cmocka_unit_test(translations_and_their_messages),
		cmocka_unit_test(translations_are_laid_together),
		cmocka_unit_test(a_translation_is_told_or_said),
		cmocka_unit_test(the_shipped_ones_are_clean),
		cmocka_unit_test(every_published_defect_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
