/* Recursive descent, one token of look-ahead. */
#include "event/filter_grammar.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/limits.h"

#define MEMORY_BYTES                                                                               \
	(256u << 10) /* of the tree: what the caps of nodes and text come to, with room */

struct filter_parser {
	const struct filter_dialect *dialect;
	struct str text;
	size_t at; /* behind `token` */
	struct filter_token token;
	struct arena *memory;
	size_t n_nodes;
	unsigned depth;
	struct err *err;
};

static const struct {
	const char *word;
	enum filter_op op;
} operators[] = {
	{ "eq", FILTER_EQ }, { "ne", FILTER_NE }, { "gt", FILTER_GT }, { "ge", FILTER_GE },
	{ "lt", FILTER_LT }, { "le", FILTER_LE }, { "in", FILTER_IN },
};

static const struct {
	const char *word;
	enum filter_op op;
} functions[] = {
	{ "contains", FILTER_CONTAINS },
	{ "startswith", FILTER_STARTSWITH },
	{ "endswith", FILTER_ENDSWITH },
};

static int parse_or(struct filter_parser *p, struct filter_node **out);

/* --- tokens ----------------------------------------------------------------------------------- */

/* Columns count characters, from 1. */
static size_t column_of(const struct filter_parser *p, size_t at)
{
	size_t column = 1;

	for (size_t i = 0; i < at; i++)
		column += ((unsigned char)p->text.p[i] & 0xc0) != 0x80;
	return column;
}

int filter_expected(struct filter_parser *p, const char *what)
{
	if (p->token.kind == FILTER_TOKEN_END)
		return err_set(p->err, -EINVAL, "column %zu: expected %s, found the end",
			       column_of(p, p->token.at), what);
	return err_set(p->err, -EINVAL, "column %zu: expected %s, found '%.*s'",
		       column_of(p, p->token.at), what, STR_ARG(p->token.text));
}

