/* Words: an entry's wording in a reader's language, made late.
 *
 * Thread: each thread has its own.
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
/* Changes whenever other registries or translations are used from now on. */
uint64_t words_version(struct words *words);
/* Wording of `entry`, valid until the next call. */
struct wording words_of(struct words *words, const struct entry *entry, const char *language);

#endif
