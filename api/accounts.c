/* Accounts: ManagerAccount.v1_14_1, one for each person or program with a password. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/guesses.h"
#include "accounts/password.h"
#include "accounts/session_table.h"
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
#define ACCOUNT_ALLOW	 "GET, HEAD, PATCH, DELETE"

/* --- reading -------------------------------------------------------------------------------------
 */

static json_t *encode(struct api *api, const struct account *account)
{
	char *path = xasprintf(ACCOUNTS_PATH "/%.*s", STR_ARG(account->name));
	char *role = xasprintf(ROLES_PATH "/%s", role_name(account->role));
	bool locked = account->locked_until_us > clock_time_us() ||
		      guesses_has_lock(accounts_guesses(api->config.accounts), account->name,
				       clock_monotonic_us());
	json_t *json = json_pack(
		"{s:s,s:s,s:s%,s:s,s:s%,s:n,s:s,s:b,s:b,s:b,s:[s],s:{s:{s:s}}}", "@odata.id", path,
		"@odata.type", "#ManagerAccount.v1_14_1.ManagerAccount", "Id", account->name.p,
		account->name.len, "Name", "Account", "UserName", account->name.p, account->name.len,
		"Password", "RoleId", role_name(account->role), "Enabled", (int)account->enabled,
		"Locked", (int)locked, "PasswordChangeRequired", 0, "AccountTypes", "Redfish", "Links",
		"Role", "@odata.id", role);

	free(path);
	free(role);
	return json;
}

static void put_etag(json_t *json, int64_t version)
{
	char tag[40];

	snprintf(tag, sizeof(tag), "W/\"%lld\"", (long long)version);
	json_object_set_new(json, "@odata.etag", json_string(tag));
}

static void reply_account(struct api *api, struct http_request *request, int status,
			  const struct account *account, json_t *notes)
{
	char *path = xasprintf(ACCOUNTS_PATH "/%.*s", STR_ARG(account->name));
	json_t *json = encode(api, account);

	put_etag(json, account->version);
	if (notes)
		json_object_update(json, notes);
	resource_reply(request, status, ACCOUNT_ALLOW, account->version, status == 201 ? path : NULL,
		       json);
	free(path);
}

static void reply_missing(struct http_request *request, struct str name)
{
	reply_error(request, 404, "ResourceMissingAtURI", NULL, "There is no account '%.*s'.",
		    STR_ARG(name));
}

static bool is_own(const struct target *target, struct str name)
{
	return str_eq(str_of(target->who->user), name);
}

void accounts_list(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	json_t *members = json_array();

	for (size_t i = 0; set && i < account_set_count(set); i++) {
		const struct account *account = account_set_at(set, i);
		char *path = xasprintf(ACCOUNTS_PATH "/%.*s", STR_ARG(account->name));

		if (identity_is_administrator(target->who) || is_own(target, account->name))
			json_array_append_new(members, resource_link(path));
		free(path);
	}
	account_set_unref(set);
	resource_reply(target->request, 200, COLLECTION_ALLOW, -1, NULL,
		       resource_collection(ACCOUNTS_PATH,
					   "#ManagerAccountCollection.ManagerAccountCollection",
					   "Accounts", members));
}

void accounts_get_one(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct account *account = set ? account_set_find(set, target->rest) : NULL;

	if (!identity_is_administrator(target->who) && !is_own(target, target->rest))
		visit_refuse(api, target->request, target->who, ROLE_ADMINISTRATOR);
	else if (account)
		reply_account(api, target->request, 200, account, NULL);
	else
		reply_missing(target->request, target->rest);
	account_set_unref(set);
}

/* --- changing ------------------------------------------------------------------------------------
 */

enum kind { ADD, CHANGE, REMOVE };

