/* API tokens: a program's way in, made by its owner, shown once, with an end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/reply.h"
#include "api/resource.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define COLLECTION_ALLOW "GET, HEAD, POST"
#define TOKEN_ALLOW	 "GET, HEAD, DELETE"
#define DAY_US		 (86400 * CLOCK_US_PER_S)
#define USED_GRAIN_US	 (60 * CLOCK_US_PER_S)

static json_t *encode(struct api *api, const struct api_token *token)
{
	char *path = xasprintf(TOKENS_PATH "/%.*s", STR_ARG(token->id));
	int64_t used_us = accounts_token_last_used(api->config.accounts, token->id);
	json_t *json = json_pack("{s:s,s:s,s:s%,s:s%,s:s%,s:s,s:o,s:o}", "@odata.id", path,
				 "@odata.type", "#RfeventdToken.v1_0_0.RfeventdToken", "Id",
				 token->id.p, token->id.len, "Name", token->name.p, token->name.len,
				 "UserName", token->account.p, token->account.len, "RoleId",
				 role_name(token->role), "Created", resource_time(token->created_us),
				 "Expires", resource_time(token->expires_us));

	used_us = used_us > token->used_us ? used_us : token->used_us;
	json_object_set_new(json, "LastUsed",
			    used_us > 0 ? resource_time(used_us - used_us % USED_GRAIN_US) :
					  json_null());
	free(path);
	return json;
}

static bool may_see(const struct target *target, const struct api_token *token)
{
	return identity_is_administrator(target->who) ||
	       str_eq(token->account, str_of(target->who->user));
}

void tokens_list(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	json_t *members = json_array();

	for (size_t i = 0; set && i < account_set_n_tokens(set); i++) {
		const struct api_token *token = account_set_token_at(set, i);
		char *path = xasprintf(TOKENS_PATH "/%.*s", STR_ARG(token->id));

		if (may_see(target, token))
			json_array_append_new(members, resource_link(path));
		free(path);
	}
	account_set_unref(set);
	resource_reply(target->request, 200, COLLECTION_ALLOW, -1, NULL,
		       resource_collection(TOKENS_PATH,
					   "#RfeventdTokenCollection.RfeventdTokenCollection",
					   "API tokens", members));
}

/* The token the target names, if it may be seen; else answered. */
static const struct api_token *find(const struct account_set *set, const struct target *target)
{
	const struct api_token *token = set ? account_set_token_by_id(set, target->rest) : NULL;

	if (token && may_see(target, token))
		return token;
	reply_error(target->request, 404, "ResourceMissingAtURI", NULL, "There is no such token.");
	return NULL;
}

void tokens_get_one(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct api_token *token = find(set, target);

	if (token)
		resource_reply(target->request, 200, TOKEN_ALLOW, -1, NULL, encode(api, token));
	account_set_unref(set);
}

/* --- making and revoking -------------------------------------------------------------------------
 */

struct tokening {
	struct api_job job;
	struct accounts *accounts;
	bool removes;
	char id[SESSION_ID_CHARS + 1], account[ACCOUNT_NAME_MAX_BYTES + 1];
	char name[TOKEN_NAME_MAX_BYTES + 1], sha256[2 * SHA256_BYTES + 1];
	char secret[API_TOKEN_CHARS + 1];
	enum role role;
	int64_t expires_us;
	int result;
	struct err err;
};

static void tokening_free(struct tokening *tokening)
{
	secrets_wipe(tokening->secret, sizeof(tokening->secret));
	free(tokening);
}

static void run_change(struct query_job *query, struct db *db, const char *why)
{
	struct tokening *tokening = query->ctx;
	const struct api_token token = { .id = str_of(tokening->id),
					 .account = str_of(tokening->account),
					 .name = str_of(tokening->name),
					 .sha256 = str_of(tokening->sha256),
					 .role = tokening->role,
					 .expires_us = tokening->expires_us };
	int r;

	if (!db) {
		tokening->result = err_set(&tokening->err, -ENOTCONN,
					   "Tokens cannot be changed while the database is away: %s.",
					   why);
		return;
	}
	r = tokening->removes ? token_store_remove(db, token.id, &tokening->err) :
				token_store_add(db, &token, &tokening->err);
	if (r == 0)
		r = accounts_refresh(tokening->accounts, db, &tokening->err);
	tokening->result = r;
}

