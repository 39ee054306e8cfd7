#include "forward/destination_store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/destination.h"
#include "storage/cursors.h"
#include "storage/db.h"

static char *copy_of(struct str text)
{
	return text.p ? xstrndup(text) : NULL;
}

/* NULL when it cannot be read. */
static struct destination *read_row(const struct db_result *result, size_t row)
{
	struct destination *destination = xcalloc(1, sizeof(*destination));
	char id[UUID_TEXT_BYTES];
	struct err err;

	destination->id = db_get_uuid(result, row, 0);
	destination->config = copy_of(db_str(result, row, 1));
	destination->sealed = copy_of(db_str(result, row, 2));
	destination->suspended = str_eq(db_str(result, row, 3), STR("t"));
	destination->failing_us = db_is_null(result, row, 4) ? 0 : db_time_us(result, row, 4);
	destination->error = copy_of(db_str(result, row, 5));
	destination->version = db_int(result, row, 6);
	destination->created_us = db_time_us(result, row, 7);
	if (destination_parse(destination, &err) == 0)
		return destination;
	log_error("forward", err.text, LOG_T("id", uuid_format(destination->id, id)));
	destination_free(destination);
	return NULL;
}

int destination_store_read(struct db *db, struct destination_set **out, struct err *err)
{
	struct destination_set *set;
	struct db_result *result;
	size_t n = 0;
	int r = db_query(db,
			 "SELECT id, config, headers, suspended, failing_since, error, version,"
			 " created FROM subscription ORDER BY created, id",
			 NULL, 0, &result, err);

	if (r < 0)
		return r;
	set = destination_set_new(db_rows(result));
	for (size_t i = 0; i < db_rows(result); i++) {
		set->items[n] = read_row(result, i);
		n += set->items[n] != NULL;
	}
	set->n = n;
	db_result_free(result);
	*out = set;
	return 0;
}

static int insert(struct db *db, struct uuid id, struct str config, struct str headers,
		  struct err *err)
{
	char name[UUID_TEXT_BYTES], cursor[DESTINATION_CURSOR_BYTES], most[24];
	const struct db_param params[] = { db_uuid(id, name), DB_STR(config), DB_STR(headers),
					   db_i64(FORWARD_MAX_DESTINATIONS, most) };
	int64_t inserted = 0;
	int r = db_query_int(db,
			     "INSERT INTO subscription (id, config, headers)"
			     " SELECT $1::uuid, $2, $3 WHERE"
			     " (SELECT count(*) FROM subscription) < $4::bigint RETURNING 1",
			     params, ARRAY_LEN(params), 0, &inserted, err);

	if (r == 0 && inserted == 0)
		r = err_set(err, -EDQUOT, "there are %d subscriptions", FORWARD_MAX_DESTINATIONS);
	return r < 0 ? r : cursor_make(db, destination_cursor(id, cursor), err);
}

/* The end of a transaction that `r` says went well, or not. */
static int finish(struct db *db, int r, struct err *err)
{
	if (r == 0)
		r = db_commit(db, err);
	if (r < 0)
		db_rollback(db);
	return r;
}

int destination_store_add(struct db *db, struct uuid id, struct str config, struct str headers,
			  struct err *err)
{
	int r = db_begin(db, err);

	return r < 0 ? r : finish(db, insert(db, id, config, headers, err), err);
}

/* A change of one row: -ENOENT when there is none, which another version is, too. */
static int change(struct db *db, const char *sql, const struct db_param *params, size_t n,
		  struct err *err)
{
	struct db_result *result;
	int r = db_query(db, sql, params, n, &result, err);

	if (r < 0)
		return r;
	if (db_rows(result) == 0)
		r = err_set(err, -ENOENT, "the subscription is gone");
	db_result_free(result);
	return r;
}

static bool is_there(struct db *db, const struct db_param *id)
{
	struct err ignored;

	return change(db, "SELECT 1 FROM subscription WHERE id = $1::uuid", id, 1, &ignored) == 0;
}

int destination_store_change(struct db *db, struct uuid id, int64_t version, struct str config,
			     struct str headers, struct err *err)
{
	char name[UUID_TEXT_BYTES], old[24];
	const struct db_param params[] = { db_uuid(id, name), db_i64(version, old), DB_STR(config),
					   DB_STR(headers) };
	int r = change(db,
		       "UPDATE subscription SET config = $3, version = version + 1,"
		       " headers = CASE WHEN $4::text IS NULL THEN headers ELSE nullif($4, '') END"
		       " WHERE id = $1::uuid AND version = $2::bigint RETURNING 1",
		       params, ARRAY_LEN(params), err);

	if (r == -ENOENT && is_there(db, params))
		return err_set(err, -ESTALE, "somebody else changed it");
	return r;
}

static int drop(struct db *db, struct uuid id, struct err *err)
{
	char name[UUID_TEXT_BYTES], cursor[DESTINATION_CURSOR_BYTES];
	const struct db_param params[] = { db_uuid(id, name) };
	int r = change(db, "DELETE FROM subscription WHERE id = $1::uuid RETURNING 1", params,
		       ARRAY_LEN(params), err);

	return r < 0 ? r : cursor_drop(db, destination_cursor(id, cursor), err);
}

int destination_store_remove(struct db *db, struct uuid id, struct err *err)
{
	int r = db_begin(db, err);

	return r < 0 ? r : finish(db, drop(db, id, err), err);
}

static int suspend(struct db *db, struct uuid id, bool suspended, bool skip, const char *why,
		   struct err *err)
{
	char name[UUID_TEXT_BYTES], cursor[DESTINATION_CURSOR_BYTES];
	const struct db_param params[] = { db_uuid(id, name), DB_STR(STR("t")),
					   DB_STR(str_of(why)) };
	int r = change(db,
		       suspended
			       ? "UPDATE subscription SET suspended = $2::boolean, error = $3,"
				 " version = version + 1 WHERE id = $1::uuid RETURNING 1"
			       : "UPDATE subscription SET suspended = NOT $2::boolean, error = $3,"
				 " failing_since = NULL, version = version + 1"
				 " WHERE id = $1::uuid RETURNING 1",
		       params, ARRAY_LEN(params), err);

	return r == 0 && skip ? cursor_skip(db, destination_cursor(id, cursor), err) : r;
}

int destination_store_suspend(struct db *db, struct uuid id, bool suspended, bool skip,
			      const char *why, struct err *err)
{
	int r = db_begin(db, err);

	return r < 0 ? r : finish(db, suspend(db, id, suspended, skip, why, err), err);
}

int destination_store_note(struct db *db, struct uuid id, const char *error, struct err *err)
{
	char name[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(id, name), DB_STR(str_of(error)) };

	return db_query(db,
			"UPDATE subscription SET error = $2, failing_since = CASE WHEN $2::text IS"
			" NULL THEN NULL ELSE coalesce(failing_since, now()) END"
			" WHERE id = $1::uuid",
			params, ARRAY_LEN(params), NULL, err);
}