int filter_fail(struct filter_parser *p, const char *format, ...)
{
	char words[ERR_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	return err_set(p->err, -EINVAL, "column %zu: %s", column_of(p, p->token.at), words);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* At least one: what no other token starts with is a word. */
static size_t word_bytes(struct str s)
{
	size_t n = 1;

	while (n < s.len && !is_blank(s.p[n]) && !memchr("(),'\"", s.p[n], 5))
		n++;
	return n;
}

static int take_string(struct filter_parser *p)
{
	size_t at = p->at + 1;

	for (;; at++) {
		if (at >= p->text.len)
			return err_set(
				p->err, -EINVAL,
				"column %zu: the string that starts here has no closing quote",
				column_of(p, p->at));
		if (p->text.p[at] != '\'')
			continue;
		if (at + 1 < p->text.len && p->text.p[at + 1] == '\'')
			at++;
		else
			break;
	}
	p->token = (struct filter_token){ FILTER_TOKEN_STRING,
					  { p->text.p + p->at, at + 1 - p->at },
					  p->at };
	p->at = at + 1;
	return 0;
}

int filter_advance(struct filter_parser *p)
{
	size_t end;
	char c;

	while (p->at < p->text.len && is_blank(p->text.p[p->at]))
		p->at++;
	p->token = (struct filter_token){ FILTER_TOKEN_END, { p->text.p + p->at, 0 }, p->at };
	if (p->at == p->text.len)
		return 0;
	c = p->text.p[p->at];
	if (c == '\'')
		return take_string(p);
	if (c == '"')
		return err_set(p->err, -EINVAL, "column %zu: strings stand in single quotes",
			       column_of(p, p->at));
	end = p->at + 1;
	if (c == '(' || c == ')' || c == ',') {
		p->token.kind = c == '('   ? FILTER_TOKEN_OPEN
				: c == ')' ? FILTER_TOKEN_CLOSE
					   : FILTER_TOKEN_COMMA;
	} else {
		p->token.kind = FILTER_TOKEN_WORD;
		end = p->at + word_bytes((struct str){ p->text.p + p->at, p->text.len - p->at });
	}
	p->token.text.len = end - p->at;
	p->at = end;
	return 0;
}

static bool is_word(const struct filter_parser *p, const char *word)
{
	return p->token.kind == FILTER_TOKEN_WORD && str_eq(p->token.text, str_of(word));
}

static int take_kind(struct filter_parser *p, enum filter_token_kind kind, const char *what)
{
	if (p->token.kind != kind)
		return filter_expected(p, what);
	return filter_advance(p);
}

/* --- values ----------------------------------------------------------------------------------- */

static int too_large(struct filter_parser *p)
{
	return filter_fail(p, "the filter is too large");
}

/* The string without its quotes, '' read as one. */
static int unquote(struct filter_parser *p, struct str *out)
{
	struct str quoted = p->token.text;
	char *text = arena_alloc(p->memory, quoted.len);
	size_t len = 0;

	if (!text)
		return too_large(p);
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		text[len++] = quoted.p[i];
		if (quoted.p[i] == '\'')
			i++;
	}
	*out = (struct str){ text, len };
	return 0;
}

int filter_take_text(struct filter_parser *p, struct str *out)
{
	if (p->token.kind == FILTER_TOKEN_STRING)
		return unquote(p, out);
	*out = arena_copy(p->memory, p->token.text);
	return out->p ? 0 : too_large(p);
}

const struct filter_token *filter_token(const struct filter_parser *p)
{
	return &p->token;
}

static int take_value(struct filter_parser *p, const struct filter_node *node,
		      struct filter_value *out)
{
	struct filter_value value = { .kind = FILTER_IS_NULL };
	int r = is_word(p, "null") ? 0 : p->dialect->read_value(p, node, &value);

	if (r < 0)
		return r;
	*out = value;
	return filter_advance(p);
}

static int keep_values(struct filter_parser *p, struct filter_node *node,
		       const struct filter_value *values, size_t n)
{
	node->values = arena_alloc(p->memory, n * sizeof(values[0]));
	if (!node->values)
		return too_large(p);
	memcpy(node->values, values, n * sizeof(values[0]));
	node->n_values = n;
	return 0;
}

/* --- comparisons ------------------------------------------------------------------------------ */

static int add_node(struct filter_parser *p, enum filter_op op, struct filter_node **out)
{
	struct filter_node *node;

	if (++p->n_nodes > FILTER_MAX_NODES)
		return filter_fail(p, "more than %d comparisons and connectives", FILTER_MAX_NODES);
	node = arena_alloc(p->memory, sizeof(*node));
	if (!node)
		return too_large(p);
	node->op = op;
	*out = node;
	return 0;
}

static int parse_list(struct filter_parser *p, struct filter_node *node)
{
	struct filter_value values[FILTER_MAX_NODES];
	size_t n = 0;
	int r = take_kind(p, FILTER_TOKEN_OPEN, "'('");

	while (r == 0) {
		if (n == FILTER_MAX_NODES)
			return too_large(p);
		r = take_value(p, node, &values[n]);
		if (r < 0)
			return r;
		n++;
		if (p->token.kind == FILTER_TOKEN_CLOSE) {
			r = filter_advance(p);
			return r < 0 ? r : keep_values(p, node, values, n);
		}
		r = take_kind(p, FILTER_TOKEN_COMMA, "',' or ')'");
	}
	return r;
}

static int take_operator(struct filter_parser *p, struct filter_node *node)
{
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		const char *why;

		if (p->token.kind != FILTER_TOKEN_WORD ||
		    !str_eq_nocase(p->token.text, str_of(operators[i].word)))
			continue;
		if (!is_word(p, operators[i].word))
			return filter_fail(p, "operators are lower case: %s, not '%.*s'",
					   operators[i].word, STR_ARG(p->token.text));
		node->op = operators[i].op;
		why = p->dialect->refuses ? p->dialect->refuses(node) : NULL;
		return why ? filter_expected(p, why) : filter_advance(p);
	}
	return filter_expected(p, "one of eq ne gt ge lt le in");
}

static int parse_operand(struct filter_parser *p, struct filter_node *node)
{
	struct filter_token at = p->token;
	struct filter_value value;
	int r = take_value(p, node, &value);

	if (r == 0 && value.kind == FILTER_IS_NULL && node->op != FILTER_EQ &&
	    node->op != FILTER_NE) {
		p->token = at;
		return filter_expected(p, "a value (null has no order)");
	}
	return r < 0 ? r : keep_values(p, node, &value, 1);
}

static int parse_comparison(struct filter_parser *p, struct filter_node **out)
{
	struct filter_node *node = NULL;
	int r = add_node(p, FILTER_EQ, &node);

	if (r == 0)
		r = p->dialect->take_name(p, node);
	if (r == 0)
		r = take_operator(p, node);
	if (r == 0)
		r = node->op == FILTER_IN ? parse_list(p, node) : parse_operand(p, node);
	if (r < 0)
		return r;
	if (p->dialect->finish)
		p->dialect->finish(node);
	*out = node;
	return 0;
}

