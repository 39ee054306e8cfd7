/* Partitions: log days attached before they are needed, and what is past its retention dropped.
 *
 * Outside the loader's transactions; each statement gives up soon when it would have to wait for
 * a lock, and is tried again at the next call. Thread: the loader.
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
	const char *node;     /* whose segments may be forgotten … */
	const char *segments; /* … when not among these: "{uuid,…}" */
};

/* Drop days older than events_us (never the current log day), delete from the other tables in
 * small batches. Returns 1 when more is left to do, 0 when not. */
int partitions_expire(struct db *db, const struct retention *retention, struct err *err);

#endif
