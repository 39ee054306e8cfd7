/* Session table: who is logged in, in this node's memory.
 *
 * Of a token only the hash is kept. The database has the same sessions (session_store.h), so that
 * one that was opened at another replica holds here; one that was opened while the database was away
 * is written when it is back. Times are UTC. Thread: any (one mutex inside).
 */
#ifndef ACCOUNTS_SESSION_TABLE_H
#define ACCOUNTS_SESSION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "accounts/limits.h"
#include "base/secrets.h"
#include "base/str.h"

struct session_table;

#define SESSION_TOKEN_CHARS 52 /* 260 random bits */
#define SESSION_ID_CHARS    16

struct session {
	char id[SESSION_ID_CHARS + 1];
	char account[ACCOUNT_NAME_MAX_BYTES + 1];
	char sha256[2 * SHA256_BYTES + 1]; /* of its token */
	char address[ADDRESS_MAX_BYTES];   /* it was opened from */
	int64_t created_us, used_us;
	bool is_stored; /* the database has it */
	int64_t stored_used_us;
};

struct session_table *session_table_new(void);	       /* new */
void session_table_free(struct session_table *table); /* NULL is allowed */

/* A new session; its token is for the client alone. Where there are too many of this account or of
 * all, the account's own that is idle longest ends (*ended_out its id, else ""). False when there
 * are too many of others. */
bool session_open(struct session_table *table, struct str account, struct str address,
		  int64_t now_us, char token[SESSION_TOKEN_CHARS + 1], struct session *out,
		  char ended_out[SESSION_ID_CHARS + 1]);
/* The session of this token, kept alive by it; false when there is none, or it was idle for longer
 * than `timeout_s`. */
bool session_use(struct session_table *table, struct str token, int64_t timeout_s, int64_t now_us,
		 struct session *out);
/* A session of the database: added, or its `used_us` taken over when later. False: it was ended here,
 * which the database does not know yet. */
bool session_learn(struct session_table *table, const struct session *session);
bool session_find(struct session_table *table, struct str id, struct session *out);
bool session_close(struct session_table *table, struct str id); /* false when there is none */
/* The same, of one that the database may still have: it stays ended until session_set_gone(). */
void session_end(struct session_table *table, struct str id);
void session_set_gone(struct session_table *table, struct str id);
/* The ids of those, new, each of SESSION_ID_CHARS and a NUL. */
char *session_ended(struct session_table *table, size_t *n_out);
/* All of an account but `keep` (may be empty). */
void session_close_all(struct session_table *table, struct str account, struct str keep);
/* Those idle longer than `timeout_s` go. */
void session_expire(struct session_table *table, int64_t timeout_s, int64_t now_us);
/* Ones the database had and that are not among `stored` go: they ended elsewhere. */
void session_keep_only(struct session_table *table, const struct session *stored, size_t n);
void session_set_stored(struct session_table *table, struct str id, int64_t used_us);
/* A copy of all, new; sorted by time of creation. */
struct session *session_list(struct session_table *table, size_t *n_out);

#endif
