/* Snapshot: what a node must know before it has seen the database, as one fsynced file.
 *
 * Sources, tokens, the admin's password hash, the log's epoch and highest seq seen. Written
 * whole; a damaged file is refused with words, never half read.
 */
#ifndef STORAGE_SNAPSHOT_H
#define STORAGE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"
#include "event/source_set.h"

struct arena;
struct err;

struct snapshot {
	struct arena *arena; /* owned: the texts, and `sources` of a loaded one */
	struct uuid node;    /* this replica's identity */
	struct uuid epoch;   /* zero: never seen a log */
	int64_t oldest_seq, last_seq;
	int64_t gone_seq; /* up to here the journal segments with this node's events may be gone */
	struct str enrolment_token;
	struct str admin_hash; /* crypt(3) form */
	struct source *sources;
	size_t n_sources;
};

/* -ENOENT when there is none yet, -EBADMSG when it is damaged, -EPROTO when a newer program wrote
 * it. *out is filled only on success: snapshot_fini() it. */
int snapshot_load(const char *path, struct snapshot *out, struct err *err);
/* Mode 0600; after a crash the file is the old one or the new one. */
int snapshot_save(const char *path, const struct snapshot *snapshot, struct err *err);
void snapshot_fini(struct snapshot *snapshot); /* frees the arena */

#endif
