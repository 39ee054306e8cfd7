#include "storage/source_store.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/source_set.h"
#include "storage/db.h"

/* Makers and changers of names follow each other, so that two cannot take the same one. Any number
 * that nobody else in the database locks. */
#define LOCK "SELECT pg_advisory_xact_lock(7321004460152881)"

enum { ID, NAME, ADDRESS, TOKEN, CERTIFICATE, SITE, RACK, OWNER, DETAILS, STATE, N_FACTS };
/* Where the parameters' numbers stand. */
struct facts {
	char id[UUID_TEXT_BYTES], state[24];
};

static void put_facts(const struct source *source, struct facts *held, struct db_param *params)
{
	params[ID] = db_uuid(source->id, held->id);
	params[NAME] = DB_STR(source->name);
	params[ADDRESS] = DB_STR(source->address);
	params[TOKEN] = DB_STR(source->token);
	params[CERTIFICATE] = DB_STR(source->certificate);
	params[SITE] = DB_STR(source->site);
	params[RACK] = DB_STR(source->rack);
	params[OWNER] = DB_STR(source->owner);
	params[DETAILS] = DB_STR(source->details);
	params[STATE] = db_i64(source->state, held->state);
}

/* Begin, and refuse a name that another source has. */
static int begin(struct db *db, const struct source *source, struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { DB_STR(source->name), db_uuid(source->id, id) };
	int64_t n = 0;
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	r = db_exec(db, LOCK, err);
	if (r == 0 && source->state != SOURCE_REMOVED)
		r = db_query_int(db,
				 "SELECT count(*) FROM source WHERE name = $1 AND id <> $2"
				 " AND state <> 2",
				 params, ARRAY_LEN(params), -1, &n, err);
	if (r == 0 && n > 0)
		r = err_set(err, -EEXIST, "Another source has this name.");
	return r;
}

static int finish(struct db *db, int r, struct err *err)
{
	if (r == 0)
		return db_commit(db, err);
	db_rollback(db);
	return r;
}

static int check_room(struct db *db, size_t max, struct err *err)
{
	int64_t n = 0;
	int r = db_query_int(db, "SELECT count(*) FROM source WHERE state <> 2", NULL, 0, -1, &n,
			     err);

	if (r == 0 && (uint64_t)n >= max)
		r = err_set(err, -E2BIG,
			    "There are as many sources as receiver.max_sources allows: remove some or "
			    "raise it.");
	return r;
}

int source_store_add(struct db *db, const struct source *source, size_t max, struct err *err)
{
	struct db_param params[N_FACTS];
	struct facts held;
	int r = begin(db, source, err);

	put_facts(source, &held, params);
	if (r == -ENOTCONN)
		return r;
	if (r == 0)
		r = check_room(db, max, err);
	if (r == 0)
		r = db_query(db,
			     "INSERT INTO source (id, name, address, token, certificate, site, rack,"
			     " owner, details, state, created) VALUES ($1, $2, $3, $4, $5, $6, $7,"
			     " $8, $9, $10, now())",
			     params, ARRAY_LEN(params), NULL, err);
	return finish(db, r, err);
}

/* Why nothing was changed. */
static int not_changed(struct db *db, const struct db_param *id, struct err *err)
{
	int64_t state;
	int r = db_query_int(db, "SELECT state FROM source WHERE id = $1", id, 1, -1, &state, err);

	if (r < 0)
		return r;
	if (state < 0 || state == SOURCE_REMOVED)
		return err_set(err, -ENOENT, "There is no such source.");
	return err_set(err, -ESTALE, "The source was changed by somebody else meanwhile.");
}

int source_store_change(struct db *db, const struct source *before, const struct source *after,
			struct err *err)
{
	struct db_param params[2 * N_FACTS - 1];
	struct facts held[2];
	int64_t changed = -1;
	int r = begin(db, after, err);

	if (r == -ENOTCONN)
		return r;
	/* The state before takes the place of the id after: $10. */
	put_facts(after, &held[1], params + N_FACTS - 1);
	put_facts(before, &held[0], params);
	if (r == 0)
		r = db_query_int(
			db,
			"UPDATE source SET (name, address, token, certificate, site, rack, owner,"
			" details, state, changed) = ($11, $12, $13, $14, $15, $16, $17, $18, $19,"
			" clock_timestamp()) WHERE id = $1 AND (name, address, token, certificate, site,"
			" rack, owner, details, state) IS NOT DISTINCT FROM ($2, $3, $4, $5, $6, $7, $8,"
			" $9, $10::smallint) RETURNING 1",
			params, ARRAY_LEN(params), -1, &changed, err);
	if (r == 0 && changed < 0)
		r = not_changed(db, &params[ID], err);
	return finish(db, r, err);
}

int source_activity(struct db *db, struct uuid id, int64_t max, int64_t *last_us, int64_t *n_day,
		    struct err *err)
{
	char text[UUID_TEXT_BYTES], number[24];
	const struct db_param params[] = { db_uuid(id, text), db_i64(max, number) };
	struct db_result *result;
	int r = db_query(db,
			 "SELECT max(received), (SELECT count(*) FROM (SELECT 1 FROM event WHERE"
			 " source_id = $1 AND received > now() - interval '1 day' LIMIT $2) AS n)"
			 " FROM event WHERE source_id = $1",
			 params, ARRAY_LEN(params), &result, err);

	if (r < 0)
		return r;
	*last_us = db_is_null(result, 0, 0) ? 0 : db_time_us(result, 0, 0);
	*n_day = db_int(result, 0, 1);
	db_result_free(result);
	return 0;
}
