#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* Events fetched by one epoll_wait(). */
#define TURN_EVENTS 256

/* One place in the heap of timers. A timer that is moved later keeps its place: `key_us` is then
 * earlier than the timer's due_us and is put right when it comes to the top. Connections push their
 * time limits back with every request, so that this is the common move, and it costs one store. */
struct place {
	int64_t key_us;
	struct loop_timer *timer;
};

struct turn_end {
	loop_turn_fn *fn;
	void *ctx;
};

struct loop {
	int epoll_fd;
	struct loop_fd stop_watch;
	atomic_bool stopping;
	bool in_turn;
	int64_t now_us;

	/* Of this turn; a removed watch's events become NULL here. */
	struct epoll_event events[TURN_EVENTS];
	int n_events, at_event;

	struct place *heap;
	size_t n_timers, heap_size;

	struct turn_end *turn_ends;
	size_t n_turn_ends;
};

static void on_stop(struct loop_fd *watch, uint32_t events)
{
	uint64_t count;

	while (read(watch->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

int loop_new(struct loop **out, struct err *err)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	int r;

	loop->stop_watch = (struct loop_fd){ .fd = -1, .events = EPOLLIN, .fn = on_stop };
	loop->now_us = clock_monotonic_us();
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		r = err_set(err, -errno, "cannot make an epoll descriptor: %s", strerror(errno));
		goto out;
	}
	loop->stop_watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->stop_watch.fd < 0) {
		r = err_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
		goto out;
	}
	r = loop_fd_add(loop, &loop->stop_watch);
	if (r < 0) {
		err_set(err, r, "cannot watch an eventfd: %s", strerror(-r));
		goto out;
	}
	*out = loop;
	loop = NULL;
out:
	loop_free(loop);
	return r;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (size_t i = 0; i < loop->n_timers; i++)
		loop->heap[i].timer->heap_at = 0;
	if (loop->stop_watch.fd >= 0)
		close(loop->stop_watch.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	free(loop->heap);
	free(loop->turn_ends);
	free(loop);
}

/* --- descriptors ------------------------------------------------------------------------------ */

int loop_fd_add(struct loop *loop, struct loop_fd *watch)
{
	struct epoll_event event = { .events = watch->events, .data.ptr = watch };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
		return -errno;
	watch->added = true;
	return 0;
}

int loop_fd_set(struct loop *loop, struct loop_fd *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (watch->events == events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void loop_fd_remove(struct loop *loop, struct loop_fd *watch)
{
	if (!watch->added)
		return;
	watch->added = false;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL); /* gone already when closed */
	for (int i = loop->at_event; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

/* --- timers: a binary heap, earliest key first ------------------------------------------------ */

static void put_place(struct loop *loop, size_t at, struct place place)
{
	loop->heap[at] = place;
	place.timer->heap_at = (uint32_t)at + 1;
}

static void sift_up(struct loop *loop, size_t at, struct place place)
{
	while (at > 0 && place.key_us < loop->heap[(at - 1) / 2].key_us) {
		put_place(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put_place(loop, at, place);
}

static void sift_down(struct loop *loop, size_t at, struct place place)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= loop->n_timers)
			break;
		if (child + 1 < loop->n_timers &&
		    loop->heap[child + 1].key_us < loop->heap[child].key_us)
			child++;
		if (place.key_us <= loop->heap[child].key_us)
			break;
		put_place(loop, at, loop->heap[child]);
		at = child;
	}
	put_place(loop, at, place);
}

/* Put `place` at `at`, whose former tenant is gone. */
static void settle(struct loop *loop, size_t at, struct place place)
{
	if (at > 0 && place.key_us < loop->heap[(at - 1) / 2].key_us)
		sift_up(loop, at, place);
	else
		sift_down(loop, at, place);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_us)
{
	struct place place = { .timer = timer };

	/* Between turns the clock of the last one may be long past. */
	if (!loop->in_turn)
		loop->now_us = clock_monotonic_us();
	if (delay_us < 0)
		delay_us = 0;
	if (__builtin_add_overflow(loop->now_us, delay_us, &timer->due_us))
		timer->due_us = INT64_MAX;
	place.key_us = timer->due_us;
	if (timer->heap_at == 0) {
		if (loop->n_timers == loop->heap_size) {
			loop->heap_size = loop->heap_size ? loop->heap_size * 2 : 16;
			loop->heap = xrealloc(loop->heap, loop->heap_size * sizeof(*loop->heap));
		}
		sift_up(loop, loop->n_timers++, place);
	} else if (timer->due_us < loop->heap[timer->heap_at - 1].key_us) {
		sift_up(loop, timer->heap_at - 1, place);
	}
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
	size_t at = timer->heap_at;

	if (at == 0)
		return;
	timer->heap_at = 0;
	loop->n_timers--;
	if (at - 1 < loop->n_timers)
		settle(loop, at - 1, loop->heap[loop->n_timers]);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return timer->heap_at != 0;
}

/* The earliest timer when it is due; puts right the keys of those that were moved later. */
static struct loop_timer *due_timer(struct loop *loop)
{
	while (loop->n_timers > 0 && loop->heap[0].key_us <= loop->now_us) {
		struct loop_timer *timer = loop->heap[0].timer;

		if (timer->due_us == loop->heap[0].key_us)
			return timer;
		sift_down(loop, 0, (struct place){ timer->due_us, timer });
	}
	return NULL;
}

static void run_timers(struct loop *loop)
{
	/* As many as there are now: a callback that sets a timer of no delay gets it next turn. */
	for (size_t n = loop->n_timers; n > 0; n--) {
		struct loop_timer *timer = due_timer(loop);

		if (!timer)
			break;
		loop_timer_cancel(loop, timer);
		timer->fn(timer);
	}
}

/* --- turns -------------------------------------------------------------------------------------
 */

void loop_on_turn_end(struct loop *loop, loop_turn_fn *fn, void *ctx)
{
	loop->turn_ends =
		xrealloc(loop->turn_ends, (loop->n_turn_ends + 1) * sizeof(*loop->turn_ends));
	loop->turn_ends[loop->n_turn_ends++] = (struct turn_end){ fn, ctx };
}

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

/* Milliseconds to sleep, rounded up so that a timer is not met a moment too early. */
static int wait_ms(const struct loop *loop, int max_wait_ms)
{
	int64_t us, ms;

	if (loop->n_timers == 0)
		return max_wait_ms;
	us = loop->heap[0].key_us - clock_monotonic_us();
	ms = us <= 0 ? 0 : us / 1000 + 1;
	if (max_wait_ms >= 0 && ms > max_wait_ms)
		return max_wait_ms;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void loop_turn(struct loop *loop, int max_wait_ms)
{
	int n = epoll_wait(loop->epoll_fd, loop->events, TURN_EVENTS, wait_ms(loop, max_wait_ms));

	assert(n >= 0 || errno == EINTR);
	loop->now_us = clock_monotonic_us();
	loop->in_turn = true;
	loop->n_events = n > 0 ? n : 0;
	for (loop->at_event = 0; loop->at_event < loop->n_events;) {
		const struct epoll_event *event = &loop->events[loop->at_event++];
		struct loop_fd *watch = event->data.ptr;

		if (watch)
			watch->fn(watch, event->events);
	}
	loop->n_events = 0;
	run_timers(loop);
	for (size_t i = 0; i < loop->n_turn_ends; i++)
		loop->turn_ends[i].fn(loop->turn_ends[i].ctx);
	loop->in_turn = false;
}

void loop_run(struct loop *loop)
{
	while (!atomic_exchange(&loop->stopping, false))
		loop_turn(loop, -1);
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	atomic_store(&loop->stopping, true);
	while (write(loop->stop_watch.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

int loop_poll_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}
