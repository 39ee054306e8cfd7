#include "api/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_OF_TEXT 0x81 /* FIN, opcode 1: a text in one frame (RFC 6455 5.2) */

void frame_begin(struct strbuf *text, size_t max_bytes)
{
	static const char room[FRAME_ROOM];

	strbuf_init(text, max_bytes + FRAME_ROOM);
	strbuf_put(text, (struct str){ room, sizeof(room) });
}

struct frame *frame_finish(struct strbuf *text)
{
	struct frame *frame = xcalloc(1, sizeof(*frame));

	assert(!text->failed);
	frame->refs = 1;
	frame->n_bytes = text->len - FRAME_ROOM;
	frame->memory = xrealloc(text->p, text->len);
	strbuf_init(text, 0);
	return frame;
}

struct frame *frame_ref(struct frame *frame)
{
	frame->refs++;
	return frame;
}

void frame_unref(struct frame *frame)
{
	if (!frame || --frame->refs > 0)
		return;
	free(frame->memory);
	free(frame);
}

char *frame_text(const struct frame *frame)
{
	return frame->memory + FRAME_ROOM;
}

struct str frame_message(const struct frame *frame)
{
	unsigned char head[10] = { FIRST_OF_TEXT };
	size_t n_head = 2;
	char *start;

	if (frame->n_bytes < 126) {
		head[1] = (unsigned char)frame->n_bytes;
	} else {
		size_t n_length = frame->n_bytes < 65536 ? 2 : 8;

		head[1] = n_length == 2 ? 126 : 127;
		for (size_t i = 0; i < n_length; i++)
			head[n_head++] =
				(unsigned char)(frame->n_bytes >> 8 * (n_length - 1 - i));
	}
	start = frame_text(frame) - n_head;
	memcpy(start, head, n_head);
	return (struct str){ start, n_head + frame->n_bytes };
}
