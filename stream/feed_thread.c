/* The feed's thread: one connection, with which it hears of other replicas' commits (LISTEN, and a
 * look each second in case nobody notifies), closes holes, and reads pages for slow readers. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "storage/db.h"
#include "storage/log.h"
#include "stream/feed_priv.h"

#define CHANNEL            "rfeventd_log" /* payload: the new last seq, or anything */
#define CHANNEL_MAX_BYTES  256
#define CONNECT_TIMEOUT_MS 1500
#define RETRY_US           (1 * CLOCK_US_PER_S) /* between attempts to connect */
#define LOOK_US            (1 * CLOCK_US_PER_S) /* between looks at the bounds */
/* Our own loader publishes what it committed within this time; what is missing after it was
 * written by another replica. */
#define GRACE_US           50000
#define FULL_INBOX_WAIT_MS 10

struct log_side {
	struct feed *feed;
	struct db *db; /* NULL: away */
	int64_t next_try_us, next_look_us;
	bool usable;         /* the database holds the log that the feed is of: found out when */
	bool connected;      /* the feed's bounds said this */
	uint64_t generation; /* and this */
	bool said_away;      /* logged once per absence */
	bool was_connected;  /* once at least */
	bool inbox_full;     /* the last page could not be handed over */
};

static void lost(struct log_side *side, const struct err *err)
{
	db_close(side->db);
	side->db = NULL;
	side->usable = false;
	side->next_try_us = clock_monotonic_us() + RETRY_US;
	/* At the first start the private server is still being made: no reason to alarm anybody. */
	if (!side->said_away && side->was_connected)
		log_warn("stream", "cannot read the log", LOG_T("err", err->text));
	side->said_away = true;
}

static void connect_when_due(struct log_side *side)
{
	struct err err = { "" };
	int r;

	if (side->db || !side->feed->url || clock_monotonic_us() < side->next_try_us)
		return;
	r = db_open(side->feed->url, "rfeventd feed", CONNECT_TIMEOUT_MS, &side->db, &err);
	if (r == 0)
		r = db_exec(side->db, "LISTEN " CHANNEL, &err);
	if (r < 0) {
		lost(side, &err);
		return;
	}
	if (side->said_away && side->was_connected)
		log_info("stream", "log can be read again");
	side->was_connected = true;
	side->said_away = false;
	side->next_look_us = 0;
}

/* A failed read: gone, or (a statement refused) to be tried again after a while. */
static void read_failed(struct log_side *side, const struct err *err)
{
	if (!db_is_alive(side->db)) {
		lost(side, err);
		return;
	}
	log_debug("stream", "read of the log failed", LOG_T("err", err->text));
	side->usable = false;
	side->next_look_us = clock_monotonic_us() + LOOK_US;
}

static void look(struct log_side *side)
{
	struct feed *feed = side->feed;
	struct log_bounds bounds;
	struct err err;

	side->next_look_us = clock_monotonic_us() + LOOK_US;
	if (log_bounds(side->db, &bounds, &err) < 0) {
		read_failed(side, &err);
		return;
	}
	pthread_mutex_lock(&feed->mutex);
	side->generation = feed->bounds.generation;
	side->connected = feed->bounds.connected;
	/* Which log is the right one is the loader's to say: feed_connected(). */
	side->usable = side->connected && uuid_eq(bounds.epoch, feed->bounds.epoch);
	if (side->usable) {
		feed->bounds.oldest_seq = bounds.oldest_seq;
		if (feed->known_last < bounds.last_seq)
			feed->known_last = bounds.last_seq;
		feed_note_hole(feed);
	}
	pthread_mutex_unlock(&feed->mutex);
}

/* Whether the loader has said something about the log's identity since the last look. */
static bool identity_changed(struct log_side *side)
{
	struct feed_bounds bounds = feed_bounds(side->feed);

	return bounds.generation != side->generation || bounds.connected != side->connected;
}

static void take_notifications(struct log_side *side, bool readable)
{
	struct feed *feed = side->feed;
	struct strbuf channel, payload;
	int64_t seq, soon_us = clock_monotonic_us() + GRACE_US;
	bool any = false;

	if (!side->db)
		return;
	strbuf_init(&channel, CHANNEL_MAX_BYTES);
	strbuf_init(&payload, CHANNEL_MAX_BYTES);
	while (db_next_notification(side->db, &channel, &payload)) {
		any = true;
		if (!payload.failed && str_to_i64(strbuf_str(&payload), &seq)) {
			pthread_mutex_lock(&feed->mutex);
			if (side->usable && feed->known_last < seq)
				feed->known_last = seq;
			feed_note_hole(feed);
			pthread_mutex_unlock(&feed->mutex);
		} else if (side->next_look_us > soon_us) {
			side->next_look_us = soon_us;
		}
		strbuf_reset(&channel);
		strbuf_reset(&payload);
	}
	/* Readable without one: most likely the end of the connection, and a query tells. */
	if (readable && !any)
		side->next_look_us = 0;
	strbuf_fini(&channel);
	strbuf_fini(&payload);
}

/* A page of at most `limit` entries, of fewer when their texts are too much for one. */
static int read_page(struct log_side *side, int64_t after, size_t limit, struct entry_batch **out,
		     struct err *err)
{
	struct log_query query = { .after_seq = after, .limit = limit };
	int r;

	while ((r = log_read(side->db, &query, out, err)) == -E2BIG && query.limit > 1)
		query.limit = (query.limit + 7) / 8;
	return r;
}

/* --- holes -------------------------------------------------------------------------------------
 */

