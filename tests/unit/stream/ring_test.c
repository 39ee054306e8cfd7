#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/entry.h"
#include "stream/ring.h"

#define NO_LIMIT ((size_t)1 << 40)

static struct entry_batch *batch_of(int64_t first_seq, size_t n)
{
	struct entry_batch *batch = entry_batch_new(n);

	for (size_t i = 0; i < n; i++)
		batch->entries[i].seq = first_seq + (int64_t)i;
	return batch;
}

static void append(struct ring *ring, int64_t first_seq, size_t n)
{
	struct entry_batch *batch = batch_of(first_seq, n);

	ring_append(ring, batch, 0, n);
	entry_batch_unref(batch);
}

struct append_case {
	const char *name;
	size_t max_events;
	struct {
		int64_t first_seq;
		size_t n;
	} batches[5];
	int64_t first_seq, last_seq;
	size_t n_events;
};

static const struct append_case append_cases[] = {
	{ "nothing", 10, { { 0, 0 } }, 0, 0, 0 },
	{ "one batch", 10, { { 1, 3 } }, 1, 3, 3 },
	{ "batches follow each other", 10, { { 5, 3 }, { 8, 1 }, { 9, 4 } }, 5, 12, 8 },
	{ "exactly full", 6, { { 1, 3 }, { 4, 3 } }, 1, 6, 6 },
	{ "the oldest batch goes whole", 6, { { 1, 3 }, { 4, 3 }, { 7, 1 } }, 4, 7, 4 },
	{ "several go for one", 4, { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 3 } }, 4, 7, 4 },
	{ "the newest stays, however large", 2, { { 1, 2 }, { 3, 50 } }, 3, 52, 50 },
	{ "a hole empties it", 10, { { 1, 3 }, { 5, 2 } }, 5, 6, 2 },
	{ "an older seq empties it", 10, { { 8, 3 }, { 2, 2 } }, 2, 3, 2 },
};

static void test_append(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(append_cases); i++) {
		const struct append_case *c = &append_cases[i];
		struct ring ring;

		print_message("%s\n", c->name);
		ring_init(&ring, c->max_events, NO_LIMIT);
		for (size_t b = 0; b < 5 && c->batches[b].n > 0; b++)
			append(&ring, c->batches[b].first_seq, c->batches[b].n);
		assert_int_equal(ring_first_seq(&ring), c->first_seq);
		assert_int_equal(ring_last_seq(&ring), c->last_seq);
		assert_int_equal(ring.n_events, c->n_events);
		ring_fini(&ring);
	}
}

/* Every seq inside is found in the span that holds it, and nothing outside is. */
static void test_find(void **state)
{
	struct ring ring;
	int64_t next = 10;

	ring_init(&ring, 500, NO_LIMIT);
	assert_null(ring_find(&ring, 1));
	for (size_t n = 1; n < 200; n++) {
		append(&ring, next, n % 7 + 1);
		next += (int64_t)(n % 7 + 1);
		assert_null(ring_find(&ring, ring_first_seq(&ring) - 1));
		assert_null(ring_find(&ring, next));
		for (int64_t seq = ring_first_seq(&ring); seq < next; seq++) {
			const struct ring_span *span = ring_find(&ring, seq);

			assert_non_null(span);
			assert_true(span->first_seq <= seq);
			assert_true(seq < span->first_seq + (int64_t)span->n);
			assert_int_equal(
				span->batch->entries[span->first + (size_t)(seq - span->first_seq)]
					.seq,
				seq);
		}
	}
	assert_in_range(ring.n_events, 494, 500);
	ring_fini(&ring);
}

static void test_part_of_a_batch(void **state)
{
	struct entry_batch *batch = batch_of(1, 10);
	struct ring ring;

	ring_init(&ring, 100, NO_LIMIT);
	ring_append(&ring, batch, 4, 6);
	assert_int_equal(ring_first_seq(&ring), 5);
	assert_int_equal(ring_last_seq(&ring), 10);
	assert_int_equal(ring_find(&ring, 7)->first, 4);
	ring_fini(&ring);
	entry_batch_unref(batch);
}

static void test_bytes(void **state)
{
	struct ring ring;

	ring_init(&ring, 1000, 100000);
	for (int64_t seq = 1; seq <= 50; seq++) {
		struct entry_batch *batch = batch_of(seq, 1);

		batch->arena = arena_new(1 << 20);
		assert_non_null(arena_alloc(batch->arena, 10000));
		ring_append(&ring, batch, 0, 1);
		entry_batch_unref(batch);
		assert_true(ring.n_bytes <= 100000);
	}
	assert_int_equal(ring_last_seq(&ring), 50);
	assert_in_range(ring.n_events, 5, 9);
	ring_clear(&ring);
	assert_int_equal(ring.n_bytes, 0);
	assert_int_equal(ring.n_events, 0);
	ring_fini(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_part_of_a_batch),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
