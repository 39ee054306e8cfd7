/* Tree: the values of a JSON text (RFC 8259), read in one pass.
 *
 * Strict, but for what firmware really sends: control characters in strings, U+0000, halves of
 * surrogate pairs, keys told twice. Each is mended as described here and told as a quirk. Numbers
 * are kept as they are written. Nodes live in an arena and borrow from the text. Pure; no
 * recursion.
 */
#ifndef EVENT_TREE_H
#define EVENT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct arena;

enum tree_kind {
	TREE_NULL,
	TREE_FALSE,
	TREE_TRUE,
	TREE_INTEGER, /* without point and exponent */
	TREE_REAL,
	TREE_STRING,
	TREE_ARRAY,
	TREE_OBJECT,
};

struct tree {
	uint8_t kind;     /* enum tree_kind */
	bool fits;        /* TREE_INTEGER: `number` holds it */
	uint32_t n;       /* items of an array, members of an object */
	struct str place; /* its text, from the first byte to the last */
	union {
		struct str text; /* of a string, unescaped; may hold U+0000 */
		int64_t number;
		struct tree *first; /* item or member; NULL when there is none */
	};
	struct tree *next; /* item or member behind this one */
	struct str key;    /* of a member, unescaped, without U+0000; p NULL for others */
};

enum tree_refusal {
	TREE_FINE,
	TREE_NOT_JSON,
	TREE_TOO_DEEP,
	TREE_TOO_MANY,  /* values */
	TREE_TOO_LARGE, /* for the arena */
};

struct tree_fault {
	enum tree_refusal refusal;
	size_t at;          /* byte of the text */
	const char *wanted; /* TREE_NOT_JSON: what is due there; literal */
};

/* What the text departed from the standard in; all that is met is added to `quirks`
 * (CONTROL_CHARACTER, NUL_CHARACTER, TRAILING_NUL, DUPLICATE_KEY: the last one counts, in the
 * place of the first). NULL with *fault filled when it is no JSON, or passes DECODE_MAX_DEPTH or
 * DECODE_MAX_VALUES. `text` is UTF-8. */
struct tree *tree_read(struct arena *arena, struct str text, uint64_t *quirks,
		       struct tree_fault *fault);

/* Whether two trees say the same: members in any order, numbers that fit by value, others as they
 * are written. */
bool tree_same(const struct tree *a, const struct tree *b);
uint64_t tree_hash(const struct tree *tree); /* equal for trees that are the same */
/* The member with exactly this key; NULL when there is none, or `object` is no object. */
const struct tree *tree_member(const struct tree *object, struct str key);

/* NULL is of no kind. */
static inline bool tree_is(const struct tree *tree, enum tree_kind kind)
{
	return tree && tree->kind == kind;
}

static inline bool tree_is_boolean(const struct tree *tree)
{
	return tree_is(tree, TREE_TRUE) || tree_is(tree, TREE_FALSE);
}

/* Items or members; 0 for what has none. */
static inline size_t tree_count(const struct tree *tree)
{
	return tree_is(tree, TREE_ARRAY) || tree_is(tree, TREE_OBJECT) ? tree->n : 0;
}

/* The first item or member; NULL for what has none. */
static inline const struct tree *tree_first(const struct tree *tree)
{
	return tree_count(tree) > 0 ? tree->first : NULL;
}

#endif
