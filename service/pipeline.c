#include "service/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/seal.h"
#include "base/slot.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/guard.h"
#include "event/limits.h"
#include "event/source_set.h"
#include "forward/forwarder.h"
#include "receiver/limits.h"
#include "receiver/receiver.h"
#include "registries/default_words.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "service/condition_watch.h"
#include "service/conditions.h"
#include "service/config.h"
#include "service/doors.h"
#include "service/env_file.h"
#include "service/keeper.h"
#include "service/reach.h"
#include "service/registry_loader.h"
#include "service/shared_watch.h"
#include "storage/journal.h"
#include "storage/journal_adopt.h"
#include "storage/journal_thread.h"
#include "storage/loader.h"
#include "storage/private_pg.h"
#include "storage/query_pool.h"
#include "storage/search_blocks.h"
#include "storage/upkeep.h"
#include "stream/feed.h"
#include "subscribe/registry_fetcher.h"
#include "subscribe/registry_watch.h"
#include "translations/catalog.h"

#define QUERY_THREADS         2
#define WRITE_THREADS         2 /* one may be at something long */
#define RING_EVENTS           65536
#define RING_MAX_BYTES        (96u << 20)
#define JOURNAL_RESERVE_BYTES (1u << 20) /* for own events when the journal is full */
/* SIGTERM has 10 s in all: each station its share. */
#define START_GRACE_US	   (3 * CLOCK_US_PER_S)
#define OWN_START_GRACE_US (30 * CLOCK_US_PER_S) /* initdb on a busy disk */

#define STOP_RECEIVER_MS 2000
#define STOP_LOADER_MS   3000
#define STOP_API_MS      1000
#define STOP_POSTGRES_MS 3000

struct pipeline {
	struct keeper *keeper;
	struct conditions *conditions;
	struct condition_watch *condition_watch;
	struct doors doors;
	char *journal_dir, *data_dir, *url, *node, *default_language, *public_url, *sources_file,
		*tasks_path;
	struct private_pg *private_pg;
	struct shared_watch *shared_watch;
	struct registry_loader *registries;
	struct registry_watch *registry_watch;
	struct registry_fetcher *registry_fetcher;
	struct reach *reach;
	struct journal *journal;
	struct feed *feed;
	struct loader *loader;
	struct upkeep *upkeep;
	struct search *search;
	struct journal_thread *journal_thread;
	struct receiver *receiver;
	struct query_pool *pool, *writes;
	char *registry_mirror;
	struct default_words *default_words;
	struct accounts *accounts;
	struct forwarder *forwarder;
	struct api *api;
};

/* --- the stations in between ------------------------------------------------------------------ */

/* Whether its sender's own registries may tell more: nobody knows the id, or it is a guess. */
static bool is_unknown(const struct event *event)
{
	enum resolve_step step = event->resolved_by.step;

	return event->message_id.len > 0 &&
	       (step == STEP_NONE || step == STEP_SENDER || step >= STEP_OTHER_MAJOR);
}

/* Resolve with the newest registries; the reference is held for this delivery only. */
static void resolve_all(struct pipeline *pipeline, struct delivery *delivery)
{
	struct registry_set *set = slot_get(registry_loader_slot(pipeline->registries));
	struct catalog_set *catalogs = slot_get(registry_loader_catalogs(pipeline->registries));
	bool unknown = false;

	for (uint32_t i = 0; i < delivery->n_events; i++) {
		resolve_event(set, delivery->source, &delivery->events[i], delivery->arena);
		default_words_put(pipeline->default_words, set, catalogs, delivery->source,
				  &delivery->events[i], delivery->arena);
		unknown |= is_unknown(&delivery->events[i]);
	}
	if (unknown)
		registry_fetcher_want(pipeline->registry_fetcher, delivery->source);
	catalog_set_unref(catalogs);
	registry_set_unref(set);
	delivery_set_prepared(delivery);
}

/* On a receiver worker, while the journal syncs. Before the registries are read the resolving is
 * left to the loader: a worker must not wait, and words stored now would be poor. With memory
 * short, all of it is: a small body can be a large delivery. */
