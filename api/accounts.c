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
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

/* --- reading -------------------------------------------------------------------------------------
 */

static void put_account(struct api *api, const struct account *account, struct strbuf *out)
{
	char *path = xasprintf(ACCOUNTS_PATH "/%.*s", STR_ARG(account->name));
	char *role = xasprintf(ROLES_PATH "/%s", role_name(account->role));
	bool locked = account->locked_until_us > clock_time_us() ||
		      guesses_has_lock(accounts_guesses(api->config.accounts), account->name,
				       clock_monotonic_us());
	json_t *json = json_pack(
		"{s:s,s:s,s:s%,s:s,s:s%,s:n,s:s,s:b,s:b,s:b,s:[s],s:{s:{s:s}}}", "@odata.id", path,
		"@odata.type", "#ManagerAccount.v1_14_1.ManagerAccount", "Id", account->name.p,
		account->name.len, "Name", "Account", "UserName", account->name.p,
		account->name.len, "Password", "RoleId", role_name(account->role), "Enabled",
		(int)account->enabled, "Locked", (int)locked, "PasswordChangeRequired", 0,
		"AccountTypes", "Redfish", "Links", "Role", "@odata.id", role);

	free(path);
	free(role);
	resource_put_json(out, json);
}

static bool is_own(const struct target *target, struct str name)
{
	return str_eq(str_of(target->who->user), name);
}

/* The name in the path, where "@" may be percent-encoded. */
static struct str name_of(const struct target *target, struct strbuf *held)
{
	strbuf_init(held, ACCOUNT_NAME_MAX_BYTES + 1);
	if (!http_percent_decode(target->ids[0], held) || held->failed)
		strbuf_reset(held);
	return strbuf_str(held);
}

bool accounts_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct members members;

	members_begin(&members, ACCOUNTS_PATH, target->resource->type, "Accounts", out);
	for (size_t i = 0; set && i < account_set_count(set); i++) {
		const struct account *account = account_set_at(set, i);

		if (identity_is_administrator(target->who) || is_own(target, account->name))
			members_put(&members, account->name);
	}
	members_end(&members);
	account_set_unref(set);
	return true;
}

bool account_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct strbuf held;
	struct str name = name_of(target, &held);
	const struct account *account = set ? account_set_find(set, name) : NULL;
	bool is_seen = account && (identity_is_administrator(target->who) || is_own(target, name));

	if (is_seen)
		put_account(api, account, out);
	strbuf_fini(&held);
	account_set_unref(set);
	return is_seen;
}

void account_get(struct api *api, const struct target *target)
{
	struct strbuf held;
	struct str name = name_of(target, &held);

	if (identity_is_administrator(target->who) || is_own(target, name))
		dispatch_encoded(api, target);
	else
		visit_refuse(api, target->request, target->who, ROLE_ADMINISTRATOR);
	strbuf_fini(&held);
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
	struct strbuf notes;
	int result;
	struct err err;
};

static void changing_free(struct changing *changing)
{
	secrets_wipe(changing->password, sizeof(changing->password));
	strbuf_fini(&changing->notes);
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
		changing->result =
			err_set(&changing->err, -ENOTCONN,
				"Accounts cannot be changed while the database is away: %s.", why);
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
		visit_say(request, "AccountSecurity.1.0.AccountCreated", AUDIT_ARGS(name));
	else if (changing->kind == REMOVE)
		visit_say(request, "AccountSecurity.1.0.AccountRemoved", AUDIT_ARGS(name));
	else if (change->role >= 0)
		visit_say(request, "AccountSecurity.1.0.ManagerAccountRoleChanged",
			  AUDIT_ARGS(name, role_name(changing->role_before),
				     role_name((enum role)change->role)));
	else if (changing->password_len > 0)
		visit_say(request, "AccountSecurity.1.0.PasswordModified", AUDIT_ARGS(name));
	else if (change->enabled >= 0)
		visit_say(request,
			  change->enabled ? "AccountSecurity.1.0.AccountEnabled"
					  : "AccountSecurity.1.0.AccountDisabled",
			  AUDIT_ARGS(name));
	else if (change->unlock)
		visit_say(request, "AccountSecurity.1.0.AccountUnlocked", AUDIT_ARGS(name));
}

