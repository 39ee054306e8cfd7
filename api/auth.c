#include "api/auth.h"

#include <crypt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "api/limits.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define REMEMBER_US (300 * CLOCK_US_PER_S) /* a right password, before it is hashed again */
#define BASIC_MAX_BYTES 1024

struct session {
	char token[AUTH_TOKEN_CHARS + 1]; /* "" when free */
	char id[AUTH_SESSION_ID_CHARS + 1];
	int64_t used_us;
};

struct auth {
	char *user, *hash;
	pthread_mutex_t mutex;
	uint8_t key[SHA256_BYTES];	  /* of the digest below, random per process */
	uint8_t remembered[SHA256_BYTES]; /* of the password that was right last */
	int64_t remembered_us;		  /* 0: none */
	struct session sessions[API_MAX_SESSIONS];
};

struct auth *auth_new(const char *user, struct str password_hash)
{
	struct auth *auth = xcalloc(1, sizeof(*auth));

	auth->user = xstrdup(user);
	auth->hash = xstrndup(password_hash);
	pthread_mutex_init(&auth->mutex, NULL);
	secrets_random(auth->key, sizeof(auth->key));
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	pthread_mutex_destroy(&auth->mutex);
	free(auth->user);
	free(auth->hash);
	secrets_wipe(auth, sizeof(*auth));
	free(auth);
}

static void keyed_digest(const struct auth *auth, struct str password, uint8_t out[SHA256_BYTES])
{
	struct strbuf text;

	strbuf_init(&text, BASIC_MAX_BYTES + sizeof(auth->key));
	strbuf_put(&text, (struct str){ (const char *)auth->key, sizeof(auth->key) });
	strbuf_put(&text, password);
	secrets_sha256(strbuf_str(&text), out);
	secrets_wipe(text.p, text.size);
	strbuf_fini(&text);
}

static bool hash_matches(const struct auth *auth, struct str password)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	char *text = xstrndup(password);
	const char *hash = crypt_r(text, auth->hash, data);
	bool ok = hash && secrets_eq(str_of(hash), str_of(auth->hash));

	secrets_wipe(text, password.len);
	free(text);
	free(data);
	return ok;
}

bool auth_password_is(struct auth *auth, struct str user, struct str password)
{
	uint8_t digest[SHA256_BYTES];
	int64_t now_us = clock_monotonic_us();
	bool ok;

	if (password.len > BASIC_MAX_BYTES || memchr(password.p ? password.p : "", 0, password.len))
		return false;
	keyed_digest(auth, password, digest);
	pthread_mutex_lock(&auth->mutex);
	ok = auth->remembered_us && now_us - auth->remembered_us < REMEMBER_US &&
	     secrets_eq((struct str){ (const char *)digest, sizeof(digest) },
			(struct str){ (const char *)auth->remembered, sizeof(digest) });
	pthread_mutex_unlock(&auth->mutex);
	if (!ok && hash_matches(auth, password)) {
		ok = true;
		pthread_mutex_lock(&auth->mutex);
		memcpy(auth->remembered, digest, sizeof(digest));
		auth->remembered_us = now_us;
		pthread_mutex_unlock(&auth->mutex);
	}
	return ok && secrets_eq(user, str_of(auth->user));
}

bool auth_token_is_valid(struct auth *auth, struct str token)
{
	int64_t now_us = clock_monotonic_us();
	bool ok = false;

	if (token.len != AUTH_TOKEN_CHARS)
		return false;
	pthread_mutex_lock(&auth->mutex);
	for (size_t i = 0; i < API_MAX_SESSIONS; i++) {
		struct session *session = &auth->sessions[i];

		if (session->token[0] && secrets_eq(str_of(session->token), token) &&
		    now_us - session->used_us < API_SESSION_TIMEOUT_US) {
			session->used_us = now_us;
			ok = true;
		}
	}
	pthread_mutex_unlock(&auth->mutex);
	return ok;
}

