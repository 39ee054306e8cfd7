#include "api/frame_cache.h"

#include <stdlib.h>

#include "api/frame.h"
#include "base/mem.h"
#include "event/entry.h"

#define PLACES 64 /* the frames of a turn in eight languages: at most 2 MiB, usually */

struct frame_cache {
	uint64_t version;
	struct kept_frame places[PLACES];
};

struct frame_cache *frame_cache_new(void)
{
	return xcalloc(1, sizeof(struct frame_cache));
}

static void empty(struct kept_frame *kept)
{
	frame_unref(kept->frame);
	*kept = (struct kept_frame){ .language = NULL };
}

void frame_cache_free(struct frame_cache *cache)
{
	for (size_t i = 0; cache && i < PLACES; i++)
		empty(&cache->places[i]);
	free(cache);
}

void frame_cache_expect(struct frame_cache *cache, uint64_t version)
{
	if (cache->version == version)
		return;
	cache->version = version;
	for (size_t i = 0; i < PLACES; i++)
		empty(&cache->places[i]);
}

static size_t place_of(const char *language, enum stream_form form, int64_t seq)
{
	uint64_t hash = (uint64_t)(uintptr_t)language * 0x9e3779b97f4a7c15u;

	hash = (hash ^ form ^ (uint64_t)seq << 1) * 0xd6e8feb86659fd93u;
	return (size_t)((hash >> 32) % PLACES);
}

const struct kept_frame *frame_cache_find(const struct frame_cache *cache, const char *language,
					  enum stream_form form, const struct entry *first,
					  size_t max_events)
{
	const struct kept_frame *kept = &cache->places[place_of(language, form, first->seq)];

	if (kept->language != language || kept->form != form || kept->max_events != max_events ||
	    kept->seq != first->seq || kept->index != first->event.index ||
	    !uuid_eq(kept->delivery, first->delivery))
		return NULL;
	return kept;
}

struct kept_frame *frame_cache_begin(struct frame_cache *cache, const char *language,
				     enum stream_form form, const struct entry *first,
				     size_t max_events)
{
	struct kept_frame *kept = &cache->places[place_of(language, form, first->seq)];

	empty(kept);
	kept->form = form;
	kept->delivery = first->delivery;
	kept->index = first->event.index;
	kept->seq = first->seq;
	kept->max_events = max_events;
	kept->language = language;
	return kept;
}

void frame_cache_keep(struct kept_frame *kept, size_t n_done, struct frame *frame)
{
	kept->n_done = n_done;
	kept->frame = frame ? frame_ref(frame) : NULL;
}

void kept_frame_mark(struct kept_frame *kept, size_t i)
{
	kept->passed[i / 8] |= (uint8_t)(1u << i % 8);
}

bool kept_frame_passed(const struct kept_frame *kept, size_t i)
{
	return kept->passed[i / 8] >> i % 8 & 1;
}
