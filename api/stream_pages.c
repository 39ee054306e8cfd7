/* Pages of the log for subscribers that are behind the ring: a bounded number, in turn. */
#include <stdlib.h>

#include "api/stream_priv.h"
#include "event/entry.h"

#define RETRY_US (1 * CLOCK_US_PER_S) /* when the log could not be read */

static void enter_line(struct subscriber *subscriber)
{
	struct stream_hub *hub = subscriber->hub;

	subscriber->next_in_line = NULL;
	subscriber->line_link = hub->line_end;
	*hub->line_end = subscriber;
	hub->line_end = &subscriber->next_in_line;
}

static void leave_line(struct subscriber *subscriber)
{
	if (!subscriber->line_link)
		return;
	*subscriber->line_link = subscriber->next_in_line;
	if (subscriber->next_in_line)
		subscriber->next_in_line->line_link = subscriber->line_link;
	else
		subscriber->hub->line_end = subscriber->line_link;
	subscriber->line_link = NULL;
}

/* One page fewer: the first in line may ask. */
static void page_done(struct stream_hub *hub)
{
	struct subscriber *first = hub->line;

	hub->n_pages--;
	if (!first)
		return;
	leave_line(first);
	hub->config.wants_write(first->ctx);
}

void subscriber_drop_page(struct subscriber *subscriber)
{
	leave_line(subscriber);
	subscriber->ticket = 0; /* one that is under way no longer counts */
	if (!subscriber->page)
		return;
	entry_batch_unref(subscriber->page);
	subscriber->page = NULL;
	page_done(subscriber->hub);
}

void subscriber_ask_page(struct subscriber *subscriber)
{
	struct stream_hub *hub = subscriber->hub;

	if (hub->n_pages >= STREAM_MAX_PAGES) {
		enter_line(subscriber);
		return;
	}
	hub->n_pages++;
	subscriber->ticket = ++hub->last_ticket;
	subscriber->asked_last_seq = feed_bounds(hub->config.feed).last_seq;
	subscriber->pages_under_way++;
	follower_ask_page(hub->follower, subscriber->queued_seq, STREAM_PAGE_EVENTS, subscriber,
			  subscriber->ticket);
}

/* One that is gone leaves for good with its last page. */
static void forget(struct subscriber *subscriber)
{
	if (subscriber->pages_under_way > 0)
		return;
	*subscriber->link = subscriber->next;
	if (subscriber->next)
		subscriber->next->link = subscriber->link;
	free(subscriber);
}

/* The log ended above what was asked for, and has nothing there: it lost it. */
static void say_empty(struct subscriber *subscriber)
{
	if (subscriber->asked_last_seq <= subscriber->queued_seq)
		return;
	subscriber_queue_gap(subscriber, subscriber->queued_seq + 1, subscriber->asked_last_seq);
	subscriber->queued_seq = subscriber->asked_last_seq;
	subscriber->hub->config.wants_write(subscriber->ctx);
}

void subscriber_take_page(struct subscriber *subscriber, struct feed_item *item)
{
	struct stream_hub *hub = subscriber->hub;

	subscriber->pages_under_way--;
	if (subscriber->gone || item->ticket != subscriber->ticket) {
		page_done(hub);
		if (subscriber->gone)
			forget(subscriber);
		return;
	}
	subscriber->ticket = 0;
	subscriber->waiting = !item->batch;
	if (!item->batch || item->batch->n == 0) {
		page_done(hub);
		subscriber->retry_us = clock_monotonic_us() + RETRY_US;
		if (item->batch)
			say_empty(subscriber);
		return;
	}
	subscriber->page = item->batch;
	subscriber->page_at = 0;
	subscriber->page_us = clock_monotonic_us();
	item->batch = NULL;
	hub->config.wants_write(subscriber->ctx);
}

void subscriber_give_up_page(struct subscriber *subscriber, int64_t now_us)
{
	if (subscriber->page && now_us - subscriber->page_us >= STREAM_PAGE_HELD_S * CLOCK_US_PER_S)
		subscriber_drop_page(subscriber);
}
