#include "api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "accounts/limits.h"
#include "accounts/login.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/limits.h"
#include "api/log_entry.h"
#include "api/reply.h"
#include "api/service_root.h"
#include "api/websocket.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "base/thread.h"
#include "event/source_set.h"
#include "registries/limits.h"
#include "registries/registry.h"
#include "stream/words.h"
#include "translations/catalog.h"

#define METRICS_MAX_BYTES (4u << 20)
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

typedef void route_fn(struct api *api, const struct target *target);

/* A path, or a path with anything behind it, and who may use it. GET implies HEAD. What is no GET is a
 * change and noted in the Audit log, unless it only asks. */
struct route {
	const char *path;
	bool with_rest;
	enum http_method method;
	enum route_access access;
	const char *allow;
	route_fn *fn;
};

static void get_healthy(struct api *api, const struct target *target);
static void get_ready(struct api *api, const struct target *target);
static void get_metrics(struct api *api, const struct target *target);
static void get_resource(struct api *api, const struct target *target);

#define SOURCES_PATH "/redfish/v1/AggregationService/AggregationSources"
#define ACCOUNT_ALLOW "GET, HEAD, PATCH, DELETE"

static const struct route routes[] = {
	{ "/-/healthy", false, HTTP_GET, ACCESS_OPEN, "GET, HEAD", get_healthy },
	{ "/-/ready", false, HTTP_GET, ACCESS_OPEN, "GET, HEAD", get_ready },
	{ "/metrics", false, HTTP_GET, ACCESS_METRICS, "GET, HEAD", get_metrics },
	{ "/stream", false, HTTP_GET, ACCESS_STREAM, "GET", stream_get },
	{ "/redfish", false, HTTP_GET, ACCESS_OPEN, "GET, HEAD", get_resource },
	{ "/redfish/v1", false, HTTP_GET, ACCESS_OPEN, "GET, HEAD", get_resource },
	{ LOG_ENTRIES_PATH, false, HTTP_GET, ACCESS_READ, "GET, HEAD", entries_get },
	{ LOG_ENTRIES_PATH "/", true, HTTP_GET, ACCESS_READ, "GET, HEAD", entries_get_one },
	{ REGISTRIES_PATH, false, HTTP_GET, ACCESS_READ, "GET, HEAD, POST", registries_get },
	{ REGISTRIES_PATH, false, HTTP_POST, ACCESS_ADMINISTER, "GET, HEAD, POST", registries_add },
	{ REGISTRIES_PATH "/Actions/Oem/Rfeventd.Resolve", false, HTTP_POST, ACCESS_ASK, "POST",
	  registries_resolve },
	{ REGISTRIES_PATH "/", true, HTTP_GET, ACCESS_READ, "GET, HEAD, DELETE", registries_get_one },
	{ REGISTRIES_PATH "/", true, HTTP_DELETE, ACCESS_ADMINISTER, "GET, HEAD, DELETE",
	  registries_remove },
	{ SOURCES_PATH "/", true, HTTP_POST, ACCESS_OPERATE, "POST", sources_act },
	{ ACCOUNT_SERVICE_PATH, false, HTTP_GET, ACCESS_READ, "GET, HEAD, PATCH", account_service_get },
	{ ACCOUNT_SERVICE_PATH, false, HTTP_PATCH, ACCESS_ADMINISTER, "GET, HEAD, PATCH",
	  account_service_patch },
	{ ACCOUNTS_PATH, false, HTTP_GET, ACCESS_SELF, "GET, HEAD, POST", accounts_list },
	{ ACCOUNTS_PATH, false, HTTP_POST, ACCESS_ADMINISTER, "GET, HEAD, POST", accounts_add },
	{ ACCOUNTS_PATH "/", true, HTTP_GET, ACCESS_SELF, ACCOUNT_ALLOW, accounts_get_one },
	{ ACCOUNTS_PATH "/", true, HTTP_PATCH, ACCESS_SELF, ACCOUNT_ALLOW, accounts_patch },
	{ ACCOUNTS_PATH "/", true, HTTP_DELETE, ACCESS_ADMINISTER, ACCOUNT_ALLOW, accounts_remove },
	{ ROLES_PATH, false, HTTP_GET, ACCESS_READ, "GET, HEAD", roles_list },
	{ ROLES_PATH "/", true, HTTP_GET, ACCESS_READ, "GET, HEAD", roles_get_one },
	{ TOKENS_PATH, false, HTTP_GET, ACCESS_SELF, "GET, HEAD, POST", tokens_list },
	{ TOKENS_PATH, false, HTTP_POST, ACCESS_SELF, "GET, HEAD, POST", tokens_add },
	{ TOKENS_PATH "/", true, HTTP_GET, ACCESS_SELF, "GET, HEAD, DELETE", tokens_get_one },
	{ TOKENS_PATH "/", true, HTTP_DELETE, ACCESS_SELF, "GET, HEAD, DELETE", tokens_remove },
	{ SESSION_SERVICE_PATH, false, HTTP_GET, ACCESS_READ, "GET, HEAD, PATCH", session_service_get },
	{ SESSION_SERVICE_PATH, false, HTTP_PATCH, ACCESS_ADMINISTER, "GET, HEAD, PATCH",
	  session_service_patch },
	{ SESSIONS_PATH, false, HTTP_GET, ACCESS_SELF, "GET, HEAD, POST", sessions_list },
	/* Logging in notes itself. */
	{ SESSIONS_PATH, false, HTTP_POST, ACCESS_OPEN, "GET, HEAD, POST", sessions_add },
	{ SESSIONS_PATH "/Members", false, HTTP_POST, ACCESS_OPEN, "POST", sessions_add },
	{ SESSIONS_PATH "/", true, HTTP_GET, ACCESS_SELF, "GET, HEAD, DELETE", sessions_get_one },
	{ SESSIONS_PATH "/", true, HTTP_DELETE, ACCESS_SELF, "GET, HEAD, DELETE", sessions_remove },
	{ AUDIT_PATH, false, HTTP_GET, ACCESS_ADMINISTER, "GET, HEAD", audit_get },
	{ AUDIT_ENTRIES_PATH, false, HTTP_GET, ACCESS_ADMINISTER, "GET, HEAD", audit_entries_get },
	{ AUDIT_ENTRIES_PATH "/", true, HTTP_GET, ACCESS_ADMINISTER, "GET, HEAD",
	  audit_entries_get_one },
	/* Everything else below is looked up among the fixed resources. */
	{ "/redfish/v1/", true, HTTP_GET, ACCESS_READ, "GET, HEAD", get_resource },
};

