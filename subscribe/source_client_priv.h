/* One request of the source client, shared by the policy (source_client.c) and libcurl
 * (source_request.c). Private to the room. */
#ifndef SUBSCRIBE_SOURCE_CLIENT_PRIV_H
#define SUBSCRIBE_SOURCE_CLIENT_PRIV_H

#include <curl/curl.h>

#include "subscribe/source_client.h"

struct source_client {
	const struct source_client_config *config; /* borrowed */
	CURL *curl;
	struct strbuf origin;
	struct strbuf sessions;       /* path */
	struct strbuf token, session; /* of the session that is open: X-Auth-Token, its path */
	int64_t deadline_us;          /* monotonic */
	size_t n_requests, n_logins, n_unreachable, all_bytes;
	bool refused, closing;
};

struct source_request {
	const char *method; /* NULL: GET, or POST where there is something to post */
	struct str path, etag;
	const char *post; /* JSON; sent without a login */
};

/* One request under way. `answer` is the caller's. */
struct source_exchange {
	struct source_client *client;
	struct source_answer *answer;
	size_t header_bytes;
	struct strbuf token, location; /* headers of the answer, empty when absent */
	long retry_after_s;
};

/* Send it and wait for the answer, whatever its status; failures as source_client_get says. */
int source_request_send(struct source_exchange *exchange, const struct source_request *request,
			struct err *err);
bool source_client_is_stopped(const struct source_client *client);
int64_t source_client_left_ms(const struct source_client *client); /* of the budget */

#endif
