/* The rows of a batch: built before the transaction opens, numbered once it says from where on. */
#include <stdlib.h>

#include "base/mem.h"
#include "event/delivery.h"
#include "event/quirks.h"
#include "storage/load.h"
#include "storage/log_row.h"

uint64_t load_quirks_of(const struct load_item *item, const struct event *event)
{
	bool unsure = item->unsure && item->unsure[event - item->delivery->events];

	return event->quirks | item->delivery->quirks |
	       (item->may_be_repeat || unsure ? QUIRK_BIT(POSSIBLE_REPEAT) : 0);
}

void load_begin_rows(struct load *load)
{
	strbuf_reset(&load->rows);
	load->n_rows = 0;
	copy_begin(&load->rows);
}

void load_put_event(struct load *load, const struct load_item *item, uint32_t i, uint32_t part)
{
	const struct event *event = &item->delivery->events[i];
	const struct log_row row = { .day = load->day,
				     .seq = item->first_seq + part,
				     .source = item->source,
				     .part = part,
				     .quirks = load_quirks_of(item, event),
				     .text_id = item->text_ids[i] };

	if (load->n_rows == load->rows_size) {
		load->rows_size = load->rows_size ? 2 * load->rows_size : 1024;
		load->row_starts =
			xrealloc(load->row_starts, load->rows_size * sizeof(load->row_starts[0]));
	}
	load->row_starts[load->n_rows++] = load->rows.len;
	copy_event(&load->rows, &row, item->delivery, event);
}

void load_build_rows(struct load *load, struct load_batch *batch, int64_t seq_before)
{
	int64_t seq = seq_before;

	load_begin_rows(load);
	for (size_t i = 0; i < batch->n_items; i++) {
		struct load_item *item = &batch->items[i];
		uint32_t part = 0;

		item->first_seq = seq + 1;
		if (!load_item_has_events(item))
			continue;
		for (uint32_t e = 0; e < item->delivery->n_events; e++)
			if (!load_item_skips(item, e))
				load_put_event(load, item, e, part++);
		seq += load_n_logged(item);
	}
}

/* The rows were built with seqs from 1 on; now it is known where they start. */
static void shift_rows(struct load *load, struct load_batch *batch, int64_t seq_before)
{
	for (size_t i = 0; i < batch->n_items; i++)
		batch->items[i].first_seq += seq_before;
	for (size_t i = 0; i < load->n_rows && !load->rows.failed; i++)
		copy_event_set(load->rows.p + load->row_starts[i], load->day,
			       seq_before + 1 + (int64_t)i);
}

void load_number_rows(struct load *load, struct load_batch *batch, bool as_built,
		      int64_t seq_before)
{
	if (as_built)
		shift_rows(load, batch, seq_before);
	else
		load_build_rows(load, batch, seq_before);
	batch->n_logged = (int64_t)load->n_rows;
}

size_t load_build_repeats(struct load *load, const struct load_batch *batch)
{
	size_t n = 0;

	strbuf_reset(&load->others);
	copy_begin(&load->others);
	for (size_t i = 0; i < batch->n_items; i++) {
		const struct load_item *item = &batch->items[i];

		if (uuid_is_zero(item->hash) || load_n_logged(item) == 0)
			continue;
		copy_repeat(&load->others, item->first_seq, item->source, item->hash,
			    item->delivery->received_us);
		n++;
	}
	return n;
}
