/* The parser of the filter language: recursive descent, one token of look-ahead. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/event.h"
#include "event/filter_priv.h"
#include "event/limits.h"

#define MEMORY_BYTES                                                                               \
	(256u << 10) /* of the tree: what the caps of nodes and text come to, with room */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA };

struct token {
	enum token_kind kind;
	struct str text; /* as written; a string with its quotes */
	size_t at;
};

struct parser {
	struct str text;
	size_t at; /* behind `token` */
	struct token token;
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

static int parse_or(struct parser *p, struct filter_node **out);

/* --- tokens ----------------------------------------------------------------------------------- */

/* Columns count characters, from 1. */
static size_t column_of(const struct parser *p, size_t at)
{
	size_t column = 1;

	for (size_t i = 0; i < at; i++)
		column += ((unsigned char)p->text.p[i] & 0xc0) != 0x80;
	return column;
}

static int expected(struct parser *p, const char *what)
{
	if (p->token.kind == TOKEN_END)
		return err_set(p->err, -EINVAL, "column %zu: expected %s, found the end",
			       column_of(p, p->token.at), what);
	return err_set(p->err, -EINVAL, "column %zu: expected %s, found '%.*s'",
		       column_of(p, p->token.at), what, STR_ARG(p->token.text));
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

static int take_string(struct parser *p)
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
	p->token = (struct token){ TOKEN_STRING, { p->text.p + p->at, at + 1 - p->at }, p->at };
	p->at = at + 1;
	return 0;
}

static int advance(struct parser *p)
{
	size_t end;
	char c;

	while (p->at < p->text.len && is_blank(p->text.p[p->at]))
		p->at++;
	p->token = (struct token){ TOKEN_END, { p->text.p + p->at, 0 }, p->at };
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
		p->token.kind = c == '(' ? TOKEN_OPEN : c == ')' ? TOKEN_CLOSE : TOKEN_COMMA;
	} else {
		p->token.kind = TOKEN_WORD;
		end = p->at + word_bytes((struct str){ p->text.p + p->at, p->text.len - p->at });
	}
	p->token.text.len = end - p->at;
	p->at = end;
	return 0;
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_WORD && str_eq(p->token.text, str_of(word));
}

static int take_kind(struct parser *p, enum token_kind kind, const char *what)
{
	if (p->token.kind != kind)
		return expected(p, what);
	return advance(p);
}

/* --- names ------------------------------------------------------------------------------------ */

static int unknown_name(struct parser *p)
{
	struct str word = p->token.text;
	size_t column = column_of(p, p->token.at);
	const char *near_name = filter_name_near(word);
	struct strbuf list;
	int r;

	if (near_name)
		return err_set(p->err, -EINVAL,
			       "column %zu: there is no name '%.*s': did you mean %s?", column,
			       STR_ARG(word), near_name);
	strbuf_init(&list, 1024);
	for (size_t i = 0; i < filter_name_count(); i++)
		strbuf_putf(&list, " %s", filter_name_info((enum filter_name)i)->name);
	r = err_set(p->err, -EINVAL, "column %zu: there is no name '%.*s'; names are%s", column,
		    STR_ARG(word), list.p);
	strbuf_fini(&list);
	return r;
}

static int take_name(struct parser *p, enum filter_name *out)
{
	if (p->token.kind != TOKEN_WORD)
		return expected(p, "a name");
	for (size_t i = 0; i < filter_name_count(); i++) {
		if (!is_word(p, filter_name_info((enum filter_name)i)->name) &&
		    !(p->token.kind == TOKEN_WORD &&
		      filter_name_is_alias(p->token.text, (enum filter_name)i)))
			continue;
		*out = (enum filter_name)i;
		return advance(p);
	}
	return unknown_name(p);
}

/* --- values ----------------------------------------------------------------------------------- */

static int no_memory(struct parser *p)
{
	return err_set(p->err, -EINVAL, "column %zu: the filter is too large",
		       column_of(p, p->token.at));
}

/* The string without its quotes, '' read as one. */
static int unquote(struct parser *p, struct str *out)
{
	struct str quoted = p->token.text;
	char *text = arena_alloc(p->memory, quoted.len);
	size_t len = 0;

	if (!text)
		return no_memory(p);
	for (size_t i = 1; i + 1 < quoted.len; i++) {
		text[len++] = quoted.p[i];
		if (quoted.p[i] == '\'')
			i++;
	}
	*out = (struct str){ text, len };
	return 0;
}

static int read_severity(struct parser *p, struct filter_value *value)
{
	for (int i = SEVERITY_OK; i <= SEVERITY_CRITICAL; i++) {
		const char *name = severity_name((enum severity)i);

		if (!str_eq_nocase(value->text, str_of(name)))
			continue;
		value->text = str_of(name);
		value->number = i;
		return 0;
	}
	return expected(p, "'OK', 'Warning' or 'Critical'");
}

