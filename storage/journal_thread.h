/* Journal thread: collect what arrived, write, fsync, release the answers.
 *
 * Group commit without a timer: what came in during the last fdatasync is the next group. Each
 * delivery goes to the loader in journal order before the fdatasync, which is told when that is
 * done; then its intake goes back to the sender (with storage.acknowledge: database the loader sends
 * it back, after its commit). A failed write or fsync ends the process: what it promised may be gone.
 * Thread: its own; journal_thread_deliver() from any.
 */
#ifndef STORAGE_JOURNAL_THREAD_H
#define STORAGE_JOURNAL_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "event/delivery.h"

struct err;
struct journal;
struct journal_thread;
struct loader;

struct journal_thread_config {
	struct journal *journal; /* borrowed */
	/* loader_offer(): what is being written; loader_durable(): now it is on disk. */
	void (*offer)(void *ctx, struct delivery *first);
	void (*durable)(void *ctx, uint64_t segment_number, uint64_t end);
	void *loader_ctx;
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
