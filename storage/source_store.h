/* Source store: sources that operators make, change and remove, in the database.
 *
 * The table's trigger tells every replica, which then has it in its own source set and snapshot
 * (storage/shared.h). Nothing is deleted: a removed source keeps its row, for the events that are its.
 * Thread: that of the connection. Errors as of storage/db.h, and: -EEXIST the name is taken, -E2BIG
 * there are `max` sources, -ESTALE the row is not what the caller saw, -ENOENT there is none.
 */
#ifndef STORAGE_SOURCE_STORE_H
#define STORAGE_SOURCE_STORE_H

#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct source;
struct uuid;

int source_store_add(struct db *db, const struct source *source, size_t max, struct err *err);
/* `before` becomes `after`, of the same id; SOURCE_REMOVED removes it. */
int source_store_change(struct db *db, const struct source *before, const struct source *after,
			struct err *err);
/* What the log has of it: when its last event was received (0: none is kept), and how many of the
 * last 24 hours, up to `max`. */
int source_activity(struct db *db, struct uuid id, int64_t max, int64_t *last_us, int64_t *n_day,
		    struct err *err);

#endif
