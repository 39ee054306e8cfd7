/* The same record twice in one delivery (iDRAC's SSE): kept once, when its time shows that both
 * tell of one moment. Same means all of it, whatever the order of its properties. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "event/decode_priv.h"
#include "event/delivery.h"

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

static uint64_t hash_text(const char *p, size_t len)
{
	return map_hash((struct str){ p, len });
}

static uint64_t hash_tree(const json_t *value)
{
	json_t *tree = (json_t *)(uintptr_t)value; /* jansson's iterators want it so */
	uint64_t h = mix((uint64_t)json_typeof(value) + 1);
	double real;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		for (void *it = json_object_iter(tree); it; it = json_object_iter_next(tree, it)) {
			const char *key = json_object_iter_key(it);

			h += mix(hash_text(key, strlen(key)) ^
				 mix(hash_tree(json_object_iter_value(it))));
		}
		return h;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++)
			h = mix(h + hash_tree(json_array_get(value, i)));
		return h;
	case JSON_STRING: return h ^ hash_text(json_string_value(value), json_string_length(value));
	case JSON_INTEGER: return h ^ mix((uint64_t)json_integer_value(value));
	case JSON_REAL:
		real = json_real_value(value);
		return h ^ hash_text((const char *)&real, sizeof(real));
	default: return h;
	}
}

static bool is_same(const struct decoding *d, uint32_t a, uint32_t b)
{
	/* What the trees left out must be equal as well. */
	if (d->lossy && !(d->places[a].p && d->places[b].p && str_eq(d->places[a], d->places[b])))
		return false;
	return json_equal(d->trees[a], d->trees[b]);
}

struct seen {
	uint64_t hash;
	uint32_t at; /* event + 1; 0: free */
};

/* The event that `i` repeats, or `i` itself, which is then remembered. */
static uint32_t find_or_add(const struct decoding *d, struct seen *table, size_t mask, uint32_t i)
{
	uint64_t hash = hash_tree(d->trees[i]);
	size_t slot = hash & mask;

	for (; table[slot].at != 0; slot = (slot + 1) & mask) {
		if (table[slot].hash == hash && is_same(d, table[slot].at - 1, i))
			return table[slot].at - 1;
	}
	table[slot] = (struct seen){ hash, i + 1 };
	return i;
}

void decode_drop_duplicates(struct decoding *d)
{
	struct delivery *delivery = d->delivery;
	uint32_t n = delivery->n_events, n_kept = 0;
	size_t size = 16;
	struct seen *table;

	if (n < 2)
		return;
	while (size < (size_t)n * 2)
		size *= 2;
	table = xcalloc(size, sizeof(table[0]));
	for (uint32_t i = 0; i < n; i++) {
		/* Only what is kept moves forwards, so that places before `i` hold kept ones. */
		d->events[n_kept] = d->events[i];
		d->trees[n_kept] = d->trees[i];
		d->places[n_kept] = d->places[i];
		if (d->trees[n_kept] && d->events[n_kept].event_time_sane) {
			uint32_t first = find_or_add(d, table, size - 1, n_kept);

			if (first != n_kept) {
				d->events[first].quirks |= QUIRK_BIT(DUPLICATE_RECORD);
				continue;
			}
		}
		n_kept++;
	}
	free(table);
	delivery->n_events = n_kept;
}
