/* Decode: the facts taken out, the shapes of bodies, what is set aside, the caps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
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
#define ENVELOPE "\"@odata.type\":\"#Event.v1_7_0.Event\",\"Id\":\"1\",\"Name\":\"Event\""

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

static struct delivery *decoded(struct str body)
{
	struct delivery *delivery =
		delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } }, RECEIVED_US, 0,
			     STR("10.0.0.1"), (struct str){ 0 }, STR("http/1.1"), body);

	assert_non_null(delivery);
	decode_delivery(delivery);
	return delivery;
}

static struct delivery *decoded_text(const char *body)
{
	return decoded(str_of(body));
}

static void assert_text(struct str actual, const char *wanted)
{
	if (!wanted) {
		assert_null(actual.p);
		return;
	}
	assert_non_null(actual.p);
	if (!str_eq(actual, str_of(wanted)))
		fail_msg("'%.*s' instead of '%s'", STR_ARG(actual), wanted);
}

/* --- facts ------------------------------------------------------------------------------------ */

static void facts_of_a_clean_record(void **state)
{
	struct delivery *delivery = decoded_text(
		"{" ENVELOPE ",\"Context\":\"mine\",\"Events\":[{" CLEAN ",\"EventId\":\"e1\","
		"\"EventGroupId\":12,\"Resolution\":\"Replace it.\",\"Severity\":\"Warning\","
		"\"LogEntry\":{\"@odata.id\":\"/redfish/v1/Log/3\"}}]}");
	const struct event *event = &delivery->events[0];

	assert_text(delivery->envelope_id, "1");
	assert_text(delivery->context, "mine");
	assert_int_equal(event->index, 0);
	assert_text(event->event_id, "e1");
	assert_text(event->event_type, "Alert");
	assert_text(event->message_id, "Power.1.2.PowerSupplyFailed");
	assert_text(event->event_timestamp, "2025-11-20T09:12:44Z");
	assert_true(event->has_event_time && event->event_time_sane);
	assert_int_equal(event->event_time_us, 1763629964000000ll);
	assert_true(event->has_message_args);
	assert_int_equal(event->n_message_args, 1);
	assert_text(event->message_args[0], "2");
	assert_text(event->sender_message, "Power supply 2 failed.");
	assert_text(event->sender_resolution, "Replace it.");
	assert_text(event->sender_severity, "Critical"); /* MessageSeverity wins */
	assert_int_equal(event->severity, SEVERITY_CRITICAL);
	assert_int_equal(event->category, CATEGORY_ALERT);
	assert_text(event->origin, "/redfish/v1/Chassis/1");
	assert_text(event->log_entry, "/redfish/v1/Log/3");
	assert_true(event->has_event_group_id);
	assert_int_equal(event->event_group_id, 12);
	assert_null(event->message.p); /* the resolver's */
	delivery_unref(delivery);
}

static void absent_facts_are_absent(void **state)
{
	struct delivery *delivery = decoded_text("{\"Events\":[{\"MessageId\":\"\"}]}");
	const struct event *event = &delivery->events[0];

	assert_text(event->message_id, "");
	assert_null(event->event_id.p);
	assert_null(event->event_type.p);
	assert_null(event->event_timestamp.p);
	assert_null(event->origin.p);
	assert_null(event->sender_message.p);
	assert_null(event->sender_severity.p);
	assert_false(event->has_message_args || event->has_event_group_id || event->has_event_time);
	assert_int_equal(event->severity, SEVERITY_NONE);
	assert_null(delivery->envelope_id.p);
	assert_null(delivery->context.p);
	delivery_unref(delivery);
}

