/* The state machine of own conditions: raised once, cleared once, kept over restarts, bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "service/condition_set.h"

#define NOW    INT64_C(1790000000000000)
#define MINUTE INT64_C(60000000)

static void take(struct condition_set *set, const char *says)
{
	const struct own_event *event = condition_set_first(set);
	char *body;

	if (!event)
		fail_msg("no event waits; wanted %s", says);
	body = xstrndup(event->body);
	if (!strstr(body, says))
		fail_msg("'%s' is not in %s", says, body);
	free(body);
	condition_set_done(set);
}

static void test_a_condition_is_raised_once_and_cleared_once(void **state)
{
	struct condition_set *set = condition_set_new();
	const struct str why = STR("no \"route\"\n");

	assert_true(condition_set_raise(set, CONDITION_DATABASE_AWAY, STR(""), &why, 1, NOW));
	assert_false(condition_set_raise(set, CONDITION_DATABASE_AWAY, STR(""), &why, 1, NOW + 1));
	assert_int_equal(condition_set_count(set), 1);
	take(set, "\"Rfeventd.1.0.DatabaseUnreachable\",\"MessageArgs\":[\"no \\\"route\\\" \"],"
		  "\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Managers/rfeventd\"}");
	assert_null(condition_set_first(set));
	assert_true(condition_set_clear(set, CONDITION_DATABASE_AWAY, STR(""), NOW + 2));
	assert_false(condition_set_clear(set, CONDITION_DATABASE_AWAY, STR(""), NOW + 3));
	take(set, "DatabaseReachable\",\"MessageArgs\":[]");
	assert_null(condition_set_first(set));
	condition_set_free(set);
}

static void test_a_level_has_hysteresis(void **state)
{
	static const struct {
		double percent;
		const char *says; /* NULL: nothing */
	} steps[] = {
		{ 79.9, NULL }, { 80, "JournalFilling\",\"MessageArgs\":[\"80\"]" },
		{ 99, NULL },   { 70, NULL },
		{ 81, NULL },   { 69.9, "JournalNoLongerFilling" },
		{ 79, NULL },   { 92.4, "JournalFilling\",\"MessageArgs\":[\"92\"]" },
	};
	struct condition_set *set = condition_set_new();

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		bool told =
			condition_set_level(set, CONDITION_JOURNAL_FILLING, steps[i].percent, NOW);

		assert_int_equal(told, steps[i].says != NULL);
		if (told)
			take(set, steps[i].says);
		assert_null(condition_set_first(set));
	}
	condition_set_free(set);
}

/* A journal at its limit is full and takes again many times a second. */
static void test_what_comes_and_goes_is_told_once_a_minute(void **state)
{
	struct condition_set *set = condition_set_new();
	unsigned n_events = 0;

	for (int64_t at = 0; at < 10 * MINUTE; at += MINUTE / 60) {
		condition_set_raise(set, CONDITION_JOURNAL_FULL, STR(""), NULL, 0, NOW + at);
		condition_set_clear(set, CONDITION_JOURNAL_FULL, STR(""), NOW + at + 1);
		for (; condition_set_first(set); condition_set_done(set))
			n_events++;
	}
	/* The first pair at once; then it stays raised as long as that goes on. */
	assert_int_equal(n_events, 3);
	assert_true(condition_set_is_open(set, CONDITION_JOURNAL_FULL, STR("")));
	assert_true(condition_set_clear(set, CONDITION_JOURNAL_FULL, STR(""), NOW + 11 * MINUTE));
	take(set, "JournalNoLongerFull");
	/* Two that are far apart are told at once; a clock put back holds nothing. */
	assert_true(condition_set_raise(set, CONDITION_JOURNAL_FULL, STR(""), NULL, 0,
					NOW + 13 * MINUTE));
	assert_true(condition_set_clear(set, CONDITION_JOURNAL_FULL, STR(""),
					NOW + 13 * MINUTE + 1));
	assert_true(condition_set_raise(set, CONDITION_JOURNAL_FULL, STR(""), NULL, 0,
					NOW + 13 * MINUTE + 2));
	assert_true(condition_set_clear(set, CONDITION_JOURNAL_FULL, STR(""), NOW));
	condition_set_free(set);
}

