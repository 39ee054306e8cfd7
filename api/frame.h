/* Frame: one message on its way to clients, built once, shared by reference.
 *
 * In front of the text is room for a WebSocket header, which the sender writes there: unmasked, it
 * is the same bytes for every client. Thread: one (the count is not atomic).
 */
#ifndef API_FRAME_H
#define API_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define FRAME_ROOM 16 /* at least LWS_PRE */

struct frame {
	int refs;
	bool control;   /* of one client, about its subscription: never given up for want of room */
	size_t n_bytes; /* of the text */
	char *memory;   /* FRAME_ROOM, then the text */
};

/* Start a text that becomes a frame: puts the room in. `max_bytes` of the text. */
void frame_begin(struct strbuf *text, size_t max_bytes);
/* New, one reference; takes the memory of `text`, which may be begun again. Not for a text that
 * failed. */
struct frame *frame_finish(struct strbuf *text);
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame);       /* NULL is allowed */
/* The text as a WebSocket message, its header put in front of it. */
struct str frame_message(const struct frame *frame);
char *frame_text(const struct frame *frame); /* n_bytes; FRAME_ROOM writable bytes before it */

#endif
