/* Feed: committed events in strict seq order, from any position, to any number of followers.
 *
 * The loader publishes; the feed's thread orders (an own batch waits until lower seqs of other
 * replicas were read from the log), fills the ring, and wakes the followers. A follower reads from
 * the ring while its position is inside, else from the log by pages that the feed's thread
 * fetches. No sockets here.
 * Thread: its own; publish from the loader, followers each on a thread of theirs.
 */
#ifndef STREAM_FEED_H
#define STREAM_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/uuid.h"
#include "event/entry.h"

struct err;
struct feed;
struct follower;

struct feed_config {
	const char *url;    /* for pages of the log and LISTEN; NULL in tests: ring only */
	size_t ring_events; /* kept in memory */
	size_t ring_max_bytes;
	/* what the node remembers of the log, until the database is seen */
	struct uuid epoch;
	int64_t oldest_seq, last_seq;
};

int feed_start(const struct feed_config *config, struct feed **out, struct err *err);
void feed_stop(struct feed *feed); /* followers are closed before; NULL is allowed */
/* The loader's publish_fn; ctx is the feed. Takes the batch. */
void feed_publish(void *feed, struct entry_batch *batch, bool provisional);
/* The database was reached: identity and bounds of the log. Another epoch, or a last_seq below
 * what was read here, starts a new generation: the ring is emptied. */
void feed_connected(void *feed, struct uuid epoch, int64_t oldest_seq, int64_t last_seq);

struct feed_bounds {
	struct uuid epoch;
	int64_t oldest_seq, last_seq; /* last_seq: the highest that can be read here */
	bool connected;               /* the database was seen; before, what the node remembers */
	uint64_t generation; /* changes when earlier positions lost their meaning (another log) */
};
struct feed_bounds feed_bounds(struct feed *feed);

/* --- followers: one per thread that serves readers --- */
/* `inbox` gets woken (mailbox_wake) when something new can be read, and gets page answers and
 * provisional batches as items. */
struct follower *follower_open(struct feed *feed, struct mailbox *inbox);
void follower_close(struct follower *follower); /* NULL is allowed */

/* A piece of the stream: entries of one batch, [first, first + n). */
struct feed_piece {
	struct entry_batch *batch; /* a reference of the caller's */
	size_t first, n;
};
enum feed_read {
	FEED_READ,      /* *out filled: entries with seq > after, in order, without a hole */
	FEED_CAUGHT_UP, /* nothing newer than `after` */
	FEED_ASK_LOG,   /* older than the ring: follower_ask_page() */
	FEED_GAP        /* after < oldest_seq - 1: *gap_to is oldest_seq - 1 (retention) */
};
enum feed_read feed_read(struct feed *feed, int64_t after, size_t max_events,
			 struct feed_piece *out, int64_t *gap_to);

/* Items that reach a follower's inbox. Free with feed_item_free(). */
enum feed_item_kind { FEED_PAGE, FEED_PROVISIONAL };
struct feed_item {
	struct mailbox_item item;
	enum feed_item_kind kind;
	void *reader;              /* PAGE: as asked */
	uint64_t ticket;           /* PAGE: as asked */
	int64_t after;             /* PAGE */
	struct entry_batch *batch; /* PAGE: NULL when the log could not be read (ask again later) */
};
/* Fetch the entries after `after` from the log; the answer carries `reader` and `ticket` back.
 * One answer to each ask, in turn with other askers; none after follower_close(). An inbox that is
 * full delays it. */
void follower_ask_page(struct follower *follower, int64_t after, size_t max_events, void *reader,
		       uint64_t ticket);
void feed_item_free(struct feed_item *item);

#endif
