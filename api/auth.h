/* Auth: who is asking. Basic, session token (X-Auth-Token) or Bearer (API token, or session token).
 *
 * Thread: any; what takes longer than a look into memory is told, and done by visit.c.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "accounts/limits.h"
#include "accounts/role.h"
#include "accounts/session_table.h"
#include "base/str.h"

struct accounts;
struct http_request;
struct login;
struct logins;

#define API_TOKEN_PREFIX "rfe_" /* so that scanners of repositories and logs find one */
#define API_TOKEN_CHARS  (sizeof(API_TOKEN_PREFIX) - 1 + SESSION_TOKEN_CHARS)

struct auth {
	struct accounts *accounts;
	struct logins *logins;
};

/* Who it is, once it is known. */
struct identity {
	char user[ACCOUNT_NAME_MAX_BYTES + 1];
	enum role role;
	const char *way;                       /* "Basic", "Session", "Token" */
	char session_id[SESSION_ID_CHARS + 1]; /* "" when it is none */
};

enum auth_answer {
	AUTH_NONE,     /* no credentials at all */
	AUTH_WRONG,    /* credentials that are not valid */
	AUTH_PASSWORD, /* to be checked: auth_basic() has it */
	AUTH_SESSION, /* a token that may be of a session of another replica: auth_token() has it */
	AUTH_OK
};
enum auth_answer auth_check(const struct auth *auth, const struct http_request *request,
			    struct identity *out);
/* A session whose row was read: its account decides. */
bool auth_session(const struct auth *auth, const struct session *session, struct identity *out);
/* Whose token it is; a session's is kept alive. */
bool auth_token_is_valid(const struct auth *auth, struct str token, struct identity *out);
/* Whether there is such an account, and it is enabled. True while none is known. */
bool auth_account_stands(const struct auth *auth, struct str name);
/* Name and password of a Basic header, into `login`; false when there is none that is well formed.
 */
bool auth_basic(const struct http_request *request, struct login *login);
/* The token that the request shows; p NULL when it shows none. */
struct str auth_token(const struct http_request *request);

#endif
