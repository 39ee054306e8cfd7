/* Thirty real log entries, read by a person: which argument is in which slot of the template, and
 * that another language gets it in the same one. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "event/entry.h"
#include "event/event.h"
#include "registries/message_id.h"
#include "registries/recover.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "registries/translate.h"
#include "oracle_fixture.h"
#include "registry_fixture.h"
#include "tests/unit/translation_fixture.h"
#include "translations/catalog.h"

#define MAX_SLOTS 5
#define HSN       "CrayAlerts.HsnLinkFlapDetected"
#define FATAL     "CrayAlerts.HardwareFatalFaultDetected"
#define DETECTED  "ResourceEvent.ResourceErrorsDetected"
#define CORRECTED "ResourceEvent.ResourceErrorsCorrected"
#define APRIL_19  "2022/04/19 20:06:"

struct checked {
	size_t line; /* of the log entries, from 0 */
	const char *id;
	const char *slots[MAX_SLOTS]; /* %1, %2 … as they stand in the text */
	bool by_user;                 /* "User: … - " stands before the template */
	bool number;                  /* the last slot is one, and gets the locale's form */
};

/* The sender's order of them stands beside: l link, a from, b to, d cause, t temperature. */
static const struct checked checked[] = {
	{ .line = 17,
	  .id = HSN,
	  .slots = { "j100p1", APRIL_19 "47", APRIL_19 "50", "PORT_DOWN", "0" } }, /* b a d l t */
	{ .line = 18,
	  .id = HSN,
	  .slots = { "j12p1", APRIL_19 "47", APRIL_19 "49", "PORT_DOWN", "0" } }, /* b a l d t */
	{ .line = 20,
	  .id = HSN,
	  .slots = { "j4p1", APRIL_19 "47", APRIL_19 "49", "PORT_DOWN", "0" } }, /* l b a d t */
	{ .line = 27,
	  .id = HSN,
	  .slots = { "j6p0", APRIL_19 "47", APRIL_19 "48", "PORT_DOWN", "0" } }, /* b l a d t */
	{ .line = 33,
	  .id = HSN,
	  .slots = { "j101p0", APRIL_19 "42", APRIL_19 "47", "PORT_DOWN", "0" } }, /* a b l d t */
	{ .line = 34,
	  .id = HSN,
	  .slots = { "j104p0", APRIL_19 "42", APRIL_19 "47", "PORT_DOWN", "0" } }, /* a l b d t */
	{ .line = 35,
	  .id = HSN,
	  .slots = { "j105p1", APRIL_19 "42", APRIL_19 "47", "PORT_DOWN", "0" } }, /* a b d l t */
	/* from and to are the same, and were given once */
	{ .line = 31,
	  .id = HSN,
	  .slots = { "j101p1", APRIL_19 "47", APRIL_19 "47", "PORT_DOWN", "0" } }, /* t l a d */
	{ .line = 32,
	  .id = HSN,
	  .slots = { "j4p0", APRIL_19 "47", APRIL_19 "47", "PORT_DOWN", "0" } }, /* t a d l */

	{ .line = 4, .id = CORRECTED, .slots = { "CPU0 Package Power", "SensorReadError" } },
	{ .line = 83, .id = CORRECTED, .slots = { "gpubrd0 Temperature", "SensorReadError" } },
	{ .line = 62,
	  .id = CORRECTED,
	  .slots = { "CPU1 Temperature", "SensorReadError" } }, /* reversed */
	{ .line = 77,
	  .id = CORRECTED,
	  .slots = { "CPU0 SOC_S0 Power", "SensorReadError" } }, /* reversed */
	{ .line = 12, .id = DETECTED, .slots = { "SIVOC CTLR0 Current", "SensorReadError" } },
	{ .line = 61,
	  .id = DETECTED,
	  .slots = { "CPU1 NBM TSNS ADC Temperature", "SensorReadError" } }, /* reversed */
	{ .line = 88,
	  .id = DETECTED,
	  .slots = { "gpubrd2 Temperature", "SensorReadError" } }, /* reversed */
	/* reversed, and the number given is another one altogether */
	{ .line = 66,
	  .id = "ResourceEvent.ResourceWarningThresholdCleared",
	  .slots = { "CPU1 VDR ABCD Voltage", "1.116" },
	  .number = true },

	{ .line = 68, .id = FATAL, .slots = { "CPU1 VDR ABCD Voltage", "below" } },   /* reversed */
	{ .line = 73, .id = FATAL, .slots = { "12V_HSS ECB Temperature", "above" } }, /* reversed */
	{ .line = 97, .id = FATAL, .slots = { "gpu2 Power", "outside" } },            /* reversed */
	{ .line = 96, .id = FATAL, .slots = { "gpu3 Power", "outside" } },
	{ .line = 109,
	  .id = "CrayAlerts.HardwareCriticalFaultDetected",
	  .slots = { "PDB INRUSH CPU Voltage", "below" } }, /* reversed */
	{ .line = 0,
	  .id = "CrayAlerts.ResourcePowerStateChanged",
	  .slots = { "/redfish/v1/Systems/Node2", "On" } },
	{ .line = 144, .id = "CrayAlerts.CabinetLeakDetected", .slots = { "A", "Front" } },
	{ .line = 5, .id = "HPENodeAlarms.VRMMismatchFailure", .slots = { "6" } },
	{ .line = 136,
	  .id = "EventLog.1.0.PowerStatusChange",
	  .slots = { "/redfish/v1/Systems/Self", "Off" } },

	{ .line = 122,
	  .id = "UpdateService.1.0.DownloadFirmwareSuccessful",
	  .slots = { "http://10.254.1.26/image.RBU",
		     "/redfish/v1/UpdateService/Actions/SimpleUpdate" } },
	{ .line = 123,
	  .id = "AmiOem.1.0.DownloadFirmware",
	  .slots = { "http://10.254.1.26/image.RBU",
		     "/redfish/v1/UpdateService/Actions/SimpleUpdate" },
	  .by_user = true },
	/* more given than the template takes */
	{ .line = 124,
	  .id = "Security.1.0.AccessDenied",
	  .slots = { "/redfish/v1/EventService/Subscriptions" },
	  .by_user = true },
	{ .line = 125,
	  .id = "Security.1.0.ResourceCreated",
	  .slots = { "/redfish/v1/EventService/Subscriptions" },
	  .by_user = true },
};
static_assert(ARRAY_LEN(checked) == 30, "thirty of them");

