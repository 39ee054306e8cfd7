/* Accounts: who may enter, kept in the database and on this node's own disk.
 *
 * A thread with one connection of its own hears of changes by LISTEN, keeps the published set and
 * its file what the database has, writes there what this node counted (wrong passwords, use of
 * sessions and tokens) and noted (the Audit log), and looks again now and then in case nobody tells.
 * Without a database all of it waits; logging in goes on.
 */
#ifndef ACCOUNTS_ACCOUNTS_H
#define ACCOUNTS_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "accounts/account_store.h"
#include "base/uuid.h"

struct account_set;
struct accounts;
struct audit;
struct db;
struct err;
struct guesses;
struct session_table;

struct accounts_config {
	const char *url; /* reaches the server itself: LISTEN does not pass a transaction pooler */
	const char *mirror_path, *audit_path;
	struct uuid node;
	/* The first Administrator of a service that has no account: its name, its hash where this node
	 * has one already (p NULL or empty: not), and how that is made when it comes to it. */
	const char *founder;
	struct str founder_hash;
	account_hash_fn *make_hash; /* on the thread of accounts */
	void *make_hash_ctx;
	/* Told once, when the database's accounts are known: the hash the founder has there (empty: it is
	 * no account any more). On the thread of accounts, with make_hash_ctx; NULL is allowed. */
	void (*on_founder)(void *ctx, struct str hash);
	int64_t keep_audit_us;
};

/* Reads the mirror, so that whoever it has may log in from here on. */
int accounts_start(const struct accounts_config *config, struct accounts **out, struct err *err);
void accounts_stop(struct accounts *accounts); /* NULL is allowed */

/* Whether the database's accounts were seen since the start: before, they cannot be changed. */
bool accounts_are_in_step(const struct accounts *accounts);
/* The newest set, a new reference; NULL while none is known. Any thread, as all below. */
struct account_set *accounts_get(struct accounts *accounts);
struct session_table *accounts_sessions(struct accounts *accounts);
struct guesses *accounts_guesses(struct accounts *accounts);
struct audit *accounts_audit(struct accounts *accounts);

/* After a change: read the set again with `db`, publish it and write it to disk. */
int accounts_refresh(struct accounts *accounts, struct db *db, struct err *err);
/* Tell the database, soon: a wrong password (n 1), a right one (n 0: the count goes back). */
void accounts_count(struct accounts *accounts, struct str name, int n);
void accounts_token_used(struct accounts *accounts, struct str id, int64_t now_us);
/* When it was used as far as this node knows; 0: never. */
int64_t accounts_token_last_used(struct accounts *accounts, struct str id);
void accounts_wake(struct accounts *accounts); /* there is something to write */

#endif
