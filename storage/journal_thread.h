/* Journal thread: collect what arrived, write, fsync, release the answers.
 *
 * Group commit without a timer: what came in during the last fdatasync is the next group. After it
 * each delivery goes to the loader in journal order and its intake back to the sender (with
 * storage.acknowledge: database the loader sends it back, after its commit). A failed write or
 * fsync ends the process: what it promised may be gone.
 * Thread: its own; journal_thread_deliver() from any.
 */
#ifndef STORAGE_JOURNAL_THREAD_H
#define STORAGE_JOURNAL_THREAD_H

#include <stdbool.h>

#include "event/delivery.h"

struct err;
struct journal;
struct journal_thread;
struct loader;

struct journal_thread_config {
	struct journal *journal; /* borrowed */
	/* Takes the reference of a durable delivery, in journal order. */
	void (*durable)(void *ctx, struct delivery *delivery);
	void *durable_ctx;
	bool acknowledge_database;
	/* The journal cannot be written, and the process ends when this returns. NULL: nothing. */
	void (*lost)(void *ctx, const char *words);
	void *lost_ctx;
};

int journal_thread_start(const struct journal_thread_config *config, struct journal_thread **out,
			 struct err *err);
/* The deliver_fn; ctx is the thread. */
int journal_thread_deliver(void *thread, struct intake *intake);
void journal_thread_stop(struct journal_thread *thread); /* writes what waits; NULL is allowed */

#endif
