/* Cursors: positions in the log that outlive the process that moves them.
 *
 * A cursor is a row with an owner, a lease by the database's clock, and a term that counts its
 * owners. A replica claims it, renews the claim while it works, and moves the position inside the
 * transaction that holds the work's result, or after the outside world took it. Every change says
 * WHERE owner AND term, so that an owner who was given up for dead moves nothing. With the lease
 * renewed each CURSOR_RENEW_US, another replica has the cursor CURSOR_LEASE_US after its owner's
 * death at the latest.
 * Thread: whoever owns the db.
 */
#ifndef STORAGE_CURSORS_H
#define STORAGE_CURSORS_H

#include <stdint.h>

#include "base/uuid.h"

struct db;
struct err;

#define CURSOR_LEASE_US INT64_C(4000000) /* with a try each second: moved within 5 s of a death */
#define CURSOR_RENEW_US INT64_C(1000000)

struct cursor {
	const char *name;  /* borrowed */
	struct uuid owner; /* a process, not a node: a restart is another owner */
	int64_t term;
	struct uuid epoch; /* of the log that `seq` is of */
	int64_t seq;	   /* all up to here is done */
};

/* Become the owner: of a new cursor (at `seq` of `epoch`), of one that is free or whose lease has
 * run out, or again of our own. 1 with *out filled from the row; 0: somebody else has it. */
int cursor_claim(struct db *db, const char *name, struct uuid owner, struct uuid epoch, int64_t seq,
		 struct cursor *out, struct err *err);
/* These three: 0, or -ESTALE when it is no longer ours (claim again, and read the position). */
int cursor_renew(struct db *db, const struct cursor *cursor, struct err *err);
/* Renews the lease too. Inside a transaction of the caller's -ESTALE must roll it back. */
int cursor_move(struct db *db, struct cursor *cursor, struct uuid epoch, int64_t seq,
		struct err *err);
/* A new cursor that nobody owns, where the log ends now: all that is committed later lies behind it. */
int cursor_make(struct db *db, const char *name, struct err *err);
/* To where the log ends now. Whoever owns it finds out by -ESTALE and claims it again. */
int cursor_skip(struct db *db, const char *name, struct err *err);
int cursor_drop(struct db *db, const char *name, struct err *err); /* one that is not there is fine */
/* Where a cursor of `epoch` at `seq` stands in the log there is now: the same place, or where that
 * log began to differ. */
int cursor_translate(struct db *db, struct uuid epoch, int64_t seq, struct uuid *epoch_out,
		     int64_t *seq_out, struct err *err);
int cursor_release(struct db *db, const struct cursor *cursor, struct err *err);

#endif
