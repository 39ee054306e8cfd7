#include "stream/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "event/entry.h"

#define FIRST_SIZE 64

static struct ring_span *span_at(const struct ring *ring, size_t i)
{
	return &ring->spans[(ring->head + i) % ring->size];
}

void ring_init(struct ring *ring, size_t max_events, size_t max_bytes)
{
	*ring = (struct ring){ .max_events = max_events, .max_bytes = max_bytes };
}

void ring_fini(struct ring *ring)
{
	ring_clear(ring);
	free(ring->spans);
	ring->spans = NULL;
	ring->size = 0;
}

static void drop_oldest(struct ring *ring)
{
	struct ring_span *span = span_at(ring, 0);

	ring->n_events -= span->n;
	ring->n_bytes -= span->n_bytes;
	entry_batch_unref(span->batch);
	ring->head = (ring->head + 1) % ring->size;
	ring->n_spans--;
}

void ring_clear(struct ring *ring)
{
	while (ring->n_spans > 0)
		drop_oldest(ring);
}

int64_t ring_first_seq(const struct ring *ring)
{
	return ring->n_spans ? span_at(ring, 0)->first_seq : 0;
}

int64_t ring_last_seq(const struct ring *ring)
{
	const struct ring_span *span;

	if (ring->n_spans == 0)
		return 0;
	span = span_at(ring, ring->n_spans - 1);
	return span->first_seq + (int64_t)span->n - 1;
}

/* What holding the batch keeps alive: the deliveries' arenas are most of it. */
static size_t batch_bytes(const struct entry_batch *batch)
{
	size_t n_bytes = sizeof(*batch) + batch->n * sizeof(batch->entries[0]);

	if (batch->arena)
		n_bytes += arena_held(batch->arena);
	for (size_t i = 0; i < batch->n_held; i++)
		n_bytes += arena_held(batch->held[i]->arena);
	return n_bytes;
}

static void grow(struct ring *ring)
{
	size_t size = ring->size ? 2 * ring->size : FIRST_SIZE;
	struct ring_span *spans = xcalloc(size, sizeof(*spans));

	for (size_t i = 0; i < ring->n_spans; i++)
		spans[i] = *span_at(ring, i);
	free(ring->spans);
	ring->spans = spans;
	ring->size = size;
	ring->head = 0;
}

void ring_append(struct ring *ring, struct entry_batch *batch, size_t first, size_t n)
{
	struct ring_span span = { .first = first, .n = n };

	assert(n > 0 && first + n <= batch->n);
	span.first_seq = batch->entries[first].seq;
	span.n_bytes = batch_bytes(batch);
	if (span.first_seq != ring_last_seq(ring) + 1)
		ring_clear(ring);
	if (ring->n_spans == ring->size)
		grow(ring);
	span.batch = entry_batch_ref(batch);
	ring->n_spans++;
	*span_at(ring, ring->n_spans - 1) = span;
	ring->n_events += n;
	ring->n_bytes += span.n_bytes;
	while (ring->n_spans > 1 &&
	       (ring->n_events > ring->max_events || ring->n_bytes > ring->max_bytes))
		drop_oldest(ring);
}

const struct ring_span *ring_find(const struct ring *ring, int64_t seq)
{
	size_t low = 0, high = ring->n_spans;

	if (ring->n_spans == 0 || seq < ring_first_seq(ring) || seq > ring_last_seq(ring))
		return NULL;
	/* The last span that starts at or before `seq`. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (span_at(ring, middle)->first_seq <= seq)
			low = middle;
		else
			high = middle;
	}
	return span_at(ring, low);
}