static void prepare_on_worker(void *ctx, struct delivery *delivery)
{
	struct pipeline *pipeline = ctx;

	if (deliveries_bytes() > DELIVERIES_MAX_BYTES) {
		delivery_skip(delivery);
		return;
	}
	decode_delivery(delivery);
	if (registry_loader_is_ready(pipeline->registries))
		resolve_all(pipeline, delivery);
	else
		delivery_leave(delivery);
}

/* On the loader, for what comes back from disk and for what the workers left. */
static void prepare_on_loader(void *ctx, struct delivery *delivery)
{
	struct pipeline *pipeline = ctx;

	registry_loader_wait(pipeline->registries);
	if (!delivery_is_left(delivery))
		decode_delivery(delivery);
	resolve_all(pipeline, delivery);
}

static void offer(void *ctx, struct delivery *first)
{
	struct pipeline *pipeline = ctx;

	loader_offer(pipeline->loader, first);
}

static void durable(void *ctx, uint64_t segment_number, uint64_t end)
{
	struct pipeline *pipeline = ctx;

	loader_durable(pipeline->loader, segment_number, end);
}

static void on_connected(void *ctx, struct uuid epoch, int64_t oldest_seq, int64_t last_seq)
{
	struct pipeline *pipeline = ctx;

	keeper_log_seen(pipeline->keeper, epoch, oldest_seq, last_seq);
	feed_connected(pipeline->feed, epoch, oldest_seq, last_seq);
}

/* Loader -> feed, and the highest seq this node saw. */
static void publish(void *ctx, struct entry_batch *batch, bool provisional)
{
	struct pipeline *pipeline = ctx;

	feed_publish(pipeline->feed, batch, provisional);
	if (!provisional) {
		struct feed_bounds bounds = feed_bounds(pipeline->feed);

		keeper_log_seen(pipeline->keeper, bounds.epoch, bounds.oldest_seq, bounds.last_seq);
	}
}

/* --- own conditions: what the stations tell of themselves -------------------------------------- */

/* On the loader. */
static void on_set_aside(void *ctx, struct uuid source, const char *reason, struct str detail)
{
	struct pipeline *pipeline = ctx;
	struct source_set *set = slot_get(keeper_sources(pipeline->keeper));
	const struct source *known = set ? source_set_by_id(set, source) : NULL;
	char id[UUID_TEXT_BYTES], words[CONDITION_MAX_ARG_BYTES];
	struct str name = known ? known->name : str_of(uuid_format(source, id));
	bool is_refused = strcmp(reason, "refused_by_database") == 0;
	int n = snprintf(words, sizeof(words), detail.len > 0 ? "%s: %.*s" : "%s", reason,
			 (int)str_cut(detail, CONDITION_MAX_ARG_BYTES / 2).len, detail.p);

	/* Ours say so themselves, and would go on for ever. */
	if (!uuid_eq(source, condition_source_id(keeper_node(pipeline->keeper))))
		conditions_report(pipeline->conditions,
				  is_refused ? CONDITION_REFUSED_ROW : CONDITION_QUARANTINED,
				  uuid_is_zero(source) ? STR("unknown") : name,
				  (struct str){ words, (size_t)n });
	source_set_unref(set);
}

/* On the loader. */
static void on_new_epoch(void *ctx, struct uuid before, struct uuid now)
{
	struct pipeline *pipeline = ctx;
	char texts[2][UUID_TEXT_BYTES];
	const struct str args[] = { str_of(uuid_format(before, texts[0])),
				    str_of(uuid_format(now, texts[1])) };

	conditions_tell(pipeline->conditions, CONDITION_EPOCH_CHANGED, STR(""), args, 2);
}

/* These three on the forwarder. */
static void on_failing(void *ctx, struct str name, struct str why)
{
	struct pipeline *pipeline = ctx;
	const struct str args[] = { name, why };

	conditions_raise(pipeline->conditions, CONDITION_FORWARDER_FAILING, name, args, 2);
}

static void on_well(void *ctx, struct str name)
{
	struct pipeline *pipeline = ctx;

	conditions_clear(pipeline->conditions, CONDITION_FORWARDER_FAILING, name);
}

