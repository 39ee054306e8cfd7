#include "storage/loader_priv.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

/* One that is not decoded by then is left out: it comes with its seq. */
#define UNPREPARED_US  (2 * CLOCK_US_PER_S)
#define SHOW_MAX_ITEMS 1024 /* of one batch */

/* What is to be shown, as items that borrow their delivery. */
struct showing {
	struct loader *loader;
	struct load_item items[SHOW_MAX_ITEMS];
	size_t n;
};

static void publish(struct showing *showing)
{
	struct entry_batch *batch;

	if (showing->n == 0)
		return;
	batch = load_entries(showing->items, showing->n, true);
	if (batch->n > 0)
		showing->loader->config.publish(showing->loader->config.publish_ctx, batch, true);
	else
		entry_batch_unref(batch);
	showing->n = 0;
}

/* False when it must be waited for. */
static bool show(struct showing *showing, struct delivery *delivery, bool is_of_queue)
{
	struct loader *loader = showing->loader;

	if (loader_queue_is_before(delivery, loader->shown.segment_number, loader->shown.position))
		return true;
	if (is_of_queue && !loader_queue_is_durable(&loader->queue, delivery->segment_number, delivery->end))
		return false;
	if (!delivery_is_prepared(delivery) && delivery_is_left(delivery))
		loader->config.prepare(loader->config.prepare_ctx, delivery);
	if (!delivery_is_prepared(delivery) && !delivery_is_skipped(delivery) &&
	    clock_time_us() - delivery->received_us < UNPREPARED_US)
		return false;
	loader->shown = (struct place){ delivery->segment_number, delivery->end };
	/* Whose it is, the database has yet to say. */
	if (!delivery_is_prepared(delivery) || (delivery->flags & DELIVERY_UNVERIFIED))
		return true;
	if (showing->n == SHOW_MAX_ITEMS)
		publish(showing);
	showing->items[showing->n++] =
		(struct load_item){ .delivery = delivery, .source = delivery->source };
	return true;
}

/* A long absence: what was shown is on disk, and memory is for what comes. */
static void make_room(struct loader *loader)
{
	struct delivery *head;

	while (loader_queue_is_half_full(&loader->queue) &&
	       (head = loader_queue_head(&loader->queue)) &&
	       loader_queue_is_before(head, loader->shown.segment_number, loader->shown.position))
		delivery_unref(loader_queue_pop(&loader->queue));
}

void loader_show(struct loader *loader)
{
	struct showing *showing = xcalloc(1, sizeof(*showing));
	struct delivery *delivery;
	bool more = true;

	showing->loader = loader;
	for (size_t i = 0; i < loader->n_items && more; i++)
		if (loader->items[i].delivery)
			more = show(showing, loader->items[i].delivery, loader->is_early);
	delivery = loader_queue_head(&loader->queue);
	for (; delivery && more; delivery = loader_queue_next(delivery))
		more = show(showing, delivery, true);
	publish(showing);
	make_room(loader);
	free(showing);
}
