/* Receiver: POST /events/<token>, from the socket into the journal and back as 200.
 *
 * N worker threads, each with its loop and its own SO_REUSEPORT listeners. A worker finds the
 * source by token, hands the delivery to deliver(), decodes and resolves it while the journal
 * syncs, and answers when the journal says it is durable. Knows neither journal nor registries:
 * both come as function pointers.
 */
#ifndef RECEIVER_RECEIVER_H
#define RECEIVER_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/delivery.h"
#include "http/server.h"

struct err;
struct receiver;
struct source;
struct slot;

enum receiver_unknown { UNKNOWN_REJECT, UNKNOWN_QUARANTINE, UNKNOWN_ACCEPT };
enum receiver_not_json { NOT_JSON_QUARANTINE, NOT_JSON_REFUSE };

/* A peer enrolled on a worker: the keeper (service/sources.c) adds it to the source set. */
typedef void enrolled_fn(void *ctx, const struct source *source);

struct receiver_config {
	size_t n_workers;
	const struct http_address *addresses;
	size_t n_addresses;
	struct http_limits limits;
	struct slot *sources; /* of struct source_set; borrowed */
	enum receiver_unknown unknown_sources;
	enum receiver_not_json not_json;
	size_t max_sources;
	int reply_status;
	size_t max_unverified; /* deliveries accepted unverified: until the set is current, then a minute */
	size_t max_deliveries_bytes; /* of memory (deliveries_bytes()): beyond, 503 */
	deliver_fn *deliver;
	void *deliver_ctx;
	prepare_fn *prepare;
	void *prepare_ctx;
	enrolled_fn *enrolled;
	void *enrolled_ctx;
};

/* Bind, listen, start the workers: accepting when it returns 0. */
int receiver_start(const struct receiver_config *config, struct receiver **out, struct err *err);
/* Stop accepting connections and requests; what was taken is answered. Returns at once. */
void receiver_drain(struct receiver *receiver);
/* Wait (at most `timeout_ms`) for the drain, and end the threads. */
void receiver_stop(struct receiver *receiver, int timeout_ms);
/* After receiver_stop(), and after everything that may still hold an intake. NULL is allowed. */
void receiver_free(struct receiver *receiver);

#endif