static int parse_function(struct filter_parser *p, enum filter_op op, struct filter_node **out)
{
	struct filter_node *node;
	struct filter_token at;
	const char *why = NULL;
	int r = add_node(p, op, &node);

	if (r == 0)
		r = filter_advance(p);
	if (r == 0)
		r = take_kind(p, FILTER_TOKEN_OPEN, "'('");
	at = p->token;
	if (r == 0)
		r = p->dialect->take_name(p, node);
	if (r < 0)
		return r;
	if (p->dialect->refuses)
		why = p->dialect->refuses(node);
	if (why) {
		p->token = at;
		return filter_expected(p, why);
	}
	r = take_kind(p, FILTER_TOKEN_COMMA, "','");
	if (r == 0 && p->token.kind != FILTER_TOKEN_STRING)
		r = filter_expected(p, "a string in single quotes");
	if (r == 0)
		r = parse_operand(p, node);
	if (r == 0)
		r = take_kind(p, FILTER_TOKEN_CLOSE, "')'");
	if (r == 0)
		*out = node;
	return r;
}

/* --- connectives ------------------------------------------------------------------------------ */

static int enter(struct filter_parser *p)
{
	if (++p->depth > FILTER_MAX_DEPTH)
		return filter_fail(p, "nested more than %d deep", FILTER_MAX_DEPTH);
	return filter_advance(p);
}

static int parse_primary(struct filter_parser *p, struct filter_node **out)
{
	int r;

	if (p->token.kind == FILTER_TOKEN_OPEN) {
		r = enter(p);
		if (r == 0)
			r = parse_or(p, out);
		if (r == 0)
			r = take_kind(p, FILTER_TOKEN_CLOSE, "'and', 'or' or ')'");
		p->depth--;
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (is_word(p, functions[i].word))
			return parse_function(p, functions[i].op, out);
	}
	if (p->token.kind != FILTER_TOKEN_WORD)
		return filter_expected(p, p->dialect->operand);
	return parse_comparison(p, out);
}

static int parse_not(struct filter_parser *p, struct filter_node **out)
{
	struct filter_node *node;
	int r;

	if (!is_word(p, "not"))
		return parse_primary(p, out);
	r = add_node(p, FILTER_NOT, &node);
	if (r == 0)
		r = enter(p);
	if (r == 0)
		r = parse_not(p, &node->a);
	p->depth--;
	if (r == 0)
		*out = node;
	return r;
}

typedef int parse_fn(struct filter_parser *p, struct filter_node **out);

/* `part` joined by `word`, from the left. */
static int parse_chain(struct filter_parser *p, parse_fn *part, const char *word, enum filter_op op,
		       struct filter_node **out)
{
	struct filter_node *left, *node;
	int r = part(p, &left);

	while (r == 0 && is_word(p, word)) {
		r = add_node(p, op, &node);
		if (r == 0)
			r = filter_advance(p);
		if (r < 0)
			return r;
		node->a = left;
		r = part(p, &node->b);
		left = node;
	}
	if (r == 0)
		*out = left;
	return r;
}

static int parse_and(struct filter_parser *p, struct filter_node **out)
{
	return parse_chain(p, parse_not, "and", FILTER_AND, out);
}

static int parse_or(struct filter_parser *p, struct filter_node **out)
{
	return parse_chain(p, parse_and, "or", FILTER_OR, out);
}

static int parse_whole(struct filter_parser *p, struct filter_node **out)
{
	int r = filter_advance(p);

	if (r < 0 || p->token.kind == FILTER_TOKEN_END)
		return r; /* the empty filter has no root */
	r = parse_or(p, out);
	if (r == 0 && p->token.kind != FILTER_TOKEN_END)
		r = filter_expected(p, "'and', 'or' or the end");
	return r;
}

int filter_parse_as(const struct filter_dialect *dialect, struct str text, struct filter **out,
		    struct err *err)
{
	struct filter *filter = NULL;
	struct filter_parser p = { .dialect = dialect, .text = text, .err = err };
	int r;

	if (text.len > FILTER_MAX_BYTES)
		return err_set(err, -EINVAL, "column %d: a filter is at most %d bytes long",
			       FILTER_MAX_BYTES + 1, FILTER_MAX_BYTES);
	if (!str_is_utf8(text))
		return err_set(err, -EINVAL, "column 1: the filter is not UTF-8");
	if (!text.p)
		p.text = STR("");
	filter = xcalloc(1, sizeof(*filter));
	filter->memory = p.memory = arena_new(MEMORY_BYTES);
	filter->text = arena_copy(p.memory, str_trim(p.text));
	r = parse_whole(&p, &filter->root);
	if (r < 0)
		goto out;
	*out = filter;
	filter = NULL;
out:
	filter_free(filter);
	return r;
}
