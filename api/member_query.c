#include "api/member_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/limits.h"
#include "api/member_filter.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "api/resource_json.h"
#include "api/resources.h"
#include "base/mem.h"
#include "event/filter.h"

struct found {
	size_t i;
	json_t *json; /* NULL: nobody needs it */
	const struct member_order *order;
};

struct query {
	const struct member_list *list;
	struct query_options options;
	struct filter *filter; /* NULL: all pass */
	struct member_order order;
	struct found *found;
	size_t n;
};

static int parse(struct query *query, struct query_fault *fault)
{
	struct str filter = strbuf_str(&query->options.filter);
	struct str order = strbuf_str(&query->options.orderby);

	if (query->options.given & QUERY_FILTER &&
	    member_filter_parse(filter, &query->filter, &fault->err) < 0)
		return query_fault_of_value(fault, "$filter", filter);
	if (query->options.given & QUERY_ORDERBY &&
	    member_order_parse(order, &query->order, &fault->err) < 0)
		return query_fault_of_value(fault, "$orderby", order);
	return 0;
}

static void find(struct query *query)
{
	const struct member_list *list = query->list;
	struct strbuf id;

	strbuf_init(&id, API_LINK_MAX_BYTES);
	query->found = xcalloc(list->n + 1, sizeof(query->found[0]));
	for (size_t i = 0; i < list->n; i++) {
		json_t *json;

		strbuf_reset(&id);
		if (!list->put_id(list->ctx, i, &id))
			continue;
		json = query->filter || query->order.n > 0 ? list->json(list->ctx, i) : NULL;
		if (!query->filter || member_filter_passes(query->filter, json))
			query->found[query->n++] = (struct found){
				i, query->order.n > 0 ? json_incref(json) : NULL, &query->order
			};
		json_decref(json);
	}
	strbuf_fini(&id);
}

static int compare(const void *a, const void *b)
{
	const struct found *left = a, *right = b;
	int r = member_order_compare(left->order, left->json, right->json);

	return r != 0 ? r : left->i < right->i ? -1 : left->i > right->i;
}

static void put_next(const struct target *target, uint64_t skip, struct strbuf *out)
{
	struct str query = target->query, name, value;
	struct strbuf link;

	strbuf_init(&link, target->query.len + API_LINK_MAX_BYTES);
	strbuf_putf(&link, "%s?$skip=%" PRIu64, target->resource->path, skip);
	while (query_next(&query, &name, &value)) {
		if (!str_eq(name, STR("$skip")) && !str_eq_nocase(name, STR("%24skip")))
			strbuf_putf(&link, "&%.*s=%.*s", STR_ARG(name), STR_ARG(value));
	}
	strbuf_put_text(out, ",\"Members@odata.nextLink\":");
	strbuf_put_json(out, strbuf_str(&link));
	strbuf_fini(&link);
}

static void put_page(const struct target *target, const struct query *query, struct strbuf *out)
{
	const struct member_list *list = query->list;
	const struct query_options *options = &query->options;
	uint64_t first = options->given & QUERY_SKIP ? options->skip : 0;
	uint64_t count = options->given & QUERY_TOP ? options->top : API_PAGE_DEFAULT;

	first = first < query->n ? first : query->n;
	count = count < API_PAGE_MAX ? count : API_PAGE_MAX;
	count = count < query->n - first ? count : query->n - first;
	strbuf_putf(out, "{\"@odata.id\":\"%s\",\"@odata.type\":\"#%s.%s\",\"Name\":\"%s\",\"Members\":[",
		    list->path, list->type, list->type, list->name);
	for (uint64_t i = first; i < first + count; i++) {
		strbuf_putf(out, "%s{\"@odata.id\":\"%s/", i > first ? "," : "", list->path);
		list->put_id(list->ctx, query->found[i].i, out);
		strbuf_put_text(out, "\"}");
	}
	strbuf_putf(out, "],\"Members@odata.count\":%zu", query->n);
	if (first + count < query->n && count > 0)
		put_next(target, first + count, out);
	strbuf_put_char(out, '}');
}

void member_query_answer(const struct target *target, const struct member_list *list)
{
	struct query query = { .list = list };
	struct query_fault fault = { .status = 400 };
	struct strbuf body;

	if (query_options_parse(target->query, resource_queries(target->resource), &query.options,
				&fault) < 0) {
		reply_query_fault(target->request, &fault);
		return;
	}
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (parse(&query, &fault) < 0) {
		reply_query_fault(target->request, &fault);
		goto out;
	}
	find(&query);
	if (query.order.n > 0)
		qsort(query.found, query.n, sizeof(query.found[0]), compare);
	put_page(target, &query, &body);
	reply_json(target->request, 200, NULL, strbuf_str(&body));
out:
	for (size_t i = 0; i < query.n; i++)
		json_decref(query.found[i].json);
	free(query.found);
	filter_free(query.filter);
	query_options_fini(&query.options);
	strbuf_fini(&body);
}