/* Translations of the keys that are no standard: the same arguments, last one first. */
static const struct test_language {
	const char *file, *text;
} test_german[] = {
	{ "CrayAlerts.json",
	  "{\"Language\":\"de\",\"RegistryPrefix\":\"CrayAlerts\",\"Messages\":{"
	  "\"HsnLinkFlapDetected\":{\"Message\":\"Bei %5 Grad: %4, %3 nach %2, an %1.\"},"
	  "\"HardwareFatalFaultDetected\":{\"Message\":\"Es ist %2, sagt %1.\"},"
	  "\"HardwareCriticalFaultDetected\":{\"Message\":\"Weit %2 liegt %1.\"},"
	  "\"ResourcePowerStateChanged\":{\"Message\":\"Nun %2 ist %1.\"},"
	  "\"CabinetLeakDetected\":{\"Message\":\"Im Schrank %2 tropft %1.\"}}}" },
	{ "HPENodeAlarms.json",
	  "{\"Language\":\"de\",\"RegistryPrefix\":\"HPENodeAlarms\",\"Messages\":{"
	  "\"VRMMismatchFailure\":{\"Message\":\"Falsche VRM: %1.\"}}}" },
	{ "EventLog.json", "{\"Language\":\"de\",\"RegistryPrefix\":\"EventLog\",\"Messages\":{"
			   "\"PowerStatusChange\":{\"Message\":\"%2 geschaltet: %1\"}}}" },
	{ "UpdateService.json",
	  "{\"Language\":\"de\",\"RegistryPrefix\":\"UpdateService\",\"Messages\":{"
	  "\"DownloadFirmwareSuccessful\":{\"Message\":\"Durch %2 geholt: %1.\"}}}" },
	{ "AmiOem.json", "{\"Language\":\"de\",\"RegistryPrefix\":\"AmiOem\",\"Messages\":{"
			 "\"DownloadFirmware\":{\"Message\":\"Durch %2 wird geholt: %1.\"}}}" },
	{ "Security.json", "{\"Language\":\"de\",\"RegistryPrefix\":\"Security\",\"Messages\":{"
			   "\"AccessDenied\":{\"Message\":\"Kein Zugang zu %1.\"},"
			   "\"ResourceCreated\":{\"Message\":\"Neu angelegt ist %1.\"}}}" },
};

/* --- one entry -------------------------------------------------------------------------------- */

struct reading {
	const struct registry_set *set;
	struct match match;
	struct event event;
	struct str args[DECODE_MAX_ARGS];
};

static void read_entry(const struct checked *row, const struct registry_set *set, json_t *entries,
		       struct reading *out)
{
	json_t *entry = json_array_get(entries, row->line);

	print_message("%zu: %s\n", row->line, row->id);
	assert_non_null(entry);
	*out = (struct reading){ .set = set };
	out->event = (struct event){
		.message_id = fixture_json_str(json_object_get(entry, "MessageId")),
		.sender_message = fixture_json_str(json_object_get(entry, "Message")),
		.message_args = out->args,
		.n_message_args = fixture_entry_args(entry, out->args),
		.has_message_args = true,
	};
	out->event.message = out->event.sender_message;
	assert_true(str_eq(out->event.message_id, str_of(row->id)));
	out->match = resolve_find(set, (struct uuid){ { 0 } }, out->event.message_id, true,
				  out->event.n_message_args);
	assert_non_null(out->match.message);
}

static size_t count_slots(const struct checked *row)
{
	size_t n = 0;

	while (n < MAX_SLOTS && row->slots[n])
		n++;
	return n;
}

