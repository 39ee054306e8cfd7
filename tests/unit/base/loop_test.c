#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/thread.h"

#define N_TIMERS 2000

struct watched {
	struct loop_fd watch; /* first: the callbacks get this */
	struct loop *loop;
	struct watched *victim; /* removed by the callback */
	int n_called;
	uint32_t events;
};

static struct loop *new_loop(void)
{
	struct loop *loop;
	struct err err;

	assert_int_equal(loop_new(&loop, &err), 0);
	return loop;
}

static void on_event(struct loop_fd *watch, uint32_t events)
{
	struct watched *watched = CONTAINER_OF(watch, struct watched, watch);

	watched->n_called++;
	watched->events = events;
	if (watched->victim)
		loop_fd_remove(watched->loop, &watched->victim->watch);
}

/* An eventfd: writable always, readable once rung. */
static void watch_new(struct watched *watched, struct loop *loop, uint32_t events)
{
	*watched = (struct watched){ .loop = loop };
	watched->watch.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	watched->watch.events = events;
	watched->watch.fn = on_event;
	assert_int_equal(loop_fd_add(loop, &watched->watch), 0);
}

static void ring(struct watched *watched)
{
	assert_int_equal(eventfd_write(watched->watch.fd, 1), 0);
}

static void test_descriptors(void **state)
{
	struct loop *loop = new_loop();
	struct watched a;

	watch_new(&a, loop, EPOLLIN);
	loop_turn(loop, 0);
	assert_int_equal(a.n_called, 0);
	ring(&a);
	loop_turn(loop, -1);
	assert_int_equal(a.n_called, 1);
	assert_int_equal(a.events, EPOLLIN);
	loop_turn(loop, 0); /* level-triggered: still readable */
	assert_int_equal(a.n_called, 2);
	assert_int_equal(loop_fd_set(loop, &a.watch, EPOLLOUT), 0);
	loop_turn(loop, 0);
	assert_int_equal(a.events, EPOLLOUT);
	assert_int_equal(loop_fd_set(loop, &a.watch, 0), 0);
	loop_turn(loop, 0);
	assert_int_equal(a.n_called, 3);
	loop_fd_remove(loop, &a.watch);
	loop_fd_remove(loop, &a.watch); /* twice is fine */
	assert_int_equal(loop_fd_add(loop, &a.watch), 0);
	assert_true(loop_fd_add(loop, &a.watch) < 0);
	loop_fd_remove(loop, &a.watch);
	close(a.watch.fd);
	loop_free(loop);
	loop_free(NULL);
}

/* Two that are ready in one turn, each removing the other: one is called, whichever came first. */
static void test_remove_in_turn(void **state)
{
	struct loop *loop = new_loop();
	struct watched a, b;

	watch_new(&a, loop, EPOLLIN);
	watch_new(&b, loop, EPOLLIN);
	a.victim = &b;
	b.victim = &a;
	ring(&a);
	ring(&b);
	loop_turn(loop, 0);
	assert_int_equal(a.n_called + b.n_called, 1);
	close(a.watch.fd);
	close(b.watch.fd);
	loop_free(loop);
}

struct order {
	struct loop *loop;
	struct loop_timer timers[N_TIMERS];
	int64_t due_us[N_TIMERS]; /* what it was last set to; 0: cancelled */
	int n_fired;
	int64_t last_us;
};

static void on_timer(struct loop_timer *timer)
{
	struct order *order = timer->ctx;
	int64_t *due_us = &order->due_us[timer - order->timers];

	assert_false(loop_timer_is_set(timer));
	assert_true(*due_us > 0); /* not cancelled, not fired before */
	assert_true(loop_now_us(order->loop) >= *due_us);
	assert_true(*due_us >= order->last_us); /* earliest first */
	order->last_us = *due_us;
	*due_us = 0;
	order->n_fired++;
}

