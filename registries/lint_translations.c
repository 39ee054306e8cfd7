/* Translations beside the registries they are laid over: known keys, the same arguments, nothing
 * left out. */
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "registries/key_list_priv.h"
#include "registries/lint_priv.h"
#include "registries/placeholder_priv.h"
#include "registries/registry_priv.h"
#include "translations/catalog.h"
#include "translations/language.h"

#define NO_KEY ((struct str){ NULL, 0 })

static bool is_blank(struct str text)
{
	return str_trim(text).len == 0;
}

/* --- one text ------------------------------------------------------------------------------------
 */

static void check_message(struct lint *lint, const char *place, const struct candidate_group *group,
			  const struct translated *translated)
{
	const struct candidate *newest = NULL, *fitting = NULL;

	for (uint32_t i = 0; i < group->n && !fitting; i++) {
		const struct candidate *candidate = &group->candidates[i];

		if (!str_eq(candidate->message->key, translated->key))
			continue;
		if (!newest)
			newest = candidate;
		if (placeholder_same_set(candidate->message->text, translated->message))
			fitting = candidate;
	}
	if (!fitting)
		lint_note(lint, "placeholders_differ", place, translated->key,
			  "Message does not have the placeholders of '%.*s': it is never shown",
			  STR_ARG(newest->message->text));
	else if (fitting != newest)
		lint_note(lint, "placeholders_older", place, translated->key,
			  "Message has the placeholders of version %.*s, not those of %.*s",
			  STR_ARG(fitting->registry->version), STR_ARG(newest->registry->version));
}

static bool has_key(const struct candidate_group *group, struct str key)
{
	for (uint32_t i = 0; group && i < group->n; i++) {
		if (str_eq(group->candidates[i].message->key, key))
			return true;
	}
	return false;
}

static void check_translated(struct lint *lint, const struct catalog *catalog,
			     const struct translated *translated)
{
	const char *place = catalog_place(catalog);
	const struct candidate_group *group =
		registry_set_group(lint->set, catalog_prefix(catalog), translated->key);

	if (!has_key(group, translated->key)) {
		lint_note(lint, "key_unknown", place, translated->key,
			  group ? "registry '%.*s' spells this key in other case"
				: "registry '%.*s' has no such key",
			  STR_ARG(catalog_prefix(catalog)));
		return;
	}
	if (translated->message.p)
		check_message(lint, place, group, translated);
	if (placeholder_highest(translated->resolution) > 0)
		lint_note(lint, "resolution_placeholder", place, translated->key,
			  "Resolution has a placeholder, which is shown as it stands");
}

/* --- one file ------------------------------------------------------------------------------------
 */

static void check_name(struct lint *lint, const struct catalog *catalog)
{
	const char *place = catalog_place(catalog), *slash = strrchr(place, '/');
	struct str name = str_of(slash ? slash + 1 : place), prefix = catalog_prefix(catalog);

	if (!str_starts_with(name, prefix) || (name.len > prefix.len && name.p[prefix.len] != '.'))
		lint_note(lint, "prefix_differs_from_file", place, NO_KEY,
			  "RegistryPrefix is '%.*s', the file is named '%.*s'", STR_ARG(prefix),
			  STR_ARG(name));
}

static void check_catalog(struct lint *lint, const struct catalog *catalog)
{
	const struct catalog_finding *finding = catalog_findings(catalog);

	for (; finding; finding = finding->next)
		lint_note(lint, finding->code, catalog_place(catalog), finding->key, "%.*s",
			  STR_ARG(finding->words));
	check_name(lint, catalog);
	if (!registry_set_newest(lint->set, catalog_prefix(catalog))) {
		lint_note(lint, "prefix_unknown", catalog_place(catalog), NO_KEY,
			  "no registry '%.*s' is known that this could be laid over",
			  STR_ARG(catalog_prefix(catalog)));
		return;
	}
	for (size_t i = 0; i < catalog_count(catalog); i++)
		check_translated(lint, catalog, catalog_at(catalog, i));
}

/* --- what is left out ----------------------------------------------------------------------------
 */

static bool are_laid_together(const struct catalog *a, const struct catalog *b)
{
	return strcmp(catalog_language(a), catalog_language(b)) == 0 &&
	       str_eq_nocase(catalog_prefix(a), catalog_prefix(b));
}

/* Keys that any catalog beside this one, or itself, has a message and a resolution for. */
static void collect(const struct lint *lint, const struct catalog *catalog, struct map *messages,
		    struct map *resolutions)
{
	for (size_t i = 0; i < lint->n_catalogs; i++) {
		struct catalog *other = lint->catalogs[i].catalog;

		for (size_t k = 0; are_laid_together(catalog, other) && k < catalog_count(other);
		     k++) {
			const struct translated *translated = catalog_at(other, k);

			if (translated->message.p)
				map_put(messages, translated->key, other);
			if (translated->resolution.p)
				map_put(resolutions, translated->key, other);
		}
	}
}

static void check_complete(struct lint *lint, const struct catalog *catalog)
{
	struct map *messages = map_new(256), *resolutions = map_new(256);
	struct key_list keys;

	collect(lint, catalog, messages, resolutions);
	key_list_init(&keys, lint->set, catalog_prefix(catalog));
	for (size_t i = 0; i < keys.n; i++) {
		const struct message *message = keys.best[i]->message;
		bool no_message = !is_blank(message->text) && !map_get(messages, message->key);
		bool no_resolution =
			!is_blank(message->resolution) && !map_get(resolutions, message->key);

		if (no_message || no_resolution)
			lint_note(lint, "untranslated", catalog_place(catalog), message->key,
				  "no %s in '%s'",
				  !no_resolution ? "Message"
				  : no_message   ? "Message and no Resolution"
						 : "Resolution",
				  catalog_language(catalog));
	}
	key_list_fini(&keys);
	map_free(messages);
	map_free(resolutions);
}

/* Of several catalogs that are laid together the first one tells. */
static bool is_first(const struct lint *lint, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (lint->catalogs[k].use == LINT_JUDGE &&
		    are_laid_together(lint->catalogs[k].catalog, lint->catalogs[i].catalog))
			return false;
	}
	return true;
}

void lint_translations(struct lint *lint)
{
	for (size_t i = 0; i < lint->n_catalogs; i++) {
		const struct catalog *catalog = lint->catalogs[i].catalog;

		if (lint->catalogs[i].use != LINT_JUDGE)
			continue;
		check_catalog(lint, catalog);
		if (is_first(lint, i) && !language_is_english(catalog_language(catalog)))
			check_complete(lint, catalog);
	}
}