static void on_subscription_ended(void *ctx, struct str name, struct str why)
{
	struct pipeline *pipeline = ctx;
	const struct str args[] = { name, why };

	conditions_tell(pipeline->conditions, CONDITION_DEAD_LETTER, name, args, 2);
}

/* On the journal thread, which ends the process then. */
static void on_journal_lost(void *ctx, const char *words)
{
	struct pipeline *pipeline = ctx;

	conditions_last_words(pipeline->conditions, CONDITION_JOURNAL_WRITE, str_of(words));
}

/* While the operators' door is open, so while the loader is there. */
static void on_scrape(void *ctx)
{
	struct pipeline *pipeline = ctx;

	metric_set(METRIC_JOURNAL_OLDEST, NULL, loader_oldest_seconds(pipeline->loader));
	metric_set(METRIC_JOURNAL_BYTES, NULL, (double)journal_bytes(pipeline->journal));
}

/* Before the keeper writes down what this node saw of the log, by whichever replica. */
static void tell_what_was_seen(void *ctx)
{
	struct pipeline *pipeline = ctx;
	struct feed_bounds bounds = feed_bounds(pipeline->feed);

	loader_saw(pipeline->loader, bounds.epoch, bounds.last_seq);
	keeper_log_seen(pipeline->keeper, bounds.epoch, bounds.oldest_seq, bounds.last_seq);
	keeper_gone(pipeline->keeper, journal_gone_seq(pipeline->journal));
}

static bool is_ready(void *ctx)
{
	struct pipeline *pipeline = ctx;
	struct source_set *sources = slot_get(keeper_sources(pipeline->keeper));
	bool knows_sources = sources && source_set_is_current(sources);

	source_set_unref(sources);
	return knows_sources && loader_is_connected(pipeline->loader) &&
	       accounts_are_in_step(pipeline->accounts);
}

/* --- starting, floor first ---------------------------------------------------------------------
 */

/* Before anything is appended, so the receiver opens when the copies are made. A folder that cannot be
 * taken over, for a replica still runs on it, is no reason not to serve. */
static void adopt_journals(struct pipeline *pipeline, const struct config *config)
{
	for (size_t i = 0; i < config->storage_adopt.n; i++) {
		char *dir = xasprintf("%s/journal", config->storage_adopt.items[i]);
		struct err err = { "" };
		int n = journal_adopt(pipeline->journal, dir, &err);

		if (n < 0)
			log_error("service", "a journal was not taken over",
				  LOG_T("err", err.text));
		else
			log_info("service", "journal of a replica that is gone taken over",
				 LOG_T("folder", dir), LOG_I("segments", n));
		free(dir);
	}
}

/* Our own events have a source like all others, known from the start. */
static void open_conditions(struct pipeline *pipeline, const struct config *config)
{
	const struct conditions_config conditions = {
		.state_dir = config->state_dir,
		.source = condition_source_id(keeper_node(pipeline->keeper)),
	};
	const struct source own = { .id = conditions.source,
				    .name = STR(CONDITIONS_SOURCE_NAME),
				    .address = STR(CONDITIONS_SOURCE_NAME),
				    .state = SOURCE_ENROLLED,
				    .created_us = clock_time_us() };

	conditions_open(&conditions, &pipeline->conditions);
	keeper_enrolled(pipeline->keeper, &own);
}

/* What this node has on its own disk. */
static int start_state(struct pipeline *pipeline, const struct config *config, struct loop *loop,
		       struct err *err)
{
	const struct journal_config journal = {
		.dir = pipeline->journal_dir,
		.max_bytes = (uint64_t)config->storage_journal_max_bytes,
		.reserve_bytes = JOURNAL_RESERVE_BYTES,
		.keep_us = config->storage_journal_keep_us,
	};
	char *guard = xasprintf("%s/decode-guard", config->state_dir);
	char node[UUID_TEXT_BYTES];
	int r;

