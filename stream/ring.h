/* Ring: the newest entries in memory, contiguous by seq.
 *
 * Holds references to batches and gives them up oldest first, whole, when there are more than
 * `max_events` entries or they keep more than `max_bytes` alive. The newest one always stays.
 * Pure: no lock, no clock. Thread: whoever holds the feed's mutex.
 */
#ifndef STREAM_RING_H
#define STREAM_RING_H

#include <stddef.h>
#include <stdint.h>

struct entry_batch;

/* Entries [first, first + n) of a batch; their seqs follow each other without a hole. */
struct ring_span {
	struct entry_batch *batch; /* one reference */
	size_t first, n;
	int64_t first_seq;
	size_t n_bytes;
};

struct ring {
	struct ring_span *spans; /* circular: spans[(head + i) % size], oldest first */
	size_t size, head, n_spans;
	size_t n_events, n_bytes;
	size_t max_events, max_bytes;
};

void ring_init(struct ring *ring, size_t max_events, size_t max_bytes);
void ring_fini(struct ring *ring);
void ring_clear(struct ring *ring);
int64_t ring_first_seq(const struct ring *ring); /* 0 when empty */
int64_t ring_last_seq(const struct ring *ring);  /* 0 when empty */
/* Keep a reference to entries [first, first + n) of `batch`, n > 0, contiguous in seq. When they do
 * not follow the last seq, what was there before goes first. */
void ring_append(struct ring *ring, struct entry_batch *batch, size_t first, size_t n);
/* The span that holds `seq`, or NULL. */
const struct ring_span *ring_find(const struct ring *ring, int64_t seq);

#endif
