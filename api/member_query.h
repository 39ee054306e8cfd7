/* Member query: a large collection made as it is asked for: $filter, $orderby, and pages, which are
 * capped (API_PAGE_DEFAULT, API_PAGE_MAX). Small ones leave that to api/shape.h.
 *
 * What has to look into each member (a filter, an order) is done by the query pool: with 200,000 of them
 * it takes seconds, in which the API thread has streams to serve.
 */
#ifndef API_MEMBER_QUERY_H
#define API_MEMBER_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct api;
struct target;

/* The resource's row says `.queries = QUERY_MEMBERS`. The functions are called on one thread, the API's
 * or a pool's: they read `ctx` alone. */
struct member_list {
	const char *path, *type, *name; /* of the collection; type without a version */
	size_t n;
	json_t *(*json)(void *ctx, size_t i); /* new */
	/* The last segment of its path. False: the i-th is not shown. */
	bool (*put_id)(void *ctx, size_t i, struct strbuf *out);
	void (*release)(void *ctx); /* once, on the API thread */
	void *ctx;
};

/* Takes over list->ctx. API thread. */
void member_query_answer(struct api *api, const struct target *target,
			 const struct member_list *list);

#endif
