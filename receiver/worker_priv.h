/* Worker: one receiver thread. Private to the room. */
#ifndef RECEIVER_WORKER_PRIV_H
#define RECEIVER_WORKER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "receiver/receiver.h"

struct source_set;

struct receiver {
	struct receiver_config config;
	struct http_shared *shared;
	struct worker *workers;
	size_t n_workers;
	atomic_bool draining;
	atomic_size_t n_unverified; /* accepted without knowing the source */
	_Atomic int64_t unverified_minute; /* in which they were counted */
};

struct arrival; /* one request between its body and its answer */

struct worker {
	struct receiver *receiver;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct http_server *server;
	struct mailbox *replies;
	struct arrival *spare; /* free list */
	size_t n_in_flight;
	void *sources; /* own reference of struct source_set */
	uint64_t sources_version;
	bool drain_begun;
};

int worker_init(struct worker *worker, struct receiver *receiver, struct err *err);
int worker_start(struct worker *worker, size_t i, struct err *err);
void worker_fini(struct worker *worker);

#endif
