#include "subscribe/registry_fetcher.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "registries/registry.h"
#include "storage/db.h"
#include "subscribe/limits.h"
#include "subscribe/registry_fetch.h"
#include "subscribe/registry_store.h"

#define N_THREADS          2
#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS            100
/* See registry_store_claim(). */
#define RETRY_US (5 * 60 * CLOCK_US_PER_S)
#define REST_US  (24 * 3600 * CLOCK_US_PER_S)
#define LOOK_US  (60 * CLOCK_US_PER_S) /* between two tries of one source to claim it */
#define AWAY_US  (5 * CLOCK_US_PER_S)  /* the database is: between two tries */

/* A source that can be asked. */
struct entry {
	struct uuid source;
	char *name, *url, *user_name, *password, *ca;
	bool insecure;
	bool queued, wanted; /* wanted: not only by operators */
	int64_t next_us;     /* monotonic: not wanted again before */
	struct registry_ask *asks;
	struct entry *next; /* in the queue */
};

struct worker {
	struct registry_fetcher *fetcher;
	pthread_t thread;
	struct db *db; /* NULL: not connected */
};

struct registry_fetcher {
	char *url;
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	struct map *by_source; /* of entries, by the bytes of their id */
	struct entry *first, **end;
	size_t n_asks;
	atomic_bool stopping;
	size_t n_workers;
	struct worker workers[N_THREADS];
};

static void *run(void *ctx);

static struct str key_of(const struct uuid *source)
{
	return (struct str){ (const char *)source->b, sizeof(source->b) };
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static struct entry *entry_new(const struct source_access *access)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->source = access->source;
	entry->name = copy(access->name);
	entry->url = copy(access->url);
	entry->user_name = copy(access->user_name);
	entry->password = copy(access->password);
	entry->ca = copy(access->ca);
	entry->insecure = access->insecure;
	return entry;
}

static void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	if (entry->password)
		explicit_bzero(entry->password, strlen(entry->password));
	free(entry->name);
	free(entry->url);
	free(entry->user_name);
	free(entry->password);
	free(entry->ca);
	free(entry);
}

static void map_clear(struct map *map)
{
	size_t cursor = 0;
	struct str key;
	void *entry;

	while (map_next(map, &cursor, &key, &entry))
		entry_free(entry);
	map_free(map);
}

int registry_fetcher_start(const char *url, struct registry_fetcher **out, struct err *err)
{
	struct registry_fetcher *fetcher = xcalloc(1, sizeof(*fetcher));
	int r = 0;

	fetcher->url = xstrdup(url);
	fetcher->by_source = map_new(0);
	fetcher->end = &fetcher->first;
	pthread_mutex_init(&fetcher->mutex, NULL);
	pthread_cond_init(&fetcher->filled, NULL);
	while (r == 0 && fetcher->n_workers < N_THREADS) {
		struct worker *worker = &fetcher->workers[fetcher->n_workers];

		worker->fetcher = fetcher;
		r = thread_start(&worker->thread, "registry-fetch", run, worker, err);
		if (r == 0)
			fetcher->n_workers++;
	}
	if (r < 0) {
		registry_fetcher_stop(fetcher);
		return r;
	}
	*out = fetcher;
	return 0;
}

static void give_back(struct registry_ask *ask)
{
	while (!mailbox_put(ask->reply_to, ask->item))
		sched_yield(); /* askers have room for what they asked */
}

static void refuse(struct registry_ask *asks, const char *why)
{
	while (asks) {
		struct registry_ask *ask = asks;

		asks = ask->next;
		ask->result = -ECANCELED;
		snprintf(ask->why, sizeof(ask->why), "%s", why);
		give_back(ask);
	}
}

void registry_fetcher_cancel(struct registry_fetcher *fetcher)
{
	if (!fetcher)
		return;
	pthread_mutex_lock(&fetcher->mutex);
	atomic_store(&fetcher->stopping, true);
	pthread_cond_broadcast(&fetcher->filled);
	pthread_mutex_unlock(&fetcher->mutex);
}