/* "user:password" in Base64 (RFC 7617). */
static bool basic_is_right(struct auth *auth, struct str encoded)
{
	unsigned char text[BASIC_MAX_BYTES + 4];
	struct str pair;
	size_t colon;
	bool ok;
	int n;

	if (encoded.len == 0 || encoded.len % 4 != 0 || encoded.len > BASIC_MAX_BYTES)
		return false;
	n = EVP_DecodeBlock(text, (const unsigned char *)encoded.p, (int)encoded.len);
	if (n < 0)
		return false;
	/* DecodeBlock counts the padding as zero bytes. */
	for (size_t i = encoded.len; i > encoded.len - 2 && encoded.p[i - 1] == '='; i--)
		n--;
	pair = (struct str){ (const char *)text, (size_t)n };
	colon = str_find_char(pair, ':');
	ok = colon < pair.len &&
	     auth_password_is(auth, (struct str){ pair.p, colon },
			      (struct str){ pair.p + colon + 1, pair.len - colon - 1 });
	secrets_wipe(text, sizeof(text));
	return ok;
}

static bool strip_scheme(struct str *value, struct str scheme)
{
	if (value->len <= scheme.len || value->p[scheme.len] != ' ' ||
	    !str_eq_nocase((struct str){ value->p, scheme.len }, scheme))
		return false;
	*value = str_trim((struct str){ value->p + scheme.len, value->len - scheme.len });
	return true;
}

enum auth_answer auth_check(struct auth *auth, const struct http_request *request)
{
	struct str token = http_request_header(request, "X-Auth-Token");
	struct str value = http_request_header(request, "Authorization");
	bool ok = false;

	if (token.p)
		return auth_token_is_valid(auth, token) ? AUTH_OK : AUTH_WRONG;
	if (!value.p)
		return AUTH_NONE;
	if (strip_scheme(&value, STR("Basic")))
		ok = basic_is_right(auth, value);
	else if (strip_scheme(&value, STR("Bearer")))
		ok = auth_token_is_valid(auth, value);
	return ok ? AUTH_OK : AUTH_WRONG;
}

bool auth_session_open(struct auth *auth, char token[AUTH_TOKEN_CHARS + 1],
		       char id[AUTH_SESSION_ID_CHARS + 1])
{
	int64_t now_us = clock_monotonic_us();
	struct session *free_one = NULL;

	pthread_mutex_lock(&auth->mutex);
	for (size_t i = 0; i < API_MAX_SESSIONS && !free_one; i++) {
		struct session *session = &auth->sessions[i];

		if (!session->token[0] || now_us - session->used_us >= API_SESSION_TIMEOUT_US)
			free_one = session;
	}
	if (free_one) {
		secrets_token(free_one->token, AUTH_TOKEN_CHARS);
		secrets_token(free_one->id, AUTH_SESSION_ID_CHARS);
		free_one->used_us = now_us;
		memcpy(token, free_one->token, sizeof(free_one->token));
		memcpy(id, free_one->id, sizeof(free_one->id));
	}
	pthread_mutex_unlock(&auth->mutex);
	return free_one != NULL;
}

void auth_session_each(struct auth *auth, void (*fn)(void *ctx, struct str id), void *ctx)
{
	int64_t now_us = clock_monotonic_us();

	pthread_mutex_lock(&auth->mutex);
	for (size_t i = 0; i < API_MAX_SESSIONS; i++) {
		const struct session *session = &auth->sessions[i];

		if (session->token[0] && now_us - session->used_us < API_SESSION_TIMEOUT_US)
			fn(ctx, str_of(session->id));
	}
	pthread_mutex_unlock(&auth->mutex);
}

bool auth_session_close(struct auth *auth, struct str id)
{
	bool closed = false;

	pthread_mutex_lock(&auth->mutex);
	for (size_t i = 0; i < API_MAX_SESSIONS; i++) {
		struct session *session = &auth->sessions[i];

		if (session->token[0] && str_eq(str_of(session->id), id)) {
			secrets_wipe(session, sizeof(*session));
			closed = true;
		}
	}
	pthread_mutex_unlock(&auth->mutex);
	return closed;
}
