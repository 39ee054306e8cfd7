#include "api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "accounts/limits.h"
#include "accounts/login.h"
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/export.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/sse.h"
#include "api/tasks.h"
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
#define OPENMETRICS_TYPE  "application/openmetrics-text; version=1.0.0; charset=utf-8"

static void on_answers(struct mailbox_item *first, void *ctx);
static void on_turn_end(void *ctx);
static void *run(void *ctx);
static void api_free(struct api *api);

static bool whose_token(void *ctx, struct str token, char *account)
{
	struct identity identity;

	if (!auth_token_is_valid(ctx, token, &identity))
		return false;
	memcpy(account, identity.user, sizeof(identity.user));
	return true;
}

static void stream_closed(void *ctx, struct str peer)
{
	struct api *api = ctx;

	http_takeover_closed(api->shared, peer);
}

static bool may_follow(void *ctx, const char *account)
{
	return auth_account_stands(ctx, str_of(account));
}

static int open_server(struct api *api, struct err *err)
{
	const struct api_config *config = &api->config;
	const struct http_handler handler = { .on_head = dispatch_head,
					      .on_request = dispatch_request,
					      .on_answer = dispatch_answer,
					      .ctx = api };
	int r;

	r = loop_new(&api->loop, err);
	if (r == 0)
		r = sse_open(api, may_follow, &api->sse, err);
	if (r == 0)
		r = http_server_new(api->loop, api->shared, &handler, &api->server, err);
	for (size_t i = 0; r == 0 && i < config->n_addresses; i++)
		r = http_server_listen(api->server, &config->addresses[i], err);
	if (r < 0)
		return r;
	r = mailbox_attach(api->answers, api->loop, on_answers, api);
	if (r == 0)
		r = mailbox_attach(api->intakes, api->loop, event_service_on_intakes, api);
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
	api->tasks = tasks_new(api, config->tasks_path);
	api->words = words_new(config->registries, config->catalogs, config->default_language);
	api->answers = mailbox_new(SIZE_MAX); /* bounded by the pool's QUERY_MAX_JOBS */
	api->intakes = mailbox_new(SIZE_MAX); /* bounded by the journal thread's queue */
	slot_refresh(config->sources, &api->sources, &api->sources_version);
	websocket = (struct websocket_config){ .feed = config->feed,
					       .sources = config->sources,
					       .registries = config->registries,
					       .catalogs = config->catalogs,
					       .default_language = config->default_language,
					       .whose_token = whose_token,
					       .may_follow = may_follow,
					       .auth_ctx = &api->auth,
					       .closed = stream_closed,
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
	websocket_halt(api->websocket); /* the loop passes on what is said to those behind TLS */
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
	exports_free(api);
	tasks_free(api->tasks);
	sse_close(api->sse);
	if (api->loop) {
		mailbox_detach(api->answers);
		mailbox_detach(api->intakes);
	}
	mailbox_free(api->answers);
	event_service_drop_intakes(mailbox_take(api->intakes));
	mailbox_free(api->intakes);
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

	reply_serve(api);
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
		if (job->ended)
			job->ended(api);
		if (!task_end(api, job))
			job->answer(api, job);
		first = next;
	}
}

bool api_submit(struct api *api, struct query_pool *pool, struct api_job *job)
{
	job->query.reply_to = api->answers;
	if (query_pool_submit(pool, &job->query) < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) });
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
		exports_drain(api);
		sse_drain(api->sse);
	}
	if (api->n_jobs == 0 && http_server_is_idle(api->server))
		loop_stop(api->loop);
}

/* --- what is no Redfish resource
 * ------------------------------------------------------------------ */

void api_get_healthy(struct api *api, const struct target *target)
{
	reply_json(target->request, 200, NULL, STR("{\"status\":\"ok\"}"));
}

void api_get_ready(struct api *api, const struct target *target)
{
	if (api->config.is_ready(api->config.is_ready_ctx))
		reply_json(target->request, 200, NULL, STR("{\"status\":\"ready\"}"));
	else
		reply_json(
			target->request, 503, NULL,
			STR("{\"status\":\"not ready\",\"why\":\"the log cannot be reached; events "
			    "are kept in the journal\"}"));
}

void api_get_metrics(struct api *api, const struct target *target)
{
	struct strbuf page;

	strbuf_init(&page, METRICS_MAX_BYTES);
	metrics_write(&page);
	reply_text(target->request, 200, OPENMETRICS_TYPE, strbuf_str(&page));
	strbuf_fini(&page);
}
