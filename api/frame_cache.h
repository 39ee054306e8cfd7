/* Frame cache: the newest frames of each language and form, for audiences whose filters let the same
 * events pass. Most filters let pass all of a batch, or none: what they tell their clients is the
 * same bytes, made once.
 *
 * Everything is forgotten when words, sources or the log change. Thread: its hub's.
 */
#ifndef API_FRAME_CACHE_H
#define API_FRAME_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/stream_hub.h"
#include "api/stream_limits.h"
#include "base/uuid.h"

struct entry;
struct frame;
struct frame_cache;

/* What a frame was made of: of `n_done` entries from `first` on, with at most `max_events` to look
 * at, those that are marked. */
struct kept_frame {
	const char *language; /* a tag that is the same pointer each time; NULL: empty */
	enum stream_form form;
	struct uuid delivery; /* of the first entry, like the next two */
	uint32_t index;
	int64_t seq;
	size_t max_events, n_done;
	uint8_t passed[STREAM_SCAN_EVENTS / 8];
	struct frame *frame; /* a reference; NULL: none of them passed */
};

struct frame_cache *frame_cache_new(void);        /* new, never NULL */
void frame_cache_free(struct frame_cache *cache); /* NULL is allowed */
/* Forget everything unless `version` is what it was the last time. */
void frame_cache_expect(struct frame_cache *cache, uint64_t version);
/* The frame that begins with `first`, NULL when it is not there. Good until the next call. */
const struct kept_frame *frame_cache_find(const struct frame_cache *cache, const char *language,
					  enum stream_form form, const struct entry *first,
					  size_t max_events);
/* Empties the place for such a frame and gives it, to be marked; frame_cache_keep() completes it.
 */
struct kept_frame *frame_cache_begin(struct frame_cache *cache, const char *language,
				     enum stream_form form, const struct entry *first,
				     size_t max_events);
void frame_cache_keep(struct kept_frame *kept, size_t n_done, struct frame *frame);
void kept_frame_mark(struct kept_frame *kept, size_t i);
bool kept_frame_passed(const struct kept_frame *kept, size_t i);

#endif
