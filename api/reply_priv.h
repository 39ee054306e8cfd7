/* Between the files that make answers. Private to the room. */
#ifndef API_REPLY_PRIV_H
#define API_REPLY_PRIV_H

#include "base/str.h"
#include "http/server.h"

struct api;
struct query_fault;

#define ANSWER_MAX_HEADERS 12
/* The head of an answer; values are borrowed until it is sent. */
struct answer {
	struct http_request *request;
	int status;
	struct http_header headers[ANSWER_MAX_HEADERS];
	size_t n_headers;
};

struct api *reply_api(void); /* of this thread */

void answer_init(struct answer *answer, struct http_request *request, int status, const char *type);
void answer_add(struct answer *answer, const char *name, struct str value); /* empty: nothing */
/* `cache`: Cache-Control. Packs a large body when the client takes gzip. */
void answer_send(struct answer *answer, const char *cache, struct str body);
/* A query that is refused. */
void reply_query_fault(struct http_request *request, const struct query_fault *fault);

#endif
