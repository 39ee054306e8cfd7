/* Filter grammar: the one grammar of $filter, for whatever has names and values.
 *
 * `or < and < not < comparison`, eq ne gt ge lt le in, contains() startswith() endswith(), strings
 * in single quotes (OData). A dialect reads names and values; the tree is that of event/filter.h.
 * Events have one (filter_parse()), members of collections have another. Pure; thread: any.
 */
#ifndef EVENT_FILTER_GRAMMAR_H
#define EVENT_FILTER_GRAMMAR_H

#include <stddef.h>

#include "event/filter.h"

struct filter_parser;

enum filter_token_kind {
	FILTER_TOKEN_END,
	FILTER_TOKEN_WORD,
	FILTER_TOKEN_STRING,
	FILTER_TOKEN_OPEN,
	FILTER_TOKEN_CLOSE,
	FILTER_TOKEN_COMMA
};

struct filter_token {
	enum filter_token_kind kind;
	struct str text; /* as written; a string with its quotes */
	size_t at;       /* byte of the filter's text */
};

struct filter_dialect {
	const char *operand; /* what may begin a comparison: "a name, 'not', a function or '('" */
	/* The token is a name: note it in the node, and advance. */
	int (*take_name)(struct filter_parser *p, struct filter_node *node);
	/* The token is a value other than null: fill *out, do not advance. */
	int (*read_value)(struct filter_parser *p, const struct filter_node *node,
			  struct filter_value *out);
	/* What was expected instead of this operator (or of this name, in a function); NULL: it
	 * fits. May be NULL itself. */
	const char *(*refuses)(const struct filter_node *node);
	void (*finish)(struct filter_node *node); /* of a comparison with its values; may be NULL */
};

/* As filter_parse(). */
int filter_parse_as(const struct filter_dialect *dialect, struct str text, struct filter **out,
		    struct err *err);

/* For dialects: the token under way, its text without quotes in the filter's memory, the next one.
 */
const struct filter_token *filter_token(const struct filter_parser *p);
int filter_take_text(struct filter_parser *p, struct str *out);
int filter_advance(struct filter_parser *p);
/* -EINVAL with "column N: expected WHAT, found …". */
int filter_expected(struct filter_parser *p, const char *what);
int filter_fail(struct filter_parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* "column N: " and the words */

#endif
