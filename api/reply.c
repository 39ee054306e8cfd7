#include "api/reply.h"

#include "api/api_priv.h"
#include "api/compress.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/query_options.h"
#include "api/reply_priv.h"
#include "api/shape.h"

#define JSON_TYPE "application/json;charset=utf-8"
#define SCHEMAS   "http://redfish.dmtf.org/schemas/v1/"

static _Thread_local struct api *serving; /* by this thread */

void reply_serve(struct api *api)
{
	serving = api;
}

struct api *reply_api(void)
{
	return serving;
}

void answer_add(struct answer *answer, const char *name, struct str value)
{
	if (answer->n_headers < ANSWER_MAX_HEADERS && value.len > 0)
		answer->headers[answer->n_headers++] = (struct http_header){ str_of(name), value };
}

void answer_init(struct answer *answer, struct http_request *request, int status, const char *type)
{
	*answer = (struct answer){ .request = request, .status = status };
	answer_add(answer, "Content-Type", str_of(type));
	answer_add(answer, "OData-Version", STR("4.0"));
}

static bool is_worth_packing(const struct http_request *request, struct str body)
{
	return body.len >= API_GZIP_MIN_BYTES && body.len <= API_GZIP_MAX_BYTES &&
	       negotiate_gzip(http_request_header(request, "Accept-Encoding"));
}

void answer_send(struct answer *answer, const char *cache, struct str body)
{
	struct strbuf packed;

	strbuf_init(&packed, API_GZIP_MAX_BYTES);
	answer_add(answer, "Cache-Control", str_of(cache));
	answer_add(answer, "Vary", STR("Accept, Accept-Encoding, Accept-Language, Authorization"));
	if (is_worth_packing(answer->request, body) && compress_gzip(body, &packed)) {
		answer_add(answer, "Content-Encoding", STR("gzip"));
		body = strbuf_str(&packed);
	}
	http_respond(answer->request, answer->status, answer->headers, answer->n_headers, body);
	strbuf_fini(&packed);
}

/* --- resources ----------------------------------------------------------------------------------
 */

/* The schema of the body's "@odata.type", which stands near its beginning. */
static void put_schema_link(struct str body, struct strbuf *out)
{
	static const char name[] = "\"@odata.type\":\"#";
	struct str head = { body.p, body.len < 1024 ? body.len : 1024 };
	size_t at = str_find(head, STR(name));
	struct str type;
	size_t end;

	if (at == head.len)
		return;
	type = (struct str){ head.p + at + sizeof(name) - 1, head.len - at - (sizeof(name) - 1) };
	end = str_find_char(type, '"');
	while (end > 0 && type.p[end - 1] != '.')
		end--;
	if (end > 1) /* "Manager.v1_24_0" of "Manager.v1_24_0.Manager" */
		strbuf_putf(out, "<" SCHEMAS "%.*s.json>; rel=describedby", (int)end - 1, type.p);
}

/* Who reads, for what is shown inside the answer. */
struct showing {
	struct http_request *request;
	const struct identity *who; /* NULL: nobody */
};

/* What is shown inside another resource is shown to those who might ask for it themselves. */
static bool encode_member(void *ctx, struct str uri, struct strbuf *out)
{
	const struct showing *showing = ctx;
	struct api *api = reply_api();
	struct place place = resource_find(uri);
	struct target target = { .request = showing->request,
				 .resource = place.resource,
				 .rest = place.rest,
				 .who = showing->who };

	if (!place.resource || !place.resource->encode)
		return false;
	for (size_t i = 0; i < RESOURCE_MAX_IDS; i++)
		target.ids[i] = place.ids[i];
	return visit_may(api, showing->who, place.resource->get.access) &&
	       place.resource->encode(api, &target, out);
}

/* False when the query does not fit: refused. */
static bool shape_answer(struct http_request *request, const struct resource *resource,
			 struct str body, struct strbuf *out)
{
	struct query_options options;
	struct query_fault fault;
	struct identity who;
	struct showing showing = { .request = request, .who = reply_api()->who };
	struct shape shape = { .path = http_request_path(request),
			       .query = http_request_query(request),
			       .options = &options,
			       .done = resource->queries,
			       .encode = encode_member,
			       .ctx = &showing };
	int r;

	r = query_options_parse(shape.query, resource_queries(resource), &options, &fault);
	if (r == 0) {
		if (!showing.who && options.given & (QUERY_EXPAND | QUERY_ONLY) &&
		    visit_who(reply_api(), request, &who)) /* at the root, who is not asked */
			showing.who = &who;
		if (options.given & ~shape.done)
			r = shape_body(&shape, body, out, &fault);
		query_options_fini(&options);
	}
	if (r < 0)
		reply_query_fault(request, &fault);
	return r == 0;
}

