#include "api/stream_hub.h"

#include <stdlib.h>
#include <string.h>

#include "api/cloud_event.h"
#include "api/entry_cache.h"
#include "api/frame.h"
#include "api/frame_cache.h"
#include "api/sse_format.h"
#include "api/stream_priv.h"
#include "api/subscriber.h"
#include "api/websocket_protocol.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "event/entry.h"
#include "event/filter.h"
#include "event/source_set.h"
#include "stream/words.h"

#define POSITION_US       (9 * CLOCK_US_PER_S) /* and a tick: at least every 10 s */
#define TURN_FRAMES       8                    /* of one audience, before its members may write */
#define PROVISIONAL_ITEMS 256                  /* of the inbox, besides one page for each client */

struct stream_hub *stream_hub_new(const struct stream_hub_config *config)
{
	struct stream_hub *hub = xcalloc(1, sizeof(*hub));
	struct feed_bounds bounds;

	hub->config = *config;
	if (hub->config.position_us == 0)
		hub->config.position_us = POSITION_US;
	if (hub->config.max_per_account == 0)
		hub->config.max_per_account = STREAM_MAX_PER_ACCOUNT;
	hub->inbox = mailbox_new(STREAM_MAX_CLIENTS + PROVISIONAL_ITEMS);
	hub->follower = follower_open(config->feed, hub->inbox);
	hub->line_end = &hub->line;
	hub->words = words_new(config->registries, config->catalogs, config->default_language);
	hub->cache = entry_cache_new();
	hub->frames = frame_cache_new();
	bounds = feed_bounds(config->feed);
	hub->generation = bounds.generation;
	hub->connected = bounds.connected;
	return hub;
}

static void drop_items(struct mailbox_item *item)
{
	while (item) {
		struct mailbox_item *next = item->next;

		feed_item_free(CONTAINER_OF(item, struct feed_item, item));
		item = next;
	}
}

void stream_hub_free(struct stream_hub *hub)
{
	if (!hub)
		return;
	follower_close(hub->follower);
	drop_items(mailbox_take(hub->inbox));
	mailbox_free(hub->inbox);
	while (hub->gone) {
		struct subscriber *next = hub->gone->next;

		free(hub->gone);
		hub->gone = next;
	}
	words_free(hub->words);
	entry_cache_free(hub->cache);
	frame_cache_free(hub->frames);
	source_set_unref(hub->sources);
	free(hub);
}

int stream_hub_fd(struct stream_hub *hub)
{
	return mailbox_fd(hub->inbox);
}

/* --- audiences ---------------------------------------------------------------------------------
 */

static struct str filter_text(const struct filter *filter)
{
	return filter ? filter->text : STR("");
}

struct audience *audience_get(struct stream_hub *hub, const char *language, struct filter *filter,
			      bool events, enum stream_form form)
{
	struct audience *audience;

	for (audience = hub->audiences; audience; audience = audience->next) {
		if (audience->events == events && audience->form == form &&
		    strcmp(audience->language, language) == 0 &&
		    str_eq(filter_text(audience->filter), filter_text(filter))) {
			filter_free(filter);
			return audience;
		}
	}
	audience = xcalloc(1, sizeof(*audience));
	audience->hub = hub;
	audience->language = language;
	audience->filter = filter;
	audience->events = events;
	audience->form = form;
	audience->position_us = clock_monotonic_us();
	audience->next = hub->audiences;
	audience->link = &hub->audiences;
	if (audience->next)
		audience->next->link = &audience->next;
	hub->audiences = audience;
	hub->n_audiences++;
	return audience;
}

void audience_add(struct audience *audience, struct subscriber *subscriber)
{
	subscriber->audience = audience;
	subscriber->next_member = audience->members;
	subscriber->member_link = &audience->members;
	if (subscriber->next_member)
		subscriber->next_member->member_link = &subscriber->next_member;
	audience->members = subscriber;
	audience->n_members++;
}

void audience_remove(struct subscriber *subscriber)
{
	struct audience *audience = subscriber->audience;

	if (!audience)
		return;
	subscriber->audience = NULL;
	*subscriber->member_link = subscriber->next_member;
	if (subscriber->next_member)
		subscriber->next_member->member_link = subscriber->member_link;
	if (--audience->n_members > 0)
		return;
	*audience->link = audience->next;
	if (audience->next)
		audience->next->link = audience->link;
	audience->hub->n_audiences--;
	filter_free(audience->filter);
	free(audience);
}

/* --- writing events ----------------------------------------------------------------------------
 */

