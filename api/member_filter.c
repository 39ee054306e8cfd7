#include "api/member_filter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/limits.h"

#define MEMORY_BYTES (256u << 10) /* what the caps of nodes and text come to, with room */

enum op { AND, OR, NOT, EQ, NE, GT, GE, LT, LE, IN, CONTAINS, STARTSWITH, ENDSWITH };

enum kind { IS_NULL, IS_TEXT, IS_NUMBER, IS_BOOL };

struct value {
	enum kind kind;
	struct str text;
	double number; /* of a boolean: 0 or 1 */
};

struct node {
	enum op op;
	struct node *a, *b; /* connectives */
	struct str path;    /* comparisons */
	struct value *values;
	size_t n_values;
};

struct member_filter {
	struct node *root; /* NULL: the empty filter, which passes everything */
	struct arena *memory;
};

struct parser {
	struct str text;
	size_t at;	  /* behind `token` */
	struct str token; /* a string begins with its quote; empty: the end */
	struct arena *memory;
	size_t n_nodes;
	unsigned depth;
	struct err *err;
};

static int parse_or(struct parser *p, struct node **out);

/* --- tokens --------------------------------------------------------------------------------------
 */

static int expected(struct parser *p, const char *what)
{
	size_t column = 1;

	for (const char *c = p->text.p; c < p->token.p; c++)
		column += ((unsigned char)*c & 0xc0) != 0x80;
	if (p->token.len == 0)
		return err_set(p->err, -EINVAL, "column %zu: expected %s, found the end", column,
			       what);
	return err_set(p->err, -EINVAL, "column %zu: expected %s, found '%.*s'", column, what,
		       STR_ARG(str_cut(p->token, 64)));
}

/* Up to the closing quote; two quotes are one of the text. 0: there is none. */
static size_t string_bytes(struct str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] != '\'')
			continue;
		if (i + 1 == s.len || s.p[i + 1] != '\'')
			return i + 1;
		i++;
	}
	return 0;
}

static int advance(struct parser *p)
{
	struct str rest;
	size_t n = 1;

	while (p->at < p->text.len && p->text.p[p->at] == ' ')
		p->at++;
	rest = (struct str){ p->text.p + p->at, p->text.len - p->at };
	p->token = (struct str){ rest.p, 0 };
	if (rest.len == 0)
		return 0;
	if (rest.p[0] == '\'') {
		n = string_bytes(rest);
		if (n == 0)
			return expected(p, "a closing quote");
	} else if (!memchr("(),", rest.p[0], 3)) {
		while (n < rest.len && !memchr(" (),'", rest.p[n], 5))
			n++;
	}
	p->token.len = n;
	p->at += n;
	return 0;
}

static bool is_token(const struct parser *p, const char *word)
{
	return str_eq(p->token, str_of(word));
}

static int take(struct parser *p, const char *word, const char *what)
{
	return is_token(p, word) ? advance(p) : expected(p, what);
}

static bool is_path(struct str token)
{
	if (token.len == 0 || !memchr("@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
				      token.p[0], 53))
		return false;
	for (size_t i = 0; i < token.len; i++) {
		unsigned char c = (unsigned char)token.p[i];

		if (c <= ' ' || c == '\'' || c == 0x7f)
			return false;
	}
	return token.p[token.len - 1] != '/';
}

/* --- values --------------------------------------------------------------------------------------
 */

static int too_large(struct parser *p)
{
	return expected(p, "a smaller filter");
}

/* The string without its quotes, '' read as one. */
static int unquote(struct parser *p, struct str *out)
{
	char *text = arena_alloc(p->memory, p->token.len);
	size_t len = 0;

	if (!text)
		return too_large(p);
	for (size_t i = 1; i + 1 < p->token.len; i++) {
		text[len++] = p->token.p[i];
		if (p->token.p[i] == '\'')
			i++;
	}
	*out = (struct str){ text, len };
	return 0;
}