static void reply_resource(struct http_request *request, const struct resource *resource,
			   const char *allow, struct str body)
{
	char etag[ETAG_BYTES];
	struct strbuf allowed, link, shaped;
	struct answer answer;

	strbuf_init(&allowed, API_ALLOW_MAX_BYTES);
	strbuf_init(&link, API_LINK_MAX_BYTES);
	strbuf_init(&shaped, API_PAGE_MAX_BYTES);
	if (!shape_answer(request, resource, body, &shaped))
		goto out;
	if (shaped.p)
		body = strbuf_str(&shaped);
	etag_of(body, etag);
	answer_init(&answer, request, 200, JSON_TYPE);
	resource_put_allow(resource, &allowed);
	answer_add(&answer, "Allow", allow ? str_of(allow) : strbuf_str(&allowed));
	put_schema_link(body, &link);
	answer_add(&answer, "Link", strbuf_str(&link));
	answer_add(&answer, "ETag", str_of(etag));
	if (etag_is_listed(http_request_header(request, "If-None-Match"), etag))
		answer.status = 304;
	answer_send(&answer, "no-cache", answer.status == 304 ? STR("") : body);
out:
	strbuf_fini(&allowed);
	strbuf_fini(&link);
	strbuf_fini(&shaped);
}

void reply_json(struct http_request *request, int status, const char *allow, struct str body)
{
	const struct resource *resource = resource_find(http_request_path(request)).resource;
	enum http_method method = http_request_method(request);
	struct answer answer;

	if (status == 200 && (method == HTTP_GET || method == HTTP_HEAD) && resource &&
	    !(resource->flags & RESOURCE_PLAIN)) {
		reply_resource(request, resource, allow, body);
		return;
	}
	answer_init(&answer, request, status, JSON_TYPE);
	answer_add(&answer, "Allow", str_of(allow));
	answer_send(&answer, "no-store", body);
}

void reply_json_with(struct http_request *request, int status, const char *name, struct str value,
		     struct str body)
{
	struct answer answer;

	answer_init(&answer, request, status, JSON_TYPE);
	answer_add(&answer, name, value);
	answer_send(&answer, "no-store", body);
}

void reply_changed(struct http_request *request, struct str body, struct str notes)
{
	char etag[ETAG_BYTES];
	struct strbuf link, noted;
	struct answer answer;

	strbuf_init(&link, API_LINK_MAX_BYTES);
	strbuf_init(&noted, API_PAGE_MAX_BYTES);
	put_schema_link(body, &link);
	answer_init(&answer, request, 200, JSON_TYPE);
	answer_add(&answer, "Link", strbuf_str(&link));
	answer_add(&answer, "ETag", str_of(etag_of(body, etag)));
	if (body.len > 0 && notes.len > 0) {
		strbuf_put(&noted, (struct str){ body.p, body.len - 1 });
		strbuf_put(&noted, notes);
		strbuf_put_char(&noted, '}');
		body = strbuf_str(&noted);
	}
	answer_send(&answer, "no-store", body);
	strbuf_fini(&link);
	strbuf_fini(&noted);
}

void reply_created(struct http_request *request, struct str location, const char *token,
		   struct str body)
{
	char etag[ETAG_BYTES];
	struct strbuf link;
	struct answer answer;

	strbuf_init(&link, API_LINK_MAX_BYTES);
	put_schema_link(body, &link);
	answer_init(&answer, request, 201, JSON_TYPE);
	answer_add(&answer, "Location", location);
	answer_add(&answer, "X-Auth-Token", str_of(token));
	answer_add(&answer, "Link", strbuf_str(&link));
	answer_add(&answer, "ETag", str_of(etag_of(body, etag)));
	answer_send(&answer, "no-store", body);
	strbuf_fini(&link);
}

void reply_text(struct http_request *request, int status, const char *type, struct str body)
{
	const struct resource *resource = resource_find(http_request_path(request)).resource;
	struct strbuf allow;
	struct answer answer;

	strbuf_init(&allow, API_ALLOW_MAX_BYTES);
	if (resource && !(resource->flags & RESOURCE_PLAIN))
		resource_put_allow(resource, &allow);
	answer_init(&answer, request, status, type);
	answer_add(&answer, "Allow", strbuf_str(&allow));
	answer_send(&answer, "no-store", body);
	strbuf_fini(&allow);
}

void reply_empty(struct http_request *request)
{
	struct answer answer = { .request = request, .status = 204 };

	answer_add(&answer, "OData-Version", STR("4.0"));
	answer_send(&answer, "no-store", STR(""));
}

bool reply_if_match(struct http_request *request, const char *etag, bool required)
{
	struct str wanted = http_request_header(request, "If-Match");

	if (!wanted.p && !required)
		return true;
	if (wanted.p && etag_is_listed(wanted, etag))
		return true;
	if (wanted.p)
		reply_error(request, 412, "PreconditionFailed");
	else
		reply_error(request, 428, "PreconditionRequired");
	return false;
}

bool reply_names_version(const struct http_request *request)
{
	struct str wanted = http_request_header(request, "If-Match");

	return wanted.p && !str_eq(str_trim(wanted), STR("*"));
}
