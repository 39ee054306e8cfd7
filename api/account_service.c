/* AccountService and SessionService: the rules, which are one row for both. */
#include <errno.h>
#include <stdlib.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/session_table.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "base/err.h"
#include "base/mem.h"

#define MAX_THRESHOLD      1000
#define MAX_LOCKOUT_S      (7 * 86400)
#define MIN_PASSWORD_LEAST 8 /* below it a hash that leaked is soon guessed */
#define MIN_PASSWORD_MOST  64

/* A rule as a property, and its place in struct account_policy. */
struct rule {
	const char *property;
	size_t offset;
	int64_t least, most;
};

#define AT(member) offsetof(struct account_policy, member)
static const struct rule account_rules[] = {
	{ "MinPasswordLength", AT(min_password_length), MIN_PASSWORD_LEAST, MIN_PASSWORD_MOST },
	{ "AccountLockoutThreshold", AT(lockout_threshold), 0, MAX_THRESHOLD },
	{ "AccountLockoutDuration", AT(lockout_duration_s), 0, MAX_LOCKOUT_S },
	{ "AccountLockoutCounterResetAfter", AT(lockout_reset_s), 1, MAX_LOCKOUT_S },
	{ NULL, 0, 0, 0 },
};
static const struct rule session_rules[] = {
	{ "SessionTimeout", AT(session_timeout_s), SESSION_TIMEOUT_MIN_S, SESSION_TIMEOUT_MAX_S },
	{ NULL, 0, 0, 0 },
};

static int64_t *value_of(struct account_policy *policy, const struct rule *rule)
{
	return (int64_t *)(void *)((char *)policy + rule->offset);
}

static struct account_policy policy_of(struct api *api)
{
	struct account_set *set = accounts_get(api->config.accounts);
	struct account_policy policy = { .min_password_length = PASSWORD_MIN_DEFAULT };

	if (set)
		policy = *account_set_policy(set);
	account_set_unref(set);
	return policy;
}

static void put_accounts(struct account_policy *policy, struct strbuf *out)
{
	json_t *json = json_pack(
		"{s:s,s:s,s:s,s:s,s:b,s:i,s:o,s:o,s:s,s:s,s:[s],s:{s:{s:s,s:o}}}", "@odata.id",
		ACCOUNT_SERVICE_PATH, "@odata.type", "#AccountService.v1_18_1.AccountService", "Id",
		"AccountService", "Name", "Accounts", "ServiceEnabled", 1, "MaxPasswordLength",
		PASSWORD_MAX_BYTES, "Accounts", resource_link(ACCOUNTS_PATH), "Roles",
		resource_link(ROLES_PATH), "HTTPBasicAuth", "Enabled", "LocalAccountAuth",
		"Enabled", "SupportedAccountTypes", "Redfish", "Oem", "Rfeventd", "@odata.type",
		"#RfeventdAccountService.v1_0_0.AccountService", "Tokens",
		resource_link(TOKENS_PATH));

	for (const struct rule *rule = account_rules; rule->property; rule++)
		json_object_set_new(json, rule->property, json_integer(*value_of(policy, rule)));
	resource_put_json(out, json);
}

static void put_sessions(struct account_policy *policy, struct strbuf *out)
{
	strbuf_putf(out,
		    "{\"@odata.id\":\"" SESSION_SERVICE_PATH "\","
		    "\"@odata.type\":\"#SessionService.v1_2_0.SessionService\","
		    "\"Id\":\"SessionService\",\"Name\":\"Sessions\",\"ServiceEnabled\":true,"
		    "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
		    "\"SessionTimeout\":%lld,\"Sessions\":{\"@odata.id\":\"" SESSIONS_PATH "\"}}",
		    (long long)policy->session_timeout_s);
}

/* Both services' rules are one row, and so one version. */
static struct account_policy put_service(struct api *api, bool of_sessions, struct strbuf *out)
{
	struct account_policy policy = policy_of(api);

	if (of_sessions)
		put_sessions(&policy, out);
	else
		put_accounts(&policy, out);
	return policy;
}

bool account_service_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	put_service(api, false, out);
	return true;
}

bool session_service_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	put_service(api, true, out);
	return true;
}

/* --- changing ------------------------------------------------------------------------------------
 */

struct ruling {
	struct api_job job;
	struct accounts *accounts;
	bool of_sessions;
	struct account_policy policy;
	int64_t version;
	struct strbuf notes;
	int result;
	struct err err;
};

static void ruling_free(struct ruling *ruling)
{
	strbuf_fini(&ruling->notes);
	free(ruling);
}

