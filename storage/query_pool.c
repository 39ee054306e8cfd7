#include "storage/query_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/db.h"
#include "storage/limits.h"

#define CONNECT_TIMEOUT_MS 1500
#define RETRY_US           (500 * INT64_C(1000)) /* after a failed attempt to connect, jobs fail at once */
#define HOOK_MS            100
#define MAX_QUERY_US       (30 * CLOCK_US_PER_S) /* no read holds a snapshot longer */

struct worker {
	struct query_pool *pool;
	pthread_t thread;
	struct db *db; /* NULL: not connected */
	int64_t next_try_us, query_start_us;
	struct err why; /* of the last failure to connect */
};

struct query_pool {
	char *url;
	pthread_mutex_t mutex; /* the queue */
	pthread_cond_t filled;
	struct mailbox_item *first, **end;
	size_t n;
	atomic_bool stopping;
	size_t n_workers;
	struct worker workers[];
};

static void *run(void *ctx);

int query_pool_start(const char *url, size_t n_threads, struct query_pool **out, struct err *err)
{
	struct query_pool *pool = xcalloc(1, sizeof(*pool) + n_threads * sizeof(pool->workers[0]));
	int r = 0;

	pool->url = xstrdup(url);
	pool->end = &pool->first;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->filled, NULL);
	while (r == 0 && pool->n_workers < n_threads) {
		struct worker *worker = &pool->workers[pool->n_workers];

		worker->pool = pool;
		r = thread_start(&worker->thread, "query", run, worker, err);
		if (r == 0)
			pool->n_workers++;
	}
	if (r < 0) {
		query_pool_stop(pool);
		return r;
	}
	*out = pool;
	return 0;
}

int query_pool_submit(struct query_pool *pool, struct query_job *job)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&pool->mutex);
	if (pool->n < QUERY_MAX_JOBS && !atomic_load(&pool->stopping)) {
		job->item.next = NULL;
		*pool->end = &job->item;
		pool->end = &job->item.next;
		pool->n++;
		pthread_cond_signal(&pool->filled);
		r = 0;
	}
	pthread_mutex_unlock(&pool->mutex);
	return r;
}

void query_pool_halt(struct query_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->mutex);
	atomic_store(&pool->stopping, true);
	pthread_cond_broadcast(&pool->filled);
	pthread_mutex_unlock(&pool->mutex);
	for (; pool->n_workers > 0; pool->n_workers--)
		pthread_join(pool->workers[pool->n_workers - 1].thread, NULL);
}

void query_pool_stop(struct query_pool *pool)
{
	query_pool_halt(pool);
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->mutex);
	pthread_cond_destroy(&pool->filled);
	free(pool->url);
	free(pool);
}

/* --- on a pool thread ----------------------------------------------------------------------------
 */

/* The next job, or NULL when the pool stops and none waits. */
static struct query_job *take(struct query_pool *pool)
{
	struct mailbox_item *item;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->first && !atomic_load(&pool->stopping))
		pthread_cond_wait(&pool->filled, &pool->mutex);
	item = pool->first;
	if (item) {
		pool->first = item->next;
		if (!pool->first)
			pool->end = &pool->first;
		pool->n--;
	}
	pthread_mutex_unlock(&pool->mutex);
	return item ? CONTAINER_OF(item, struct query_job, item) : NULL;
}

/* While a statement runs: not for ever, and not longer than the pool. */
static void on_wait(void *ctx)
{
	struct worker *worker = ctx;

	if (atomic_load(&worker->pool->stopping) ||
	    clock_monotonic_us() - worker->query_start_us > MAX_QUERY_US)
		db_give_up(worker->db);
}

static void connect_if_due(struct worker *worker)
{
	if (worker->db && !db_check(worker->db)) {
		db_close(worker->db);
		worker->db = NULL;
	}
	if (worker->db || clock_monotonic_us() < worker->next_try_us)
		return;
	if (db_open(worker->pool->url, "rfeventd query", CONNECT_TIMEOUT_MS, &worker->db,
		    &worker->why) < 0) {
		worker->db = NULL;
		worker->next_try_us = clock_monotonic_us() + RETRY_US;
		log_debug("storage", "query pool cannot connect", LOG_T("err", worker->why.text));
		return;
	}
	db_on_wait(worker->db, on_wait, worker, HOOK_MS);
}

static void serve(struct worker *worker, struct query_job *job)
{
	bool stopping = atomic_load(&worker->pool->stopping);

	if (stopping)
		err_set(&worker->why, -ECANCELED, "the service is stopping");
	else
		connect_if_due(worker);
	worker->query_start_us = clock_monotonic_us();
	job->run(job, stopping ? NULL : worker->db, worker->why.text);
	while (!mailbox_put(job->reply_to, &job->item))
		sched_yield(); /* askers have room for what they asked; a full one is reading */
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;
	struct query_job *job;

	while ((job = take(worker->pool)))
		serve(worker, job);
	db_close(worker->db);
	return NULL;
}
