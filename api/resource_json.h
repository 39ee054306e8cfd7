/* Resource JSON: what bodies are put together from, and the answer when the database did not make a
 * change. API thread only. */
#ifndef API_RESOURCE_JSON_H
#define API_RESOURCE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct http_request;

/* The text of `json`, which is taken; its members in their order. */
void resource_put_json(struct strbuf *out, json_t *json);
json_t *resource_link(const char *path); /* {"@odata.id": path} */
json_t *resource_time(int64_t time_us);  /* as Redfish's dateTime */

/* A collection's body: begin, each member's id, end. `type` without a version. */
struct members {
	struct strbuf *out;
	const char *path;
	size_t n;
};
void members_begin(struct members *members, const char *path, const char *type, const char *name,
		   struct strbuf *out);
void members_put(struct members *members, struct str id);
void members_end(struct members *members);

/* A change failed with `r` of accounts/account_store.h or storage/db.h; -EEXIST is the caller's. */
void reply_unchanged(struct http_request *request, int r, const struct err *err);

#endif
