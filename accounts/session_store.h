/* Session store: sessions in the database, for all replicas. Thread: that of the connection. Errors
 * as of storage/db.h. */
#ifndef ACCOUNTS_SESSION_STORE_H
#define ACCOUNTS_SESSION_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct db;
struct err;
struct session;

#define SESSION_CHANNEL "rfeventd_sessions" /* a session ended: its id */

/* Notifies ACCOUNT_CHANNEL. -EINVAL: its account is gone. */
int session_store_put(struct db *db, const struct session *session, struct err *err);
int session_store_used(struct db *db, struct str id, int64_t used_us, struct err *err);
int session_store_remove(struct db *db, struct str id, struct err *err);
/* By the hash of its token: 1 with *out, 0 when there is none. */
int session_store_find(struct db *db, struct str sha256, struct session *out, struct err *err);
int session_store_read(struct db *db, struct session **out, size_t *n_out,
		       struct err *err); /* all; *out is new */
/* Remove those idle for longer than `timeout_s` and a minute: replicas tell each other of use more
 * often than that. */
int session_store_purge(struct db *db, int64_t timeout_s, struct err *err);

#endif
