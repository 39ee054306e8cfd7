/* AccountService and SessionService: the rules, which are one row for both. */
#include <errno.h>
#include <stdlib.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/session_table.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/resource.h"
#include "base/err.h"
#include "base/mem.h"

#define SERVICE_ALLOW	    "GET, HEAD, PATCH"
#define MAX_THRESHOLD	    1000
#define MAX_LOCKOUT_S	    (7 * 86400)
#define MIN_PASSWORD_LEAST  8 /* below it a hash that leaked is soon guessed */
#define MIN_PASSWORD_MOST   64

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

static json_t *encode_accounts(struct account_policy *policy)
{
	json_t *json = json_pack(
		"{s:s,s:s,s:s,s:s,s:b,s:i,s:o,s:o,s:s,s:s,s:[s],s:{s:{s:o}}}", "@odata.id",
		ACCOUNT_SERVICE_PATH, "@odata.type", "#AccountService.v1_18_1.AccountService", "Id",
		"AccountService", "Name", "Accounts", "ServiceEnabled", 1, "MaxPasswordLength",
		PASSWORD_MAX_BYTES, "Accounts", resource_link(ACCOUNTS_PATH), "Roles",
		resource_link(ROLES_PATH), "HTTPBasicAuth", "Enabled", "LocalAccountAuth", "Enabled",
		"SupportedAccountTypes", "Redfish", "Oem", "Rfeventd", "Tokens",
		resource_link(TOKENS_PATH));

	for (const struct rule *rule = account_rules; rule->property; rule++)
		json_object_set_new(json, rule->property, json_integer(*value_of(policy, rule)));
	return json;
}

static json_t *encode_sessions(struct account_policy *policy)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:o}", "@odata.id", SESSION_SERVICE_PATH,
			 "@odata.type", "#SessionService.v1_2_0.SessionService", "Id",
			 "SessionService", "Name", "Sessions", "ServiceEnabled", 1, "SessionTimeout",
			 (json_int_t)policy->session_timeout_s, "Sessions",
			 resource_link(SESSIONS_PATH));
}

static void reply_service(struct http_request *request, struct account_policy *policy,
			  bool of_sessions, json_t *notes)
{
	json_t *json = of_sessions ? encode_sessions(policy) : encode_accounts(policy);
	char *tag = xasprintf("W/\"%lld\"", (long long)policy->version);

	json_object_set_new(json, "@odata.etag", json_string(tag));
	if (notes)
		json_object_update(json, notes);
	resource_reply(request, 200, SERVICE_ALLOW, policy->version, NULL, json);
	free(tag);
}

void account_service_get(struct api *api, const struct target *target)
{
	struct account_policy policy = policy_of(api);

	reply_service(target->request, &policy, false, NULL);
}

void session_service_get(struct api *api, const struct target *target)
{
	struct account_policy policy = policy_of(api);

	reply_service(target->request, &policy, true, NULL);
}

/* --- changing ------------------------------------------------------------------------------------
 */

struct ruling {
	struct api_job job;
	struct accounts *accounts;
	bool of_sessions;
	struct account_policy policy;
	int64_t version;
	json_t *notes;
	int result;
	struct err err;
};

static void ruling_free(struct ruling *ruling)
{
	json_decref(ruling->notes);
	free(ruling);
}

static void run_ruling(struct query_job *query, struct db *db, const char *why)
{
	struct ruling *ruling = query->ctx;
	int r;

	if (!db) {
		ruling->result = err_set(&ruling->err, -ENOTCONN,
					 "The rules cannot be changed while the database is away: %s.",
					 why);
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
	struct account_policy policy = policy_of(api);

	if (ruling->result < 0)
		resource_fail(job->request, ruling->result, &ruling->err);
	else
		reply_service(job->request, &policy, ruling->of_sessions, ruling->notes);
	ruling_free(ruling);
}

static void patch_rule(struct patch *patch, const struct rule *rule, struct account_policy *policy)
{
	const json_t *value = json_object_get(patch->body, rule->property);

	if (!value)
		return;
	if (!json_is_integer(value))
		patch_refuse(patch, rule->property, "PropertyValueTypeError",
			     "'%s' is a whole number.", rule->property);
	else if (json_integer_value(value) < rule->least || json_integer_value(value) > rule->most)
		patch_refuse(patch, rule->property, "PropertyValueOutOfRange",
			     "'%s' is from %lld to %lld.", rule->property, (long long)rule->least,
			     (long long)rule->most);
	else
		*value_of(policy, rule) = json_integer_value(value);
}

/* DSP0268: the counter is not kept longer than the lock lasts. */
static void patch_together(struct patch *patch, struct account_policy *policy)
{
	const char *name = json_object_get(patch->body, "AccountLockoutCounterResetAfter") ?
				   "AccountLockoutCounterResetAfter" :
				   "AccountLockoutDuration";

	if (policy->lockout_duration_s > 0 && policy->lockout_reset_s > policy->lockout_duration_s &&
	    json_object_get(patch->body, name))
		patch_refuse(patch, name, "PropertyValueConflict",
			     "AccountLockoutCounterResetAfter must not be longer than "
			     "AccountLockoutDuration.");
}

static void patch_service(struct api *api, const struct target *target, const struct rule *rules,
			  bool of_sessions)
{
	static const char *const read_only[] = { "Id", "Name", "Accounts", "Roles", "Sessions",
						 "MaxPasswordLength", NULL };
	const char *known[8] = { NULL };
	struct ruling *ruling = xcalloc(1, sizeof(*ruling));
	json_t *body = resource_body(target->request);
	struct patch patch;
	bool ok;

	*ruling = (struct ruling){ .job = { .query = { .run = run_ruling, .ctx = ruling },
					    .answer = answer_ruling,
					    .request = target->request },
				   .accounts = api->config.accounts,
				   .of_sessions = of_sessions,
				   .policy = policy_of(api) };
	if (!body || !resource_if_match(target->request, false, &ruling->version)) {
		json_decref(body);
		ruling_free(ruling);
		return;
	}
	patch_begin(&patch, body);
	for (size_t i = 0; rules[i].property; i++)
		known[i] = rules[i].property;
	patch_refuse_others(&patch, known, read_only);
	for (size_t i = 0; rules[i].property; i++)
		patch_rule(&patch, &rules[i], &ruling->policy);
	if (!of_sessions)
		patch_together(&patch, &ruling->policy);
	ok = patch_is_of_use(&patch, target->request);
	ruling->notes = json_incref(patch.notes);
	patch_fini(&patch);
	json_decref(body);
	if (!ok || !api_submit(api, api->config.writes, &ruling->job))
		ruling_free(ruling);
}

void account_service_patch(struct api *api, const struct target *target)
{
	patch_service(api, target, account_rules, false);
}

void session_service_patch(struct api *api, const struct target *target)
{
	patch_service(api, target, session_rules, true);
}
