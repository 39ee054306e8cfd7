/* Event loop of one thread: file descriptors (epoll), timers, work at the end of a turn.
 *
 * Thread: the one that runs it; other threads speak to it through a mailbox, and may call
 * loop_stop().
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct err;
struct loop_fd;
struct loop_timer;

typedef void loop_fd_fn(struct loop_fd *watch, uint32_t events);
typedef void loop_timer_fn(struct loop_timer *timer);
typedef void loop_turn_fn(void *ctx);

/* One watched descriptor. The caller owns the struct and the fd. */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLET …; change with loop_fd_set */
	loop_fd_fn *fn;
	void *ctx;
	bool added; /* private */
};

/* One-shot timer. The caller owns the struct, zeroed at first. */
struct loop_timer {
	int64_t due_us;	  /* private */
	uint32_t heap_at; /* private: place in the heap + 1, 0 when not set */
	loop_timer_fn *fn;
	void *ctx;
};

int loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *loop); /* NULL is allowed */
int loop_fd_add(struct loop *loop, struct loop_fd *watch); /* 0 or negative errno */
int loop_fd_set(struct loop *loop, struct loop_fd *watch, uint32_t events);
/* No callback for it follows, not even one already fetched in this turn. */
void loop_fd_remove(struct loop *loop, struct loop_fd *watch);
/* Due in `delay_us` from now; setting again moves it, and moving it later is cheap. A delay of 0
 * set by a timer's callback is due in the next turn. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_us);
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer); /* fine when not set */
bool loop_timer_is_set(const struct loop_timer *timer);
/* Called after each turn's callbacks, in the order added: coalesced writes, deferred frees. */
void loop_on_turn_end(struct loop *loop, loop_turn_fn *fn, void *ctx);
int64_t loop_now_us(const struct loop *loop); /* monotonic, read once a turn */
void loop_run(struct loop *loop);	      /* until loop_stop() */
void loop_turn(struct loop *loop, int max_wait_ms); /* one turn, for tests and drains */
void loop_stop(struct loop *loop);		     /* from any thread */
/* Readable while a descriptor of it has something to say, for another loop that runs its turns;
 * timers are not seen there. */
int loop_poll_fd(const struct loop *loop);

#endif
