/* Catalogs: our messages and resolutions in other languages.
 *
 * translations/<language>/<Prefix>.json, in MessageRegistry form: the keys with Message and
 * Resolution. A catalog is laid over the registries of its prefix whatever their version; whether a
 * text fits a message (same placeholders) is judged where both are known, in registries/. Whatever
 * is wrong with one message leaves out that message alone, with a finding. A set is an immutable
 * snapshot shared by reference. Texts are NFC. Thread: any.
 */
#ifndef TRANSLATIONS_CATALOG_H
#define TRANSLATIONS_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct catalog;
struct catalog_set;
struct err;

struct translated {
	struct str key;
	struct str message, resolution; /* p NULL: not given */
};

struct catalog_finding {
	const char *code; /* "language_tag", "text_missing" …; literal */
	struct str key;   /* p NULL: the file */
	struct str words;
	struct catalog_finding *next;
};

/* Parse one file. `folder_language` is the tag of the folder it lies in, and counts when the file
 * says another; NULL: what the file says. Errors as of registry_parse(): -EFBIG, -EBADMSG, -EINVAL,
 * with words that begin with `place`. *out is new. */
int catalog_parse(struct str json, const char *place, const char *folder_language,
		  struct catalog **out, struct err *err);
void catalog_free(struct catalog *catalog); /* NULL is allowed */
const char *catalog_place(const struct catalog *catalog);
const char *catalog_language(const struct catalog *catalog); /* tidy tag */
struct str catalog_prefix(const struct catalog *catalog);
struct str catalog_version(const struct catalog *catalog); /* as written; may be empty */
size_t catalog_count(const struct catalog *catalog);
const struct translated *catalog_at(const struct catalog *catalog,
				    size_t i); /* in the file's order */
const struct catalog_finding *catalog_findings(const struct catalog *catalog);

/* Read <folder>/<language>/<Prefix>.json of each folder; missing folders are fine. A later folder's
 * message takes the place of an earlier one's. `default_language` is the first of the set's
 * languages, with or without a catalog (it may be what the registries are written in). */
struct catalog_set *catalog_set_load(const char *const *folders, size_t n,
				     const char *default_language);
struct catalog_set *catalog_set_ref(struct catalog_set *set);
void catalog_set_unref(struct catalog_set *set); /* NULL is allowed */
void *catalog_set_slot_ref(void *set);
void catalog_set_slot_unref(void *set);
/* Languages that can be served: the default one, English, those with catalogs. */
size_t catalog_set_n_languages(const struct catalog_set *set);
const char *catalog_set_language(const struct catalog_set *set, size_t i);
/* The language that serves these words of an Accept-Language best, by its index; the default one
 * (0) when none does. */
size_t catalog_set_choose(const struct catalog_set *set, struct str accept_language);
/* By language index, prefix (in any case) and exact key; NULL when it has none. */
const struct translated *catalog_set_find(const struct catalog_set *set, size_t language,
					  struct str prefix, struct str key);
size_t catalog_set_count(const struct catalog_set *set);
const struct catalog *catalog_set_at(const struct catalog_set *set, size_t i);

#endif
