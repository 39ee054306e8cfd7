/* Member query: a large collection made as it is asked for: $filter, $orderby, and pages, which are
 * capped (API_PAGE_DEFAULT, API_PAGE_MAX). Small ones leave that to api/shape.h. API thread only.
 */
#ifndef API_MEMBER_QUERY_H
#define API_MEMBER_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct target;

/* The resource's row says `.queries = QUERY_MEMBERS`. */
struct member_list {
	const char *path, *type, *name; /* of the collection; type without a version */
	size_t n;
	json_t *(*json)(void *ctx, size_t i); /* new */
	/* The last segment of its path. False: the i-th is not shown. */
	bool (*put_id)(void *ctx, size_t i, struct strbuf *out);
	void *ctx;
};

void member_query_answer(const struct target *target, const struct member_list *list);

#endif
