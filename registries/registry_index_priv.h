/* Index of a set: from (prefix, key), and from a key alone, to the messages it may mean. Case is
 * ignored here; who asks looks at the spelling. Private to the room. Pure; immutable once made. */
#ifndef REGISTRIES_REGISTRY_INDEX_PRIV_H
#define REGISTRIES_REGISTRY_INDEX_PRIV_H

#include "base/str.h"
#include "registries/registry_priv.h"

struct registry_index;

/* Over registries[0..n), which live as long as the index. New. */
struct registry_index *registry_index_new(struct registry *const *registries, size_t n);
/* Of two registries of one prefix and version, the better one first: English, then the one of the
 * later folder, then the larger one, then by hash. */
int registry_compare_twins(const struct registry *a, const struct registry *b);
void registry_index_free(struct registry_index *index); /* NULL is allowed */
const struct candidate_group *registry_index_group(const struct registry_index *index,
						   struct str prefix, struct str key);
struct group_list registry_index_groups_of_key(const struct registry_index *index, struct str key);
/* NULL when there is none of the prefix, in whatever case. */
const struct registry *registry_index_newest(const struct registry_index *index, struct str prefix);

#endif
