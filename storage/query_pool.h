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
void query_pool_stop(
	struct query_pool *pool); /* finishes what runs, returns what waits; NULL is allowed */

#endif
