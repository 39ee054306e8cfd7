/* Sets of catalogs: reading folders, the languages there are, the index. */
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "translations/catalog_priv.h"
#include "translations/language.h"

/* Prefix in lower case, NUL, key: either may hold a dot, and none a NUL. */
#define NAME_MAX_BYTES 512

struct language {
	char tag[LANGUAGE_MAX_BYTES];
	struct map *messages; /* by name, of struct translated */
};

struct catalog_set {
	atomic_int refs;
	struct language languages[CATALOG_MAX_LANGUAGES];
	const char *tags[CATALOG_MAX_LANGUAGES];
	size_t n_languages;
	struct catalog **catalogs; /* in the order read */
	size_t n_catalogs;
	char **names; /* keys of the maps: a block for each catalog */
};

static bool put_name(struct str prefix, struct str key, char *out, size_t *n_out)
{
	size_t n = 0;

	if (prefix.len + 1 + key.len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < prefix.len; i++) {
		char c = prefix.p[i];

		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	out[n++] = '\0';
	memcpy(out + n, key.p, key.len);
	*n_out = n + key.len;
	return true;
}

static struct language *language_of(struct catalog_set *set, const char *tag)
{
	struct language *language;

	for (size_t i = 0; i < set->n_languages; i++)
		if (strcmp(set->languages[i].tag, tag) == 0)
			return &set->languages[i];
	if (set->n_languages == CATALOG_MAX_LANGUAGES)
		return NULL;
	language = &set->languages[set->n_languages];
	snprintf(language->tag, sizeof(language->tag), "%s", tag);
	language->messages = map_new(512);
	set->tags[set->n_languages++] = language->tag;
	return language;
}

/* --- folders -------------------------------------------------------------------------------------
 */

static void add_catalog(struct catalog_set *set, struct catalog *catalog)
{
	set->catalogs = xrealloc(set->catalogs, (set->n_catalogs + 1) * sizeof(struct catalog *));
	set->catalogs[set->n_catalogs++] = catalog;
}

static void read_catalog(struct catalog_set *set, const char *path, const char *tag)
{
	struct catalog *catalog = NULL;
	struct err err;
	char *bytes;
	size_t n;
	int r = file_read(path, CATALOG_MAX_BYTES, &bytes, &n, &err);

	if (r >= 0) {
		r = catalog_parse((struct str){ bytes, n }, path, tag, &catalog, &err);
		free(bytes);
	}
	if (r < 0)
		log_warn("translations", "cannot use a translation", LOG_T("err", err.text));
	else
		add_catalog(set, catalog);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_json(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && str_ends_with(str_of(entry->d_name), STR(".json"));
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_language(struct catalog_set *set, const char *folder, const char *name)
{
	char *dir = xasprintf("%s/%s", folder, name);
	char tag[LANGUAGE_MAX_BYTES];
	struct dirent **files = NULL;
	int n = scandir(dir, &files, is_json, by_name);

	if (n > 0 && !language_tidy(str_of(name), tag)) {
		log_warn("translations",
			 "a folder of translations is not named by a language tag: left out",
			 LOG_T("folder", dir));
	} else if (n > 0 && !language_of(set, tag)) {
		log_warn("translations", "too many languages: one is left out",
			 LOG_T("folder", dir));
	} else {
		for (int i = 0; i < n && set->n_catalogs < CATALOG_MAX_FILES; i++) {
			char *path = xasprintf("%s/%s", dir, files[i]->d_name);

			read_catalog(set, path, tag);
			free(path);
		}
	}
	for (int i = 0; i < n; i++)
		free(files[i]);
	free(files);
	free(dir);
}

static void read_folder(struct catalog_set *set, const char *folder)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_visible, by_name);

	if (n < 0 && errno != ENOENT)
		log_warn("translations", "cannot read a folder", LOG_T("folder", folder),
			 LOG_T("err", strerror(errno)));
	for (int i = 0; i < n; i++) {
		read_language(set, folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

/* --- the index -----------------------------------------------------------------------------------
 */

/* Returns the block that holds the names, new. */
static char *index_catalog(struct catalog_set *set, const struct catalog *catalog)
{
	struct language *language = language_of(set, catalog->language);
	size_t n, n_bytes = 0;
	char *names, *name;

	for (size_t i = 0; i < catalog->n_messages; i++)
		n_bytes += catalog->prefix.len + 1 + catalog->messages[i].key.len;
	names = name = xmalloc(n_bytes + 1);
	for (size_t i = 0; i < catalog->n_messages; i++) {
		struct translated *message = &catalog->messages[i];

		if (!put_name(catalog->prefix, message->key, name, &n))
			continue;
		map_put(language->messages, (struct str){ name, n }, message);
		name += n;
	}
	return names;
}

struct catalog_set *catalog_set_load(const char *const *folders, size_t n,
				     const char *default_language)
{
	struct catalog_set *set = xcalloc(1, sizeof(*set));
	char tag[LANGUAGE_MAX_BYTES];

	atomic_init(&set->refs, 1);
	language_of(set, language_tidy(str_of(default_language), tag) ? tag : "en");
	language_of(set, "en");
	for (size_t i = 0; i < n; i++)
		read_folder(set, folders[i]);
	set->names = xcalloc(set->n_catalogs + 1, sizeof(*set->names));
	for (size_t i = 0; i < set->n_catalogs; i++)
		set->names[i] = index_catalog(set, set->catalogs[i]);
	return set;
}

struct catalog_set *catalog_set_ref(struct catalog_set *set)
{
	atomic_fetch_add(&set->refs, 1);
	return set;
}

void catalog_set_unref(struct catalog_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	for (size_t i = 0; i < set->n_languages; i++)
		map_free(set->languages[i].messages);
	for (size_t i = 0; i < set->n_catalogs; i++) {
		free(set->names[i]);
		catalog_free(set->catalogs[i]);
	}
	free(set->names);
	free(set->catalogs);
	free(set);
}

void *catalog_set_slot_ref(void *set)
{
	return catalog_set_ref(set);
}

void catalog_set_slot_unref(void *set)
{
	catalog_set_unref(set);
}

size_t catalog_set_n_languages(const struct catalog_set *set)
{
	return set->n_languages;
}

const char *catalog_set_language(const struct catalog_set *set, size_t i)
{
	return set->tags[i];
}

size_t catalog_set_choose(const struct catalog_set *set, struct str accept_language)
{
	struct language_range ranges[LANGUAGE_MAX_RANGES];
	size_t n = language_ranges(accept_language, ranges);
	int found = language_choose(ranges, n, set->tags, set->n_languages);

	return found < 0 ? 0 : (size_t)found;
}

const struct translated *catalog_set_find(const struct catalog_set *set, size_t language,
					  struct str prefix, struct str key)
{
	char name[NAME_MAX_BYTES];
	size_t n;

	if (language >= set->n_languages || !put_name(prefix, key, name, &n))
		return NULL;
	return map_get(set->languages[language].messages, (struct str){ name, n });
}

size_t catalog_set_count(const struct catalog_set *set)
{
	return set->n_catalogs;
}

const struct catalog *catalog_set_at(const struct catalog_set *set, size_t i)
{
	return set->catalogs[i];
}
