/* API tokens: a program's way in, made by its owner, shown once, with an end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define DAY_US        (86400 * CLOCK_US_PER_S)
#define USED_GRAIN_US (60 * CLOCK_US_PER_S)

static json_t *encode(struct api *api, const struct api_token *token)
{
	char *path = xasprintf(TOKENS_PATH "/%.*s", STR_ARG(token->id));
	int64_t used_us = accounts_token_last_used(api->config.accounts, token->id);
	json_t *json = json_pack(
		"{s:s,s:s,s:s%,s:s%,s:s%,s:s,s:o,s:o}", "@odata.id", path, "@odata.type",
		"#RfeventdToken.v1_0_0.RfeventdToken", "Id", token->id.p, token->id.len, "Name",
		token->name.p, token->name.len, "UserName", token->account.p, token->account.len,
		"RoleId", role_name(token->role), "Created", resource_time(token->created_us),
		"Expires", resource_time(token->expires_us));

	used_us = used_us > token->used_us ? used_us : token->used_us;
	json_object_set_new(json, "LastUsed",
			    used_us > 0 ? resource_time(used_us - used_us % USED_GRAIN_US)
					: json_null());
	free(path);
	return json;
}

static bool may_see(const struct target *target, const struct api_token *token)
{
	return identity_is_administrator(target->who) ||
	       str_eq(token->account, str_of(target->who->user));
}

bool tokens_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct members members;

	members_begin(&members, TOKENS_PATH, "RfeventdTokenCollection", "API tokens", out);
	for (size_t i = 0; set && i < account_set_n_tokens(set); i++) {
		const struct api_token *token = account_set_token_at(set, i);

		if (may_see(target, token))
			members_put(&members, token->id);
	}
	members_end(&members);
	account_set_unref(set);
	return true;
}

/* NULL when it is not there, or another's. */
static const struct api_token *find(const struct account_set *set, const struct target *target)
{
	const struct api_token *token = set ? account_set_token_by_id(set, target->ids[0]) : NULL;

	return token && may_see(target, token) ? token : NULL;
}

bool token_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct api_token *token = find(set, target);

	if (token)
		resource_put_json(out, encode(api, token));
	account_set_unref(set);
	return token != NULL;
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
		tokening->result =
			err_set(&tokening->err, -ENOTCONN,
				"Tokens cannot be changed while the database is away: %s.", why);
		return;
	}
	r = tokening->removes ? token_store_remove(db, token.id, &tokening->err)
			      : token_store_add(db, &token, &tokening->err);
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
	struct strbuf body;

	json_object_set_new(json, "Token", json_string(tokening->secret));
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	resource_put_json(&body, json);
	reply_created(tokening->job.request, str_of(path), NULL, strbuf_str(&body));
	strbuf_fini(&body);
	free(path);
	account_set_unref(set);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct tokening *tokening = CONTAINER_OF(job, struct tokening, job);

	if (tokening->result == -EEXIST) {
		reply_error(job->request, 409, "ResourceAlreadyExists",
			    .args = { STR("Token"), STR("Name"), str_of(tokening->name) },
			    .property = "/Name");
	} else if (tokening->result < 0) {
		reply_unchanged(job->request, tokening->result, &tokening->err);
	} else if (tokening->removes) {
		visit_say(job->request, "Rfeventd.1.0.TokenRevoked",
			  AUDIT_ARGS(tokening->name, tokening->account));
		reply_empty(job->request);
	} else {
		visit_say(job->request, "Rfeventd.1.0.TokenMade",
			  AUDIT_ARGS(tokening->name, tokening->account, role_name(tokening->role)));
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

static void read_end(struct properties *properties, struct tokening *tokening)
{
	struct str expires = properties_text(properties, "Expires");
	int64_t now_us = clock_time_us();

	tokening->expires_us = now_us + TOKEN_DEFAULT_DAYS * DAY_US;
	if (!expires.p)
		return;
	if (!clock_parse(expires, &tokening->expires_us, NULL))
		properties_refuse(properties, "Expires", "PropertyValueFormatError",
				  "Expires is a time as 2027-01-31T00:00:00Z.");
	else if (tokening->expires_us <= now_us ||
		 tokening->expires_us > now_us + TOKEN_MAX_DAYS * DAY_US)
		properties_refuse(properties, "Expires", "PropertyValueOutOfRange",
				  "Expires lies in the future, at most 366 days from now.");
}

static void read_new(struct properties *properties, const struct identity *who,
		     struct tokening *tokening)
{
	struct str name = properties_text(properties, "Name");
	struct str role = properties_text(properties, "RoleId");

	if (!json_object_get(properties->body, "Name"))
		properties_refuse(properties, "Name", "CreateFailedMissingReqProperties", NULL);
	else if (name.p && !name_is_good(name))
		properties_refuse(properties, "Name", "PropertyValueFormatError",
				  "A token's name has 1 to 64 bytes, and no control characters.");
	tokening->role = who->role;
	if (role.p && !role_parse(role, &tokening->role))
		properties_refuse(properties, "RoleId", "PropertyValueNotInList",
				  "RoleId is Administrator, Operator or ReadOnly.");
	read_end(properties, tokening);
	snprintf(tokening->name, sizeof(tokening->name), "%.*s", STR_ARG(name));
	snprintf(tokening->account, sizeof(tokening->account), "%s", who->user);
}

void tokens_add(struct api *api, const struct target *target)
{
	json_t *body = request_json(target->request);
	struct tokening *tokening;
	struct properties properties;

	if (!body)
		return;
	tokening = tokening_new(api, target);
	properties_begin(&properties, body);
	read_new(&properties, target->who, tokening);
	if (!properties_are_good(&properties, target->request))
		goto out;
	if (tokening->role > target->who->role) {
		visit_refuse(api, target->request, target->who, tokening->role);
		goto out;
	}
	make_secret(tokening);
	if (api_submit(api, api->config.writes, &tokening->job))
		tokening = NULL; /* the job's */
out:
	if (tokening)
		tokening_free(tokening);
	properties_fini(&properties);
	json_decref(body);
}

void token_remove(struct api *api, const struct target *target)
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
	} else {
		reply_missing(target->request);
	}
	account_set_unref(set);
}
