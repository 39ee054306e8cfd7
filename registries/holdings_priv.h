/* Holdings: which registries of a set a source serves itself (spec 5.3, rungs 1 and 2). A site has
 * many sources and few kinds of them: equal lists are kept once, as a bundle. Private to the room.
 * Pure; immutable once the set is shared. */
#ifndef REGISTRIES_HOLDINGS_PRIV_H
#define REGISTRIES_HOLDINGS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

struct bundle;
struct holdings;

/* Of a set of `n_registries`. New; never NULL. */
struct holdings *holdings_new(size_t n_registries);
void holdings_free(struct holdings *holdings); /* NULL is allowed */
/* The numbers of the registries that `source` serves; takes the place of what was said before. */
void holdings_put(struct holdings *holdings, struct uuid source, const uint32_t *numbers, size_t n);
size_t holdings_count(const struct holdings *holdings); /* of sources */
/* NULL when nothing is known of the source. */
const struct bundle *holdings_of(const struct holdings *holdings, struct uuid source);
bool bundle_has(const struct bundle *bundle, uint32_t number);

#endif
