#include "api/subscriber.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/limits.h"
#include "api/frame.h"
#include "api/stream_priv.h"
#include "api/websocket_protocol.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/filter.h"
#include "stream/words.h"

/* Another replica may have shown the client a seq that this one has not heard of yet. */
#define AHEAD_US (3 * CLOCK_US_PER_S)

struct subscriber *subscriber_new(struct stream_hub *hub, struct str language, struct str account,
				  enum stream_form form, void *ctx)
{
	struct subscriber *subscriber = xcalloc(1, sizeof(*subscriber));

	subscriber->hub = hub;
	subscriber->ctx = ctx;
	subscriber->accept_language = xstrndup(language.p ? language : STR(""));
	subscriber->form = form;
	subscriber->account = account.p ? xstrndup(account) : NULL;
	subscriber->state = account.p ? SUBSCRIBER_IDLE : SUBSCRIBER_UNPROVED;
	subscriber->next = hub->subscribers;
	subscriber->link = &hub->subscribers;
	if (subscriber->next)
		subscriber->next->link = &subscriber->next;
	hub->subscribers = subscriber;
	hub->n_subscribers++;
	return subscriber;
}

static bool is_subscribed(const struct subscriber *subscriber)
{
	return subscriber->state == SUBSCRIBER_BEHIND || subscriber->state == SUBSCRIBER_LIVE;
}

/* --- state -------------------------------------------------------------------------------------
 */

/* Every change passes here: keeps the audience's count of live members, and what only one that
 * reads by itself has. */
void subscriber_set_state(struct subscriber *subscriber, enum subscriber_state state)
{
	if (subscriber->state == SUBSCRIBER_LIVE)
		subscriber->audience->n_live--;
	if (state == SUBSCRIBER_LIVE)
		subscriber->audience->n_live++;
	if (state != SUBSCRIBER_BEHIND) {
		subscriber_drop_page(subscriber);
		subscriber->ahead_since_us = 0;
		subscriber->waiting = false;
		subscriber->joining = false;
	}
	subscriber->state = state;
	if (!is_subscribed(subscriber))
		audience_remove(subscriber);
}

/* --- reading by itself -------------------------------------------------------------------------
 */

void subscriber_fall_behind(struct subscriber *subscriber, int64_t queued_seq)
{
	subscriber->queued_seq = queued_seq;
	subscriber->retry_us = 0;
	subscriber_set_state(subscriber, SUBSCRIBER_BEHIND);
	subscriber->position_us = clock_monotonic_us();
	subscriber->hub->config.wants_write(subscriber->ctx);
}

/* Next frame from entries [first, first + n) of `batch`; returns how many were dealt with. */
static size_t take_entries(struct subscriber *subscriber, const struct entry_batch *batch,
			   size_t first, size_t n)
{
	struct frame *frame;
	size_t n_done;

	frame = audience_write(subscriber->audience, batch, first, n, false, &n_done);
	/* Its queue is empty here: there is room. */
	if (frame)
		subscriber_queue(subscriber, frame);
	frame_unref(frame);
	subscriber->queued_seq = batch->entries[first + n_done - 1].seq;
	return n_done;
}

/* Entries from `at` on whose seqs follow each other. */
static size_t run_of(const struct entry_batch *page, size_t at)
{
	size_t n = 1;

	while (at + n < page->n && page->entries[at + n].seq == page->entries[at].seq + (int64_t)n)
		n++;
	return n;
}

static size_t take_from_page(struct subscriber *subscriber)
{
	struct entry_batch *page = subscriber->page;
	int64_t next = page->entries[subscriber->page_at].seq;
	size_t n_done;

	/* Days that went while the page was under way, or what nobody has any more. */
	if (next > subscriber->queued_seq + 1) {
		subscriber_queue_gap(subscriber, subscriber->queued_seq + 1, next - 1);
		subscriber->queued_seq = next - 1;
		return 0;
	}
	n_done = take_entries(subscriber, page, subscriber->page_at,
			      run_of(page, subscriber->page_at));
	subscriber->page_at += n_done;
	if (subscriber->page_at == page->n)
		subscriber_drop_page(subscriber);
	return n_done;
}

static void join(struct subscriber *subscriber)
{
	struct audience *audience = subscriber->audience;

	if (audience->n_live == 0)
		audience->seq = subscriber->queued_seq;
	subscriber_set_state(subscriber, SUBSCRIBER_LIVE);
	subscriber_queue_caught_up(subscriber, audience->seq);
}

