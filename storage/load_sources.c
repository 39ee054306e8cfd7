/* Rows for enrolled sources: the one whose first delivery is logged has its row with it. */
#include <stdlib.h>

#include "base/mem.h"
#include "event/delivery.h"
#include "event/source_set.h"
#include "storage/load.h"
#include "storage/sources.h"

static bool is_new(struct load *load, const struct load_item *item)
{
	return item->delivery && item->is_enrolled && !item->set_aside &&
	       !uuid_is_zero(item->source) && !id_set_has(&load->sources, item->source);
}

int load_enrolled(struct load *load, const struct load_item *items, size_t n_items, struct err *err)
{
	struct source *sources = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < n_items; i++) {
		const struct delivery *delivery = items[i].delivery;

		if (!is_new(load, &items[i]))
			continue;
		id_set_add(&load->sources, items[i].source);
		sources = xrealloc(sources, (n + 1) * sizeof(sources[0]));
		sources[n++] = (struct source){ .id = items[i].source,
						.name = delivery->peer,
						.address = delivery->peer,
						.state = SOURCE_ENROLLED,
						.created_us = delivery->received_us };
	}
	if (n > 0)
		r = sources_insert(load->db, sources, n, err);
	free(sources);
	return r;
}
