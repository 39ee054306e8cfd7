/* Backfill: which sources had entries of their own logs loaded lately, and for which moments.
 *
 * What the loader asks before it compares a pushed record with those entries: nearly always there
 * are none, and then a push costs nothing. It may say yes where there is nothing (entries of a
 * transaction that failed); the table `backfilled` tells for certain. Bounded: of the last
 * BACKFILL_KEEP_US at least, or of BACKFILL_MAX_ENTRIES. Pure. Thread: the loader.
 */
#ifndef STORAGE_BACKFILL_H
#define STORAGE_BACKFILL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"

struct backfill;

struct backfill *backfill_new(void);
void backfill_free(struct backfill *backfill); /* NULL is allowed */
void backfill_clear(struct backfill *backfill);
/* An entry was logged: its source, and likeness_moment() of it. */
void backfill_add(struct backfill *backfill, struct uuid source, struct uuid moment,
		  int64_t now_us);
bool backfill_is_empty(const struct backfill *backfill);
/* `id`: of a source, or a moment. */
bool backfill_has(const struct backfill *backfill, struct uuid id);

#endif
