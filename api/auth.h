/* Auth: who is asking. Basic, session token (X-Auth-Token) or Bearer.
 *
 * One account so far, the administrator. A password that was right is remembered for a while as a
 * keyed digest, since the right hash function is slow on purpose. Sessions live in memory.
 * Thread: any (one mutex inside).
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct auth;
struct http_request;

#define AUTH_TOKEN_CHARS 52 /* 260 random bits */
#define AUTH_SESSION_ID_CHARS 16

struct auth *auth_new(const char *user, struct str password_hash); /* new; hash in crypt(3) form */
void auth_free(struct auth *auth);				     /* NULL is allowed */

enum auth_answer {
	AUTH_NONE,  /* no credentials at all */
	AUTH_WRONG, /* credentials that are not valid */
	AUTH_OK
};
enum auth_answer auth_check(struct auth *auth, const struct http_request *request);
bool auth_password_is(struct auth *auth, struct str user, struct str password);
bool auth_token_is_valid(struct auth *auth, struct str token); /* and keeps the session alive */

/* A new session: its token and id, NUL-terminated. False when too many are open. */
bool auth_session_open(struct auth *auth, char token[AUTH_TOKEN_CHARS + 1],
		       char id[AUTH_SESSION_ID_CHARS + 1]);
/* Calls for the id of each open session. */
void auth_session_each(struct auth *auth, void (*fn)(void *ctx, struct str id), void *ctx);
bool auth_session_close(struct auth *auth, struct str id); /* false when there is none */

#endif
