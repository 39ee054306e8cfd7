/* Positions, order and followers; feed_thread.c does what needs the database. */
#include "stream/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "stream/feed_priv.h"

struct follower {
	struct feed *feed;
	struct mailbox *inbox;
	struct follower *next;
};

static void wake_thread(struct feed *feed)
{
	uint64_t one = 1;

	/* Full means that it is awake already. */
	if (write(feed->wake_fd, &one, sizeof(one)) < 0)
		return;
}

int feed_start(const struct feed_config *config, struct feed **out, struct err *err)
{
	struct feed *feed = xcalloc(1, sizeof(*feed));
	int r;

	feed->url = config->url ? xstrdup(config->url) : NULL;
	feed->bounds = (struct feed_bounds){ .epoch = config->epoch,
					     .oldest_seq = config->oldest_seq,
					     .last_seq = config->last_seq };
	feed->known_last = config->last_seq;
	feed->requests_end = &feed->requests;
	ring_init(&feed->ring, config->ring_events, config->ring_max_bytes);
	pthread_mutex_init(&feed->mutex, NULL);
	feed->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (feed->wake_fd < 0) {
		r = err_set(err, -errno, "feed: no eventfd: %s", strerror(errno));
		goto out;
	}
	r = thread_start(&feed->thread, "feed", feed_thread, feed, err);
	if (r < 0)
		goto out;
	*out = feed;
	return 0;
out:
	if (feed->wake_fd >= 0)
		close(feed->wake_fd);
	pthread_mutex_destroy(&feed->mutex);
	free(feed->url);
	free(feed);
	return r;
}

void feed_stop(struct feed *feed)
{
	if (!feed)
		return;
	pthread_mutex_lock(&feed->mutex);
	feed->stopping = true;
	pthread_mutex_unlock(&feed->mutex);
	wake_thread(feed);
	pthread_join(feed->thread, NULL);
	for (size_t i = 0; i < feed->n_waiting; i++)
		entry_batch_unref(feed->waiting[i]);
	ring_fini(&feed->ring);
	close(feed->wake_fd);
	pthread_mutex_destroy(&feed->mutex);
	free(feed->url);
	free(feed);
}

/* --- order -------------------------------------------------------------------------------------
 */

void feed_wake_followers(struct feed *feed)
{
	for (struct follower *f = feed->followers; f; f = f->next)
		mailbox_wake(f->inbox);
}

/* Append what of `batch` is above last_seq; a hole inside it is the log's own and stays one. */
static void append(struct feed *feed, struct entry_batch *batch)
{
	size_t i = 0;

	while (i < batch->n && batch->entries[i].seq <= feed->bounds.last_seq)
		i++;
	while (i < batch->n) {
		size_t n = 1;

		while (i + n < batch->n &&
		       batch->entries[i + n].seq == batch->entries[i].seq + (int64_t)n)
			n++;
		ring_append(&feed->ring, batch, i, n);
		i += n;
		feed->bounds.last_seq = batch->entries[i - 1].seq;
	}
	if (feed->known_last < feed->bounds.last_seq)
		feed->known_last = feed->bounds.last_seq;
}

/* Let in the waiting batches that are no longer above a hole. */
static void let_in(struct feed *feed)
{
	size_t n = 0;

	while (n < feed->n_waiting &&
	       feed->waiting[n]->entries[0].seq <= feed->bounds.last_seq + 1) {
		append(feed, feed->waiting[n]);
		entry_batch_unref(feed->waiting[n++]);
	}
	feed->n_waiting -= n;
	memmove(feed->waiting, feed->waiting + n, feed->n_waiting * sizeof(feed->waiting[0]));
	if (feed->n_waiting == 0 && feed->known_last <= feed->bounds.last_seq)
		feed->hole_since_us = 0;
}

