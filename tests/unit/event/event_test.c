/* Event: names and tolerant readings of severity, category, step and quirk; the category rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event/category.h"
#include "event/event.h"
#include "event/quirks.h"

static void severities(void **state)
{
	static const struct {
		const char *text; /* spec 1.2, 5.1 and what registries hold */
		enum severity severity;
		bool exact;
	} cases[] = {
		{ "OK", SEVERITY_OK, true },
		{ "Warning", SEVERITY_WARNING, true },
		{ "Critical", SEVERITY_CRITICAL, true },
		{ "Ok", SEVERITY_OK, false },
		{ "WARNING", SEVERITY_WARNING, false },
		{ " Critical ", SEVERITY_CRITICAL, false },
		{ "Informational", SEVERITY_OK, false },
		{ "Serious", SEVERITY_CRITICAL, false },
		{ "None", SEVERITY_NONE, false },
		{ "", SEVERITY_NONE, false },
		{ "Warnings", SEVERITY_NONE, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool exact = !cases[i].exact;

		print_message("'%s'\n", cases[i].text);
		assert_int_equal(severity_parse(str_of(cases[i].text), &exact), cases[i].severity);
		assert_int_equal(exact, cases[i].exact);
	}
	assert_int_equal(severity_parse(STR("OK"), NULL), SEVERITY_OK);
	assert_string_equal(severity_name(SEVERITY_NONE), "");
	assert_string_equal(severity_name(SEVERITY_CRITICAL), "Critical");
}

static void categories_by_name(void **state)
{
	enum category category = CATEGORY_OTHER;

	for (int i = CATEGORY_OTHER; i <= CATEGORY_TELEMETRY; i++) {
		assert_true(category_parse(str_of(category_name((enum category)i)), &category));
		assert_int_equal(category, i);
	}
	assert_string_equal(category_name(CATEGORY_LIFECYCLE), "lifecycle");
	assert_false(category_parse(STR("Alert"), &category));
}

static void categories_by_rule(void **state)
{
	static const struct {
		const char *name; /* source: spec section 4 */
		const char *event_type, *prefix, *key;
		enum severity severity;
		uint64_t quirks;
		enum category category;
	} cases[] = {
		{ "Alert", "Alert", "Alert", "LanDisconnect", SEVERITY_OK, 0, CATEGORY_ALERT },
		{ "StatusChange", "StatusChange", "X", "Y", SEVERITY_CRITICAL, 0,
		  CATEGORY_LIFECYCLE },
		{ "ResourceAdded", "ResourceAdded", NULL, "TST100", 0, 0, CATEGORY_LIFECYCLE },
		{ "MetricReport", "MetricReport", NULL, "TST100", 0, 0, CATEGORY_TELEMETRY },
		{ "heartbeat before its type", "Alert", "HeartbeatEvent",
		  "RedfishServiceFunctional", SEVERITY_OK, 0, CATEGORY_CONTROL },
		{ "test message", "Alert", "ResourceEvent", "TestMessage", SEVERITY_OK, 0,
		  CATEGORY_CONTROL },
		{ "buffer exceeded", NULL, "Base", "EventBufferExceeded", SEVERITY_WARNING, 0,
		  CATEGORY_CONTROL },
		{ "subscription terminated", "Other", "Base", "SubscriptionTerminated", SEVERITY_OK,
		  0, CATEGORY_CONTROL },
		{ "created", NULL, "ResourceEvent", "ResourceCreated", SEVERITY_OK, 0,
		  CATEGORY_LIFECYCLE },
		{ "critical status is still life-cycle", NULL, "ResourceEvent",
		  "ResourceStatusChangedCritical", SEVERITY_CRITICAL, 0, CATEGORY_LIFECYCLE },
		{ "powered", NULL, "ResourceEvent", "ResourcePoweredOn", SEVERITY_OK, 0,
		  CATEGORY_LIFECYCLE },
		{ "property modified", "Other", "ResourceEvent", "PropertyValueModifiedByClient",
		  SEVERITY_OK, 0, CATEGORY_LIFECYCLE },
		{ "errors of a resource", NULL, "ResourceEvent", "ResourceErrorsDetected",
		  SEVERITY_WARNING, 0, CATEGORY_ALERT },
		{ "same key elsewhere", NULL, "Contoso", "ResourceCreated", SEVERITY_OK, 0,
		  CATEGORY_OTHER },
		{ "warning", NULL, "Power", "PowerSupplyFailed", SEVERITY_WARNING, 0,
		  CATEGORY_ALERT },
		{ "all is well", NULL, "Power", "PowerSupplyInserted", SEVERITY_OK, 0,
		  CATEGORY_OTHER },
		{ "nothing known", NULL, NULL, NULL, SEVERITY_NONE, 0, CATEGORY_OTHER },
		{ "a type outside the list", "Event", "Power", "PowerSupplyFailed",
		  SEVERITY_CRITICAL, 0, CATEGORY_ALERT },
		{ "telemetry in Oem", NULL, "CrayTelemetry", "Temperature", SEVERITY_OK,
		  QUIRK_BIT(METRIC_IN_OEM), CATEGORY_TELEMETRY },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct event event = { .event_type = str_of(cases[i].event_type),
				       .severity = cases[i].severity,
				       .quirks = cases[i].quirks };

		print_message("%s\n", cases[i].name);
		assert_string_equal(category_name(category_of(&event, str_of(cases[i].prefix),
							      str_of(cases[i].key))),
				    category_name(cases[i].category));
	}
}

static void steps(void **state)
{
	static const char *const names[] = { "none",        "sender",      "exact",   "newer_minor",
					     "older_minor", "other_major", "bare_key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(resolve_step_name((enum resolve_step)i), names[i]);
}

static void quirks_by_name(void **state)
{
	for (int i = 0; i < QUIRK_COUNT; i++) {
		const char *name = quirk_name((enum quirk)i);

		/* Unique: parsing finds the first of that name. */
		assert_int_equal(quirk_parse(str_of(name)), 1ull << i);
		assert_true(strlen(quirk_words((enum quirk)i)) > 5);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
				 strlen(name));
	}
	assert_string_equal(quirk_name(QUIRK_ORIGIN_STRING), "origin_string");
	assert_int_equal(quirk_parse(STR("no_such")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(severities),         cmocka_unit_test(categories_by_name),
		cmocka_unit_test(categories_by_rule), cmocka_unit_test(steps),
		cmocka_unit_test(quirks_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
