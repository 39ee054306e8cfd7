#include "api/shape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/limits.h"
#include "api/member_filter.h"
#include "api/query_options.h"
#include "base/mem.h"
#include "event/filter.h"

/* --- $select ------------------------------------------------------------------------------------
 */

/* The properties that every reader gets: what the resource is, and where. */
static bool is_kept(const char *name)
{
	return strcmp(name, "@odata.id") == 0 || strcmp(name, "@odata.type") == 0 ||
	       strcmp(name, "@odata.context") == 0 || strcmp(name, "@odata.etag") == 0;
}

/* `name` itself, or an annotation of it ("Members@odata.count"). */
static bool is_named(const char *property, struct str name)
{
	return strncmp(property, name.p, name.len) == 0 &&
	       (property[name.len] == '\0' || property[name.len] == '@');
}

static struct str cut_at(struct str *rest, char c)
{
	size_t end = str_find_char(*rest, c);
	struct str first = { rest->p, end };

	end += end < rest->len;
	*rest = (struct str){ rest->p + end, rest->len - end };
	return first;
}

/* Copies what `path` ("Status/Health") names of `from` into `to`. */
static void copy_path(json_t *to, json_t *from, struct str path)
{
	struct str name = cut_at(&path, '/');
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value)
	{
		json_t *part;

		if (!is_named(key, name))
			continue;
		if (path.len == 0 || !json_is_object(value)) {
			json_object_set(to, key, value);
			continue;
		}
		part = json_object_get(to, key);
		if (!part) {
			part = json_object();
			json_object_set_new(to, key, part);
		}
		if (part != value) /* not chosen as a whole before */
			copy_path(part, value, path);
	}
}

static json_t *select_properties(json_t *from, struct str names)
{
	json_t *to = json_object(), *value;
	const char *key;

	json_object_foreach(from, key, value)
	{
		if (is_kept(key))
			json_object_set(to, key, value);
	}
	while (names.len > 0)
		copy_path(to, from, str_trim(cut_at(&names, ',')));
	return to;
}

static bool is_link(const json_t *value)
{
	return json_is_object(value) && json_object_size(value) == 1 &&
	       json_is_string(json_object_get(value, "@odata.id"));
}

/* Of a collection that shows its members, their properties are meant. */
static json_t *select_all(json_t *body, struct str names)
{
	json_t *members = json_object_get(body, "Members"), *member;
	json_t *chosen;
	size_t i;

	if (json_array_size(members) == 0 || is_link(json_array_get(members, 0)))
		return select_properties(body, names);
	chosen = json_array();
	json_array_foreach(members, i, member)
	{
		json_array_append_new(chosen, select_properties(member, names));
	}
	json_object_set_new(body, "Members", chosen);
	return json_incref(body);
}

/* --- $expand, only -------------------------------------------------------------------------------
 */

/* The resource that `link` points to, new; NULL: it stays a link. */
static json_t *follow(const struct shape *shape, const json_t *link)
{
	struct str uri = str_of(json_string_value(json_object_get(link, "@odata.id")));
	json_t *found = NULL;
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (shape->encode(shape->ctx, uri, &body) && !body.failed)
		found = json_loadb(body.p, body.len, 0, NULL);
	strbuf_fini(&body);
	return found;
}

static void expand(const struct shape *shape, json_t *value, bool in_links);

static json_t *expand_one(const struct shape *shape, json_t *value, bool in_links)
{
	unsigned wanted = in_links ? QUERY_EXPAND_LINKS : QUERY_EXPAND_NO_LINKS;

	if (is_link(value))
		return shape->options->expand & wanted ? follow(shape, value) : NULL;
	expand(shape, value, in_links);
	return NULL;
}

/* One level: what was put in is not looked through. */
static void expand(const struct shape *shape, json_t *value, bool in_links)
{
	const char *key;
	json_t *item;
	void *next;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			json_t *found = expand_one(shape, item, in_links);

			if (found)
				json_array_set_new(value, i, found);
		}
		return;
	}
	json_object_foreach_safe(value, next, key, item)
	{
		json_t *found = expand_one(shape, item, in_links || strcmp(key, "Links") == 0);

		if (found)
			json_object_set_new(value, key, found);
	}
}

static json_t *take_only(const struct shape *shape, json_t *body)
{
	json_t *members = json_object_get(body, "Members");
	json_t *member = json_array_get(members, 0);
	json_t *found;

	if (json_array_size(members) != 1 ||
	    json_integer_value(json_object_get(body, "Members@odata.count")) > 1)
		return json_incref(body);
	found = is_link(member) ? follow(shape, member) : json_incref(member);
	return found ? found : json_incref(body);
}

/* --- $filter, $orderby ---------------------------------------------------------------------------
 */

/* A member as its link, and as what is behind it. */
struct known {
	json_t *link, *body;
	size_t i;
	const struct member_order *order;
};

static int compare_known(const void *a, const void *b)
{
	const struct known *left = a, *right = b;
	int r = member_order_compare(left->order, left->body, right->body);

	return r != 0 ? r : left->i < right->i ? -1 : left->i > right->i;
}

