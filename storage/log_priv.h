/* Private to log*.c: a log day, and what passes of it. */
#ifndef STORAGE_LOG_PRIV_H
#define STORAGE_LOG_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct db_result;
struct entry_batch;
struct err;
struct filter;
struct log_query;
struct sql;

/* A log day, or a piece of one: its seqs are first_seq <= seq <= last_seq. */
struct log_piece {
	struct str day; /* "2026-11-21", of the result it was read from */
	int64_t first_seq, last_seq;
	int64_t searchable_seq;    /* up to it search_block has the day's texts */
	int64_t first_us, last_us; /* when these were received; none: first_us > last_us */
};

/* Which source a name is; remembered over the days of one page. Begins with `db` set alone. */
struct log_naming {
	struct db *db;
	struct str name;
	unsigned n;
	struct uuid id;
};

/* The log's days, in the query's order, those alone that its bounds allow. */
int log_days(struct db *db, const struct log_query *query, struct db_result **out, struct err *err);
struct log_piece log_day_at(const struct db_result *days, size_t row);

/* A part of a piece. */
struct log_part {
	struct log_piece piece;
	bool is_searchable; /* all of it */
	bool is_narrow;     /* as its time of receipt allows */
};
/* What of a piece may have what passes, in the query's order: what search_block knows of, narrowed
 * to the filter's time of receipt, and what is newer. All of it as one, when the filter asks for
 * neither words nor a time. Returns how many parts. */
#define LOG_MAX_PARTS 2
int log_parts(struct db *db, const struct filter *filter, const struct log_piece *piece,
	      bool descending, struct log_part out[LOG_MAX_PARTS], struct err *err);

/* Append "FROM … WHERE …": what passes of a piece. */
void log_put_piece(struct sql *sql, struct log_naming *naming, const struct log_piece *piece,
		   const struct filter *filter, bool with_day);
int log_run(struct db *db, const struct sql *sql, struct db_result **out, struct err *err);
/* A statement's rows of log_row_columns as a new batch. */
int log_run_read(struct db *db, const struct sql *sql, struct entry_batch **out, struct err *err);
/* Rows of log_row_columns, of several questions, into a batch of their own. */
int log_take_rows(struct db_result *const *results, size_t n_results, struct entry_batch **out,
		  struct err *err);
/* Whether a statement failed because the day's time of keeping ended since its name was read. */
bool log_day_is_gone(const struct db *db);

#endif
