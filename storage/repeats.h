/* Repeats: which bodies came lately, and from whom.
 *
 * Keys in memory, oldest forgotten first; the table `repeat` holds the same for other replicas
 * and for the next start. Decided inside the loader's transaction: what a transaction added is
 * taken back when it fails.
 * The identity is source and whole body, byte for byte, so it finds what a BMC sends twice, to
 * whichever replica. A record read back from a BMC's own log comes in other bytes: that one is
 * compared by its facts (load_backfill.c).
 * Pure. Thread: the loader.
 */
#ifndef STORAGE_REPEATS_H
#define STORAGE_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct repeats;

/* At most `max_entries` are kept between transactions. */
struct repeats *repeats_new(size_t max_entries, int64_t window_us);
void repeats_free(struct repeats *repeats); /* NULL is allowed */
/* The digest of a body. */
struct uuid repeats_hash(struct str body);
/* Whether the same source sent this body within the window of `received_us`, earlier or later. */
bool repeats_has(const struct repeats *repeats, struct uuid source, struct uuid hash,
		 int64_t received_us);
/* Remember it; of two receipts of the same body the last one told counts. */
void repeats_add(struct repeats *repeats, struct uuid source, struct uuid hash,
		 int64_t received_us);
/* What was added since the last keep() or undo() stays / goes. keep() also forgets what is older
 * than the window before `newest_us`, and what is too much. */
void repeats_keep(struct repeats *repeats, int64_t newest_us);
void repeats_undo(struct repeats *repeats);
void repeats_clear(struct repeats *repeats);
size_t repeats_count(const struct repeats *repeats);

#endif