/* Takes the reference. When too many wait the highest go: they are in the log too. */
static void wait_for_lower(struct feed *feed, struct entry_batch *batch)
{
	int64_t last = batch->entries[batch->n - 1].seq;
	size_t at = feed->n_waiting;

	if (feed->known_last < last)
		feed->known_last = last;
	while (at > 0 && feed->waiting[at - 1]->entries[0].seq > batch->entries[0].seq)
		at--;
	if (feed->n_waiting == FEED_MAX_WAITING) {
		if (at == FEED_MAX_WAITING) {
			entry_batch_unref(batch);
			return;
		}
		entry_batch_unref(feed->waiting[--feed->n_waiting]);
	}
	memmove(&feed->waiting[at + 1], &feed->waiting[at],
		(feed->n_waiting - at) * sizeof(feed->waiting[0]));
	feed->waiting[at] = batch;
	feed->n_waiting++;
}

void feed_note_hole(struct feed *feed)
{
	if (feed->known_last > feed->bounds.last_seq && feed->hole_since_us == 0)
		feed->hole_since_us = clock_monotonic_us();
}

void feed_accept_log(struct feed *feed, struct entry_batch *batch)
{
	append(feed, batch);
	let_in(feed);
	feed_wake_followers(feed);
}

void feed_skip_to(struct feed *feed, int64_t last_seq)
{
	if (last_seq > feed->bounds.last_seq)
		feed->bounds.last_seq = last_seq;
	if (feed->known_last < feed->bounds.last_seq)
		feed->known_last = feed->bounds.last_seq;
	let_in(feed);
	feed_wake_followers(feed);
}

static void publish_committed(struct feed *feed, struct entry_batch *batch)
{
	if (batch->n == 0 || batch->entries[batch->n - 1].seq <= feed->bounds.last_seq) {
		entry_batch_unref(batch);
		return;
	}
	if (batch->entries[0].seq > feed->bounds.last_seq + 1) {
		wait_for_lower(feed, batch);
		feed_note_hole(feed);
		wake_thread(feed);
		return;
	}
	append(feed, batch);
	entry_batch_unref(batch);
	let_in(feed);
	feed_wake_followers(feed);
	metric_set(METRIC_LOG_LAST_SEQ, NULL, (double)feed->bounds.last_seq);
}

static void publish_provisional(struct feed *feed, struct entry_batch *batch)
{
	for (struct follower *f = feed->followers; f; f = f->next) {
		struct feed_item *item = xcalloc(1, sizeof(*item));

		item->kind = FEED_PROVISIONAL;
		item->batch = entry_batch_ref(batch);
		/* A slow follower misses it here and gets it with its seq. */
		if (!mailbox_put(f->inbox, &item->item))
			feed_item_free(item);
	}
	entry_batch_unref(batch);
}

void feed_publish(void *ctx, struct entry_batch *batch, bool provisional)
{
	struct feed *feed = ctx;

	pthread_mutex_lock(&feed->mutex);
	if (provisional)
		publish_provisional(feed, batch);
	else
		publish_committed(feed, batch);
	pthread_mutex_unlock(&feed->mutex);
}

/* --- identity ----------------------------------------------------------------------------------
 */

/* Another log than the one the positions so far were of. */
static void start_generation(struct feed *feed, struct uuid epoch, int64_t oldest_seq,
			     int64_t last_seq)
{
	ring_clear(&feed->ring);
	for (size_t i = 0; i < feed->n_waiting; i++)
		entry_batch_unref(feed->waiting[i]);
	feed->n_waiting = 0;
	feed->hole_since_us = 0;
	feed->known_last = last_seq;
	feed->bounds = (struct feed_bounds){ .epoch = epoch,
					     .oldest_seq = oldest_seq,
					     .last_seq = last_seq,
					     .generation = feed->bounds.generation + 1 };
}

void feed_connected(void *ctx, struct uuid epoch, int64_t oldest_seq, int64_t last_seq)
{
	struct feed *feed = ctx;

	pthread_mutex_lock(&feed->mutex);
	if (!uuid_eq(epoch, feed->bounds.epoch) || last_seq < feed->bounds.last_seq)
		start_generation(feed, epoch, oldest_seq, last_seq);
	feed->bounds.connected = true;
	feed->bounds.oldest_seq = oldest_seq;
	if (feed->known_last < last_seq)
		feed->known_last = last_seq;
	/* With nothing in the ring there is nothing to connect to: readers take pages. */
	if (feed->ring.n_spans == 0 || !feed->url)
		feed_skip_to(feed, last_seq);
	feed_note_hole(feed);
	feed_wake_followers(feed);
	metric_set(METRIC_LOG_LAST_SEQ, NULL, (double)last_seq);
	pthread_mutex_unlock(&feed->mutex);
	wake_thread(feed);
}

