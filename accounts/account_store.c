#include "accounts/account_store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/limits.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/db.h"

#define UNIQUE_VIOLATION "23505"
/* A timestamptz as microseconds since 1970; a microseconds parameter as a timestamptz. */
#define US(column)  "coalesce((extract(epoch FROM " column ") * 1000000)::bigint, 0)"
#define TIME(param) "(timestamptz 'epoch' + " param "::bigint * interval '1 microsecond')"

static const char read_sql[] =
	"SELECT json_build_object("
	" 'revision', s.revision, 'version', s.version,"
	" 'min_password_length', s.min_password_length, 'lockout_threshold', s.lockout_threshold,"
	" 'lockout_duration', s.lockout_duration, 'lockout_reset', s.lockout_reset,"
	" 'session_timeout', s.session_timeout,"
	" 'accounts', (SELECT coalesce(json_agg(json_build_object('name', name, 'role', role,"
	"   'hash', hash, 'enabled', enabled, 'locked_until',"
	"   CASE WHEN locked_until = 'infinity' THEN 9000000000000000000"
	"    ELSE " US("locked_until") " END,"
	"   'version', version, 'created', " US("created") ", 'changed', " US("changed") ")"
	"   ORDER BY name COLLATE \"C\"), '[]') FROM account),"
	" 'tokens', (SELECT coalesce(json_agg(json_build_object('id', id, 'account', account,"
	"   'name', name, 'role', role, 'sha256', sha256, 'created', " US("created") ","
	"   'expires', " US("expires") ", 'used', " US("used") ")"
	"   ORDER BY account COLLATE \"C\", name COLLATE \"C\"), '[]') FROM api_token)"
	")::text FROM account_service s";

static int tables_are_there(struct db *db, struct err *err)
{
	struct db_result *result;
	int r = db_query(db, "SELECT to_regclass('account_service') IS NOT NULL", NULL, 0, &result,
			 err);

	if (r < 0)
		return r;
	r = str_eq(db_str(result, 0, 0), STR("t")) ?
		    0 :
		    err_set(err, -EAGAIN, "the tables of accounts are not made yet");
	db_result_free(result);
	return r;
}

int account_store_read(struct db *db, struct strbuf *out, struct err *err)
{
	struct db_result *result;
	int r = tables_are_there(db, err);

	if (r == 0)
		r = db_query(db, read_sql, NULL, 0, &result, err);
	if (r < 0)
		return r;
	strbuf_put(out, db_str(result, 0, 0));
	db_result_free(result);
	return out->failed ? err_set(err, -EFBIG, "the accounts do not fit into memory") : 0;
}

/* --- the frame of a change -----------------------------------------------------------------------
 */

static int lock(struct db *db, struct err *err)
{
	int r = db_begin(db, err);

	if (r < 0)
		return r;
	r = db_query(db, "UPDATE account_service SET revision = revision + 1", NULL, 0, NULL, err);
	if (r < 0)
		db_rollback(db);
	return r;
}

/* An account that came before the founder would be taken for it. */
static int begin(struct db *db, struct err *err)
{
	int64_t n = 0;
	int r = lock(db, err);

	if (r < 0)
		return r;
	r = db_query_int(db, "SELECT count(*) FROM account", NULL, 0, 0, &n, err);
	if (r == 0 && n == 0)
		r = err_set(err, -EAGAIN, "The accounts are being set up: try again in a moment.");
	if (r < 0)
		db_rollback(db);
	return r;
}

static int finish(struct db *db, int r, struct err *err)
{
	if (r >= 0) {
		int notified = db_query(db, "SELECT pg_notify('" ACCOUNT_CHANNEL "', '')", NULL, 0,
					NULL, err);

		r = notified < 0 ? notified : r;
	}
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	{
		int committed = db_commit(db, err);

		return committed < 0 ? committed : r;
	}
}

static int check_administrator(struct db *db, struct err *err)
{
	int64_t n = 0;
	int r = db_query_int(db, "SELECT count(*) FROM account WHERE enabled AND role = 2", NULL, 0,
			     0, &n, err);

	static_assert(ROLE_ADMINISTRATOR == 2, "as in the query");
	if (r == 0 && n == 0)
		r = err_set(err, -EPERM,
			    "This is the last enabled Administrator: make or enable another one first.");
	return r;
}

/* Whether `name` is there, at `version` unless that is -1. */
static int check_version(struct db *db, struct str name, int64_t version, struct err *err)
{
	const struct db_param params[] = { DB_STR(name) };
	int64_t found;
	int r = db_query_int(db, "SELECT version FROM account WHERE name = $1", params, 1, -1,
			     &found, err);

	if (r < 0)
		return r;
	if (found < 0)
		return err_set(err, -ENOENT, "There is no account '%.*s'.", STR_ARG(name));
	if (version >= 0 && version != found)
		return err_set(err, -ESTALE, "The account was changed meanwhile: read it again.");
	return 0;
}