/* Set, moved either way and cancelled at random; then each that is left fires once, in order. */
static void test_timers(void **state)
{
	struct order *order = xcalloc(1, sizeof(*order));
	int n_set = 0;

	order->loop = new_loop();
	srand(7);
	for (int i = 0; i < N_TIMERS; i++)
		order->timers[i] = (struct loop_timer){ .fn = on_timer, .ctx = order };
	for (int step = 0; step < 20 * N_TIMERS; step++) {
		int i = rand() % N_TIMERS;
		int64_t delay_us = rand() % 100000;

		if (rand() % 4 == 0) {
			loop_timer_cancel(order->loop, &order->timers[i]);
			order->due_us[i] = 0;
		} else {
			loop_timer_set(order->loop, &order->timers[i], delay_us);
			order->due_us[i] = loop_now_us(order->loop) + delay_us;
		}
	}
	for (int i = 0; i < N_TIMERS; i++) {
		assert_int_equal(loop_timer_is_set(&order->timers[i]), order->due_us[i] > 0);
		n_set += order->due_us[i] > 0;
	}
	/* All due in one turn, so that the order is the heap's alone. */
	usleep(110000);
	loop_turn(order->loop, 0);
	assert_int_equal(order->n_fired, n_set);
	assert_true(n_set > N_TIMERS / 2);
	loop_free(order->loop);
	free(order);
}

struct ticking {
	struct loop *loop;
	int n;
};

static void again_at_once(struct loop_timer *timer)
{
	struct ticking *ticking = timer->ctx;

	ticking->n++;
	loop_timer_set(ticking->loop, timer, 0);
}

static void test_timer_of_no_delay(void **state)
{
	struct ticking ticking = { .loop = new_loop() };
	struct loop_timer timer = { .fn = again_at_once, .ctx = &ticking };

	loop_timer_set(ticking.loop, &timer, -5);
	for (int i = 1; i < 4; i++) {
		loop_turn(ticking.loop, -1);
		assert_int_equal(ticking.n, i); /* once a turn, not for ever */
	}
	loop_free(ticking.loop);
	assert_false(loop_timer_is_set(&timer));
}

static void stop_on_timer(struct loop_timer *timer)
{
	loop_stop(timer->ctx);
}

/* It sleeps till then, not longer and not much shorter, also when it was moved later. */
static void test_sleep(void **state)
{
	struct loop *loop = new_loop();
	struct loop_timer timer = { .fn = stop_on_timer, .ctx = loop };
	struct loop_timer never = { .fn = stop_on_timer, .ctx = loop };
	int64_t before = clock_monotonic_us(), took;

	loop_timer_set(loop, &never, INT64_MAX);
	loop_timer_set(loop, &timer, 10000);
	loop_timer_set(loop, &timer, 50000);
	loop_run(loop);
	took = clock_monotonic_us() - before;
	assert_true(took >= 50000);
	assert_true(took < 2000000);
	loop_turn(loop, 0); /* sees the stop's ring */
	before = clock_monotonic_us();
	loop_turn(loop, 20);
	assert_true(clock_monotonic_us() - before >= 19000);
	assert_true(loop_timer_is_set(&never));
	loop_free(loop);
}

struct turns {
	struct watched watched;
	char order[8];
};

static void first_end(void *ctx)
{
	struct turns *turns = ctx;

	strncat(turns->order, turns->watched.n_called ? "1" : "?", 2);
}

static void second_end(void *ctx)
{
	strncat(((struct turns *)ctx)->order, "2", 2);
}

static void test_turn_end(void **state)
{
	struct loop *loop = new_loop();
	struct turns turns = { .order = "" };

	watch_new(&turns.watched, loop, EPOLLIN);
	ring(&turns.watched);
	loop_on_turn_end(loop, first_end, &turns);
	loop_on_turn_end(loop, second_end, &turns);
	loop_turn(loop, 0);
	assert_string_equal(turns.order, "12");
	close(turns.watched.watch.fd);
	loop_free(loop);
}

static void *stop_later(void *ctx)
{
	usleep(20000);
	loop_stop(ctx);
	return NULL;
}

static void test_stop(void **state)
{
	struct loop *loop = new_loop();
	pthread_t thread;

	assert_int_equal(thread_start(&thread, "stopper", stop_later, loop, NULL), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	loop_stop(loop); /* before it runs: it does not begin */
	loop_run(loop);
	loop_turn(loop, 0);
	assert_int_equal(thread_start(&thread, "stopper", stop_later, loop, NULL), 0);
	loop_run(loop); /* and it can run again */
	pthread_join(thread, NULL);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors), cmocka_unit_test(test_remove_in_turn),
		cmocka_unit_test(test_timers),      cmocka_unit_test(test_timer_of_no_delay),
		cmocka_unit_test(test_sleep),       cmocka_unit_test(test_turn_end),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
