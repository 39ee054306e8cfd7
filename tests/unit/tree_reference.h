/* The JSON reader held against jansson: both take a text or refuse it, and read the same in it.
 *
 * Left aside is what the reader takes on purpose and jansson does not: control characters in
 * strings, halves of surrogate pairs, U+0000 in keys, numbers beyond a machine's, and keys told
 * twice, of which both keep the last.
 */
#ifndef TESTS_UNIT_TREE_REFERENCE_H
#define TESTS_UNIT_TREE_REFERENCE_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "event/quirks.h"
#include "event/tree.h"

static inline void tree_disagree(struct str text, const char *what)
{
	fprintf(stderr, "the readers disagree (%s): '%.*s'\n", what, STR_ARG(text));
	abort();
}

/* "" or what differs. */
static inline const char *tree_differs(const struct tree *tree, json_t *json)
{
	const struct tree *child = tree_first(tree);
	const char *key, *differs = "";
	json_t *value;
	size_t i;

	switch ((enum tree_kind)tree->kind) {
	case TREE_NULL: return json_is_null(json) ? "" : "null";
	case TREE_TRUE: return json_is_true(json) ? "" : "true";
	case TREE_FALSE: return json_is_false(json) ? "" : "false";
	case TREE_INTEGER:
		return json_is_integer(json) && tree->fits &&
				       tree->number == json_integer_value(json)
			       ? ""
			       : "integer";
	case TREE_REAL: return json_is_real(json) ? "" : "real";
	case TREE_STRING:
		return json_is_string(json) &&
				       str_eq(tree->text, (struct str){ json_string_value(json),
									json_string_length(json) })
			       ? ""
			       : "string";
	case TREE_ARRAY:
		if (!json_is_array(json) || json_array_size(json) != tree_count(tree))
			return "array";
		json_array_foreach(json, i, value)
		{
			if (!differs[0])
				differs = tree_differs(child, value);
			child = child->next;
		}
		return differs;
	default:
		if (!json_is_object(json) || json_object_size(json) != tree_count(tree))
			return "object";
		json_object_foreach(json, key, value)
		{
			const struct tree *member = tree_member(tree, str_of(key));

			if (!differs[0])
				differs = member ? tree_differs(member, value) : "key";
		}
		return differs;
	}
}

/* Whether the text holds what only our reader takes. */
static inline bool tree_takes_more(const json_error_t *error, uint64_t quirks)
{
	return quirks != 0 || strstr(error->text, "too big") || strstr(error->text, "overflow") ||
	       strstr(error->text, "surrogate") || strstr(error->text, "Unicode") ||
	       json_error_code(error) == json_error_numeric_overflow;
}

/* `text` is UTF-8. */
static inline void tree_check_reference(struct str text)
{
	struct arena *arena = arena_new(1u << 30);
	struct tree_fault fault;
	json_error_t error = { .text = "" };
	uint64_t quirks = 0;
	struct tree *tree = tree_read(arena, text, &quirks, &fault);
	json_t *json = json_loadb(text.len > 0 ? text.p : "", text.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	const char *differs;

	if (text.len > 0 && memchr(text.p, '\0', text.len)) {
		/* jansson loses zero bytes that stand behind a number */
	} else if (tree && json) {
		differs = tree_differs(tree, json);
		if (differs[0])
			tree_disagree(text, differs);
	} else if (tree && !json && !tree_takes_more(&error, quirks)) {
		tree_disagree(text, error.text);
	} else if (json && !tree && fault.refusal == TREE_NOT_JSON) {
		tree_disagree(text, fault.wanted);
	}
	json_decref(json);
	arena_free(arena);
}

#endif