	r = journal_open(&journal, &pipeline->journal, err);
	if (r == 0)
		adopt_journals(pipeline, config);
	if (r == 0)
		r = guard_open(guard, err);
	if (r == 0)
		r = keeper_open(config, loop, &pipeline->keeper, err);
	if (r == 0)
		pipeline->node = xstrdup(uuid_format(keeper_node(pipeline->keeper), node));
	if (r == 0)
		open_conditions(pipeline, config);
	free(guard);
	return r;
}

static int start_database(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	const struct private_pg_config private_pg = { .state_dir = config->state_dir };
	int r = 0;

	if (!config->storage_url)
		pipeline->data_dir = xasprintf("%s/postgresql", config->state_dir);
	if (!config->storage_url)
		r = private_pg_start(&private_pg, &pipeline->private_pg, err);
	if (r == 0)
		pipeline->url = xstrdup(config->storage_url ? config->storage_url
							    : private_pg_url(pipeline->private_pg));
	return r;
}

static int start_registries(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	const char *url = config->storage_direct_url ? config->storage_direct_url : pipeline->url;
	int r;

	pipeline->registry_mirror = registry_loader_mirror(config);

	r = registry_loader_start(config, &pipeline->registries, err);
	if (r == 0)
		r = registry_watch_start(url, pipeline->registry_mirror, registry_loader_again,
					 pipeline->registries, &pipeline->registry_watch, err);
	if (r == 0)
		r = registry_fetcher_start(pipeline->url, &pipeline->registry_fetcher, err);
	if (r == 0)
		pipeline->reach = reach_new(pipeline->keeper, pipeline->registry_fetcher, config);
	return r;
}

static int start_log(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	struct feed_config feed = {
		.url = config->storage_direct_url ? config->storage_direct_url : pipeline->url,
		.ring_events = RING_EVENTS,
		.ring_max_bytes = RING_MAX_BYTES,
	};
	struct loader_config loader = {
		.url = pipeline->url,
		.node = pipeline->node,
		.journal_dir = pipeline->journal_dir,
		.journal = pipeline->journal,
		.sources = keeper_sources(pipeline->keeper),
		.prepare = prepare_on_loader,
		.prepare_ctx = pipeline,
		.publish = publish,
		.publish_ctx = pipeline,
		.on_connected = on_connected,
		.on_connected_ctx = pipeline,
		.on_set_aside = on_set_aside,
		.on_new_epoch = on_new_epoch,
		.on_ctx = pipeline,
		.repeat_window_us = config->receiver_repeat_window_us,
		.start_grace_us = pipeline->private_pg ? OWN_START_GRACE_US : START_GRACE_US,
		.alone = pipeline->private_pg,
	};
	int r;

	keeper_log(pipeline->keeper, &feed.epoch, &feed.oldest_seq, &feed.last_seq);
	loader.epoch = feed.epoch;
	loader.last_seq = feed.last_seq;
	journal_set_gone_seq(pipeline->journal, keeper_gone_seq(pipeline->keeper));
	r = feed_start(&feed, &pipeline->feed, err);
	if (r == 0)
		r = loader_start(&loader, &pipeline->loader, err);
	if (r == 0)
		keeper_on_save(pipeline->keeper, tell_what_was_seen, pipeline);
	return r;
}

/* What is done behind the log's end. */
static int start_chores(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	const char *url = config->storage_direct_url ? config->storage_direct_url : pipeline->url;
	const struct upkeep_config upkeep = {
		.url = url,
		.node = pipeline->node,
		.journal = pipeline->journal,
		.keep_events_us = config->storage_keep_events_us,
		.keep_metric_reports_us = config->storage_keep_metric_reports_us,
		.repeat_window_us = config->receiver_repeat_window_us,
	};

	int r = upkeep_start(&upkeep, &pipeline->upkeep, err);

	return r < 0 ? r : search_start(url, &pipeline->search, err);
}

