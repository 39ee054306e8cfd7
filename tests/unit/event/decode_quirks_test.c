/* Decode: each departure from the standard by its quirk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/limits.h"
#include "event/quirks.h"

#define RECEIVED_US 1763629964120931ll /* 2025-11-20T09:12:44Z */

/* A record, and an envelope, without any quirk. */
#define CLEAN                                                                                      \
	"\"EventType\":\"Alert\",\"MemberId\":\"0\",\"MessageId\":\"Power.1.2."                    \
	"PowerSupplyFailed\","                                                                     \
	"\"EventTimestamp\":\"2025-11-20T09:12:44Z\",\"Message\":\"Power supply 2 failed.\","      \
	"\"MessageArgs\":[\"2\"],\"MessageSeverity\":\"Critical\","                                \
	"\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/1\"}"
#define ENVELOPE            "\"@odata.type\":\"#Event.v1_7_0.Event\",\"Id\":\"1\",\"Name\":\"Event\""
#define IN_ENVELOPE(record) "{" ENVELOPE ",\"Events\":[" record "]}"
#define ALONE(record)       IN_ENVELOPE("{" record "}")

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static uint64_t reached;

static struct delivery *decoded_as(uint32_t flags, struct str body)
{
	struct delivery *delivery =
		delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } }, RECEIVED_US, flags,
			     STR("10.0.0.1"), (struct str){ 0 }, STR("http/1.1"), body);

	assert_non_null(delivery);
	decode_delivery(delivery);
	reached |= delivery->quirks;
	for (uint32_t i = 0; i < delivery->n_events; i++)
		reached |= delivery->events[i].quirks;
	return delivery;
}

static struct delivery *decoded(struct str body)
{
	return decoded_as(0, body);
}

static void assert_quirks(uint64_t actual, uint64_t wanted)
{
	for (int i = 0; i < QUIRK_COUNT; i++) {
		if ((actual ^ wanted) >> i & 1)
			print_error("quirk %s: %s\n", quirk_name((enum quirk)i),
				    actual >> i & 1 ? "not wanted" : "missing");
	}
	assert_true(actual == wanted);
}

#define Q(id) QUIRK_BIT(id)

