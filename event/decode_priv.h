/* Decode, inside: the stages between the bytes of a delivery and its events.
 *
 *   decode_text.c       bytes -> UTF-8 text
 *   tree.h              text -> tree
 *   decode_property.c   properties by name and form
 *   decode_record.c     one record of the tree -> one event
 *   decode_duplicates.c events told twice in one delivery
 *   decode.c            which part of the tree is a record; the whole
 *
 * Private to event/. Pure. Thread: any, one per delivery.
 */
#ifndef EVENT_DECODE_PRIV_H
#define EVENT_DECODE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "event/quirks.h"

struct arena;
struct delivery;
struct event;
struct tree;

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

struct decoding;

/* Read `text` into d->scratch. NULL with *fault filled. */
struct tree *decode_json(struct decoding *d, struct str text, struct json_fault *fault);
/* The value as compact JSON, numbers as the sender wrote them. p NULL when the arena is full. */
struct str decode_compact(struct arena *arena, const struct tree *tree);

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
	const struct tree *value; /* borrowed; NULL when absent */
	bool exact;
};

/* Find the `n` properties of `table` in `object`. *unknown_out counts what is not among them, names
 * with '@' aside. */
void decode_properties(const struct tree *object, const struct property *table, size_t n,
		       struct found *found, size_t *unknown_out, uint64_t *quirks);

bool decode_has_form(const struct tree *value, char form);

/* What decoding one delivery has in hand. */
struct decoding {
	struct delivery *delivery;
	struct arena *arena;
	struct arena *scratch; /* of the tree */
	bool full;             /* the arena was: give up */
	bool key_twice;        /* somewhere: the tree does not hold all that the text does */
	uint32_t n_records;    /* met so far, whatever became of them: the next one's index */
	uint32_t n_room;       /* of the two arrays, side by side */
	struct event *events;
	const struct tree **trees; /* borrowed from the whole tree */
	uint32_t n_quarantined_room;
};

/* Whether the object has what makes a record when it stands alone. */
bool decode_looks_like_record(const struct tree *object);
/* Fill `event` (zeroed, index set) from a record. `bare`: it stands without an envelope, whose
 * names it may hold as well. Of a backfilled delivery it is a LogEntry. *context_out: its Context,
 * p NULL when it has none. */
void decode_record(struct decoding *d, const struct tree *object, bool bare, struct event *event,
		   struct str *context_out);
/* Text of a property's value, whatever it is; p NULL when absent or null. */
struct str decode_value_text(struct decoding *d, const struct tree *value, uint64_t *quirks);

/* Drop the later ones of identical records with a sane time; n_events shrinks. */
void decode_drop_duplicates(struct decoding *d);

#endif