void registry_fetcher_halt(struct registry_fetcher *fetcher)
{
	registry_fetcher_cancel(fetcher);
	if (!fetcher)
		return;
	for (; fetcher->n_workers > 0; fetcher->n_workers--)
		pthread_join(fetcher->workers[fetcher->n_workers - 1].thread, NULL);
	for (struct entry *entry = fetcher->first; entry; entry = entry->next) {
		refuse(entry->asks, "the service is stopping");
		entry->asks = NULL;
	}
}

void registry_fetcher_stop(struct registry_fetcher *fetcher)
{
	registry_fetcher_halt(fetcher);
	if (!fetcher)
		return;
	map_clear(fetcher->by_source);
	pthread_cond_destroy(&fetcher->filled);
	pthread_mutex_destroy(&fetcher->mutex);
	free(fetcher->url);
	free(fetcher);
}

/* What the old entry knew goes on; its place in the queue as well. Mutex held. */
static void take_over(struct registry_fetcher *fetcher, struct entry *old, struct entry *entry)
{
	entry->next_us = old->next_us;
	entry->queued = old->queued;
	entry->wanted = old->wanted;
	entry->asks = old->asks;
	entry->next = old->next;
	old->asks = NULL;
	for (struct entry **at = &fetcher->first; *at; at = &(*at)->next) {
		if (*at != old)
			continue;
		*at = entry;
		if (fetcher->end == &old->next)
			fetcher->end = &entry->next;
		return;
	}
}

/* Out of the queue, as its source cannot be asked any more. Mutex held. */
static void drop(struct registry_fetcher *fetcher, struct entry *entry)
{
	for (struct entry **at = &fetcher->first; *at; at = &(*at)->next) {
		if (*at != entry)
			continue;
		*at = entry->next;
		if (fetcher->end == &entry->next)
			fetcher->end = at;
		break;
	}
	refuse(entry->asks, "the source has no credentials any more");
}

void registry_fetcher_configure(struct registry_fetcher *fetcher, const struct source_access *list,
				size_t n)
{
	struct map *fresh = map_new(n), *before;
	size_t cursor = 0;
	struct str key;
	void *old;

	pthread_mutex_lock(&fetcher->mutex);
	before = fetcher->by_source;
	for (size_t i = 0; i < n; i++) {
		struct entry *entry = entry_new(&list[i]);

		old = map_remove(before, key_of(&entry->source));
		if (old)
			take_over(fetcher, old, entry);
		entry_free(old);
		entry_free(map_put(fresh, key_of(&entry->source), entry));
	}
	while (map_next(before, &cursor, &key, &old))
		drop(fetcher, old);
	fetcher->by_source = fresh;
	pthread_mutex_unlock(&fetcher->mutex);
	map_clear(before);
}

/* Mutex held. */
static void enqueue(struct registry_fetcher *fetcher, struct entry *entry)
{
	if (entry->queued)
		return;
	entry->queued = true;
	entry->next = NULL;
	*fetcher->end = entry;
	fetcher->end = &entry->next;
	pthread_cond_signal(&fetcher->filled);
}

void registry_fetcher_want(struct registry_fetcher *fetcher, struct uuid source)
{
	struct entry *entry;

	pthread_mutex_lock(&fetcher->mutex);
	entry = map_get(fetcher->by_source, key_of(&source));
	if (entry && !entry->wanted && entry->next_us <= clock_monotonic_us()) {
		entry->wanted = true;
		enqueue(fetcher, entry);
	}
	pthread_mutex_unlock(&fetcher->mutex);
}

int registry_fetcher_ask(struct registry_fetcher *fetcher, struct registry_ask *ask)
{
	struct entry *entry;
	int r = 0;

	pthread_mutex_lock(&fetcher->mutex);
	entry = map_get(fetcher->by_source, key_of(&ask->source));
	if (!entry)
		r = -ENOENT;
	else if (fetcher->n_asks >= REGISTRY_MAX_ASKS || atomic_load(&fetcher->stopping))
		r = -EAGAIN;
	if (r == 0) {
		ask->next = entry->asks;
		entry->asks = ask;
		fetcher->n_asks++;
		enqueue(fetcher, entry);
	}
	pthread_mutex_unlock(&fetcher->mutex);
	return r;
}