/* --- accounts ------------------------------------------------------------------------------------
 */

int account_store_found(struct db *db, struct str name, account_hash_fn *make_hash, void *ctx,
			struct err *err)
{
	struct db_param params[] = { DB_STR(name), DB_NULL };
	char *hash = NULL;
	int64_t n = 0;
	int r = tables_are_there(db, err);

	if (r == 0)
		r = lock(db, err);
	if (r < 0)
		return r;
	r = db_query_int(db, "SELECT count(*) FROM account", NULL, 0, 0, &n, err);
	if (r == 0 && n > 0) {
		db_rollback(db);
		return 0;
	}
	if (r == 0)
		r = make_hash(ctx, &hash, err);
	params[1] = DB_STR(str_of(hash));
	if (r == 0)
		r = db_query(db, "INSERT INTO account (name, role, hash) VALUES ($1, 2, $2)", params,
			     2, NULL, err);
	free(hash);
	return finish(db, r < 0 ? r : 1, err);
}

int account_store_add(struct db *db, struct str name, enum role role, struct str hash, bool enabled,
		      struct err *err)
{
	char number[24];
	const struct db_param params[] = { DB_STR(name), db_i64(role, number), DB_STR(hash),
					   DB_STR(enabled ? STR("true") : STR("false")) };
	int64_t n = 0;
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = db_query_int(db, "SELECT count(*) FROM account", NULL, 0, 0, &n, err);
	if (r == 0 && n >= ACCOUNT_MAX_COUNT)
		r = err_set(err, -E2BIG, "There are %d accounts, and may not be more.",
			    ACCOUNT_MAX_COUNT);
	if (r == 0)
		r = db_query(db, "INSERT INTO account (name, role, hash, enabled)"
				 " VALUES ($1, $2, $3, $4)",
			     params, ARRAY_LEN(params), NULL, err);
	if (r < 0 && strcmp(db_sqlstate(db), UNIQUE_VIOLATION) == 0)
		r = err_set(err, -EEXIST, "There is an account '%.*s' already.", STR_ARG(name));
	return finish(db, r, err);
}

static int end_sessions(struct db *db, struct str name, const struct account_change *change,
			struct err *err)
{
	const struct db_param params[] = { DB_STR(name),
					   DB_STR(change->hash.p && change->keep_session.p ?
							  change->keep_session :
							  STR("")) };

	if (!change->hash.p && change->enabled != 0)
		return 0;
	return db_query(db, "DELETE FROM session WHERE account = $1 AND id <> $2", params, 2, NULL,
			err);
}

int account_store_change(struct db *db, struct str name, const struct account_change *change,
			 int64_t version, struct err *err)
{
	char role[24], enabled[24], unlock[24];
	const struct db_param params[] = { DB_STR(name), DB_STR(change->hash),
					   db_i64(change->role, role),
					   db_i64(change->enabled, enabled),
					   db_i64(change->unlock, unlock) };
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = check_version(db, name, version, err);
	if (r == 0)
		r = db_query(db,
			     "UPDATE account SET hash = coalesce($2, hash),"
			     " role = CASE WHEN $3::int < 0 THEN role ELSE $3::int END,"
			     " enabled = CASE WHEN $4::int < 0 THEN enabled ELSE $4::int = 1 END,"
			     " locked_until = CASE WHEN $5::int = 1 THEN NULL ELSE locked_until END,"
			     " failures = CASE WHEN $5::int = 1 THEN 0 ELSE failures END,"
			     " version = version + 1, changed = clock_timestamp() WHERE name = $1",
			     params, ARRAY_LEN(params), NULL, err);
	if (r == 0)
		r = end_sessions(db, name, change, err);
	if (r == 0)
		r = check_administrator(db, err);
	return finish(db, r, err);
}

int account_store_remove(struct db *db, struct str name, int64_t version, struct err *err)
{
	const struct db_param params[] = { DB_STR(name) };
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = check_version(db, name, version, err);
	if (r == 0)
		r = db_query(db, "DELETE FROM account WHERE name = $1", params, 1, NULL, err);
	if (r == 0)
		r = check_administrator(db, err);
	return finish(db, r, err);
}

/* The row of account_service is read after the lock: the rules are those of now. A lock that has
 * run out begins a new count. */
