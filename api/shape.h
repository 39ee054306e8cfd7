/* Shape: an answer's body cut and widened as the query asks: $select $expand $filter $orderby $top
 * $skip `only`.
 *
 * DSP0266, "Query parameters". JSON text in, JSON text out; members come through a function.
 * Pure; thread: any.
 */
#ifndef API_SHAPE_H
#define API_SHAPE_H

#include <stdbool.h>

#include "base/str.h"

struct query_fault;
struct query_options;

struct shape {
	struct str path, query; /* of the request, for the next page's link */
	const struct query_options *options;
	unsigned done; /* enum query_option: what the body's maker did already */
	/* Puts the body of the resource at `uri`. False: it is left as a link. */
	bool (*encode)(void *ctx, struct str uri, struct strbuf *out);
	void *ctx;
};

/* `body` shaped, into `out`. -EINVAL with `fault` when the query does not fit the resource. */
int shape_body(const struct shape *shape, struct str body, struct strbuf *out,
	       struct query_fault *fault);

#endif