static bool read_number(struct str token, double *out)
{
	char text[64], *end;

	if (token.len == 0 || token.len >= sizeof(text) ||
	    !memchr("-0123456789", token.p[0], 11))
		return false;
	memcpy(text, token.p, token.len);
	text[token.len] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out);
}

static int take_value(struct parser *p, struct value *out)
{
	struct value value = { .kind = IS_NULL };
	int64_t time_us;
	int r = 0;

	if (p->token.len > 0 && p->token.p[0] == '\'') {
		value.kind = IS_TEXT;
		r = unquote(p, &value.text);
	} else if (is_token(p, "true") || is_token(p, "false")) {
		value.kind = IS_BOOL;
		value.number = is_token(p, "true");
	} else if (read_number(p->token, &value.number)) {
		value.kind = IS_NUMBER;
	} else if (clock_parse(p->token, &time_us, NULL)) {
		value.kind = IS_TEXT;
		value.text = arena_copy(p->memory, p->token);
		r = value.text.p ? 0 : too_large(p);
	} else if (!is_token(p, "null")) {
		return expected(p, "a string in single quotes, a number, true, false or null");
	}
	if (r < 0)
		return r;
	*out = value;
	return advance(p);
}

static int keep_values(struct parser *p, struct node *node, const struct value *values, size_t n)
{
	node->values = arena_alloc(p->memory, n * sizeof(values[0]));
	if (!node->values)
		return too_large(p);
	memcpy(node->values, values, n * sizeof(values[0]));
	node->n_values = n;
	return 0;
}

static int take_list(struct parser *p, struct node *node)
{
	struct value values[FILTER_MAX_NODES];
	size_t n = 0;
	int r = take(p, "(", "'('");

	while (r == 0) {
		if (n == FILTER_MAX_NODES)
			return too_large(p);
		r = take_value(p, &values[n]);
		if (r < 0)
			return r;
		n++;
		if (is_token(p, ")")) {
			r = advance(p);
			return r < 0 ? r : keep_values(p, node, values, n);
		}
		r = take(p, ",", "',' or ')'");
	}
	return r;
}

/* --- comparisons and connectives -----------------------------------------------------------------
 */

static int add_node(struct parser *p, enum op op, struct node **out)
{
	struct node *node = NULL;

	if (++p->n_nodes <= FILTER_MAX_NODES)
		node = arena_alloc(p->memory, sizeof(*node));
	if (!node)
		return too_large(p);
	node->op = op;
	*out = node;
	return 0;
}

static int take_path(struct parser *p, struct node *node)
{
	if (!is_path(p->token))
		return expected(p, "the name of a property, 'not', a function or '('");
	node->path = arena_copy(p->memory, p->token);
	return node->path.p ? advance(p) : too_large(p);
}

static int take_operator(struct parser *p, struct node *node)
{
	static const struct {
		const char *word;
		enum op op;
	} operators[] = { { "eq", EQ }, { "ne", NE }, { "gt", GT }, { "ge", GE },
			  { "lt", LT }, { "le", LE }, { "in", IN } };

	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (!is_token(p, operators[i].word))
			continue;
		node->op = operators[i].op;
		return advance(p);
	}
	return expected(p, "one of eq ne gt ge lt le in");
}

static int parse_comparison(struct parser *p, struct node **out)
{
	struct node *node = NULL;
	struct value value;
	int r = add_node(p, EQ, &node);

	if (r == 0)
		r = take_path(p, node);
	if (r == 0)
		r = take_operator(p, node);
	if (r == 0 && node->op == IN) {
		r = take_list(p, node);
	} else if (r == 0) {
		r = take_value(p, &value);
		if (r == 0)
			r = keep_values(p, node, &value, 1);
	}
	if (r == 0)
		*out = node;
	return r;
}

