#include "event/entry.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/delivery.h"

struct entry_batch *entry_batch_new(size_t n)
{
	struct entry_batch *batch = xcalloc(1, sizeof(*batch) + n * sizeof(batch->entries[0]));

	atomic_init(&batch->refs, 1);
	batch->n = n;
	return batch;
}

struct entry_batch *entry_batch_ref(struct entry_batch *batch)
{
	atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
	return batch;
}

void entry_batch_unref(struct entry_batch *batch)
{
	if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < batch->n_held; i++)
		delivery_unref(batch->held[i]);
	free(batch->held);
	arena_free(batch->arena);
	free(batch);
}
