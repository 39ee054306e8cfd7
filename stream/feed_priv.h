/* Private to stream/: what feed.c (positions, followers) and feed_thread.c (database) share. */
#ifndef STREAM_FEED_PRIV_H
#define STREAM_FEED_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/feed.h"
#include "stream/limits.h"
#include "stream/ring.h"

/* A page that somebody asked for; in `feed.requests` until it is taken up. */
struct page_request {
	struct page_request *next;
	struct follower *follower; /* NULL: closed while the page was being read */
	int64_t after;
	size_t max_events;
	void *reader;
	uint64_t ticket;
};

struct feed {
	char *url; /* NULL: ring only */
	pthread_t thread;
	int wake_fd; /* eventfd: requests, holes, stop */

	pthread_mutex_t
		mutex; /* guards all below; mailboxes may be filled under it, they call nobody */
	bool stopping;
	struct ring ring;
	struct feed_bounds bounds;
	int64_t known_last; /* highest seq known to be committed; above last_seq: a hole to read */
	int64_t hole_since_us;                         /* monotonic; 0: no hole */
	struct entry_batch *waiting[FEED_MAX_WAITING]; /* by first seq; above the hole */
	size_t n_waiting;
	struct follower *followers;
	struct page_request *requests, **requests_end;
	struct page_request *in_service; /* the one the thread is reading */
};

/* With the mutex held. */
void feed_accept_log(struct feed *feed, struct entry_batch *batch); /* a hole's page; borrows */
void feed_skip_to(struct feed *feed,
		  int64_t last_seq);    /* go on above a hole that is not worth reading */
void feed_note_hole(struct feed *feed); /* look whether there is one */
void feed_wake_followers(struct feed *feed);
/* Hand `batch` (a reference, taken; NULL: log away) to who asked; false when the inbox is full:
 * nothing was taken. */
bool feed_answer(struct page_request *request, struct entry_batch *batch);
void feed_queue_request(struct feed *feed, struct page_request *request);

void *feed_thread(void *feed);

#endif
