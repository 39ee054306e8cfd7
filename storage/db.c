#include "storage/db.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/db_priv.h"

#define BYTEA_OID        17
#define COPY_PIECE_BYTES (256u << 10) /* handed to libpq at once, which copies it */

/* What every session of ours starts with. */
static const char session_settings[] = "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';"
				       "SET search_path = public; SET bytea_output = 'hex';"
				       "SET client_min_messages = warning";

/* --- failures ----------------------------------------------------------------------------------
 */

int db_lost(struct db *db, const char *what, struct err *err)
{
	struct str words = str_trim(str_of(PQerrorMessage(db->conn)));

	db->given_up = true;
	if (words.len == 0)
		return err_set(err, -ENOTCONN, "database: %s", what);
	return err_set(err, -ENOTCONN, "database: %s: %.*s", what, STR_ARG(words));
}

/* What a SQLSTATE means to a caller: see the header. */
static int code_of(const char *state, const char *constraint)
{
	/* "No partition found for row" comes as a check violation without a constraint: the lack is
	 * ours, not the row's. */
	if (strcmp(state, "23514") == 0 && !constraint)
		return -EIO;
	if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
	    strncmp(state, "54", 2) == 0 || strcmp(state, "P0001") == 0)
		return -EINVAL;
	if (strncmp(state, "40", 2) == 0 || strncmp(state, "55", 2) == 0)
		return -EAGAIN;
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0)
		return -ENOTCONN;
	return -EIO;
}

int db_refused(struct db *db, const PGresult *rows, struct err *err)
{
	const char *state = PQresultErrorField(rows, PG_DIAG_SQLSTATE);
	const char *words = PQresultErrorField(rows, PG_DIAG_MESSAGE_PRIMARY);

	if (!state || PQstatus(db->conn) == CONNECTION_BAD)
		return db_lost(db, "connection lost", err);
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
	return err_set(err, code_of(state, PQresultErrorField(rows, PG_DIAG_CONSTRAINT_NAME)),
		       "database: %s", words ? words : state);
}

/* --- waiting -----------------------------------------------------------------------------------
 */

/* Until the socket is ready for one of `events`; 0 or -ENOTCONN. */
static int wait_for(struct db *db, short events, struct err *err)
{
	struct pollfd watch = { .fd = PQsocket(db->conn), .events = events };
	int n;

	for (;;) {
		if (db->given_up)
			return err_set(err, -ENOTCONN, "database: gave up waiting for the server");
		n = poll(&watch, 1, db->on_wait ? db->interval_ms : -1);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return db_lost(db, "poll failed", err);
		if (n == 0)
			db->on_wait(db->on_wait_ctx);
	}
}

int db_flush(struct db *db, struct err *err)
{
	int r;

	while ((r = PQflush(db->conn)) > 0) {
		r = wait_for(db, POLLIN | POLLOUT, err);
		if (r < 0)
			return r;
		if (!PQconsumeInput(db->conn))
			return db_lost(db, "connection lost", err);
	}
	return r < 0 ? db_lost(db, "connection lost", err) : 0;
}

int db_next_result(struct db *db, PGresult **out, struct err *err)
{
	while (PQisBusy(db->conn)) {
		int r = wait_for(db, POLLIN, err);

		if (r < 0)
			return r;
		if (!PQconsumeInput(db->conn))
			return db_lost(db, "connection lost", err);
	}
	*out = PQgetResult(db->conn);
	return 0;
}

int db_finish(struct db *db, PGresult **out, struct err *err)
{
	PGresult *rows = NULL, *kept = NULL;
	int r = db_flush(db, err), failure = 0;

	while (r == 0) {
		ExecStatusType status;

		r = db_next_result(db, &rows, err);
		if (r < 0 || !rows)
			break;
		status = PQresultStatus(rows);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
		    status != PGRES_EMPTY_QUERY && status != PGRES_COPY_IN && failure == 0)
			failure = db_refused(db, rows, err);
		PQclear(kept);
		kept = rows;
		if (status == PGRES_COPY_IN)
			break;
	}
	if (r == 0)
		r = failure;
	if (r == 0 && !kept)
		r = db_lost(db, "no answer", err);
	if (r == 0 && out)
		*out = kept;
	else
		PQclear(kept);
	return r;
}

