/* Loader: from the journal into the log, in order, exactly once.
 *
 * Owns one connection. Takes deliveries from its queue (or, for what did not fit, from the disk),
 * and writes batches: one transaction moves the segment's position by compare-and-set, takes the seq
 * range from the counter row, drops repeats, COPYs the rows. With the database to itself it begins
 * with a few deliveries while the journal syncs, and commits when that is done. A row the database
 * refuses is found by bisection and quarantined in the same transaction as the position. While the
 * database is away the events go to the feed as provisional and the journal keeps them.
 * Thread: its own.
 */
#ifndef STORAGE_LOADER_H
#define STORAGE_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/delivery.h"
#include "event/entry.h"

struct err;
struct journal;
struct loader;
struct slot;

struct loader_config {
	const char *url;
	const char *node; /* name of this replica, for the segment rows */
	const char *journal_dir;
	struct journal *journal; /* borrowed; outlives the loader */
	struct slot *sources;    /* borrowed: unverified tokens, rows of the source table */
	prepare_fn *prepare;     /* decode and resolve, for what comes from disk */
	void *prepare_ctx;
	publish_fn *publish; /* committed and provisional batches, in order */
	void *publish_ctx;
	/* The database was reached and migrated (again): epoch and bounds of the log. */
	void (*on_connected)(void *ctx, struct uuid epoch, int64_t oldest_seq, int64_t last_seq);
	void *on_connected_ctx;
	/* Something of a source (zero: unknown) was set aside, in a transaction that is done.
	 * NULL: nobody asks. */
	void (*on_set_aside)(void *ctx, struct uuid source, const char *reason, struct str detail);
	/* The log got a new epoch, because it was behind what this node saw of it. NULL: nobody
	 * asks. */
	void (*on_new_epoch)(void *ctx, struct uuid before, struct uuid now);
	void *on_ctx; /* of the two above */
	/* What the node remembers of the log: zero when nothing. A log that is behind it was
	 * restored, and gets a new epoch. */
	struct uuid epoch;
	int64_t last_seq;
	int64_t repeat_window_us;
	/* How long a server that was not reached yet is waited for before that is said. */
	int64_t start_grace_us;
	bool alone; /* no other replica reaches the database: none is told of commits */
};

/* Why the log is not being written. */
struct loader_trouble {
	int64_t since_us;  /* monotonic; 0: it is being written */
	bool was_reached;  /* it has been, since the start */
	char sqlstate[6];  /* "" when the server said none */
	char words[512];
};

int loader_start(const struct loader_config *config, struct loader **out, struct err *err);
/* Hand over deliveries that are being written to the journal, in journal order: a list linked by
 * their items (takes the references). Never blocks, never fails: what does not fit the queue is
 * dropped from memory and read back from the journal. */
void loader_offer(struct loader *loader, struct delivery *first);
/* All that was offered, up to this place, is on disk: nothing is committed or shown before. */
void loader_durable(struct loader *loader, uint64_t segment_number, uint64_t end);
/* Everything durable before the call is in the log, or `timeout_ms` passed. True when it is. */
bool loader_drain(struct loader *loader, int timeout_ms);
/* Age of the oldest delivery that is journaled and not in the log; 0 when there is none. */
double loader_oldest_seconds(struct loader *loader);
/* What came from other replicas: a log that ends before it was restored. Any thread. */
void loader_saw(struct loader *loader, struct uuid epoch, int64_t last_seq);
bool loader_is_connected(const struct loader *loader);
struct loader_trouble loader_trouble(struct loader *loader);
void loader_stop(struct loader *loader); /* frees; NULL is allowed */

#endif
