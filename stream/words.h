/* Words: an entry's wording in a reader's language, made late.
 *
 * Rendered once per (event, language) for a thread's readers; the sender's own text is used for
 * the language it is in. Thread: each thread has its own.
 */
#ifndef STREAM_WORDS_H
#define STREAM_WORDS_H

#include "base/str.h"
#include "event/entry.h"

struct slot;
struct words;

/* Slots of registries and of catalogs (translations); NULL: none. `default_language` is served when
 * a reader asks for nothing that there is. */
struct words *words_new(struct slot *registries, struct slot *catalogs,
			const char *default_language);
void words_free(struct words *words);
/* The tag served for what a reader asks for ("de-AT, en;q=0.5" as in Accept-Language, or one
 * tag): lives as long as `words`. */
const char *words_language(struct words *words, struct str wanted);
/* Wording of `entry`, valid until the next call. */
struct wording words_of(struct words *words, const struct entry *entry, const char *language);

#endif
