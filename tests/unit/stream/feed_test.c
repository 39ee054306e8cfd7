#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

#include "base/err.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "stream/feed.h"

#define WAIT_MS 5000

static const struct uuid epoch_a = { { 0xa } }, epoch_b = { { 0xb } };

static struct entry_batch *batch_of(int64_t first_seq, size_t n)
{
	struct entry_batch *batch = entry_batch_new(n);

	for (size_t i = 0; i < n; i++)
		batch->entries[i].seq = first_seq + (int64_t)i;
	return batch;
}

static struct feed *start_feed(int64_t oldest_seq, int64_t last_seq, size_t ring_events)
{
	struct feed_config config = { .ring_events = ring_events,
				      .ring_max_bytes = 64 << 20,
				      .epoch = epoch_a,
				      .oldest_seq = oldest_seq,
				      .last_seq = last_seq };
	struct feed *feed;
	struct err err;

	assert_int_equal(feed_start(&config, &feed, &err), 0);
	return feed;
}

static void publish(struct feed *feed, int64_t first_seq, size_t n)
{
	feed_publish(feed, batch_of(first_seq, n), false);
}

/* Read from `after` to the end and check that each seq comes once, in order; returns the last. */
static int64_t read_all(struct feed *feed, int64_t after, size_t max_events)
{
	struct feed_piece piece;
	enum feed_read answer;
	int64_t gap_to;

	while ((answer = feed_read(feed, after, max_events, &piece, &gap_to)) == FEED_READ) {
		assert_in_range(piece.n, 1, max_events);
		for (size_t i = 0; i < piece.n; i++)
			assert_int_equal(piece.batch->entries[piece.first + i].seq, ++after);
		entry_batch_unref(piece.batch);
	}
	assert_int_equal(answer, FEED_CAUGHT_UP);
	return after;
}

struct order_case {
	const char *name;
	struct {
		int64_t first_seq;
		size_t n;
	} batches[6];
	int64_t last_seq;
};

static const struct order_case order_cases[] = {
	{ "in order", { { 1, 3 }, { 4, 2 } }, 5 },
	{ "the same batch twice: an ambiguous commit", { { 1, 3 }, { 1, 3 }, { 4, 1 } }, 4 },
	{ "overlap", { { 1, 3 }, { 2, 5 } }, 6 },
	{ "a hole holds back what is above it", { { 1, 3 }, { 7, 2 } }, 3 },
	{ "closed, all of it follows", { { 1, 3 }, { 7, 2 }, { 4, 3 } }, 8 },
	{ "two holes, closed from above", { { 1, 1 }, { 5, 1 }, { 3, 1 }, { 4, 1 }, { 2, 1 } }, 5 },
	{ "two holes, one closed", { { 1, 1 }, { 5, 1 }, { 3, 1 }, { 2, 1 } }, 3 },
	{ "closed with overlap", { { 1, 3 }, { 6, 3 }, { 3, 8 } }, 10 },
	{ "waiting twice", { { 1, 1 }, { 3, 2 }, { 3, 2 }, { 2, 1 } }, 4 },
	{ "an empty batch", { { 1, 0 } }, 0 },
};

static void test_order(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(order_cases); i++) {
		const struct order_case *c = &order_cases[i];
		struct feed *feed = start_feed(1, 0, 1000);

		print_message("%s\n", c->name);
		for (size_t b = 0; b < 6 && c->batches[b].first_seq; b++)
			publish(feed, c->batches[b].first_seq, c->batches[b].n);
		assert_int_equal(feed_bounds(feed).last_seq, c->last_seq);
		for (int64_t after = 0; after <= c->last_seq; after++)
			assert_int_equal(read_all(feed, after, 2), c->last_seq);
		feed_stop(feed);
	}
}

/* What waits above a hole is bounded; the lowest stay. */
static void test_waiting_is_bounded(void **state)
{
	struct feed *feed = start_feed(1, 0, 1000);

	for (int64_t seq = 201; seq > 101; seq--)
		publish(feed, seq, 1);
	assert_int_equal(feed_bounds(feed).last_seq, 0);
	publish(feed, 1, 101);
	assert_int_equal(feed_bounds(feed).last_seq, 101 + 64);
	feed_stop(feed);
}

static void test_older_than_the_ring(void **state)
{
	struct feed *feed = start_feed(40, 100, 10);
	struct feed_piece piece;
	int64_t gap_to = 0;

	assert_int_equal(feed_read(feed, 100, 10, &piece, &gap_to), FEED_CAUGHT_UP);
	assert_int_equal(feed_read(feed, 500, 10, &piece, &gap_to), FEED_CAUGHT_UP);
	assert_int_equal(feed_read(feed, 99, 10, &piece, &gap_to), FEED_ASK_LOG);
	assert_int_equal(feed_read(feed, 39, 10, &piece, &gap_to), FEED_ASK_LOG);
	assert_int_equal(feed_read(feed, 38, 10, &piece, &gap_to), FEED_GAP);
	assert_int_equal(gap_to, 39);
	publish(feed, 101, 10);
	assert_int_equal(read_all(feed, 100, 100), 110);
	publish(feed, 111, 1);
	assert_int_equal(feed_read(feed, 100, 10, &piece, &gap_to), FEED_ASK_LOG);
	assert_int_equal(read_all(feed, 110, 100), 111);
	feed_stop(feed);
}