static void reply_made(struct api *api, const struct tokening *tokening)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct api_token *token = account_set_token_by_id(set, str_of(tokening->id));
	char *path = xasprintf(TOKENS_PATH "/%s", tokening->id);
	json_t *json = token ? encode(api, token) : json_object();

	json_object_set_new(json, "Token", json_string(tokening->secret));
	resource_reply(tokening->job.request, 201, TOKEN_ALLOW, -1, path, json);
	free(path);
	account_set_unref(set);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct tokening *tokening = CONTAINER_OF(job, struct tokening, job);

	if (tokening->result < 0) {
		resource_fail(job->request, tokening->result, &tokening->err);
	} else if (tokening->removes) {
		visit_say(job->request, "Rfeventd.1.0.TokenRevoked", tokening->name,
			  tokening->account, NULL);
		http_respond(job->request, 204, NULL, 0, STR(""));
	} else {
		visit_say(job->request, "Rfeventd.1.0.TokenMade", tokening->name, tokening->account,
			  role_name(tokening->role), NULL);
		reply_made(api, tokening);
	}
	tokening_free(tokening);
}

static struct tokening *tokening_new(struct api *api, const struct target *target)
{
	struct tokening *tokening = xcalloc(1, sizeof(*tokening));

	tokening->job = (struct api_job){ .query = { .run = run_change, .ctx = tokening },
					  .answer = answer_change,
					  .request = target->request };
	tokening->accounts = api->config.accounts;
	return tokening;
}

static void make_secret(struct tokening *tokening)
{
	uint8_t digest[SHA256_BYTES];

	memcpy(tokening->secret, API_TOKEN_PREFIX, sizeof(API_TOKEN_PREFIX) - 1);
	secrets_token(tokening->secret + sizeof(API_TOKEN_PREFIX) - 1, SESSION_TOKEN_CHARS);
	secrets_sha256(str_of(tokening->secret), digest);
	secrets_hex(digest, sizeof(digest), tokening->sha256);
	secrets_token(tokening->id, SESSION_ID_CHARS);
}

static bool name_is_good(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return false;
	return name.len > 0 && name.len <= TOKEN_NAME_MAX_BYTES;
}

/* What is wrong with what was asked for; NULL: nothing. */
static const char *read_new(const json_t *body, const struct identity *who,
			    struct tokening *tokening, const char **key_out)
{
	bool bad = false;
	struct str name = resource_text(body, "Name", &bad);
	struct str role = resource_text(body, "RoleId", &bad);
	struct str expires = resource_text(body, "Expires", &bad);
	int64_t now_us = clock_time_us();

	*key_out = "PropertyValueTypeError";
	if (bad)
		return "Name, RoleId and Expires are texts.";
	*key_out = "PropertyMissing";
	if (!name.p)
		return "A token is made with {\"Name\": …, \"RoleId\": …, \"Expires\": …}.";
	*key_out = "PropertyValueFormatError";
	if (!name_is_good(name))
		return "A token's name has 1 to 64 bytes, and no control characters.";
	tokening->role = who->role;
	if (role.p && !role_parse(role, &tokening->role)) {
		*key_out = "PropertyValueNotInList";
		return "RoleId is Administrator, Operator or ReadOnly.";
	}
	tokening->expires_us = now_us + TOKEN_DEFAULT_DAYS * DAY_US;
	if (expires.p && !clock_parse(expires, &tokening->expires_us, NULL))
		return "Expires is a time as 2027-01-31T00:00:00Z.";
	*key_out = "PropertyValueOutOfRange";
	if (tokening->expires_us <= now_us || tokening->expires_us > now_us + TOKEN_MAX_DAYS * DAY_US)
		return "Expires lies in the future, at most 366 days from now.";
	snprintf(tokening->name, sizeof(tokening->name), "%.*s", STR_ARG(name));
	snprintf(tokening->account, sizeof(tokening->account), "%s", who->user);
	return NULL;
}

void tokens_add(struct api *api, const struct target *target)
{
	json_t *body = resource_body(target->request);
	struct tokening *tokening;
	const char *fault, *key;

	if (!body)
		return;
	tokening = tokening_new(api, target);
	fault = read_new(body, target->who, tokening, &key);
	json_decref(body);
	if (!fault && tokening->role <= target->who->role) {
		make_secret(tokening);
		if (api_submit(api, api->config.writes, &tokening->job))
			return;
	} else if (fault) {
		reply_error(target->request, 400, key, NULL, "%s", fault);
	} else {
		visit_refuse(api, target->request, target->who, tokening->role);
	}
	tokening_free(tokening);
}

void tokens_remove(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct api_token *token = find(set, target);
	struct tokening *tokening;

	if (token) {
		tokening = tokening_new(api, target);
		tokening->removes = true;
		snprintf(tokening->id, sizeof(tokening->id), "%.*s", STR_ARG(token->id));
		snprintf(tokening->name, sizeof(tokening->name), "%.*s", STR_ARG(token->name));
		snprintf(tokening->account, sizeof(tokening->account), "%.*s",
			 STR_ARG(token->account));
		if (!api_submit(api, api->config.writes, &tokening->job))
			tokening_free(tokening);
	}
	account_set_unref(set);
}