static void answer_made(struct api *api, struct changing *changing)
{
	struct http_request *request = changing->job.request;
	struct account_set *set = accounts_get(api->config.accounts);
	const struct account *account = account_set_find(set, str_of(changing->name));
	char *path = xasprintf(ACCOUNTS_PATH "/%s", changing->name);
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (account)
		put_account(api, account, &body);
	if (changing->kind == REMOVE)
		reply_empty(request);
	else if (!account) /* removed by somebody else meanwhile */
		reply_missing(request);
	else if (changing->kind == ADD)
		reply_created(request, str_of(path), NULL, strbuf_str(&body));
	else
		reply_changed(request, strbuf_str(&body), strbuf_str(&changing->notes));
	strbuf_fini(&body);
	free(path);
	account_set_unref(set);
}

/* What else ends with the change: sessions, locks. */
static void end_what_ends(struct api *api, const struct changing *changing)
{
	struct session_table *sessions = accounts_sessions(api->config.accounts);
	struct str name = str_of(changing->name);
	bool new_password = changing->kind == CHANGE && changing->password_len > 0;

	if (changing->kind == REMOVE || changing->change.enabled == 0)
		session_close_all(sessions, name, STR(""));
	else if (new_password)
		session_close_all(sessions, name, str_of(changing->keep_session));
	if (changing->change.unlock || new_password)
		guesses_unlock(accounts_guesses(api->config.accounts), name);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct changing *changing = CONTAINER_OF(job, struct changing, job);

	if (changing->result == -EEXIST) {
		reply_error(
			job->request, 409, "ResourceAlreadyExists",
			.args = { STR("ManagerAccount"), STR("UserName"), str_of(changing->name) },
			.property = "/UserName");
	} else if (changing->result < 0) {
		reply_unchanged(job->request, changing->result, &changing->err);
	} else {
		end_what_ends(api, changing);
		say(changing);
		answer_made(api, changing);
	}
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
	strbuf_init(&changing->notes, API_ERROR_MAX_BYTES);
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

/* A new password, when there is one and nothing is wrong with it. */
static void take_password(struct api *api, struct properties *properties, struct changing *changing)
{
	const json_t *value = json_object_get(properties->body, "Password");
	struct str password = { json_string_value(value), json_string_length(value) };
	struct account_set *set = accounts_get(api->config.accounts);
	int64_t least = set ? account_set_policy(set)->min_password_length : PASSWORD_MIN_DEFAULT;

	account_set_unref(set);
	if (!value)
		return;
	if (!password.p || memchr(password.p, 0, password.len) || !str_is_utf8(password)) {
		properties_refuse(properties, "Password", "PropertyValueError",
				  "The password must be a text without NUL.");
	} else if (count_characters(password) < (size_t)least ||
		   password.len > PASSWORD_MAX_BYTES) {
		properties_refuse_secret(properties, "Password", "PasswordIncorrectLength");
	} else {
		memcpy(changing->password, password.p, password.len);
		changing->password_len = password.len;
	}
}

static bool take_role(struct properties *properties, enum role *out)
{
	struct str text = properties_text(properties, "RoleId");

	if (!text.p)
		return false;
	if (role_parse(text, out))
		return true;
	properties_refuse(properties, "RoleId", "PropertyValueNotInList",
			  "RoleId is Administrator, Operator or ReadOnly.");
	return false;
}

/* Absent: as it is. */
static bool take_enabled(struct properties *properties, bool *out)
{
	const json_t *value = json_object_get(properties->body, "Enabled");

	if (!value)
		return false;
	*out = json_is_true(value);
	if (!json_is_boolean(value))
		properties_refuse(properties, "Enabled", "PropertyValueTypeError", NULL);
	return json_is_boolean(value);
}

static void need(struct properties *properties, const char *name)
{
	if (!json_object_get(properties->body, name))
		properties_refuse(properties, name, "CreateFailedMissingReqProperties", NULL);
}

static void read_new(struct api *api, struct properties *properties, struct changing *changing)
{
	struct str name = properties_text(properties, "UserName");

	need(properties, "UserName");
	need(properties, "Password");
	need(properties, "RoleId");
	if (name.p && !name_is_good(name))
		properties_refuse(properties, "UserName", "PropertyValueFormatError",
				  "A UserName has 1 to 64 letters, digits and _.-@ of ASCII, and "
				  "begins with one of the first three.");
	take_password(api, properties, changing);
	take_role(properties, &changing->role);
	take_enabled(properties, &changing->enabled);
}

void accounts_add(struct api *api, const struct target *target)
{
	json_t *body = request_json(target->request);
	struct properties properties;
	struct changing *changing;
	const char *name = json_string_value(json_object_get(body, "UserName"));

	if (!body)
		return;
	changing = changing_new(api, target, ADD, str_of(name));
	properties_begin(&properties, body);
	read_new(api, &properties, changing);
	if (properties_are_good(&properties, target->request))
		submit(api, changing);
	else
		changing_free(changing);
	properties_fini(&properties);
	json_decref(body);
}

static void read_switches(struct properties *properties, struct changing *changing)
{
	const json_t *locked = json_object_get(properties->body, "Locked");
	enum role role;
	bool enabled;

	if (take_role(properties, &role))
		changing->change.role = (int)role;
	if (take_enabled(properties, &enabled))
		changing->change.enabled = enabled;
	if (locked && !json_is_false(locked))
		properties_refuse(properties, "Locked", "PropertyValueNotInList",
				  "Locked can only be set to false.");
	else if (locked)
		changing->change.unlock = true;
}

static bool read_patch(struct api *api, json_t *body, struct changing *changing)
{
	static const char *const known[] = { "Password", "RoleId", "Enabled", "Locked", NULL };
	static const char *const read_only[] = { "Id",    "Name",         "UserName",
						 "Links", "AccountTypes", "PasswordChangeRequired",
						 NULL };
	struct properties properties;
	bool ok;

	properties_begin(&properties, body);
	properties_refuse_others(&properties, known, read_only);
	take_password(api, &properties, changing);
	read_switches(&properties, changing);
	ok = properties_are_of_use(&properties, changing->job.request);
	properties_put_notes(&properties, changing->job.request, &changing->notes);
	properties_fini(&properties);
	return ok;
}

/* Others than administrators: their own password, and nothing else. */
static bool may_patch(const struct target *target, struct str name, const json_t *body)
{
	return identity_is_administrator(target->who) ||
	       (is_own(target, name) && json_object_size(body) == 1 &&
		json_object_get(body, "Password"));
}

/* What If-Match says; the change is then made to that version only. False: answered. */
static bool match(struct api *api, const struct account *account, bool required,
		  struct changing *changing)
{
	struct http_request *request = changing->job.request;
	char etag[ETAG_BYTES];
	struct strbuf body;
	bool ok;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	put_account(api, account, &body);
	ok = reply_if_match(request, etag_of(strbuf_str(&body), etag), required);
	if (reply_names_version(request))
		changing->version = account->version;
	strbuf_fini(&body);
	return ok;
}

void account_patch(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct strbuf held;
	struct str name = name_of(target, &held);
	const struct account *account = set ? account_set_find(set, name) : NULL;
	json_t *body = request_json(target->request);
	struct changing *changing;

	if (!body)
		goto out;
	if (!may_patch(target, name, body)) {
		visit_refuse(api, target->request, target->who, ROLE_ADMINISTRATOR);
	} else if (!account) {
		reply_missing(target->request);
	} else {
		changing = changing_new(api, target, CHANGE, account->name);
		changing->role_before = account->role;
		if (match(api, account, true, changing) && read_patch(api, body, changing))
			submit(api, changing);
		else
			changing_free(changing);
	}
out:
	json_decref(body);
	strbuf_fini(&held);
	account_set_unref(set);
}

void account_remove(struct api *api, const struct target *target)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct strbuf held;
	struct str name = name_of(target, &held);
	const struct account *account = set ? account_set_find(set, name) : NULL;
	struct changing *changing;

	if (account) {
		changing = changing_new(api, target, REMOVE, account->name);
		if (match(api, account, false, changing))
			submit(api, changing);
		else
			changing_free(changing);
	} else {
		reply_missing(target->request);
	}
	strbuf_fini(&held);
	account_set_unref(set);
}
