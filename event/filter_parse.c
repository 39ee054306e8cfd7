/* The names and values of events' filters. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "event/filter_grammar.h"
#include "event/filter_priv.h"

#define A_TIME "a time such as 2026-11-20T09:12:44Z"

/* --- names ------------------------------------------------------------------------------------ */

static int unknown_name(struct filter_parser *p)
{
	struct str word = filter_token(p)->text;
	const char *near_name = filter_name_near(word);
	struct strbuf list;
	int r;

	if (near_name)
		return filter_fail(p, "there is no name '%.*s': did you mean %s?", STR_ARG(word),
				   near_name);
	strbuf_init(&list, 1024);
	for (size_t i = 0; i < filter_name_count(); i++)
		strbuf_putf(&list, " %s", filter_name_info((enum filter_name)i)->name);
	r = filter_fail(p, "there is no name '%.*s'; names are%s", STR_ARG(word), list.p);
	strbuf_fini(&list);
	return r;
}

static int take_name(struct filter_parser *p, struct filter_node *node)
{
	struct str word = filter_token(p)->text;

	if (filter_token(p)->kind != FILTER_TOKEN_WORD)
		return filter_expected(p, "a name");
	for (size_t i = 0; i < filter_name_count(); i++) {
		enum filter_name name = (enum filter_name)i;

		if (!str_eq(word, str_of(filter_name_info(name)->name)) &&
		    !filter_name_is_alias(word, name))
			continue;
		node->name = name;
		return filter_advance(p);
	}
	return unknown_name(p);
}

/* --- values ----------------------------------------------------------------------------------- */

static int read_severity(struct filter_parser *p, struct filter_value *value)
{
	for (int i = SEVERITY_OK; i <= SEVERITY_CRITICAL; i++) {
		const char *name = severity_name((enum severity)i);

		if (!str_eq_nocase(value->text, str_of(name)))
			continue;
		value->text = str_of(name);
		value->number = i;
		return 0;
	}
	return filter_expected(p, "'OK', 'Warning' or 'Critical'");
}

static int read_category(struct filter_parser *p, struct filter_value *value)
{
	enum category category;

	if (!category_parse(value->text, &category))
		return filter_expected(p,
				       "'alert', 'lifecycle', 'control', 'telemetry' or 'other'");
	value->number = category;
	return 0;
}

static int read_number(struct filter_parser *p, struct filter_value *value)
{
	value->kind = FILTER_IS_INT;
	return str_to_i64(value->text, &value->number) ? 0 : filter_expected(p, "a whole number");
}

static int read_time(struct filter_parser *p, struct filter_value *value)
{
	value->kind = FILTER_IS_TIME;
	return clock_parse(value->text, &value->number, NULL) ? 0 : filter_expected(p, A_TIME);
}

/* Numbers and times stand with quotes or without. */
static int read_value(struct filter_parser *p, const struct filter_node *node,
		      struct filter_value *out)
{
	enum filter_type type = filter_name_info(node->name)->type;
	bool bare = type == FILTER_TYPE_INT || type == FILTER_TYPE_TIME;
	enum filter_token_kind kind = filter_token(p)->kind;
	int r;

	if (kind != FILTER_TOKEN_STRING && !(bare && kind == FILTER_TOKEN_WORD))
		return filter_expected(p, type == FILTER_TYPE_INT    ? "a whole number"
					  : type == FILTER_TYPE_TIME ? A_TIME
								     : "a string in single quotes");
	out->kind = FILTER_IS_TEXT;
	r = filter_take_text(p, &out->text);
	if (r < 0)
		return r;
	switch (type) {
	case FILTER_TYPE_SEVERITY: return read_severity(p, out);
	case FILTER_TYPE_CATEGORY: return read_category(p, out);
	case FILTER_TYPE_INT: return read_number(p, out);
	case FILTER_TYPE_TIME: return read_time(p, out);
	case FILTER_TYPE_TEXT: break;
	}
	return 0;
}

static const char *refuses(const struct filter_node *node)
{
	enum filter_type type = filter_name_info(node->name)->type;

	switch (node->op) {
	case FILTER_EQ:
	case FILTER_NE:
	case FILTER_IN: return NULL;
	case FILTER_CONTAINS:
	case FILTER_STARTSWITH:
	case FILTER_ENDSWITH:
		return type == FILTER_TYPE_TEXT ? NULL : "a name whose value is a text";
	default:
		return type == FILTER_TYPE_CATEGORY ? "one of eq ne in (categories have no order)"
						    : NULL;
	}
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

int filter_parse(struct str text, struct filter **out, struct err *err)
{
	static const struct filter_dialect dialect = {
		.operand = "a name, 'not', a function or '('",
		.take_name = take_name,
		.read_value = read_value,
		.refuses = refuses,
		.finish = trim_origin,
	};

	return filter_parse_as(&dialect, text, out, err);
}
