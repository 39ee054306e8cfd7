/* Entry: the JSON of the contract, byte for byte, and the batches' references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "event/source_set.h"

#define DELIVERY_ID "019ad5c2-0000-7000-8000-000000000001"
#define SOURCE_ID   "7f0c0000-0000-4000-8000-000000000002"

static struct uuid id_of(const char *text)
{
	struct uuid id;

	assert_true(uuid_parse(str_of(text), &id));
	return id;
}

static void assert_encoded(const struct entry *entry, const struct source *source,
			   const struct wording *wording, const char *wanted)
{
	struct strbuf out;

	strbuf_init(&out, 1 << 20);
	entry_encode(&out, entry, source, wording);
	assert_false(out.failed);
	assert_string_equal(out.p, wanted);
	strbuf_fini(&out);
}

static void everything_known(void **state)
{
	struct str args[] = { STR("PSU \"2\""), STR("") };
	struct source source = { .id = id_of(SOURCE_ID),
				 .name = STR("rack7-n12"),
				 .site = STR("Lyon"),
				 .rack = STR("7"),
				 .owner = STR("not shown"),
				 .token = STR("secret") };
	struct wording wording = { STR("Netzteil ausgefallen"), STR("Tauschen"), STR("de") };
	struct entry entry = {
		.seq = 4711,
		.delivery = id_of(DELIVERY_ID),
		.source = id_of(SOURCE_ID),
		.received_us = 1763629964120931ll,
		.event = { .index = 3,
			   .event_id = STR("e"),
			   .event_timestamp = STR("2025-11-20T10:12:44+0100"),
			   .event_type = STR("Alert"),
			   .message_id = STR("Power.1.2.PowerSupplyFailed"),
			   .message_args = args,
			   .n_message_args = 2,
			   .has_message_args = true,
			   .has_event_group_id = true,
			   .event_group_id = 0,
			   .origin = STR("/redfish/v1/Chassis/1"),
			   .severity = SEVERITY_CRITICAL,
			   .category = CATEGORY_ALERT,
			   .quirks = QUIRK_BIT(ORIGIN_STRING) | QUIRK_BIT(TIMESTAMP_FORM),
			   .message = STR("Power supply failed"),
			   .resolution = STR("Replace"),
			   .language = STR("en"),
			   .resolved_by = { STR("Power"), STR("1.2.0"), STR("ab12"), STEP_EXACT } },
	};

	assert_encoded(
		&entry, &source, &wording,
		"{\"seq\":4711,\"id\":\"" DELIVERY_ID
		"-3\",\"received\":\"2025-11-20T09:12:44.120931Z\","
		"\"source\":{\"id\":\"" SOURCE_ID "\",\"name\":\"rack7-n12\",\"site\":\"Lyon\","
		"\"rack\":\"7\"},\"Category\":\"alert\","
		"\"EventId\":\"e\",\"EventTimestamp\":\"2025-11-20T10:12:44+0100\",\"EventType\":"
		"\"Alert\","
		"\"MessageId\":\"Power.1.2.PowerSupplyFailed\",\"MessageArgs\":[\"PSU "
		"\\\"2\\\"\",\"\"],"
		"\"Severity\":\"Critical\",\"OriginOfCondition\":\"/redfish/v1/Chassis/1\","
		"\"EventGroupId\":0,\"Message\":\"Netzteil "
		"ausgefallen\",\"Resolution\":\"Tauschen\","
		"\"language\":\"de\",\"resolved_by\":{\"registry\":\"Power\",\"version\":\"1.2.0\","
		"\"step\":\"exact\",\"sha256\":\"ab12\"},"
		"\"quirks\":[\"origin_string\",\"timestamp_form\"]}");
}

static void nothing_known(void **state)
{
	struct entry entry = { .delivery = id_of(DELIVERY_ID), .source = id_of(SOURCE_ID) };

	assert_encoded(
		&entry, NULL, NULL,
		"{\"seq\":null,\"id\":\"" DELIVERY_ID
		"-0\",\"received\":\"1970-01-01T00:00:00.000000Z\",\"source\":{\"id\":\"" SOURCE_ID
		"\"},\"Category\":\"other\",\"resolved_by\":{\"step\":\"none\"}}");
	entry.source = (struct uuid){ { 0 } };
	entry.event.has_message_args = true;
	entry.event.message = STR("kept");
	entry.event.event_id = STR("");
	entry.event.resolved_by.step = STEP_SENDER;
	assert_encoded(
		&entry, NULL, NULL,
		"{\"seq\":null,\"id\":\"" DELIVERY_ID
		"-0\",\"received\":\"1970-01-01T00:00:00.000000Z\",\"source\":{},"
		"\"Category\":\"other\",\"EventId\":\"\",\"MessageArgs\":[],\"Message\":\"kept\","
		"\"resolved_by\":{\"step\":\"sender\"}}");
}

static void a_full_buffer_shows(void **state)
{
	struct entry entry = { .delivery = id_of(DELIVERY_ID) };
	struct strbuf out;

	strbuf_init(&out, 40);
	entry_encode(&out, &entry, NULL, NULL);
	assert_true(out.failed);
	strbuf_fini(&out);
}

static void batches_hold_what_they_borrow_from(void **state)
{
	struct entry_batch *batch = entry_batch_new(2);
	struct delivery *delivery = delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } }, 0,
						 0, STR("10.0.0.1"), STR(""), STR("h2"), STR("{}"));

	assert_int_equal(batch->n, 2);
	assert_int_equal(batch->entries[1].seq, 0);
	assert_null(batch->entries[1].event.message.p);
	batch->arena = arena_new(1024);
	batch->held = xcalloc(1, sizeof(batch->held[0]));
	batch->held[batch->n_held++] = delivery;
	batch->entries[0].event.message = delivery->peer;
	assert_ptr_equal(entry_batch_ref(batch), batch);
	entry_batch_unref(batch);
	assert_true(str_eq(batch->entries[0].event.message, STR("10.0.0.1")));
	entry_batch_unref(batch); /* the sanitizer tells when the delivery stays behind */
	entry_batch_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_known),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(a_full_buffer_shows),
		cmocka_unit_test(batches_hold_what_they_borrow_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