int account_store_count(struct db *db, struct str name, int64_t n, struct err *err)
{
	char number[24];
	const struct db_param params[] = { DB_STR(name), db_i64(n, number) };
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = db_query(db,
		     "UPDATE account a SET failures = CASE WHEN $2::int = 0 THEN 0"
		     "  WHEN a.failed_at > clock_timestamp() - s.lockout_reset * interval '1 second'"
		     "   AND NOT coalesce(a.locked_until < clock_timestamp(), false)"
		     "  THEN a.failures + $2::int ELSE $2::int END,"
		     " failed_at = CASE WHEN $2::int = 0 THEN NULL ELSE clock_timestamp() END,"
		     " locked_until = CASE WHEN a.locked_until < clock_timestamp() THEN NULL"
		     "  ELSE a.locked_until END"
		     " FROM account_service s WHERE a.name = $1",
		     params, 2, NULL, err);
	if (r == 0)
		r = db_query(db,
			     "UPDATE account a SET version = a.version + 1,"
			     " locked_until = CASE WHEN s.lockout_duration = 0 THEN 'infinity'::timestamptz"
			     "  ELSE clock_timestamp() + s.lockout_duration * interval '1 second' END"
			     " FROM account_service s WHERE a.name = $1 AND a.locked_until IS NULL"
			     " AND s.lockout_threshold > 0 AND a.failures >= s.lockout_threshold",
			     params, 1, NULL, err);
	return finish(db, r, err);
}

int account_store_set_policy(struct db *db, const struct account_policy *policy, int64_t version,
			     struct err *err)
{
	char numbers[5][24];
	const struct db_param params[] = {
		db_i64(policy->min_password_length, numbers[0]),
		db_i64(policy->lockout_threshold, numbers[1]),
		db_i64(policy->lockout_duration_s, numbers[2]),
		db_i64(policy->lockout_reset_s, numbers[3]),
		db_i64(policy->session_timeout_s, numbers[4]),
	};
	int64_t found = 0;
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = db_query_int(db, "SELECT version FROM account_service", NULL, 0, 0, &found, err);
	if (r == 0 && version >= 0 && version != found)
		r = err_set(err, -ESTALE, "The service was changed meanwhile: read it again.");
	if (r == 0)
		r = db_query(db,
			     "UPDATE account_service SET version = version + 1,"
			     " min_password_length = $1, lockout_threshold = $2,"
			     " lockout_duration = $3, lockout_reset = $4, session_timeout = $5",
			     params, ARRAY_LEN(params), NULL, err);
	return finish(db, r, err);
}

/* --- tokens --------------------------------------------------------------------------------------
 */

int token_store_add(struct db *db, const struct api_token *token, struct err *err)
{
	char role[24], expires[24];
	const struct db_param params[] = { DB_STR(token->id),	  DB_STR(token->account),
					   DB_STR(token->name),	  db_i64(token->role, role),
					   DB_STR(token->sha256), db_i64(token->expires_us, expires) };
	int64_t n = 0;
	int r = begin(db, err);

	if (r < 0)
		return r;
	/* Those that ran out make room. */
	r = db_query(db, "DELETE FROM api_token WHERE account = $1 AND expires < clock_timestamp()",
		     &params[1], 1, NULL, err);
	if (r == 0)
		r = db_query_int(db, "SELECT count(*) FROM api_token WHERE account = $1",
				 &params[1], 1, 0, &n, err);
	if (r == 0 && n >= TOKEN_MAX_PER_ACCOUNT)
		r = err_set(err, -E2BIG, "An account has %d tokens at most: remove one first.",
			    TOKEN_MAX_PER_ACCOUNT);
	if (r == 0)
		r = db_query(db,
			     "INSERT INTO api_token (id, account, name, role, sha256, expires)"
			     " VALUES ($1, $2, $3, $4, $5, " TIME("$6") ")",
			     params, ARRAY_LEN(params), NULL, err);
	if (r < 0 && strcmp(db_sqlstate(db), UNIQUE_VIOLATION) == 0)
		r = err_set(err, -EEXIST, "There is a token '%.*s' of this account already.",
			    STR_ARG(token->name));
	return finish(db, r, err);
}

int token_store_remove(struct db *db, struct str id, struct err *err)
{
	const struct db_param params[] = { DB_STR(id) };
	int64_t found = 0;
	int r = begin(db, err);

	if (r < 0)
		return r;
	r = db_query_int(db, "DELETE FROM api_token WHERE id = $1 RETURNING 1", params, 1, 0,
			 &found, err);
	if (r == 0 && !found)
		r = err_set(err, -ENOENT, "There is no such token.");
	return finish(db, r, err);
}

int token_store_used(struct db *db, struct str id, int64_t used_us, struct err *err)
{
	char time[24];
	const struct db_param params[] = { DB_STR(id), db_i64(used_us, time) };

	return db_query(db,
			"UPDATE api_token SET used = greatest(used, " TIME("$2") ") WHERE id = $1",
			params, 2, NULL, err);
}