struct feed_bounds feed_bounds(struct feed *feed)
{
	struct feed_bounds bounds;

	pthread_mutex_lock(&feed->mutex);
	bounds = feed->bounds;
	pthread_mutex_unlock(&feed->mutex);
	return bounds;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static enum feed_read read_locked(struct feed *feed, int64_t after, size_t max_events,
				  struct feed_piece *out, int64_t *gap_to)
{
	const struct ring_span *span;
	size_t skip;

	if (after >= feed->bounds.last_seq)
		return FEED_CAUGHT_UP;
	span = ring_find(&feed->ring, after + 1);
	if (span) {
		skip = (size_t)(after + 1 - span->first_seq);
		out->batch = entry_batch_ref(span->batch);
		out->first = span->first + skip;
		out->n = span->n - skip < max_events ? span->n - skip : max_events;
		return FEED_READ;
	}
	if (after < feed->bounds.oldest_seq - 1) {
		*gap_to = feed->bounds.oldest_seq - 1;
		return FEED_GAP;
	}
	return FEED_ASK_LOG;
}

enum feed_read feed_read(struct feed *feed, int64_t after, size_t max_events,
			 struct feed_piece *out, int64_t *gap_to)
{
	enum feed_read answer;

	pthread_mutex_lock(&feed->mutex);
	answer = read_locked(feed, after, max_events, out, gap_to);
	pthread_mutex_unlock(&feed->mutex);
	return answer;
}

/* --- followers ---------------------------------------------------------------------------------
 */

struct follower *follower_open(struct feed *feed, struct mailbox *inbox)
{
	struct follower *follower = xcalloc(1, sizeof(*follower));

	follower->feed = feed;
	follower->inbox = inbox;
	pthread_mutex_lock(&feed->mutex);
	follower->next = feed->followers;
	feed->followers = follower;
	pthread_mutex_unlock(&feed->mutex);
	return follower;
}

static void drop_requests(struct feed *feed, const struct follower *follower)
{
	struct page_request **at = &feed->requests;

	while (*at) {
		struct page_request *request = *at;

		if (request->follower != follower) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		free(request);
	}
	feed->requests_end = at;
	if (feed->in_service && feed->in_service->follower == follower)
		feed->in_service->follower = NULL;
}

void follower_close(struct follower *follower)
{
	struct feed *feed;
	struct follower **at;

	if (!follower)
		return;
	feed = follower->feed;
	pthread_mutex_lock(&feed->mutex);
	for (at = &feed->followers; *at != follower; at = &(*at)->next)
		;
	*at = follower->next;
	drop_requests(feed, follower);
	pthread_mutex_unlock(&feed->mutex);
	free(follower);
}

void feed_queue_request(struct feed *feed, struct page_request *request)
{
	request->next = NULL;
	*feed->requests_end = request;
	feed->requests_end = &request->next;
}

void follower_ask_page(struct follower *follower, int64_t after, size_t max_events, void *reader,
		       uint64_t ticket)
{
	struct feed *feed = follower->feed;
	struct page_request *request = xmalloc(sizeof(*request));

	*request = (struct page_request){ .follower = follower,
					  .after = after,
					  .max_events = max_events,
					  .reader = reader,
					  .ticket = ticket };
	pthread_mutex_lock(&feed->mutex);
	feed_queue_request(feed, request);
	pthread_mutex_unlock(&feed->mutex);
	wake_thread(feed);
}

bool feed_answer(struct page_request *request, struct entry_batch *batch)
{
	struct feed_item *item = xcalloc(1, sizeof(*item));

	item->kind = FEED_PAGE;
	item->reader = request->reader;
	item->ticket = request->ticket;
	item->after = request->after;
	item->batch = batch;
	if (mailbox_put(request->follower->inbox, &item->item))
		return true;
	free(item);
	return false;
}

void feed_item_free(struct feed_item *item)
{
	if (!item)
		return;
	entry_batch_unref(item->batch);
	free(item);
}
