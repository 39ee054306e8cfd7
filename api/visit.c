#include "api/visit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/account_set.h"
#include "accounts/accounts.h"
#include "accounts/audit.h"
#include "accounts/login.h"
#include "accounts/session_store.h"
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/limits.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define NOTED_MESSAGE_ID "Rfeventd.1.0.OperatorRequest"

/* One that has to wait for something on its way in, or that leaves a note. */
struct visit {
	struct api_job job; /* whichever is under way */
	struct api *api;
	struct visitor visitor;
	struct identity who;
	union {
		struct login login;
		struct {
			struct work work;
			int result;
		} noting;
		struct {
			char sha256[2 * SHA256_BYTES + 1];
			struct session session;
			int result;
		} looking;
	};
	struct audit_record *record; /* the note; the audit's once it is begun */
	struct audit_record *words;  /* what the resource calls it */
};

static void admit(struct api *api, struct http_request *request, const struct visitor *visitor,
		  const struct identity *who);

static struct visit *visit_new(struct api *api, struct http_request *request,
			       const struct visitor *visitor,
			       void (*answer)(struct api *, struct api_job *))
{
	struct visit *visit = xcalloc(1, sizeof(*visit));

	visit->api = api;
	visit->visitor = *visitor;
	visit->job = (struct api_job){ .answer = answer, .request = request };
	visit->job.query.ctx = visit;
	return visit;
}

static void visit_free(struct visit *visit)
{
	audit_record_free(visit->words);
	free(visit);
}

/* --- refusing ------------------------------------------------------------------------------------
 */

static void refuse_unknown(struct http_request *request)
{
	reply_error(request, 401, "AccessUnauthorized");
}

static void refuse_busy(struct http_request *request)
{
	reply_error(request, 503, "ServiceTemporarilyUnavailable",
		    .args = { STR(API_RETRY_AFTER_TEXT) });
}

static void refuse_role(struct http_request *request)
{
	reply_error(request, 403, "InsufficientPrivilege");
}

static void answer_refused(struct api *api, struct api_job *job)
{
	struct visit *visit = CONTAINER_OF(job, struct visit, job);

	refuse_role(job->request);
	visit_free(visit);
}

static void note_refusal(struct work *work)
{
	struct visit *visit = CONTAINER_OF(work, struct visit, noting.work);

	audit_add(accounts_audit(visit->api->config.accounts), visit->record);
}

static bool submit_note(struct visit *visit, void (*run)(struct work *work))
{
	visit->noting.work = (struct work){ .item = &visit->job.query.item,
					    .reply_to = visit->api->answers,
					    .run = run };
	if (work_pool_submit(visit->api->noting, &visit->noting.work) < 0)
		return false;
	visit->api->n_jobs++;
	return true;
}

static struct audit_record *record_of(struct http_request *request, const struct identity *who)
{
	return audit_record_new(str_of(who->user), who->way, http_request_peer(request),
				http_request_method_text(request), http_request_path(request));
}

void visit_refuse(struct api *api, struct http_request *request, const struct identity *who,
		  enum role needed)
{
	struct visit *visit;

	if (http_request_user(request)) { /* its note says it already */
		refuse_role(request);
		return;
	}
	visit = visit_new(api, request, &(struct visitor){ .access = ACCESS_READ }, answer_refused);
	visit->who = *who;
	visit->record = record_of(request, who);
	visit->record->status = 403;
	audit_record_say(visit->record, "AccountSecurity.1.0.InsufficientPrivilege",
			 AUDIT_ARGS(visit->record->address, "HTTPS", role_name(who->role),
				    role_name(needed)));
	if (submit_note(visit, note_refusal))
		return;
	audit_record_free(visit->record);
	visit_free(visit);
	refuse_busy(request);
}

/* --- noting a change -----------------------------------------------------------------------------
 */

static void begin_note(struct work *work)
{
	struct visit *visit = CONTAINER_OF(work, struct visit, noting.work);

	visit->noting.result =
		audit_begin(accounts_audit(visit->api->config.accounts), visit->record);
}

