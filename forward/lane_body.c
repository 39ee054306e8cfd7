/* What is put into the next delivery. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/entry.h"
#include "event/redfish_event.h"
#include "event/source_set.h"
#include "forward/forwarder_priv.h"

/* One subscription on one log: the same after a restart and on another replica. */
static struct uuid stream_of(const struct lane *lane)
{
	char epoch[UUID_TEXT_BYTES];
	char *text = xasprintf("%s %s", lane->name, uuid_format(lane->cursor.epoch, epoch));
	struct uuid stream = uuid_digest(STR("rfeventd subscription"), str_of(text));

	free(text);
	return stream;
}

/* As it was stored. What nobody had words for goes without: the receiver may have some. */
static struct wording words_for(const struct event *event)
{
	if (event->resolved_by.step == STEP_NONE)
		return (struct wording){ .message = event->sender_message,
					 .resolution = event->sender_resolution };
	return (struct wording){ .message = event->message, .resolution = event->resolution };
}

static void put(struct lane *lane, struct redfish_event *event, const struct entry *entry)
{
	const struct source_set *sources = lane->forwarder->sources;
	struct wording wording = words_for(&entry->event);
	size_t before = lane->body.len;

	if (lane->body.len == 0)
		redfish_event_begin(event);
	redfish_event_put(event, entry, sources ? source_set_by_id(sources, entry->source) : NULL,
			  &wording);
	if (!lane->body.failed) {
		lane->n_events++;
		return;
	}
	log_error("forward", "event too large for a delivery, left out", LOG_I("seq", entry->seq));
	lane->body.len = before;
	lane->body.failed = false;
	event->n--;
}

/* Entries [first, first + n). True when the body is full. */
static bool take_entries(struct lane *lane, struct redfish_event *event,
			 const struct entry_batch *batch, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		const struct entry *entry = &batch->entries[i];

		if (entry->seq <= lane->at)
			continue;
		if (destination_wants(lane->destination, entry))
			put(lane, event, entry);
		lane->at = entry->seq;
		if (lane->n_events >= lane->max_events || lane->body.len >= FORWARD_BATCH_BYTES)
			return true;
	}
	return false;
}

/* False when there is nothing more now. */
static bool read_on(struct lane *lane, struct redfish_event *event, size_t *n_seen)
{
	struct forwarder *forwarder = lane->forwarder;
	struct feed_piece piece;
	int64_t gap_to;
	bool full;

	switch (feed_read(forwarder->config.feed, lane->at, FORWARD_BATCH_EVENTS, &piece,
			  &gap_to)) {
	case FEED_READ:
		full = take_entries(lane, event, piece.batch, piece.first, piece.n);
		*n_seen += piece.n;
		entry_batch_unref(piece.batch);
		return !full;
	case FEED_GAP: lane->at = gap_to; return true;
	case FEED_ASK_LOG:
		lane->ticket = ++forwarder->last_ticket;
		lane->asked_last_seq = feed_bounds(forwarder->config.feed).last_seq;
		follower_ask_page(forwarder->follower, lane->at, FORWARD_BATCH_EVENTS, NULL,
				  lane->ticket);
		return false;
	default: return false;
	}
}

void lane_compose(struct lane *lane, struct entry_batch *page)
{
	struct redfish_event event = { .out = &lane->body,
				       .epoch = lane->cursor.epoch,
				       .context = str_of(lane->destination->context),
				       .stream = stream_of(lane),
				       .after = lane->cursor.seq };
	size_t n_seen = 0;
	bool more = true;

	slot_refresh(lane->forwarder->config.sources, &lane->forwarder->sources,
		     &lane->forwarder->sources_version);
	lane->n_events = 0;
	if (page)
		more = !take_entries(lane, &event, page, 0, page->n) && lane->n_events == 0;
	while (more && n_seen < FORWARD_SCAN_EVENTS)
		more = read_on(lane, &event, &n_seen);
	/* What waits for a page goes on its way meanwhile. */
	if (lane->n_events > 0) {
		lane->ticket = 0;
		redfish_event_end(&event, lane->at);
	} else {
		strbuf_reset(&lane->body);
	}
	if (n_seen >= FORWARD_SCAN_EVENTS)
		mailbox_wake(lane->forwarder->inbox); /* others have a turn first */
}

void lane_compose_heartbeat(struct lane *lane)
{
	char time[CLOCK_TEXT_BYTES], id[UUID_TEXT_BYTES];
	struct strbuf *out = &lane->body;

	uuid_format(uuid_v7(clock_time_us()), id);
	lane->n_events = 0;
	strbuf_putf(out,
		    "{\"@odata.type\":\"#Event.v1_13_0.Event\",\"Id\":\"%s\","
		    "\"Name\":\"Heartbeat of rfeventd\"",
		    id);
	if (lane->destination->context) {
		strbuf_put_text(out, ",\"Context\":");
		strbuf_put_json(out, str_of(lane->destination->context));
	}
	strbuf_putf(out,
		    ",\"Events\":[{\"MemberId\":\"0\",\"EventType\":\"Other\",\"EventId\":\"%s\","
		    "\"EventTimestamp\":\"%s\",\"MessageSeverity\":\"OK\",\"Severity\":\"OK\","
		    "\"MessageId\":\"HeartbeatEvent.1.1.RedfishServiceFunctional\",\"MessageArgs\":"
		    "[],\"Message\":\"Redfish service is functional.\",\"OriginOfCondition\":"
		    "{\"@odata.id\":\"/redfish/v1/EventService/Subscriptions/%s\"}}]}",
		    id, clock_format(clock_time_us(), time), lane->name);
}