/* --- on a thread of the fetcher ------------------------------------------------------------------
 */

/* One source being read. */
struct visit {
	struct worker *worker;
	struct entry *entry; /* a copy: the original may be replaced meanwhile */
	struct registry_ask *asks;
	struct registry_ask sum;
	int64_t next_us;
	struct arena *arena; /* of the keys of */
	struct map *held;    /* addresses whose content was sent along as known */
};

/* The next source, as a copy of its entry; NULL when the fetcher stops. */
static struct entry *take(struct registry_fetcher *fetcher, struct registry_ask **asks)
{
	struct entry *taken = NULL, *entry;

	pthread_mutex_lock(&fetcher->mutex);
	while (!fetcher->first && !atomic_load(&fetcher->stopping))
		pthread_cond_wait(&fetcher->filled, &fetcher->mutex);
	entry = fetcher->first;
	if (entry && !atomic_load(&fetcher->stopping)) {
		const struct source_access access = { entry->source,    entry->name,     entry->url,
						      entry->user_name, entry->password, entry->ca,
						      entry->insecure };

		fetcher->first = entry->next;
		if (!fetcher->first)
			fetcher->end = &fetcher->first;
		*asks = entry->asks;
		entry->asks = NULL;
		entry->queued = false;
		taken = entry_new(&access);
	}
	pthread_mutex_unlock(&fetcher->mutex);
	return taken;
}

static void on_wait(void *ctx)
{
	struct worker *worker = ctx;

	if (atomic_load(&worker->fetcher->stopping))
		db_give_up(worker->db);
}

static int connect_db(struct worker *worker, struct err *err)
{
	int r;

	if (worker->db && db_check(worker->db))
		return 0;
	db_close(worker->db);
	worker->db = NULL;
	r = db_open(worker->fetcher->url, "rfeventd fetch", CONNECT_TIMEOUT_MS, &worker->db, err);
	if (r == 0)
		db_on_wait(worker->db, on_wait, worker, HOOK_MS);
	return r;
}

static void note_failure(struct visit *visit, const char *words)
{
	visit->sum.n_failed++;
	if (!visit->sum.why[0])
		snprintf(visit->sum.why, sizeof(visit->sum.why), "%s", words);
}

static int on_fetched(void *ctx, const struct registry_fetched *fetched, struct err *err)
{
	struct visit *visit = ctx;
	const struct registry_place place = { visit->entry->source, fetched->uri,
					      fetched->etag.len > 0 ? fetched->etag
								    : (struct str){ NULL, 0 } };
	struct registry *registry = NULL;
	char *name = xstrndup(fetched->name);
	bool is_new = false;
	int r;

	r = registry_parse(fetched->bytes, name, &registry, err);
	if (r == 0)
		r = registry_store_put(visit->worker->db, registry, fetched->bytes, &place, &is_new,
				       err);
	if (r == 0) {
		visit->sum.n_new += is_new;
		map_remove(visit->held, fetched->uri);
	}
	registry_unref(registry);
	free(name);
	return r;
}

/* Remembered, since only what is not sent again is known to be served still. */
static bool is_held(void *ctx, struct str uri, struct strbuf *etag)
{
	struct visit *visit = ctx;
	struct str key;
	struct err err;

	if (registry_store_find_etag(visit->worker->db, visit->entry->source, uri, etag, &err) != 1)
		return false;
	key = arena_copy(visit->arena, uri);
	if (key.p)
		map_put(visit->held, key, visit);
	return key.p != NULL;
}

static int see_held(struct visit *visit, struct err *err)
{
	size_t cursor = 0;
	struct str uri;
	void *ignored;
	int r = 0;

	while (r == 0 && map_next(visit->held, &cursor, &uri, &ignored))
		r = registry_store_seen(visit->worker->db, visit->entry->source, uri, err);
	return r;
}

