/* Registry store: the registries that were added by hand or read from sources, in the database.
 *
 * Identity is the hash of a registry's bytes; beside it stands which sources serve it. Changes
 * notify REGISTRY_CHANNEL when they commit, so that all replicas mirror them (registry_mirror.h);
 * what a source serves is told once it was read whole. Thread: that of the connection. Errors as of db.h.
 */
#ifndef SUBSCRIBE_REGISTRY_STORE_H
#define SUBSCRIBE_REGISTRY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct err;
struct registry;

#define REGISTRY_CHANNEL "rfeventd_registries"

/* Where a source serves a registry. */
struct registry_place {
	struct uuid source;
	struct str uri, etag; /* etag p NULL: none was given */
};

/* Keep `registry`, whose bytes are `body`. `from` NULL: added by hand, which lasts until it is
 * removed. *new_out (may be NULL): whether these bytes were not there before. */
int registry_store_put(struct db *db, const struct registry *registry, struct str body,
		       const struct registry_place *from, bool *new_out, struct err *err);
/* Remove it, whoever serves it. 1, or 0 when it is not there. */
int registry_store_remove(struct db *db, struct str sha256, struct err *err);
/* The entity tag that came with what `source` served at `uri`, put into `etag`: 1, or 0 when there
 * is none. */
int registry_store_find_etag(struct db *db, struct uuid source, struct str uri, struct strbuf *etag,
			     struct err *err);
/* The source still serves at `uri` what it did. */
int registry_store_seen(struct db *db, struct uuid source, struct str uri, struct err *err);
/* Ask for the right to ask `source`, so that one replica does: 1 when it was not asked for `rest_us`
 * or, as long as that fails, for `retry_us` doubled at each further failure up to `rest_us`; 0
 * otherwise. `force`: an operator wants it, always 1. */
int registry_store_claim(struct db *db, struct uuid source, int64_t retry_us, int64_t rest_us,
			 bool force, struct err *err);
/* How it went: `error` NULL when all was read, and then what the source was not seen to serve since
 * the claim is not counted as its own any more. */
int registry_store_asked(struct db *db, struct uuid source, const char *error, struct err *err);

#endif