/* The entry as JSON in the audience's language: once for all audiences of that language. */
static void write_json(struct audience *audience, const struct entry *entry, struct strbuf *out)
{
	struct stream_hub *hub = audience->hub;
	const struct source *source =
		hub->sources ? source_set_by_id(hub->sources, entry->source) : NULL;
	bool shared = hub->n_audiences > 1;
	struct str known = { NULL, 0 };
	struct wording wording;
	size_t before = out->len;

	if (shared)
		known = entry_cache_find(hub->cache, entry, audience->language);
	if (known.p) {
		strbuf_put(out, known);
		return;
	}
	wording = words_of(hub->words, entry, audience->language);
	entry_encode(out, entry, source, &wording);
	if (shared && !out->failed)
		entry_cache_keep(hub->cache, entry, audience->language,
				 (struct str){ out->p + before, out->len - before });
}

static bool lets_pass(const struct audience *audience, const struct entry *entry)
{
	const struct stream_hub *hub = audience->hub;
	const struct source *source =
		hub->sources ? source_set_by_id(hub->sources, entry->source) : NULL;

	return filter_match(audience->filter, entry, source);
}

/* Append one entry if it is for this audience. False when it is not (or cannot be shown). */
static bool write_entry(struct audience *audience, const struct entry *entry, bool first,
			struct strbuf *out)
{
	size_t before = out->len;

	if (!lets_pass(audience, entry))
		return false;
	if (audience->form == STREAM_CLOUDEVENTS)
		cloud_event_head(out, entry);
	else if (!first)
		strbuf_put_char(out, ',');
	write_json(audience, entry, out);
	if (audience->form == STREAM_CLOUDEVENTS)
		cloud_event_tail(out);
	if (!out->failed)
		return true;
	log_warn("api", "event too large for the stream, left out", LOG_I("seq", entry->seq));
	out->len = before;
	out->failed = false;
	return false;
}

/* Events that pass as one payload. */
static struct frame *write_sse(struct audience *audience, const struct entry *entries,
			       size_t max_events, struct kept_frame *kept, size_t *n_done)
{
	struct stream_hub *hub = audience->hub;
	struct strbuf out;
	struct redfish_event event = { .out = &out, .epoch = feed_bounds(hub->config.feed).epoch };
	size_t i;

	frame_begin(&out, STREAM_EVENT_MAX_BYTES);
	sse_events_head(&event);
	for (i = 0; i < max_events && event.n < STREAM_FRAME_EVENTS && out.len < STREAM_FRAME_BYTES;
	     i++) {
		const struct source *source =
			hub->sources ? source_set_by_id(hub->sources, entries[i].source) : NULL;
		struct wording wording;

		if (!filter_match(audience->filter, &entries[i], source))
			continue;
		wording = words_of(hub->words, &entries[i], audience->language);
		redfish_event_put(&event, &entries[i], source, &wording);
		if (kept)
			kept_frame_mark(kept, i);
	}
	*n_done = i;
	if (event.n > 0)
		sse_events_tail(&event);
	if (event.n == 0 || out.failed) {
		if (out.failed)
			log_warn("api", "event too large for server-sent events, left out",
				 LOG_I("seq", entries[0].seq));
		strbuf_fini(&out);
		return NULL;
	}
	return frame_finish(&out);
}

/* The frame that another audience was given, when this one is to have the same. */
static const struct kept_frame *same_for_another(struct audience *audience,
						 const struct entry *entries, size_t max_events)
{
	const struct kept_frame *kept = frame_cache_find(audience->hub->frames, audience->language,
							 audience->form, entries, max_events);

	for (size_t i = 0; kept && i < kept->n_done; i++)
		if (lets_pass(audience, &entries[i]) != kept_frame_passed(kept, i))
			return NULL;
	return kept;
}

/* Write a frame; NULL when nothing passed. `kept` is told what did, unless it is NULL. */
static struct frame *write_frame(struct audience *audience, const struct entry *entries,
				 size_t max_events, bool provisional, struct kept_frame *kept,
				 size_t *n_done)
{
	bool cloud = audience->form == STREAM_CLOUDEVENTS;
	size_t i, n_written = 0, most = cloud ? 1 : STREAM_FRAME_EVENTS;
	struct strbuf out;

	if (audience->form == STREAM_SSE)
		return write_sse(audience, entries, max_events, kept, n_done);
	frame_begin(&out, STREAM_EVENT_MAX_BYTES);
	if (!cloud)
		stream_events_head(&out, provisional);
	for (i = 0; i < max_events && n_written < most && out.len < STREAM_FRAME_BYTES; i++) {
		if (!write_entry(audience, &entries[i], n_written == 0, &out))
			continue;
		n_written++;
		if (kept)
			kept_frame_mark(kept, i);
	}
	*n_done = i;
	if (n_written == 0) {
		strbuf_fini(&out);
		return NULL;
	}
	if (!cloud)
		stream_events_tail(&out);
	return frame_finish(&out);
}

