/* One event as LogEntry and as CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/log_entry.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "event/source_set.h"

static struct str args[] = { { "PSU \"2\"", 7 }, { "a,b", 3 } };

static struct entry sample(void)
{
	return (struct entry){
		.seq = 7,
		.received_us = 1763630000000000,
		.event = { .index = 2,
			   .message_id = STR("Power.1.2.PowerSupplyFailed"),
			   .message_args = args,
			   .n_message_args = 2,
			   .has_message_args = true,
			   .severity = SEVERITY_CRITICAL,
			   .category = CATEGORY_ALERT,
			   .origin = STR("/redfish/v1/Chassis/1"),
			   .message = STR("=cmd|' /C calc'!A0"),
			   .quirks = QUIRK_BIT(ORIGIN_STRING),
			   .resolved_by = { .step = STEP_EXACT } },
	};
}

static void test_log_entry_is_json_with_its_facts(void **state)
{
	const struct source source = { .name = STR("rack7"), .site = STR("ber") };
	struct entry entry = sample();
	struct strbuf text;
	json_t *json;

	strbuf_init(&text, 1 << 16);
	log_entry_encode(&text, &entry, &source, NULL);
	json = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "Id")), "7");
	assert_string_equal(json_string_value(json_object_get(json, "@odata.id")), LOG_ENTRIES_PATH "/7");
	assert_string_equal(json_string_value(json_object_get(json, "Severity")), "Critical");
	assert_int_equal(json_array_size(json_object_get(json, "MessageArgs")), 2);
	assert_null(json_object_get(json, "EventId"));
	assert_null(json_object_get(json, "EventTimestamp"));
	json_decref(json);
	strbuf_fini(&text);
}

/* MessageArgs that came as one text, not in an array: shown here as in the Entry. */
static void test_args_without_an_array_are_shown(void **state)
{
	struct entry entry = sample();
	struct strbuf text;

	entry.event.has_message_args = false;
	strbuf_init(&text, 1 << 16);
	log_entry_encode(&text, &entry, NULL, NULL);
	assert_non_null(strstr(text.p, ",\"MessageArgs\":[\"PSU"));
	strbuf_fini(&text);
}

static void test_csv_quotes_and_defuses(void **state)
{
	struct entry entry = sample();
	struct strbuf text;

	strbuf_init(&text, 1 << 16);
	log_entry_csv(&text, &entry, NULL, NULL);
	assert_non_null(strstr(text.p, "7,00000000-0000-0000-0000-000000000000-2,"));
	assert_non_null(strstr(text.p, ",\"[\"\"PSU \\\"\"2\\\"\"\"\",\"\"a,b\"\"]\","));
	/* A formula of a sender's must not run in somebody's spreadsheet. */
	assert_non_null(strstr(text.p, ",'=cmd|' /C calc'!A0,"));
	assert_string_equal(text.p + text.len - 2, "\r\n");
	strbuf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_entry_is_json_with_its_facts),
		cmocka_unit_test(test_args_without_an_array_are_shown),
		cmocka_unit_test(test_csv_quotes_and_defuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
