#include "api/member_filter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "event/filter_grammar.h"

/* --- names and values ----------------------------------------------------------------------------
 */

static bool is_path(struct str token)
{
	if (token.len == 0 ||
	    !memchr("@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", token.p[0], 53))
		return false;
	for (size_t i = 0; i < token.len; i++) {
		unsigned char c = (unsigned char)token.p[i];

		if (c <= ' ' || c == '\'' || c == 0x7f)
			return false;
	}
	return token.p[token.len - 1] != '/';
}

static int take_path(struct filter_parser *p, struct filter_node *node)
{
	if (filter_token(p)->kind != FILTER_TOKEN_WORD || !is_path(filter_token(p)->text))
		return filter_expected(p, "the name of a property, 'not', a function or '('");
	return filter_take_text(p, &node->path) < 0 ? -EINVAL : filter_advance(p);
}

static bool read_number(struct str token, double *out)
{
	char text[64], *end;

	if (token.len == 0 || token.len >= sizeof(text) || !memchr("-0123456789", token.p[0], 11))
		return false;
	memcpy(text, token.p, token.len);
	text[token.len] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out);
}

/* Texts stand in quotes, times may. */
static int read_value(struct filter_parser *p, const struct filter_node *node,
		      struct filter_value *out)
{
	const struct filter_token *token = filter_token(p);
	int64_t time_us;

	(void)node;
	if (token->kind == FILTER_TOKEN_WORD) {
		if (str_eq(token->text, STR("true")) || str_eq(token->text, STR("false"))) {
			out->kind = FILTER_IS_BOOL;
			out->number = token->text.len == strlen("true");
			return 0;
		}
		if (read_number(token->text, &out->real)) {
			out->kind = FILTER_IS_REAL;
			return 0;
		}
	}
	if (token->kind != FILTER_TOKEN_STRING &&
	    !(token->kind == FILTER_TOKEN_WORD && clock_parse(token->text, &time_us, NULL)))
		return filter_expected(p,
				       "a string in single quotes, a number, true, false or null");
	out->kind = FILTER_IS_TEXT;
	return filter_take_text(p, &out->text);
}

int member_filter_parse(struct str text, struct filter **out, struct err *err)
{
	static const struct filter_dialect dialect = {
		.operand = "the name of a property, 'not', a function or '('",
		.take_name = take_path,
		.read_value = read_value,
	};

	return filter_parse_as(&dialect, text, out, err);
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

static struct filter_value value_of(const json_t *json)
{
	struct filter_value value = { .kind = FILTER_IS_NULL };

	if (json_is_string(json)) {
		value.kind = FILTER_IS_TEXT;
		value.text = (struct str){ json_string_value(json), json_string_length(json) };
	} else if (json_is_number(json)) {
		value.kind = FILTER_IS_REAL;
		value.real = json_number_value(json);
	} else if (json_is_boolean(json)) {
		value.kind = FILTER_IS_BOOL;
		value.number = json_is_true(json);
	}
	return value;
}

/* What is absent comes first. */
static int rank(enum filter_kind kind)
{
	return kind == FILTER_IS_NULL ? -1 : (int)kind;
}

/* Of two texts or two numbers; kinds that differ have an order, too, for sorting. */
static int compare(const struct filter_value *a, const struct filter_value *b)
{
	int64_t a_us, b_us;

	if (a->kind != b->kind)
		return rank(a->kind) < rank(b->kind) ? -1 : 1;
	if (a->kind == FILTER_IS_REAL)
		return a->real < b->real ? -1 : a->real > b->real;
	if (a->kind != FILTER_IS_TEXT)
		return a->number < b->number ? -1 : a->number > b->number;
	if (clock_parse(a->text, &a_us, NULL) && clock_parse(b->text, &b_us, NULL))
		return a_us < b_us ? -1 : a_us > b_us;
	return str_cmp(a->text, b->text);
}

static bool equals_any(const struct filter_node *node, const struct filter_value *value)
{
	for (size_t i = 0; i < node->n_values; i++) {
		if (compare(value, &node->values[i]) == 0)
			return true;
	}
	return false;
}

static bool has_order(enum filter_op op, int order)
{
	switch (op) {
	case FILTER_GT: return order > 0;
	case FILTER_GE: return order >= 0;
	case FILTER_LT: return order < 0;
	case FILTER_LE: return order <= 0;
	default: return false;
	}
}

static bool compares(const struct filter_node *node, const json_t *member)
{
	struct filter_value value = value_of(find(member, node->path));
	struct str text = node->values[0].text;

	if (node->op == FILTER_NE)
		return !equals_any(node, &value);
	if (node->op == FILTER_EQ || node->op == FILTER_IN)
		return equals_any(node, &value);
	if (value.kind == FILTER_IS_NULL || value.kind != node->values[0].kind)
		return false;
	switch (node->op) {
	case FILTER_CONTAINS: return text.len == 0 || str_find(value.text, text) < value.text.len;
	case FILTER_STARTSWITH: return str_starts_with(value.text, text);
	case FILTER_ENDSWITH: return str_ends_with(value.text, text);
	default: return has_order(node->op, compare(&value, &node->values[0]));
	}
}

static bool passes(const struct filter_node *node, const json_t *member)
{
	switch (node->op) {
	case FILTER_AND: return passes(node->a, member) && passes(node->b, member);
	case FILTER_OR: return passes(node->a, member) || passes(node->b, member);
	case FILTER_NOT: return !passes(node->a, member);
	default: return compares(node, member);
	}
}

bool member_filter_passes(const struct filter *filter, const json_t *member)
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
			return err_set(err, -EINVAL,
				       "behind a name of $orderby stands asc or desc");
		out->descends[out->n] = str_eq(way, STR("desc"));
		out->paths[out->n++] = path;
	} while (text.len > 0);
	return 0;
}

int member_order_compare(const struct member_order *order, const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < order->n; i++) {
		struct filter_value left = value_of(find(a, order->paths[i]));
		struct filter_value right = value_of(find(b, order->paths[i]));
		int r = compare(&left, &right);

		if (r != 0)
			return order->descends[i] ? -r : r;
	}
	return 0;
}