struct frame *audience_write(struct audience *audience, const struct entry_batch *batch,
			     size_t first, size_t max_events, bool provisional, size_t *n_done)
{
	struct stream_hub *hub = audience->hub;
	const struct entry *entries = &batch->entries[first];
	const struct kept_frame *same;
	struct kept_frame *kept = NULL;
	struct frame *frame;
	uint64_t version;

	*n_done = max_events;
	/* The same CloudEvent again, with its seq, would pass for a repeat. */
	if (!audience->events || (audience->form != STREAM_RFEVENTS && provisional))
		return NULL;
	slot_refresh(hub->config.sources, &hub->sources, &hub->sources_version);
	version = hub->sources_version + words_version(hub->words);
	entry_cache_expect(hub->cache, version);
	frame_cache_expect(hub->frames, version + hub->generation);
	if (hub->n_audiences > 1 && !provisional && max_events <= STREAM_SCAN_EVENTS) {
		same = same_for_another(audience, entries, max_events);
		if (same) {
			*n_done = same->n_done;
			return same->frame ? frame_ref(same->frame) : NULL;
		}
		kept = frame_cache_begin(hub->frames, audience->language, audience->form, entries,
					 max_events);
	}
	frame = write_frame(audience, entries, max_events, provisional, kept, n_done);
	if (kept)
		frame_cache_keep(kept, *n_done, frame);
	return frame;
}

/* --- fan-out -----------------------------------------------------------------------------------
 */

static void send_to_live(struct audience *audience, struct frame *frame)
{
	struct subscriber *next;

	for (struct subscriber *s = audience->members; s; s = next) {
		next = s->next_member;
		if (s->state == SUBSCRIBER_LIVE && !subscriber_queue(s, frame))
			subscriber_fall_behind(s, audience->seq);
	}
}

/* What cannot come from the ring its members fetch one by one. */
static void dissolve(struct audience *audience)
{
	struct subscriber *next;

	for (struct subscriber *s = audience->members; s; s = next) {
		next = s->next_member;
		if (s->state == SUBSCRIBER_LIVE)
			subscriber_fall_behind(s, audience->seq);
	}
}

static void observe(struct stream_hub *hub, const struct entry *first, int64_t last_seq)
{
	if (first->seq <= hub->observed_seq)
		return;
	hub->observed_seq = last_seq;
	metric_observe(METRIC_DELIVER_TO_STREAM,
		       (double)(clock_time_us() - first->received_us) / CLOCK_US_PER_S);
}

/* One piece of the ring to all live members. False when there is nothing more for them. */
static bool advance(struct audience *audience, size_t *n_frames)
{
	struct feed_piece piece;
	int64_t gap_to;
	size_t done = 0;

	switch (feed_read(audience->hub->config.feed, audience->seq, STREAM_SCAN_EVENTS, &piece,
			  &gap_to)) {
	case FEED_READ: break;
	case FEED_CAUGHT_UP: return false;
	default: dissolve(audience); return false;
	}
	while (done < piece.n && audience->n_live > 0) {
		size_t n;
		struct frame *frame = audience_write(audience, piece.batch, piece.first + done,
						     piece.n - done, false, &n);
		const struct entry *entries = &piece.batch->entries[piece.first + done];

		if (frame) {
			observe(audience->hub, entries, entries[n - 1].seq);
			send_to_live(audience, frame);
			frame_unref(frame);
			++*n_frames;
		}
		audience->seq = entries[n - 1].seq;
		done += n;
		if (*n_frames >= TURN_FRAMES)
			break;
	}
	entry_batch_unref(piece.batch);
	return audience->n_live > 0;
}

/* Those who came to the end of the feed before their audience look again. */
static void wake_joining(struct audience *audience)
{
	for (struct subscriber *s = audience->members; s; s = s->next_member) {
		if (!s->joining)
			continue;
		s->joining = false;
		audience->hub->config.wants_write(s->ctx);
	}
}

