#include "accounts/audit_store.h"

#include "accounts/audit.h"
#include "accounts/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/array_text.h"
#include "storage/db.h"

#define TIME(param) "(timestamptz 'epoch' + " param "::bigint * interval '1 microsecond')"

static int put_one(struct db *db, struct uuid node, const struct audit_record *record,
		   struct err *err)
{
	char id[UUID_TEXT_BYTES], node_text[UUID_TEXT_BYTES], time[24], status[24];
	struct strbuf args;
	int r;

	strbuf_init(&args, SIZE_MAX);
	array_text_begin(&args);
	for (size_t i = 0; i < record->n_args; i++)
		array_text_put(&args, str_of(record->args[i]));
	array_text_end(&args);
	{
		const struct db_param params[] = {
			db_uuid(record->id, id),
			db_i64(record->time_us, time),
			db_uuid(node, node_text),
			DB_STR(str_of(record->account)),
			DB_STR(str_of(record->way)),
			DB_STR(str_of(record->address)),
			DB_STR(str_of(record->method)),
			DB_STR(str_of(record->uri)),
			db_i64(record->status, status),
			DB_STR(str_of(record->message_id)),
			DB_STR(strbuf_str(&args)),
		};

		r = db_query(db,
			     "INSERT INTO audit (record, happened, node, account, way, address,"
			     " method, uri, status, message_id, message_args) VALUES ($1, " TIME("$2")
			     ", $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (record) DO NOTHING",
			     params, ARRAY_LEN(params), NULL, err);
	}
	strbuf_fini(&args);
	return r;
}

/* One replica at a time: a page that was read never gets an entry in its middle. */
int audit_store_put(struct db *db, struct uuid node, struct audit_record *const *records, size_t n,
		    struct err *err)
{
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	r = db_query(db, "SELECT pg_advisory_xact_lock(8243124961888103014)", NULL, 0, NULL, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_one(db, node, records[i], err);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, err);
}

int audit_store_drop_old(struct db *db, int64_t keep_us, int64_t *n_out, struct err *err)
{
	char keep[24];
	const struct db_param params[] = { db_i64(keep_us, keep) };

	return db_query_int(
		db,
		"WITH gone AS (DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE happened"
		" < clock_timestamp() - $1::bigint * interval '1 microsecond' LIMIT 10000)"
		" RETURNING 1) SELECT count(*) FROM gone",
		params, 1, 0, n_out, err);
}

int audit_store_read(struct db *db, const struct audit_query *query, struct db_result **rows,
		     int64_t *count_out, struct err *err)
{
	char before[24], skip[24], limit[24], only[24];
	const struct db_param params[] = {
		db_i64(query->before > 0 ? query->before : INT64_MAX, before),
		db_i64(query->limit, limit),
		db_i64(query->skip, skip),
		db_i64(query->only, only),
	};
	int r = 0;

	if (count_out)
		r = db_query_int(db, "SELECT count(*) FROM audit", NULL, 0, 0, count_out, err);
	if (r < 0)
		return r;
	return db_query(db,
			"SELECT id, happened, account, way, address, method, uri, status, message_id,"
			" to_json(message_args)::text FROM audit WHERE id < $1::bigint"
			" AND ($4::bigint = 0 OR id = $4::bigint)"
			" ORDER BY id DESC LIMIT $2::bigint OFFSET $3::bigint",
			params, ARRAY_LEN(params), rows, err);
}

void audit_store_entry(const struct db_result *rows, size_t i, struct audit_entry *out)
{
	*out = (struct audit_entry){
		.id = db_int(rows, i, 0),
		.time_us = db_time_us(rows, i, 1),
		.account = db_str(rows, i, 2),
		.way = db_str(rows, i, 3),
		.address = db_str(rows, i, 4),
		.method = db_str(rows, i, 5),
		.uri = db_str(rows, i, 6),
		.status = db_int(rows, i, 7),
		.message_id = db_str(rows, i, 8),
		.args = db_str(rows, i, 9),
	};
}
