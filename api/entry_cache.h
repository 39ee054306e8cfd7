/* Entry cache: the JSON of an entry in a language, made once for all audiences of that language.
 *
 * Entries of the newest frames only: a place is taken over by whoever comes next. Everything is
 * forgotten when words or sources change. Thread: its hub's.
 */
#ifndef API_ENTRY_CACHE_H
#define API_ENTRY_CACHE_H

#include <stdint.h>

#include "base/str.h"

struct entry;
struct entry_cache;

struct entry_cache *entry_cache_new(void);        /* new, never NULL */
void entry_cache_free(struct entry_cache *cache); /* NULL is allowed */
/* Forget everything unless `version` is what it was the last time. */
void entry_cache_expect(struct entry_cache *cache, uint64_t version);
/* The JSON of `entry` in `language` (a tag that is the same pointer each time); p NULL when it is
 * not there. Good until the next call. */
struct str entry_cache_find(const struct entry_cache *cache, const struct entry *entry,
			    const char *language);
/* Keep a copy; a long one is not kept. */
void entry_cache_keep(struct entry_cache *cache, const struct entry *entry, const char *language,
		      struct str json);

#endif
