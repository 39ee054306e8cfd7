#include "accounts/work_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"

struct work_pool {
	pthread_t thread;
	pthread_mutex_t mutex; /* the queue */
	pthread_cond_t filled;
	struct work *first, **end;
	size_t n, max_waiting;
	int niceness;
	bool stopping, running;
};

static void *run(void *ctx);

int work_pool_start(const char *name, size_t max_waiting, int niceness, struct work_pool **out,
		    struct err *err)
{
	struct work_pool *pool = xcalloc(1, sizeof(*pool));
	int r;

	pool->end = &pool->first;
	pool->max_waiting = max_waiting;
	pool->niceness = niceness;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->filled, NULL);
	r = thread_start(&pool->thread, name, run, pool, err);
	pool->running = r == 0;
	if (r < 0) {
		work_pool_stop(pool);
		return r;
	}
	*out = pool;
	return 0;
}

int work_pool_submit(struct work_pool *pool, struct work *work)
{
	int r = -EAGAIN;

	pthread_mutex_lock(&pool->mutex);
	if (pool->n < pool->max_waiting && !pool->stopping) {
		work->next = NULL;
		*pool->end = work;
		pool->end = &work->next;
		pool->n++;
		pthread_cond_signal(&pool->filled);
		r = 0;
	}
	pthread_mutex_unlock(&pool->mutex);
	return r;
}

void work_pool_halt(struct work_pool *pool)
{
	if (!pool || !pool->running)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stopping = true;
	pthread_cond_signal(&pool->filled);
	pthread_mutex_unlock(&pool->mutex);
	pthread_join(pool->thread, NULL);
	pool->running = false;
}

void work_pool_stop(struct work_pool *pool)
{
	work_pool_halt(pool);
	if (!pool)
		return;
	pthread_mutex_destroy(&pool->mutex);
	pthread_cond_destroy(&pool->filled);
	free(pool);
}

/* --- the thread ----------------------------------------------------------------------------------
 */

static struct work *take(struct work_pool *pool)
{
	struct work *work;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->first && !pool->stopping)
		pthread_cond_wait(&pool->filled, &pool->mutex);
	work = pool->first;
	if (work) {
		pool->first = work->next;
		if (!pool->first)
			pool->end = &pool->first;
		pool->n--;
	}
	pthread_mutex_unlock(&pool->mutex);
	return work;
}

void work_give_back(struct work *work)
{
	struct mailbox_item *item = work->item;
	struct mailbox *reply_to = work->reply_to;

	while (!mailbox_put(reply_to, item))
		sched_yield(); /* a full one is being read */
}

static void *run(void *ctx)
{
	struct work_pool *pool = ctx;
	struct work *work;

	if (pool->niceness != 0)
		setpriority(PRIO_PROCESS, (id_t)gettid(), pool->niceness);
	while ((work = take(pool))) {
		work->run(work);
		work_give_back(work);
	}
	return NULL;
}
