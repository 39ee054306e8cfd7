/* Subscription body: an EventDestination as a client writes it, checked and made into what is kept.
 * API thread only. */
#ifndef API_SUBSCRIPTION_BODY_H
#define API_SUBSCRIPTION_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "base/str.h"

struct properties;

struct subscription_body {
	json_t *config;        /* new: what is kept as it is */
	struct strbuf headers; /* HttpHeaders as lines, when has_headers; wiped by _fini() */
	bool has_headers;
};

/* `before` NULL: a POST; else what a PATCH changes, and only what may change is taken. What is
 * wrong is told to `properties`. */
void subscription_body_read(struct properties *properties, const json_t *before, bool allow_http,
			    struct subscription_body *out);
void subscription_body_fini(struct subscription_body *body);

#endif