static void on_head(struct http_request *request, void *ctx);
static void on_request(struct http_request *request, void *ctx);
static void on_answer(struct http_request *request, int status, void *ctx);
static void on_answers(struct mailbox_item *first, void *ctx);
static void on_turn_end(void *ctx);
static void *run(void *ctx);
static void api_free(struct api *api);

static bool token_is_valid(void *ctx, struct str token)
{
	return auth_token_is_valid(ctx, token);
}

/* The engine counts a TLS stream itself; a plain socket it handed out is given back here. */
static void plain_stream_closed(void *ctx, struct str peer)
{
	struct api *api = ctx;

	http_takeover_closed(api->shared, peer);
}

static int open_server(struct api *api, struct err *err)
{
	const struct api_config *config = &api->config;
	const struct http_handler handler = { .on_head = on_head,
					      .on_request = on_request,
					      .on_answer = on_answer,
					      .ctx = api };
	int r;

	r = loop_new(&api->loop, err);
	if (r == 0)
		r = http_server_new(api->loop, api->shared, &handler, &api->server, err);
	for (size_t i = 0; r == 0 && i < config->n_addresses; i++)
		r = http_server_listen(api->server, &config->addresses[i], err);
	if (r < 0)
		return r;
	r = mailbox_attach(api->answers, api->loop, on_answers, api);
	if (r < 0)
		return err_set(err, r, "api: cannot watch the answers' mailbox");
	loop_on_turn_end(api->loop, on_turn_end, api);
	return 0;
}

