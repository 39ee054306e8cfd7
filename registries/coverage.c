#include "registries/coverage.h"

#include "registries/key_list_priv.h"
#include "registries/placeholder_priv.h"
#include "registries/registry_priv.h"
#include "translations/catalog.h"

static bool is_blank(struct str text)
{
	return str_trim(text).len == 0;
}

static bool is_said(const struct message *message, struct str text, struct str resolution)
{
	return (is_blank(message->text) ||
		(!is_blank(text) && placeholder_same_set(message->text, text))) &&
	       (is_blank(message->resolution) || !is_blank(resolution));
}

static bool has_registry(const struct registry_set *set, const struct candidate *best,
			 const char *language)
{
	const struct message *message = best->message;
	const struct candidate_group *group =
		registry_set_group(set, best->registry->prefix, message->key);

	for (uint32_t i = 0; group && i < group->n; i++) {
		const struct candidate *one = &group->candidates[i];

		if (str_eq_nocase(one->registry->language, str_of(language)) &&
		    str_eq(one->message->key, message->key) &&
		    is_said(message, one->message->text, one->message->resolution))
			return true;
	}
	return false;
}

static bool is_translated(const struct registry_set *set, const struct catalog_set *catalogs,
			  size_t language, const struct candidate *best)
{
	const struct translated *found =
		catalog_set_find(catalogs, language, best->registry->prefix, best->message->key);

	return (found && is_said(best->message, found->message, found->resolution)) ||
	       has_registry(set, best, catalog_set_language(catalogs, language));
}

static void cover(const struct registry_set *set, const struct catalog_set *catalogs,
		  size_t language, struct str prefix, coverage_fn *fn, void *ctx)
{
	struct coverage row = { .language = catalog_set_language(catalogs, language),
				.prefix = registry_set_newest(set, prefix)->prefix };
	struct key_list keys;

	key_list_init(&keys, set, prefix);
	row.n_keys = keys.n;
	for (size_t i = 0; i < keys.n; i++)
		row.n_translated += is_translated(set, catalogs, language, keys.best[i]);
	key_list_fini(&keys);
	fn(ctx, &row);
}

/* Whether an earlier registry of the set has the prefix, in whatever case. */
static bool came_before(const struct registry_set *set, size_t i)
{
	struct str prefix = registry_set_at(set, i)->prefix;

	for (size_t k = 0; k < i; k++) {
		if (str_eq_nocase(registry_set_at(set, k)->prefix, prefix))
			return true;
	}
	return false;
}

void registry_coverage(const struct registry_set *set, const struct catalog_set *catalogs,
		       coverage_fn *fn, void *ctx)
{
	for (size_t language = 0; language < catalog_set_n_languages(catalogs); language++) {
		for (size_t i = 0; i < registry_set_count(set); i++) {
			if (!came_before(set, i))
				cover(set, catalogs, language, registry_set_at(set, i)->prefix, fn,
				      ctx);
		}
	}
}
