/* Decode, inside: the stages between the bytes of a delivery and its events.
 *
 *   decode_text.c       bytes -> UTF-8 text
 *   decode_json.c       text -> tree (jansson), and places in the text
 *   decode_property.c   properties by name and form
 *   decode_record.c     one record of the tree -> one event
 *   decode_duplicates.c events told twice in one delivery
 *   decode.c            which part of the tree is a record; the whole
 *
 * Private to event/. Pure. Thread: any, one per delivery.
 */
#ifndef EVENT_DECODE_PRIV_H
#define EVENT_DECODE_PRIV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "event/quirks.h"

struct arena;
struct delivery;
struct event;

/* --- text ------------------------------------------------------------------------------------- */

/* The text of a body: without byte order mark and trailing NULs, UTF-16 converted, bytes that are
 * not UTF-8 read as Windows-1252. Borrows from `raw` when nothing had to change. p NULL when the
 * arena is full. */
struct str decode_text(struct arena *arena, struct str raw, uint64_t *quirks);
/* A text fit for a column, in the arena: U+0000 shown as U+FFFD, cut on a character at
 * DECODE_MAX_TEXT_BYTES. Not NULL for an empty text; p NULL when the arena is full. */
struct str decode_column(struct arena *arena, struct str text, uint64_t *quirks);

/* --- JSON ------------------------------------------------------------------------------------- */

struct json_fault {
	const char *reason; /* literal: not_json, too_deep, too_large */
	struct str detail;
};

/* Read `text`; the tree is new (json_decref). NULL with *fault filled. *lossy_out: the tree does
 * not hold everything that the text does (numbers beyond a machine's, the earlier of two equal
 * keys). */
json_t *decode_json(struct arena *arena, struct str text, uint64_t *quirks, bool *lossy_out,
		    struct json_fault *fault);

/* Places in a text that decode_json() took: views into it that start with a value and may go on
 * behind it. The next item of an array: *rest starts as the array, then as left by the last call;
 * *item_out ends where the item does. */
bool json_place_next_item(struct str *rest, struct str *item_out);
/* The value of `key`, spelled so in the text; p NULL when not there. The last one of several,
 * unless the keys are known to be `unique`. */
struct str json_place_of_member(struct str object, const char *key, bool unique);
/* The value at the front of `place` as compact JSON, numbers as the sender wrote them. p NULL when
 * the arena is full. */
struct str json_place_compact(struct arena *arena, struct str place);

/* --- records ---------------------------------------------------------------------------------- */

/* A property that we know. */
struct property {
	const char *name;
	size_t len;
	/* Of its JSON value: t text, b boolean, i integer, o object, a array, l link; upper case:
	 * may be null; 0: whatever it is. */
	char form;
};

#define PROPERTY(name, form)                                                                       \
	{                                                                                          \
		(name), sizeof(name) - 1, (form)                                                   \
	}

struct found {
	json_t *value;   /* borrowed; NULL when absent */
	const char *key; /* as the sender spelled it */
	bool exact;
};

/* Find the `n` properties of `table` in `object`. *unknown_out counts what is not among them, names
 * with '@' aside. */
void decode_properties(const json_t *object, const struct property *table, size_t n,
		       struct found *found, size_t *unknown_out, uint64_t *quirks);

bool decode_has_form(const json_t *value, char form);

/* What decoding one delivery has in hand. */
struct decoding {
	struct delivery *delivery;
	struct arena *arena;
	bool full; /* the arena was: give up */
	bool lossy;
	uint32_t n_records; /* met so far, whatever became of them: the next one's index */
	uint32_t n_room;    /* of the three arrays, side by side */
	struct event *events;
	json_t **trees; /* borrowed from the whole tree */
	struct str *places;
	uint32_t n_quarantined_room;
};

/* Whether the object has what makes a record when it stands alone. */
bool decode_looks_like_record(const json_t *object);
/* Fill `event` (zeroed, index set) from a record. `bare`: it stands without an envelope, whose
 * names it may hold as well. *context_out: its Context, p NULL when it has none. */
void decode_record(struct decoding *d, const json_t *object, struct str place, bool bare,
		   struct event *event, struct str *context_out);
/* Text of a property's value, whatever it is; p NULL when absent or null. */
struct str decode_value_text(struct decoding *d, const struct found *found, struct str place,
			     uint64_t *quirks);

/* Drop the later ones of identical records with a sane time; n_events shrinks. */
void decode_drop_duplicates(struct decoding *d);

#endif