static int start_intake(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	const struct journal_thread_config journal_thread = {
		.journal = pipeline->journal,
		.offer = offer,
		.durable = durable,
		.loader_ctx = pipeline,
		.acknowledge_database = config->storage_acknowledge == ACKNOWLEDGE_DATABASE,
		.lost = on_journal_lost,
		.lost_ctx = pipeline,
	};
	struct receiver_config receiver = {
		.n_workers = (size_t)config->receiver_workers,
		.addresses = pipeline->doors.receiver,
		.n_addresses = pipeline->doors.n_receiver,
		.limits = http_default_limits,
		.sources = keeper_sources(pipeline->keeper),
		.unknown_sources = (enum receiver_unknown)config->receiver_unknown_sources,
		.not_json = (enum receiver_not_json)config->receiver_not_json,
		.max_sources = (size_t)config->receiver_max_sources + 1, /* and our own */
		.reply_status = (int)config->receiver_reply_status,
		.max_unverified = RECEIVER_MAX_UNVERIFIED,
		.max_deliveries_bytes = RECEIVER_MAX_DELIVERIES,
		.deliver = journal_thread_deliver,
		.prepare = prepare_on_worker,
		.prepare_ctx = pipeline,
		.enrolled = keeper_enrolled,
		.enrolled_ctx = pipeline->keeper,
	};
	int r;

	r = journal_thread_start(&journal_thread, &pipeline->journal_thread, err);
	if (r < 0)
		return r;
	receiver.deliver_ctx = pipeline->journal_thread;
	receiver.limits.max_connections = RECEIVER_MAX_CONNECTIONS;
	receiver.limits.max_connections_per_peer = RECEIVER_MAX_PER_PEER;
	receiver.limits.max_body_bytes = (size_t)config->receiver_max_body_bytes;
	receiver.limits.max_body_bytes_total = RECEIVER_MAX_BODY_TOTAL;
	return receiver_start(&receiver, &pipeline->receiver, err);
}

/* Once there is a way for their events. The configuration that we run with is a good one. */
static int start_conditions(struct pipeline *pipeline, const struct config *config,
			    struct loop *loop, struct err *err)
{
	const struct conditions_door door = {
		.deliver = journal_thread_deliver,
		.deliver_ctx = pipeline->journal_thread,
		.prepare = prepare_on_worker,
		.prepare_ctx = pipeline,
	};
	const struct condition_watch_config watch = {
		.conditions = pipeline->conditions,
		.journal = pipeline->journal,
		.journal_room_bytes =
			(uint64_t)config->storage_journal_max_bytes - JOURNAL_RESERVE_BYTES,
		.loader = pipeline->loader,
		.sources = keeper_sources(pipeline->keeper),
		.max_sources = (size_t)config->receiver_max_sources,
		.max_deliveries_bytes = RECEIVER_MAX_DELIVERIES,
		.loop = loop,
	};

	conditions_clear(pipeline->conditions, CONDITION_CONFIGURATION, STR(""));
	condition_watch_start(&watch, config, &pipeline->condition_watch);
	return conditions_start(pipeline->conditions, &door, err);
}

static int start_accounts(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	char *mirror = xasprintf("%s/accounts", config->state_dir);
	char *audit = xasprintf("%s/audit-queue", config->state_dir);
	const struct accounts_config accounts = {
		.url = config->storage_direct_url ? config->storage_direct_url : pipeline->url,
		.mirror_path = mirror,
		.audit_path = audit,
		.node = keeper_node(pipeline->keeper),
		.founder = "admin",
		.founder_hash = keeper_admin_hash(pipeline->keeper),
		.make_hash = keeper_admin_hash_or_new,
		.make_hash_ctx = pipeline->keeper,
		.on_founder = keeper_check_password,
		.keep_audit_us = config->storage_keep_audit_us,
	};
	int r = accounts_start(&accounts, &pipeline->accounts, err);

	free(mirror);
	free(audit);
	return r;
}

static int start_forwarder(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	struct forwarder_config forwarder = {
		.url = pipeline->url,
		.feed = pipeline->feed,
		.sources = keeper_sources(pipeline->keeper),
		.key = keeper_seal_key(pipeline->keeper),
		.ca_file = config->subscriptions_ca,
		.rules = { config->subscriptions_retry_interval_us,
			   (unsigned)config->subscriptions_retry_attempts },
		.on_failing = on_failing,
		.on_well = on_well,
		.on_ended = on_subscription_ended,
		.on_ctx = pipeline,
	};

	return forwarder_start(&forwarder, &pipeline->forwarder, err);
}