static int parse_function(struct parser *p, enum op op, struct node **out)
{
	struct node *node = NULL;
	struct value value;
	int r = add_node(p, op, &node);

	if (r == 0)
		r = advance(p);
	if (r == 0)
		r = take(p, "(", "'('");
	if (r == 0)
		r = take_path(p, node);
	if (r == 0)
		r = take(p, ",", "','");
	if (r == 0 && (p->token.len == 0 || p->token.p[0] != '\''))
		r = expected(p, "a string in single quotes");
	if (r == 0)
		r = take_value(p, &value);
	if (r == 0)
		r = keep_values(p, node, &value, 1);
	if (r == 0)
		r = take(p, ")", "')'");
	if (r == 0)
		*out = node;
	return r;
}

static int enter(struct parser *p)
{
	return ++p->depth > FILTER_MAX_DEPTH ? expected(p, "less nesting") : advance(p);
}

static int parse_primary(struct parser *p, struct node **out)
{
	static const struct {
		const char *word;
		enum op op;
	} functions[] = { { "contains", CONTAINS },
			  { "startswith", STARTSWITH },
			  { "endswith", ENDSWITH } };
	int r;

	if (is_token(p, "(")) {
		r = enter(p);
		if (r == 0)
			r = parse_or(p, out);
		if (r == 0)
			r = take(p, ")", "'and', 'or' or ')'");
		p->depth--;
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (is_token(p, functions[i].word))
			return parse_function(p, functions[i].op, out);
	}
	return parse_comparison(p, out);
}

static int parse_not(struct parser *p, struct node **out)
{
	struct node *node = NULL;
	int r;

	if (!is_token(p, "not"))
		return parse_primary(p, out);
	r = add_node(p, NOT, &node);
	if (r == 0)
		r = enter(p);
	if (r == 0)
		r = parse_not(p, &node->a);
	p->depth--;
	if (r == 0)
		*out = node;
	return r;
}

typedef int parse_fn(struct parser *p, struct node **out);

/* `part` joined by `word`, from the left. */
static int parse_chain(struct parser *p, parse_fn *part, const char *word, enum op op,
		       struct node **out)
{
	struct node *left = NULL, *node = NULL;
	int r = part(p, &left);

