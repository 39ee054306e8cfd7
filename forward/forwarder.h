/* Forwarder: delivers the log to the subscribers' destinations, each from its own cursor.
 *
 * One thread, one connection to the database, one HTTP connection a destination. A replica owns the
 * cursors it delivers from; when it dies another goes on within seconds. What is sent is sent in
 * order, one delivery at a time, and again until it is taken: at least once, with EventIds and a
 * covered range that stay the same. A dead destination costs the others nothing.
 */
#ifndef FORWARD_FORWARDER_H
#define FORWARD_FORWARDER_H

#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "forward/retry.h"

struct db;
struct err;
struct feed;
struct forwarder;
struct seal_key;
struct slot;

struct forwarder_config {
	const char *url; /* of the database */
	struct feed *feed;
	struct slot *sources;       /* of struct source_set */
	const struct seal_key *key; /* of HttpHeaders; borrowed; NULL: none */
	const char *ca_file;        /* NULL: the system's authorities alone */
	struct retry_rules rules;
	int64_t heartbeat_us; /* what HeartbeatIntervalMinutes counts; 0: minutes */
	/* Told on the forwarder's thread: nothing is taken any more, it is again, and a
	 * subscription ended (TerminateAfterRetries). `name` is the subscription's id. */
	void (*on_failing)(void *ctx, struct str name, struct str why);
	void (*on_well)(void *ctx, struct str name);
	void (*on_ended)(void *ctx, struct str name, struct str why);
	void *on_ctx;
};

int forwarder_start(const struct forwarder_config *config, struct forwarder **out, struct err *err);
/* Its thread ends: what is under way is broken off, and sent again by whoever goes on. NULL is
 * allowed. */
void forwarder_halt(struct forwarder *forwarder);
void forwarder_stop(struct forwarder *forwarder); /* halts it; NULL is allowed */
/* Of struct destination_set; NULL in it until the database was seen. */
struct slot *forwarder_destinations(struct forwarder *forwarder);
/* The table was changed: read it, on the caller's thread and connection, and act on it. */
int forwarder_refresh(struct forwarder *forwarder, struct db *db, struct err *err);
const struct seal_key *forwarder_key(const struct forwarder *forwarder); /* NULL: none */
struct retry_rules forwarder_rules(const struct forwarder *forwarder);

#endif