bool db_is_usable(struct db *db, struct err *err)
{
	db->sqlstate[0] = '\0';
	if (!db->given_up && PQstatus(db->conn) == CONNECTION_OK)
		return true;
	err_set(err, -ENOTCONN, "database: not connected");
	return false;
}

/* --- opening -----------------------------------------------------------------------------------
 */

static void ignore_notice(void *ctx, const PGresult *notice)
{
}

/* Drives the connection attempt until `deadline_us` (monotonic). */
static int connect_within(struct db *db, int64_t deadline_us, struct err *err)
{
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;
	struct pollfd watch;

	if (PQstatus(db->conn) == CONNECTION_BAD)
		return db_lost(db, "cannot connect", err);
	while (state != PGRES_POLLING_OK) {
		int64_t left_us = deadline_us - clock_monotonic_us();

		watch = (struct pollfd){ .fd = PQsocket(db->conn),
					 .events = state == PGRES_POLLING_READING ? POLLIN
										  : POLLOUT };
		if (left_us <= 0)
			return err_set(err, -ENOTCONN, "database: no answer in time");
		if (poll(&watch, 1, (int)(left_us / 1000) + 1) <= 0)
			continue;
		state = PQconnectPoll(db->conn);
		if (state == PGRES_POLLING_FAILED)
			return db_lost(db, "cannot connect", err);
	}
	return 0;
}

/* The settings get what is left of the time too: a frozen server accepts and says nothing. */
static int settle(struct db *db, int64_t deadline_us, struct err *err)
{
	struct pollfd watch = { .fd = PQsocket(db->conn), .events = POLLIN };
	int64_t left_us;

	if (!PQsendQuery(db->conn, session_settings) || db_flush(db, err) < 0)
		return db_lost(db, "cannot connect", err);
	left_us = deadline_us - clock_monotonic_us();
	if (left_us <= 0 || poll(&watch, 1, (int)(left_us / 1000) + 1) <= 0)
		return err_set(err, -ENOTCONN, "database: no answer in time");
	return db_finish(db, NULL, err);
}

int db_open(const char *url, const char *application, int timeout_ms, struct db **out,
	    struct err *err)
{
	/* What the URL says comes later and wins. */
	const char *const names[] = { "application_name",
				      "tcp_user_timeout",
				      "keepalives_idle",
				      "keepalives_interval",
				      "dbname",
				      "client_encoding",
				      NULL };
	const char *const values[] = { application, "20000", "10", "5", url, "UTF8", NULL };
	int64_t deadline_us = clock_monotonic_us() + timeout_ms * INT64_C(1000);
	struct db *db = xcalloc(1, sizeof(*db));
	int r;

	db->conn = PQconnectStartParams(names, values, 1);
	if (!db->conn) {
		free(db);
		return err_set(err, -ENOMEM, "database: out of memory");
	}
	PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
	r = connect_within(db, deadline_us, err);
	if (r == 0 && PQsetnonblocking(db->conn, 1) != 0)
		r = db_lost(db, "cannot connect", err);
	if (r == 0)
		r = settle(db, deadline_us, err);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	PQfinish(db->conn);
	free(db);
}

bool db_is_alive(const struct db *db)
{
	return !db->given_up && PQstatus(db->conn) == CONNECTION_OK;
}

bool db_check(struct db *db)
{
	struct pollfd watch = { .fd = PQsocket(db->conn), .events = POLLIN };

	/* The words of a server that shuts down come first, the end of the stream after them. */
	while (db_is_alive(db) && poll(&watch, 1, 0) > 0)
		if (!PQconsumeInput(db->conn))
			db->given_up = true;
	return db_is_alive(db);
}

const char *db_sqlstate(const struct db *db)
{
	return db->sqlstate;
}

void db_on_wait(struct db *db, db_wait_fn *fn, void *ctx, int interval_ms)
{
	db->on_wait = fn;
	db->on_wait_ctx = ctx;
	db->interval_ms = interval_ms;
}

void db_give_up(struct db *db)
{
	db->given_up = true;
}

/* --- statements --------------------------------------------------------------------------------
 */

struct db_param db_i64(int64_t value, char buffer[24])
{
	int n = snprintf(buffer, 24, "%lld", (long long)value);

