/* Coverage: how much of each prefix can be said in each language. Pure. */
#ifndef REGISTRIES_COVERAGE_H
#define REGISTRIES_COVERAGE_H

#include <stddef.h>

#include "base/str.h"

struct catalog_set;
struct registry_set;

struct coverage {
	const char *language;
	struct str prefix; /* as the newest registry spells it */
	size_t n_keys;     /* of all versions of the prefix */
	/* Those that have a message, and a resolution if the registry gives one, in the language:
	 * in a registry that is itself in it, or translated and asking for the same arguments. */
	size_t n_translated;
};

typedef void coverage_fn(void *ctx, const struct coverage *row);

/* Call `fn` for each language of `catalogs` and each prefix of `set`, in this order. */
void registry_coverage(const struct registry_set *set, const struct catalog_set *catalogs,
		       coverage_fn *fn, void *ctx);

#endif
