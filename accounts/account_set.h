/* Account set: who may enter, and the rules of it, as one immutable snapshot.
 *
 * Read from the database as one JSON text (account_store.h), which is also what a node keeps on its
 * disk, so that logging in needs no database. Reference-counted. Thread: any.
 */
#ifndef ACCOUNTS_ACCOUNT_SET_H
#define ACCOUNTS_ACCOUNT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accounts/role.h"
#include "base/str.h"

struct account_set;
struct err;

/* Views live as long as the set. */
struct account {
	struct str name; /* also its Id */
	struct str hash; /* crypt(3) form */
	enum role role;
	bool enabled;
	int64_t locked_until_us; /* 0: not locked */
	int64_t version;	 /* of what a client sees: its ETag */
	int64_t created_us, changed_us;
};

/* An API token: a program's way in. */
struct api_token {
	struct str id, account, name;
	struct str sha256; /* of the token, hex */
	enum role role;	   /* at most the account's counts */
	int64_t created_us, expires_us, used_us;
};

struct account_policy {
	int64_t revision; /* of the whole set: grows with each change */
	int64_t min_password_length;
	int64_t lockout_threshold; /* wrong passwords in a row; 0: never locked */
	int64_t lockout_duration_s; /* 0: until an administrator unlocks it */
	int64_t lockout_reset_s;
	int64_t session_timeout_s;
	int64_t version; /* ETag of both services */
};

/* From the text of account_store_read(). *out has one reference. -EBADMSG with words. */
int account_set_parse(struct str json, struct account_set **out, struct err *err);
struct account_set *account_set_ref(struct account_set *set);
void account_set_unref(struct account_set *set); /* NULL is allowed */
void *account_set_slot_ref(void *set);		 /* for slot_new() */
void account_set_slot_unref(void *set);

const struct account_policy *account_set_policy(const struct account_set *set);
size_t account_set_count(const struct account_set *set); /* by name */
const struct account *account_set_at(const struct account_set *set, size_t i);
const struct account *account_set_find(const struct account_set *set, struct str name);
size_t account_set_n_tokens(const struct account_set *set);
const struct api_token *account_set_token_at(const struct account_set *set, size_t i);
const struct api_token *account_set_token_by_hash(const struct account_set *set, struct str sha256);
const struct api_token *account_set_token_by_id(const struct account_set *set, struct str id);

/* The text on this node's disk, with a checksum; mode 0600, fsynced. */
int account_mirror_save(const char *path, struct str json, struct err *err);
/* -ENOENT when there is none, -EBADMSG when it is damaged. */
int account_mirror_load(const char *path, struct account_set **out, struct err *err);

#endif