	return DB_STR(((struct str){ buffer, (size_t)n }));
}

struct db_param db_uuid(struct uuid id, char buffer[UUID_TEXT_BYTES])
{
	return DB_STR(((struct str){ uuid_format(id, buffer), UUID_TEXT_BYTES - 1 }));
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
	if (!db_is_usable(db, err))
		return -ENOTCONN;
	if (!PQsendQuery(db->conn, sql))
		return db_lost(db, "connection lost", err);
	return db_finish(db, NULL, err);
}

/* Parameters as libpq wants them: side by side, texts NUL-terminated. */
struct arguments {
	const char **values;
	int *lengths, *formats;
	Oid *types;
	char *texts;
};

static void arguments_fini(struct arguments *a)
{
	free(a->values);
	free(a->lengths);
	free(a->formats);
	free(a->types);
	free(a->texts);
}

/* False when a text holds a NUL, which PostgreSQL has no place for and libpq would cut at. */
static bool arguments_init(struct arguments *a, const struct db_param *params, size_t n)
{
	size_t n_bytes = 1;
	char *to;

	*a = (struct arguments){ .values = xcalloc(n + 1, sizeof(*a->values)),
				 .lengths = xcalloc(n + 1, sizeof(*a->lengths)),
				 .formats = xcalloc(n + 1, sizeof(*a->formats)),
				 .types = xcalloc(n + 1, sizeof(*a->types)) };
	for (size_t i = 0; i < n; i++)
		if (!params[i].binary)
			n_bytes += params[i].value.len + 1;
	a->texts = to = xmalloc(n_bytes);
	for (size_t i = 0; i < n; i++) {
		struct str value = params[i].value;

		if (!value.p)
			continue;
		if (params[i].binary) {
			a->values[i] = value.p;
			a->lengths[i] = (int)value.len;
			a->formats[i] = 1;
			a->types[i] = BYTEA_OID;
			continue;
		}
		if (str_find_char(value, '\0') != value.len)
			return false;
		memcpy(to, value.p, value.len);
		to[value.len] = '\0';
		a->values[i] = to;
		to += value.len + 1;
	}
	return true;
}

int db_send_query(struct db *db, const char *sql, const struct db_param *params,
		      size_t n_params, struct err *err)
{
	char name[DB_PREPARED_NAME_BYTES];
	struct arguments a;
	int r = 0;

	if (!arguments_init(&a, params, n_params)) {
		snprintf(db->sqlstate, sizeof(db->sqlstate), "22021");
		r = err_set(err, -EINVAL, "database: a text holds a NUL");
	} else if (db_prepared_name(db, sql, name)
			   ? !PQsendQueryPrepared(db->conn, name, (int)n_params, a.values,
						  a.lengths, a.formats, 0)
			   : !PQsendQueryParams(db->conn, sql, (int)n_params, a.types, a.values,
						a.lengths, a.formats, 0)) {
		r = db_lost(db, "connection lost", err);
	}
	arguments_fini(&a);
	return r;
}

void db_hand_over(PGresult *rows, struct db_result **out)
{
	if (!out) {
		PQclear(rows);
		return;
	}
	*out = xmalloc(sizeof(**out));
	(*out)->rows = rows;
}

int db_query(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
	     struct db_result **out, struct err *err)
{
	PGresult *rows;
	int r;

	if (!db_is_usable(db, err))
		return -ENOTCONN;
	r = db_send_query(db, sql, params, n_params, err);
	if (r == 0)
		r = db_finish(db, &rows, err);
	if (r == 0)
		db_hand_over(rows, out);
	return r;
}

int db_query_int(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
		 int64_t none, int64_t *out, struct err *err)
{
	struct db_result *result;
	int r = db_query(db, sql, params, n_params, &result, err);

	if (r < 0)
		return r;
	*out = db_rows(result) > 0 ? db_int(result, 0, 0) : none;
	db_result_free(result);
	return 0;
}

/* --- COPY ---------------------------------------------------------------------------------------
 */

int db_copy_begin(struct db *db, const char *sql, struct err *err)
{
	PGresult *rows;
	int r;

	if (!db_is_usable(db, err))
		return -ENOTCONN;
	if (!PQsendQuery(db->conn, sql))
		return db_lost(db, "connection lost", err);
	r = db_finish(db, &rows, err);
	if (r < 0)
		return r;
	db->in_copy = PQresultStatus(rows) == PGRES_COPY_IN;
	PQclear(rows);
	return db->in_copy ? 0 : err_set(err, -EIO, "database: not a COPY");
}

