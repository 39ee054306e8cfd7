/* Stream hub: fans the feed out to the subscribers of one thread.
 *
 * Subscribers that want the same (language, filter) are one audience: each event is matched and
 * written once for all of its live members, who share the frame. A member that does not take its
 * frames leaves, reads the feed (ring, then pages of the log) at its own pace, and joins again
 * when it has caught up. No sockets here: whoever owns them asks subscriber_next() when one can
 * be written. Thread: the one that made it.
 */
#ifndef API_STREAM_HUB_H
#define API_STREAM_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct feed;
struct slot;
struct stream_hub;

/* The form of what clients hear: the subprotocol. */
enum stream_form {
	STREAM_RFEVENTS,   /* rfevents.v1: batches of Entries */
	STREAM_CLOUDEVENTS, /* cloudevents.json: each message a CloudEvent, each event its own */
	STREAM_SSE          /* server-sent events: Redfish payloads, as text/event-stream */
};

/* Whose token it is, into `account` (ACCOUNT_NAME_MAX_BYTES + 1); false: nobody's. Any thread. */
typedef bool stream_token_fn(void *ctx, struct str token, char *account);

/* Whether an account that logged in may still follow: it may be gone or disabled since. Any thread.
 */
typedef bool stream_account_fn(void *ctx, const char *account);

struct stream_hub_config {
	struct feed *feed;
	struct slot *sources;
	struct slot *registries;
	struct slot *catalogs;
	const char *default_language;
	stream_token_fn *whose_token;
	stream_account_fn *may_follow; /* asked about once a second; NULL: all may */
	void *auth_ctx;
	size_t max_per_account; /* clients; 0: STREAM_MAX_PER_ACCOUNT */
	/* The subscriber has (or may have) something for its socket; `ctx` is the subscriber's. */
	void (*wants_write)(void *ctx);
	bool is_second; /* another hub of the service tells the metrics */
	int64_t position_us; /* between positions of a filtered stream */
};

struct stream_hub *stream_hub_new(const struct stream_hub_config *config);
void stream_hub_free(
	struct stream_hub *hub);           /* its subscribers are freed before; NULL is allowed */
int stream_hub_fd(struct stream_hub *hub); /* readable: call stream_hub_turn() */
/* Take what the feed has, up to a share; the rest makes the descriptor readable again. */
void stream_hub_turn(struct stream_hub *hub);
void stream_hub_tick(struct stream_hub *hub); /* about once a second: positions, tries again, lag */

#endif