/* When the hole is to be read; INT64_MAX: there is none. Below a batch that waits it is certain. */
static int64_t hole_due_us(const struct feed *feed)
{
	if (feed->hole_since_us == 0)
		return INT64_MAX;
	return feed->hole_since_us + (feed->n_waiting > 0 ? 0 : GRACE_US);
}

/* Whether one is due to be read, and after which seq. A hole wider than the ring is skipped: its
 * readers take pages. */
static bool hole_due(struct log_side *side, int64_t *after)
{
	struct feed *feed = side->feed;
	int64_t width;
	bool due;

	pthread_mutex_lock(&feed->mutex);
	due = side->usable && side->generation == feed->bounds.generation &&
	      clock_monotonic_us() >= hole_due_us(feed);
	width = feed->known_last - feed->bounds.last_seq;
	if (due && width > 0 && (uint64_t)width > feed->ring.max_events) {
		feed_skip_to(feed, feed->known_last);
		due = false;
	}
	*after = feed->bounds.last_seq;
	pthread_mutex_unlock(&feed->mutex);
	return due;
}

static void close_hole(struct log_side *side, int64_t after)
{
	struct feed *feed = side->feed;
	struct entry_batch *batch = NULL;
	struct err err;

	if (read_page(side, after, FEED_HOLE_PAGE_EVENTS, &batch, &err) < 0) {
		read_failed(side, &err);
		return;
	}
	pthread_mutex_lock(&feed->mutex);
	if (side->generation == feed->bounds.generation && feed->bounds.last_seq == after) {
		if (batch->n > 0) {
			feed_accept_log(feed, batch);
		} else {
			/* Whoever spoke of more was wrong; the next look says how it is. */
			feed->known_last = feed->bounds.last_seq;
			feed->hole_since_us = 0;
		}
	}
	pthread_mutex_unlock(&feed->mutex);
	entry_batch_unref(batch);
}

/* --- pages -------------------------------------------------------------------------------------
 */

static struct page_request *take_request(struct feed *feed)
{
	struct page_request *request;

	pthread_mutex_lock(&feed->mutex);
	request = feed->requests;
	if (request) {
		feed->requests = request->next;
		if (!feed->requests)
			feed->requests_end = &feed->requests;
		feed->in_service = request;
	}
	pthread_mutex_unlock(&feed->mutex);
	return request;
}

static void finish_request(struct log_side *side, struct page_request *request,
			   struct entry_batch *batch)
{
	struct feed *feed = side->feed;

	pthread_mutex_lock(&feed->mutex);
	if (batch && side->generation != feed->bounds.generation) {
		entry_batch_unref(batch);
		batch = NULL;
	}
	feed->in_service = NULL;
	if (!request->follower) {
		entry_batch_unref(batch);
	} else if (!feed_answer(request, batch)) {
		entry_batch_unref(batch);
		feed_queue_request(feed, request);
		request = NULL;
		side->inbox_full = true;
	}
	pthread_mutex_unlock(&feed->mutex);
	free(request);
}

static void serve_one_page(struct log_side *side)
{
	struct page_request *request = take_request(side->feed);
	struct entry_batch *batch = NULL;
	struct err err;

	if (!request)
		return;
	if (side->db && side->usable &&
	    read_page(side, request->after, request->max_events, &batch, &err) < 0) {
		batch = NULL;
		read_failed(side, &err);
	}
	finish_request(side, request, batch);
}

/* --- loop --------------------------------------------------------------------------------------
 */

static int wait_ms(struct log_side *side)
{
	struct feed *feed = side->feed;
	int64_t now_us = clock_monotonic_us(), due_us = now_us + LOOK_US;
	int wait;

	if (feed->url && side->db && side->next_look_us < due_us)
		due_us = side->next_look_us;
	if (feed->url && !side->db && side->next_try_us < due_us)
		due_us = side->next_try_us;
	pthread_mutex_lock(&feed->mutex);
	if (side->usable && hole_due_us(feed) < due_us)
		due_us = hole_due_us(feed);
	wait = due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
	if (feed->requests && wait > 0)
		wait = side->inbox_full ? FULL_INBOX_WAIT_MS : 0;
	pthread_mutex_unlock(&feed->mutex);
	side->inbox_full = false;
	return wait;
}

static bool wait_for_work(struct log_side *side, bool *notified)
{
	struct feed *feed = side->feed;
	struct pollfd fds[2] = { { .fd = feed->wake_fd, .events = POLLIN }, { .fd = -1 } };
	uint64_t count;
	bool stopping;

	if (side->db)
		fds[1] = (struct pollfd){ .fd = db_fd(side->db), .events = POLLIN };
	poll(fds, 2, wait_ms(side));
	if (fds[0].revents & POLLIN && read(feed->wake_fd, &count, sizeof(count)) < 0)
		log_debug("stream", "feed woken for nothing");
	*notified = fds[1].revents != 0;
	pthread_mutex_lock(&feed->mutex);
	stopping = feed->stopping;
	pthread_mutex_unlock(&feed->mutex);
	return !stopping;
}

void *feed_thread(void *ctx)
{
	struct log_side side = { .feed = ctx };
	bool notified;
	int64_t after;

	while (wait_for_work(&side, &notified)) {
		take_notifications(&side, notified);
		connect_when_due(&side);
		if (side.db &&
		    (side.next_look_us <= clock_monotonic_us() || identity_changed(&side)))
			look(&side);
		if (side.db && hole_due(&side, &after))
			close_hole(&side, after);
		serve_one_page(&side);
	}
	db_close(side.db);
	return NULL;
}
