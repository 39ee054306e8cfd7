/* What forwarder.c, lane.c and lane_body.c share. Private to forward/. */
#ifndef FORWARD_FORWARDER_PRIV_H
#define FORWARD_FORWARDER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "forward/destination.h"
#include "forward/forwarder.h"
#include "forward/outbound.h"
#include "storage/cursors.h"
#include "stream/feed.h"

/* One destination's way out. */
struct lane {
	struct forwarder *forwarder;
	struct lane *next;
	struct uuid id;
	char name[UUID_TEXT_BYTES], cursor_name[DESTINATION_CURSOR_BYTES];
	const struct destination *destination; /* of forwarder->set */
	struct outbound_call *call;

	bool owned;           /* the cursor is ours … */
	struct cursor cursor; /* … and stands here */
	int64_t renewed_us;
	struct uuid taken_epoch; /* the last that was taken, which the row may not know yet */
	int64_t taken_seq;

	int64_t at;             /* all up to here is looked at: in `body`, or not wanted */
	uint64_t ticket;        /* of the page that is asked for; 0: none … */
	int64_t asked_last_seq; /* … and where the log ended then */
	struct strbuf body;     /* of the delivery under way or to be tried again; empty: none */
	size_t n_events;        /* in it; 0: a heartbeat */
	size_t max_events;      /* of the next one */
	bool busy;              /* it is being sent */
	bool told;              /* on_failing was called */
	bool was_well;          /* on_well was: the process before may have told otherwise */
	unsigned failures;      /* in a row */
	int64_t due_us;         /* monotonic: nothing before */
	int64_t heartbeat_at_us;
};

struct forwarder {
	struct forwarder_config config;
	char *url;
	struct uuid owner; /* of cursors: this process */
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t reading; /* the table is read and published by one at a time */
	struct slot *destinations;

	/* the thread's */
	struct db *db; /* NULL: away */
	struct mailbox *inbox;
	struct follower *follower;
	struct outbound *outbound;
	struct destination_set *set;
	uint64_t set_version;
	char *revision; /* of the table, as it was read */
	void *sources;
	uint64_t sources_version;
	struct lane *lanes;
	uint64_t last_ticket, generation;
	int64_t tick_us;
};

/* lane.c */
struct lane *lane_new(struct forwarder *forwarder, const struct destination *destination);
void lane_free(struct lane *lane); /* releases the cursor */
void lane_tick(struct lane *lane); /* about once a second: the claim, and where it stands */
void lane_step(struct lane *lane); /* go on, as far as that does not wait */
void lane_take_page(struct lane *lane, struct entry_batch *page); /* NULL: the log is away */
void lane_ended(struct lane *lane);                               /* its call did */
void lane_let_go(struct lane *lane); /* of what it had in hand: it is claimed and read again */
/* When it will want a step again (monotonic); INT64_MAX: when something comes. */
int64_t lane_due_us(const struct lane *lane);

/* lane_body.c */
/* Read on until there is a body, or nothing now. `page`: of the log, or NULL. */
void lane_compose(struct lane *lane, struct entry_batch *page);
void lane_compose_heartbeat(struct lane *lane);

#endif
