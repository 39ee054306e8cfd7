/* MessageIds of every form that is known to be sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>

#include "base/file.h"
#include "registries/message_id.h"
#include "registry_fixture.h"

static void forms(void **state)
{
	static const struct {
		const char *text, *source;
		enum message_id_form form;
		const char *prefix, *key; /* NULL: none */
		int major, minor, patch;  /* major -1: no version */
	} cases[] = {
		{ "Power.1.2.PowerSupplyFailed", "standard", MESSAGE_ID_STANDARD, "Power",
		  "PowerSupplyFailed", 1, 2, 0 },
		{ "Base.1.19.EventBufferExceeded", "two digits", MESSAGE_ID_STANDARD, "Base",
		  "EventBufferExceeded", 1, 19, 0 },
		{ "Alert.1.0.0.DriveInserted", "Intel", MESSAGE_ID_PATCH, "Alert", "DriveInserted",
		  1, 0, 0 },
		{ "TaskEvent.1.0.1.TaskStarted", "bmcweb before 2023", MESSAGE_ID_PATCH,
		  "TaskEvent", "TaskStarted", 1, 0, 1 },
		{ "iLOEvents.3.14.0.DriveFailed", "iLO", MESSAGE_ID_PATCH, "iLOEvents",
		  "DriveFailed", 3, 14, 0 },
		{ "CrayAlerts.ResourcePowerStateChanged", "Cray", MESSAGE_ID_VERSIONLESS,
		  "CrayAlerts", "ResourcePowerStateChanged", -1, 0, 0 },
		{ "IDRAC.TMP0120", "iDRAC10", MESSAGE_ID_VERSIONLESS, "IDRAC", "TMP0120", -1, 0,
		  0 },
		{ "TMP0100", "iDRAC8", MESSAGE_ID_BARE, NULL, "TMP0100", -1, 0, 0 },
		{ "CMC9000", "OME-M", MESSAGE_ID_BARE, NULL, "CMC9000", -1, 0, 0 },
		{ "Bad User PWD", "seen in a log", MESSAGE_ID_BARE, NULL, "Bad User PWD", -1, 0,
		  0 },
		{ "ZT_Event_Service_Log.1.0.Alert", "underscores", MESSAGE_ID_STANDARD,
		  "ZT_Event_Service_Log", "Alert", 1, 0, 0 },
		{ "HPE_CDUAlarms.1.0.Leak_Detected", "underscores", MESSAGE_ID_STANDARD,
		  "HPE_CDUAlarms", "Leak_Detected", 1, 0, 0 },
		{ "OpenBMC.0.1.State.Changed", "a dot in the key", MESSAGE_ID_STANDARD, "OpenBMC",
		  "State.Changed", 0, 1, 0 },
		{ "Contoso.Fans.1.0.Stopped", "words before the version", MESSAGE_ID_STANDARD,
		  "Contoso", "Stopped", 1, 0, 0 },
		{ "Contoso.1.Stopped", "one number only", MESSAGE_ID_VERSIONLESS, "Contoso",
		  "Stopped", -1, 0, 0 },
		{ "Contoso.1.0.404", "a number for a key", MESSAGE_ID_STANDARD, "Contoso", "404", 1,
		  0, 0 },
		{ "Contoso.1.0.2.404", "the same with errata", MESSAGE_ID_PATCH, "Contoso", "404",
		  1, 0, 2 },
		{ "Contoso.1.0.2ndFan", "key starts with a digit", MESSAGE_ID_STANDARD, "Contoso",
		  "2ndFan", 1, 0, 0 },
		{ "Contoso.99999999999.0.Key", "no number", MESSAGE_ID_VERSIONLESS, "Contoso",
		  "99999999999.0.Key", -1, 0, 0 },
		{ "35.1132", "iLO IML", MESSAGE_ID_NUMBERS, NULL, NULL, -1, 0, 0 },
		{ "5.3", "iLO IML", MESSAGE_ID_NUMBERS, NULL, NULL, -1, 0, 0 },
		{ "0x592A28", "SEL", MESSAGE_ID_HEX, NULL, NULL, -1, 0, 0 },
		{ "0x", "no digits", MESSAGE_ID_BARE, NULL, "0x", -1, 0, 0 },
		{ "NULL", "seen in logs", MESSAGE_ID_EMPTY, NULL, NULL, -1, 0, 0 },
		{ "", "empty", MESSAGE_ID_EMPTY, NULL, NULL, -1, 0, 0 },
		{ "  ", "blanks", MESSAGE_ID_EMPTY, NULL, NULL, -1, 0, 0 },
		{ " Power.1.2.Key ", "blanks around", MESSAGE_ID_STANDARD, "Power", "Key", 1, 2,
		  0 },
		{ ".1.0.Key", "no prefix", MESSAGE_ID_BARE, NULL, ".1.0.Key", -1, 0, 0 },
		{ "Power.", "no key", MESSAGE_ID_BARE, NULL, "Power.", -1, 0, 0 },
		{ "Power.1.0.", "no key", MESSAGE_ID_BARE, NULL, "Power.1.0.", -1, 0, 0 },
		{ ".", "a dot", MESSAGE_ID_BARE, NULL, ".", -1, 0, 0 },
		{ "12", "a number", MESSAGE_ID_BARE, NULL, "12", -1, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message_id id = message_id_parse(str_of(cases[i].text));

		print_message("%s: '%s'\n", cases[i].source, cases[i].text);
		assert_string_equal(message_id_form_name(id.form),
				    message_id_form_name(cases[i].form));
		assert_int_equal(id.prefix.p != NULL, cases[i].prefix != NULL);
		assert_true(str_eq(id.prefix, str_of(cases[i].prefix)));
		assert_int_equal(id.key.p != NULL, cases[i].key != NULL);
		assert_true(str_eq(id.key, str_of(cases[i].key)));
		assert_int_equal(id.has_version, cases[i].major >= 0);
		if (!id.has_version)
			continue;
		assert_int_equal(id.major, cases[i].major);
		assert_int_equal(id.minor, cases[i].minor);
		assert_int_equal(id.patch, cases[i].patch);
	}
}

