/* Partitions: log days attached before they are needed, looked after when they are over, and dropped
 * when they are past their retention.
 *
 * Outside the loader's transactions; each statement gives up soon when it would have to wait for
 * a lock (the connection's lock_timeout), and is tried again at the next call. No lock that a
 * loader's transaction could have to wait for is ever asked for.
 * Threads: the loader attaches and steps; the rest is upkeep's (storage/upkeep.h).
 */
#ifndef STORAGE_PARTITIONS_H
#define STORAGE_PARTITIONS_H

#include <stdint.h>

struct db;
struct err;

/* Attach what is missing from the current log day to LOG_DAYS_AHEAD days after it. */
int partitions_attach(struct db *db, struct err *err);

/* The log day goes one on, when the calendar is ahead of it: also where nothing is logged. */
int partitions_step(struct db *db, struct err *err);

struct retention {
	int64_t events_us, metric_reports_us, repeats_us;
};

/* Delete what is too old from the small tables, in small batches; drop days older than events_us,
 * never the current log day. Returns 1 when more is left to do, 0 when not; -EAGAIN when somebody
 * reads a day that is to go. What an interrupted call left half detached goes first. */
int partitions_expire(struct db *db, const struct retention *retention, struct err *err);

/* Bring the index by time of the day under way up to its last page: what it does not know of is read
 * by every question that has a time in it. Blocks no loader. -EAGAIN: somebody is in the way. */
int partitions_summarise(struct db *db, struct err *err);
/* The oldest day that is over and was not yet cared for: freeze, analyse, summarise. Returns 1 when
 * there was one, so that there may be more. Takes as long as reading the day's tables. */
int partitions_care(struct db *db, struct err *err);

/* The node's positions of segments that are not among `segments` ("{uuid,…}") any more. */
int partitions_forget_segments(struct db *db, const char *node, const char *segments,
			       struct err *err);

#endif
