/* Open addressing with linear probing, at most 3/4 full; removal shifts the run back, so that there
 * are no tombstones. Hash: SipHash-1-3 (Aumasson and Bernstein), keyed per process. */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"

struct entry {
	struct str key;
	uint64_t hash;
	void *value; /* NULL: free */
};

struct map {
	struct entry *entries;
	size_t mask; /* places - 1; places are a power of two */
	size_t n;
};

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	secrets_random(seed, sizeof(seed));
}

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

uint64_t map_hash(struct str key)
{
	uint64_t v[4] = { 0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261,
			  0x7465646279746573 };
	uint64_t word;
	size_t i;

	pthread_once(&seed_once, make_seed);
	for (i = 0; i < 4; i++)
		v[i] ^= seed[i % 2];
	for (i = 0; key.len - i >= 8; i += 8) {
		memcpy(&word, key.p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)key.len << 56;
	for (size_t k = 0; i + k < key.len; k++)
		word |= (uint64_t)(unsigned char)key.p[i + k] << (8 * k);
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(size_t n_expected)
{
	struct map *map = xcalloc(1, sizeof(*map));
	size_t n_places = 8;

	while (n_places / 4 * 3 < n_expected)
		n_places *= 2;
	map->entries = xcalloc(n_places, sizeof(*map->entries));
	map->mask = n_places - 1;
	return map;
}

void map_free(struct map *map)
{
	if (!map)
		return;
	free(map->entries);
	free(map);
}

/* Where `key` is, or the free place where it would go. */
static struct entry *find(const struct map *map, struct str key, uint64_t hash)
{
	size_t at = hash & map->mask;

	for (;;) {
		struct entry *entry = &map->entries[at];

		if (!entry->value || (entry->hash == hash && str_eq(entry->key, key)))
			return entry;
		at = (at + 1) & map->mask;
	}
}

void *map_get(const struct map *map, struct str key)
{
	return find(map, key, map_hash(key))->value;
}

static void grow(struct map *map)
{
	struct entry *old = map->entries;
	size_t n_old = map->mask + 1;

	map->entries = xcalloc(n_old * 2, sizeof(*map->entries));
	map->mask = n_old * 2 - 1;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].value)
			*find(map, old[i].key, old[i].hash) = old[i];
	free(old);
}

void *map_put(struct map *map, struct str key, void *value)
{
	uint64_t hash = map_hash(key);
	struct entry *entry = find(map, key, hash);
	void *before = entry->value;

	if (!before && map->n + 1 > (map->mask + 1) / 4 * 3) {
		grow(map);
		entry = find(map, key, hash);
	}
	if (!before)
		map->n++;
	/* The key too: the old one may go with the old value. */
	*entry = (struct entry){ .key = key, .hash = hash, .value = value };
	return before;
}

void *map_remove(struct map *map, struct str key)
{
	struct entry *entry = find(map, key, map_hash(key));
	void *value = entry->value;
	size_t hole = (size_t)(entry - map->entries);

	if (!value)
		return NULL;
	for (size_t at = (hole + 1) & map->mask; map->entries[at].value;
	     at = (at + 1) & map->mask) {
		size_t home = map->entries[at].hash & map->mask;

		/* Stays when its home lies behind the hole. */
		if (((at - home) & map->mask) < ((at - hole) & map->mask))
			continue;
		map->entries[hole] = map->entries[at];
		hole = at;
	}
	map->entries[hole].value = NULL;
	map->n--;
	return value;
}

size_t map_count(const struct map *map)
{
	return map->n;
}

bool map_next(const struct map *map, size_t *cursor, struct str *key_out, void **value_out)
{
	while (*cursor <= map->mask) {
		const struct entry *entry = &map->entries[(*cursor)++];

		if (!entry->value)
			continue;
		*key_out = entry->key;
		*value_out = entry->value;
		return true;
	}
	return false;
}
