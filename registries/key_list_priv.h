/* Key list: what the registries of a prefix have to say, each key once. Private to the room. */
#ifndef REGISTRIES_KEY_LIST_PRIV_H
#define REGISTRIES_KEY_LIST_PRIV_H

#include <stddef.h>

#include "registries/registry_priv.h"

struct key_list {
	const struct candidate **best; /* by key; of each the one that answers first */
	size_t n;
};

/* Of all registries of the prefix, in any case. */
void key_list_init(struct key_list *list, const struct registry_set *set, struct str prefix);
void key_list_fini(struct key_list *list);

#endif