static int read_category(struct parser *p, struct filter_value *value)
{
	enum category category;

	if (!category_parse(value->text, &category))
		return expected(p, "'alert', 'lifecycle', 'control', 'telemetry' or 'other'");
	value->number = category;
	return 0;
}

static int read_value(struct parser *p, enum filter_type type, struct filter_value *value)
{
	switch (type) {
	case FILTER_TYPE_SEVERITY: return read_severity(p, value);
	case FILTER_TYPE_CATEGORY: return read_category(p, value);
	case FILTER_TYPE_INT:
		value->kind = FILTER_IS_INT;
		return str_to_i64(value->text, &value->number) ? 0 : expected(p, "a whole number");
	case FILTER_TYPE_TIME:
		value->kind = FILTER_IS_TIME;
		return clock_parse(value->text, &value->number, NULL)
			       ? 0
			       : expected(p, "a time such as 2026-11-20T09:12:44Z");
	case FILTER_TYPE_TEXT: break;
	}
	return 0;
}

static int take_value(struct parser *p, enum filter_name name, struct filter_value *out)
{
	enum filter_type type = filter_name_info(name)->type;
	struct filter_value value = { .kind = FILTER_IS_TEXT };
	int r;

	if (is_word(p, "null")) {
		*out = (struct filter_value){ .kind = FILTER_IS_NULL };
		return advance(p);
	}
	if (p->token.kind == TOKEN_WORD && (type == FILTER_TYPE_INT || type == FILTER_TYPE_TIME)) {
		value.text = arena_copy(p->memory, p->token.text);
		r = value.text.p ? 0 : no_memory(p);
	} else if (p->token.kind == TOKEN_STRING) {
		r = unquote(p, &value.text);
	} else {
		return expected(p, type == FILTER_TYPE_INT ? "a whole number"
				   : type == FILTER_TYPE_TIME
					   ? "a time such as 2026-11-20T09:12:44Z"
					   : "a string in single quotes");
	}
	if (r == 0)
		r = read_value(p, type, &value);
	if (r < 0)
		return r;
	*out = value;
	return advance(p);
}

/* An origin is compared without the slashes at its end. */
static void trim_origin(struct filter_node *node)
{
	if (node->name != FILTER_ORIGIN)
		return;
	for (size_t i = 0; i < node->n_values; i++) {
		struct str *text = &node->values[i].text;

		while (text->len > 1 && text->p[text->len - 1] == '/')
			text->len--;
	}
}

static int keep_values(struct parser *p, struct filter_node *node,
		       const struct filter_value *values, size_t n)
{
	node->values = arena_alloc(p->memory, n * sizeof(values[0]));
	if (!node->values)
		return no_memory(p);
	memcpy(node->values, values, n * sizeof(values[0]));
	node->n_values = n;
	return 0;
}

/* --- comparisons ------------------------------------------------------------------------------ */

static int add_node(struct parser *p, enum filter_op op, struct filter_node **out)
{
	struct filter_node *node;

	if (++p->n_nodes > FILTER_MAX_NODES)
		return err_set(p->err, -EINVAL,
			       "column %zu: more than %d comparisons and connectives",
			       column_of(p, p->token.at), FILTER_MAX_NODES);
	node = arena_alloc(p->memory, sizeof(*node));
	if (!node)
		return no_memory(p);
	node->op = op;
	*out = node;
	return 0;
}

static int parse_list(struct parser *p, struct filter_node *node)
{
	struct filter_value values[FILTER_MAX_NODES];
	size_t n = 0;
	int r = take_kind(p, TOKEN_OPEN, "'('");

	while (r == 0) {
		if (n == FILTER_MAX_NODES)
			return no_memory(p);
		r = take_value(p, node->name, &values[n]);
		if (r < 0)
			return r;
		n++;
		if (p->token.kind == TOKEN_CLOSE) {
			r = advance(p);
			return r < 0 ? r : keep_values(p, node, values, n);
		}
		r = take_kind(p, TOKEN_COMMA, "',' or ')'");
	}
	return r;
}

static bool operator_fits(enum filter_op op, enum filter_name name)
{
	return op == FILTER_EQ || op == FILTER_NE || op == FILTER_IN ||
	       filter_name_info(name)->type != FILTER_TYPE_CATEGORY;
}

