/* Destination store: the table of subscriptions, shared by replicas. Each has a cursor of its own.
 *
 * Thread: whoever owns the db.
 */
#ifndef FORWARD_DESTINATION_STORE_H
#define FORWARD_DESTINATION_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct destination_set;
struct err;

/* All of them; *out is new. A row that cannot be read is left out, and logged. */
int destination_store_read(struct db *db, struct destination_set **out, struct err *err);
/* Its events are those logged from now on. `headers`: sealed, p NULL: none. -EDQUOT: there are
 * FORWARD_MAX_DESTINATIONS. */
int destination_store_add(struct db *db, struct uuid id, struct str config, struct str headers,
			  struct err *err);
/* `version`: the one that is changed. `headers` p NULL: they stay as they are; empty: none.
 * -ENOENT when it is gone, -ESTALE when somebody else changed it since. */
int destination_store_change(struct db *db, struct uuid id, int64_t version, struct str config,
			     struct str headers, struct err *err);
/* -ENOENT when it is gone. */
int destination_store_remove(struct db *db, struct uuid id, struct err *err);
/* Stop, or go on: from where it stood, or with `skip` from now on. -ENOENT when it is gone. */
int destination_store_suspend(struct db *db, struct uuid id, bool suspended, bool skip,
			      const char *why, struct err *err);
/* What became of the last delivery: `error` NULL: it was taken. Changes no version. */
int destination_store_note(struct db *db, struct uuid id, const char *error, struct err *err);

#endif
