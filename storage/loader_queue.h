/* The loader's queue: deliveries in memory that are in the journal or on their way into it, how far
 * that is on disk, and the answers that wait for their commit.
 *
 * Only a cache of what the journal holds: beyond its caps a delivery is dropped and read back from
 * disk. Answers are never dropped. Private to storage/.
 * Thread: put from any; the rest from the loader.
 */
#ifndef STORAGE_LOADER_QUEUE_H
#define STORAGE_LOADER_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"

struct delivery;
struct waiting_answer;

struct delivery_list {
	struct mailbox_item *first, **end;
};

struct loader_queue {
	pthread_mutex_t mutex; /* all but `fetched` */
	pthread_cond_t filled;
	struct delivery_list inbox;
	struct waiting_answer *answers, **answers_end; /* by place */
	size_t n, n_bytes;                             /* of inbox and fetched */
	uint64_t durable_number, durable_end;          /* what was put up to here is on disk */
	bool woken;
	bool is_eager; /* the loader wants to hear of a delivery before it is on disk */

	struct delivery_list fetched; /* the loader's own */
};

void loader_queue_init(struct loader_queue *queue);
void loader_queue_fini(struct loader_queue *queue);
/* Takes all of a list, linked by their items. */
void loader_queue_put(struct loader_queue *queue, struct delivery *first);
/* From any thread: what was put is on disk up to this place. */
void loader_queue_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end);
/* Of what was put: whether it is. */
bool loader_queue_is_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end);
/* Until it is (true), or the time is over. */
bool loader_queue_wait_durable(struct loader_queue *queue, uint64_t segment_number, uint64_t end,
			       int timeout_ms);
/* Until something was put (and is on disk, for a queue that is not eager), loader_queue_wake(), or the
 * time is over. */
void loader_queue_wait(struct loader_queue *queue, int timeout_ms);
void loader_queue_wake(struct loader_queue *queue); /* from any thread */

/* Take over what was put; then the oldest one (borrowed), or NULL. */
struct delivery *loader_queue_head(struct loader_queue *queue);
struct delivery *loader_queue_next(const struct delivery *delivery); /* after it; NULL at the end */
struct delivery *loader_queue_pop(struct loader_queue *queue); /* the head: the caller's now */
size_t loader_queue_count(struct loader_queue *queue);
bool loader_queue_is_half_full(struct loader_queue *queue);
/* Answer the senders whose delivery ends at or before this place. */
void loader_queue_answer(struct loader_queue *queue, uint64_t segment_number, uint64_t position);

/* Whether `delivery` is in the journal up to this place. */
bool loader_queue_is_before(const struct delivery *delivery, uint64_t segment_number,
			    uint64_t position);

#endif
