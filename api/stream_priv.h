/* Private to the stream of api/: what stream_hub.c and subscriber.c share. */
#ifndef API_STREAM_PRIV_H
#define API_STREAM_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/stream_hub.h"
#include "api/stream_limits.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/uuid.h"
#include "stream/feed.h"

struct audience;
struct entry_batch;
struct entry_cache;
struct filter;
struct frame;
struct frame_cache;
struct words;

enum subscriber_state {
	SUBSCRIBER_UNPROVED, /* the first message must carry a token */
	SUBSCRIBER_IDLE,     /* no subscription */
	SUBSCRIBER_BEHIND,   /* reads by itself, frame by frame as its socket takes them */
	SUBSCRIBER_LIVE,     /* gets its audience's frames */
	SUBSCRIBER_CLOSING
};

#define CONTROL_FRAMES 16 /* places of the queue that only control frames may take */

struct subscriber {
	struct stream_hub *hub;
	void *ctx;
	char *accept_language;
	enum stream_form form;
	char *account; /* NULL: unproved */
	enum subscriber_state state;
	struct subscriber *next, **link;               /* of the hub */
	struct audience *audience;                     /* BEHIND, LIVE; else NULL */
	struct subscriber *next_member, **member_link; /* of the audience */

	bool live_wanted; /* asked for "live" */
	bool has_epoch;   /* and for this log */
	struct uuid epoch;
	bool caught_up_said;
	bool placed; /* it was told where it is, or said so itself: nothing above is skipped */
	int close_code;

	/* BEHIND: everything up to queued_seq is in the queue or was sent. LIVE: see audience. */
	int64_t queued_seq;
	int64_t ahead_since_us; /* asked for a seq above ours, which may still come; else 0 */
	int64_t position_us;
	int64_t retry_us;       /* no page before */
	uint64_t ticket;        /* of the page that is asked for; 0: none … */
	int64_t asked_last_seq; /* … and where the log ended then */
	size_t pages_under_way; /* asked for, also under tickets that no longer count */
	bool gone;              /* freed but for this struct, which pages under way name */
	bool waiting;           /* the database is away: gets provisional events meanwhile */
	bool joining;           /* at the end of the feed, before its audience is */
	struct entry_batch *page;
	size_t page_at;
	int64_t page_us;                              /* when it came */
	struct subscriber *next_in_line, **line_link; /* for a page; link NULL: not in it */

	struct frame *queue[STREAM_QUEUE_FRAMES + CONTROL_FRAMES]; /* circular */
	size_t queue_head, n_queue, queue_bytes;
};

/* All who want the same. Live members have everything up to `seq` in their queues. */
struct audience {
	struct stream_hub *hub;
	struct audience *next, **link;
	struct subscriber *members;
	size_t n_members, n_live;
	const char *language;  /* of hub->words */
	struct filter *filter; /* NULL: everything */
	bool events;           /* false: they asked for other things than events */
	enum stream_form form;
	int64_t seq;
	int64_t position_us;
};

struct stream_hub {
	struct stream_hub_config config;
	struct mailbox *inbox;
	struct follower *follower;
	struct words *words;
	struct entry_cache *cache;  /* used while there are several audiences */
	struct frame_cache *frames; /* the same */
	size_t n_audiences;
	void *sources; /* own reference of the newest source set */
	uint64_t sources_version;
	struct subscriber *subscribers, *gone;
	struct audience *audiences;
	size_t n_subscribers;
	uint64_t generation; /* of the feed, as the subscribers know it */
	bool connected;
	uint64_t last_ticket;
	size_t n_pages;                      /* held and asked for */
	struct subscriber *line, **line_end; /* those who wait for one of them */
	int64_t observed_seq;                /* delivery times up to it are measured */
};

/* The audience for a subscription, found or made; takes `filter`. */
struct audience *audience_get(struct stream_hub *hub, const char *language, struct filter *filter,
			      bool events, enum stream_form form);
void audience_add(struct audience *audience, struct subscriber *subscriber);
void audience_remove(struct subscriber *subscriber); /* frees an audience without members */
/* Write entries [first, batch->n), at most max_events of them looked at, into one frame. *n_done
 * is how many are dealt with; NULL when none of them matches. */
struct frame *audience_write(struct audience *audience, const struct entry_batch *batch,
			     size_t first, size_t max_events, bool provisional, size_t *n_done);

/* subscriber.c */
void subscriber_set_state(struct subscriber *subscriber, enum subscriber_state state);
void subscriber_fall_behind(struct subscriber *subscriber, int64_t queued_seq); /* LIVE -> BEHIND */
/* Another log: `bounds` are the new ones. */
void subscriber_new_log(struct subscriber *subscriber, const struct feed_bounds *bounds);
void subscriber_connected(struct subscriber *subscriber, const struct feed_bounds *bounds);

/* subscriber_queue.c */
/* Queue a reference of its own. False when there is no room: nothing was queued. */
bool subscriber_queue(struct subscriber *subscriber, struct frame *frame);
struct frame *subscriber_pop(struct subscriber *subscriber); /* NULL when it is empty */
void subscriber_drop_events(struct subscriber *subscriber);  /* keeps the control frames */
void subscriber_drop_queue(struct subscriber *subscriber);
void subscriber_queue_error(struct subscriber *subscriber, const char *code, const char *message);
void subscriber_queue_hello(struct subscriber *subscriber, const struct feed_bounds *bounds);
/* The subscription was changed: everything up to seq was as it had been before. */
void subscriber_queue_changed(struct subscriber *subscriber, int64_t seq, const char *language);
void subscriber_queue_caught_up(struct subscriber *subscriber,
				int64_t seq); /* once a subscription */
void subscriber_queue_position(struct subscriber *subscriber, int64_t seq);
void subscriber_queue_gap(struct subscriber *subscriber, int64_t from, int64_t to);

/* stream_pages.c */
void subscriber_ask_page(struct subscriber *subscriber); /* now, or when its turn comes */
/* A page came. Takes the item's batch. May free a subscriber that is gone. */
void subscriber_take_page(struct subscriber *subscriber, struct feed_item *item);
void subscriber_drop_page(struct subscriber *subscriber); /* held, asked for or waited for */
void subscriber_give_up_page(struct subscriber *subscriber, int64_t now_us); /* held too long */

#endif
