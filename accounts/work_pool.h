/* Work pool: a thread for what takes long and needs no database: hashing, fsync.
 *
 * Work comes back through the asker's mailbox. Bounded: full is told to the asker.
 */
#ifndef ACCOUNTS_WORK_POOL_H
#define ACCOUNTS_WORK_POOL_H

#include <stddef.h>

#include "base/mailbox.h"

struct err;
struct work_pool;

struct work {
	struct mailbox_item *item; /* put into reply_to when it is done */
	struct mailbox *reply_to;
	void (*run)(struct work *work); /* on the pool's thread */
	struct work *next;		/* private */
};

/* `niceness` (as of nice(2)) keeps a flood of work from taking the machine. */
int work_pool_start(const char *name, size_t max_waiting, int niceness, struct work_pool **out,
		    struct err *err);
/* 0, or -EAGAIN when too much waits or the pool stops (the work stays the caller's). */
int work_pool_submit(struct work_pool *pool, struct work *work);
/* Give back work that was done beside another's, from that one's `run`: its own is not called. */
void work_give_back(struct work *work);
void work_pool_halt(struct work_pool *pool); /* does what waits, then ends; NULL is allowed */
void work_pool_stop(struct work_pool *pool); /* halts it; NULL is allowed */

#endif
