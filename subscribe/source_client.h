/* Source client: requests to one source, one after the other, on one kept connection (libcurl).
 *
 * What a weak or hostile BMC may do is bounded here: sizes, times, redirects (to itself alone),
 * retries of 429 and 503, logins. Basic first; after a 401 once with a session of its own, which is
 * ended by source_client_free. Proxies and certificates come from the configuration alone, never
 * from the environment. Blocking. Thread: one owner.
 */
#ifndef SUBSCRIBE_SOURCE_CLIENT_H
#define SUBSCRIBE_SOURCE_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct source_client;

struct source_client_config {
	const char *url;             /* "https://10.1.2.3"; a path in it is dropped */
	const char *user, *password; /* user NULL: without login */
	const char *ca_file;     /* PEM; NULL: the system's. Nothing else is trusted when given */
	bool insecure;           /* whatever certificate the source shows */
	unsigned request_ms;     /* one request; 0: FETCH_REQUEST_MS */
	unsigned budget_ms;      /* all of them, from source_client_open on; 0: FETCH_BUDGET_MS */
	const atomic_bool *stop; /* true: end soon (within a second or so); NULL is allowed */
};

struct source_answer {
	long status;
	struct strbuf body; /* content encoding undone */
	struct strbuf etag; /* as sent, or empty */
	struct strbuf path; /* where it came from in the end, after redirects */
};

void source_answer_init(struct source_answer *answer);
void source_answer_fini(struct source_answer *answer);

/* The configuration's texts are borrowed until source_client_free. -EINVAL when the URL is none. */
int source_client_open(const struct source_client_config *config, struct source_client **out,
		       struct err *err);
void source_client_free(struct source_client *client); /* NULL is allowed; ends the session */
struct str source_client_origin(const struct source_client *client); /* borrows */
/* Where sessions are made, when the service root says so. */
void source_client_set_sessions(struct source_client *client, struct str path);

/* GET `path`, with If-None-Match when `etag` is not empty. 0 with any status but 401, which is
 * dealt with, and those worth a retry. Failures, all with words that name the address: -EACCES
 * (login refused), -ECANCELED (stop), -ETIMEDOUT, -EHOSTUNREACH (no connection, or a certificate
 * that is not trusted), -EIO (broken off), -EFBIG (one answer), -EXDEV (redirected elsewhere),
 * -ELOOP (redirected too often). */
int source_client_get(struct source_client *client, struct str path, struct str etag,
		      struct source_answer *answer, struct err *err);

/* Whether nothing more can be asked for, and why: -EACCES, -ECANCELED, -ETIMEDOUT (the budget),
 * -EFBIG (FETCH_MAX_ALL_BYTES), -EHOSTUNREACH (FETCH_MAX_UNREACHABLE). 0 when it can. */
int source_client_over(const struct source_client *client);
size_t source_client_requests(const struct source_client *client); /* logins too */

#endif
