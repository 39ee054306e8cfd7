#include "receiver/receiver.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "receiver/worker_priv.h"

int receiver_start(const struct receiver_config *config, struct receiver **out, struct err *err)
{
	struct receiver *receiver = xcalloc(1, sizeof(*receiver));
	int r = 0;

	receiver->config = *config;
	receiver->shared = http_shared_new(&config->limits, "receiver");
	receiver->n_workers = config->n_workers;
	receiver->workers = xcalloc(config->n_workers, sizeof(*receiver->workers));
	/* All sockets first, so that nothing is answered when one of them cannot be had. */
	for (size_t i = 0; r == 0 && i < receiver->n_workers; i++)
		r = worker_init(&receiver->workers[i], receiver, err);
	for (size_t i = 0; r == 0 && i < receiver->n_workers; i++)
		r = worker_start(&receiver->workers[i], i, err);
	if (r < 0) {
		receiver_stop(receiver, 0);
		receiver_free(receiver);
		return r;
	}
	*out = receiver;
	return 0;
}

void receiver_drain(struct receiver *receiver)
{
	atomic_store(&receiver->draining, true);
	for (size_t i = 0; i < receiver->n_workers; i++)
		mailbox_wake(receiver->workers[i].replies);
}

void receiver_stop(struct receiver *receiver, int timeout_ms)
{
	int64_t until_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;

	for (size_t i = 0; i < receiver->n_workers; i++) {
		struct worker *worker = &receiver->workers[i];
		int64_t left_us = until_us - clock_monotonic_us();

		if (!worker->started)
			continue;
		if (!thread_join_within(worker->thread, left_us > 0 ? (int)(left_us / 1000) : 0)) {
			loop_stop(worker->loop);
			pthread_join(worker->thread, NULL);
		}
		worker->started = false;
	}
}

void receiver_free(struct receiver *receiver)
{
	if (!receiver)
		return;
	for (size_t i = 0; i < receiver->n_workers; i++)
		worker_fini(&receiver->workers[i]);
	http_shared_free(receiver->shared);
	free(receiver->workers);
	free(receiver);
}
