#include "storage/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"

#define FIRST_SIZE 1024 /* a power of two */

struct seen {
	struct uuid key;
	int64_t received_us;
};

/* An entry whose time was changed in the running transaction. */
struct change {
	uint64_t at;
	int64_t before_us;
};

struct repeats {
	/* Entry number i, of [first, end), is at ring[i % size]; the index holds that place + 1, or
	 * 0: free. At most half full. */
	struct seen *ring;
	uint32_t *index;
	size_t size; /* of the ring, a power of two; the index is twice as large */
	uint64_t first, end, kept_end;
	struct change *changes;
	size_t n_changes, changes_size;
	size_t max_entries;
	int64_t window_us;
};

static void make_room(struct repeats *repeats, size_t size)
{
	repeats->size = size;
	repeats->ring = xcalloc(size, sizeof(repeats->ring[0]));
	repeats->index = xcalloc(2 * size, sizeof(repeats->index[0]));
}

struct repeats *repeats_new(size_t max_entries, int64_t window_us)
{
	struct repeats *repeats = xcalloc(1, sizeof(*repeats));

	repeats->max_entries = max_entries;
	repeats->window_us = window_us;
	make_room(repeats, FIRST_SIZE);
	return repeats;
}

void repeats_free(struct repeats *repeats)
{
	if (!repeats)
		return;
	free(repeats->ring);
	free(repeats->index);
	free(repeats->changes);
	free(repeats);
}

struct uuid repeats_hash(struct str body)
{
	uint8_t digest[SHA256_BYTES];
	struct uuid hash;

	secrets_sha256(body, digest);
	memcpy(hash.b, digest, sizeof(hash.b));
	return hash;
}

/* --- entries ------------------------------------------------------------------------------------
 */

static struct uuid key_of(struct uuid source, struct uuid hash)
{
	for (size_t i = 0; i < sizeof(hash.b); i++)
		hash.b[i] ^= source.b[i];
	return hash;
}

static struct seen *entry(const struct repeats *repeats, uint64_t at)
{
	return &repeats->ring[at & (repeats->size - 1)];
}

/* The number of the entry behind a used place of the index. */
static uint64_t number_at(const struct repeats *repeats, size_t place)
{
	uint64_t ring_place = repeats->index[place] - 1;

	return repeats->first + ((ring_place - repeats->first) & (repeats->size - 1));
}

static size_t home_of(const struct repeats *repeats, struct uuid key)
{
	uint64_t hash;

	memcpy(&hash, key.b, sizeof(hash));
	return hash & (2 * repeats->size - 1);
}

/* Where `key` is in the index, or would go. */
static size_t place_of(const struct repeats *repeats, struct uuid key)
{
	size_t mask = 2 * repeats->size - 1, place = home_of(repeats, key);

	while (repeats->index[place] != 0 &&
	       !uuid_eq(entry(repeats, number_at(repeats, place))->key, key))
		place = (place + 1) & mask;
	return place;
}

static void set_place(struct repeats *repeats, size_t place, uint64_t number)
{
	repeats->index[place] = (uint32_t)(number & (repeats->size - 1)) + 1;
}

/* Take `key` out of the index, moving up what probed past it. */
static void unindex(struct repeats *repeats, struct uuid key)
{
	size_t mask = 2 * repeats->size - 1, hole = place_of(repeats, key), next = hole;

	for (;;) {
		size_t home;

		next = (next + 1) & mask;
		if (repeats->index[next] == 0)
			break;
		home = home_of(repeats, entry(repeats, number_at(repeats, next))->key);
		/* It may move when its home is not between the hole and itself. */
		if (((next - home) & mask) >= ((next - hole) & mask)) {
			repeats->index[hole] = repeats->index[next];
			hole = next;
		}
	}
	repeats->index[hole] = 0;
}

static void grow(struct repeats *repeats)
{
	struct seen *old = repeats->ring;
	size_t old_size = repeats->size;

	free(repeats->index);
	make_room(repeats, 2 * old_size);
	for (uint64_t at = repeats->first; at < repeats->end; at++) {
		*entry(repeats, at) = old[at & (old_size - 1)];
		set_place(repeats, place_of(repeats, entry(repeats, at)->key), at);
	}
	free(old);
}

static void push(struct repeats *repeats, struct uuid key, int64_t received_us)
{
	if (repeats->end - repeats->first >= repeats->size)
		grow(repeats);
	*entry(repeats, repeats->end) = (struct seen){ key, received_us };
	set_place(repeats, place_of(repeats, key), repeats->end);
	repeats->end++;
}

static void note_change(struct repeats *repeats, uint64_t at)
{
	if (repeats->n_changes == repeats->changes_size) {
		repeats->changes_size = repeats->changes_size ? 2 * repeats->changes_size : 64;
		repeats->changes = xrealloc(repeats->changes,
					    repeats->changes_size * sizeof(repeats->changes[0]));
	}
	repeats->changes[repeats->n_changes++] =
		(struct change){ at, entry(repeats, at)->received_us };
}

/* --- public
 * --------------------------------------------------------------------------------------- */

bool repeats_has(const struct repeats *repeats, struct uuid source, struct uuid hash,
		 int64_t received_us)
{
	size_t place = place_of(repeats, key_of(source, hash));
	int64_t apart_us;

	if (repeats->index[place] == 0)
		return false;
	apart_us = received_us - entry(repeats, number_at(repeats, place))->received_us;
	return apart_us <= repeats->window_us && -apart_us <= repeats->window_us;
}

void repeats_add(struct repeats *repeats, struct uuid source, struct uuid hash, int64_t received_us)
{
	struct uuid key = key_of(source, hash);
	size_t place = place_of(repeats, key);

	if (repeats->index[place] == 0) {
		push(repeats, key, received_us);
		return;
	}
	note_change(repeats, number_at(repeats, place));
	entry(repeats, number_at(repeats, place))->received_us = received_us;
}

static bool is_forgotten(const struct repeats *repeats, int64_t newest_us)
{
	if (repeats->end == repeats->first)
		return false;
	return repeats->end - repeats->first > repeats->max_entries ||
	       entry(repeats, repeats->first)->received_us + repeats->window_us < newest_us;
}

void repeats_keep(struct repeats *repeats, int64_t newest_us)
{
	while (is_forgotten(repeats, newest_us)) {
		unindex(repeats, entry(repeats, repeats->first)->key);
		repeats->first++;
	}
	repeats->kept_end = repeats->end;
	repeats->n_changes = 0;
}

void repeats_undo(struct repeats *repeats)
{
	while (repeats->n_changes > 0) {
		const struct change *change = &repeats->changes[--repeats->n_changes];

		entry(repeats, change->at)->received_us = change->before_us;
	}
	while (repeats->end > repeats->kept_end) {
		unindex(repeats, entry(repeats, repeats->end - 1)->key);
		repeats->end--;
	}
}

void repeats_clear(struct repeats *repeats)
{
	memset(repeats->index, 0, 2 * repeats->size * sizeof(repeats->index[0]));
	repeats->first = repeats->end = repeats->kept_end = 0;
	repeats->n_changes = 0;
}

size_t repeats_count(const struct repeats *repeats)
{
	return repeats->end - repeats->first;
}