/* How it went, for the log and for the next time. */
static void report(struct visit *visit)
{
	const struct entry *entry = visit->entry;
	struct err err = { "" };
	int r = see_held(visit, &err);

	if (r == 0)
		r = registry_store_asked(visit->worker->db, entry->source,
					 visit->sum.n_failed > 0 ? visit->sum.why : NULL, &err);
	if (r < 0)
		note_failure(visit, err.text);
	if (visit->sum.n_failed > 0)
		log_warn("subscribe", "cannot read all registries of a source",
			 LOG_T("source", entry->name), LOG_I("fetched", visit->sum.n_fetched),
			 LOG_I("new", visit->sum.n_new), LOG_T("err", visit->sum.why));
	else
		log_info("subscribe", "registries of a source read", LOG_T("source", entry->name),
			 LOG_I("fetched", visit->sum.n_fetched), LOG_I("new", visit->sum.n_new),
			 LOG_I("unchanged", visit->sum.n_unchanged));
}

static void read_source(struct visit *visit)
{
	const struct entry *entry = visit->entry;
	const struct registry_fetch_config config = {
		.url = entry->url,
		.user = entry->user_name,
		.password = entry->password,
		.ca_file = entry->ca,
		.insecure = entry->insecure,
		.stop = &visit->worker->fetcher->stopping,
		.has = is_held,
	};
	struct registry_fetch_result result = { 0 };
	struct err err = { "" };
	int r;

	visit->arena = arena_new(REGISTRY_HELD_MAX_BYTES);
	visit->held = map_new(0);
	r = registry_fetch(&config, on_fetched, visit, &result, &err);
	visit->sum.n_fetched = result.fetched;
	visit->sum.n_unchanged = result.unchanged;
	if (r < 0)
		note_failure(visit, err.text);
	else if (result.failed > 0)
		note_failure(visit, result.first_failure.text);
	visit->sum.n_failed = result.failed + (r < 0);
	if (r != -ECANCELED)
		report(visit);
	map_free(visit->held);
	arena_free(visit->arena);
}

static void visit_source(struct visit *visit)
{
	struct err err = { "" };
	int r;

	visit->next_us = clock_monotonic_us() + AWAY_US;
	r = connect_db(visit->worker, &err);
	if (r == 0)
		r = registry_store_claim(visit->worker->db, visit->entry->source, RETRY_US, REST_US,
					 visit->asks != NULL, &err);
	if (r < 0) {
		note_failure(visit, err.text);
		visit->sum.result = r;
		return;
	}
	if (r == 1)
		read_source(visit);
	visit->next_us = clock_monotonic_us() + LOOK_US;
}

static void end_visit(struct visit *visit)
{
	struct registry_fetcher *fetcher = visit->worker->fetcher;
	struct entry *entry;

	pthread_mutex_lock(&fetcher->mutex);
	entry = map_get(fetcher->by_source, key_of(&visit->entry->source));
	if (entry) {
		entry->wanted = false;
		entry->next_us = visit->next_us;
	}
	for (struct registry_ask *ask = visit->asks; ask; ask = ask->next)
		fetcher->n_asks--;
	pthread_mutex_unlock(&fetcher->mutex);
	while (visit->asks) {
		struct registry_ask *ask = visit->asks;

		visit->asks = ask->next;
		ask->result = visit->sum.result;
		ask->n_fetched = visit->sum.n_fetched;
		ask->n_new = visit->sum.n_new;
		ask->n_unchanged = visit->sum.n_unchanged;
		ask->n_failed = visit->sum.n_failed;
		memcpy(ask->why, visit->sum.why, sizeof(ask->why));
		give_back(ask);
	}
	entry_free(visit->entry);
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;
	struct visit visit = { .worker = worker };

	while ((visit.entry = take(worker->fetcher, &visit.asks))) {
		visit_source(&visit);
		end_visit(&visit);
		visit = (struct visit){ .worker = worker };
	}
	db_close(worker->db);
	return NULL;
}
