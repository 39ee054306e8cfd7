/* Source details: what operators say of a source besides what a receiver needs to know it: how it is
 * reached, and tags. Kept as one JSON text beside the source (struct source's `details`).
 *
 * Pure; thread: any.
 */
#ifndef SUBSCRIBE_SOURCE_DETAILS_H
#define SUBSCRIBE_SOURCE_DETAILS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct seal_key;
struct uuid;

#define SOURCE_MAX_TAGS		   16	/* of one source: a CMDB's key, a room, a contract; not a database */
#define SOURCE_TAG_NAME_MAX_BYTES  64
#define SOURCE_TAG_VALUE_MAX_BYTES 256
#define SOURCE_URL_MAX_BYTES	   512	/* https://, a DNS name, a port */
#define SOURCE_SECRET_MAX_BYTES	   256	/* a BMC's user name or password: IPMI takes 20, Redfish services more */
/* With the longest of all, escaped. */
#define SOURCE_DETAILS_MAX_BYTES (64u << 10)

struct source_tag {
	struct str name, value;
};

/* Texts are borrowed; p NULL: not said. */
struct source_details {
	struct str url; /* "https://10.1.2.3" */
	struct str user_name;
	struct str password; /* sealed: see below */
	bool insecure;	     /* its certificate is not checked */
	struct source_tag tags[SOURCE_MAX_TAGS];
	size_t n_tags;
};

/* From a source's `details` (p NULL: none). *held is new, and what `out` borrows from:
 * source_details_release(). What is no good is as if not said: a newer program may have written it. */
void source_details_parse(struct str text, struct source_details *out, void **held);
void source_details_release(void *held); /* NULL is allowed */
/* As JSON; nothing when nothing is said. Members in order, so that equal ones are equal texts. */
void source_details_put(const struct source_details *details, struct strbuf *out);

/* The password of source `id`, sealed and opened. */
void source_password_seal(const struct seal_key *key, struct uuid id, struct str password,
			  struct strbuf *out);
bool source_password_open(const struct seal_key *key, struct uuid id, struct str sealed,
			  struct strbuf *out);

#endif
