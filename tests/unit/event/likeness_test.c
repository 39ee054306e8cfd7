/* Which pairs of a pushed record and a log entry are one event, which may be, which are two. The
 * bodies are those of senders that keep a log of what they push, and cut to what matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/likeness.h"

#define RECEIVED_US INT64_C(1795165964000000) /* 2026-11-20 */

static struct delivery *read_body(const char *body, uint32_t flags)
{
	struct uuid id = uuid_v4(), source = { { 7 } };
	struct delivery *delivery = delivery_new(id, source, RECEIVED_US, flags, STR(""), STR(""),
						 STR("test"), str_of(body));

	decode_delivery(delivery);
	assert_int_equal(delivery->n_events, 1);
	return delivery;
}

struct pair {
	const char *name, *pushed, *entry;
	enum likeness expected;
};

static const struct pair pairs[] = {
	{ "bmcweb: EventId is the entry's Id, no origin in the push",
	  "{\"Events\":[{\"EventId\":\"1643724222\",\"EventTimestamp\":\"2026-11-20T09:03:42+00:"
	  "00\","
	  "\"MessageId\":\"OpenBMC.0.4.FanInserted\",\"MessageArgs\":[]}]}",
	  "{\"@odata.id\":\"/redfish/v1/Systems/system/LogServices/EventLog/Entries/1643724222\","
	  "\"Id\":\"1643724222\",\"EntryType\":\"Event\",\"Created\":\"2026-11-20T09:03:42+00:00\","
	  "\"MessageId\":\"OpenBMC.0.4.FanInserted\",\"MessageArgs\":[]}",
	  LIKENESS_SAME },
	{ "the link to the entry, whatever else is left out",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42.125Z\",\"MessageId\":"
	  "\"Platform.1.0.X\",\"LogEntry\":{\"@odata.id\":\"/redfish/v1/l/Entries/5/\"}}]}",
	  "{\"@odata.id\":\"/redfish/v1/l/Entries/5\",\"Id\":\"5\",\"Created\":"
	  "\"2026-11-20T09:03:42Z\",\"MessageId\":\"Platform.1.0.X\",\"MessageArgs\":[\"a\"]}",
	  LIKENESS_SAME },
	{ "the link to another entry of the same log",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"],\"LogEntry\":{\"@odata.id\":\"/redfish/v1/l/Entries/6\"}}]}",
	  "{\"@odata.id\":\"/redfish/v1/l/Entries/5\",\"Created\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}",
	  LIKENESS_NONE },
	{ "the link to an entry of another log, the same words",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"],\"LogEntry\":{\"@odata.id\":\"/redfish/v1/sel/Entries/6\"}}]}",
	  "{\"@odata.id\":\"/redfish/v1/l/Entries/5\",\"Created\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}",
	  LIKENESS_SAME },
	{ "iDRAC: a bare key and a whole MessageId, another offset, EventId in the push alone",
	  "{\"Events\":[{\"EventId\":\"2162\",\"EventTimestamp\":\"2026-11-20T12:03:42+0300\","
	  "\"MessageId\":\"TMP0120\",\"MessageArgs\":[\" inlet\"],\"OriginOfCondition\":"
	  "\"/redfish/v1/Chassis/1\"}]}",
	  "{\"Id\":\"99\",\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"IDRAC.2.8.TMP0120\","
	  "\"MessageArgs\":[\"inlet\"],\"Links\":{\"OriginOfCondition\":{\"@odata.id\":"
	  "\"/redfish/v1/chassis/1/\"}}}",
	  LIKENESS_SAME },
	{ "another second",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}]}",
	  "{\"EventId\":\"1\",\"Created\":\"2026-11-20T09:03:43Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"]}",
	  LIKENESS_NONE },
	{ "milliseconds against microseconds",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42.125999Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}]}",
	  "{\"EventId\":\"1\",\"Created\":\"2026-11-20T09:03:42.125Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"]}",
	  LIKENESS_SAME },
	{ "another millisecond",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42.126Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}]}",
	  "{\"EventId\":\"1\",\"Created\":\"2026-11-20T09:03:42.125Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"]}",
	  LIKENESS_NONE },
	{ "another argument, though the definition's number is the same",
	  "{\"Events\":[{\"EventId\":\"2162\",\"EventTimestamp\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"fan 1\"]}]}",
	  "{\"EventId\":\"2162\",\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"fan 2\"]}",
	  LIKENESS_NONE },
	{ "a link from A to B, and from B to A",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"A\",\"B\"]}]}",
	  "{\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"B\","
	  "\"A\"]}",
	  LIKENESS_POSSIBLE },
	{ "removed: nothing but the origin tells what",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":"
	  "\"ResourceEvent.1.0.ResourceRemoved\",\"MessageArgs\":[],\"OriginOfCondition\":"
	  "{\"@odata.id\":\"/redfish/v1/d/1\"}}]}",
	  "{\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"ResourceEvent.1.0."
	  "ResourceRemoved\","
	  "\"MessageArgs\":[],\"Links\":{\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/d/"
	  "2\"}}}",
	  LIKENESS_NONE },
	{ "removed, and the log does not say what",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":"
	  "\"ResourceEvent.1.0.ResourceRemoved\",\"MessageArgs\":[],\"OriginOfCondition\":"
	  "{\"@odata.id\":\"/redfish/v1/d/1\"}}]}",
	  "{\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"ResourceEvent.1.0."
	  "ResourceRemoved\","
	  "\"MessageArgs\":[]}",
	  LIKENESS_POSSIBLE },
	{ "no arguments anywhere: the sender's words and the origin",
	  "{\"Events\":[{\"EventTimestamp\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"Message\":\"Fan 1 failed.\",\"OriginOfCondition\":\"/redfish/v1/f/1\"}]}",
	  "{\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\",\"Message\":"
	  "\"Fan 1 failed. "
	  "\",\"Links\":{\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/f/1\"}}}",
	  LIKENESS_SAME },
	{ "another EventId, else alike",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"P.1.0.X\",\"MessageArgs\":[\"a\"]}]}",
	  "{\"EventId\":\"2\",\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"P.1.0.X\","
	  "\"MessageArgs\":[\"a\"]}",
	  LIKENESS_POSSIBLE },
	{ "the same key of another registry",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42Z\","
	  "\"MessageId\":\"A.1.0.X\",\"MessageArgs\":[\"a\"]}]}",
	  "{\"EventId\":\"1\",\"Created\":\"2026-11-20T09:03:42Z\",\"MessageId\":\"B.1.0.X\","
	  "\"MessageArgs\":[\"a\"]}",
	  LIKENESS_NONE },
	{ "no MessageId at all",
	  "{\"Events\":[{\"EventId\":\"1\",\"EventTimestamp\":\"2026-11-20T09:03:42Z\","
	  "\"Message\":\"one\"}]}",
	  "{\"EventId\":\"1\",\"Created\":\"2026-11-20T09:03:42Z\",\"Message\":\"two\"}",
	  LIKENESS_NONE },
};

