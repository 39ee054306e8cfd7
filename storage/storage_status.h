/* Storage status: how much the log takes, day by day, and how it grows.
 *
 * From the catalogue and the counters, so cheap however large the log is. Thread: whoever owns the
 * db.
 */
#ifndef STORAGE_STORAGE_STATUS_H
#define STORAGE_STORAGE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;

struct storage_day {
	char day[16];                /* "2026-11-20" */
	int64_t first_seq, n_events; /* exact: seqs have no gap */
	int64_t bytes, text_bytes;   /* of its events; of its texts (dictionary, search blocks); with indexes */
	bool is_over, is_cared;
};

struct storage_status {
	struct storage_day *days; /* oldest first; the last is the current log day */
	size_t n_days;
	int64_t days_ahead;     /* partitions attached after it */
	int64_t oldest_seq, last_seq;
	int64_t database_bytes; /* all of it */
	int64_t log_bytes;      /* the days together */
	int64_t bytes_per_day;  /* mean of up to a week of days that are over, else the current
				 * one's as if it were; -1: too young to tell */
	int64_t n_quarantined;  /* as far as the planner knows; exact when there are few */
};

int storage_status_read(struct db *db, struct storage_status *out, struct err *err);
void storage_status_fini(struct storage_status *status);
/* Bytes free for ordinary users on the file system of `dir`; -1 when nobody can tell. */
int64_t storage_free_bytes(const char *dir);

#endif