static void absent_id(void **state)
{
	struct message_id id = message_id_parse((struct str){ NULL, 0 });

	assert_int_equal(id.form, MESSAGE_ID_EMPTY);
	assert_null(id.key.p);
	assert_false(id.has_version);
}

static bool is_part(struct str whole, struct str part)
{
	return part.p >= whole.p && part.p + part.len <= whole.p + whole.len;
}

/* What holds for every id, whoever wrote it. */
static void check_invariants(struct str text)
{
	struct message_id id = message_id_parse(text);
	bool has_key = id.form >= MESSAGE_ID_STANDARD && id.form <= MESSAGE_ID_BARE;

	assert_int_equal(id.key.p != NULL, has_key);
	assert_int_equal(id.prefix.p != NULL, has_key && id.form != MESSAGE_ID_BARE);
	assert_int_equal(id.has_version,
			 id.form == MESSAGE_ID_STANDARD || id.form == MESSAGE_ID_PATCH);
	if (id.key.p)
		assert_true(id.key.len > 0 && is_part(text, id.key));
	if (id.prefix.p)
		assert_true(id.prefix.len > 0 && is_part(text, id.prefix));
}

static void random_ids(void **state)
{
	static const char letters[] = "...0123xA_ ";
	unsigned seed = 3;

	for (int round = 0; round < 50000; round++) {
		char text[24];
		size_t len;

		seed = seed * 1103515245u + 12345u;
		len = (seed >> 16) % sizeof(text);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245u + 12345u;
			text[i] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		check_invariants((struct str){ text, len });
	}
}

static size_t n_of_form[MESSAGE_ID_HEX + 1];

/* Every "MessageId": "…" in the text, in whatever case. */
static void check_ids_of(struct str text)
{
	static const char name[] = "\"messageid\"";
	const char *at = text.p;

	while ((at = strcasestr(at, name))) {
		const char *start = at + sizeof(name) - 1;
		struct str id;

		start += strspn(start, " :");
		at = start;
		if (*start != '"')
			continue;
		id = (struct str){ start + 1, strcspn(start + 1, "\"\n") };
		check_invariants(id);
		n_of_form[message_id_parse(id).form]++;
	}
}

static int check_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct err err;
	char *text;
	size_t n;

	if (type != FTW_F)
		return 0;
	assert_int_equal(file_read(path, 64 << 20, &text, &n, &err), 0);
	check_ids_of((struct str){ text, n });
	free(text);
	return 0;
}

static void real_ids(void **state)
{
	const char *const folders[] = { "events", "oracle" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		const char *path = fixture_shared(folders[i]);

		if (!path) {
			print_message("no shared sample data (RFEVENTD_SHARED)\n");
			skip();
		}
		assert_int_equal(nftw(path, check_file, 16, FTW_PHYS), 0);
	}
	for (size_t i = 0; i <= MESSAGE_ID_HEX; i++) {
		print_message("%s: %zu\n", message_id_form_name((enum message_id_form)i),
			      n_of_form[i]);
		assert_true(n_of_form[i] > 0); /* every form occurs in real data */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(absent_id),
		cmocka_unit_test(random_ids),
		cmocka_unit_test(real_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