static int take_operator(struct parser *p, enum filter_name name, enum filter_op *out)
{
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (p->token.kind != TOKEN_WORD ||
		    !str_eq_nocase(p->token.text, str_of(operators[i].word)))
			continue;
		if (!is_word(p, operators[i].word))
			return err_set(p->err, -EINVAL,
				       "column %zu: operators are lower case: %s, not '%.*s'",
				       column_of(p, p->token.at), operators[i].word,
				       STR_ARG(p->token.text));
		if (!operator_fits(operators[i].op, name))
			return expected(p, "one of eq ne in (categories have no order)");
		*out = operators[i].op;
		return advance(p);
	}
	return expected(p, "one of eq ne gt ge lt le in");
}

static int parse_comparison(struct parser *p, struct filter_node **out)
{
	struct filter_node *node = NULL;
	struct filter_value value;
	enum filter_name name;
	enum filter_op op = FILTER_EQ;
	struct token at;
	int r = take_name(p, &name);

	if (r == 0)
		r = take_operator(p, name, &op);
	if (r == 0)
		r = add_node(p, op, &node);
	if (r < 0)
		return r;
	node->name = name;
	if (op == FILTER_IN) {
		r = parse_list(p, node);
	} else {
		at = p->token;
		r = take_value(p, name, &value);
		if (r == 0 && value.kind == FILTER_IS_NULL && op != FILTER_EQ && op != FILTER_NE) {
			p->token = at;
			return expected(p, "a value (null has no order)");
		}
		if (r == 0)
			r = keep_values(p, node, &value, 1);
	}
	if (r < 0)
		return r;
	trim_origin(node);
	*out = node;
	return 0;
}

static int parse_function(struct parser *p, enum filter_op op, struct filter_node **out)
{
	struct filter_node *node;
	struct filter_value value;
	struct token at;
	int r = add_node(p, op, &node);

	if (r == 0)
		r = advance(p);
	if (r == 0)
		r = take_kind(p, TOKEN_OPEN, "'('");
	at = p->token;
	if (r == 0)
		r = take_name(p, &node->name);
	if (r < 0)
		return r;
	if (filter_name_info(node->name)->type != FILTER_TYPE_TEXT) {
		p->token = at;
		return expected(p, "a name whose value is a text");
	}
	r = take_kind(p, TOKEN_COMMA, "','");
	if (r == 0 && p->token.kind != TOKEN_STRING)
		r = expected(p, "a string in single quotes");
	if (r == 0)
		r = take_value(p, node->name, &value);
	if (r == 0)
		r = keep_values(p, node, &value, 1);
	if (r == 0)
		r = take_kind(p, TOKEN_CLOSE, "')'");
	if (r == 0)
		*out = node;
	return r;
}

/* --- connectives ------------------------------------------------------------------------------ */

static int enter(struct parser *p)
{
	if (++p->depth > FILTER_MAX_DEPTH)
		return err_set(p->err, -EINVAL, "column %zu: nested more than %d deep",
			       column_of(p, p->token.at), FILTER_MAX_DEPTH);
	return advance(p);
}

static int parse_primary(struct parser *p, struct filter_node **out)
{
	int r;

	if (p->token.kind == TOKEN_OPEN) {
		r = enter(p);
		if (r == 0)
			r = parse_or(p, out);
		if (r == 0)
			r = take_kind(p, TOKEN_CLOSE, "'and', 'or' or ')'");
		p->depth--;
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (is_word(p, functions[i].word))
			return parse_function(p, functions[i].op, out);
	}
	if (p->token.kind != TOKEN_WORD)
		return expected(p, "a name, 'not', a function or '('");
	return parse_comparison(p, out);
}

static int parse_not(struct parser *p, struct filter_node **out)
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

typedef int parse_fn(struct parser *p, struct filter_node **out);

/* `part` joined by `word`, from the left. */
static int parse_chain(struct parser *p, parse_fn *part, const char *word, enum filter_op op,
		       struct filter_node **out)
{
	struct filter_node *left, *node;
	int r = part(p, &left);

	while (r == 0 && is_word(p, word)) {
		r = add_node(p, op, &node);
		if (r == 0)
			r = advance(p);
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

static int parse_and(struct parser *p, struct filter_node **out)
{
	return parse_chain(p, parse_not, "and", FILTER_AND, out);
}

static int parse_or(struct parser *p, struct filter_node **out)
{
	return parse_chain(p, parse_and, "or", FILTER_OR, out);
}

static int parse_whole(struct parser *p, struct filter_node **out)
{
	int r = advance(p);

	if (r < 0 || p->token.kind == TOKEN_END)
		return r; /* the empty filter has no root */
	r = parse_or(p, out);
	if (r == 0 && p->token.kind != TOKEN_END)
		r = expected(p, "'and', 'or' or the end");
	return r;
}

int filter_parse(struct str text, struct filter **out, struct err *err)
{
	struct filter *filter = NULL;
	struct parser p = { .text = text, .err = err };
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
