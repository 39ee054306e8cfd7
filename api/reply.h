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
/* 200: a resource was changed. `body` is what it is now; `notes`, members of their own as
 * properties_put_notes() makes them, go with it. */
void reply_changed(struct http_request *request, struct str body, struct str notes);
void reply_text(struct http_request *request, int status, const char *type, struct str body);
void reply_empty(struct http_request *request); /* 204 */

#define REPLY_MAX_ARGS 3
/* What went wrong: a message of the Base registry. */
struct fault {
	const char *key;                 /* "PropertyUnknown" */
	struct str args[REPLY_MAX_ARGS]; /* up to the first with p NULL */
	const char *property;    /* JSON pointer to what is wrong: "/UserName"; NULL: none */
	const char *resolution;  /* says more than the registry's (DSP0268 allows it); NULL: that */
	const char *allow;       /* with 405; NULL: what the resource's row says */
	const char *retry_after; /* with 429 and 503, seconds; NULL: API_RETRY_AFTER_TEXT */
};
/* 401 gets its WWW-Authenticate, 429 and 503 their Retry-After, 405 its Allow. */
void reply_faults(struct http_request *request, int status, const struct fault *faults, size_t n);
/* reply_error(request, 400, "PropertyUnknown", .args = { name }, .property = "/Nmae"); */
#define reply_error(request, status, message_key, ...)                                             \
	reply_faults(request, status, &(const struct fault){ .key = (message_key), __VA_ARGS__ }, 1)
void reply_missing(struct http_request *request); /* 404: nothing is at its path */
/* The messages of faults, as a JSON array. */
void reply_put_faults(struct http_request *request, const struct fault *faults, size_t n,
		      struct strbuf *out);

/* Whether a change may go on, `etag` being what the resource has now. `required`: two who change it
 * at once would undo each other's work. False: refused, by 412 or 428. */
bool reply_if_match(struct http_request *request, const char *etag, bool required);
/* Whether If-Match names a version, which nobody may have changed until it is: not "*". */
bool reply_names_version(const struct http_request *request);

#endif