static int start_api(struct pipeline *pipeline, const struct config *config, struct err *err)
{
	struct api_config api = {
		.addresses = pipeline->doors.api,
		.n_addresses = pipeline->doors.n_api,
		.uuid = keeper_node(pipeline->keeper),
		.metrics_public = config->api_metrics_public,
		.origins = config->api_origins.items,
		.n_origins = config->api_origins.n,
		.accounts = pipeline->accounts,
		.sources = keeper_sources(pipeline->keeper),
		.max_sources = (size_t)config->receiver_max_sources,
		.sources_file = pipeline->sources_file,
		.seal_key = keeper_seal_key(pipeline->keeper),
		.public_url = pipeline->public_url,
		.registries = registry_loader_slot(pipeline->registries),
		.catalogs = registry_loader_catalogs(pipeline->registries),
		.default_language = pipeline->default_language,
		.feed = pipeline->feed,
		.is_ready = is_ready,
		.is_ready_ctx = pipeline,
		.forwarder = pipeline->forwarder,
		.allow_http = config->subscriptions_allow_http,
		.deliver = journal_thread_deliver,
		.deliver_ctx = pipeline->journal_thread,
		.own_source = condition_source_id(keeper_node(pipeline->keeper)),
	};
	int r;

	r = query_pool_start(config->storage_read_url ? config->storage_read_url : pipeline->url,
			     QUERY_THREADS, &pipeline->pool, err);
	if (r < 0)
		return r;
	r = query_pool_start(pipeline->url, WRITE_THREADS, &pipeline->writes, err);
	if (r < 0)
		return r;
	api.pool = pipeline->pool;
	api.writes = pipeline->writes;
	api.data_dir = pipeline->data_dir;
	api.keep_events_us = config->storage_keep_events_us;
	api.prepare = prepare_on_loader;
	api.prepare_delivered = prepare_on_worker;
	api.prepare_ctx = pipeline;
	api.tasks_path = pipeline->tasks_path;
	api.registry_mirror = pipeline->registry_mirror;
	api.fetcher = pipeline->registry_fetcher;
	metrics_on_scrape(on_scrape, pipeline);
	return api_start(&api, &pipeline->api, err);
}

static int start_shared(struct pipeline *pipeline, const struct config *config, struct loop *loop,
			struct err *err)
{
	const struct shared_watch_config watch = {
		.url = config->storage_direct_url ? config->storage_direct_url : pipeline->url,
		.is_private = !config->storage_url,
		.keeper = pipeline->keeper,
		.key_file = config->secrets_key_file,
		.loop = loop,
	};

	return shared_watch_start(&watch, &pipeline->shared_watch, err);
}

int pipeline_start(const struct config *config, struct loop *loop, struct pipeline **out,
		   struct err *err)
{
	struct pipeline *pipeline = xcalloc(1, sizeof(*pipeline));
	int r;

	pipeline->default_language =
		xstrdup(config->default_language ? config->default_language : "en");
	pipeline->default_words = default_words_new();
	pipeline->journal_dir = xasprintf("%s/journal", config->state_dir);
	pipeline->public_url = env_public_url(config);
	pipeline->tasks_path = xasprintf("%s/tasks", config->state_dir);
	pipeline->sources_file = xasprintf(
		"The source is declared in the configuration (%s): change its entry of sources there, "
		"and send SIGHUP.",
		config->path ? config->path : "given by --set");
	r = doors_open(config, &pipeline->doors, err);
	if (r == 0)
		r = start_state(pipeline, config, loop, err);
	if (r == 0)
		r = start_database(pipeline, config, err);
	if (r == 0)
		r = start_registries(pipeline, config, err);
	if (r == 0)
		r = start_log(pipeline, config, err);
	if (r == 0)
		r = start_chores(pipeline, config, err);
	if (r == 0)
		r = start_intake(pipeline, config, err);
	if (r == 0)
		r = start_shared(pipeline, config, loop, err);
	if (r == 0)
		log_info("service", "receiver listens");
	if (r == 0)
		r = start_conditions(pipeline, config, loop, err);
	if (r == 0)
		r = start_accounts(pipeline, config, err);
	if (r == 0)
		r = start_forwarder(pipeline, config, err);
	if (r == 0)
		r = start_api(pipeline, config, err);
	if (r < 0) {
		pipeline_stop(pipeline);
		return r;
	}
	log_info("service", "operators' door listens");
	*out = pipeline;
	return 0;
}

