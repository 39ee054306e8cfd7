/* One event as a row of the table `event`: what the loader writes and the log reads.
 *
 * Private to storage/. Thread: any.
 */
#ifndef STORAGE_LOG_ROW_H
#define STORAGE_LOG_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct arena;
struct db_param;
struct db_result;
struct delivery;
struct entry;
struct event;

/* Column `facts`: what a null in another column means. */
#define FACT_SENDER_MESSAGE    1 /* the sender's message is the stored text */
#define FACT_SENDER_RESOLUTION 2 /* the sender's resolution is the stored one */

#define DAY_ZERO_UNIX_DAYS 10957 /* 2000-01-01, from which PostgreSQL counts */

/* What stands around an event in its row. */
struct log_row {
	int32_t day; /* from 2000-01-01 */
	int64_t seq;
	struct uuid source;
	uint32_t part;
	uint64_t quirks;
	struct uuid text_id; /* zero: no text */
};

/* Begin and end of a binary COPY, and rows of it. */
void copy_begin(struct strbuf *out);
void copy_end(struct strbuf *out);

/* Rows of a COPY one by one, as parameters of an INSERT: from `at` on, which is copy_first() for the
 * first one. `params` has room for COPY_MAX_COLUMNS and borrows; returns where the next row is. The
 * buffer is one that the
 * functions here wrote, with as many rows as are asked for. */
#define COPY_MAX_COLUMNS 30
size_t copy_first(struct str rows);
size_t copy_params(struct str rows, size_t at, struct db_param *params, size_t *n);

extern const char log_row_copy_sql[]; /* the COPY statement that copy_event() is for */
void copy_event(struct strbuf *out, const struct log_row *row, const struct delivery *delivery,
		const struct event *event);
/* Put another day and seq into a row that copy_event() wrote at `row`. */
void copy_event_set(char *row, int32_t day, int64_t seq);
extern const char metric_report_copy_sql[];
void copy_metric_report(struct strbuf *out, const struct delivery *delivery, struct uuid source);
extern const char repeat_copy_sql[];
void copy_repeat(struct strbuf *out, int64_t seq, struct uuid source, struct uuid hash,
		 int64_t received_us);
/* The same rows by INSERT. */
extern const char log_row_insert_sql[];
extern const char repeat_insert_sql[];
/* Events, repeats and the end of the transaction, sent as one. */
extern const char log_commit_sql[];

/* The id of a text in the day's dictionary. */
struct uuid log_text_id(struct str text);

/* Columns of a read, in the order that log_row_read() takes, from `event e`, and the text. */
extern const char log_row_columns[];
extern const char log_row_facts[]; /* the columns without the text, which is the last one */
/* Fill `entry` from a row. Returns 0 or -E2BIG when the arena is full. */
int log_row_read(const struct db_result *result, size_t row, struct arena *arena,
		 struct entry *entry);

#endif
