/* Quirks: each way in which real senders depart from the standard, by name, once.
 *
 * A quirk is tolerated, recorded with the event (its name in the Entry's `quirks`) and counted.
 * Stored as names, so the order here is free.
 */
#ifndef EVENT_QUIRKS_H
#define EVENT_QUIRKS_H

#include <stdint.h>

#include "base/str.h"

enum quirk {
#define QUIRK(id, name, words) QUIRK_##id,
#include "event/quirks_table.h"
#undef QUIRK
	QUIRK_COUNT
};

#define QUIRK_BIT(id) (1ull << QUIRK_##id)

const char *quirk_name(enum quirk quirk);  /* "origin_string" */
const char *quirk_words(enum quirk quirk); /* one line for people */
uint64_t quirk_parse(struct str name);	   /* its bit, 0 when unknown */

#endif
