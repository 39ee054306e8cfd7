/* Languages: tags (BCP 47), what a reader asks for, and the choice between those there are.
 *
 * The choice is RFC 4647 3.4 (look-up) with the sense of likely subtags: "de-AT" gets "de", but
 * "zh-TW", which is written in Hant, never silently gets "zh-Hans". Pure; ICU inside. Thread: any.
 */
#ifndef TRANSLATIONS_LANGUAGE_H
#define TRANSLATIONS_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "translations/limits.h"

struct language_range {
	char tag[LANGUAGE_MAX_BYTES]; /* "*" for any */
	unsigned weight;              /* thousandths: 0 (not wanted) to 1000 */
};

/* The tag in its regular form ("zh-Hans-CN"), also for what vendors write: "jp", "cn", "zh_CN",
 * "DE". False, and `out` empty, when it is no language tag at all. */
bool language_tidy(struct str tag, char out[LANGUAGE_MAX_BYTES]);
/* Read an Accept-Language value, or a plain tag; best first, items that are no range left out. */
size_t language_ranges(struct str header, struct language_range out[LANGUAGE_MAX_RANGES]);
/* Which of `available` (tidy tags, the default one first) serves these ranges best; -1 when none
 * does. */
int language_choose(const struct language_range *ranges, size_t n_ranges,
		    const char *const *available, size_t n_available);
bool language_is_rtl(const char *tag); /* written from right to left */
bool language_is_english(const char *tag);

#endif