struct connect_case {
	const char *name;
	const struct uuid *epoch;
	int64_t oldest_seq, last_seq;
	bool new_generation;
	enum feed_read read_from_5; /* after 1..10 were published */
};

static const struct connect_case connect_cases[] = {
	{ "the log as remembered", &epoch_a, 1, 10, false, FEED_READ },
	{ "others wrote meanwhile", &epoch_a, 1, 30, false, FEED_READ },
	{ "retention moved", &epoch_a, 8, 10, false, FEED_READ },
	{ "restored to an earlier point", &epoch_a, 1, 7, true, FEED_ASK_LOG },
	{ "another log", &epoch_b, 1, 10, true, FEED_ASK_LOG },
	{ "another log, empty", &epoch_b, 1, 0, true, FEED_CAUGHT_UP },
};

static void test_connected(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(connect_cases); i++) {
		const struct connect_case *c = &connect_cases[i];
		struct feed *feed = start_feed(1, 0, 1000);
		struct feed_bounds before, after;
		struct feed_piece piece;
		int64_t gap_to;

		print_message("%s\n", c->name);
		publish(feed, 1, 10);
		before = feed_bounds(feed);
		assert_false(before.connected);
		feed_connected(feed, *c->epoch, c->oldest_seq, c->last_seq);
		after = feed_bounds(feed);
		assert_true(after.connected);
		assert_int_equal(after.generation != before.generation, c->new_generation);
		assert_true(uuid_eq(after.epoch, *c->epoch));
		assert_int_equal(after.oldest_seq, c->oldest_seq);
		assert_int_equal(after.last_seq, c->last_seq);
		assert_int_equal(feed_read(feed, 5, 10, &piece, &gap_to), c->read_from_5);
		if (c->read_from_5 == FEED_READ)
			entry_batch_unref(piece.batch);
		publish(feed, c->last_seq + 1, 3);
		assert_int_equal(read_all(feed, c->last_seq, 10), c->last_seq + 3);
		feed_stop(feed);
	}
}

/* --- followers ---------------------------------------------------------------------------------
 */