static void pairs_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct delivery *pushed = read_body(pairs[i].pushed, 0);
		struct delivery *entry = read_body(pairs[i].entry, DELIVERY_BACKFILLED);
		enum likeness there = likeness_of(&pushed->events[0], &entry->events[0]);
		enum likeness back = likeness_of(&entry->events[0], &pushed->events[0]);

		if (there != pairs[i].expected || back != there)
			fail_msg("%s: %d and back %d", pairs[i].name, (int)there, (int)back);
		delivery_unref(pushed);
		delivery_unref(entry);
	}
}

/* Whatever is the same event has the same moment: it is how the two find each other. */
static void alike_share_their_moment(void **state)
{
	const struct uuid source = { { 1 } }, other = { { 2 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct delivery *pushed = read_body(pairs[i].pushed, 0);
		struct delivery *entry = read_body(pairs[i].entry, DELIVERY_BACKFILLED);
		struct uuid a = likeness_moment(source, &pushed->events[0]);
		struct uuid b = likeness_moment(source, &entry->events[0]);

		if (pairs[i].expected != LIKENESS_NONE && !uuid_eq(a, b))
			fail_msg("%s: other moments", pairs[i].name);
		assert_false(uuid_eq(a, likeness_moment(other, &pushed->events[0])));
		delivery_unref(pushed);
		delivery_unref(entry);
	}
}

static void insane_times_have_no_moment(void **state)
{
	struct delivery *entry = read_body("{\"Created\":\"1970-01-01T00:00:07Z\",\"MessageId\":"
					   "\"P.1.0.X\"}",
					   DELIVERY_BACKFILLED);

	(void)state;
	assert_true(uuid_is_zero(likeness_moment(entry->source, &entry->events[0])));
	delivery_unref(entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_told_apart),
		cmocka_unit_test(alike_share_their_moment),
		cmocka_unit_test(insane_times_have_no_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
