/* Two sorted arrays, each with an open-addressed table over its runs:
 *
 *	candidates  by prefix, key, then best first; a run of equal (prefix, key) is a group
 *	groups	    by key, prefix; a run of equal key is a group_list
 *
 * and a table of the newest registry of each prefix.
 */
#include "registries/registry_index_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "registries/limits.h"

/* "prefix.key" in lower case. */
#define NAME_MAX_BYTES (REGISTRY_MAX_PREFIX_BYTES + 1 + REGISTRY_MAX_KEY_BYTES)

struct cell {
	uint32_t hash; /* upper half, so that most misses are seen here */
	uint32_t at;   /* first of the run + 1, 0 when free */
};

struct table {
	struct cell *cells;
	size_t mask;
};

struct registry_index {
	struct registry *const *registries;
	struct candidate *candidates;
	size_t n_candidates;
	struct candidate_group *groups;
	size_t n_groups;
	struct table by_name; /* of groups by prefix and key */
	struct table by_key;  /* of the first group of each key */
	struct table newest;  /* of registries, by prefix */
};

/* False when no index holds so long a name. */
static bool hash_name(struct str prefix, struct str key, uint64_t *out)
{
	char name[NAME_MAX_BYTES];
	size_t n = 0;

	if (prefix.len > REGISTRY_MAX_PREFIX_BYTES || key.len > REGISTRY_MAX_KEY_BYTES)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		name[n++] = char_lower(prefix.p[i]);
	name[n++] = '.';
	for (size_t i = 0; i < key.len; i++)
		name[n++] = char_lower(key.p[i]);
	*out = map_hash((struct str){ name, n });
	return true;
}

static int compare_nocase(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int order = (unsigned char)char_lower(a.p[i]) - (unsigned char)char_lower(b.p[i]);

		if (order != 0)
			return order;
	}
	return (a.len > b.len) - (a.len < b.len);
}

static bool is_english(const struct registry *registry)
{
	struct str tag = registry->language;

	if (tag.len > 2 && tag.p[2] == '-')
		tag.len = 2;
	return str_eq_nocase(tag, STR("en"));
}

int registry_compare_twins(const struct registry *a, const struct registry *b)
{
	if (is_english(a) != is_english(b))
		return is_english(a) ? -1 : 1;
	if (a->folder != b->folder)
		return a->folder > b->folder ? -1 : 1;
	if (a->n_messages != b->n_messages)
		return a->n_messages > b->n_messages ? -1 : 1;
	return strcmp(a->sha256, b->sha256);
}

/* Newest first, then best first. */
static int compare_registries(const struct registry *a, const struct registry *b)
{
	for (int i = 0; i < 3; i++) {
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] > b->numbers[i] ? -1 : 1;
	}
	return registry_compare_twins(a, b);
}

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int order = compare_nocase(a->registry->prefix, b->registry->prefix);

	if (order == 0)
		order = compare_nocase(a->message->key, b->message->key);
	if (order == 0)
		order = compare_registries(a->registry, b->registry);
	if (order == 0) /* one registry with two keys that differ in case */
		order = str_cmp(a->message->key, b->message->key);
	return order;
}

static struct str group_prefix(const struct candidate_group *group)
{
	return group->candidates->registry->prefix;
}

static struct str group_key(const struct candidate_group *group)
{
	return group->candidates->message->key;
}

static int compare_groups(const void *left, const void *right)
{
	const struct candidate_group *a = left, *b = right;
	int order = compare_nocase(group_key(a), group_key(b));

	if (order == 0)
		order = compare_nocase(group_prefix(a), group_prefix(b));
	return order;
}

static void table_init(struct table *table, size_t n)
{
	size_t size = 16;

	while (size < n * 2)
		size *= 2;
	table->cells = xcalloc(size, sizeof(struct cell));
	table->mask = size - 1;
}

static void table_put(struct table *table, uint64_t hash, size_t at)
{
	size_t i = hash & table->mask;

	while (table->cells[i].at != 0)
		i = (i + 1) & table->mask;
	table->cells[i] = (struct cell){ (uint32_t)(hash >> 32), (uint32_t)at + 1 };
}

static void add_candidate(struct registry_index *index, const struct registry *registry,
			  const struct message *message)
{
	struct candidate *candidate = &index->candidates[index->n_candidates++];

	candidate->registry = registry;
	candidate->message = message;
	candidate->n_args = message->n_args;
	for (int i = 0; i < 3; i++)
		candidate->numbers[i] = registry->numbers[i];
}

static void collect_candidates(struct registry_index *index, struct registry *const *registries,
			       size_t n)
{
	size_t n_all = 0;

	for (size_t i = 0; i < n; i++)
		n_all += registries[i]->n_messages;
	index->candidates = xcalloc(n_all, sizeof(*index->candidates));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < registries[i]->n_messages; k++)
			add_candidate(index, registries[i], &registries[i]->messages[k]);
	}
	if (n_all > 0)
		qsort(index->candidates, n_all, sizeof(*index->candidates), compare_candidates);
}

