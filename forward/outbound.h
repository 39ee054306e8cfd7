/* Outbound: POSTs to many receivers at once, each over one kept connection of its own (libcurl).
 *
 * Nothing here waits for one receiver: a slow one costs a descriptor. Redirects are not followed,
 * proxies and certificates of the environment not used. Thread: the one that made it.
 */
#ifndef FORWARD_OUTBOUND_H
#define FORWARD_OUTBOUND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct outbound;
struct outbound_call;

/* `ca_file`: what certificates are checked against besides the system's; NULL: the system's alone.
 */
int outbound_new(const char *ca_file, struct outbound **out, struct err *err);
void outbound_free(struct outbound *outbound); /* its calls are freed before; NULL is allowed */
/* Until something happened to a call, `fd` is readable, or the time is over. */
void outbound_wait(struct outbound *outbound, int fd, int timeout_ms);
/* The `ctx` of a call that ended, one after the other; NULL: none. */
void *outbound_ended(struct outbound *outbound);

struct outbound_call *outbound_call_new(struct outbound *outbound, void *ctx);
void outbound_call_free(struct outbound_call *call); /* breaks it off; NULL is allowed */

struct outbound_request {
	const char *url;
	struct str headers; /* "Name: value" lines, each with its newline */
	struct str body;    /* JSON; must stay until the end */
	bool verify;        /* the receiver's certificate */
};
void outbound_call_start(struct outbound_call *call, const struct outbound_request *request);

struct outbound_answer {
	long status; /* 0: none came; then `why` */
	long retry_after_s;
	struct err why;
};
/* Of the call that ended last. */
const struct outbound_answer *outbound_call_answer(const struct outbound_call *call);

#endif
