/* Registry fetch: the message registries that a source itself holds (spec section 6).
 *
 * Service root -> Registries -> each MessageRegistryFile -> its Locations -> bodies, plain, gzip or
 * in archives. One request at a time, capped in every respect (limits.h), never off the source.
 * What is done with a body, and when to fetch at all, is the caller's.
 * Blocking for up to the budget: on a thread of its own. Any number of sources at a time.
 */
#ifndef SUBSCRIBE_REGISTRY_FETCH_H
#define SUBSCRIBE_REGISTRY_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* A body that may be a message registry. All views live during the call. */
struct registry_fetched {
	struct str bytes;
	struct str
		uri; /* path on the source as its Location says; with `etag` the pair for `has` */
	struct str name;     /* of the file in an archive, else the last part of the uri */
	struct str registry; /* what the MessageRegistryFile calls it; p NULL: nothing */
	struct str language; /* as the Location says ("en", "jp", "default"); p NULL: nothing */
	struct str etag; /* of the answer; of an archive, the whole of it; len 0: none offered */
	bool from_archive;
};

/* Returns 0 when the body is taken; -EINVAL when it is no message registry (counted), -EBADMSG or
 * -EFBIG when it cannot be read (a failure, with words); any other negative errno ends the walk
 * and is what registry_fetch returns. These are registry_parse's own. */
typedef int registry_fetched_fn(void *ctx, const struct registry_fetched *fetched, struct err *err);
/* Whether the content of `uri` is already held, and the ETag it came with, put into `etag`. */
typedef bool registry_held_fn(void *ctx, struct str uri, struct strbuf *etag);

struct registry_fetch_config {
	const char *url;             /* "https://10.1.2.3" */
	const char *user, *password; /* user NULL: without login */
	const char *ca_file;         /* PEM; NULL: the system's */
	bool insecure;               /* whatever certificate the source shows */
	unsigned request_ms;         /* 0: FETCH_REQUEST_MS */
	unsigned budget_ms;          /* 0: FETCH_BUDGET_MS */
	const atomic_bool *stop;     /* NULL is allowed */
	registry_held_fn *has;       /* NULL: nothing is held. Gets the ctx of registry_fetch */
};

struct registry_fetch_result {
	size_t asked;             /* bodies and archives requested */
	size_t fetched;           /* bodies taken */
	size_t unchanged;         /* not sent again: the ETag still holds */
	size_t not_registries;    /* attribute and privilege registries, by name or by content */
	size_t failed;            /* members, bodies and files that could not be had or read */
	size_t requests;          /* of all kinds */
	struct err first_failure; /* words of the first of `failed`; empty when there is none */
};

/* `result` is filled in any case. 0 when the walk came to its end, even if some bodies failed.
 * Otherwise, with words and with whatever came before already given to `fn`: -EINVAL (the URL),
 * -EACCES (login refused), -ECANCELED (stop), -ETIMEDOUT (the budget, or the first requests),
 * -EHOSTUNREACH (no connection, its certificate is not trusted, or it ceased to answer), -ENOENT
 * (no collection of registries), -EBADMSG (what it answers there is none), -EXDEV and -ELOOP (the
 * first requests were redirected), -EFBIG, -EIO, -ENOMEM, or what `fn` returned. */
int registry_fetch(const struct registry_fetch_config *config, registry_fetched_fn *fn, void *ctx,
		   struct registry_fetch_result *result, struct err *err);

#endif
