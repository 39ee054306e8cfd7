/* Sessions: logging in for a token (DSP0266, session login), and out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "accounts/audit.h"
#include "accounts/login.h"
#include "accounts/session_store.h"
#include "accounts/session_table.h"
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

static void put_session(const struct session *session, struct strbuf *out)
{
	char *path = xasprintf(SESSIONS_PATH "/%s", session->id);
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:n,s:s,s:o,s:s}", "@odata.id", path,
				 "@odata.type", "#Session.v1_8_0.Session", "Id", session->id,
				 "Name", "Session", "UserName", session->account, "Password",
				 "ClientOriginIPAddress", session->address, "CreatedTime",
				 resource_time(session->created_us), "SessionType", "Redfish");

	free(path);
	resource_put_json(out, json);
}

/* --- logging in ----------------------------------------------------------------------------------
 */

/* First the password is checked, then the database told. */
struct opening {
	struct api_job job;
	struct login login;
	struct session session;
	char token[SESSION_TOKEN_CHARS + 1];
	char ended[SESSION_ID_CHARS + 1]; /* to make room; "" when none had to */
	bool is_stored;
};

static void opening_free(struct opening *opening)
{
	secrets_wipe(opening, sizeof(*opening));
	free(opening);
}

static void answer_opened(struct api *api, struct api_job *job)
{
	struct opening *opening = CONTAINER_OF(job, struct opening, job);
	char *location = xasprintf(SESSIONS_PATH "/%s", opening->session.id);
	struct strbuf body;

	if (opening->is_stored)
		session_set_stored(accounts_sessions(api->config.accounts),
				   str_of(opening->session.id), opening->session.used_us);
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	put_session(&opening->session, &body);
	reply_created(job->request, str_of(location), opening->token, strbuf_str(&body));
	strbuf_fini(&body);
	free(location);
	opening_free(opening);
}

/* Without a database it is this node's alone until there is one. */
static void run_store(struct query_job *query, struct db *db, const char *why)
{
	struct opening *opening = query->ctx;
	struct err err;

	if (!db)
		return;
	if (opening->ended[0])
		session_store_remove(db, str_of(opening->ended), &err);
	opening->is_stored = session_store_put(db, &opening->session, &err) == 0;
}

static void open_it(struct api *api, struct opening *opening)
{
	struct http_request *request = opening->job.request;

	if (!session_open(accounts_sessions(api->config.accounts), str_of(opening->login.user),
			  http_request_peer(request), clock_time_us(), opening->token,
			  &opening->session, opening->ended)) {
		reply_error(request, 503, "SessionLimitExceeded");
		opening_free(opening);
		return;
	}
	opening->job.query =
		(struct query_job){ .run = run_store, .ctx = opening, .reply_to = api->answers };
	opening->job.answer = answer_opened;
	if (query_pool_submit(api->config.writes, &opening->job.query) == 0)
		api->n_jobs++;
	else /* the database is slow: it is told of it later */
		answer_opened(api, &opening->job);
}

static void answer_checked(struct api *api, struct api_job *job)
{
	struct opening *opening = CONTAINER_OF(job, struct opening, job);
	struct http_request *request = job->request;
	enum login_answer answer = opening->login.answer;

	login_wipe(&opening->login);
	if (answer == LOGIN_OK) {
		open_it(api, opening);
		return;
	}
	opening_free(opening);
	visit_refuse_login(request, answer);
}

static void check(struct api *api, struct http_request *request, struct str user,
		  struct str password)
{
	struct opening *opening = xcalloc(1, sizeof(*opening));
	struct login *login = &opening->login;
	int r;

	opening->job = (struct api_job){ .answer = answer_checked, .request = request };
	login_set(login, user, password, http_request_peer(request));
	r = visit_begin_login(api, &opening->job, login, "Session");
	if (r == 0)
		return;
	opening_free(opening);
	visit_refuse_attempt(request, r);
}

void sessions_add(struct api *api, const struct target *target)
{
	static const char *const needed[] = { "UserName", "Password" };
	json_t *body = request_json(target->request);
	struct properties properties;
	struct str user, password;

	if (!body)
		return;
	properties_begin(&properties, body);
	user = properties_text(&properties, "UserName");
	password = properties_text(&properties, "Password");
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (!json_object_get(body, needed[i]))
			properties_refuse(&properties, needed[i],
					  "CreateFailedMissingReqProperties", NULL);
	}
	if (properties_are_good(&properties, target->request))
		check(api, target->request, user, password);
	properties_fini(&properties);
	json_decref(body);
}

/* --- reading -------------------------------------------------------------------------------------
 */

static bool may_see(const struct target *target, const struct session *session)
{
	return identity_is_administrator(target->who) ||
	       strcmp(session->account, target->who->user) == 0;
}

bool sessions_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct members members;
	size_t n;
	struct session *list = session_list(accounts_sessions(api->config.accounts), &n);

	members_begin(&members, SESSIONS_PATH, target->resource->type, "Sessions", out);
	for (size_t i = 0; i < n; i++) {
		if (may_see(target, &list[i]))
			members_put(&members, str_of(list[i].id));
	}
	members_end(&members);
	free(list);
	return true;
}

/* That another's session is there is nobody's business. */
static bool find(struct api *api, const struct target *target, struct session *out)
{
	return session_find(accounts_sessions(api->config.accounts), target->ids[0], out) &&
	       may_see(target, out);
}

bool session_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct session session;

	if (!find(api, target, &session))
		return false;
	put_session(&session, out);
	return true;
}

/* --- logging out ---------------------------------------------------------------------------------
 */

struct closing {
	struct api_job job;
	struct session session;
	int result;
};

static void run_remove(struct query_job *query, struct db *db, const char *why)
{
	struct closing *closing = query->ctx;
	struct err err;

	closing->result =
		db ? session_store_remove(db, str_of(closing->session.id), &err) : -ENOTCONN;
}

static void answer_closed(struct api *api, struct api_job *job)
{
	struct closing *closing = CONTAINER_OF(job, struct closing, job);

	/* Without a database it ends here at once, and elsewhere when the database is back. */
	if (closing->result == 0)
		session_set_gone(accounts_sessions(api->config.accounts),
				 str_of(closing->session.id));
	else
		accounts_wake(api->config.accounts);
	visit_say(job->request, "Rfeventd.1.0.UserLoggedOut",
		  AUDIT_ARGS(closing->session.account, closing->session.address));
	reply_empty(job->request);
	free(closing);
}

void session_remove(struct api *api, const struct target *target)
{
	struct closing *closing = xcalloc(1, sizeof(*closing));

	closing->job = (struct api_job){
		.query = { .run = run_remove, .ctx = closing, .reply_to = api->answers },
		.answer = answer_closed,
		.request = target->request
	};
	if (!find(api, target, &closing->session)) {
		reply_missing(target->request);
		free(closing);
		return;
	}
	session_end(accounts_sessions(api->config.accounts), target->ids[0]);
	closing->result = -ENOTCONN; /* until it is known otherwise */
	if (query_pool_submit(api->config.writes, &closing->job.query) == 0)
		api->n_jobs++;
	else
		answer_closed(api, &closing->job);
}
