#include "api/auth.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/login.h"
#include "base/clock.h"
#include "base/secrets.h"
#include "http/server.h"

#define BASIC_MAX_BYTES 1024

static bool strip_scheme(struct str *value, struct str scheme)
{
	if (value->len <= scheme.len || value->p[scheme.len] != ' ' ||
	    !str_eq_nocase((struct str){ value->p, scheme.len }, scheme))
		return false;
	*value = str_trim((struct str){ value->p + scheme.len, value->len - scheme.len });
	return true;
}

struct str auth_token(const struct http_request *request)
{
	struct str token = http_request_header(request, "X-Auth-Token");
	struct str value = http_request_header(request, "Authorization");

	if (token.p)
		return token;
	return value.p && strip_scheme(&value, STR("Bearer")) ? value : (struct str){ NULL, 0 };
}

/* "user:password" in Base64 (RFC 7617). */
bool auth_basic(const struct http_request *request, struct login *login)
{
	struct str value = http_request_header(request, "Authorization"), pair;
	unsigned char text[BASIC_MAX_BYTES + 4];
	size_t colon;
	int n;

	if (!value.p || !strip_scheme(&value, STR("Basic")) || value.len == 0 ||
	    value.len % 4 != 0 || value.len > BASIC_MAX_BYTES)
		return false;
	n = EVP_DecodeBlock(text, (const unsigned char *)value.p, (int)value.len);
	if (n < 0)
		return false;
	/* DecodeBlock counts the padding as zero bytes. */
	for (size_t i = value.len; i > value.len - 2 && value.p[i - 1] == '='; i--)
		n--;
	pair = (struct str){ (const char *)text, (size_t)n };
	colon = str_find_char(pair, ':');
	if (colon < pair.len)
		login_set(login, (struct str){ pair.p, colon },
			  (struct str){ pair.p + colon + 1, pair.len - colon - 1 },
			  http_request_peer(request));
	secrets_wipe(text, sizeof(text));
	return colon < pair.len;
}

static void fill(struct identity *out, struct str user, enum role role, const char *way)
{
	*out = (struct identity){ .role = role, .way = way };
	snprintf(out->user, sizeof(out->user), "%.*s", STR_ARG(user));
}

bool auth_session(const struct auth *auth, const struct session *session, struct identity *out)
{
	struct account_set *set = accounts_get(auth->accounts);
	const struct account *account =
		set ? account_set_find(set, str_of(session->account)) : NULL;
	bool ok = account && account->enabled;

	if (ok) {
		fill(out, account->name, account->role, "Session");
		memcpy(out->session_id, session->id, sizeof(out->session_id));
	}
	account_set_unref(set);
	return ok;
}

static enum auth_answer check_session(const struct auth *auth, struct str token,
				      struct identity *out)
{
	struct account_set *set = accounts_get(auth->accounts);
	int64_t timeout_s = set ? account_set_policy(set)->session_timeout_s : 0;
	struct session session;

	account_set_unref(set);
	if (token.len != SESSION_TOKEN_CHARS)
		return AUTH_WRONG;
	if (!session_use(accounts_sessions(auth->accounts), token, timeout_s, clock_time_us(),
			 &session))
		return AUTH_SESSION;
	return auth_session(auth, &session, out) ? AUTH_OK : AUTH_WRONG;
}

static enum auth_answer check_api_token(const struct auth *auth, struct str text,
					struct identity *out)
{
	struct account_set *set = accounts_get(auth->accounts);
	char sha256[2 * SHA256_BYTES + 1];
	uint8_t digest[SHA256_BYTES];
	const struct api_token *token;
	const struct account *account;
	int64_t now_us = clock_time_us();
	bool ok;

	secrets_sha256(text, digest);
	secrets_hex(digest, sizeof(digest), sha256);
	token = set ? account_set_token_by_hash(set, str_of(sha256)) : NULL;
	account = token ? account_set_find(set, token->account) : NULL;
	ok = account && account->enabled && now_us < token->expires_us;
	if (ok) {
		fill(out, account->name, token->role < account->role ? token->role : account->role,
		     "Token");
		accounts_token_used(auth->accounts, token->id, now_us);
	}
	account_set_unref(set);
	return ok ? AUTH_OK : AUTH_WRONG;
}

static enum auth_answer check_token(const struct auth *auth, struct str token, struct identity *out)
{
	if (token.len == API_TOKEN_CHARS && str_starts_with(token, STR(API_TOKEN_PREFIX)))
		return check_api_token(auth, token, out);
	return check_session(auth, token, out);
}

enum auth_answer auth_check(const struct auth *auth, const struct http_request *request,
			    struct identity *out)
{
	struct str token = auth_token(request);
	struct login login;
	enum role role;
	bool known;

	if (token.p)
		return check_token(auth, token, out);
	if (!http_request_header(request, "Authorization").p)
		return AUTH_NONE;
	if (!auth_basic(request, &login))
		return AUTH_WRONG;
	known = login_is_remembered(auth->logins, (struct str){ login.user, login.user_len },
				    (struct str){ login.password, login.password_len }, &role);
	if (known)
		fill(out, (struct str){ login.user, login.user_len }, role, "Basic");
	login_wipe(&login);
	return known ? AUTH_OK : AUTH_PASSWORD;
}

bool auth_token_is_valid(const struct auth *auth, struct str token, struct identity *out)
{
	return check_token(auth, token, out) == AUTH_OK;
}

bool auth_account_stands(const struct auth *auth, struct str name)
{
	struct account_set *set = accounts_get(auth->accounts);
	const struct account *account = set ? account_set_find(set, name) : NULL;
	bool stands = !set || (account && account->enabled);

	account_set_unref(set);
	return stands;
}