/* All quirks that the first event (the delivery's included) must show, and no other. */
static const struct quirk_case {
	const char *name; /* with its source: section of the specification notes, or vendor */
	struct str body;
	uint64_t quirks;
} quirk_cases[] = {
	{ "1.2 nothing odd", TEXT(ALONE(CLEAN)), 0 },
	{ "1.4-12 UTF-8 byte order mark", TEXT("\xef\xbb\xbf" ALONE(CLEAN)), Q(BYTE_ORDER_MARK) },
	{ "1.4-12 trailing NULs and blanks", TEXT(ALONE(CLEAN) "\r\n\0\0 \n\0"), Q(TRAILING_NUL) },
	{ "1.4-12 Latin-1 degree sign", TEXT(ALONE(CLEAN ",\"Resolution\":\"40 \xb0 C\"")),
	  Q(NOT_UTF8) },
	{ "1.4-12 U+0000 in a text", TEXT(ALONE(CLEAN ",\"EventId\":\"a\\u0000b\"")),
	  Q(NUL_CHARACTER) },
	{ "1.4-12 U+0000 in a name", TEXT(ALONE(CLEAN ",\"a\\u0000b\":1")),
	  Q(NUL_CHARACTER) | Q(UNKNOWN_PROPERTY) },
	{ "tab inside a text", TEXT(ALONE(CLEAN ",\"EventId\":\"a\tb\"")), Q(CONTROL_CHARACTER) },
	{ "the same name twice", TEXT(ALONE(CLEAN ",\"EventId\":\"1\",\"EventId\":\"2\"")),
	  Q(DUPLICATE_KEY) },
	{ "1.4-1 Foxconn", TEXT("{" ENVELOPE ",\"Events\":{" CLEAN "}}"), Q(EVENTS_OBJECT) },
	{ "1.4-2 bare record", TEXT("{" CLEAN "}"), Q(NO_ENVELOPE) },
	{ "1.1 Cray", TEXT("{\"Id\":\"1\",\"Name\":\"x\",\"Events\":[{" CLEAN "}]}"),
	  Q(ODATA_TYPE_MISSING) },
	{ "1.1 type without v",
	  TEXT("{\"@odata.type\":\"#Event.1.0.0.Event\",\"Id\":\"1\",\"Events\":[{" CLEAN "}]}"),
	  Q(ODATA_TYPE_ODD) },
	{ "1.1 type with a blank",
	  TEXT("{\"@odata.type\":\"#Event.v1_7_0.Event \",\"Id\":\"1\",\"Events\":[{" CLEAN "}]}"),
	  Q(ODATA_TYPE_ODD) },
	{ "1.1 no Id", TEXT("{\"@odata.type\":\"#Event.v1_4_0.Event\",\"Events\":[{" CLEAN "}]}"),
	  Q(ID_MISSING) },
	{ "Id a number",
	  TEXT("{\"@odata.type\":\"#Event.v1_4_0.Event\",\"Id\":7,\"Events\":[{" CLEAN "}]}"),
	  Q(ID_NOT_TEXT) },
	{ "1.4-4 EventID", TEXT(ALONE(CLEAN ",\"EventID\":\"1\"")), Q(NAME_CASE) },
	{ "1.4-4 ID on the envelope",
	  TEXT("{\"@odata.type\":\"#Event.v1_4_0.Event\",\"ID\":\"7\",\"Events\":[{" CLEAN "}]}"),
	  Q(NAME_CASE) },
	{ "1.4-4 iLO4 MessageID and MessageId", TEXT(ALONE("\"MessageID\":\"x\"," CLEAN)),
	  Q(NAME_TWICE) },
	{ "1.1 hostname", TEXT(ALONE(CLEAN ",\"hostname\":\"x\"")), Q(UNKNOWN_PROPERTY) },
	{ "on the envelope", TEXT("{" ENVELOPE ",\"hostname\":\"x\",\"Events\":[{" CLEAN "}]}"),
	  Q(UNKNOWN_PROPERTY) },
	{ "annotations are no quirk",
	  TEXT("{" ENVELOPE
	       ",\"Events@odata.count\":1,\"Events\":[{\"MessageArgs@odata.count\":1," CLEAN "}]}"),
	  0 },
	{ "Alerts for Events", TEXT("{" ENVELOPE ",\"Alerts\":[{" CLEAN "}]}"),
	  Q(UNKNOWN_PROPERTY) },
	{ "1.4-8 EventType Event",
	  TEXT(ALONE("\"EventType\":\"Event\",\"MemberId\":\"0\",\"MessageId\":\"A.1.0.B\","
		     "\"Message\":\"x\","
		     "\"MessageSeverity\":\"OK\",\"EventTimestamp\":\"2025-11-20T09:12:44Z\"")),
	  Q(EVENT_TYPE_UNKNOWN) },
	{ "1.2 hardly anything", TEXT(ALONE("\"EventId\":\"1\"")),
	  Q(EVENT_TYPE_MISSING) | Q(MEMBER_ID_MISSING) | Q(MESSAGE_ID_MISSING) |
		  Q(MESSAGE_MISSING) | Q(SEVERITY_MISSING) | Q(TIMESTAMP_MISSING) },
	{ "5.2 bare key",
	  TEXT(ALONE("\"MessageId\":\"TMP0100\",\"EventType\":\"Alert\",\"MemberId\":\"0\","
		     "\"Message\":\"x\",\"MessageSeverity\":\"OK\","
		     "\"EventTimestamp\":\"2025-11-20T09:12:44Z\"")),
	  Q(MESSAGE_ID_FORM) },
	{ "1.2 DMTF's template",
	  TEXT(ALONE("\"MessageId\":\"A.1.0.B\",\"EventType\":\"Alert\",\"MemberId\":\"0\","
		     "\"Message\":\"%1 failed\",\"MessageArgs\":[\"x\"],\"MessageSeverity\":\"OK\","
		     "\"EventTimestamp\":\"2025-11-20T09:12:44Z\"")),
	  Q(MESSAGE_TEMPLATE) },
	{ "a percent sign is no template",
	  TEXT(ALONE("\"MessageId\":\"A.1.0.B\",\"EventType\":\"Alert\",\"MemberId\":\"0\","
		     "\"Message\":\"80% full\",\"MessageArgs\":[\"x\"],\"MessageSeverity\":\"OK\","
		     "\"EventTimestamp\":\"2025-11-20T09:12:44Z\"")),
	  0 },
#define WITH_ARGS(args)                                                                            \
	TEXT(ALONE("\"MessageId\":\"A.1.0.B\",\"EventType\":\"Alert\",\"MemberId\":\"0\","         \
		   "\"Message\":\"x\",\"MessageSeverity\":\"OK\","                                 \
		   "\"EventTimestamp\":\"2025-11-20T09:12:44Z\",\"MessageArgs\":" args))
	{ "1.2 arguments as one string", WITH_ARGS("\"x\""), Q(ARGS_NOT_ARRAY) },
	{ "1.2 iDRAC10 null", WITH_ARGS("null"), Q(ARGS_NULL) },
	{ "1.2 Intel [null]", WITH_ARGS("[null]"), Q(ARGS_NULL) },
	{ "1.2 numbers", WITH_ARGS("[1.10,true]"), Q(ARGS_NOT_TEXT) },
	{ "1.2 iDRAC9 leading blank", WITH_ARGS("[\" Inlet\"]"), Q(ARGS_BLANKS) },
	{ "5.1 Informational",
	  TEXT(ALONE("\"Severity\":\"Informational\",\"MessageId\":\"A.1.0.B\","
		     "\"EventType\":\"Alert\",\"MemberId\":\"0\",\"Message\":\"x\","
		     "\"EventTimestamp\":\"2025-11-20T09:12:44Z\"")),
	  Q(SEVERITY_FORM) },
#define WITH_ORIGIN(origin)                                                                        \
	TEXT(ALONE("\"MessageId\":\"A.1.0.B\",\"EventType\":\"Alert\",\"MemberId\":\"0\","         \
		   "\"Message\":\"x\",\"MessageSeverity\":\"OK\","                                 \
		   "\"EventTimestamp\":\"2025-11-20T09:12:44Z\",\"OriginOfCondition\":" origin))
	{ "1.2 origin as a string", WITH_ORIGIN("\"/redfish/v1/Systems/1\""), Q(ORIGIN_STRING) },
	{ "1.2 the whole resource", WITH_ORIGIN("{\"@odata.id\":\"/a\",\"Name\":\"x\"}"),
	  Q(ORIGIN_RESOURCE) },
	{ "origin a number", WITH_ORIGIN("7"), Q(ORIGIN_FORM) },
	{ "origin null", WITH_ORIGIN("null"), Q(ORIGIN_FORM) },
	{ "origin an empty object", WITH_ORIGIN("{}"), Q(ORIGIN_FORM) },
#define WITH_TIME(time)                                                                            \
	TEXT(ALONE("\"MessageId\":\"A.1.0.B\",\"EventType\":\"Alert\",\"MemberId\":\"0\","         \
		   "\"Message\":\"x\",\"MessageSeverity\":\"OK\",\"EventTimestamp\":\"" time       \
		   "\""))
	{ "1.3 iDRAC offset without colon", WITH_TIME("2021-07-13T14:56:58+0300"),
	  Q(TIMESTAMP_FORM) },
	{ "1.3 blank and no zone", WITH_TIME("2019-05-14 10:18:10.232853"), Q(TIMESTAMP_FORM) },
	{ "1.3 nine digits", WITH_TIME("2019-05-28T18:23:08.283000000Z"), 0 },
	{ "1.3 TIME_NOW", WITH_TIME("TIME_NOW"), Q(TIMESTAMP_UNREADABLE) },
	{ "1.3 iLO unset", WITH_TIME("0000-00-00T00:00:00Z"), Q(TIMESTAMP_UNREADABLE) },
	{ "1.3 Cray clock never set", WITH_TIME("1999-12-31T12:00:39Z"), Q(TIMESTAMP_INSANE) },
	{ "an hour ahead", WITH_TIME("2025-11-20T10:12:44Z"), 0 },
	{ "two days ahead", WITH_TIME("2025-11-22T09:12:45Z"), Q(TIMESTAMP_INSANE) },
	{ "1.4-6 record by reference",
	  TEXT(IN_ENVELOPE("{\"@odata.id\":\"/redfish/v1/Events/11\"}")),
	  Q(RECORD_REFERENCE) | Q(EVENT_TYPE_MISSING) | Q(MEMBER_ID_MISSING) |
		  Q(MESSAGE_ID_MISSING) | Q(MESSAGE_MISSING) | Q(SEVERITY_MISSING) |
		  Q(TIMESTAMP_MISSING) },
	{ "1.4-5 only Oem", TEXT(IN_ENVELOPE("{\"Oem\":{\"Hpe\":{\"Hostname\":\"x\"}}}")),
	  Q(RECORD_OEM_ONLY) | Q(EVENT_TYPE_MISSING) | Q(MEMBER_ID_MISSING) |
		  Q(MESSAGE_ID_MISSING) | Q(MESSAGE_MISSING) | Q(SEVERITY_MISSING) |
		  Q(TIMESTAMP_MISSING) },
	{ "1.4-11 LogEntry keys", TEXT(ALONE(CLEAN ",\"Created\":\"2025-11-20T09:12:44Z\"")),
	  Q(RECORD_LOG_ENTRY) },
	{ "1.4-11 Name in a record", TEXT(ALONE(CLEAN ",\"Name\":\"x\"")), Q(RECORD_LOG_ENTRY) },
	{ "Name of a bare record is an envelope's", TEXT("{\"Name\":\"x\"," CLEAN "}"),
	  Q(NO_ENVELOPE) },
	{ "1.1 Context in the record", TEXT(ALONE(CLEAN ",\"Context\":\"x\"")), Q(RECORD_CONTEXT) },
	{ "1.4-3 sailfish",
	  TEXT(ALONE(CLEAN ",\"Oem\":{\"Dell\":{\"MetricReport\":{\"MetricValues\":[]}}}")),
	  Q(METRIC_IN_OEM) },
	{ "Cray sensors", TEXT(ALONE(CLEAN ",\"Oem\":{\"Sensors\":[{\"Value\":\"1\"}]}")),
	  Q(METRIC_IN_OEM) },
	{ "1.2 Actions as an array", TEXT(ALONE(CLEAN ",\"Actions\":[\"x\"]")), Q(ACTIONS_FORM) },
	{ "EventGroupId a string", TEXT(ALONE(CLEAN ",\"EventGroupId\":\"7\"")), Q(GROUP_ID_FORM) },
	{ "EventId a number", TEXT(ALONE(CLEAN ",\"EventId\":2162")), Q(PROPERTY_FORM) },
	{ "1.2 Username null is allowed", TEXT(ALONE(CLEAN ",\"Username\":null")), 0 },
	{ "1.4-7 iDRAC twice", TEXT(IN_ENVELOPE("{" CLEAN "},{" CLEAN "}")), Q(DUPLICATE_RECORD) },
	{ "JSON that is no event", TEXT("{\"error\":{\"code\":\"x\"}}"),
	  Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) },
	{ "a JSON string", TEXT("\"hello\""), Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) },
	{ "a JSON number", TEXT("17"), Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) },
	{ "an empty object", TEXT("{}"), Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) },
	{ "an empty array", TEXT("[]"), Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) },
	{ "an Event without Events", TEXT("{" ENVELOPE "}"),
	  Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) | Q(EVENTS_EMPTY) },
	{ "Events a string", TEXT("{" ENVELOPE ",\"Events\":\"x\"}"),
	  Q(NOT_AN_EVENT) | Q(MESSAGE_ID_MISSING) | Q(EVENTS_EMPTY) },
};