/* A change on its way to the database. */
struct changing {
	struct api_job job;
	struct accounts *accounts;
	enum kind kind;
	char name[ACCOUNT_NAME_MAX_BYTES + 1];
	char password[PASSWORD_MAX_BYTES + 1];
	size_t password_len; /* 0: as it is */
	enum role role, role_before;
	struct account_change change;
	char keep_session[SESSION_ID_CHARS + 1];
	bool enabled;
	int64_t version;
	json_t *notes; /* or NULL */
	int result;
	struct err err;
};

static void changing_free(struct changing *changing)
{
	secrets_wipe(changing->password, sizeof(changing->password));
	json_decref(changing->notes);
	free(changing);
}

static int store(struct changing *changing, struct db *db, struct str hash)
{
	struct str name = str_of(changing->name);

	changing->change.hash = hash;
	changing->change.keep_session = str_of(changing->keep_session);
	switch (changing->kind) {
	case ADD:
		return account_store_add(db, name, changing->role, hash, changing->enabled,
					 &changing->err);
	case CHANGE:
		return account_store_change(db, name, &changing->change, changing->version,
					    &changing->err);
	default: return account_store_remove(db, name, changing->version, &changing->err);
	}
}

static void run_change(struct query_job *query, struct db *db, const char *why)
{
	struct changing *changing = query->ctx;
	struct str password = { changing->password, changing->password_len };
	char *hash = NULL;
	int r = 0;

	if (!db) {
		changing->result = err_set(&changing->err, -ENOTCONN,
					   "Accounts cannot be changed while the database is away: %s.",
					   why);
		return;
	}
	if (password.len > 0)
		r = password_hash(password, &hash, &changing->err);
	if (r == 0)
		r = store(changing, db, str_of(hash));
	if (r == 0)
		r = accounts_refresh(changing->accounts, db, &changing->err);
	free(hash);
	changing->result = r;
}

/* What it is called in the Audit log: the weightiest of what was changed. */
static void say(const struct changing *changing)
{
	struct http_request *request = changing->job.request;
	const struct account_change *change = &changing->change;
	const char *name = changing->name;

	if (changing->kind == ADD)
		visit_say(request, "AccountSecurity.1.0.AccountCreated", name, NULL);
	else if (changing->kind == REMOVE)
		visit_say(request, "AccountSecurity.1.0.AccountRemoved", name, NULL);
	else if (change->role >= 0)
		visit_say(request, "AccountSecurity.1.0.ManagerAccountRoleChanged", name,
			  role_name(changing->role_before), role_name((enum role)change->role), NULL);
	else if (changing->password_len > 0)
		visit_say(request, "AccountSecurity.1.0.PasswordModified", name, NULL);
	else if (change->enabled >= 0)
		visit_say(request,
			  change->enabled ? "AccountSecurity.1.0.AccountEnabled" :
					    "AccountSecurity.1.0.AccountDisabled",
			  name, NULL);
	else if (change->unlock)
		visit_say(request, "AccountSecurity.1.0.AccountUnlocked", name, NULL);
}

static void reply_changed(struct api *api, struct changing *changing)
{
	struct http_request *request = changing->job.request;
	struct account_set *set = accounts_get(api->config.accounts);
	const struct account *account = account_set_find(set, str_of(changing->name));

	if (changing->kind == REMOVE)
		http_respond(request, 204, NULL, 0, STR(""));
	else if (account)
		reply_account(api, request, changing->kind == ADD ? 201 : 200, account,
			      changing->notes);
	else /* removed by somebody else meanwhile */
		reply_missing(request, str_of(changing->name));
	account_set_unref(set);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct changing *changing = CONTAINER_OF(job, struct changing, job);
	struct session_table *sessions = accounts_sessions(api->config.accounts);

	if (changing->result < 0) {
		resource_fail(job->request, changing->result, &changing->err);
		changing_free(changing);
		return;
	}
	if (changing->kind == REMOVE || changing->change.enabled == 0)
		session_close_all(sessions, str_of(changing->name), STR(""));
	else if (changing->kind == CHANGE && changing->password_len > 0)
		session_close_all(sessions, str_of(changing->name), str_of(changing->keep_session));
	if (changing->change.unlock || (changing->kind == CHANGE && changing->password_len > 0))
		guesses_unlock(accounts_guesses(api->config.accounts), str_of(changing->name));
	say(changing);
	reply_changed(api, changing);
	changing_free(changing);
}

