#include "api/entry_cache.h"

#include <stdlib.h>
#include <string.h>

#include "api/stream_limits.h"
#include "base/mem.h"
#include "event/entry.h"

struct place {
	struct uuid delivery;
	int64_t seq; /* 0: provisional */
	uint32_t index;
	const char *language; /* NULL: empty */
	char *json;
	size_t len, size;
};

struct entry_cache {
	uint64_t version;
	struct place places[STREAM_CACHE_ENTRIES];
};

struct entry_cache *entry_cache_new(void)
{
	return xcalloc(1, sizeof(struct entry_cache));
}

void entry_cache_free(struct entry_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < STREAM_CACHE_ENTRIES; i++)
		free(cache->places[i].json);
	free(cache);
}

void entry_cache_expect(struct entry_cache *cache, uint64_t version)
{
	if (cache->version == version)
		return;
	cache->version = version;
	for (size_t i = 0; i < STREAM_CACHE_ENTRIES; i++)
		cache->places[i].language = NULL;
}

/* A delivery id ends in random bits; languages are few, and their tags stand apart in memory. */
static size_t place_of(const struct entry *entry, const char *language)
{
	uint64_t hash;

	memcpy(&hash, entry->delivery.b + sizeof(entry->delivery.b) - sizeof(hash), sizeof(hash));
	hash ^= (uint64_t)entry->event.index << 17 ^ (uint64_t)entry->seq;
	hash ^= (uint64_t)(uintptr_t)language * 0x9e3779b97f4a7c15u;
	hash *= 0xd6e8feb86659fd93u;
	return (size_t)(hash >> 32) % STREAM_CACHE_ENTRIES;
}

static bool holds(const struct place *place, const struct entry *entry, const char *language)
{
	return place->language == language && place->seq == entry->seq &&
	       place->index == entry->event.index && uuid_eq(place->delivery, entry->delivery);
}

struct str entry_cache_find(const struct entry_cache *cache, const struct entry *entry,
			    const char *language)
{
	const struct place *place = &cache->places[place_of(entry, language)];

	if (!holds(place, entry, language))
		return (struct str){ NULL, 0 };
	return (struct str){ place->json, place->len };
}

void entry_cache_keep(struct entry_cache *cache, const struct entry *entry, const char *language,
		      struct str json)
{
	struct place *place = &cache->places[place_of(entry, language)];

	if (json.len > STREAM_CACHE_ENTRY_BYTES)
		return;
	if (place->size < json.len) {
		place->json = xrealloc(place->json, json.len);
		place->size = json.len;
	}
	memcpy(place->json, json.p, json.len);
	place->len = json.len;
	place->delivery = entry->delivery;
	place->seq = entry->seq;
	place->index = entry->event.index;
	place->language = language;
}