int db_copy_put(struct db *db, struct str bytes, struct err *err)
{
	while (bytes.len > 0) {
		size_t n = bytes.len < COPY_PIECE_BYTES ? bytes.len : COPY_PIECE_BYTES;
		int r = PQputCopyData(db->conn, bytes.p, (int)n);

		if (r < 0)
			return db_lost(db, "connection lost", err);
		if (r > 0) {
			bytes.p += n;
			bytes.len -= n;
		}
		r = db_flush(db, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* End the COPY that runs. *out: what came last, which is another COPY's beginning when one follows.
 */
static int end_copy(struct db *db, PGresult **out, struct err *err)
{
	int r;

	db->in_copy = false;
	while ((r = PQputCopyEnd(db->conn, NULL)) == 0) {
		r = db_flush(db, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return db_lost(db, "connection lost", err);
	return db_finish(db, out, err);
}

int db_copy_next(struct db *db, struct err *err)
{
	PGresult *rows;
	int r = end_copy(db, &rows, err);

	if (r < 0)
		return r;
	db->in_copy = PQresultStatus(rows) == PGRES_COPY_IN;
	PQclear(rows);
	return db->in_copy ? 0 : err_set(err, -EIO, "database: not a COPY");
}

int db_copy_end(struct db *db, int64_t *rows_out, struct err *err)
{
	PGresult *rows;
	int64_t n_rows;
	int r = end_copy(db, &rows, err);

	if (r < 0)
		return r;
	if (rows_out && str_to_i64(str_of(PQcmdTuples(rows)), &n_rows))
		*rows_out = n_rows;
	PQclear(rows);
	return 0;
}

/* Takes `rows`, the answer to COMMIT. A transaction that failed before answers with ROLLBACK, and
 * no error. */
static int check_commit(PGresult *rows, struct err *err)
{
	bool committed = strcmp(PQcmdStatus(rows), "COMMIT") == 0;

	PQclear(rows);
	return committed ? 0 : err_set(err, -EIO, "database: the transaction was rolled back");
}

int db_copy_commit(struct db *db, struct err *err)
{
	PGresult *rows;
	int r = end_copy(db, &rows, err);

	return r < 0 ? r : check_commit(rows, err);
}

/* --- transactions -------------------------------------------------------------------------------
 */

int db_begin(struct db *db, struct err *err)
{
	return db_exec(db, "BEGIN", err);
}

int db_commit(struct db *db, struct err *err)
{
	PGresult *rows;
	int r;

	if (!db_is_usable(db, err))
		return -ENOTCONN;
	if (!PQsendQuery(db->conn, "COMMIT"))
		return db_lost(db, "connection lost", err);
	r = db_finish(db, &rows, err);
	return r < 0 ? r : check_commit(rows, err);
}

void db_rollback(struct db *db)
{
	char sqlstate[SQLSTATE_BYTES];
	struct err err;

	memcpy(sqlstate, db->sqlstate, sizeof(sqlstate)); /* of what led here */
	db_pipeline_abandon(db);
	if (db->in_copy && PQputCopyEnd(db->conn, "given up") > 0)
		db_finish(db, NULL, &err);
	db->in_copy = false;
	if (PQtransactionStatus(db->conn) != PQTRANS_IDLE)
		db_exec(db, "ROLLBACK", &err);
	memcpy(db->sqlstate, sqlstate, sizeof(sqlstate));
}

/* --- notifications ------------------------------------------------------------------------------
 */

int db_fd(const struct db *db)
{
	return PQsocket(db->conn);
}

bool db_next_notification(struct db *db, struct strbuf *channel, struct strbuf *payload)
{
	PGnotify *notification;

	if (db->given_up)
		return false;
	notification = PQnotifies(db->conn);
	if (!notification && PQconsumeInput(db->conn))
		notification = PQnotifies(db->conn);
	if (!notification)
		return false;
	strbuf_put_text(channel, notification->relname);
	strbuf_put_text(payload, notification->extra);
	PQfreemem(notification);
	return true;
}
