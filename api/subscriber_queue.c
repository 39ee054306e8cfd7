/* The queue of a subscriber: what waits for its socket, and what it is told about its subscription.
 */
#include <stdlib.h>

#include "api/cloud_event.h"
#include "api/frame.h"
#include "api/sse_format.h"
#include "api/stream_priv.h"
#include "api/subscriber.h"
#include "api/websocket_protocol.h"
#include "base/mem.h"
#include "event/entry.h"
#include "stream/words.h"

#define CONTROL_MAX_BYTES 8192 /* the words of an error, every byte of them escaped */
#define QUEUE_PLACES      ARRAY_LEN(((struct subscriber *)0)->queue)

struct frame *subscriber_pop(struct subscriber *subscriber)
{
	struct frame *frame;

	if (subscriber->n_queue == 0)
		return NULL;
	frame = subscriber->queue[subscriber->queue_head];
	subscriber->queue_head = (subscriber->queue_head + 1) % QUEUE_PLACES;
	subscriber->n_queue--;
	subscriber->queue_bytes -= frame->n_bytes;
	return frame;
}

static bool has_room(const struct subscriber *subscriber, const struct frame *frame)
{
	if (frame->control)
		return subscriber->n_queue < QUEUE_PLACES;
	if (subscriber->n_queue == 0)
		return true;
	return subscriber->n_queue < STREAM_QUEUE_FRAMES &&
	       subscriber->queue_bytes + frame->n_bytes <= STREAM_QUEUE_BYTES;
}

bool subscriber_queue(struct subscriber *subscriber, struct frame *frame)
{
	if (!has_room(subscriber, frame))
		return false;
	subscriber->queue[(subscriber->queue_head + subscriber->n_queue) % QUEUE_PLACES] =
		frame_ref(frame);
	subscriber->n_queue++;
	subscriber->queue_bytes += frame->n_bytes;
	subscriber->hub->config.wants_write(subscriber->ctx);
	return true;
}

void subscriber_drop_events(struct subscriber *subscriber)
{
	size_t n = subscriber->n_queue;

	while (n-- > 0) {
		struct frame *frame = subscriber_pop(subscriber);

		if (frame->control)
			subscriber_queue(subscriber, frame);
		frame_unref(frame);
	}
}

void subscriber_drop_queue(struct subscriber *subscriber)
{
	struct frame *frame;

	while ((frame = subscriber_pop(subscriber)))
		frame_unref(frame);
}

/* --- control messages --------------------------------------------------------------------------
 */

static void begin(struct subscriber *subscriber, const char *kind, struct strbuf *text)
{
	frame_begin(text, CONTROL_MAX_BYTES);
	if (subscriber->form == STREAM_CLOUDEVENTS)
		cloud_event_control_head(text, kind);
}

/* Takes the text. */
static struct frame *finish(struct subscriber *subscriber, struct strbuf *text)
{
	if (subscriber->form == STREAM_CLOUDEVENTS)
		cloud_event_tail(text);
	return frame_finish(text);
}

/* Takes the text. A client that lets even these pile up is sent away. */
static void queue_control(struct subscriber *subscriber, struct strbuf *text)
{
	struct frame *frame = finish(subscriber, text);

	frame->control = true;
	if (!subscriber_queue(subscriber, frame))
		subscriber_end(subscriber, CLOSE_TRY_AGAIN);
	frame_unref(frame);
}

/* Events are missing before `seq`, where it goes on. */
static void queue_sse_gap(struct subscriber *subscriber, int64_t seq)
{
	struct stream_hub *hub = subscriber->hub;
	const char *language = words_language(hub->words, str_of(subscriber->accept_language));
	const struct entry entry = { .seq = seq,
				     .received_us = clock_time_us(),
				     .event = { .message_id = STR(SSE_GAP_MESSAGE),
						.severity = SEVERITY_WARNING } };
	struct wording wording = words_of(hub->words, &entry, language);
	struct strbuf text;

	frame_begin(&text, CONTROL_MAX_BYTES);
	sse_gap(&text, feed_bounds(hub->config.feed).epoch, seq, wording.message);
	queue_control(subscriber, &text);
}

static void queue_sse_comment(struct subscriber *subscriber, const char *words)
{
	struct strbuf text;

	frame_begin(&text, CONTROL_MAX_BYTES);
	sse_comment(&text, words);
	queue_control(subscriber, &text);
}

void subscriber_queue_error(struct subscriber *subscriber, const char *code, const char *message)
{
	struct strbuf text;

	/* The client comes again, to where the log ends now: it knows that it missed some. */
	if (subscriber->form == STREAM_SSE) {
		if (subscriber->state != SUBSCRIBER_CLOSING)
			queue_sse_gap(subscriber,
				      feed_bounds(subscriber->hub->config.feed).last_seq);
		subscriber_set_state(subscriber, SUBSCRIBER_CLOSING);
		subscriber->close_code = CLOSE_TRY_AGAIN;
		return;
	}
	begin(subscriber, "error", &text);
	stream_error(&text, code, message);
	queue_control(subscriber, &text);
}

void subscriber_queue_hello(struct subscriber *subscriber, const struct feed_bounds *bounds)
{
	struct strbuf text;

	if (subscriber->form == STREAM_SSE) {
		queue_sse_comment(subscriber, "events of rfeventd");
		return;
	}
	begin(subscriber, "hello", &text);
	stream_hello(&text, bounds->epoch, bounds->oldest_seq, bounds->last_seq);
	queue_control(subscriber, &text);
}

void subscriber_queue_changed(struct subscriber *subscriber, int64_t seq, const char *language)
{
	struct strbuf text;

	begin(subscriber, "position", &text);
	stream_position(&text, seq, language);
	queue_control(subscriber, &text);
}

void subscriber_queue_caught_up(struct subscriber *subscriber, int64_t seq)
{
	struct strbuf text;

	subscriber->placed = true;
	if (subscriber->caught_up_said)
		return;
	subscriber->caught_up_said = true;
	if (subscriber->form == STREAM_SSE) {
		subscriber_queue_position(subscriber, seq);
		return;
	}
	begin(subscriber, "caught_up", &text);
	stream_caught_up(&text, seq);
	queue_control(subscriber, &text);
}

void subscriber_queue_position(struct subscriber *subscriber, int64_t seq)
{
	struct strbuf text;
	struct frame *frame;

	subscriber->position_us = clock_monotonic_us();
	begin(subscriber, "position", &text);
	if (subscriber->form == STREAM_SSE)
		sse_position(&text, feed_bounds(subscriber->hub->config.feed).epoch, seq);
	else
		stream_position(&text, seq, NULL);
	frame = finish(subscriber, &text);
	/* Without room there are events enough to tell the position by. */
	subscriber_queue(subscriber, frame);
	frame_unref(frame);
}

/* Seqs that nothing stands behind any more (retention), or never will (a restored database). */
void subscriber_queue_gap(struct subscriber *subscriber, int64_t from, int64_t to)
{
	struct feed_bounds bounds = feed_bounds(subscriber->hub->config.feed);
	struct strbuf text;

	if (subscriber->form == STREAM_SSE) {
		queue_sse_gap(subscriber, to);
		return;
	}
	begin(subscriber, "gap", &text);
	stream_gap(&text, from, to, to < bounds.oldest_seq ? "retention" : "lost");
	queue_control(subscriber, &text);
}
