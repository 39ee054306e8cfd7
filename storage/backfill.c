#include "storage/backfill.h"

#include <stdlib.h>

#include "base/mem.h"
#include "storage/id_set.h"
#include "storage/limits.h"

/* What is full or old enough becomes the past, and the past before it is forgotten. */
struct backfill {
	struct id_set now, past;
	int64_t began_us; /* of `now` */
};

struct backfill *backfill_new(void)
{
	struct backfill *backfill = xcalloc(1, sizeof(*backfill));

	id_set_init(&backfill->now, 0);
	id_set_init(&backfill->past, 0);
	return backfill;
}

void backfill_free(struct backfill *backfill)
{
	if (!backfill)
		return;
	id_set_fini(&backfill->now);
	id_set_fini(&backfill->past);
	free(backfill);
}

void backfill_clear(struct backfill *backfill)
{
	id_set_clear(&backfill->now);
	id_set_clear(&backfill->past);
}

static void turn_page(struct backfill *backfill, int64_t now_us)
{
	struct id_set forgotten = backfill->past;

	backfill->past = backfill->now;
	id_set_fini(&forgotten);
	id_set_init(&backfill->now, 0);
	backfill->began_us = now_us;
}

void backfill_add(struct backfill *backfill, struct uuid source, struct uuid moment, int64_t now_us)
{
	if (backfill->now.n == 0)
		backfill->began_us = now_us;
	if (backfill->now.n >= BACKFILL_MAX_ENTRIES ||
	    now_us - backfill->began_us >= BACKFILL_KEEP_US)
		turn_page(backfill, now_us);
	id_set_add(&backfill->now, source);
	id_set_add(&backfill->now, moment);
}

bool backfill_is_empty(const struct backfill *backfill)
{
	return backfill->now.n == 0 && backfill->past.n == 0;
}

bool backfill_has(const struct backfill *backfill, struct uuid id)
{
	return id_set_has(&backfill->now, id) || id_set_has(&backfill->past, id);
}