static void answer_noted(struct api *api, struct api_job *job)
{
	struct visit *visit = CONTAINER_OF(job, struct visit, job);
	struct http_request *request = job->request;
	const struct identity who = visit->who;

	if (visit->noting.result < 0) {
		audit_record_free(visit->record);
		visit_free(visit);
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution =
				    "The change cannot be noted in the Audit log and was not made: "
				    "the database is away and the queue for it is full.");
		return;
	}
	http_request_set_user(request, visit);
	visit->visitor.go_on(api, request, &who);
}

static void note_change(struct api *api, struct http_request *request,
			const struct visitor *visitor, const struct identity *who)
{
	struct visit *visit = visit_new(api, request, visitor, answer_noted);
	struct audit_record *record = record_of(request, who);

	visit->who = *who;
	visit->record = record;
	audit_record_say(record, NOTED_MESSAGE_ID,
			 AUDIT_ARGS(record->account, record->address, record->method, record->uri));
	if (submit_note(visit, begin_note))
		return;
	audit_record_free(record);
	visit_free(visit);
	refuse_busy(request);
}

void visit_answered(struct api *api, struct http_request *request, int status)
{
	struct visit *visit = http_request_user(request);

	if (!visit)
		return;
	http_request_set_user(request, NULL);
	audit_end(accounts_audit(api->config.accounts), visit->record, status,
		  status < 400 ? visit->words : NULL);
	if (status < 400)
		visit->words = NULL;
	visit_free(visit);
}

void visit_say(struct http_request *request, const char *message_id, const char *const *args)
{
	struct visit *visit = http_request_user(request);

	if (!visit)
		return;
	if (!visit->words)
		visit->words = audit_record_new(STR(""), "", STR(""), STR(""), STR(""));
	audit_record_say(visit->words, message_id, args);
}

/* --- whether they may ----------------------------------------------------------------------------
 */

bool identity_is_administrator(const struct identity *who)
{
	return who->role == ROLE_ADMINISTRATOR;
}

static enum role role_needed(enum route_access access)
{
	if (access == ACCESS_ADMINISTER)
		return ROLE_ADMINISTRATOR;
	return access == ACCESS_OPERATE ? ROLE_OPERATOR : ROLE_READ_ONLY;
}

static void admit(struct api *api, struct http_request *request, const struct visitor *visitor,
		  const struct identity *who)
{
	if (who->role < role_needed(visitor->access))
		visit_refuse(api, request, who, role_needed(visitor->access));
	else if (visitor->is_change)
		note_change(api, request, visitor, who);
	else
		visitor->go_on(api, request, who);
}

/* --- who it is -----------------------------------------------------------------------------------
 */

static void answer_login(struct api *api, struct api_job *job)
{
	struct visit *visit = CONTAINER_OF(job, struct visit, job);
	struct http_request *request = job->request;
	const struct visitor visitor = visit->visitor;
	struct identity who = { .role = visit->login.role, .way = "Basic" };
	enum login_answer answer = visit->login.answer;

	memcpy(who.user, visit->login.user, sizeof(who.user));
	who.user[sizeof(who.user) - 1] = '\0';
	login_wipe(&visit->login);
	visit_free(visit);
	if (answer == LOGIN_OK)
		admit(api, request, &visitor, &who);
	else
		visit_refuse_login(request, answer);
}

int visit_begin_login(struct api *api, struct api_job *job, struct login *login, const char *way)
{
	int r;

	login->way = way;
	login->method = http_request_method_text(job->request);
	login->uri = http_request_path(job->request);
	login->work.item = &job->query.item;
	login->work.reply_to = api->answers;
	r = login_begin(api->auth.logins, login);
	if (r == 0)
		api->n_jobs++;
	return r;
}

static void begin_login(struct api *api, struct http_request *request,
			const struct visitor *visitor)
{
	struct visit *visit = visit_new(api, request, visitor, answer_login);
	struct login *login = &visit->login;
	int r;

	auth_basic(request, login);
	r = visit_begin_login(api, &visit->job, login, "Basic");
	if (r == 0)
		return;
	login_wipe(login);
	visit_free(visit);
	visit_refuse_attempt(request, r);
}

