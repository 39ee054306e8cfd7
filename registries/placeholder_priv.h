/* Placeholders: finding %n in a message's text (spec 5.4). Private to the room. Pure.
 *
 * n is the longest run of digits after the percent sign and at least 1; every other percent sign
 * is literal.
 */
#ifndef REGISTRIES_PLACEHOLDER_PRIV_H
#define REGISTRIES_PLACEHOLDER_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct arena;

struct placeholder {
	size_t start, end; /* in the text: '%' to behind the last digit */
	unsigned n;        /* from 1; UINT_MAX when larger than that */
};

/* The next one at or behind `from`. False when there is none. */
bool placeholder_next(struct str text, size_t from, struct placeholder *out);
/* The highest n that an argument could fill; 0 when there is none. */
unsigned placeholder_highest(struct str text);
/* The lowest one; 0 when there is none. */
unsigned placeholder_lowest(struct str text);
/* resolve_substitute() into an arena: p is NULL when the result would pass `max_bytes` or the
 * arena's cap. */
struct str placeholder_fill(struct arena *arena, struct str text, const struct str *args,
			    size_t n_args, size_t max_bytes, bool *missing);
/* Whether two texts take the same arguments, in whatever order. */
bool placeholder_same_set(struct str a, struct str b);

#endif
