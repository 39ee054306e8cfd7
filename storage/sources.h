/* Sources in the database: the table `source` gets what this node knows. How the node learns what
 * other replicas wrote is in storage/shared.h.
 *
 * Private to storage/. Thread: the loader.
 */
#ifndef STORAGE_SOURCES_H
#define STORAGE_SOURCES_H

#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct err;
struct id_set;
struct source;
struct source_set;

/* Write what `set` has and `before` (NULL: nothing) has not, or has otherwise. Ids that are known
 * to be in the table afterwards are added to `known`. A row that is there is changed by a source that
 * this node's configuration declares, and by no other. */
int sources_write(struct db *db, const struct source_set *set, const struct source_set *before,
		  struct id_set *known, struct err *err);
/* Insert the ones that are not there; those that are stay as they are. */
int sources_insert(struct db *db, const struct source *sources, size_t n, struct err *err);
/* The source with this token, whichever replica made it. 1 with *out, 0 when there is none. */
int sources_find_token(struct db *db, struct str token, struct uuid *out, struct err *err);

#endif
