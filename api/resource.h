/* Resource: what resources that clients change have in common: JSON bodies, ETags, the outcome of a
 * change in the database as an answer. API thread only. */
#ifndef API_RESOURCE_H
#define API_RESOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct http_request;

/* The request's body as an object, new; NULL when it is none: then it was answered 400. */
json_t *resource_body(struct http_request *request);
/* A text member; p NULL when it is absent. *bad_out (sticks) when it is something else. */
struct str resource_text(const json_t *body, const char *name, bool *bad_out);

/* Answer with `body` (taken). `etag` -1 and NULLs leave their header away. */
void resource_reply(struct http_request *request, int status, const char *allow, int64_t etag,
		    const char *location, json_t *body);
/* What If-Match says: *version_out -1 when it names none that counts (absent, or "*"). False when
 * it was absent but is `required` (428), or names no version of ours (412): answered. */
bool resource_if_match(struct http_request *request, bool required, int64_t *version_out);
/* A change failed with `r` of accounts/account_store.h or storage/db.h. */
void resource_fail(struct http_request *request, int r, const struct err *err);
/* login_begin() did not take it: seconds to wait, or -EAGAIN. */
void reply_login_refused(struct http_request *request, int r);

/* Members of a PATCH that are not done: collected, then told in the answer. */
struct patch {
	json_t *body;  /* the caller's */
	json_t *notes; /* "Name@Message.ExtendedInfo": […]; new */
	size_t n_good;
	const char *first_key; /* NULL: none was refused */
	char first_words[256];
};
void patch_begin(struct patch *patch, json_t *body);
/* Why member `name` is not done: `key` of the Base registry. */
void patch_refuse(struct patch *patch, const char *name, const char *key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Refuse all members but those of `known` (ended by NULL) and annotations. */
void patch_refuse_others(struct patch *patch, const char *const *known,
			 const char *const *read_only);
/* False when nothing is left to do: answered 400. */
bool patch_is_of_use(struct patch *patch, struct http_request *request);
void patch_fini(struct patch *patch);

/* {"@odata.id": path} */
json_t *resource_link(const char *path);
json_t *resource_time(int64_t time_us); /* as Redfish's dateTime */
/* A collection of what is below `path`: `members` (taken) are links. */
json_t *resource_collection(const char *path, const char *type, const char *name, json_t *members);

#endif
