#include "storage/cursors.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/db.h"

#define LEASED_UNTIL(us) "clock_timestamp() + " us "::bigint * interval '1 microsecond'"
#define OURS		 " WHERE name = $1 AND owner = $2::uuid AND term = $3::bigint"

static void fill(const struct db_result *result, struct cursor *out)
{
	out->term = db_int(result, 0, 0);
	out->epoch = db_get_uuid(result, 0, 1);
	out->seq = db_int(result, 0, 2);
}

int cursor_claim(struct db *db, const char *name, struct uuid owner, struct uuid epoch, int64_t seq,
		 struct cursor *out, struct err *err)
{
	char id[UUID_TEXT_BYTES], log[UUID_TEXT_BYTES], at[24], lease[24];
	const struct db_param params[] = {
		DB_STR(str_of(name)), db_uuid(owner, id),	      db_uuid(epoch, log),
		db_i64(seq, at),      db_i64(CURSOR_LEASE_US, lease),
	};
	struct db_result *result;
	int r = db_query(db,
			 "INSERT INTO cursor AS c (name, owner, term, leased_until, epoch, seq)"
			 " VALUES ($1, $2::uuid, 1, " LEASED_UNTIL("$5") ", $3::uuid, $4::bigint)"
			 " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, term = c.term + 1,"
			 " leased_until = excluded.leased_until, changed = now()"
			 " WHERE c.owner = excluded.owner OR c.leased_until < clock_timestamp()"
			 " RETURNING term, epoch, seq",
			 params, ARRAY_LEN(params), &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1;
	if (r == 1) {
		*out = (struct cursor){ .name = name, .owner = owner };
		fill(result, out);
	}
	db_result_free(result);
	return r;
}

/* A change of the row if it is ours; `params` begin with name, owner, term. */
static int change(struct db *db, const char *sql, const struct cursor *cursor,
		  struct db_param *params, size_t n_params, struct err *err)
{
	char owner[UUID_TEXT_BYTES], term[24];
	struct db_result *result;
	bool done;
	int r;

	params[0] = DB_STR(str_of(cursor->name));
	params[1] = db_uuid(cursor->owner, owner);
	params[2] = db_i64(cursor->term, term);
	r = db_query(db, sql, params, n_params, &result, err);
	if (r < 0)
		return r;
	done = db_rows(result) == 1;
	db_result_free(result);
	return done ? 0 : err_set(err, -ESTALE, "cursor '%s' is another replica's now", cursor->name);
}

int cursor_renew(struct db *db, const struct cursor *cursor, struct err *err)
{
	char lease[24];
	struct db_param params[4] = { [3] = db_i64(CURSOR_LEASE_US, lease) };

	return change(db,
		      "UPDATE cursor SET leased_until = " LEASED_UNTIL("$4") OURS " RETURNING 1",
		      cursor, params, ARRAY_LEN(params), err);
}

int cursor_move(struct db *db, struct cursor *cursor, struct uuid epoch, int64_t seq,
		struct err *err)
{
	char lease[24], log[UUID_TEXT_BYTES], at[24];
	struct db_param params[6] = { [3] = db_i64(CURSOR_LEASE_US, lease),
				      [4] = db_uuid(epoch, log),
				      [5] = db_i64(seq, at) };
	int r = change(db,
		       "UPDATE cursor SET leased_until = " LEASED_UNTIL(
			       "$4") ", epoch = $5::uuid,"
				     " seq = $6::bigint, changed = now()" OURS " RETURNING 1",
		       cursor, params, ARRAY_LEN(params), err);

	if (r < 0)
		return r;
	cursor->epoch = epoch;
	cursor->seq = seq;
	return 0;
}

int cursor_release(struct db *db, const struct cursor *cursor, struct err *err)
{
	struct db_param params[3];

	/* The owner stays in the row, to be seen; the lease is what counts. */
	return change(db,
		      "UPDATE cursor SET leased_until = '-infinity', changed = now()" OURS
		      " RETURNING 1",
		      cursor, params, ARRAY_LEN(params), err);
}

int cursor_make(struct db *db, const char *name, struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(name)) };

	return db_query(db,
			"INSERT INTO cursor (name, owner, leased_until, epoch, seq)"
			" SELECT $1, gen_random_uuid(), '-infinity', m.epoch, c.seq"
			" FROM meta m, counter c",
			params, ARRAY_LEN(params), NULL, err);
}

int cursor_skip(struct db *db, const char *name, struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(name)) };

	return db_query(db,
			"UPDATE cursor SET epoch = m.epoch, seq = c.seq, term = term + 1,"
			" leased_until = '-infinity', changed = now()"
			" FROM meta m, counter c WHERE name = $1",
			params, ARRAY_LEN(params), NULL, err);
}

int cursor_drop(struct db *db, const char *name, struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(name)) };

	return db_query(db, "DELETE FROM cursor WHERE name = $1", params, ARRAY_LEN(params), NULL,
			err);
}

int cursor_translate(struct db *db, struct uuid epoch, int64_t seq, struct uuid *epoch_out,
		     int64_t *seq_out, struct err *err)
{
	char log[UUID_TEXT_BYTES], at[24];
	const struct db_param params[] = { db_uuid(epoch, log), db_i64(seq, at) };
	struct db_result *result;
	int r = db_query(db,
			 "SELECT epoch, CASE WHEN epoch = $1::uuid THEN $2::bigint"
			 " ELSE least($2::bigint, base_seq) END FROM meta",
			 params, ARRAY_LEN(params), &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1 ? 0 : err_set(err, -EIO, "cursor: the log has no identity");
	if (r == 0) {
		*epoch_out = db_get_uuid(result, 0, 0);
		*seq_out = db_int(result, 0, 1);
	}
	db_result_free(result);
	return r;
}
