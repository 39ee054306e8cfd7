#include "receiver/receiver.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/mem.h"
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
	int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;

	for (size_t i = 0; i < receiver->n_workers; i++) {
		struct worker *worker = &receiver->workers[i];
		struct timespec until;
		int64_t left_us = deadline_us - clock_monotonic_us();

		if (!worker->started)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &until);
		left_us = left_us > 0 ? left_us : 0;
		until.tv_sec += left_us / CLOCK_US_PER_S;
		until.tv_nsec += left_us % CLOCK_US_PER_S * 1000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		if (pthread_clockjoin_np(worker->thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
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
