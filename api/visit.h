/* Visit: a request on its way in: who it is, whether they may, and the note in the Audit log that a
 * change leaves. Only then it reaches its resource.
 *
 * What takes long happens elsewhere meanwhile: passwords on the login thread, looking for a session of
 * another replica on the query pool, syncing the note on the audit thread. API thread only.
 */
#ifndef API_VISIT_H
#define API_VISIT_H

#include <stdbool.h>

#include "accounts/role.h"

struct api;
struct err;
struct http_request;
struct identity;

/* Who may use a route. */
enum route_access {
	ACCESS_OPEN,	/* everybody */
	ACCESS_STREAM,	/* everybody; the resource looks at who it is */
	ACCESS_METRICS, /* as READ, unless api.metrics_public */
	ACCESS_READ,	/* who is logged in */
	ACCESS_ASK,	/* the same, of a POST that changes nothing */
	ACCESS_SELF,	/* the same; the resource decides by what it is asked */
	ACCESS_OPERATE, /* Operators */
	ACCESS_ADMINISTER
};

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
/* What the change that `request` asks for is called in the Audit log: a MessageId and its arguments,
 * ended by NULL. */
void visit_say(struct http_request *request, const char *message_id, ...)
	__attribute__((sentinel));
/* Refuse what the resource finds the visitor may not; noted in the Audit log. */
void visit_refuse(struct api *api, struct http_request *request, const struct identity *who,
		  enum role needed);
bool identity_is_administrator(const struct identity *who);

#endif
