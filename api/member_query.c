#include "api/member_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
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
	struct api_job job;
	struct member_list list;
	char *text; /* of the request, for the next page's link; owned */
	struct query_options options;
	struct filter *filter; /* NULL: all pass */
	struct member_order order;
	struct found *found;
	size_t n;
	struct strbuf body;
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
	const struct member_list *list = &query->list;
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
			query->found[query->n++] =
				(struct found){ i, query->order.n > 0 ? json_incref(json) : NULL,
						&query->order };
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

static void put_next(const struct query *query, uint64_t skip, struct strbuf *out)
{
	struct str text = str_of(query->text), name, value;
	struct strbuf link;

	strbuf_init(&link, text.len + API_LINK_MAX_BYTES);
	strbuf_putf(&link, "%s?$skip=%" PRIu64, query->list.path, skip);
	while (query_next(&text, &name, &value)) {
		if (!str_eq(name, STR("$skip")) && !str_eq_nocase(name, STR("%24skip")))
			strbuf_putf(&link, "&%.*s=%.*s", STR_ARG(name), STR_ARG(value));
	}
	strbuf_put_text(out, ",\"Members@odata.nextLink\":");
	strbuf_put_json(out, strbuf_str(&link));
	strbuf_fini(&link);
}

static void put_page(const struct query *query, struct strbuf *out)
{
	const struct member_list *list = &query->list;
	const struct query_options *options = &query->options;
	uint64_t first = options->given & QUERY_SKIP ? options->skip : 0;
	uint64_t count = options->given & QUERY_TOP ? options->top : API_PAGE_DEFAULT;

	first = first < query->n ? first : query->n;
	count = count < API_PAGE_MAX ? count : API_PAGE_MAX;
	count = count < query->n - first ? count : query->n - first;
	strbuf_putf(
		out,
		"{\"@odata.id\":\"%s\",\"@odata.type\":\"#%s.%s\",\"Name\":\"%s\",\"Members\":[",
		list->path, list->type, list->type, list->name);
	for (uint64_t i = first; i < first + count; i++) {
		strbuf_putf(out, "%s{\"@odata.id\":\"%s/", i > first ? "," : "", list->path);
		list->put_id(list->ctx, query->found[i].i, out);
		strbuf_put_text(out, "\"}");
	}
	strbuf_putf(out, "],\"Members@odata.count\":%zu", query->n);
	if (first + count < query->n && count > 0)
		put_next(query, first + count, out);
	strbuf_put_char(out, '}');
}

static void query_free(struct query *query)
{
	for (size_t i = 0; i < query->n; i++)
		json_decref(query->found[i].json);
	free(query->found);
	filter_free(query->filter);
	query_options_fini(&query->options);
	strbuf_fini(&query->body);
	query->list.release(query->list.ctx);
	free(query->text);
	free(query);
}

static void make_page(struct query *query)
{
	find(query);
	if (query->order.n > 0)
		qsort(query->found, query->n, sizeof(query->found[0]), compare);
	put_page(query, &query->body);
}

/* On a pool's thread; the database is not asked. */
static void run(struct query_job *job, struct db *db, const char *why)
{
	(void)db;
	(void)why;
	make_page(job->ctx);
}

static void answer(struct api *api, struct api_job *job)
{
	struct query *query = CONTAINER_OF(job, struct query, job);

	(void)api;
	reply_json(job->request, 200, NULL, strbuf_str(&query->body));
	query_free(query);
}

void member_query_answer(struct api *api, const struct target *target,
			 const struct member_list *list)
{
	struct query_fault fault = { .status = 400 };
	struct query *query = xcalloc(1, sizeof(*query));

	query->job = (struct api_job){ .query = { .run = run, .ctx = query },
				       .answer = answer,
				       .request = target->request };
	query->list = *list;
	query->text = xstrndup(target->query);
	strbuf_init(&query->body, API_PAGE_MAX_BYTES);
	if (query_options_parse(target->query, resource_queries(target->resource), &query->options,
				&fault) < 0 ||
	    parse(query, &fault) < 0) {
		reply_query_fault(target->request, &fault);
		query_free(query);
	} else if (!query->filter && query->order.n == 0) {
		make_page(query);
		answer(api, &query->job);
	} else if (!api_submit(api, api->config.pool, &query->job)) {
		query_free(query);
	}
}