int pipeline_verdict(const struct pipeline *pipeline, struct err *err)
{
	return shared_watch_verdict(pipeline->shared_watch, err);
}

void pipeline_reload(struct pipeline *pipeline, const struct config *config)
{
	struct err err;

	keeper_reconfigure(pipeline->keeper, config);
	if (doors_reload(&pipeline->doors, config, &err) < 0) {
		log_error("service", "certificates not reloaded, the old ones stay",
			  LOG_T("err", err.text));
		pipeline_reload_refused(pipeline, err.text);
	} else {
		conditions_clear(pipeline->conditions, CONDITION_CONFIGURATION, STR(""));
	}
	condition_watch_reconfigure(pipeline->condition_watch, config);
	registry_loader_reload(pipeline->registries, config);
	reach_reconfigure(pipeline->reach, config);
}

void pipeline_reload_refused(struct pipeline *pipeline, const char *words)
{
	const struct str reason = str_of(words);

	conditions_raise(pipeline->conditions, CONDITION_CONFIGURATION, STR(""), &reason, 1);
}

void pipeline_stop(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	if (pipeline->loader)
		tell_what_was_seen(pipeline);
	if (pipeline->keeper)
		keeper_on_save(pipeline->keeper, NULL, NULL);
	registry_fetcher_cancel(pipeline->registry_fetcher);
	if (pipeline->receiver) {
		receiver_drain(pipeline->receiver);
		receiver_stop(pipeline->receiver, STOP_RECEIVER_MS);
	}
	forwarder_halt(pipeline->forwarder);
	search_stop(pipeline->search);
	upkeep_stop(pipeline->upkeep);
	condition_watch_stop(pipeline->condition_watch);
	conditions_stop(pipeline->conditions);
	journal_thread_stop(pipeline->journal_thread);
	/* What is not in the log by then is in the journal, and the next start loads it. */
	if (pipeline->loader && loader_is_connected(pipeline->loader))
		loader_drain(pipeline->loader, STOP_LOADER_MS);
	/* Their answers come before the API is gone. */
	registry_fetcher_halt(pipeline->registry_fetcher);
	query_pool_halt(pipeline->pool);
	query_pool_halt(pipeline->writes);
	api_stop(pipeline->api, STOP_API_MS);
	accounts_stop(pipeline->accounts);
	forwarder_stop(pipeline->forwarder);
	loader_stop(pipeline->loader);
	receiver_free(pipeline->receiver);
	feed_stop(pipeline->feed);
	query_pool_stop(pipeline->pool);
	query_pool_stop(pipeline->writes);
	reach_free(pipeline->reach);
	registry_fetcher_stop(pipeline->registry_fetcher);
	registry_watch_stop(pipeline->registry_watch);
	registry_loader_stop(pipeline->registries);
	shared_watch_stop(pipeline->shared_watch);
	private_pg_stop(pipeline->private_pg, STOP_POSTGRES_MS);
	conditions_close(pipeline->conditions);
	keeper_close(pipeline->keeper);
	guard_close();
	journal_close(pipeline->journal); /* and with it the lock on the state */
	doors_fini(&pipeline->doors);
	default_words_free(pipeline->default_words);
	free(pipeline->journal_dir);
	free(pipeline->public_url);
	free(pipeline->tasks_path);
	free(pipeline->sources_file);
	free(pipeline->data_dir);
	free(pipeline->url);
	free(pipeline->node);
	free(pipeline->registry_mirror);
	free(pipeline->default_language);
	free(pipeline);
}