static void test_objects_are_apart_in_state_and_origin(void **state)
{
	struct condition_set *set = condition_set_new();
	const struct str args[] = { STR("rack 7"), STR("2 h") };

	assert_true(condition_set_raise(set, CONDITION_SOURCE_SILENT, STR("rack 7"), args, 2, NOW));
	assert_true(condition_set_raise(set, CONDITION_SOURCE_SILENT, STR("rack 8"), args, 2, NOW));
	take(set, "rfeventd#rack%207\"");
	take(set, "rfeventd#rack%208\"");
	assert_true(condition_set_clear(set, CONDITION_SOURCE_SILENT, STR("rack 8"), NOW));
	assert_true(condition_set_is_open(set, CONDITION_SOURCE_SILENT, STR("rack 7")));
	take(set, "SourceHeardAgain\",\"MessageArgs\":[\"rack 8\"]");
	condition_set_free(set);
}

static struct condition_set *after_restart(struct condition_set *set)
{
	struct condition_set *next = condition_set_new();
	struct strbuf text;
	struct err err = { "" };

	strbuf_init(&text, 1 << 20);
	condition_set_save(set, &text);
	if (condition_set_load(next, strbuf_str(&text), &err) < 0)
		fail_msg("%s", err.text);
	strbuf_fini(&text);
	condition_set_free(set);
	return next;
}

static void test_a_restart_neither_forgets_nor_doubles(void **state)
{
	struct condition_set *set = condition_set_new();
	const struct str args[] = { STR("/etc/tls/a b.crt"), STR("12") };
	char *before;

	condition_set_raise(set, CONDITION_CERTIFICATE_SOON, args[0], args, 2, NOW);
	condition_set_report(set, CONDITION_QUARANTINED, STR("bmc1"), STR("not_json"), NOW);
	condition_set_report(set, CONDITION_QUARANTINED, STR("bmc1"), STR("empty"), NOW);
	before = xstrndup(condition_set_first(set)->body);
	set = after_restart(set);
	assert_false(
		condition_set_raise(set, CONDITION_CERTIFICATE_SOON, args[0], args, 2, NOW + 9));
	assert_int_equal(condition_set_first(set)->time_us, NOW);
	take(set, before); /* the same bytes */
	take(set, "DeliveryQuarantined");
	set = after_restart(set);
	assert_null(condition_set_first(set));
	assert_true(condition_set_tick(set, NOW + 10));
	take(set, "DeliveriesSetAside\",\"MessageArgs\":[\"1\",\"bmc1\",\"empty\"]");
	assert_true(condition_set_clear(set, CONDITION_CERTIFICATE_SOON, args[0], NOW + 11));
	take(set, "CertificateRenewed\",\"MessageArgs\":[\"/etc/tls/a b.crt\"]");
	free(before);
	condition_set_free(set);
}

static void test_what_is_no_file_of_ours_is_refused_whole(void **state)
{
	static const char *const texts[] = {
		"",
		"rfeventd conditions 2\n",
		"rfeventd conditions 1\nopen\tnothing\t\n",
		"rfeventd conditions 1\nopen\tdatabase_away\t\nevent\tx\t1\t{}\n",
		"rfeventd conditions 1\nopen\tclock_stepped\t\n",
		"rfeventd conditions 1\nhello\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct condition_set *set = condition_set_new();
		struct err err;

		assert_int_equal(condition_set_load(set, str_of(texts[i]), &err), -EBADMSG);
		assert_int_equal(condition_set_count(set), 0);
		condition_set_free(set);
	}
}

static void test_reports_are_counted_by_the_minute(void **state)
{
	struct condition_set *set = condition_set_new();

	assert_true(condition_set_report(set, CONDITION_QUARANTINED, STR("a"), STR("one"), NOW));
	for (int i = 1; i <= 41; i++)
		assert_false(condition_set_report(set, CONDITION_QUARANTINED, STR("a"), STR("more"),
						  NOW + i));
	take(set, "DeliveryQuarantined\",\"MessageArgs\":[\"a\",\"one\"]");
	assert_false(condition_set_tick(set, NOW + MINUTE - 1));
	assert_true(condition_set_tick(set, NOW + MINUTE));
	take(set, "DeliveriesSetAside\",\"MessageArgs\":[\"41\",\"a\",\"more\"]");
	assert_false(condition_set_tick(set, NOW + 2 * MINUTE));
	/* A quiet minute, and the next one is told at once again. */
	assert_true(condition_set_report(set, CONDITION_QUARANTINED, STR("a"), STR("new"),
					 NOW + 2 * MINUTE + 1));
	condition_set_free(set);
}

