/* An open-addressed table from source to bundle; bundles are bit sets over the set's registries. */
#include "registries/holdings_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define WORD_BITS 64

struct bundle {
	struct bundle *next;
	uint64_t words[];
};

struct cell {
	struct uuid source;
	const struct bundle *bundle; /* NULL: free */
};

struct holdings {
	size_t n_words; /* of each bundle */
	struct map *by_words;
	struct bundle *bundles; /* owned, a list */
	struct cell *cells;
	size_t n, mask;
};

struct holdings *holdings_new(size_t n_registries)
{
	struct holdings *holdings = xcalloc(1, sizeof(*holdings));

	holdings->n_words = (n_registries + WORD_BITS - 1) / WORD_BITS;
	holdings->by_words = map_new(16);
	holdings->mask = 15;
	holdings->cells = xcalloc(holdings->mask + 1, sizeof(*holdings->cells));
	return holdings;
}

void holdings_free(struct holdings *holdings)
{
	struct bundle *next;

	if (!holdings)
		return;
	for (struct bundle *bundle = holdings->bundles; bundle; bundle = next) {
		next = bundle->next;
		free(bundle);
	}
	map_free(holdings->by_words);
	free(holdings->cells);
	free(holdings);
}

static struct str words_of(const struct holdings *holdings, const struct bundle *bundle)
{
	return (struct str){ (const char *)bundle->words,
			     holdings->n_words * sizeof(bundle->words[0]) };
}

/* The cell of this source, or the free one where it belongs. */
static struct cell *cell_of(const struct holdings *holdings, struct uuid source)
{
	size_t i = map_hash((struct str){ (const char *)&source, sizeof(source) });

	for (i &= holdings->mask; holdings->cells[i].bundle; i = (i + 1) & holdings->mask) {
		if (memcmp(&holdings->cells[i].source, &source, sizeof(source)) == 0)
			break;
	}
	return &holdings->cells[i];
}

static void grow(struct holdings *holdings)
{
	struct cell *old = holdings->cells;
	size_t n_old = holdings->mask + 1;

	holdings->mask = n_old * 2 - 1;
	holdings->cells = xcalloc(n_old * 2, sizeof(*holdings->cells));
	for (size_t i = 0; i < n_old; i++) {
		if (old[i].bundle)
			*cell_of(holdings, old[i].source) = old[i];
	}
	free(old);
}

/* The one bundle with these words; takes `bundle`. */
static const struct bundle *intern(struct holdings *holdings, struct bundle *bundle)
{
	const struct bundle *same = map_get(holdings->by_words, words_of(holdings, bundle));

	if (same) {
		free(bundle);
		return same;
	}
	map_put(holdings->by_words, words_of(holdings, bundle), bundle);
	bundle->next = holdings->bundles;
	holdings->bundles = bundle;
	return bundle;
}

void holdings_put(struct holdings *holdings, struct uuid source, const uint32_t *numbers, size_t n)
{
	struct bundle *bundle =
		xcalloc(1, sizeof(*bundle) + holdings->n_words * sizeof(bundle->words[0]));
	struct cell *cell;

	for (size_t i = 0; i < n; i++)
		bundle->words[numbers[i] / WORD_BITS] |= UINT64_C(1) << numbers[i] % WORD_BITS;
	if ((holdings->n + 1) * 2 > holdings->mask)
		grow(holdings);
	cell = cell_of(holdings, source);
	if (!cell->bundle)
		holdings->n++;
	*cell = (struct cell){ source, intern(holdings, bundle) };
}

size_t holdings_count(const struct holdings *holdings)
{
	return holdings ? holdings->n : 0;
}

const struct bundle *holdings_of(const struct holdings *holdings, struct uuid source)
{
	return holdings ? cell_of(holdings, source)->bundle : NULL;
}

bool bundle_has(const struct bundle *bundle, uint32_t number)
{
	return bundle->words[number / WORD_BITS] >> number % WORD_BITS & 1;
}
