#include "api/frame.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

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
