#include "storage/shared.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/source_set.h"
#include "storage/db.h"

#define PAGE "5000" /* sources of one read */

/* --- facts -------------------------------------------------------------------------------------
 */

/* 1 when this made the row. */
static int fact_insert(struct db *db, const char *name, struct str value, struct uuid node,
		       struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { DB_STR(str_of(name)), DB_STR(value), db_uuid(node, id) };
	struct db_result *result;
	int r = db_query(db,
			 "INSERT INTO shared_fact (name, value, node) VALUES ($1, $2, $3)"
			 " ON CONFLICT (name) DO NOTHING RETURNING 1",
			 params, ARRAY_LEN(params), &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1;
	db_result_free(result);
	return r;
}

static int fact_read(struct db *db, const char *name, char **out, struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(name)) };
	struct db_result *result;
	int r = db_query(db, "SELECT value FROM shared_fact WHERE name = $1", params, 1, &result,
			 err);

	if (r < 0)
		return r;
	if (db_rows(result) == 1)
		*out = xstrndup(db_str(result, 0, 0));
	else
		r = err_set(err, -ENOENT, "database: no replica said its '%s' yet", name);
	db_result_free(result);
	return r;
}

int fact_claim(struct db *db, const char *name, struct str value, struct uuid node, char **out,
	       struct err *err)
{
	int ours, r = fact_read(db, name, out, err);

	if (r != -ENOENT || !value.p)
		return r;
	ours = fact_insert(db, name, value, node, err);
	if (ours < 0)
		return ours;
	r = fact_read(db, name, out, err);
	return r < 0 ? r : ours;
}

int fact_set(struct db *db, const char *name, struct str value, struct uuid node, struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { DB_STR(str_of(name)), DB_STR(value), db_uuid(node, id) };

	return db_query(db,
			"INSERT INTO shared_fact AS f (name, value, node) VALUES ($1, $2, $3)"
			" ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
			" node = excluded.node, changed = now() WHERE f.value <> excluded.value",
			params, ARRAY_LEN(params), NULL, err);
}

/* --- sources -----------------------------------------------------------------------------------
 */

static const char read_sql[] =
	"SELECT id, name, address, token, certificate, site, rack, owner, state, reply_status,"
	" created, details FROM source WHERE id > $1::uuid AND ($2::bigint = 0 OR changed >="
	" timestamptz 'epoch' + $2::bigint * interval '1 microsecond') ORDER BY id LIMIT " PAGE;

static struct source row_source(const struct db_result *rows, size_t i)
{
	return (struct source){ .id = db_get_uuid(rows, i, 0),
				.name = db_str(rows, i, 1),
				.address = db_str(rows, i, 2),
				.token = db_str(rows, i, 3),
				.certificate = db_str(rows, i, 4),
				.site = db_str(rows, i, 5),
				.rack = db_str(rows, i, 6),
				.owner = db_str(rows, i, 7),
				.state = (enum source_state)db_int(rows, i, 8),
				.reply_status = (int)db_int(rows, i, 9),
				.created_us = db_time_us(rows, i, 10),
				.details = db_str(rows, i, 11) };
}

static int ask_time(struct db *db, int64_t *out, struct err *err)
{
	struct db_result *result;
	int r = db_query(db, "SELECT clock_timestamp()", NULL, 0, &result, err);

	if (r < 0)
		return r;
	*out = db_time_us(result, 0, 0);
	db_result_free(result);
	return 0;
}

int sources_read(struct db *db, int64_t since_us, source_row_fn *fn, void *ctx, int64_t *asked_us,
		 struct err *err)
{
	struct uuid last = { { 0 } };
	int64_t now_us;
	size_t n;
	int r = ask_time(db, &now_us, err);

	if (r < 0)
		return r;
	do {
		char after[UUID_TEXT_BYTES], since[24];
		const struct db_param params[] = { db_uuid(last, after), db_i64(since_us, since) };
		struct db_result *rows;

		r = db_query(db, read_sql, params, ARRAY_LEN(params), &rows, err);
		if (r < 0)
			return r;
		n = db_rows(rows);
		for (size_t i = 0; i < n; i++) {
			const struct source source = row_source(rows, i);

			fn(ctx, &source);
			last = source.id;
		}
		db_result_free(rows);
	} while (n > 0);
	*asked_us = now_us;
	return 0;
}
