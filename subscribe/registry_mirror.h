/* Registry mirror: the registry store (registry_store.h) on this node's own disk, so that words are
 * there before the database is.
 *
 *	<dir>/fetched/<sha256>.json	read from sources
 *	<dir>/added/<sha256>.json	added by hand
 *	<dir>/holdings			who serves which: "<source> <sha256>…" a line
 *
 * Thread: one at a time.
 */
#ifndef SUBSCRIBE_REGISTRY_MIRROR_H
#define SUBSCRIBE_REGISTRY_MIRROR_H

#include <stdbool.h>

struct db;
struct err;
struct registry_set;

#define REGISTRY_MIRROR_FETCHED "fetched"
#define REGISTRY_MIRROR_ADDED   "added"

/* Make the folder what the store is (-EAGAIN: its tables are not made yet); *changed_out says
 * whether anything was otherwise. A file that cannot be written is an error; what was mirrored
 * until then stays. */
int registry_mirror_sync(struct db *db, const char *dir, bool *changed_out, struct err *err);
/* Tell a set that was loaded from the folder who serves what: registry_set_hold(). A missing file
 * is an empty one; lines that are none are passed over. */
void registry_mirror_hold(const char *dir, struct registry_set *set);

#endif
