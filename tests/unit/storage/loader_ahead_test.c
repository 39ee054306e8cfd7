/* Reading ahead gives every record once, in order, wherever it is asked to begin. */
#include "journal_fixture.h"

#include <stdatomic.h>

#include "event/delivery.h"
#include "storage/limits.h"
#include "storage/loader_ahead.h"

#define N 6000 /* more than are kept */

static atomic_int n_prepared;

static void prepare(void *ctx, struct delivery *delivery)
{
	atomic_fetch_add(&n_prepared, 1);
	delivery_set_prepared(delivery);
}

/* A delivery whose body is its number. */
static struct journal_place append_delivery(struct journal *journal, unsigned number)
{
	struct journal_place place;
	struct delivery *delivery;
	struct strbuf packed;
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	delivery = delivery_new(uuid_v7((int64_t)number + 1), (struct uuid){ { 0 } }, 1, 0,
				STR("10.0.0.1"), STR(""), STR("http/1.1"), str_of(text));
	strbuf_init(&packed, 4096);
	delivery_pack(delivery, &packed);
	place = append_str(journal, strbuf_str(&packed));
	strbuf_fini(&packed);
	delivery_unref(delivery);
	return place;
}

static struct journal_segment only_segment(struct journal *journal)
{
	struct journal_segment *segments, segment;
	size_t n;

	journal_segments(journal, &segments, &n);
	assert_int_equal(n, 1);
	segment = segments[0];
	free(segments);
	return segment;
}

static unsigned take(struct loader_ahead *ahead, const struct journal_segment *segment,
		     uint64_t *position)
{
	struct ahead_record record;
	char text[16];
	unsigned number;

	assert_int_equal(loader_ahead_take(ahead, segment, *position, &record, &err), 0);
	assert_int_equal(record.result, 1);
	assert_int_equal(record.start, *position);
	assert_int_equal(record.delivery->start, *position);
	assert_int_equal(record.delivery->end, record.next);
	assert_int_equal(record.delivery->segment_number, segment->number);
	assert_true(delivery_is_prepared(record.delivery));
	snprintf(text, sizeof(text), "%.*s", STR_ARG(record.delivery->raw));
	number = (unsigned)strtoul(text, NULL, 10);
	*position = record.next;
	delivery_unref(record.delivery);
	return number;
}

static void test_in_order(void **state)
{
	struct journal *journal = open_small();
	struct loader_ahead *ahead = loader_ahead_new(dir, prepare, NULL);
	struct journal_segment segment;
	uint64_t position;

	for (unsigned i = 0; i < N; i++)
		append_delivery(journal, i);
	sync_all(journal);
	segment = only_segment(journal);
	position = segment.first;
	atomic_store(&n_prepared, 0);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(take(ahead, &segment, &position), i);
	assert_int_equal(position, segment.end);
	assert_int_equal(atomic_load(&n_prepared), N); /* none for nothing */
	loader_ahead_free(ahead);
	loader_ahead_free(NULL);
	journal_close(journal);
}

/* An aborted batch is collected again; a segment grows while it is read. */
static void test_other_places(void **state)
{
	struct journal *journal = open_small();
	struct loader_ahead *ahead = loader_ahead_new(dir, prepare, NULL);
	struct journal_segment segment;
	uint64_t position, third = 0;

	for (unsigned i = 0; i < 100; i++) {
		struct journal_place place = append_delivery(journal, i);

		third = i == 3 ? place.start : third;
	}
	sync_all(journal);
	segment = only_segment(journal);
	position = segment.first;
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(take(ahead, &segment, &position), i);
	position = third;
	for (unsigned i = 3; i < 100; i++)
		assert_int_equal(take(ahead, &segment, &position), i);
	for (unsigned round = 1; round < 20; round++) {
		append_delivery(journal, 100 * round);
		sync_all(journal);
		segment = only_segment(journal);
		assert_int_equal(take(ahead, &segment, &position), 100 * round);
	}
	position = third;
	assert_int_equal(take(ahead, &segment, &position), 3);
	loader_ahead_drop(ahead);
	position = segment.first;
	assert_int_equal(take(ahead, &segment, &position), 0);
	loader_ahead_free(ahead); /* with records that nobody took */
	journal_close(journal);
}

static void test_damage(void **state)
{
	struct journal *journal = open_small();
	struct loader_ahead *ahead = loader_ahead_new(dir, prepare, NULL);
	struct journal_segment segment;
	struct ahead_record record;
	uint64_t position;

	append_delivery(journal, 0);
	append_text(journal, "no delivery");
	append_delivery(journal, 2);
	sync_all(journal);
	segment = only_segment(journal);
	position = segment.first;
	assert_int_equal(take(ahead, &segment, &position), 0);
	assert_int_equal(loader_ahead_take(ahead, &segment, position, &record, &err), 0);
	assert_int_equal(record.result, -EBADMSG);
	assert_true(strlen(record.words) > 0);
	assert_null(record.delivery);
	free(record.words);
	position = record.next;
	assert_int_equal(take(ahead, &segment, &position), 2);
	loader_ahead_free(ahead);
	journal_close(journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_other_places, fixture_make, fixture_remove),
		cmocka_unit_test_setup_teardown(test_damage, fixture_make, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