/* What the row says stands before the template. */
static struct str before_of(const struct checked *row, struct str text)
{
	static const struct str end = STR(" - ");

	return (struct str){ text.p, row->by_user ? str_find(text, end) + end.len : 0 };
}

/* By the template of any version: these are firmware of several years. */
static bool recover_by_any(const struct reading *reading, struct recovered *out)
{
	struct message_id id = message_id_parse(reading->event.message_id);

	for (size_t i = 0; i < registry_set_count(reading->set); i++) {
		const struct registry *registry = registry_set_at(reading->set, i);
		const struct message *message = registry_find(registry, id.key);

		if (message && str_eq_nocase(registry_prefix(registry), id.prefix) &&
		    resolve_recover(message->text, reading->event.sender_message, reading->args,
				    reading->event.n_message_args, out))
			return true;
	}
	return false;
}

static void check_slots(const struct checked *row, const struct reading *reading)
{
	struct recovered found;

	assert_true(recover_by_any(reading, &found));
	assert_int_equal(found.n_args, count_slots(row));
	for (size_t i = 0; i < found.n_args; i++) {
		print_message("  %%%zu = %.*s\n", i + 1, STR_ARG(found.args[i]));
		assert_true(str_eq(found.args[i], str_of(row->slots[i])));
	}
	assert_true(str_eq(found.before, before_of(row, reading->event.sender_message)));
	assert_int_equal(found.after.len, 0);
}

/* --- in another language -----------------------------------------------------------------------
 */

/* The row's slots in a translation, filled by other means than the daemon's. */
static void fill(const struct checked *row, struct str template, struct strbuf *out)
{
	size_t n = count_slots(row), slot;

	for (size_t i = 0; i < template.len; i++) {
		if (template.p[i] != '%') {
			strbuf_put_char(out, template.p[i]);
			continue;
		}
		slot = (size_t)(template.p[++i] - '1');
		assert_true(slot < n);
		for (const char *p = row->slots[slot]; *p; p++)
			strbuf_put_char(out, row->number && slot == n - 1 && *p == '.' ? ',' : *p);
	}
}

static void check_german(const struct checked *row, const struct reading *reading,
			 struct translator *translator, const struct catalog_set *catalogs)
{
	size_t german = catalog_set_choose(catalogs, STR("de"));
	const struct translated *translated =
		catalog_set_find(catalogs, german, registry_prefix(reading->match.registry),
				 reading->match.message->key);
	struct wording wording;
	struct strbuf expect;

	assert_non_null(translated);
	assert_true(translator_words(translator, reading->set, catalogs, german,
				     (struct uuid){ { 0 } }, &reading->event, &wording));
	print_message("  %.*s\n", STR_ARG(wording.message));
	assert_true(str_eq(wording.language, STR("de")));
	strbuf_init(&expect, 1 << 16);
	strbuf_put(&expect, before_of(row, reading->event.sender_message));
	fill(row, translated->message, &expect);
	assert_true(str_eq(wording.message, strbuf_str(&expect)));
	strbuf_fini(&expect);
}

static struct catalog_set *load_german(void)
{
	char dir[] = "/tmp/recovered_slots_test.XXXXXX";
	const char *const folders[] = { "translations", dir };
	struct catalog_set *catalogs;

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_LEN(test_german); i++)
		fixture_translation(dir, "de", test_german[i].file, test_german[i].text);
	catalogs = catalog_set_load(folders, ARRAY_LEN(folders), "en");
	fixture_remove(dir);
	return catalogs;
}

/* --- tests -------------------------------------------------------------------------------------
 */

struct house {
	struct registry_set *set;
	json_t *entries;
};

static int open_house(void **state)
{
	static struct house house;

	house = (struct house){ fixture_shared_set(), fixture_entries() };
	*state = &house;
	return 0;
}

static int close_house(void **state)
{
	struct house *house = *state;

	json_decref(house->entries);
	registry_set_unref(house->set);
	return 0;
}

static void need_data(const struct house *house)
{
	if (house->set && house->entries)
		return;
	print_message("no shared sample data (RFEVENTD_SHARED)\n");
	skip();
}

static void arguments_are_the_ones_in_the_text(void **state)
{
	struct house *house = *state;

	need_data(house);
	for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
		struct reading reading;

		read_entry(&checked[i], house->set, house->entries, &reading);
		check_slots(&checked[i], &reading);
	}
}

static void german_has_them_in_their_slots(void **state)
{
	struct house *house = *state;
	struct translator *translator;
	struct catalog_set *catalogs;

	need_data(house);
	translator = translator_new();
	catalogs = load_german();
	for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
		struct reading reading;

		read_entry(&checked[i], house->set, house->entries, &reading);
		check_german(&checked[i], &reading, translator, catalogs);
	}
	translator_free(translator);
	catalog_set_unref(catalogs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_the_ones_in_the_text),
		cmocka_unit_test(german_has_them_in_their_slots),
	};

	return cmocka_run_group_tests(tests, open_house, close_house);
}