/* The members that pass `filter` (NULL: all), in their order. */
static void choose(const struct shape *shape, json_t *body, const struct filter *filter,
		   const struct member_order *order)
{
	json_t *members = json_object_get(body, "Members"), *member, *chosen = json_array();
	struct known *known = xcalloc(json_array_size(members) + 1, sizeof(*known));
	size_t i, n = 0;

	json_array_foreach(members, i, member)
	{
		json_t *whole = is_link(member) ? follow(shape, member) : NULL;

		known[n] = (struct known){ member, whole ? whole : json_incref(member), i, order };
		if (!filter || member_filter_passes(filter, known[n].body))
			n++;
		else
			json_decref(known[n].body);
	}
	if (order->n > 0)
		qsort(known, n, sizeof(*known), compare_known);
	for (i = 0; i < n; i++) {
		json_array_append(chosen, known[i].link);
		json_decref(known[i].body);
	}
	json_object_set_new(body, "Members@odata.count", json_integer((json_int_t)n));
	json_object_set_new(body, "Members", chosen);
	free(known);
}

static int filter_members(const struct shape *shape, unsigned todo, json_t *body,
			  struct query_fault *fault)
{
	struct str filter_text = strbuf_str(&shape->options->filter);
	struct str order_text = strbuf_str(&shape->options->orderby);
	struct filter *filter = NULL;
	struct member_order order = { .n = 0 };

	if (todo & QUERY_FILTER && member_filter_parse(filter_text, &filter, &fault->err) < 0)
		return query_fault_of_value(fault, "$filter", filter_text);
	if (todo & QUERY_ORDERBY && member_order_parse(order_text, &order, &fault->err) < 0) {
		filter_free(filter);
		return query_fault_of_value(fault, "$orderby", order_text);
	}
	choose(shape, body, filter, &order);
	filter_free(filter);
	return 0;
}

/* --- $top, $skip ---------------------------------------------------------------------------------
 */

static void put_next_link(const struct shape *shape, uint64_t skip, json_t *body)
{
	struct str query = shape->query, name, value;
	struct strbuf link;

	strbuf_init(&link, shape->path.len + shape->query.len + 64);
	strbuf_putf(&link, "%.*s?$skip=%" PRIu64, STR_ARG(shape->path), skip);
	while (query_next(&query, &name, &value)) {
		if (!str_eq(name, STR("$skip")) && !str_eq_nocase(name, STR("%24skip")))
			strbuf_putf(&link, "&%.*s=%.*s", STR_ARG(name), STR_ARG(value));
	}
	json_object_set_new(body, "Members@odata.nextLink", json_stringn(link.p, link.len));
	strbuf_fini(&link);
}

static void cut_page(const struct shape *shape, unsigned todo, json_t *body)
{
	json_t *members = json_object_get(body, "Members");
	uint64_t n = json_array_size(members);
	uint64_t first = todo & QUERY_SKIP ? shape->options->skip : 0;
	uint64_t count = todo & QUERY_TOP ? shape->options->top : n;
	json_t *page = json_array();

	first = first < n ? first : n;
	count = count < n - first ? count : n - first;
	for (uint64_t i = first; i < first + count; i++)
		json_array_append(page, json_array_get(members, (size_t)i));
	json_object_set_new(body, "Members", page);
	if (first + count < n && count > 0)
		put_next_link(shape, first + count, body);
}

static int refuse(struct query_fault *fault)
{
	*fault = (struct query_fault){ .status = 400, .key = "QueryNotSupportedOnResource" };
	return -EINVAL;
}

static json_t *apply(const struct shape *shape, unsigned todo, json_t *body)
{
	json_t *shown;

	if (todo & (QUERY_TOP | QUERY_SKIP))
		cut_page(shape, todo, body);
	if (todo & QUERY_EXPAND)
		expand(shape, body, false);
	shown = todo & QUERY_ONLY ? take_only(shape, body) : json_incref(body);
	if (todo & QUERY_SELECT) {
		json_t *chosen = select_all(shown, strbuf_str(&shape->options->select));

		json_decref(shown);
		shown = chosen;
	}
	return shown;
}

int shape_body(const struct shape *shape, struct str body, struct strbuf *out,
	       struct query_fault *fault)
{
	unsigned todo = shape->options->given & ~shape->done;
	json_t *json = json_loadb(body.p, body.len, 0, NULL), *shown = NULL;
	char *text = NULL;
	int r = 0;

	if (!json_is_object(json) ||
	    (todo & (QUERY_MEMBERS | QUERY_ONLY) && !json_object_get(json, "Members"))) {
		r = refuse(fault);
		goto out;
	}
	if (todo & (QUERY_FILTER | QUERY_ORDERBY))
		r = filter_members(shape, todo, json, fault);
	if (r < 0)
		goto out;
	shown = apply(shape, todo, json);
	text = json_dumps(shown, JSON_COMPACT);
	strbuf_put_text(out, text);
out:
	free(text);
	json_decref(shown);
	json_decref(json);
	return r;
}
