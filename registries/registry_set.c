/* Sets of registries: reading folders, leaving out equal files, the snapshot. */
#include "registries/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "registries/file_list_priv.h"
#include "registries/holdings_priv.h"
#include "registries/limits.h"
#include "registries/registry_index_priv.h"
#include "registries/registry_priv.h"

struct registry_set {
	atomic_int refs;
	struct registry **registries; /* owned references; by prefix, oldest version first */
	size_t n;
	struct registry_index *index;
	struct map *by_hash; /* of registries */
	struct holdings *holdings;
};

static int compare_versions(const struct registry *a, const struct registry *b)
{
	for (int i = 0; i < 3; i++) {
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] < b->numbers[i] ? -1 : 1;
	}
	return 0;
}

static int compare_registries(const void *a, const void *b)
{
	const struct registry *left = *(struct registry *const *)a;
	const struct registry *right = *(struct registry *const *)b;
	int order = str_cmp(left->prefix, right->prefix);

	if (order == 0)
		order = compare_versions(left, right);
	return order != 0 ? order : registry_compare_twins(left, right);
}

struct registry_set *registry_set_new(struct registry *const *registries, size_t n)
{
	struct registry_set *set = xcalloc(1, sizeof(*set));
	struct map *seen = map_new(n);

	atomic_init(&set->refs, 1);
	set->by_hash = seen;
	set->registries = xcalloc(n, sizeof(*set->registries));
	for (size_t i = n; i-- > 0;) { /* the place of the later folder is kept */
		struct registry *same = map_get(seen, registry_sha256(registries[i]));

		if (same) {
			if (registries[i]->folder > same->folder)
				same->folder = registries[i]->folder;
			registry_unref(registries[i]);
			continue;
		}
		map_put(seen, registry_sha256(registries[i]), registries[i]);
		set->registries[set->n++] = registries[i];
	}
	if (set->n > 0)
		qsort(set->registries, set->n, sizeof(*set->registries), compare_registries);
	for (size_t i = 0; i < set->n; i++)
		set->registries[i]->number = (uint32_t)i;
	set->holdings = holdings_new(set->n);
	set->index = registry_index_new(set->registries, set->n);
	return set;
}

struct registry_set *registry_set_ref(struct registry_set *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void registry_set_unref(struct registry_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	registry_index_free(set->index);
	holdings_free(set->holdings);
	map_free(set->by_hash);
	for (size_t i = 0; i < set->n; i++)
		registry_unref(set->registries[i]);
	free(set->registries);
	free(set);
}

void *registry_set_slot_ref(void *set)
{
	return registry_set_ref(set);
}

void registry_set_slot_unref(void *set)
{
	registry_set_unref(set);
}

size_t registry_set_count(const struct registry_set *set)
{
	return set ? set->n : 0;
}

const struct registry *registry_set_at(const struct registry_set *set, size_t i)
{
	return i < registry_set_count(set) ? set->registries[i] : NULL;
}

void registry_set_hold(struct registry_set *set, struct uuid source, const char *const *sha256,
		       size_t n)
{
	uint32_t *numbers = xcalloc(n, sizeof(*numbers));
	size_t n_known = 0;

	for (size_t i = 0; i < n; i++) {
		const struct registry *registry = map_get(set->by_hash, str_of(sha256[i]));

		if (registry)
			numbers[n_known++] = registry->number;
	}
	if (n_known > 0)
		holdings_put(set->holdings, source, numbers, n_known);
	free(numbers);
}

size_t registry_set_n_sources(const struct registry_set *set)
{
	return set ? holdings_count(set->holdings) : 0;
}

const struct bundle *registry_set_bundle(const struct registry_set *set, struct uuid source)
{
	return holdings_count(set->holdings) > 0 ? holdings_of(set->holdings, source) : NULL;
}

bool registry_set_is_held(const struct registry_set *set, struct uuid source,
			  const struct registry *registry)
{
	const struct bundle *bundle = registry_set_bundle(set, source);

	return bundle && bundle_has(bundle, registry->number);
}

const struct candidate_group *registry_set_group(const struct registry_set *set, struct str prefix,
						 struct str key)
{
	return registry_index_group(set->index, prefix, key);
}

struct group_list registry_set_groups_of_key(const struct registry_set *set, struct str key)
{
	return registry_index_groups_of_key(set->index, key);
}

const struct registry *registry_set_newest(const struct registry_set *set, struct str prefix)
{
	return set ? registry_index_newest(set->index, prefix) : NULL;
}

/* --- folders ---------------------------------------------------------------------------------- */

static size_t count_findings(const struct registry *registry)
{
	const struct registry_finding *finding = registry_findings(registry);
	size_t n = 0;

	for (; finding; finding = finding->next)
		n++;
	return n;
}

/* NULL when the file is no message registry. */
static struct registry *read_registry(const char *path)
{
	struct registry *registry = NULL;
	struct err err;
	char *bytes;
	size_t n;
	int r;

	r = file_read(path, REGISTRY_MAX_BYTES, &bytes, &n, &err);
	if (r >= 0) {
		r = registry_parse((struct str){ bytes, n }, path, &registry, &err);
		free(bytes);
	}
	if (r == -EINVAL) /* other registries lie in the same folders */
		log_debug("registries", "not a message registry", LOG_T("file", path));
	else if (r < 0)
		log_warn("registries", "cannot read a registry", LOG_T("err", err.text));
	return r < 0 ? NULL : registry;
}

struct registry_set *registry_set_load(const char *const *dirs, size_t n_dirs,
				       struct registry_load_result *result)
{
	struct registry_load_result counts = { 0 };
	struct file_list list = { 0 };
	struct registry **registries;
	struct registry_set *set;
	size_t n = 0;

	for (size_t i = 0; i < n_dirs; i++)
		file_list_walk(&list, dirs[i], i);
	if (list.cut)
		log_warn("registries",
			 "too many files or folders, or too deep: the rest is left out",
			 LOG_I("files", list.n));
	registries = xcalloc(list.n, sizeof(*registries));
	for (size_t i = 0; i < list.n; i++) {
		registries[n] = read_registry(list.paths[i].text);
		if (registries[n])
			registries[n++]->folder = list.paths[i].folder;
	}
	set = registry_set_new(registries, n);
	for (size_t i = 0; i < set->n; i++)
		counts.n_findings += count_findings(set->registries[i]);
	counts.n_loaded = set->n;
	counts.n_same = n - set->n;
	counts.n_skipped = list.n - n;
	if (result)
		*result = counts;
	free(registries);
	file_list_fini(&list);
	return set;
}
