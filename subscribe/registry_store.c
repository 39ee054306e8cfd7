#include "subscribe/registry_store.h"

#include "base/err.h"
#include "base/mem.h"
#include "registries/registry.h"
#include "storage/db.h"

#define NOTIFY "SELECT pg_notify('" REGISTRY_CHANNEL "', '')"

/* Whether the statement gave a row. */
static int ask(struct db *db, const char *sql, const struct db_param *params, size_t n_params,
	       struct err *err)
{
	struct db_result *result;
	int r = db_query(db, sql, params, n_params, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) > 0;
	db_result_free(result);
	return r;
}

/* xmax is 0 in a row that this statement made. */
static int put_registry(struct db *db, const struct registry *registry, struct str body,
			bool by_hand, bool *new_out, struct err *err)
{
	const struct db_param params[] = {
		DB_STR(registry_sha256(registry)),
		DB_STR(registry_prefix(registry)),
		DB_STR(registry_version(registry)),
		DB_STR(registry_language(registry)),
		DB_STR(by_hand ? STR("true") : STR("false")),
		DB_BYTES(body),
	};
	struct db_result *result;
	int r;

	r = db_query(db,
		     "INSERT INTO registry AS r (sha256, prefix, version, language, by_hand, body)"
		     " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sha256) DO UPDATE"
		     " SET by_hand = r.by_hand OR excluded.by_hand RETURNING xmax = 0",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	if (new_out)
		*new_out = str_eq(db_str(result, 0, 0), STR("t"));
	db_result_free(result);
	return 0;
}

static int put_place(struct db *db, struct str sha256, const struct registry_place *from,
		     struct err *err)
{
	char source[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(from->source, source), DB_STR(sha256),
					   DB_STR(from->uri), DB_STR(from->etag) };

	return db_query(db,
			"INSERT INTO registry_source (source_id, sha256, uri, etag)"
			" VALUES ($1, $2, $3, $4) ON CONFLICT (source_id, sha256) DO UPDATE"
			" SET uri = excluded.uri, etag = excluded.etag, seen = clock_timestamp()",
			params, ARRAY_LEN(params), NULL, err);
}

/* A change and its notice are one transaction. */
static int finish(struct db *db, int r, bool notify, struct err *err)
{
	if (r >= 0 && notify)
		r = db_query(db, NOTIFY, NULL, 0, NULL, err);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, err);
}

int registry_store_put(struct db *db, const struct registry *registry, struct str body,
		       const struct registry_place *from, bool *new_out, struct err *err)
{
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	r = put_registry(db, registry, body, !from, new_out, err);
	if (r == 0 && from)
		r = put_place(db, registry_sha256(registry), from, err);
	return finish(db, r, !from, err);
}

int registry_store_remove(struct db *db, struct str sha256, struct err *err)
{
	const struct db_param params[] = { DB_STR(sha256) };
	int found, r = db_begin(db, err);

	if (r < 0)
		return r;
	found = ask(db, "DELETE FROM registry WHERE sha256 = $1 RETURNING 1", params, 1, err);
	r = finish(db, found, true, err);
	return r < 0 ? r : found;
}

int registry_store_find_etag(struct db *db, struct uuid source, struct str uri, struct strbuf *etag,
			     struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(source, id), DB_STR(uri) };
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT etag FROM registry_source WHERE source_id = $1 AND uri = $2"
		     " AND etag IS NOT NULL ORDER BY seen DESC LIMIT 1",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	r = db_rows(result) > 0;
	if (r > 0)
		strbuf_put(etag, db_str(result, 0, 0));
	db_result_free(result);
	return r;
}

int registry_store_seen(struct db *db, struct uuid source, struct str uri, struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(source, id), DB_STR(uri) };

	return db_query(db,
			"UPDATE registry_source SET seen = clock_timestamp()"
			" WHERE source_id = $1 AND uri = $2",
			params, ARRAY_LEN(params), NULL, err);
}

/* A claim counts as a failure until it is known how it went: the asker may die. */
int registry_store_claim(struct db *db, struct uuid source, int64_t retry_us, int64_t rest_us,
			 bool force, struct err *err)
{
	char id[UUID_TEXT_BYTES], retry[24], rest[24];
	const struct db_param params[] = {
		db_uuid(source, id),
		db_i64(retry_us, retry),
		db_i64(rest_us, rest),
		DB_STR(force ? STR("true") : STR("false")),
	};

	return ask(db,
		   "INSERT INTO registry_asked AS a (source_id, asked, failures)"
		   " VALUES ($1, clock_timestamp(), 1) ON CONFLICT (source_id) DO UPDATE"
		   " SET asked = clock_timestamp(), failures = a.failures + 1"
		   " WHERE $4::boolean OR a.asked < clock_timestamp() - interval '1 microsecond' *"
		   "  CASE WHEN a.failures = 0 THEN $3::bigint ELSE"
		   "   least($2::bigint * power(2, least(a.failures - 1, 30)), $3::bigint) END"
		   " RETURNING 1",
		   params, ARRAY_LEN(params), err);
}

/* A source that was read whole serves what was seen since, and no more. */
static int forget_unseen(struct db *db, struct db_param source, struct err *err)
{
	return db_query(db,
			"DELETE FROM registry_source s USING registry_asked a"
			" WHERE s.source_id = $1 AND a.source_id = $1 AND s.seen < a.asked",
			&source, 1, NULL, err);
}

int registry_store_asked(struct db *db, struct uuid source, const char *error, struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = {
		db_uuid(source, id),
		DB_STR(error ? str_of(error) : ((struct str){ NULL, 0 })),
	};
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	if (!error)
		r = forget_unseen(db, params[0], err);
	if (r == 0)
		r = db_query(db,
			     "UPDATE registry_asked SET error = $2,"
			     " failures = CASE WHEN $2::text IS NULL THEN 0 ELSE failures END"
			     " WHERE source_id = $1",
			     params, ARRAY_LEN(params), NULL, err);
	return finish(db, r, true, err);
}