static struct changing *changing_new(struct api *api, const struct target *target, enum kind kind,
				     struct str name)
{
	struct changing *changing = xcalloc(1, sizeof(*changing));

	changing->job = (struct api_job){ .query = { .run = run_change, .ctx = changing },
					  .answer = answer_change,
					  .request = target->request };
	changing->accounts = api->config.accounts;
	changing->kind = kind;
	changing->change = (struct account_change){ .role = -1, .enabled = -1 };
	changing->enabled = true;
	changing->version = -1;
	snprintf(changing->name, sizeof(changing->name), "%.*s", STR_ARG(name));
	if (is_own(target, name))
		memcpy(changing->keep_session, target->who->session_id,
		       sizeof(changing->keep_session));
	return changing;
}

static void submit(struct api *api, struct changing *changing)
{
	if (!api_submit(api, api->config.writes, &changing->job))
		changing_free(changing);
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

static bool name_is_good(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || (i > 0 && (c == '.' || c == '-' || c == '@'))))
			return false;
	}
	return name.len > 0 && name.len <= ACCOUNT_NAME_MAX_BYTES;
}

static size_t count_characters(struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
	return n;
}

/* What is wrong with a new password; NULL: nothing. *key_out is of the Base registry. */
static const char *password_fault(struct api *api, struct str password, const char **key_out)
{
	struct account_set *set = accounts_get(api->config.accounts);
	int64_t least = set ? account_set_policy(set)->min_password_length : PASSWORD_MIN_DEFAULT;

	account_set_unref(set);
	*key_out = "PropertyValueFormatError";
	if (!password.p || memchr(password.p, 0, password.len) || !str_is_utf8(password))
		return "The password must be a text without NUL.";
	*key_out = "StringValueTooShort";
	if (count_characters(password) < (size_t)least)
		return "The password is shorter than AccountService.MinPasswordLength.";
	*key_out = "StringValueTooLong";
	return password.len > PASSWORD_MAX_BYTES ?
		       "The password is longer than AccountService.MaxPasswordLength." :
		       NULL;
}

static void take_password(struct changing *changing, struct str password)
{
	memcpy(changing->password, password.p, password.len);
	changing->password_len = password.len;
}

/* False when it was answered. */
static bool read_new(struct api *api, const struct target *target, const json_t *body,
		     struct changing **out)
{
	bool bad = false;
	struct str name = resource_text(body, "UserName", &bad);
	struct str password = resource_text(body, "Password", &bad);
	struct str role_id = resource_text(body, "RoleId", &bad);
	const json_t *enabled = json_object_get(body, "Enabled");
	const char *fault = NULL, *key = "PropertyValueTypeError";
	enum role role = ROLE_READ_ONLY;

	if (bad || (enabled && !json_is_boolean(enabled))) {
		fault = "UserName, Password and RoleId are texts, Enabled is true or false.";
	} else if (!name.p || !password.p || !role_id.p) {
		key = "PropertyMissing";
		fault = "An account is made with UserName, Password and RoleId.";
	} else if (!name_is_good(name)) {
		key = "PropertyValueFormatError";
		fault = "A UserName has 1 to 64 letters, digits and _.-@ of ASCII, and begins with one "
			"of the first three.";
	} else if (!role_parse(role_id, &role)) {
		key = "PropertyValueNotInList";
		fault = "RoleId is Administrator, Operator or ReadOnly.";
	} else {
		fault = password_fault(api, password, &key);
	}
	if (fault) {
		reply_error(target->request, 400, key, NULL, "%s", fault);
		return false;
	}
	*out = changing_new(api, target, ADD, name);
	(*out)->role = role;
	(*out)->enabled = !json_is_false(enabled);
	take_password(*out, password);
	return true;
}

