#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

struct mailbox {
	pthread_mutex_t lock;
	struct mailbox_item *first, **end; /* end: where the next one is linked */
	size_t n, max_items;
	bool woken; /* mailbox_wake() since the last take */
	/* Written when the box stops being empty, read empty under the lock when it becomes so:
	 * while items wait it is readable, or about to be. */
	int fd;
	struct loop *loop; /* attached, or NULL */
	struct loop_fd watch;
	mailbox_fn *fn;
	void *ctx;
};

struct mailbox *mailbox_new(size_t max_items)
{
	struct mailbox *mailbox = xcalloc(1, sizeof(*mailbox));

	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->end = &mailbox->first;
	mailbox->max_items = max_items;
	mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->fd < 0) {
		log_error("base", "no descriptor for a mailbox", LOG_T("err", strerror(errno)));
		abort();
	}
	return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	assert(mailbox->n == 0);
	mailbox_detach(mailbox);
	close(mailbox->fd);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

static void ring(struct mailbox *mailbox)
{
	uint64_t one = 1;

	while (write(mailbox->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void silence(struct mailbox *mailbox)
{
	uint64_t count;

	while (read(mailbox->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

bool mailbox_put(struct mailbox *mailbox, struct mailbox_item *item)
{
	bool was_empty;

	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->n >= mailbox->max_items) {
		pthread_mutex_unlock(&mailbox->lock);
		return false;
	}
	item->next = NULL;
	*mailbox->end = item;
	mailbox->end = &item->next;
	was_empty = mailbox->n++ == 0;
	pthread_mutex_unlock(&mailbox->lock);
	if (was_empty)
		ring(mailbox);
	return true;
}

static struct mailbox_item *take(struct mailbox *mailbox, bool *woken_out)
{
	struct mailbox_item *first;

	pthread_mutex_lock(&mailbox->lock);
	silence(mailbox);
	first = mailbox->first;
	*woken_out = mailbox->woken;
	mailbox->woken = false;
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	mailbox->n = 0;
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}

struct mailbox_item *mailbox_take(struct mailbox *mailbox)
{
	bool woken;

	return take(mailbox, &woken);
}

/* 1: holds something; 0: woken without; -1: neither, and the descriptor is silent. */
static int look(struct mailbox *mailbox)
{
	int seen = 1;

	pthread_mutex_lock(&mailbox->lock);
	if (mailbox->n == 0) {
		seen = mailbox->woken ? 0 : -1;
		mailbox->woken = false;
		silence(mailbox);
	}
	pthread_mutex_unlock(&mailbox->lock);
	return seen;
}

bool mailbox_wait(struct mailbox *mailbox, int timeout_ms)
{
	int64_t end_us = clock_monotonic_us() + timeout_ms * INT64_C(1000);
	struct pollfd poll_fd = { .fd = mailbox->fd, .events = POLLIN };

	for (;;) {
		int seen = look(mailbox);
		int64_t left_us = end_us - clock_monotonic_us();

		if (seen >= 0)
			return seen > 0;
		if (timeout_ms >= 0 && left_us <= 0)
			return false;
		poll(&poll_fd, 1, timeout_ms < 0 ? -1 : (int)((left_us + 999) / 1000));
	}
}

void mailbox_wake(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->woken = true;
	pthread_mutex_unlock(&mailbox->lock);
	ring(mailbox);
}

size_t mailbox_count(struct mailbox *mailbox)
{
	size_t n;

	pthread_mutex_lock(&mailbox->lock);
	n = mailbox->n;
	pthread_mutex_unlock(&mailbox->lock);
	return n;
}

int mailbox_fd(struct mailbox *mailbox)
{
	return mailbox->fd;
}

static void on_ring(struct loop_fd *watch, uint32_t events)
{
	struct mailbox *mailbox = watch->ctx;
	bool woken;
	struct mailbox_item *first = take(mailbox, &woken);

	if (first || woken)
		mailbox->fn(first, mailbox->ctx);
}

int mailbox_attach(struct mailbox *mailbox, struct loop *loop, mailbox_fn *fn, void *ctx)
{
	int r;

	mailbox->fn = fn;
	mailbox->ctx = ctx;
	mailbox->watch = (struct loop_fd){
		.fd = mailbox->fd, .events = EPOLLIN, .fn = on_ring, .ctx = mailbox
	};
	r = loop_fd_add(loop, &mailbox->watch);
	if (r == 0)
		mailbox->loop = loop;
	return r;
}

void mailbox_detach(struct mailbox *mailbox)
{
	if (!mailbox->loop)
		return;
	loop_fd_remove(mailbox->loop, &mailbox->watch);
	mailbox->loop = NULL;
}
