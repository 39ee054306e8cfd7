/* Account store: accounts, API tokens and their rules in the database.
 *
 * Each change locks the row of account_service first and counts its revision up; it notifies
 * ACCOUNT_CHANNEL when it commits. Thread: that of the connection. Errors as of storage/db.h, and:
 * -EAGAIN there is no account yet, -ENOENT there is none such, -EEXIST the name is taken, -ESTALE the
 * version is not the one the caller saw, -EPERM the last enabled administrator would be gone, -E2BIG
 * a cap is reached.
 */
#ifndef ACCOUNTS_ACCOUNT_STORE_H
#define ACCOUNTS_ACCOUNT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "accounts/role.h"
#include "base/str.h"

struct account_policy;
struct db;
struct err;

#define ACCOUNT_CHANNEL "rfeventd_accounts" /* something changed, or somebody logged in */

/* All of it as one JSON text, for account_set_parse(), appended to `out`. -EAGAIN: the tables are
 * not made yet. */
int account_store_read(struct db *db, struct strbuf *out, struct err *err);
/* The first account of an empty table, an Administrator: 1 when this call made it, 0 when there is
 * one already. `make_hash` is called in between, while other replicas wait: *hash_out is new. */
typedef int account_hash_fn(void *ctx, char **hash_out, struct err *err);
int account_store_found(struct db *db, struct str name, account_hash_fn *make_hash, void *ctx,
			struct err *err);

int account_store_add(struct db *db, struct str name, enum role role, struct str hash, bool enabled,
		      struct err *err);
/* What is to be otherwise. */
struct account_change {
	struct str hash; /* p NULL: as it is */
	int role, enabled; /* -1: as it is */
	bool unlock;
	struct str keep_session; /* a new password ends all sessions but this one; may be empty */
};
/* `version` -1: whatever it is. */
int account_store_change(struct db *db, struct str name, const struct account_change *change,
			 int64_t version, struct err *err);
int account_store_remove(struct db *db, struct str name, int64_t version, struct err *err);
/* Wrong passwords in a row, counted over all replicas: locks the account when there are too many.
 * `n` 0: a right one, which sets the counter back. */
int account_store_count(struct db *db, struct str name, int64_t n, struct err *err);
int account_store_set_policy(struct db *db, const struct account_policy *policy, int64_t version,
			     struct err *err);

struct api_token;
int token_store_add(struct db *db, const struct api_token *token, struct err *err);
int token_store_remove(struct db *db, struct str id, struct err *err);
/* Coarse: never goes back. */
int token_store_used(struct db *db, struct str id, int64_t used_us, struct err *err);

#endif
