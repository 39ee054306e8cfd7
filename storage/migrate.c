#include "storage/migrate.h"

#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/db.h"
#include "storage/migrations.h"

/* The lock's number is "rfeventd" in ASCII. */
#define LOCK "SELECT pg_advisory_xact_lock(8243124961888103012)"

/* The version of the schema, 0 when there is none. */
static int read_version(struct db *db, int64_t *out, struct err *err)
{
	struct db_result *result;
	bool is_there;
	int r;

	r = db_query(db, "SELECT 1 WHERE to_regclass('public.schema_version') IS NOT NULL", NULL, 0,
		     &result, err);
	if (r < 0)
		return r;
	is_there = db_rows(result) == 1;
	db_result_free(result);
	*out = 0;
	if (!is_there)
		return 0;
	return db_query_int(db, "SELECT COALESCE(max(version), 0) FROM schema_version", NULL, 0, 0,
			    out, err);
}

static int apply(struct db *db, size_t i, struct err *err)
{
	char version[24];
	const struct db_param params[] = { db_i64((int64_t)i + 1, version) };
	int r = db_exec(db, migrations[i], err);

	if (r == 0)
		r = db_query(db, "INSERT INTO schema_version VALUES ($1, now())", params, 1, NULL,
			     err);
	if (r < 0)
		return err_prefix(err, r, "migration to schema version %zu", i + 1);
	return 0;
}

static int apply_missing(struct db *db, struct err *err)
{
	int64_t version, before;
	int r;

	r = db_exec(db, LOCK, err);
	if (r == 0)
		r = db_exec(db,
			    "CREATE TABLE IF NOT EXISTS schema_version"
			    " (version int PRIMARY KEY, applied timestamptz NOT NULL)",
			    err);
	if (r == 0)
		r = read_version(db, &version, err);
	if (r < 0)
		return r;
	before = version;
	for (; r == 0 && version < (int64_t)n_migrations; version++)
		r = apply(db, (size_t)version, err);
	if (r == 0)
		r = db_commit(db, err);
	if (r == 0 && before != version)
		log_info("storage", "schema migrated", LOG_I("from", before), LOG_I("to", version));
	return r;
}

int migrate(struct db *db, struct err *err)
{
	int64_t version;
	int r = read_version(db, &version, err);

	if (r < 0)
		return r;
	if (version > (int64_t)n_migrations)
		return err_set(
			err, -EPROTO,
			"database: its schema is version %lld and this program knows up to %zu: "
			"start the newer rfeventd",
			(long long)version, n_migrations);
	if (version == (int64_t)n_migrations)
		return 0;
	/* All of them in one transaction: a program that dies half-way leaves the old schema. */
	r = db_begin(db, err);
	if (r == 0)
		r = apply_missing(db, err);
	if (r < 0)
		db_rollback(db);
	return r;
}