/* False when there is more for the next turn. */
static bool advance_audience(struct audience *audience)
{
	size_t n_frames = 0;
	bool more = audience->n_live > 0;

	while (more && n_frames < TURN_FRAMES)
		more = advance(audience, &n_frames);
	wake_joining(audience);
	return !more;
}

static void send_provisional(struct audience *audience, const struct entry_batch *batch)
{
	size_t done = 0;

	while (done < batch->n) {
		size_t n;
		struct frame *frame =
			audience_write(audience, batch, done, batch->n - done, true, &n);

		/* Best effort: whoever has no room gets it with its seq. */
		for (struct subscriber *s = frame ? audience->members : NULL; s; s = s->next_member)
			if (s->state == SUBSCRIBER_LIVE || s->waiting)
				subscriber_queue(s, frame);
		frame_unref(frame);
		done += n;
	}
}

static void take_item(struct stream_hub *hub, struct feed_item *item)
{
	if (item->kind == FEED_PAGE)
		subscriber_take_page(item->reader, item);
	else
		for (struct audience *a = hub->audiences; a; a = a->next)
			send_provisional(a, item->batch);
	feed_item_free(item);
}

/* Tell the subscribers what the loader found out about the log. */
static void follow_log(struct stream_hub *hub)
{
	struct feed_bounds bounds = feed_bounds(hub->config.feed);
	bool new_log = bounds.generation != hub->generation;
	bool new_connection = bounds.connected && !hub->connected;
	struct subscriber *next;

	hub->generation = bounds.generation;
	hub->connected = bounds.connected;
	if (!new_log && !new_connection)
		return;
	if (new_log)
		hub->observed_seq = 0;
	for (struct subscriber *s = hub->subscribers; s; s = next) {
		next = s->next;
		if (new_log)
			subscriber_new_log(s, &bounds);
		if (new_connection)
			subscriber_connected(s, &bounds);
	}
}

void stream_hub_turn(struct stream_hub *hub)
{
	/* Taken before reading, so that what is published after wakes us again. */
	struct mailbox_item *item = mailbox_take(hub->inbox);
	bool done = true;

	follow_log(hub);
	while (item) {
		struct mailbox_item *next = item->next;

		take_item(hub, CONTAINER_OF(item, struct feed_item, item));
		item = next;
	}
	for (struct audience *a = hub->audiences; a; a = a->next)
		done = advance_audience(a) && done;
	if (!done)
		mailbox_wake(hub->inbox);
}

/* --- once a second -----------------------------------------------------------------------------
 */

static void send_positions(struct audience *audience, int64_t now_us)
{
	struct stream_hub *hub = audience->hub;
	bool live_due = now_us - audience->position_us >= hub->config.position_us;

	if (!audience->filter)
		return;
	for (struct subscriber *s = audience->members; s; s = s->next_member) {
		if (s->state == SUBSCRIBER_LIVE && live_due)
			subscriber_queue_position(s, audience->seq);
		else if (s->state == SUBSCRIBER_BEHIND && !s->ahead_since_us &&
			 now_us - s->position_us >= hub->config.position_us)
			subscriber_queue_position(s, s->queued_seq);
	}
	if (live_due)
		audience->position_us = now_us;
}

/* Who logged in with an account that is gone since is sent away. */
static void look_at_accounts(struct stream_hub *hub)
{
	const struct stream_hub_config *config = &hub->config;

	for (struct subscriber *s = hub->subscribers; s && config->may_follow; s = s->next)
		if (s->account && !config->may_follow(config->auth_ctx, s->account))
			subscriber_refuse(s, CLOSE_UNAUTHORIZED, "unauthorized",
					  "The account is disabled or gone.");
}

void stream_hub_tick(struct stream_hub *hub)
{
	int64_t last_seq = feed_bounds(hub->config.feed).last_seq, now_us = clock_monotonic_us();
	int64_t lag = 0;

	for (struct audience *a = hub->audiences; a; a = a->next) {
		send_positions(a, now_us);
		for (struct subscriber *s = a->members; s; s = s->next_member) {
			int64_t at = s->state == SUBSCRIBER_LIVE ? a->seq : s->queued_seq;

			if (last_seq - at > lag)
				lag = last_seq - at;
			if (s->state != SUBSCRIBER_BEHIND)
				continue;
			subscriber_give_up_page(s, now_us);
			hub->config.wants_write(s->ctx);
		}
	}
	if (!hub->config.is_second)
		metric_set(METRIC_STREAM_LAG, NULL, (double)lag);
	look_at_accounts(hub);
}
