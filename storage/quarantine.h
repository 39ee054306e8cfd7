/* Quarantine: what was accepted and could not be logged; listed, looked at, and tried again.
 *
 * A row is a whole delivery (idx -1) or one of its records. Thread: whoever owns the db.
 */
#ifndef STORAGE_QUARANTINE_H
#define STORAGE_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/delivery.h"

struct db;
struct err;

#define QUARANTINE_ID_BYTES 64 /* of its text, and its NUL */

struct quarantine_id {
	struct uuid delivery;
	int64_t idx;
};

/* "019ad…" of a whole delivery, "019ad…-3" of its fourth record. */
char *quarantine_id_format(struct quarantine_id id, char out[QUARANTINE_ID_BYTES]);
bool quarantine_id_parse(struct str text, struct quarantine_id *out);

struct quarantined {
	struct quarantine_id id;
	struct uuid source; /* zero: unknown */
	int64_t received_us, retried_us; /* retried_us 0: never */
	struct str peer, reason, detail;
	int64_t n_bytes;
	bool is_backfilled; /* of a source's own log (DELIVERY_BACKFILLED) */
	struct str raw; /* quarantine_read() alone; the whole delivery, or the record's text */
};
/* The row's texts live as long as the call. */
typedef void quarantined_fn(void *ctx, const struct quarantined *row);

/* Newest first; *n_all is how many there are in all. */
int quarantine_list(struct db *db, size_t skip, size_t limit, quarantined_fn *fn, void *ctx,
		    int64_t *n_all, struct err *err);
/* -ENOENT when there is none. */
int quarantine_read(struct db *db, struct quarantine_id id, quarantined_fn *fn, void *ctx,
		   struct err *err);

/* Decode, resolve and log it again. 0: it is logged, and left quarantine in the same transaction;
 * *n_logged events of it (none for a metric report, or of a source's log when all are there already).
 * -EINVAL: it stays, now with the reason that `err` tells. -ENOENT when there is none; -EAGAIN,
 * -ENOTCONN, -EIO as db.h has them, and nothing happened, but for -ENOTCONN, after which looking
 * tells. */
int quarantine_retry(struct db *db, struct quarantine_id id, prepare_fn *prepare, void *ctx,
		     int64_t *n_logged, struct err *err);

#endif
