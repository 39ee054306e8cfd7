/* Dispatch: from a request's path to the code of its resource, past the checks that all resources
 * have in common (DSP0266): who may enter, which methods, which headers, which query. */
#include <string.h>

#include "api/api_priv.h"
#include "api/auth.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/source_set.h"

bool api_may(struct api *api, const struct http_request *request, enum route_access access)
{
	if (access == ACCESS_OPEN || access == ACCESS_STREAM ||
	    (access == ACCESS_METRICS && api->config.metrics_public))
		return true;
	return auth_check(api->auth, request) == AUTH_OK;
}

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

/* False when the request was refused (and answered). */
static bool may_enter(struct api *api, struct http_request *request,
		      const struct resource *resource)
{
	if (api_may(api, request, access_of(request, resource)))
		return true;
	reply_error(request, 401, "AccessUnauthorized");
	return false;
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

static void refuse_missing(struct http_request *request)
{
	reply_error(request, 404, "InvalidURI", .args = { http_request_path(request) });
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

void dispatch_head(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	struct place place = find_place(request);
	size_t max_bytes;

	if (!may_enter(api, request, place.resource))
		return;
	if (!place.resource) {
		refuse_missing(request);
		return;
	}
	max_bytes = place.resource->max_body_bytes ? place.resource->max_body_bytes
						   : API_MAX_BODY_BYTES;
	if (!http_request_limit_body(request, max_bytes))
		reply_error(request, 413, "PayloadTooLarge");
	else if (!resource_method(place.resource, http_request_method(request)))
		reply_error(request, 405, "OperationNotAllowed");
	else
		headers_are_good(request, place.resource);
}

static void get_encoded(struct api *api, const struct target *target)
{
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (target->resource->encode(api, target, &body))
		reply_json(target->request, 200, NULL, strbuf_str(&body));
	else
		refuse_missing(target->request);
	strbuf_fini(&body);
}

/* Queries are for reading (DSP0266); what a reader asks for is looked at with the answer, too, but
 * a bad one is refused before anything is done. */
static bool query_is_good(const struct target *target)
{
	enum http_method method = http_request_method(target->request);
	unsigned taken = QUERY_COMMON | target->resource->queries;
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

void dispatch_request(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	struct place place = find_place(request);
	const struct resource_method *method =
		resource_method(place.resource, http_request_method(request));
	struct target target = { .request = request,
				 .resource = place.resource,
				 .rest = place.rest,
				 .query = http_request_query(request) };

	memcpy(target.ids, place.ids, sizeof(target.ids));
	if (!may_enter(api, request, place.resource))
		return; /* the session ended while the body came */
	if (!query_is_good(&target))
		return;
	slot_refresh(api->config.sources, &api->sources, &api->sources_version);
	if (method->fn)
		method->fn(api, &target);
	else
		get_encoded(api, &target);
}
