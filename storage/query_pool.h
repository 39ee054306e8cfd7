/* Query pool: a few connections for reads, each with a thread.
 *
 * A job runs on a pool thread with a connection, and comes back through the asker's mailbox.
 */
#ifndef STORAGE_QUERY_POOL_H
#define STORAGE_QUERY_POOL_H

#include <stddef.h>

#include "base/mailbox.h"

struct db;
struct err;
struct query_pool;

struct query_job {
	struct mailbox_item item;
	/* Runs on a pool thread; `db` NULL when the database cannot be reached (then `why`). */
	void (*run)(struct query_job *job, struct db *db, const char *why);
	struct mailbox *reply_to;
	void *ctx; /* the asker's */
};

int query_pool_start(const char *url, size_t n_threads, struct query_pool **out, struct err *err);
/* 0, or -EAGAIN when too many wait (the job stays the caller's). */
int query_pool_submit(struct query_pool *pool, struct query_job *job);
/* Its threads end; what runs or waits is returned, later jobs get -EAGAIN. NULL is allowed. */
void query_pool_halt(struct query_pool *pool);
void query_pool_stop(struct query_pool *pool); /* halts it; NULL is allowed */

#endif
