/* Reply: Redfish answers of the operators' door: headers every answer carries, the shaping that a
 * query asks for, ETags, gzip, and error bodies in the caller's language (DSP0266, "Responses").
 *
 * API thread only.
 */
#ifndef API_REPLY_H
#define API_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct api;
struct http_request;

void reply_serve(struct api *api); /* the thread answers for it from now on; before all else */

/* JSON. For GET and HEAD of a Redfish resource, and 200: with Allow, Link and ETag, shaped by the
 * query, or 304. `allow` NULL: what the resource's row says. */
void reply_json(struct http_request *request, int status, const char *allow, struct str body);
/* JSON and one more header. */
void reply_json_with(struct http_request *request, int status, const char *name, struct str value,
		     struct str body);
/* 201: a resource was made. `token` NULL: none. */
void reply_created(struct http_request *request, struct str location, const char *token,
		   struct str body);
void reply_text(struct http_request *request, int status, const char *type, struct str body);
void reply_empty(struct http_request *request); /* 204 */

#define REPLY_MAX_ARGS 3
/* What went wrong: a message of the Base registry. */
struct fault {
	const char *key;                 /* "PropertyUnknown" */
	struct str args[REPLY_MAX_ARGS]; /* up to the first with p NULL */
	const char *property;   /* JSON pointer to what is wrong: "/UserName"; NULL: none */
	const char *resolution; /* says more than the registry's (DSP0268 allows it); NULL: that */
	const char *allow;      /* with 405; NULL: what the resource's row says */
};
/* 401 gets its WWW-Authenticate, 503 its Retry-After, 405 its Allow. */
void reply_faults(struct http_request *request, int status, const struct fault *faults, size_t n);
/* reply_error(request, 400, "PropertyUnknown", .args = { name }, .property = "/Nmae"); */
#define reply_error(request, status, message_key, ...)                                             \
	reply_faults(request, status, &(const struct fault){ .key = (message_key), __VA_ARGS__ }, 1)

/* Whether a change may go on, `etag` being what the resource has now. `required`: two who change it
 * at once would undo each other's work. False: refused, by 412 or 428. */
bool reply_if_match(struct http_request *request, const char *etag, bool required);

#endif