static bool is_woken(struct mailbox *inbox, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = mailbox_fd(inbox), .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static struct feed_item *next_item(struct mailbox *inbox)
{
	struct mailbox_item *item = NULL;

	for (int i = 0; i < 10 && !item && is_woken(inbox, WAIT_MS); i++)
		item = mailbox_take(inbox);
	assert_non_null(item);
	assert_null(item->next);
	return CONTAINER_OF(item, struct feed_item, item);
}

static void test_provisional(void **state)
{
	struct feed *feed = start_feed(1, 0, 1000);
	struct mailbox *inboxes[2] = { mailbox_new(4), mailbox_new(4) };
	struct follower *followers[2] = { follower_open(feed, inboxes[0]),
					  follower_open(feed, inboxes[1]) };

	feed_publish(feed, batch_of(0, 1), true);
	for (int i = 0; i < 2; i++) {
		struct feed_item *item = next_item(inboxes[i]);

		assert_int_equal(item->kind, FEED_PROVISIONAL);
		assert_int_equal(item->batch->n, 1);
		feed_item_free(item);
	}
	assert_int_equal(feed_bounds(feed).last_seq, 0);
	/* One that does not take them keeps nobody up. */
	for (int i = 0; i < 20; i++)
		feed_publish(feed, batch_of(0, 1), true);
	assert_int_equal(mailbox_count(inboxes[0]), 4);
	follower_close(followers[0]);
	feed_publish(feed, batch_of(0, 1), true);
	for (int i = 0; i < 2; i++) {
		struct mailbox_item *item = mailbox_take(inboxes[i]), *next;

		for (; item; item = next) {
			next = item->next;
			feed_item_free(CONTAINER_OF(item, struct feed_item, item));
		}
	}
	follower_close(followers[1]);
	follower_close(NULL);
	feed_stop(feed);
	mailbox_free(inboxes[0]);
	mailbox_free(inboxes[1]);
}

static void test_wakes_followers(void **state)
{
	struct feed *feed = start_feed(1, 0, 1000);
	struct mailbox *inbox = mailbox_new(4);
	struct follower *follower = follower_open(feed, inbox);

	assert_false(is_woken(inbox, 0));
	publish(feed, 1, 1);
	assert_true(is_woken(inbox, WAIT_MS));
	assert_null(mailbox_take(inbox));
	publish(feed, 1, 1); /* nothing new */
	assert_false(is_woken(inbox, 0));
	feed_connected(feed, epoch_b, 1, 0);
	assert_true(is_woken(inbox, WAIT_MS));
	assert_null(mailbox_take(inbox));
	follower_close(follower);
	feed_stop(feed);
	mailbox_free(inbox);
}

/* Without a database each page that is asked for is answered, empty-handed, in the order asked. */
static void test_pages_without_a_log(void **state)
{
	struct feed *feed = start_feed(1, 100, 1000);
	struct mailbox *inbox = mailbox_new(4), *other_inbox = mailbox_new(4);
	struct follower *follower = follower_open(feed, inbox);
	struct follower *other = follower_open(feed, other_inbox);
	int readers[3];

	for (int i = 0; i < 3; i++) {
		struct feed_item *item;

		follower_ask_page(follower, 10 + i, 50, &readers[i], 7 + (uint64_t)i);
		item = next_item(inbox);
		assert_int_equal(item->kind, FEED_PAGE);
		assert_ptr_equal(item->reader, &readers[i]);
		assert_int_equal(item->ticket, 7 + i);
		assert_int_equal(item->after, 10 + i);
		assert_null(item->batch);
		feed_item_free(item);
	}
	follower_close(other);
	follower_ask_page(follower, 1, 50, NULL, 1);
	follower_close(follower);
	feed_stop(feed);
	for (struct mailbox_item *item = mailbox_take(inbox); item;) {
		struct mailbox_item *next = item->next;

		feed_item_free(CONTAINER_OF(item, struct feed_item, item));
		item = next;
	}
	mailbox_free(inbox);
	mailbox_free(other_inbox);
}

/* A full inbox delays an answer; it does not lose it. */
static void test_page_into_a_full_inbox(void **state)
{
	struct feed *feed = start_feed(1, 100, 1000);
	struct mailbox *inbox = mailbox_new(1);
	struct follower *follower = follower_open(feed, inbox);
	struct feed_item *item;

	feed_publish(feed, batch_of(0, 1), true);
	follower_ask_page(follower, 10, 50, NULL, 1);
	item = next_item(inbox);
	assert_int_equal(item->kind, FEED_PROVISIONAL);
	feed_item_free(item);
	item = next_item(inbox);
	assert_int_equal(item->kind, FEED_PAGE);
	feed_item_free(item);
	follower_close(follower);
	feed_stop(feed);
	mailbox_free(inbox);
}

/* --- threads -----------------------------------------------------------------------------------
 */

#define N_EVENTS 20000

struct reading {
	struct feed *feed;
	size_t max_events;
	int64_t last_seq;
};

static void *read_until_all(void *ctx)
{
	struct reading *reading = ctx;
	struct mailbox *inbox = mailbox_new(16);
	struct follower *follower = follower_open(reading->feed, inbox);

	do {
		struct mailbox_item *item = mailbox_take(inbox);

		while (item) {
			struct mailbox_item *next = item->next;

			feed_item_free(CONTAINER_OF(item, struct feed_item, item));
			item = next;
		}
		reading->last_seq = read_all(reading->feed, reading->last_seq, reading->max_events);
	} while (reading->last_seq < N_EVENTS && is_woken(inbox, WAIT_MS));
	follower_close(follower);
	for (struct mailbox_item *item = mailbox_take(inbox); item;) {
		struct mailbox_item *next = item->next;

		feed_item_free(CONTAINER_OF(item, struct feed_item, item));
		item = next;
	}
	mailbox_free(inbox);
	return NULL;
}

static void test_many_readers(void **state)
{
	struct feed *feed = start_feed(1, 0, N_EVENTS);
	struct reading readings[3] = { { feed, 1, 0 }, { feed, 7, 0 }, { feed, 5000, 0 } };
	pthread_t threads[3];
	int64_t seq = 1;

	for (int i = 0; i < 3; i++)
		assert_int_equal(
			thread_start(&threads[i], "reader", read_until_all, &readings[i], NULL), 0);
	while (seq <= N_EVENTS) {
		size_t n = (size_t)(seq % 13 + 1);

		if (seq + (int64_t)n > N_EVENTS + 1)
			n = (size_t)(N_EVENTS + 1 - seq);
		if (seq % 50 == 0)
			feed_publish(feed, batch_of(0, 1), true);
		/* Now and then the upper half first, as when another replica wrote the lower. */
		if (seq % 17 == 0 && n > 1) {
			publish(feed, seq + (int64_t)n / 2, n - n / 2);
			publish(feed, seq, n / 2);
		} else {
			publish(feed, seq, n);
		}
		seq += (int64_t)n;
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(readings[i].last_seq, N_EVENTS);
	}
	feed_stop(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_waiting_is_bounded),
		cmocka_unit_test(test_older_than_the_ring),
		cmocka_unit_test(test_connected),
		cmocka_unit_test(test_provisional),
		cmocka_unit_test(test_wakes_followers),
		cmocka_unit_test(test_pages_without_a_log),
		cmocka_unit_test(test_page_into_a_full_inbox),
		cmocka_unit_test(test_many_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
