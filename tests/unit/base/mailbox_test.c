#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/mem.h"

#define N_SENDERS 3
#define N_ITEMS   20000

struct letter {
	struct mailbox_item item;
	int sender, number;
};

static bool is_readable(struct mailbox *mailbox)
{
	struct pollfd poll_fd = { .fd = mailbox_fd(mailbox), .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void test_order_and_bound(void **state)
{
	struct mailbox *mailbox = mailbox_new(3);
	struct letter letters[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct mailbox_item *item;

	assert_null(mailbox_take(mailbox));
	assert_false(is_readable(mailbox));
	for (int i = 0; i < 3; i++)
		assert_true(mailbox_put(mailbox, &letters[i].item));
	assert_false(mailbox_put(mailbox, &letters[3].item));
	assert_int_equal(mailbox_count(mailbox), 3);
	assert_true(is_readable(mailbox));
	item = mailbox_take(mailbox);
	for (int i = 0; i < 3; i++, item = item->next)
		assert_ptr_equal(item, &letters[i].item);
	assert_null(item);
	assert_int_equal(mailbox_count(mailbox), 0);
	assert_false(is_readable(mailbox));
	assert_true(mailbox_put(mailbox, &letters[3].item));
	assert_true(is_readable(mailbox));
	assert_ptr_equal(mailbox_take(mailbox), &letters[3].item);
	mailbox_free(mailbox);
	mailbox_free(NULL);
}

static void test_wait(void **state)
{
	struct mailbox *mailbox = mailbox_new(3);
	struct letter letter;
	int64_t before = clock_monotonic_us();

	assert_false(mailbox_wait(mailbox, 0));
	assert_false(mailbox_wait(mailbox, 30));
	assert_true(clock_monotonic_us() - before >= 30000);
	mailbox_wake(mailbox);
	assert_false(mailbox_wait(mailbox, -1)); /* woken, and empty */
	assert_false(mailbox_wait(mailbox, 0));
	assert_true(mailbox_put(mailbox, &letter.item));
	assert_true(mailbox_wait(mailbox, -1));
	assert_true(is_readable(mailbox)); /* waiting takes nothing */
	assert_true(mailbox_wait(mailbox, 0));
	/* A wake that an item overtook is not seen again. */
	mailbox_wake(mailbox);
	assert_ptr_equal(mailbox_take(mailbox), &letter.item);
	before = clock_monotonic_us();
	assert_false(mailbox_wait(mailbox, 20));
	assert_true(clock_monotonic_us() - before >= 20000);
	mailbox_free(mailbox);
}

struct sender {
	pthread_t thread;
	struct mailbox *mailbox;
	struct letter *letters;
	int number;
};

static void *send_all(void *ctx)
{
	struct sender *sender = ctx;

	for (int i = 0; i < N_ITEMS; i++) {
		sender->letters[i].sender = sender->number;
		sender->letters[i].number = i;
		while (!mailbox_put(sender->mailbox, &sender->letters[i].item))
			sched_yield(); /* full: back-pressure */
	}
	return NULL;
}

static void start_senders(struct sender *senders, struct mailbox *mailbox)
{
	for (int i = 0; i < N_SENDERS; i++) {
		senders[i] = (struct sender){ .mailbox = mailbox, .number = i };
		senders[i].letters = xcalloc(N_ITEMS, sizeof(struct letter));
		assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]),
				 0);
	}
}

static void join_senders(struct sender *senders)
{
	for (int i = 0; i < N_SENDERS; i++) {
		pthread_join(senders[i].thread, NULL);
		free(senders[i].letters);
	}
}

/* Each sender's letters in order, none twice. Returns how many there were. */
static int check_batch(struct mailbox_item *item, int next[N_SENDERS])
{
	int n = 0;

	for (; item; item = item->next, n++) {
		const struct letter *letter = CONTAINER_OF(item, struct letter, item);

		assert_int_equal(letter->number, next[letter->sender]++);
	}
	return n;
}

static void test_senders(void **state)
{
	struct mailbox *mailbox = mailbox_new(100);
	struct sender senders[N_SENDERS];
	int next[N_SENDERS] = { 0 }, n = 0;

	start_senders(senders, mailbox);
	while (n < N_SENDERS * N_ITEMS) {
		assert_true(mailbox_wait(mailbox, 10000)); /* a lost wake-up would end here */
		n += check_batch(mailbox_take(mailbox), next);
	}
	join_senders(senders);
	assert_false(mailbox_wait(mailbox, 0));
	mailbox_free(mailbox);
}

struct taker {
	struct loop *loop;
	int next[N_SENDERS];
	int n, n_empty, until;
};

static void on_batch(struct mailbox_item *first, void *ctx)
{
	struct taker *taker = ctx;

	taker->n_empty += first == NULL;
	taker->n += check_batch(first, taker->next);
	if (taker->n >= taker->until)
		loop_stop(taker->loop);
}

static void test_attached(void **state)
{
	struct mailbox *mailbox = mailbox_new(100);
	struct taker taker = { .until = N_SENDERS * N_ITEMS };
	struct sender senders[N_SENDERS];
	struct letter letter = { .number = N_ITEMS };

	assert_int_equal(loop_new(&taker.loop, NULL), 0);
	assert_int_equal(mailbox_attach(mailbox, taker.loop, on_batch, &taker), 0);
	start_senders(senders, mailbox);
	loop_run(taker.loop);
	join_senders(senders);
	loop_turn(taker.loop, 0); /* a last ring without an item calls nobody */
	assert_int_equal(taker.n_empty, 0);
	mailbox_wake(mailbox);
	loop_turn(taker.loop, 0);
	assert_int_equal(taker.n_empty, 1);
	mailbox_detach(mailbox);
	assert_true(mailbox_put(mailbox, &letter.item));
	loop_turn(taker.loop, 0);
	assert_int_equal(taker.n, N_SENDERS * N_ITEMS);
	assert_non_null(mailbox_take(mailbox));
	mailbox_free(mailbox);
	loop_free(taker.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_bound),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
