/* Database: one PostgreSQL connection. Only db.c sees PGconn.
 *
 * Thread: one at a time. Errors: -ENOTCONN when the connection is gone (reopen), -EINVAL when the
 * server refused data (SQLSTATE classes 22, 23, 54, and what a trigger raises), -EAGAIN for what
 * may work at the next try (40, 55), -EIO for the rest; the words hold the server's own.
 */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct db;
struct db_result;
struct err;

/* Connect; `application` shows in pg_stat_activity. Sets time zone UTC and search_path. */
int db_open(const char *url, const char *application, int timeout_ms, struct db **out,
	    struct err *err);
void db_close(struct db *db); /* NULL is allowed */
bool db_is_alive(const struct db *db);
/* The same after a look at the socket: whether the server closed an idle connection. */
bool db_check(struct db *db);
const char *db_sqlstate(const struct db *db); /* of the last failure; "" */
/* Called every `interval_ms` while a call waits for the server: the loader keeps the stream alive
 * with it. The hook must not use this db. */
typedef void db_wait_fn(void *ctx);
void db_on_wait(struct db *db, db_wait_fn *fn, void *ctx, int interval_ms);
/* The call that waits, and all later ones, fail with -ENOTCONN. The one thing the hook may do. */
void db_give_up(struct db *db);

/* A parameter of a query, sent in text form. */
struct db_param {
	struct str value; /* p NULL: SQL NULL */
	bool binary;      /* bytea sent as is */
};
#define DB_NULL     ((struct db_param){ .value = { NULL, 0 } })
#define DB_STR(s)   ((struct db_param){ .value = (s) })
#define DB_BYTES(s) ((struct db_param){ .value = (s), .binary = true })
/* These format into a buffer of the caller's, which outlives the call. */
struct db_param db_i64(int64_t value, char buffer[24]);
struct db_param db_uuid(struct uuid id, char buffer[UUID_TEXT_BYTES]);

/* Several statements, no parameters, no rows wanted. */
int db_exec(struct db *db, const char *sql, struct err *err);
/* One statement with $1…; *out (may be NULL when no rows are wanted) is new: db_result_free().
 * Columns come in text form; bytea as hex is undone by db_bytes(). */
int db_query(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
	     struct db_result **out, struct err *err);
/* The number in the first row's first column; `none` where there is no row. */
int db_query_int(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		 int64_t none, int64_t *out, struct err *err);
size_t db_rows(const struct db_result *result);
bool db_is_null(const struct db_result *result, size_t row, int column);
struct str db_str(const struct db_result *result, size_t row,
		  int column); /* p NULL for NULL; lives as long as the result */
int64_t db_int(const struct db_result *result, size_t row, int column); /* 0 for NULL */
struct uuid db_get_uuid(const struct db_result *result, size_t row, int column);
int64_t db_time_us(const struct db_result *result, size_t row, int column); /* of a timestamptz */
/* The bytes of a bytea, appended to `out`. */
void db_bytes(const struct db_result *result, size_t row, int column, struct strbuf *out);
void db_result_free(struct db_result *result); /* NULL is allowed */

/* COPY … FROM STDIN (FORMAT binary): begin, put all of it, end. To save the server's answers in
 * between, `sql` may go on behind a semicolon: with another COPY, which db_copy_next() ends this one
 * for, and at last with COMMIT, for which db_copy_commit() takes the place of db_copy_end(). */
int db_copy_begin(struct db *db, const char *sql, struct err *err);
int db_copy_put(struct db *db, struct str bytes, struct err *err);
int db_copy_next(struct db *db, struct err *err);
int db_copy_end(struct db *db, int64_t *rows_out, struct err *err);
int db_copy_commit(struct db *db, struct err *err); /* -ENOTCONN: as db_commit() */

int db_begin(struct db *db, struct err *err);
/* BEGIN and a db_query(), of a statement with rows, that go out together. */
int db_begin_query(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		   struct db_result **out, struct err *err);
/* A whole transaction that waits for the server once: begun, filled with statements that db_query()
 * would take, committed. *out: rows of the last statement that gave some, of which there is one. The
 * first statement that fails leaves out the others, COMMIT too; after any failure: db_rollback().
 * db_pipeline_start() lets the server begin with what was put; it does not wait for it. */
int db_pipeline_begin(struct db *db, struct err *err);
int db_pipeline_put(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		    struct err *err);
int db_pipeline_start(struct db *db, struct err *err);
int db_pipeline_commit(struct db *db, struct db_result **out, struct err *err);
/* Have the server keep BEGIN, COMMIT and `sql`, one statement: it is neither parsed nor planned
 * again, whichever of the above sends it. `sql` is static, and known by its address; at most
 * DB_MAX_PREPARED with those two. Not over a connection that a transaction pooler hands out. */
#define DB_MAX_PREPARED 8
int db_prepare(struct db *db, const char *sql, struct err *err);
/* -ENOTCONN: nobody knows whether it happened; the loader's compare-and-set finds out. */
int db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db);
/* Connection descriptor for LISTEN, and taking notifications: true while there was one. */
int db_fd(const struct db *db);
bool db_next_notification(struct db *db, struct strbuf *channel, struct strbuf *payload);

#endif
