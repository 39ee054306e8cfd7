#include "accounts/session_store.h"

#include <assert.h>
#include <stdio.h>

#include "accounts/account_store.h"
#include "accounts/session_table.h"
#include "base/mem.h"
#include "storage/db.h"

#define TIME(param) "(timestamptz 'epoch' + " param "::bigint * interval '1 microsecond')"
#define COLUMNS     "id, account, sha256, address, created, used"

int session_store_put(struct db *db, const struct session *session, struct err *err)
{
	char created[24], used[24];
	const struct db_param params[] = {
		DB_STR(str_of(session->id)),	   DB_STR(str_of(session->account)),
		DB_STR(str_of(session->sha256)),   DB_STR(str_of(session->address)),
		db_i64(session->created_us, created), db_i64(session->used_us, used),
	};

	return db_query(db,
			"WITH made AS (INSERT INTO session (" COLUMNS ") VALUES ($1, $2, $3, $4, " TIME(
				"$5") ", " TIME("$6") ") ON CONFLICT DO NOTHING RETURNING 1)"
			" SELECT pg_notify('" ACCOUNT_CHANNEL "', '') FROM made",
			params, ARRAY_LEN(params), NULL, err);
}

int session_store_used(struct db *db, struct str id, int64_t used_us, struct err *err)
{
	char used[24];
	const struct db_param params[] = { DB_STR(id), db_i64(used_us, used) };

	return db_query(db, "UPDATE session SET used = greatest(used, " TIME("$2") ") WHERE id = $1",
			params, ARRAY_LEN(params), NULL, err);
}

int session_store_remove(struct db *db, struct str id, struct err *err)
{
	const struct db_param params[] = { DB_STR(id) };

	return db_query(db,
			"WITH gone AS (DELETE FROM session WHERE id = $1 RETURNING id)"
			" SELECT pg_notify('" SESSION_CHANNEL "', id) FROM gone",
			params, ARRAY_LEN(params), NULL, err);
}

static void copy(char *out, size_t size, struct str text)
{
	snprintf(out, size, "%.*s", STR_ARG(text));
}

static void take_row(const struct db_result *rows, size_t i, struct session *out)
{
	*out = (struct session){ .created_us = db_time_us(rows, i, 4),
				 .used_us = db_time_us(rows, i, 5),
				 .is_stored = true };
	copy(out->id, sizeof(out->id), db_str(rows, i, 0));
	copy(out->account, sizeof(out->account), db_str(rows, i, 1));
	copy(out->sha256, sizeof(out->sha256), db_str(rows, i, 2));
	copy(out->address, sizeof(out->address), db_str(rows, i, 3));
	out->stored_used_us = out->used_us;
}

int session_store_find(struct db *db, struct str sha256, struct session *out, struct err *err)
{
	const struct db_param params[] = { DB_STR(sha256) };
	struct db_result *rows;
	int r = db_query(db, "SELECT " COLUMNS " FROM session WHERE sha256 = $1", params, 1, &rows,
			 err);

	if (r < 0)
		return r;
	r = db_rows(rows) > 0;
	if (r > 0)
		take_row(rows, 0, out);
	db_result_free(rows);
	return r;
}

int session_store_read(struct db *db, struct session **out, size_t *n_out, struct err *err)
{
	struct db_result *rows;
	int r;

	static_assert(SESSION_MAX_COUNT == 1024, "as in the query");
	r = db_query(db, "SELECT " COLUMNS " FROM session ORDER BY used DESC LIMIT 1024", NULL, 0,
		     &rows, err);
	if (r < 0)
		return r;
	*n_out = db_rows(rows);
	*out = xcalloc(*n_out + 1, sizeof(**out));
	for (size_t i = 0; i < *n_out; i++)
		take_row(rows, i, &(*out)[i]);
	db_result_free(rows);
	return 0;
}

int session_store_purge(struct db *db, int64_t timeout_s, struct err *err)
{
	char timeout[24];
	const struct db_param params[] = { db_i64(timeout_s, timeout) };

	return db_query(db,
			"DELETE FROM session WHERE"
			" used < clock_timestamp() - ($1::bigint + 60) * interval '1 second'",
			params, 1, NULL, err);
}