static bool is_same_group(const struct candidate *a, const struct candidate *b)
{
	return str_eq_nocase(a->registry->prefix, b->registry->prefix) &&
	       str_eq_nocase(a->message->key, b->message->key);
}

/* Runs of equal prefix and key. */
static void form_groups(struct registry_index *index)
{
	struct candidate_group *group = NULL;

	index->groups = xcalloc(index->n_candidates, sizeof(*index->groups));
	for (size_t i = 0; i < index->n_candidates; i++) {
		const struct candidate *now = &index->candidates[i];

		if (!group || !is_same_group(group->candidates, now)) {
			group = &index->groups[index->n_groups++];
			*group = (struct candidate_group){ now, 0, true };
		}
		group->n++;
		if (!str_eq(group->candidates->message->key, now->message->key))
			group->one_spelling = false;
	}
	if (index->n_groups > 0)
		qsort(index->groups, index->n_groups, sizeof(*index->groups), compare_groups);
}

static void fill_tables(struct registry_index *index)
{
	uint64_t hash = 0;

	table_init(&index->by_name, index->n_groups);
	table_init(&index->by_key, index->n_groups);
	for (size_t i = 0; i < index->n_groups; i++) {
		const struct candidate_group *group = &index->groups[i];

		/* Parsing has refused prefixes and keys that are too long for this. */
		if (hash_name(group_prefix(group), group_key(group), &hash))
			table_put(&index->by_name, hash, i);
		if (i > 0 && str_eq_nocase(group_key(group), group_key(group - 1)))
			continue;
		if (hash_name(STR(""), group_key(group), &hash))
			table_put(&index->by_key, hash, i);
	}
}

/* The cell of the registries with this prefix in any case; NULL when there is none. */
static struct cell *find_prefix(const struct registry_index *index, struct str prefix)
{
	const struct table *table = &index->newest;
	uint64_t hash;

	if (!hash_name(prefix, STR(""), &hash))
		return NULL;
	for (size_t i = hash & table->mask; table->cells[i].at != 0; i = (i + 1) & table->mask) {
		struct cell *cell = &table->cells[i];

		if (cell->hash == (uint32_t)(hash >> 32) &&
		    str_eq_nocase(index->registries[cell->at - 1]->prefix, prefix))
			return cell;
	}
	return NULL;
}

static bool is_newer(const struct registry *a, const struct registry *b)
{
	for (int i = 0; i < 3; i++) {
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] > b->numbers[i];
	}
	return false;
}

static void find_newest(struct registry_index *index, size_t n)
{
	uint64_t hash;

	table_init(&index->newest, n);
	for (size_t i = 0; i < n; i++) {
		const struct registry *registry = index->registries[i];
		struct cell *cell = find_prefix(index, registry->prefix);

		if (!cell && hash_name(registry->prefix, STR(""), &hash))
			table_put(&index->newest, hash, i);
		else if (cell && is_newer(registry, index->registries[cell->at - 1]))
			cell->at = (uint32_t)i + 1;
	}
}

struct registry_index *registry_index_new(struct registry *const *registries, size_t n)
{
	struct registry_index *index = xcalloc(1, sizeof(*index));

	index->registries = registries;
	find_newest(index, n);
	collect_candidates(index, registries, n);
	form_groups(index);
	fill_tables(index);
	return index;
}

void registry_index_free(struct registry_index *index)
{
	if (!index)
		return;
	free(index->candidates);
	free(index->groups);
	free(index->by_name.cells);
	free(index->by_key.cells);
	free(index->newest.cells);
	free(index);
}

/* The group with this key, and this prefix unless its p is NULL. */
static const struct candidate_group *look_up(const struct registry_index *index,
					     const struct table *table, struct str prefix,
					     struct str key)
{
	uint64_t hash;

	if (!hash_name(prefix, key, &hash))
		return NULL;
	for (size_t i = hash & table->mask; table->cells[i].at != 0; i = (i + 1) & table->mask) {
		const struct candidate_group *group = &index->groups[table->cells[i].at - 1];

		if (table->cells[i].hash == (uint32_t)(hash >> 32) &&
		    str_eq_nocase(group_key(group), key) &&
		    (!prefix.p || str_eq_nocase(group_prefix(group), prefix)))
			return group;
	}
	return NULL;
}

const struct candidate_group *registry_index_group(const struct registry_index *index,
						   struct str prefix, struct str key)
{
	return prefix.p ? look_up(index, &index->by_name, prefix, key) : NULL;
}

struct group_list registry_index_groups_of_key(const struct registry_index *index, struct str key)
{
	struct group_list list = { look_up(index, &index->by_key, (struct str){ NULL, 0 }, key),
				   0 };
	const struct candidate_group *end = index->groups + index->n_groups;

	if (list.groups) {
		while (list.groups + list.n < end &&
		       str_eq_nocase(group_key(list.groups + list.n), key))
			list.n++;
	}
	return list;
}

const struct registry *registry_index_newest(const struct registry_index *index, struct str prefix)
{
	const struct cell *cell = find_prefix(index, prefix);

	return cell ? index->registries[cell->at - 1] : NULL;
}