static void test_events_of_a_minute_are_capped_and_states_follow_later(void **state)
{
	struct condition_set *set = condition_set_new();
	char name[16];
	int raised = 0;

	/* What has no end leaves room for what has one. */
	for (int i = 0; i < 100; i++)
		condition_set_tell(set, CONDITION_CLOCK_STEPPED, STR(""), NULL, 0, NOW);
	for (int i = 0; i < 100; i++) {
		const struct str object = { name, (size_t)snprintf(name, sizeof(name), "s%d", i) };

		raised += condition_set_raise(set, CONDITION_SOURCE_SILENT, object, NULL, 0, NOW);
	}
	assert_int_equal(raised, CONDITIONS_EVENTS_PER_MINUTE - CONDITIONS_REPORTS_PER_MINUTE);
	assert_int_equal(condition_set_count(set), raised);
	assert_false(condition_set_clear(set, CONDITION_SOURCE_SILENT, STR("s1"), NOW + 1));
	assert_true(condition_set_is_open(set, CONDITION_SOURCE_SILENT, STR("s1")));
	assert_true(condition_set_clear(set, CONDITION_SOURCE_SILENT, STR("s1"), NOW + MINUTE));
	assert_true(condition_set_raise(set, CONDITION_SOURCE_SILENT, STR("s99"), NULL, 0,
					NOW + MINUTE));
	condition_set_free(set);
}

static void test_open_conditions_and_waiting_events_are_capped(void **state)
{
	struct condition_set *set = condition_set_new();
	char name[16];
	size_t n_waiting = 0;

	for (int i = 0; i < 2 * CONDITIONS_MAX_OPEN; i++) {
		const struct str object = { name, (size_t)snprintf(name, sizeof(name), "f%d", i) };

		condition_set_raise(set, CONDITION_FORWARDER_FAILING, object, NULL, 0,
				    NOW + i * MINUTE);
		if (i >= CONDITIONS_MAX_WAITING && condition_set_first(set))
			condition_set_done(set);
	}
	assert_int_equal(condition_set_count(set), CONDITIONS_MAX_OPEN);
	for (; condition_set_first(set); n_waiting++)
		condition_set_done(set);
	assert_true(n_waiting <= CONDITIONS_MAX_WAITING);
	condition_set_free(set);
}

static void test_a_certificate_is_one_condition_in_stages(void **state)
{
	struct condition_set *set = condition_set_new();
	const struct str args[] = { STR("a.crt"), STR("20") };

	condition_set_raise(set, CONDITION_CERTIFICATE_SOON, args[0], args, 2, NOW);
	condition_set_raise(set, CONDITION_CERTIFICATE_URGENT, args[0], args, 2, NOW);
	condition_set_raise(set, CONDITION_CERTIFICATE_EXPIRED, args[0], args, 1, NOW);
	take(set, "CertificateExpiring");
	take(set, "CertificateExpiring");
	take(set, "CertificateExpired");
	assert_int_equal(condition_set_count(set), 1);
	assert_false(condition_set_keep(set, CONDITION_CERTIFICATE_EXPIRED, args, 1, NOW));
	assert_true(condition_set_keep(set, CONDITION_CERTIFICATE_EXPIRED, NULL, 0, NOW));
	take(set, "CertificateRenewed");
	assert_null(condition_set_first(set));
	condition_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_condition_is_raised_once_and_cleared_once),
		cmocka_unit_test(test_a_level_has_hysteresis),
		cmocka_unit_test(test_what_comes_and_goes_is_told_once_a_minute),
		cmocka_unit_test(test_objects_are_apart_in_state_and_origin),
		cmocka_unit_test(test_a_restart_neither_forgets_nor_doubles),
		cmocka_unit_test(test_what_is_no_file_of_ours_is_refused_whole),
		cmocka_unit_test(test_reports_are_counted_by_the_minute),
		cmocka_unit_test(test_events_of_a_minute_are_capped_and_states_follow_later),
		cmocka_unit_test(test_open_conditions_and_waiting_events_are_capped),
		cmocka_unit_test(test_a_certificate_is_one_condition_in_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
