/* Log: reading the events that the loader committed.
 *
 * SQL of the event table lives here. Every read is short; readers page by seq. Thread: whoever
 * owns the db (query pool, feed).
 */
#ifndef STORAGE_LOG_H
#define STORAGE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct entry_batch;
struct err;
struct filter;

struct log_bounds {
	struct uuid epoch;
	int64_t oldest_seq; /* of what is still there; last_seq + 1 when the log is empty */
	int64_t last_seq;   /* 0 when nothing was ever logged */
};

int log_bounds(struct db *db, struct log_bounds *out, struct err *err);

struct log_query {
	int64_t after_seq;  /* ascending: seq > after_seq */
	int64_t before_seq; /* descending: seq < before_seq; 0: from the newest */
	bool descending;
	const struct filter *filter; /* NULL: all */
	size_t skip, limit;
};

/* One page, in the order asked; *out is new with one reference (n may be 0). Without `skip` the days
 * are asked one after the other, until there is enough. */
int log_read(struct db *db, const struct log_query *query, struct entry_batch **out,
	     struct err *err);
/* The same in pieces, for those who read all of a long log: at most LOG_PIECE_SEQS seqs of one day are
 * looked at, however few pass, so that no question takes long. *resume_out: what is to be the next
 * query's after_seq (or before_seq); 0 at the end of the log. `skip` is not looked at. */
int log_read_on(struct db *db, const struct log_query *query, struct entry_batch **out,
		int64_t *resume_out, struct err *err);
/* How many match (filter NULL: from the counters). A filter's are counted for max_us at most, the newest
 * days first; *exact false: there are at least so many. */
int log_count(struct db *db, const struct filter *filter, int64_t max_us, int64_t *out, bool *exact,
	      struct err *err);
/* One event; *out NULL when there is none with this seq. */
int log_get(struct db *db, int64_t seq, struct entry_batch **out, struct err *err);
/* The whole delivery an event came in, byte for byte, appended to `out`. -ENOENT when gone. */
int log_raw(struct db *db, int64_t seq, struct strbuf *out, struct err *err);

#endif