static void quirks_are_named(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(quirk_cases); i++) {
		struct delivery *delivery = decoded(quirk_cases[i].body);

		print_message("%s\n", quirk_cases[i].name);
		assert_int_equal(delivery->kind, DELIVERY_EVENTS);
		assert_int_equal(delivery->n_events, 1);
		assert_int_equal(delivery->n_quarantined, 0);
		assert_quirks(delivery->events[0].quirks, quirk_cases[i].quirks);
		delivery_unref(delivery);
	}
}

static void long_text_is_cut(void **state)
{
	/* The cap falls into the middle of the last character. */
	size_t n = DECODE_MAX_TEXT_BYTES / 2 + 10;
	struct strbuf body;
	struct delivery *delivery;
	const struct event *event;

	strbuf_init(&body, 1 << 20);
	strbuf_put_text(&body, "{\"Events\":[{\"MessageId\":\"A.1.0.B\",\"Message\":\"x");
	for (size_t i = 0; i < n; i++)
		strbuf_put_text(&body, "\xc3\xa9");
	strbuf_put_text(&body, "\"}]}");
	delivery = decoded(strbuf_str(&body));
	event = &delivery->events[0];
	assert_true(event->quirks & QUIRK_BIT(TEXT_CUT));
	assert_int_equal(event->sender_message.len, DECODE_MAX_TEXT_BYTES - 1);
	assert_true(str_is_utf8(event->sender_message));
	delivery_unref(delivery);
	strbuf_fini(&body);
}