int api_start(const struct api_config *config, struct api **out, struct err *err)
{
	struct api *api = xcalloc(1, sizeof(*api));
	struct http_limits limits = http_default_limits;
	struct websocket_config websocket;
	int r;

	limits.max_connections = API_MAX_CONNECTIONS;
	limits.max_connections_per_peer = API_MAX_PER_PEER;
	limits.max_body_bytes = REGISTRY_MAX_BYTES; /* each route has its own */
	limits.max_body_bytes_total = API_MAX_BODY_TOTAL;
	api->config = *config;
	api->shared = http_shared_new(&limits, "api");
	api->auth.accounts = config->accounts;
	api->words = words_new(config->registries, config->catalogs, config->default_language);
	api->answers = mailbox_new(SIZE_MAX); /* bounded by the pool's QUERY_MAX_JOBS */
	slot_refresh(config->sources, &api->sources, &api->sources_version);
	websocket = (struct websocket_config){ .feed = config->feed,
					       .sources = config->sources,
					       .registries = config->registries,
					       .catalogs = config->catalogs,
					       .default_language = config->default_language,
					       .token_valid = token_is_valid,
					       .token_ctx = &api->auth,
					       .closed = plain_stream_closed,
					       .closed_ctx = api };
	r = logins_new(config->accounts, &api->auth.logins, err);
	if (r == 0)
		r = work_pool_start("audit", AUDIT_MAX_WAITING, 0, &api->noting, err);
	if (r == 0)
		r = websocket_start(&websocket, &api->websocket, err);
	if (r == 0)
		r = open_server(api, err);
	if (r == 0)
		r = thread_start(&api->thread, "api", run, api, err);
	api->started = r == 0;
	if (r < 0) {
		api_free(api);
		return r;
	}
	*out = api;
	return 0;
}

void api_stop(struct api *api, int timeout_ms)
{
	if (!api)
		return;
	logins_halt(api->auth.logins);
	work_pool_halt(api->noting);
	atomic_store(&api->draining, true);
	mailbox_wake(api->answers);
	if (!thread_join_within(api->thread, timeout_ms)) {
		loop_stop(api->loop);
		pthread_join(api->thread, NULL);
	}
	api_free(api);
}

static void api_free(struct api *api)
{
	websocket_stop(api->websocket);
	http_server_free(api->server);
	if (api->loop)
		mailbox_detach(api->answers);
	mailbox_free(api->answers);
	loop_free(api->loop);
	http_shared_free(api->shared);
	words_free(api->words);
	logins_free(api->auth.logins);
	work_pool_stop(api->noting);
	source_set_unref(api->sources);
	registry_set_unref(api->registries);
	catalog_set_unref(api->catalogs);
	free(api);
}

static void *run(void *ctx)
{
	struct api *api = ctx;

	loop_run(api->loop);
	return NULL;
}

static void on_answers(struct mailbox_item *first, void *ctx)
{
	struct api *api = ctx;

	while (first) {
		struct mailbox_item *next = first->next;

		struct query_job *query = CONTAINER_OF(first, struct query_job, item);
		struct api_job *job = CONTAINER_OF(query, struct api_job, query);

		api->n_jobs--;
		job->answer(api, job);
		first = next;
	}
}

bool api_submit(struct api *api, struct query_pool *pool, struct api_job *job)
{
	job->query.reply_to = api->answers;
	if (query_pool_submit(pool, &job->query) < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable", NULL,
			    "Too many requests wait for the database; try again in a moment.");
		return false;
	}
	api->n_jobs++;
	return true;
}

static void on_turn_end(void *ctx)
{
	struct api *api = ctx;

	if (!atomic_load(&api->draining))
		return;
	if (!api->drain_begun) {
		api->drain_begun = true;
		http_server_stop_accepting(api->server);
		http_server_drain(api->server);
	}
	if (api->n_jobs == 0 && http_server_is_idle(api->server))
		loop_stop(api->loop);
}

