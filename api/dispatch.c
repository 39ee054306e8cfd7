/* Dispatch: from a request's path to the code of its resource, past the checks that all resources
 * have in common (DSP0266): who may enter, which methods, which headers, which query. */
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/source_set.h"

/* Whom a path lets in that is not there, or does not take the method: what there is below the root
 * is nobody's business who has not logged in. */
static enum route_access access_of(const struct http_request *request,
				   const struct resource *resource)
{
	const struct resource_method *method;

	if (!resource)
		return str_starts_with(http_request_path(request), STR("/redfish/v1/"))
			       ? ACCESS_READ
			       : ACCESS_OPEN;
	method = resource_method(resource, http_request_method(request));
	return method ? method->access : resource->get.access;
}

static bool is_changed_by(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PATCH;
}

/* DSP0266, "Request headers". False: refused. */
static bool headers_are_good(struct http_request *request, const struct resource *resource)
{
	struct str version = http_request_header(request, "OData-Version");
	struct str type = http_request_header(request, "Content-Type");

	if (resource->flags & RESOURCE_PLAIN)
		return true;
	if (version.p && !str_eq(version, STR("4.0")))
		reply_error(request, 412, "HeaderInvalid", .args = { STR("OData-Version") });
	else if (!(resource->flags & RESOURCE_ANY_ACCEPT) &&
		 !negotiate_accepts(http_request_header(request, "Accept"), "application/json"))
		reply_error(request, 406, "HeaderInvalid", .args = { STR("Accept") });
	else if (type.p && is_changed_by(http_request_method(request)) &&
		 !(resource->flags & RESOURCE_ANY_BODY) &&
		 !negotiate_is_type(type, "application/json"))
		reply_error(request, 415, "HeaderInvalid", .args = { STR("Content-Type") });
	else
		return true;
	return false;
}

/* DSP0266, "POST (create)": a collection's Members take what the collection takes. */
static struct place find_place(const struct http_request *request)
{
	static const struct str members = { "/Members", sizeof("/Members") - 1 };
	struct str path = http_request_path(request);
	struct place place;

	if (http_request_method(request) == HTTP_POST && str_ends_with(path, members)) {
		place = resource_find((struct str){ path.p, path.len - members.len });
		if (place.resource && place.resource->post.fn && place.resource->type &&
		    str_ends_with(str_of(place.resource->type), STR("Collection")))
			return place;
	}
	return resource_find(path);
}

/* Refused is here only what need not send its body: who it is is not known yet in all cases, and
 * comes before what is wrong with the request. */
void dispatch_head(struct http_request *request, void *ctx)
{
	struct place place = find_place(request);
	size_t max_bytes = place.resource && place.resource->max_body_bytes
				   ? place.resource->max_body_bytes
				   : API_MAX_BODY_BYTES;

	if (visit_head(ctx, request, access_of(request, place.resource)) &&
	    !http_request_limit_body(request, max_bytes))
		reply_error(request, 413, "PayloadTooLarge");
}

void dispatch_encoded(struct api *api, const struct target *target)
{
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (target->resource->encode(api, target, &body))
		reply_json(target->request, 200, NULL, strbuf_str(&body));
	else
		reply_missing(target->request);
	strbuf_fini(&body);
}

/* Queries are for reading (DSP0266); what a reader asks for is looked at with the answer, too, but
 * a bad one is refused before anything is done. */
static bool query_is_good(const struct target *target)
{
	enum http_method method = http_request_method(target->request);
	unsigned taken = resource_queries(target->resource);
	struct query_options options;
	struct query_fault fault;

	if (target->resource->flags & RESOURCE_PLAIN || target->query.len == 0)
		return true;
	if (query_options_parse(target->query, taken, &options, &fault) < 0) {
		reply_query_fault(target->request, &fault);
		return false;
	}
	query_options_fini(&options);
	if (options.given == 0 || method == HTTP_GET || method == HTTP_HEAD)
		return true;
	reply_error(target->request, 400, "QueryNotSupportedOnOperation");
	return false;
}

/* Past the door: the resource has it. `who` NULL where nobody logged in. */
static void serve(struct api *api, struct http_request *request, const struct identity *who)
{
	struct place place = find_place(request);
	const struct resource_method *method;
	struct target target = { .request = request,
				 .resource = place.resource,
				 .rest = place.rest,
				 .query = http_request_query(request),
				 .who = who };

	memcpy(target.ids, place.ids, sizeof(target.ids));
	if (!place.resource) {
		reply_missing(request);
		return;
	}
	method = resource_method(place.resource, http_request_method(request));
	if (!method) {
		reply_error(request, 405, "OperationNotAllowed");
		return;
	}
	if (!headers_are_good(request, place.resource) || !query_is_good(&target))
		return;
	slot_refresh(api->config.sources, &api->sources, &api->sources_version);
	api->who = who;
	if (method->fn)
		method->fn(api, &target);
	else
		dispatch_encoded(api, &target);
	api->who = NULL;
}

/* What is neither read nor only asked; logging in leaves its own note. */
static bool is_change(const struct http_request *request, const struct resource *resource)
{
	enum http_method method = http_request_method(request);
	const struct resource_method *taken = resource ? resource_method(resource, method) : NULL;

	return taken && method != HTTP_GET && method != HTTP_HEAD && taken->access >= ACCESS_SELF;
}

void dispatch_request(struct http_request *request, void *ctx)
{
	struct place place = find_place(request);
	const struct visitor visitor = { .access = access_of(request, place.resource),
					 .is_change = is_change(request, place.resource),
					 .go_on = serve };

	visit_enter(ctx, request, &visitor);
}

void dispatch_answer(struct http_request *request, int status, void *ctx)
{
	visit_answered(ctx, request, status);
}
