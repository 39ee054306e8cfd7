/* Statements that go out together and wait for the server once, and those that it keeps planned. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/db_priv.h"

static const char begin_sql[] = "BEGIN";
static const char commit_sql[] = "COMMIT";

/* --- kept by the server ------------------------------------------------------------------------ */

static void put_name(size_t place, char name[DB_PREPARED_NAME_BYTES])
{
	snprintf(name, DB_PREPARED_NAME_BYTES, "rfeventd_%zu", place);
}

bool db_prepared_name(const struct db *db, const char *sql, char name[DB_PREPARED_NAME_BYTES])
{
	for (size_t i = 0; i < db->n_prepared; i++) {
		if (db->prepared[i] == sql) {
			put_name(i, name);
			return true;
		}
	}
	return false;
}

static int prepare(struct db *db, const char *sql, struct err *err)
{
	char name[DB_PREPARED_NAME_BYTES];
	PGresult *rows;
	int r;

	if (db_prepared_name(db, sql, name))
		return 0;
	if (db->n_prepared == DB_MAX_PREPARED)
		return err_set(err, -E2BIG, "database: more than %d statements to keep",
			       DB_MAX_PREPARED);
	put_name(db->n_prepared, name);
	if (!db_is_usable(db, err))
		return -ENOTCONN;
	if (!PQsendPrepare(db->conn, name, sql, 0, NULL))
		return db_lost(db, "connection lost", err);
	r = db_finish(db, &rows, err);
	if (r < 0)
		return r;
	PQclear(rows);
	db->prepared[db->n_prepared++] = sql;
	return 0;
}

int db_prepare(struct db *db, const char *sql, struct err *err)
{
	int r = prepare(db, begin_sql, err);

	if (r == 0)
		r = prepare(db, commit_sql, err);
	return r == 0 ? prepare(db, sql, err) : r;
}

/* --- pipelines --------------------------------------------------------------------------------- */

/* What a pipeline answered, up to the mark at its end. */
struct answers {
	PGresult *rows; /* of the last statement that has some; NULL: none has */
	bool committed; /* by the last one; a transaction that failed answers with ROLLBACK, no error */
	int failure;    /* the first one */
};

/* Takes `rows`. */
static void keep(struct answers *answers, PGresult *rows)
{
	answers->committed = strcmp(PQcmdStatus(rows), "COMMIT") == 0;
	if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
		PQclear(rows);
		return;
	}
	PQclear(answers->rows);
	answers->rows = rows;
}

static int read_answers(struct db *db, struct answers *answers, struct err *err)
{
	bool is_over = false, was_null = false;
	int r = db_flush(db, err);

	while (r == 0 && !is_over) {
		ExecStatusType status;
		PGresult *rows;

		r = db_next_result(db, &rows, err);
		if (r == 0 && !rows && was_null) /* one stands between two statements */
			r = db_lost(db, "no answer", err);
		was_null = !rows;
		if (r < 0 || !rows)
			continue;
		status = PQresultStatus(rows);
		is_over = status == PGRES_PIPELINE_SYNC;
		if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
			keep(answers, rows);
			continue;
		}
		if (!is_over && status != PGRES_PIPELINE_ABORTED && answers->failure == 0)
			answers->failure = db_refused(db, rows, err);
		PQclear(rows);
	}
	return r < 0 ? r : answers->failure;
}

/* The end of a pipeline, and all its answers. */
static int end(struct db *db, struct answers *answers, struct err *err)
{
	int r;

	if (!PQpipelineSync(db->conn))
		return db_lost(db, "connection lost", err);
	r = read_answers(db, answers, err);
	if (r != -ENOTCONN && !PQexitPipelineMode(db->conn))
		r = db_lost(db, "connection lost", err);
	return r;
}

void db_pipeline_abandon(struct db *db)
{
	struct answers answers = { 0 };
	struct err err;

	if (PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF || !db_is_alive(db))
		return;
	end(db, &answers, &err);
	PQclear(answers.rows);
}

static int hand_over(struct answers *answers, int r, struct db_result **out)
{
	if (r == 0)
		db_hand_over(answers->rows, out);
	else
		PQclear(answers->rows);
	return r;
}

int db_pipeline_begin(struct db *db, struct err *err)
{
	if (!db_is_usable(db, err))
		return -ENOTCONN;
	if (!PQenterPipelineMode(db->conn))
		return db_lost(db, "connection lost", err);
	return db_send_query(db, begin_sql, NULL, 0, err);
}

int db_pipeline_put(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		    struct err *err)
{
	return db_send_query(db, sql, params, n_params, err);
}

int db_pipeline_start(struct db *db, struct err *err)
{
	return db_flush(db, err);
}

int db_pipeline_commit(struct db *db, struct db_result **out, struct err *err)
{
	struct answers answers = { 0 };
	int r = db_send_query(db, commit_sql, NULL, 0, err);

	if (r == 0)
		r = end(db, &answers, err);
	if (r == 0 && !answers.committed)
		r = err_set(err, -EIO, "database: the transaction was rolled back");
	return hand_over(&answers, r, out);
}

int db_begin_query(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		   struct db_result **out, struct err *err)
{
	struct answers answers = { 0 };
	int r = db_pipeline_begin(db, err);

	if (r < 0)
		return r;
	r = db_pipeline_put(db, sql, params, n_params, err);
	if (r < 0) {
		db_pipeline_abandon(db);
		return r;
	}
	r = end(db, &answers, err);
	return hand_over(&answers, r, out);
}
