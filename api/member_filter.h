/* Member filter: $filter and $orderby over the members of a collection, which are JSON objects
 * (DSP0266, "Filter query parameter").
 *
 * The grammar is that of event/filter_grammar.h; names are paths of properties ("Oem/Rfeventd/Site"). Texts are
 * compared exactly, as times where both are some, numbers by value. What is absent is null: only
 * `ne` and `eq null` hold for it. Pure; thread: any.
 */
#ifndef API_MEMBER_FILTER_H
#define API_MEMBER_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct err;
struct filter;

/* New filter, or -EINVAL with words that say the column (from 1) and what was expected; it goes with
 * filter_free(). */
int member_filter_parse(struct str text, struct filter **out, struct err *err);
bool member_filter_passes(const struct filter *filter, const json_t *member);

#define MEMBER_ORDER_MAX 4 /* properties to sort by: what is not told apart by four keeps its order */
struct member_order {
	struct str paths[MEMBER_ORDER_MAX]; /* borrow from the text */
	bool descends[MEMBER_ORDER_MAX];
	size_t n;
};
/* "Name desc, Created"; -EINVAL with words. */
int member_order_parse(struct str text, struct member_order *out, struct err *err);
/* Below, at or above 0 as `a` stands before, with or behind `b`. What is absent comes first. */
int member_order_compare(const struct member_order *order, const json_t *a, const json_t *b);

#endif
