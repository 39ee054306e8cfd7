/* YAML: one document as a tree, for base/config.c.
 *
 * The plain part of YAML 1.1: maps, lists and scalars. Anchors, aliases, tags and further documents
 * are refused with words, since each can make a short file mean something long or surprising.
 * The tree lives in the arena. Thread: any.
 */
#ifndef BASE_YAML_PRIV_H
#define BASE_YAML_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct arena;
struct err;

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	size_t line;	 /* from 1 */
	struct str text; /* SCALAR: NUL-terminated, without NUL inside, UTF-8 */
	bool plain;	 /* SCALAR: written without quotes */
	struct yaml_node *first; /* LIST: elements; MAP: keys, always scalars */
	size_t n;		 /* how many of them */
	struct yaml_node *next;	 /* sibling */
	struct yaml_node *value; /* of a key */
};

/* *out is NULL for an empty document. `place` names the document in errors.
 * Returns 0, -EINVAL, or -E2BIG when the arena is full. */
int yaml_read(struct arena *arena, struct str yaml, const char *place, struct yaml_node **out,
	      struct err *err);
/* Whether it says "no value": a plain empty text, ~ or null. */
bool yaml_is_null(const struct yaml_node *node);

#endif
