/* What another rfeventd says of its log: taken when it fits together, else passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/redfish_event.h"

static const struct uuid stream = { { 7, 8, 9 } }, epoch = { { 1, 2, 3, 4, 5 } };

/* The payload with these seqs, covering (after, through]. */
static struct delivery *make(const int64_t *seqs, size_t n, int64_t after, int64_t through)
{
	static const char *const texts[] = { "a", "b", "c" };
	struct strbuf body;
	struct redfish_event event = {
		.out = &body, .epoch = epoch, .stream = stream, .after = after
	};
	struct delivery *delivery;

	strbuf_init(&body, 1 << 16);
	redfish_event_begin(&event);
	for (size_t i = 0; i < n; i++) {
		struct entry entry = { .seq = seqs[i],
				       .event = { .event_id = str_of(texts[i]),
						  .message_id = STR("Power.1.0.Lost"),
						  .origin = STR("/redfish/v1/Chassis/1"),
						  .event_timestamp =
							  STR("2026-01-02T03:04:05+0100"),
						  .severity = SEVERITY_WARNING,
						  .message = STR("it \"broke\"") } };

		redfish_event_put(&event, &entry, NULL, NULL);
	}
	redfish_event_end(&event, through);
	delivery = delivery_new(epoch, epoch, 1790000000000000, 0, STR("10.0.0.1"),
				(struct str){ NULL, 0 }, STR("h2"), strbuf_str(&body));
	strbuf_fini(&body);
	decode_delivery(delivery);
	return delivery;
}

static void test_goes_round(void **state)
{
	static const int64_t seqs[] = { 5, 9, 12 };
	struct delivery *delivery = make(seqs, 3, 4, 20);
	const struct event *event = &delivery->events[1];

	assert_int_equal(delivery->n_events, 3);
	assert_true(uuid_eq(delivery->upstream.stream, stream));
	assert_int_equal(delivery->upstream.after, 4);
	assert_int_equal(delivery->upstream.through, 20);
	assert_int_equal(event->upstream_seq, 9);
	assert_true(str_eq(event->event_id, STR("01020304-9")));
	assert_true(str_eq(event->message_id, STR("Power.1.0.Lost")));
	assert_true(str_eq(event->origin, STR("/redfish/v1/Chassis/1")));
	assert_true(str_eq(event->event_timestamp, STR("2026-01-02T03:04:05+0100")));
	assert_true(str_eq(event->sender_message, STR("it \"broke\"")));
	assert_int_equal(event->severity, SEVERITY_WARNING);
	delivery_unref(delivery);
}

static void test_what_does_not_fit_counts_for_nothing(void **state)
{
	static const struct {
		int64_t seqs[3], after, through;
	} cases[] = {
		{ { 5, 9, 12 }, 5, 20 }, /* not behind `after` */
		{ { 5, 9, 12 }, 4, 11 }, /* beyond `through` */
		{ { 5, 12, 9 }, 4, 20 }, /* not in order */
		{ { 5, 9, 9 }, 4, 20 },  /* twice */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct delivery *delivery =
			make(cases[i].seqs, 3, cases[i].after, cases[i].through);

		assert_int_equal(delivery->n_events, 3);
		assert_true(uuid_is_zero(delivery->upstream.stream));
		delivery_unref(delivery);
	}
}

static void test_ids(void **state)
{
	char id[REDFISH_EVENT_ID_BYTES], epoch8[9];
	int64_t seq;

	assert_string_equal(redfish_event_id(epoch, INT64_MAX, id), "01020304-9223372036854775807");
	assert_true(redfish_event_id_parse(str_of(id), epoch8, &seq));
	assert_string_equal(epoch8, "01020304");
	assert_true(seq == INT64_MAX);
	assert_false(redfish_event_id_parse(STR("01020304-"), epoch8, &seq));
	assert_false(redfish_event_id_parse(STR("01020304--5"), epoch8, &seq));
	assert_false(redfish_event_id_parse(STR("0102030x-5"), epoch8, &seq));
	assert_false(redfish_event_id_parse(STR("17"), epoch8, &seq));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_round),
		cmocka_unit_test(test_what_does_not_fit_counts_for_nothing),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