/* --- requests --------------------------------------------------------------------------------- */

static struct str without_slash(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

/* The route of `path`: with the right method when there is one, else any (for its Allow). */
static const struct route *find_route(struct str path, enum http_method method)
{
	const struct route *other = NULL;

	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		struct str pattern = str_of(routes[i].path);
		bool fits = routes[i].with_rest ?
				    str_starts_with(path, pattern) && path.len > pattern.len :
				    str_eq(without_slash(path), pattern);

		if (!fits)
			continue;
		if (routes[i].method == method)
			return &routes[i];
		if (!other)
			other = &routes[i];
	}
	return other;
}

static void on_head(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	enum http_method method = http_request_method(request);
	const struct route *route = find_route(http_request_path(request), method);

	if (!route) {
		reply_error(request, 404, "ResourceMissingAtURI", NULL,
			    "There is nothing at this path. The service begins at /redfish/v1/.");
		return;
	}
	if (!visit_head(api, request, route->access))
		return;
	if (!http_request_limit_body(request, route->fn == registries_add ? REGISTRY_MAX_BYTES :
									    API_MAX_BODY_BYTES))
		reply_error(request, 413, "PayloadTooLarge", NULL,
			    "The body is larger than this resource takes.");
	else if (route->method != (method == HTTP_HEAD ? HTTP_GET : method))
		reply_error(request, 405, "OperationNotAllowed", route->allow,
			    "This resource takes %s.", route->allow);
}

/* Past the door: the resource has it. */
static void serve(struct api *api, struct http_request *request, const struct identity *who)
{
	struct str path = http_request_path(request);
	const struct route *route = find_route(path, http_request_method(request));
	struct target target = { .request = request, .query = http_request_query(request), .who = who };

	slot_refresh(api->config.sources, &api->sources, &api->sources_version);
	if (route->with_rest) {
		size_t n = strlen(route->path);

		target.rest = without_slash((struct str){ path.p + n, path.len - n });
	}
	route->fn(api, &target);
}

static void on_request(struct http_request *request, void *ctx)
{
	struct api *api = ctx;
	const struct route *route =
		find_route(http_request_path(request), http_request_method(request));
	const struct visitor visitor = { .access = route->access,
					 .is_change = route->method != HTTP_GET &&
						      route->access != ACCESS_OPEN &&
						      route->access != ACCESS_ASK,
					 .go_on = serve };

	visit_enter(api, request, &visitor);
}

static void on_answer(struct http_request *request, int status, void *ctx)
{
	visit_answered(ctx, request, status);
}

static void get_healthy(struct api *api, const struct target *target)
{
	reply_json(target->request, 200, NULL, STR("{\"status\":\"ok\"}"));
}

static void get_ready(struct api *api, const struct target *target)
{
	if (api->config.is_ready(api->config.is_ready_ctx))
		reply_json(target->request, 200, NULL, STR("{\"status\":\"ready\"}"));
	else
		reply_json(target->request, 503, NULL,
			   STR("{\"status\":\"not ready\",\"why\":\"the log cannot be reached; events "
			       "are kept in the journal\"}"));
}

static void get_metrics(struct api *api, const struct target *target)
{
	struct strbuf page;

	strbuf_init(&page, METRICS_MAX_BYTES);
	metrics_write(&page);
	reply_text(target->request, 200, OPENMETRICS_TYPE, strbuf_str(&page));
	strbuf_fini(&page);
}

static void get_resource(struct api *api, const struct target *target)
{
	struct str path = without_slash(http_request_path(target->request));
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (service_root_encode(&body, path))
		reply_json(target->request, 200, "GET, HEAD", strbuf_str(&body));
	else
		reply_error(target->request, 404, "ResourceMissingAtURI", NULL,
			    "There is no resource at '%.*s'.", STR_ARG(path));
	strbuf_fini(&body);
}