static void look_for_session(struct query_job *query, struct db *db, const char *why)
{
	struct visit *visit = query->ctx;
	struct err err;

	visit->looking.result = db ? session_store_find(db, str_of(visit->looking.sha256),
							&visit->looking.session, &err)
				   : -ENOTCONN;
}

static void answer_looked(struct api *api, struct api_job *job)
{
	struct visit *visit = CONTAINER_OF(job, struct visit, job);
	struct http_request *request = job->request;
	const struct visitor visitor = visit->visitor;
	const struct session session = visit->looking.session;
	bool found = visit->looking.result > 0;
	struct identity who;

	api->n_looking--;
	visit_free(visit);
	if (found)
		session_learn(accounts_sessions(api->config.accounts), &session);
	if (found && auth_check(&api->auth, request, &who) == AUTH_OK)
		admit(api, request, &visitor, &who);
	else
		refuse_unknown(request);
}

static void begin_looking(struct api *api, struct http_request *request,
			  const struct visitor *visitor)
{
	struct str token = auth_token(request);
	struct visit *visit;
	uint8_t digest[SHA256_BYTES];

	if (api->n_looking >= API_MAX_LOOKING) {
		refuse_busy(request);
		return;
	}
	visit = visit_new(api, request, visitor, answer_looked);
	visit->job.query.run = look_for_session;
	secrets_sha256(token, digest);
	secrets_hex(digest, sizeof(digest), visit->looking.sha256);
	if (api_submit(api, api->config.writes, &visit->job))
		api->n_looking++;
	else
		visit_free(visit);
}

static bool is_open(const struct api *api, enum route_access access)
{
	return access == ACCESS_OPEN || access == ACCESS_STREAM ||
	       (access == ACCESS_METRICS && api->config.metrics_public);
}

bool visit_may(const struct api *api, const struct identity *who, enum route_access access)
{
	return is_open(api, access) || (who && who->role >= role_needed(access));
}

bool visit_who(const struct api *api, const struct http_request *request, struct identity *out)
{
	return auth_check(&api->auth, request, out) == AUTH_OK;
}

void visit_refuse_login(struct http_request *request, enum login_answer answer)
{
	if (answer == LOGIN_STOPPED)
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution =
				    "Nobody can log in now: the accounts are not known yet, or "
				    "the service ends.");
	else
		refuse_unknown(request);
}

void visit_refuse_attempt(struct http_request *request, int r)
{
	char seconds[16];

	if (r < 0) {
		refuse_busy(request);
		return;
	}
	snprintf(seconds, sizeof(seconds), "%d", r);
	reply_error(request, 429, "ServiceTemporarilyUnavailable", .args = { str_of(seconds) },
		    .resolution = "Too many wrong passwords came from your address: wait.",
		    .retry_after = seconds);
}

bool visit_head(struct api *api, struct http_request *request, enum route_access access)
{
	struct identity who;
	enum auth_answer answer;

	if (is_open(api, access))
		return true;
	answer = auth_check(&api->auth, request, &who);
	if (answer != AUTH_NONE && answer != AUTH_WRONG)
		return true;
	refuse_unknown(request);
	return false;
}

void visit_enter(struct api *api, struct http_request *request, const struct visitor *visitor)
{
	struct identity who;
	enum auth_answer answer;

	if (is_open(api, visitor->access) && visitor->access != ACCESS_STREAM) {
		visitor->go_on(api, request, NULL);
		return;
	}
	answer = auth_check(&api->auth, request, &who);
	if (answer == AUTH_OK)
		admit(api, request, visitor, &who);
	else if (answer == AUTH_PASSWORD)
		begin_login(api, request, visitor);
	else if (answer == AUTH_SESSION)
		begin_looking(api, request, visitor);
	else if (answer == AUTH_NONE && visitor->access == ACCESS_STREAM)
		visitor->go_on(api, request, NULL);
	else
		refuse_unknown(request);
}