/* A seq above ours: it may come, or it is of another log. */
static void look_ahead(struct subscriber *subscriber, const struct feed_bounds *bounds)
{
	int64_t now_us = clock_monotonic_us();

	subscriber->waiting = !bounds->connected;
	if (!subscriber->ahead_since_us || !bounds->connected)
		subscriber->ahead_since_us = now_us;
	if (now_us - subscriber->ahead_since_us < AHEAD_US)
		return;
	subscriber_set_state(subscriber, SUBSCRIBER_IDLE);
	subscriber_queue_error(
		subscriber, "after_unknown",
		"`after` is above the last seq of this log: subscribe with a position of it.");
}

static void at_end(struct subscriber *subscriber)
{
	struct feed_bounds bounds = feed_bounds(subscriber->hub->config.feed);
	const struct audience *audience = subscriber->audience;

	if (subscriber->queued_seq > bounds.last_seq) {
		look_ahead(subscriber, &bounds);
		return;
	}
	subscriber->ahead_since_us = 0;
	subscriber->waiting = !bounds.connected;
	if (!bounds.connected)
		return;
	if (audience->n_live > 0 && audience->seq != subscriber->queued_seq)
		subscriber->joining = true;
	else
		join(subscriber);
}

/* One piece of the feed. False when there is nothing to go on with now. */
static bool read_feed(struct subscriber *subscriber, size_t *n_seen)
{
	const struct audience *audience = subscriber->audience;
	struct feed_piece piece;
	size_t max_events = STREAM_FRAME_EVENTS;
	int64_t gap_to;

	/* Its audience shows how far to go: reading past it would only have to wait. */
	if (audience->n_live > 0 && audience->seq == subscriber->queued_seq) {
		join(subscriber);
		return false;
	}
	if (audience->n_live > 0 && audience->seq > subscriber->queued_seq &&
	    (uint64_t)(audience->seq - subscriber->queued_seq) < max_events)
		max_events = (size_t)(audience->seq - subscriber->queued_seq);
	switch (feed_read(subscriber->hub->config.feed, subscriber->queued_seq, max_events, &piece,
			  &gap_to)) {
	case FEED_READ:
		subscriber->waiting = false;
		*n_seen += take_entries(subscriber, piece.batch, piece.first, piece.n);
		entry_batch_unref(piece.batch);
		return true;
	case FEED_GAP:
		subscriber_queue_gap(subscriber, subscriber->queued_seq + 1, gap_to);
		subscriber->queued_seq = gap_to;
		return true;
	case FEED_ASK_LOG: subscriber_ask_page(subscriber); return false;
	default: at_end(subscriber); return false;
	}
}

/* Read on until there is a frame, or nothing now, or others should have a turn. */
static void fill(struct subscriber *subscriber)
{
	size_t n_seen = 0;

	while (subscriber->state == SUBSCRIBER_BEHIND && subscriber->n_queue == 0) {
		if (n_seen >= STREAM_SCAN_EVENTS) {
			subscriber->hub->config.wants_write(subscriber->ctx);
			return;
		}
		if (subscriber->page)
			n_seen += take_from_page(subscriber);
		else if (subscriber->ticket || subscriber->line_link ||
			 clock_monotonic_us() < subscriber->retry_us)
			return;
		else if (!read_feed(subscriber, &n_seen))
			return;
	}
}

struct frame *subscriber_next(struct subscriber *subscriber)
{
	if (subscriber->n_queue == 0)
		fill(subscriber);
	return subscriber_pop(subscriber);
}

bool subscriber_is_owed(const struct subscriber *subscriber)
{
	return subscriber->n_queue > 0;
}

/* --- what the client says ----------------------------------------------------------------------
 */

static bool is_other_epoch(const struct subscriber *subscriber, const struct feed_bounds *bounds)
{
	return subscriber->has_epoch && !uuid_is_zero(bounds->epoch) &&
	       !uuid_eq(subscriber->epoch, bounds->epoch);
}

static void say_epoch_changed(struct subscriber *subscriber)
{
	subscriber_set_state(subscriber, SUBSCRIBER_IDLE);
	subscriber_queue_error(
		subscriber, "epoch_changed",
		"The log is another one than the epoch names: see the last hello, and subscribe "
		"with a position of this log.");
}

