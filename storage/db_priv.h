/* What the files of db.h share. */
#ifndef STORAGE_DB_PRIV_H
#define STORAGE_DB_PRIV_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "storage/db.h"

#define SQLSTATE_BYTES 6

struct db {
	PGconn *conn;
	char sqlstate[SQLSTATE_BYTES];
	db_wait_fn *on_wait;
	void *on_wait_ctx;
	int interval_ms;
	bool given_up;
	bool in_copy;
	const char *prepared[DB_MAX_PREPARED]; /* what the server keeps, by place; static */
	size_t n_prepared;
};

struct db_result {
	PGresult *rows;
};

/* --- db.c --- */
/* The connection is gone: -ENOTCONN with what libpq says of it. */
int db_lost(struct db *db, const char *what, struct err *err);
/* The server's error: its code, see db.h. */
int db_refused(struct db *db, const PGresult *rows, struct err *err);
/* Whether there can be a next statement; forgets the last one's SQLSTATE. */
bool db_is_usable(struct db *db, struct err *err);
/* Send what libpq holds, reading meanwhile so that neither side waits for the other for ever. */
int db_flush(struct db *db, struct err *err);
/* The next result, or NULL in *out when the statement is over. */
int db_next_result(struct db *db, PGresult **out, struct err *err);
/* All results of what was sent. The first failure counts; the last good one goes to *out. */
int db_finish(struct db *db, PGresult **out, struct err *err);
int db_send_query(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		  struct err *err);
/* Takes `rows`. */
void db_hand_over(PGresult *rows, struct db_result **out);

/* --- db_pipeline.c --- */
#define DB_PREPARED_NAME_BYTES 32
/* The name under which the server keeps `sql`; false when it does not. */
bool db_prepared_name(const struct db *db, const char *sql, char name[DB_PREPARED_NAME_BYTES]);
/* Read what a pipeline without an end left, and leave it. */
void db_pipeline_abandon(struct db *db);

#endif
