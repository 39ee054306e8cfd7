/* Shared: what the replicas of one database must agree on, and how one hears of changes.
 *
 * A fact is a name and a text: the first replica that claims it decides, and the others learn it.
 * Whoever changes a fact or a source notifies SHARED_CHANNEL (a trigger does).
 * Thread: whoever owns the db.
 */
#ifndef STORAGE_SHARED_H
#define STORAGE_SHARED_H

#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct err;
struct source;

#define SHARED_CHANNEL "rfeventd_shared"

#define FACT_ENROLMENT_TOKEN "enrolment-token"
#define FACT_KEY_FINGERPRINT "key-fingerprint" /* of secrets.key_file */

/* Say what we have; nobody's word is overruled. 1: it is ours now; 0: it was decided before. In
 * both cases *out (new) is what holds. `value` p NULL: only ask; -ENOENT when nobody said it. */
int fact_claim(struct db *db, const char *name, struct str value, struct uuid node, char **out,
	       struct err *err);
/* It is so, whatever was said before: a person's word, from the configuration. */
int fact_set(struct db *db, const char *name, struct str value, struct uuid node, struct err *err);

/* Sources that were changed at `since_us` (database clock; 0: all) or later, `fn` called for each
 * (it borrows). *asked_us: database time at the question, from which to go on: a transaction that
 * was still open then may have an earlier time, so go back a little. */
typedef void source_row_fn(void *ctx, const struct source *source);
int sources_read(struct db *db, int64_t since_us, source_row_fn *fn, void *ctx, int64_t *asked_us,
		 struct err *err);

#endif