static void run_ruling(struct query_job *query, struct db *db, const char *why)
{
	struct ruling *ruling = query->ctx;
	int r;

	if (!db) {
		ruling->result =
			err_set(&ruling->err, -ENOTCONN,
				"The rules cannot be changed while the database is away: %s.", why);
		return;
	}
	r = account_store_set_policy(db, &ruling->policy, ruling->version, &ruling->err);
	if (r == 0)
		r = accounts_refresh(ruling->accounts, db, &ruling->err);
	ruling->result = r;
}

static void answer_ruling(struct api *api, struct api_job *job)
{
	struct ruling *ruling = CONTAINER_OF(job, struct ruling, job);
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (ruling->result < 0) {
		reply_unchanged(job->request, ruling->result, &ruling->err);
	} else {
		put_service(api, ruling->of_sessions, &body);
		reply_changed(job->request, strbuf_str(&body), strbuf_str(&ruling->notes));
	}
	strbuf_fini(&body);
	ruling_free(ruling);
}

static void patch_rule(struct properties *properties, const struct rule *rule,
		       struct account_policy *policy)
{
	const json_t *value = json_object_get(properties->body, rule->property);

	if (!value)
		return;
	if (!json_is_integer(value))
		properties_refuse(properties, rule->property, "PropertyValueTypeError", NULL);
	else if (json_integer_value(value) < rule->least || json_integer_value(value) > rule->most)
		properties_refuse(properties, rule->property, "PropertyValueOutOfRange", NULL);
	else
		*value_of(policy, rule) = json_integer_value(value);
}

/* DSP0268: the counter is not kept longer than the lock lasts. */
static void patch_together(struct properties *properties, const struct account_policy *policy)
{
	const char *name = json_object_get(properties->body, "AccountLockoutCounterResetAfter")
				   ? "AccountLockoutCounterResetAfter"
				   : "AccountLockoutDuration";

	if (policy->lockout_duration_s > 0 &&
	    policy->lockout_reset_s > policy->lockout_duration_s &&
	    json_object_get(properties->body, name))
		properties_refuse(properties, name, "PropertyValueError",
				  "AccountLockoutCounterResetAfter must not be longer than "
				  "AccountLockoutDuration.");
}

static struct ruling *ruling_new(struct api *api, const struct target *target, bool of_sessions)
{
	struct ruling *ruling = xcalloc(1, sizeof(*ruling));

	ruling->job = (struct api_job){ .query = { .run = run_ruling, .ctx = ruling },
					.answer = answer_ruling,
					.request = target->request };
	ruling->accounts = api->config.accounts;
	ruling->of_sessions = of_sessions;
	ruling->version = -1;
	strbuf_init(&ruling->notes, API_ERROR_MAX_BYTES);
	return ruling;
}

/* False when it is not the one that the caller read: answered. */
static bool begin_ruling(struct api *api, struct ruling *ruling)
{
	struct http_request *request = ruling->job.request;
	char etag[ETAG_BYTES];
	struct strbuf body;
	bool ok;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	ruling->policy = put_service(api, ruling->of_sessions, &body);
	ok = reply_if_match(request, etag_of(strbuf_str(&body), etag), false);
	if (reply_names_version(request))
		ruling->version = ruling->policy.version;
	strbuf_fini(&body);
	return ok;
}

static bool read_ruling(struct ruling *ruling, json_t *body, const struct rule *rules)
{
	static const char *const read_only[] = { "Id",       "Name",
						 "Accounts", "Roles",
						 "Sessions", "ServiceEnabled",
						 "Status",   "MaxPasswordLength",
						 NULL };
	const char *known[8] = { NULL };
	struct properties properties;
	bool ok;

	properties_begin(&properties, body);
	for (size_t i = 0; rules[i].property; i++)
		known[i] = rules[i].property;
	properties_refuse_others(&properties, known, read_only);
	for (size_t i = 0; rules[i].property; i++)
		patch_rule(&properties, &rules[i], &ruling->policy);
	if (!ruling->of_sessions)
		patch_together(&properties, &ruling->policy);
	ok = properties_are_of_use(&properties, ruling->job.request);
	properties_put_notes(&properties, ruling->job.request, &ruling->notes);
	properties_fini(&properties);
	return ok;
}

static void patch_service(struct api *api, const struct target *target, const struct rule *rules,
			  bool of_sessions)
{
	json_t *body = request_json(target->request);
	struct ruling *ruling;

	if (!body)
		return;
	ruling = ruling_new(api, target, of_sessions);
	if (!begin_ruling(api, ruling) || !read_ruling(ruling, body, rules) ||
	    !api_submit(api, api->config.writes, &ruling->job))
		ruling_free(ruling);
	json_decref(body);
}

void account_service_patch(struct api *api, const struct target *target)
{
	patch_service(api, target, account_rules, false);
}

void session_service_patch(struct api *api, const struct target *target)
{
	patch_service(api, target, session_rules, true);
}
