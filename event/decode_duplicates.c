/* The same record twice in one delivery (iDRAC's SSE): kept once, when its time shows that both
 * tell of one moment. Same means all of it, whatever the order of its properties. */
#include <stdlib.h>

#include "base/mem.h"
#include "event/decode_priv.h"
#include "event/delivery.h"
#include "event/tree.h"

static bool is_same(const struct decoding *d, uint32_t a, uint32_t b)
{
	/* What the trees left out must be equal as well. */
	if (d->key_twice && !str_eq(d->trees[a]->place, d->trees[b]->place))
		return false;
	return tree_same(d->trees[a], d->trees[b]);
}

struct seen {
	uint64_t hash;
	uint32_t at; /* event + 1; 0: free */
};

/* The event that `i` repeats, or `i` itself, which is then remembered. */
static uint32_t find_or_add(const struct decoding *d, struct seen *table, size_t mask, uint32_t i)
{
	uint64_t hash = tree_hash(d->trees[i]);
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