/* LogEntries: what is ordinary there is no quirk, what is odd in any record still is. */
static void log_entries_are_read(void **state)
{
	static const char collection[] =
		"{\"@odata.type\":\"#LogEntryCollection.LogEntryCollection\",\"Members\":["
		"{\"@odata.id\":\"/redfish/v1/l/Entries/1\",\"Id\":\"1\",\"Name\":\"e\",\"EntryType\":"
		"\"Event\",\"Severity\":\"Critical\",\"Created\":\"2012-03-07T14:44:00Z\","
		"\"SensorNumber\":1,\"Message\":\"System May be Melting\",\"MessageId\":"
		"\"Event.1.0.TempWayTooHot\",\"MessageArgs\":[\"88\"],\"Links\":{"
		"\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/1U/Thermal\"}}},"
		"{\"@odata.id\":\"/redfish/v1/l/Entries/2\"},{\"Id\":\"3\",\"EventTimestamp\":"
		"\"2025-11-20T09:12:44Z\",\"Created\":\"2025-11-20T09:12:50Z\",\"MessageId\":\"X\","
		"\"Message\":\"m\",\"Severity\":\"OK\"}]}";
	struct delivery *delivery = decoded_as(DELIVERY_BACKFILLED, str_of(collection));
	const struct event *first = &delivery->events[0], *second = &delivery->events[1];

	assert_int_equal(delivery->kind, DELIVERY_EVENTS);
	assert_int_equal(delivery->n_events, 2);
	assert_quirks(first->quirks, Q(BACKFILLED) | Q(TIMESTAMP_INSANE));
	assert_true(str_eq(first->origin, STR("/redfish/v1/Chassis/1U/Thermal")));
	assert_true(str_eq(first->log_entry, STR("/redfish/v1/l/Entries/1")));
	assert_true(str_eq(first->event_timestamp, STR("2012-03-07T14:44:00Z")));
	assert_int_equal(first->severity, SEVERITY_CRITICAL);
	assert_quirks(second->quirks, Q(BACKFILLED) | Q(MESSAGE_ID_FORM));
	assert_true(str_eq(second->log_entry, STR("3")));
	assert_true(str_eq(second->event_timestamp, STR("2025-11-20T09:12:44Z")));
	assert_int_equal(delivery->n_quarantined, 1);
	assert_string_equal(delivery->quarantined[0].reason, "entry_not_read");
	delivery_unref(delivery);
	delivery = decoded_as(DELIVERY_BACKFILLED, STR("{\"Id\":\"1\"}"));
	assert_int_equal(delivery->n_events, 0);
	assert_string_equal(delivery->quarantined[0].reason, "no_log_entry");
	delivery_unref(delivery);
}

static void every_quirk_was_reached(void **state)
{
	/* Found where registries or earlier deliveries are known. */
	uint64_t elsewhere = Q(PREFIX_CASE) | Q(POSSIBLE_REPEAT) | Q(ARGS_MISSING);

	for (int i = 0; i < QUIRK_COUNT; i++) {
		if (!((reached | elsewhere) >> i & 1))
			fail_msg("no case reaches %s", quirk_name((enum quirk)i));
	}
	assert_true((reached & elsewhere) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quirks_are_named),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(log_entries_are_read),
		cmocka_unit_test(every_quirk_was_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
