#include "api/query_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/query_plus.h"
#include "base/mem.h"
#include "event/limits.h"
#include "http/server.h"

#define VALUE_MAX_BYTES (4 * FILTER_MAX_BYTES)

static const struct {
	const char *name;
	enum query_option option;
} known[] = {
	{ "$select", QUERY_SELECT }, { "$filter", QUERY_FILTER },       { "$top", QUERY_TOP },
	{ "$skip", QUERY_SKIP },     { "$orderby", QUERY_ORDERBY },     { "$expand", QUERY_EXPAND },
	{ "only", QUERY_ONLY },      { "$skiptoken", QUERY_SKIPTOKEN },
};

bool query_next(struct str *query, struct str *name_out, struct str *value_out)
{
	size_t end = str_find_char(*query, '&');
	struct str one = { query->p, end };
	size_t mark = str_find_char(one, '=');

	if (query->len == 0)
		return false;
	*name_out = (struct str){ one.p, mark };
	mark += mark < one.len;
	*value_out = (struct str){ one.p + mark, one.len - mark };
	end += end < query->len;
	*query = (struct str){ query->p + end, query->len - end };
	return true;
}

static int refuse(struct query_fault *fault, int status, const char *key, struct str parameter,
		  struct str value)
{
	*fault = (struct query_fault){ .status = status, .key = key };
	snprintf(fault->parameter, sizeof(fault->parameter), "%.*s",
		 STR_ARG(str_cut(parameter, sizeof(fault->parameter) - 1)));
	snprintf(fault->value, sizeof(fault->value), "%.*s",
		 STR_ARG(str_cut(value, sizeof(fault->value) - 1)));
	return -EINVAL;
}

static int take_number(struct str name, struct str value, uint64_t *out, struct query_fault *fault)
{
	if (str_to_u64(value, out) && *out <= INT64_MAX)
		return 0;
	refuse(fault, 400, "QueryParameterValueTypeError", name, value);
	return err_set(&fault->err, -EINVAL, "%.*s takes a whole number, not '%.*s'.",
		       STR_ARG(name), STR_ARG(value));
}

/* "." "*" "~", with "($levels=1)" or without. */
static int take_expand(struct str value, unsigned *out, struct query_fault *fault)
{
	struct str levels;
	uint64_t n;

	if (value.len == 0 || !memchr(".~*", value.p[0], 3))
		return refuse(fault, 400, "QueryParameterValueFormatError", STR("$expand"), value);
	*out = value.p[0] == '~'   ? QUERY_EXPAND_LINKS
	       : value.p[0] == '.' ? QUERY_EXPAND_NO_LINKS
				   : QUERY_EXPAND_LINKS | QUERY_EXPAND_NO_LINKS;
	levels = (struct str){ value.p + 1, value.len - 1 };
	if (levels.len == 0)
		return 0;
	if (!str_starts_with(levels, STR("($levels=")) || !str_ends_with(levels, STR(")")))
		return refuse(fault, 400, "QueryParameterValueFormatError", STR("$expand"), value);
	levels = (struct str){ levels.p + 9, levels.len - 10 };
	if (!str_to_u64(levels, &n))
		return refuse(fault, 400, "QueryParameterValueTypeError", STR("$expand"), value);
	return n == 1 ? 0 : refuse(fault, 400, "QueryParameterOutOfRange", STR("$expand"), value);
}

/* Names of properties with commas between; a path has slashes. */
static bool select_is_good(struct str value)
{
	bool empty = true;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == ',' || c == '/') {
			if (empty)
				return false;
			empty = true;
		} else if (c == '@' || c == '.' || c == '_' || c == '#' || c == '-' ||
			   (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
			empty = false;
		} else if (c != ' ') {
			return false;
		}
	}
	return !empty;
}

static int take_value(struct query_options *options, enum query_option option, struct str name,
		      struct str value, struct query_fault *fault)
{
	switch (option) {
	case QUERY_SELECT:
		strbuf_put(&options->select, value);
		return select_is_good(value)
			       ? 0
			       : refuse(fault, 400, "QueryParameterValueFormatError", name, value);
	case QUERY_FILTER: strbuf_put(&options->filter, value); return 0;
	case QUERY_ORDERBY: strbuf_put(&options->orderby, value); return 0;
	case QUERY_TOP: return take_number(name, value, &options->top, fault);
	case QUERY_SKIP: return take_number(name, value, &options->skip, fault);
	case QUERY_SKIPTOKEN: return take_number(name, value, &options->skiptoken, fault);
	case QUERY_EXPAND: return take_expand(value, &options->expand, fault);
	case QUERY_ONLY:
		return value.len == 0
			       ? 0
			       : refuse(fault, 400, "QueryParameterValueFormatError", name, value);
	}
	return 0;
}

static int take(struct query_options *options, unsigned taken, struct str name, struct str value,
		struct query_fault *fault)
{
	size_t i = 0;

	while (i < ARRAY_LEN(known) && !str_eq(name, str_of(known[i].name)))
		i++;
	if (i == ARRAY_LEN(known))
		return str_starts_with(name, STR("$"))
			       ? refuse(fault, 501, "QueryParameterUnsupported", name, value)
			       : 0;
	if (!(taken & known[i].option))
		return refuse(fault, 400, "QueryNotSupportedOnResource", name, value);
	if (options->given & known[i].option)
		return refuse(fault, 400, "QueryParameterValueError", name, value);
	options->given |= known[i].option;
	return take_value(options, known[i].option, name, value, fault);
}

int query_options_parse(struct str query, unsigned taken, struct query_options *options,
			struct query_fault *fault)
{
	struct str raw_name, raw_value;
	struct strbuf name, value, blanks;
	int r = 0;

	*options = (struct query_options){ 0 };
	strbuf_init(&options->select, VALUE_MAX_BYTES);
	strbuf_init(&options->filter, VALUE_MAX_BYTES);
	strbuf_init(&options->orderby, VALUE_MAX_BYTES);
	strbuf_init(&name, VALUE_MAX_BYTES);
	strbuf_init(&value, VALUE_MAX_BYTES);
	strbuf_init(&blanks, 3 * VALUE_MAX_BYTES);
	while (r == 0 && query_next(&query, &raw_name, &raw_value)) {
		strbuf_reset(&name);
		strbuf_reset(&value);
		strbuf_reset(&blanks);
		query_plus(raw_value, &blanks);
		if (blanks.failed || !http_percent_decode(raw_name, &name) ||
		    !http_percent_decode(strbuf_str(&blanks), &value) || !str_is_utf8(strbuf_str(&name)) ||
		    !str_is_utf8(strbuf_str(&value)))
			r = refuse(fault, 400, "QueryParameterValueFormatError", raw_name,
				   raw_value);
		else
			r = take(options, taken, strbuf_str(&name), strbuf_str(&value), fault);
	}
	if (r == 0 && options->given & QUERY_ONLY && options->given & ~(QUERY_ONLY | QUERY_SELECT))
		r = refuse(fault, 400, "QueryCombinationInvalid", STR("only"), STR(""));
	strbuf_fini(&name);
	strbuf_fini(&value);
	strbuf_fini(&blanks);
	if (r < 0)
		query_options_fini(options);
	return r;
}

void query_options_fini(struct query_options *options)
{
	strbuf_fini(&options->select);
	strbuf_fini(&options->filter);
	strbuf_fini(&options->orderby);
}

int query_fault_of_value(struct query_fault *fault, const char *parameter, struct str value)
{
	const struct err err = fault->err;

	refuse(fault, 400, "QueryParameterValueFormatError", str_of(parameter), value);
	fault->err = err;
	return -EINVAL;
}
