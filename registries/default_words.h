/* Default words: the stored text of an event in the site's language
 * (translations.default_language).
 *
 * The sender's own text stays as it is; what a registry or we say is put into the first language of
 * the catalogs. Thread: any, several at once.
 */
#ifndef REGISTRIES_DEFAULT_WORDS_H
#define REGISTRIES_DEFAULT_WORDS_H

#include "base/uuid.h"

struct arena;
struct catalog_set;
struct default_words;
struct event;
struct registry_set;

struct default_words *default_words_new(void);        /* new, never NULL */
void default_words_free(struct default_words *words); /* NULL is allowed */
/* Replace message, resolution and language of `event`, resolved before, by those of the default
 * language; strings in `arena`. Nothing changes when that is English, when it has no words for it,
 * or when they cannot be held. `catalogs` NULL: none loaded yet. */
void default_words_put(struct default_words *words, const struct registry_set *set,
		       const struct catalog_set *catalogs, struct uuid source, struct event *event,
		       struct arena *arena);

#endif