	while (r == 0 && is_token(p, word)) {
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

static int parse_and(struct parser *p, struct node **out)
{
	return parse_chain(p, parse_not, "and", AND, out);
}

static int parse_or(struct parser *p, struct node **out)
{
	return parse_chain(p, parse_and, "or", OR, out);
}

int member_filter_parse(struct str text, struct member_filter **out, struct err *err)
{
	struct member_filter *filter;
	struct parser p = { .text = text.p ? text : STR(""), .err = err };
	int r;

	if (text.len > FILTER_MAX_BYTES)
		return err_set(err, -EINVAL, "a filter is at most %d bytes long", FILTER_MAX_BYTES);
	filter = xcalloc(1, sizeof(*filter));
	filter->memory = p.memory = arena_new(MEMORY_BYTES);
	r = advance(&p);
	if (r == 0 && p.token.len > 0)
		r = parse_or(&p, &filter->root);
	if (r == 0 && p.token.len > 0)
		r = expected(&p, "'and', 'or' or the end");
	if (r < 0)
		member_filter_free(filter);
	else
		*out = filter;
	return r;
}

void member_filter_free(struct member_filter *filter)
{
	if (!filter)
		return;
	arena_free(filter->memory);
	free(filter);
}

/* --- matching ------------------------------------------------------------------------------------
 */

/* What `path` leads to; NULL: nothing. */
static const json_t *find(const json_t *from, struct str path)
{
	while (from && path.len > 0) {
		size_t end = str_find_char(path, '/');

		from = json_object_getn(from, path.p, end);
		end += end < path.len;
		path = (struct str){ path.p + end, path.len - end };
	}
	return from;
}

static struct value value_of(const json_t *json)
{
	struct value value = { .kind = IS_NULL };

	if (json_is_string(json)) {
		value.kind = IS_TEXT;
		value.text = (struct str){ json_string_value(json), json_string_length(json) };
	} else if (json_is_number(json)) {
		value.kind = IS_NUMBER;
		value.number = json_number_value(json);
	} else if (json_is_boolean(json)) {
		value.kind = IS_BOOL;
		value.number = json_is_true(json);
	}
	return value;
}

/* Of two texts or two numbers; kinds that differ have an order, too, for sorting. */
static int compare(const struct value *a, const struct value *b)
{
	int64_t a_us, b_us;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind != IS_TEXT)
		return a->number < b->number ? -1 : a->number > b->number;
	if (clock_parse(a->text, &a_us, NULL) && clock_parse(b->text, &b_us, NULL))
		return a_us < b_us ? -1 : a_us > b_us;
	return str_cmp(a->text, b->text);
}

static bool equals_any(const struct node *node, const struct value *value)
{
	for (size_t i = 0; i < node->n_values; i++) {
		if (compare(value, &node->values[i]) == 0)
			return true;
	}
	return false;
}

static bool has_order(enum op op, int order)
{
	switch (op) {
	case GT: return order > 0;
	case GE: return order >= 0;
	case LT: return order < 0;
	case LE: return order <= 0;
	default: return false;
	}
}

static bool compares(const struct node *node, const json_t *member)
{
	struct value value = value_of(find(member, node->path));
	struct str text = node->values[0].text;

	if (node->op == NE)
		return !equals_any(node, &value);
	if (node->op == EQ || node->op == IN)
		return equals_any(node, &value);
	if (value.kind == IS_NULL || value.kind != node->values[0].kind)
		return false;
	switch (node->op) {
	case CONTAINS: return text.len == 0 || str_find(value.text, text) < value.text.len;
	case STARTSWITH: return str_starts_with(value.text, text);
	case ENDSWITH: return str_ends_with(value.text, text);
	default: return has_order(node->op, compare(&value, &node->values[0]));
	}
}

static bool passes(const struct node *node, const json_t *member)
{
	switch (node->op) {
	case AND: return passes(node->a, member) && passes(node->b, member);
	case OR: return passes(node->a, member) || passes(node->b, member);
	case NOT: return !passes(node->a, member);
	default: return compares(node, member);
	}
}

bool member_filter_passes(const struct member_filter *filter, const json_t *member)
{
	return !filter->root || passes(filter->root, member);
}

/* --- order ---------------------------------------------------------------------------------------
 */

static struct str cut_at(struct str *rest, char c)
{
	size_t end = str_find_char(*rest, c);
	struct str first = { rest->p, end };

	end += end < rest->len;
	*rest = (struct str){ rest->p + end, rest->len - end };
	return str_trim(first);
}

int member_order_parse(struct str text, struct member_order *out, struct err *err)
{
	*out = (struct member_order){ .n = 0 };
	do {
		struct str one = cut_at(&text, ',');
		struct str path = cut_at(&one, ' ');
		struct str way = str_trim(one);

		if (out->n == MEMBER_ORDER_MAX)
			return err_set(err, -EINVAL, "$orderby takes at most %d properties",
				       MEMBER_ORDER_MAX);
		if (!is_path(path))
			return err_set(err, -EINVAL,
				       "$orderby takes names of properties with commas between");
		if (way.len > 0 && !str_eq(way, STR("asc")) && !str_eq(way, STR("desc")))
			return err_set(err, -EINVAL, "behind a name of $orderby stands asc or desc");
		out->descends[out->n] = str_eq(way, STR("desc"));
		out->paths[out->n++] = path;
	} while (text.len > 0);
	return 0;
}

int member_order_compare(const struct member_order *order, const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < order->n; i++) {
		struct value left = value_of(find(a, order->paths[i]));
		struct value right = value_of(find(b, order->paths[i]));
		int r = compare(&left, &right);

		if (r != 0)
			return order->descends[i] ? -r : r;
	}
	return 0;
}