/* Where the subscription starts. One that only changes what it wants goes on without a hole. */
static int64_t start_seq(const struct subscriber *subscriber, const struct stream_request *request,
			 const struct feed_bounds *bounds)
{
	if (!request->live)
		return request->after;
	if (subscriber->state == SUBSCRIBER_LIVE)
		return subscriber->audience->seq;
	if (subscriber->state == SUBSCRIBER_BEHIND && !request->has_after)
		return subscriber->queued_seq;
	return bounds->last_seq;
}

/* Its account has as many others as it may have: it is sent away. */
static bool is_one_too_many(struct subscriber *subscriber)
{
	const struct stream_hub *hub = subscriber->hub;
	size_t n = 0;

	for (const struct subscriber *s = hub->subscribers; s; s = s->next)
		n += s != subscriber && s->account && s->state != SUBSCRIBER_CLOSING &&
		     strcmp(s->account, subscriber->account) == 0;
	if (n < hub->config.max_per_account)
		return false;
	subscriber_refuse(subscriber, CLOSE_TRY_AGAIN, "too_many",
			  "The account has as many streams as one may have.");
	return true;
}

static void subscribe(struct subscriber *subscriber, const struct stream_request *request)
{
	struct stream_hub *hub = subscriber->hub;
	struct feed_bounds bounds = feed_bounds(hub->config.feed);
	struct filter *filter = NULL;
	struct str language =
		str_of(request->language ? request->language : subscriber->accept_language);
	bool changes = is_subscribed(subscriber);
	struct audience *audience;
	struct err err;
	int64_t seq;

	if (request->filter && filter_parse(str_of(request->filter), &filter, &err) < 0) {
		subscriber_queue_error(subscriber, "bad_filter", err.text);
		return;
	}
	if (filter && !filter->root) {
		filter_free(filter);
		filter = NULL;
	}
	subscriber->has_epoch = request->has_epoch;
	subscriber->epoch = request->epoch;
	if (is_other_epoch(subscriber, &bounds)) {
		filter_free(filter);
		say_epoch_changed(subscriber);
		return;
	}
	seq = start_seq(subscriber, request, &bounds);
	if (!request->live)
		subscriber_drop_events(subscriber);
	audience = audience_get(hub, words_language(hub->words, language), filter, request->events,
				subscriber->form);
	if (subscriber->audience != audience) {
		/* First the new one, so that leaving the old one cannot free it. */
		subscriber_set_state(subscriber, SUBSCRIBER_IDLE);
		audience_add(audience, subscriber);
	}
	subscriber_drop_page(subscriber);
	if (request->has_after || !changes) {
		subscriber->live_wanted = request->live;
		subscriber->placed = !request->live;
	}
	subscriber->caught_up_said = false;
	subscriber->ahead_since_us = 0;
	subscriber_fall_behind(subscriber, seq);
	if (changes && request->live)
		subscriber_queue_changed(subscriber, seq, audience->language);
}

/* The first message of a client that has not shown who it is. */
static bool prove(struct subscriber *subscriber, const struct stream_request *request)
{
	const struct stream_hub_config *config = &subscriber->hub->config;
	char account[ACCOUNT_NAME_MAX_BYTES + 1];
	struct feed_bounds bounds;

	if (!request->token || !config->whose_token ||
	    !config->whose_token(config->auth_ctx, str_of(request->token), account)) {
		subscriber_refuse(subscriber, CLOSE_UNAUTHORIZED, "unauthorized",
				  "The token is not valid.");
		return false;
	}
	subscriber->account = xstrndup(str_of(account));
	if (is_one_too_many(subscriber))
		return false;
	subscriber_set_state(subscriber, SUBSCRIBER_IDLE);
	bounds = feed_bounds(config->feed);
	subscriber_queue_hello(subscriber, &bounds);
	return true;
}

void subscriber_receive(struct subscriber *subscriber, struct str message)
{
	struct stream_request request;
	struct err err;
	int r;

	if (subscriber->state == SUBSCRIBER_CLOSING)
		return;
	r = stream_request_parse(message, &request, &err);
	if (r < 0 && subscriber->state == SUBSCRIBER_UNPROVED) {
		subscriber_refuse(subscriber, CLOSE_UNAUTHORIZED, "unauthorized",
				  "The first message must be a subscribe with a token.");
		return;
	}
	if (r < 0) {
		subscriber_queue_error(subscriber, r == -ENOTSUP ? "unknown_type" : "bad_request",
				       err.text);
		return;
	}
	if (subscriber->state != SUBSCRIBER_UNPROVED || prove(subscriber, &request))
		subscribe(subscriber, &request);
	stream_request_fini(&request);
}

