#include "registries/key_list_priv.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

static int compare_keys(const void *left, const void *right)
{
	const struct candidate *const *a = left, *const *b = right;

	return str_cmp((*a)->message->key, (*b)->message->key);
}

/* The first one of the group that spells the key so; the key is known to be there. */
static const struct candidate *best_of(const struct registry_set *set, struct str prefix,
				       struct str key)
{
	const struct candidate_group *group = registry_set_group(set, prefix, key);

	for (uint32_t i = 0; group && i < group->n; i++) {
		if (str_eq(group->candidates[i].message->key, key))
			return &group->candidates[i];
	}
	return NULL;
}

void key_list_init(struct key_list *list, const struct registry_set *set, struct str prefix)
{
	struct map *seen = map_new(256);
	size_t room = 0;

	*list = (struct key_list){ 0 };
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);

		if (!str_eq_nocase(registry->prefix, prefix))
			continue;
		room += registry->n_messages;
		list->best = xrealloc(list->best, room * sizeof(struct candidate *));
		for (size_t k = 0; k < registry->n_messages; k++) {
			struct message *message = &registry->messages[k];

			if (!map_put(seen, message->key, message))
				list->best[list->n++] = best_of(set, prefix, message->key);
		}
	}
	map_free(seen);
	if (list->n > 0)
		qsort(list->best, list->n, sizeof(*list->best), compare_keys);
}

void key_list_fini(struct key_list *list)
{
	free(list->best);
	*list = (struct key_list){ 0 };
}