static void arguments_keep_their_text(void **state)
{
	static const struct {
		const char *name, *args;
		bool is_array;
		uint32_t n;
		const char *texts[4];
	} cases[] = {
		{ "strings", "[\"a\",\"\"]", true, 2, { "a", "" } },
		{ "empty", "[]", true, 0, { 0 } },
		{ "null", "null", false, 0, { 0 } },
		{ "[null]", "[ null ]", true, 1, { "" } },
		{ "number text", "[1.10, -0, 1e3 ,12]", true, 4, { "1.10", "-0", "1e3", "12" } },
		{ "beyond 2^63",
		  "[9223372036854775808,18446744073709551616,-99999999999999999999]",
		  true,
		  3,
		  { "9223372036854775808", "18446744073709551616", "-99999999999999999999" } },
		{ "beyond a double", "[1e999,\"9\"]", true, 2, { "1e999", "9" } },
		{ "booleans", "[true,false]", true, 2, { "true", "false" } },
		{ "objects",
		  "[{ \"a b\" : [ 1 , 2.0 ] },[ ]]",
		  true,
		  2,
		  { "{\"a b\":[1,2.0]}", "[]" } },
		{ "brackets and quotes in strings",
		  "[\"]\",{\"}\":\"\\\"]\"},7]",
		  true,
		  3,
		  { "]", "{\"}\":\"\\\"]\"}", "7" } },
		{ "one string", "\"a\"", false, 1, { "a" } },
		{ "one number", "1.50", false, 1, { "1.50" } },
		{ "blanks stay", "[\" Inlet\"]", true, 1, { " Inlet" } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *body = xasprintf(
			"{\"Events\":[{\"MessageId\":\"x\",\"Oem\":[1,{\"MessageArgs\":3}],"
			"\"MessageArgs\": %s }]}",
			cases[i].args);
		struct delivery *delivery = decoded_text(body);
		const struct event *event = &delivery->events[0];

		print_message("%s\n", cases[i].name);
		assert_int_equal(delivery->kind, DELIVERY_EVENTS);
		assert_int_equal(event->has_message_args, cases[i].is_array);
		assert_int_equal(event->n_message_args, cases[i].n);
		for (uint32_t k = 0; k < cases[i].n; k++)
			assert_text(event->message_args[k], cases[i].texts[k]);
		delivery_unref(delivery);
		free(body);
	}
}

static void odd_values_are_read(void **state)
{
	/* The property of the first event that a record is to show; NULL: absent. */
	static const struct {
		const char *name, *record;
		size_t field;
		const char *wanted;
	} cases[] = {
#define FIELD(name) offsetof(struct event, name)
		{ "number as EventId", "\"EventId\":2162.0", FIELD(event_id), "2162.0" },
		{ "exact spelling wins, first", "\"MessageId\":\"a\",\"MessageID\":\"b\"",
		  FIELD(message_id), "a" },
		{ "exact spelling wins, last", "\"MessageID\":\"b\",\"MessageId\":\"a\"",
		  FIELD(message_id), "a" },
		{ "other spelling", "\"MessageID\":\"b\"", FIELD(message_id), "b" },
		{ "Foxconn's time", "\"EventTimeStamp\":\"2024-05-20T17:57:23+00:00\"",
		  FIELD(event_timestamp), "2024-05-20T17:57:23+00:00" },
		{ "Created for the time", "\"Created\":\"2024-05-20T17:57:23Z\"",
		  FIELD(event_timestamp), "2024-05-20T17:57:23Z" },
		{ "the later of two keys", "\"EventId\":\"1\",\"EventId\":\"2\"", FIELD(event_id),
		  "2" },
		{ "origin string", "\"OriginOfCondition\":\"/a/\"", FIELD(origin), "/a/" },
		{ "origin resource", "\"OriginOfCondition\":{\"Id\":\"x\",\"@odata.id\":\"/a\"}",
		  FIELD(origin), "/a" },
		{ "origin in an array", "\"OriginOfCondition\":[{\"@odata.id\":\"/a\"}]",
		  FIELD(origin), "/a" },
		{ "origin href (iLO4)", "\"OriginOfCondition\":{\"href\":\"/rest/v1\"}",
		  FIELD(origin), "/rest/v1" },
		{ "origin number", "\"OriginOfCondition\":7", FIELD(origin), NULL },
		{ "message null", "\"Message\":null", FIELD(sender_message), NULL },
		{ "message an object", "\"Message\":{ \"a\": 1.0 }", FIELD(sender_message),
		  "{\"a\":1.0}" },
		{ "severity beside an empty MessageSeverity",
		  "\"MessageSeverity\":\"\",\"Severity\":\"Warning\"", FIELD(sender_severity),
		  "Warning" },
		{ "half a surrogate pair", "\"Message\":\"a\\ud800b\"", FIELD(sender_message),
		  "a\xef\xbf\xbd"
		  "b" },
		{ "a whole one", "\"Message\":\"\\ud83d\\ude00\"", FIELD(sender_message),
		  "\xf0\x9f\x98\x80" },
		{ "Windows-1252 beside UTF-8", "\"Message\":\"\x80 \xc3\xa9 \xe9 \x81\"",
		  FIELD(sender_message), "\xe2\x82\xac \xc3\xa9 \xc3\xa9 \xef\xbf\xbd" },
		{ "U+0000", "\"Message\":\"a\\u0000b\"", FIELD(sender_message),
		  "a\xef\xbf\xbd"
		  "b" },
		{ "line feed inside a text", "\"Message\":\"a\nb\"", FIELD(sender_message), "a b" },
		{ "LogEntry a string", "\"LogEntry\":\"/l\"", FIELD(log_entry), "/l" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *body = xasprintf("{\"Events\":[{%s}]}", cases[i].record);
		struct delivery *delivery = decoded_text(body);
		const char *event = (const char *)&delivery->events[0];
		struct str value;

		print_message("%s\n", cases[i].name);
		assert_int_equal(delivery->n_events, 1);
		memcpy(&value, event + cases[i].field, sizeof(value));
		assert_text(value, cases[i].wanted);
		delivery_unref(delivery);
		free(body);
	}
}

static void group_ids(void **state)
{
	static const struct {
		const char *text;
		bool has;
		int64_t value;
		bool quirk;
	} cases[] = {
		{ "0", true, 0, false },
		{ "-5", true, -5, false },
		{ "9223372036854775807", true, INT64_MAX, false },
		{ "9223372036854775808", false, 0, true },
		{ "\"12\"", true, 12, true },
		{ "\"x\"", false, 0, true },
		{ "1.5", false, 0, true },
		{ "null", false, 0, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *body = xasprintf("{\"Events\":[{\"EventGroupId\":%s}]}", cases[i].text);
		struct delivery *delivery = decoded_text(body);
		const struct event *event = &delivery->events[0];

		print_message("%s\n", cases[i].text);
		assert_int_equal(event->has_event_group_id, cases[i].has);
		if (cases[i].has)
			assert_true(event->event_group_id == cases[i].value);
		assert_int_equal((event->quirks & QUIRK_BIT(GROUP_ID_FORM)) != 0, cases[i].quirk);
		delivery_unref(delivery);
		free(body);
	}
}

static void contexts(void **state)
{
	static const struct {
		const char *name, *body, *context;
	} cases[] = {
		{ "envelope's", "{\"Context\":\"a\",\"Events\":[{\"Context\":\"b\"}]}", "a" },
		{ "record's", "{\"Events\":[{\"EventId\":\"1\"},{\"Context\":\"b\"}]}", "b" },
		{ "null", "{\"Context\":null,\"Events\":[{\"EventId\":\"1\"}]}", NULL },
		{ "a number", "{\"Context\":1.0,\"Events\":[{\"EventId\":\"1\"}]}", "1.0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct delivery *delivery = decoded_text(cases[i].body);

		print_message("%s\n", cases[i].name);
		assert_text(delivery->context, cases[i].context);
		delivery_unref(delivery);
	}
}

/* --- shapes ----------------------------------------------------------------------------------- */

static void shapes(void **state)
{
	static const struct {
		const char *name;
		struct str body;
		enum delivery_kind kind;
		uint32_t n_events, n_quarantined;
	} cases[] = {
		{ "no records", TEXT("{" ENVELOPE ",\"Events\":[]}"), DELIVERY_EVENTS, 0, 0 },
		{ "Events null", TEXT("{" ENVELOPE ",\"Events\":null}"), DELIVERY_EVENTS, 0, 0 },
		{ "Events an empty object", TEXT("{" ENVELOPE ",\"Events\":{}}"), DELIVERY_EVENTS,
		  0, 0 },
		{ "an empty record", TEXT("{\"Events\":[{}]}"), DELIVERY_EVENTS, 1, 0 },
		{ "records that are none",
		  TEXT("{\"Events\":[{\"EventId\":\"1\"},\"x\",7,null,[1],{\"EventId\":\"2\"}]}"),
		  DELIVERY_EVENTS, 2, 4 },
		{ "an array of records", TEXT("[{\"EventId\":\"1\"},{\"EventId\":\"2\"}]"),
		  DELIVERY_EVENTS, 2, 0 },
		{ "an array of envelopes",
		  TEXT("[{\"Events\":[{\"EventId\":\"1\"},{\"EventId\":\"2\"}]},{\"Events\":[{"
		       "\"EventId\":"
		       "\"3\"}]}]"),
		  DELIVERY_EVENTS, 3, 0 },
		{ "Alerts beside empty Events",
		  TEXT("{\"Events\":null,\"Alerts\":[{\"EventId\":\"1\"}]}"), DELIVERY_EVENTS, 1,
		  0 },
		{ "events in other case", TEXT("{\"events\":[{\"eventid\":\"1\"}]}"),
		  DELIVERY_EVENTS, 1, 0 },
		{ "report by its values", TEXT("{\"Id\":\"x\",\"MetricValues\":[]}"),
		  DELIVERY_METRIC_REPORT, 0, 0 },
		{ "report by its type",
		  TEXT("{\"@odata.type\":\"#MetricReport.v1_4_2.MetricReport\"}"),
		  DELIVERY_METRIC_REPORT, 0, 0 },
		{ "report as an event", TEXT("{\"Events\":[{\"Oem\":{\"MetricValues\":[{}]}}]}"),
		  DELIVERY_EVENTS, 1, 0 },
		{ "report among events", TEXT("[{\"MetricValues\":[]},{\"EventId\":\"1\"}]"),
		  DELIVERY_EVENTS, 1, 1 },
		{ "UTF-16 little-endian", TEXT("\xff\xfe{\0}\0"), DELIVERY_EVENTS, 1, 0 },
		{ "UTF-16 big-endian", TEXT("\xfe\xff\0{\0}"), DELIVERY_EVENTS, 1, 0 },
		{ "nothing", TEXT(""), DELIVERY_NOT_JSON, 0, 0 },
		{ "only a mark", TEXT("\xef\xbb\xbf"), DELIVERY_NOT_JSON, 0, 0 },
		{ "only NULs", TEXT("\0\0\0"), DELIVERY_NOT_JSON, 0, 0 },
		{ "XML", TEXT("<event/>"), DELIVERY_NOT_JSON, 0, 0 },
		{ "cut off", TEXT("{\"Events\":[{\"EventId\":\"1\"}"), DELIVERY_NOT_JSON, 0, 0 },
		{ "cut off in a text", TEXT("{\"Events\":[{\"EventId\":\"1\\"), DELIVERY_NOT_JSON,
		  0, 0 },
		{ "two bodies", TEXT("{} {}"), DELIVERY_NOT_JSON, 0, 0 },
		{ "NUL between", TEXT("{\"a\":\0 1}"), DELIVERY_NOT_JSON, 0, 0 },
		{ "a number with a leading zero", TEXT("{\"a\":012345678901234567890}"),
		  DELIVERY_NOT_JSON, 0, 0 },
		{ "bytes", TEXT("\x80\x81\xff"), DELIVERY_NOT_JSON, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct delivery *delivery = decoded(cases[i].body);

		print_message("%s\n", cases[i].name);
		assert_int_equal(delivery->kind, cases[i].kind);
		assert_int_equal(delivery->n_events, cases[i].n_events);
		assert_int_equal(delivery->n_quarantined, cases[i].n_quarantined);
		if (cases[i].kind == DELIVERY_NOT_JSON) {
			assert_string_equal(delivery->reason, "not_json");
			assert_true(delivery->detail.len > 8);
			assert_true(str_is_utf8(delivery->detail));
		} else {
			assert_null(delivery->reason);
		}
		delivery_unref(delivery);
	}
}

static void neighbours_of_a_bad_record(void **state)
{
	struct delivery *delivery =
		decoded_text("{\"Events\":[{\"EventId\":\"1\"}, [ \"x\" ] ,{\"EventId\":\"2\"}]}");

	assert_int_equal(delivery->events[0].index, 0);
	assert_int_equal(delivery->events[1].index, 2);
	assert_text(delivery->events[1].event_id, "2");
	assert_int_equal(delivery->quarantined[0].index, 1);
	assert_string_equal(delivery->quarantined[0].reason, "record_not_object");
	assert_text(delivery->quarantined[0].detail, "the record is an array, not an object");
	assert_text(delivery->quarantined[0].raw, "[ \"x\" ]");
	delivery_unref(delivery);
}

static void not_json_says_where(void **state)
{
	struct delivery *delivery = decoded_text("{\n  \"Events\": [ nothing ]\n}");

	assert_int_equal(delivery->kind, DELIVERY_NOT_JSON);
	assert_true(str_find(delivery->detail, STR("line 2, column 15")) < delivery->detail.len);
	delivery_unref(delivery);
}

static void duplicates(void **state)
{
#define AT "\"EventTimestamp\":\"2025-11-20T09:12:44Z\""
	static const struct {
		const char *name, *records;
		uint32_t n;
	} cases[] = {
		{ "same, other order of properties",
		  "{" AT ",\"EventId\":\"1\"},{\"EventId\":\"1\"," AT "}", 1 },
		{ "same, other blanks", "{" AT ",\"EventId\":\"1\"},{ " AT " , \"EventId\" :\"1\"}",
		  1 },
		{ "three times", "{" AT "},{" AT "},{" AT "}", 1 },
		{ "no time", "{\"EventId\":\"1\"},{\"EventId\":\"1\"}", 2 },
		{ "insane time",
		  "{\"EventTimestamp\":\"1970-01-01T00:00:00Z\"},{\"EventTimestamp\":\"1970-01-"
		  "01T00:00:00Z\"}",
		  2 },
		{ "same EventId, other argument",
		  "{" AT ",\"EventId\":\"1\",\"MessageArgs\":[\"a\"]},{" AT
		  ",\"EventId\":\"1\",\"MessageArgs\":[\"b\"]}",
		  2 },
		{ "only Oem differs", "{" AT ",\"Oem\":{\"a\":1}},{" AT ",\"Oem\":{\"a\":2}}", 2 },
		{ "numbers beyond the reader",
		  "{" AT ",\"Oem\":{\"a\":99999999999999999991}},{" AT
		  ",\"Oem\":{\"a\":99999999999999999992}}",
		  2 },
		{ "the earlier of two keys differs",
		  "{" AT ",\"EventId\":\"1\",\"EventId\":\"3\"},{" AT
		  ",\"EventId\":\"2\",\"EventId\":\"3\"}",
		  2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *body = xasprintf("{\"Events\":[%s]}", cases[i].records);
		struct delivery *delivery = decoded_text(body);

		print_message("%s\n", cases[i].name);
		assert_int_equal(delivery->n_events, cases[i].n);
		assert_int_equal((delivery->events[0].quirks & QUIRK_BIT(DUPLICATE_RECORD)) != 0,
				 cases[i].n == 1);
		delivery_unref(delivery);
		free(body);
	}
}

static void duplicates_keep_their_neighbours(void **state)
{
	struct delivery *delivery =
		decoded_text("{\"Events\":[{" AT ",\"EventId\":\"1\"},{" AT
			     ",\"EventId\":\"1\"},{" AT ",\"EventId\":\"2\"}]}");

	assert_int_equal(delivery->n_events, 2);
	assert_int_equal(delivery->events[0].index, 0);
	assert_int_equal(delivery->events[1].index, 2);
	assert_text(delivery->events[1].event_id, "2");
	assert_false(delivery->events[1].quirks & QUIRK_BIT(DUPLICATE_RECORD));
	delivery_unref(delivery);
}

/* --- caps ------------------------------------------------------------------------------------- */

static struct str repeated(struct strbuf *b, const char *first, const char *part, size_t n,
			   const char *last)
{
	strbuf_init(b, DELIVERY_MAX_BYTES);
	strbuf_put_text(b, first);
	for (size_t i = 0; i < n; i++)
		strbuf_put_text(b, part);
	strbuf_put_text(b, last);
	assert_false(b->failed);
	return strbuf_str(b);
}

static void caps_hold(void **state)
{
	struct delivery *delivery;
	struct strbuf body;

	delivery = decoded(repeated(&body, "", "[", DECODE_MAX_DEPTH + 1, ""));
	assert_int_equal(delivery->kind, DELIVERY_QUARANTINED);
	assert_string_equal(delivery->reason, "too_deep");
	delivery_unref(delivery);
	strbuf_fini(&body);

	delivery = decoded(repeated(&body, "[0", ",0", DECODE_MAX_VALUES, "]"));
	assert_int_equal(delivery->kind, DELIVERY_QUARANTINED);
	assert_string_equal(delivery->reason, "too_large");
	delivery_unref(delivery);
	strbuf_fini(&body);

	delivery = decoded(repeated(&body, "{\"Events\":[{}", ",{}", DECODE_MAX_EVENTS + 4, "]}"));
	assert_int_equal(delivery->n_events, DECODE_MAX_EVENTS);
	assert_int_equal(delivery->n_quarantined, 1);
	assert_int_equal(delivery->quarantined[0].index, DECODE_MAX_EVENTS);
	assert_string_equal(delivery->quarantined[0].reason, "too_many_records");
	assert_text(delivery->quarantined[0].raw, "{},{},{},{},{}]");
	delivery_unref(delivery);
	strbuf_fini(&body);

	delivery = decoded(repeated(&body, "{\"Events\":[{\"MessageArgs\":[\"\"", ",\"\"",
				    DECODE_MAX_ARGS, "]}]}"));
	assert_int_equal(delivery->events[0].n_message_args, DECODE_MAX_ARGS);
	assert_true(delivery->events[0].quirks & QUIRK_BIT(TEXT_CUT));
	delivery_unref(delivery);
	strbuf_fini(&body);
}

/* Every place where the arena can be full, by giving it a little more each time. */
static void a_full_arena_quarantines(void **state)
{
	static const struct str bodies[] = {
		TEXT("{\"Id\":7,\"Context\":\"c\",\"Events\":[{" CLEAN ",\"EventId\":1.0},7,{" CLEAN
		     "}]}"),
		TEXT("{\"Events\":[{\"Message\":\"\xe9\tx\",\"MessageArgs\":[1e999,{\"a\":"
		     "\"\\u0000\"}]}]}"),
		TEXT("\xff\xfe{\0}\0"),
		TEXT("not json \xe9"),
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct delivery *whole = decoded(bodies[i]);
		bool was_full = false, fitted = false;

		for (size_t max = 0; max < 40000 && !fitted; max += 8) {
			struct delivery *delivery =
				delivery_new((struct uuid){ { 1 } }, (struct uuid){ { 2 } },
					     RECEIVED_US, 0, STR(""), STR(""), STR(""), bodies[i]);
			struct arena *arena = delivery->arena;

			delivery->arena = arena_new(max);
			decode_delivery(delivery);
			if (delivery->kind == DELIVERY_QUARANTINED) {
				was_full = true;
				assert_string_equal(delivery->reason, "too_large");
				assert_int_equal(delivery->n_events, 0);
			} else {
				assert_int_equal(delivery->kind, whole->kind);
				assert_int_equal(delivery->n_events, whole->n_events);
				fitted = arena_used(delivery->arena) >=
					 arena_used(whole->arena) - arena_used(arena);
			}
			delivery_unref(delivery);
			arena_free(arena);
		}
		assert_true(was_full);
		assert_true(fitted);
		delivery_unref(whole);
	}
}

static void decoding_again_gives_the_same(void **state)
{
	struct delivery *delivery = decoded_text("[{\"EventId\":\"1\"},7]");

	decode_delivery(delivery);
	assert_int_equal(delivery->n_events, 1);
	assert_int_equal(delivery->n_quarantined, 1);
	assert_int_equal(delivery->quarantined[0].index, 1);
	delivery_unref(delivery);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_of_a_clean_record),
		cmocka_unit_test(absent_facts_are_absent),
		cmocka_unit_test(arguments_keep_their_text),
		cmocka_unit_test(odd_values_are_read),
		cmocka_unit_test(group_ids),
		cmocka_unit_test(contexts),
		cmocka_unit_test(shapes),
		cmocka_unit_test(neighbours_of_a_bad_record),
		cmocka_unit_test(not_json_says_where),
		cmocka_unit_test(duplicates),
		cmocka_unit_test(duplicates_keep_their_neighbours),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(a_full_arena_quarantines),
		cmocka_unit_test(decoding_again_gives_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