void subscriber_start(struct subscriber *subscriber, struct str query)
{
	struct feed_bounds bounds = feed_bounds(subscriber->hub->config.feed);
	struct stream_request request;
	struct err err;
	bool any;

	if (subscriber->state == SUBSCRIBER_UNPROVED || is_one_too_many(subscriber))
		return;
	subscriber_queue_hello(subscriber, &bounds);
	if (stream_request_parse_query(query, &request, &any, &err) < 0) {
		subscriber_queue_error(subscriber, "bad_request", err.text);
		return;
	}
	if (any || subscriber->form == STREAM_CLOUDEVENTS)
		subscribe(subscriber, &request);
	stream_request_fini(&request);
}

void subscriber_begin(struct subscriber *subscriber, const struct stream_request *request)
{
	struct feed_bounds bounds = feed_bounds(subscriber->hub->config.feed);

	if (is_one_too_many(subscriber))
		return;
	subscriber_queue_hello(subscriber, &bounds);
	subscribe(subscriber, request);
}

void subscriber_tell_gap(struct subscriber *subscriber, int64_t seq)
{
	subscriber_queue_gap(subscriber, seq, seq);
}

bool subscriber_is_proved(const struct subscriber *subscriber)
{
	return subscriber->state != SUBSCRIBER_UNPROVED;
}

/* --- what the log says -------------------------------------------------------------------------
 */

void subscriber_new_log(struct subscriber *subscriber, const struct feed_bounds *bounds)
{
	if (subscriber->state == SUBSCRIBER_UNPROVED || subscriber->state == SUBSCRIBER_CLOSING)
		return;
	if (is_subscribed(subscriber) && is_other_epoch(subscriber, bounds))
		say_epoch_changed(subscriber);
	subscriber_queue_hello(subscriber, bounds);
	if (!is_subscribed(subscriber))
		return;
	if (subscriber->state == SUBSCRIBER_LIVE)
		subscriber_fall_behind(subscriber, subscriber->audience->seq);
	subscriber_drop_page(subscriber);
	subscriber->retry_us = 0;
	/* A log restored to an earlier point logs again what it lost: nothing of that is missed. */
	if (subscriber->live_wanted || subscriber->queued_seq > bounds->last_seq)
		subscriber->queued_seq = bounds->last_seq;
	subscriber->hub->config.wants_write(subscriber->ctx);
}

void subscriber_connected(struct subscriber *subscriber, const struct feed_bounds *bounds)
{
	if (!is_subscribed(subscriber))
		return;
	/* What was logged before it asked is not live; what was journaled since comes above. */
	if (subscriber->live_wanted && !subscriber->placed)
		subscriber->queued_seq = bounds->last_seq;
	subscriber->retry_us = 0;
	subscriber->hub->config.wants_write(subscriber->ctx);
}

/* --- the end -----------------------------------------------------------------------------------
 */

void subscriber_refuse(struct subscriber *subscriber, int close_code, const char *code,
		       const char *message)
{
	if (subscriber->state == SUBSCRIBER_CLOSING)
		return;
	subscriber_set_state(subscriber, SUBSCRIBER_CLOSING);
	subscriber_drop_queue(subscriber);
	subscriber->close_code = close_code;
	subscriber_queue_error(subscriber, code, message);
}

void subscriber_end(struct subscriber *subscriber, int close_code)
{
	if (subscriber->state == SUBSCRIBER_CLOSING)
		return;
	subscriber_set_state(subscriber, SUBSCRIBER_CLOSING);
	subscriber_drop_queue(subscriber);
	subscriber->close_code = close_code;
	subscriber->hub->config.wants_write(subscriber->ctx);
}

int subscriber_close_code(const struct subscriber *subscriber)
{
	return subscriber->close_code;
}

void subscriber_free(struct subscriber *subscriber)
{
	struct stream_hub *hub;

	if (!subscriber)
		return;
	hub = subscriber->hub;
	subscriber_set_state(subscriber, SUBSCRIBER_CLOSING);
	subscriber_drop_queue(subscriber);
	free(subscriber->accept_language);
	free(subscriber->account);
	*subscriber->link = subscriber->next;
	if (subscriber->next)
		subscriber->next->link = subscriber->link;
	hub->n_subscribers--;
	if (subscriber->pages_under_way == 0) {
		free(subscriber);
		return;
	}
	subscriber->gone = true;
	subscriber->next = hub->gone;
	subscriber->link = &hub->gone;
	if (subscriber->next)
		subscriber->next->link = &subscriber->next;
	hub->gone = subscriber;
}
