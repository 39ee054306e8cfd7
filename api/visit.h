/* Visit: a request on its way in: who it is, whether they may, and the note in the Audit log that a
 * change leaves. Only then it reaches its resource.
 *
 * What takes long happens elsewhere meanwhile: passwords on the login thread, looking for a session
 * of another replica on the query pool, syncing the note on the audit thread. API thread only.
 */
#ifndef API_VISIT_H
#define API_VISIT_H

#include <stdbool.h>

#include "accounts/audit.h"
#include "accounts/login.h"
#include "accounts/role.h"
#include "api/resources.h"

struct api;
struct api_job;
struct err;
struct http_request;
struct identity;

struct visitor {
	enum route_access access;
	bool is_change; /* noted in the Audit log before it happens */
	/* Called once the request may go on; `who` NULL where nobody logged in. */
	void (*go_on)(struct api *api, struct http_request *request, const struct identity *who);
};

/* The head is in: refuse what need not send its body. False when it was answered. */
bool visit_head(struct api *api, struct http_request *request, enum route_access access);
void visit_enter(struct api *api, struct http_request *request, const struct visitor *visitor);
/* A request is about to be answered: on_answer() of the engine. */
void visit_answered(struct api *api, struct http_request *request, int status);
/* What the change that `request` asks for is called in the Audit log: a MessageId and
 * AUDIT_ARGS(…). */
void visit_say(struct http_request *request, const char *message_id, const char *const *args);
/* Refuse what the resource finds the visitor may not; noted in the Audit log. */
void visit_refuse(struct api *api, struct http_request *request, const struct identity *who,
		  enum role needed);
/* Have the password that login_set() put in checked, for the job's request; it comes back as `job`.
 * 0, or what login_begin() refused it with. `way`: as in the Audit log. */
int visit_begin_login(struct api *api, struct api_job *job, struct login *login, const char *way);
/* login_begin() did not take it (seconds to wait, or -EAGAIN), or it came back so. */
void visit_refuse_attempt(struct http_request *request, int r);
void visit_refuse_login(struct http_request *request, enum login_answer answer);
/* Whether `who` (NULL: nobody) may read what has this access. */
bool visit_may(const struct api *api, const struct identity *who, enum route_access access);
/* Who asks, as far as that is known without waiting. False: it is not. */
bool visit_who(const struct api *api, const struct http_request *request, struct identity *out);
bool identity_is_administrator(const struct identity *who);

#endif