void accounts_add(struct api *api, const struct target *target)
{
	json_t *body = resource_body(target->request);
	struct changing *changing;

	if (body && read_new(api, target, body, &changing))
		submit(api, changing);
	json_decref(body);
}

static void patch_password(struct api *api, struct patch *patch, struct changing *changing)
{
	bool bad = false;
	struct str password = resource_text(patch->body, "Password", &bad);
	const char *fault, *key;

	if (!json_object_get(patch->body, "Password"))
		return;
	fault = password_fault(api, password, &key);
	if (fault)
		patch_refuse(patch, "Password", key, "%s", fault);
	else
		take_password(changing, password);
}

static void patch_role(struct patch *patch, struct changing *changing)
{
	bool bad = false;
	struct str text = resource_text(patch->body, "RoleId", &bad);
	enum role role;

	if (!json_object_get(patch->body, "RoleId"))
		return;
	if (!bad && role_parse(text, &role))
		changing->change.role = (int)role;
	else
		patch_refuse(patch, "RoleId", "PropertyValueNotInList",
			     "RoleId is Administrator, Operator or ReadOnly.");
}

static void patch_switches(struct patch *patch, struct changing *changing)
{
	const json_t *enabled = json_object_get(patch->body, "Enabled");
	const json_t *locked = json_object_get(patch->body, "Locked");

	if (enabled && !json_is_boolean(enabled))
		patch_refuse(patch, "Enabled", "PropertyValueTypeError", "Enabled is true or false.");
	else if (enabled)
		changing->change.enabled = json_is_true(enabled);
	if (locked && !json_is_false(locked))
		patch_refuse(patch, "Locked", "PropertyValueNotInList",
			     "Locked can only be set to false.");
	else if (locked)
		changing->change.unlock = true;
}

static bool read_patch(struct api *api, const struct target *target, json_t *body,
		       struct changing *changing)
{
	static const char *const known[] = { "Password", "RoleId", "Enabled", "Locked", NULL };
	static const char *const read_only[] = { "Id",	 "Name",	   "UserName",
						 "Links", "AccountTypes", "PasswordChangeRequired",
						 NULL };
	struct patch patch;
	bool ok;

	patch_begin(&patch, body);
	patch_refuse_others(&patch, known, read_only);
	patch_password(api, &patch, changing);
	patch_role(&patch, changing);
	patch_switches(&patch, changing);
	ok = patch_is_of_use(&patch, target->request);
	changing->notes = json_incref(patch.notes);
	patch_fini(&patch);
	return ok;
}

/* Others than administrators: their own password, and nothing else. */
static bool may_patch(const struct target *target, const json_t *body)
{
	return identity_is_administrator(target->who) ||
	       (is_own(target, target->rest) && json_object_size(body) == 1 &&
		json_object_get(body, "Password"));
}

void accounts_patch(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	const struct account *account = set ? account_set_find(set, target->rest) : NULL;
	json_t *body = resource_body(target->request);
	struct changing *changing = NULL;
	int64_t version;

	if (!body)
		goto out;
	if (!may_patch(target, body)) {
		visit_refuse(api, target->request, target->who, ROLE_ADMINISTRATOR);
	} else if (!account) {
		reply_missing(target->request, target->rest);
	} else if (resource_if_match(target->request, true, &version)) {
		changing = changing_new(api, target, CHANGE, account->name);
		changing->version = version;
		changing->role_before = account->role;
		if (read_patch(api, target, body, changing))
			submit(api, changing);
		else
			changing_free(changing);
	}
out:
	json_decref(body);
	account_set_unref(set);
}

void accounts_remove(struct api *api, const struct target *target)
{
	struct changing *changing;
	int64_t version;

	if (target->rest.len > ACCOUNT_NAME_MAX_BYTES) {
		reply_missing(target->request, target->rest);
	} else if (resource_if_match(target->request, false, &version)) {
		changing = changing_new(api, target, REMOVE, target->rest);
		changing->version = version;
		submit(api, changing);
	}
}
