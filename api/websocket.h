/* WebSocket: /stream, subprotocols rfevents.v1 and cloudevents.json, for clients that our own front
 * door let in.
 *
 * libwebsockets speaks RFC 6455 only, on a thread of its own: it adopts a descriptor and a
 * request that we wrote ourselves, and never sees TLS, a listener, or a header of a stranger.
 * Behind TLS the descriptor is the inner end of a tunnel, whose TLS side the same thread serves;
 * frames of messages go past the pair, and libwebsockets is left with what clients send and
 * with the control frames.
 */
#ifndef API_WEBSOCKET_H
#define API_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "api/stream_hub.h"
#include "base/str.h"

struct err;
struct feed;
struct http_tunnel;
struct slot;
struct websocket;

struct websocket_config {
	struct feed *feed;
	struct slot *sources;
	struct slot *registries;
	struct slot *catalogs;
	const char *default_language;
	stream_token_fn *whose_token; /* a token that a browser sends in its first frame */
	stream_account_fn *may_follow; /* NULL: all may */
	void *auth_ctx;
	/* A connection of `peer` was closed. On the websocket thread; NULL is allowed. */
	void (*closed)(void *ctx, struct str peer);
	void *closed_ctx;
	/* Time limits; 0: the usual ones (5 s, 60 s, 9 s). */
	int64_t token_us;       /* until a client without credentials has sent a token */
	int64_t stall_us;       /* while data is owed and the client reads no byte of it */
	int64_t position_us;    /* between the positions of a filtered stream */
	int ping_s;             /* of silence, then a ping … */
	int silence_s;          /* … and of all silence, then the end; 0: 30 and 300 */
	size_t max_per_account; /* clients; 0: STREAM_MAX_PER_ACCOUNT */
};

/* An upgrade that the front door took. All texts are copied. */
struct websocket_arrival {
	struct str request;        /* re-serialised by us, and what the peer sent behind it */
	struct str query;          /* of /stream, raw */
	struct str language, peer; /* Accept-Language; address */
	struct str account;        /* p NULL: no credentials, the first frame must carry a token */
	enum stream_form form;
};

int websocket_start(const struct websocket_config *config, struct websocket **out, struct err *err);
/* Adopt a connection: takes `fd`, and `tunnel`, whose inner end it then is (NULL: a socket of the
 * peer itself); on failure they stay the caller's. Any thread. -EAGAIN when too many wait. */
int websocket_adopt(struct websocket *websocket, int fd, struct http_tunnel *tunnel,
		    const struct websocket_arrival *arrival, struct err *err);
/* Says goodbye (1001) to the clients, for a second at most. Who is adopted from then on is closed
 * without a word. NULL is allowed. */
void websocket_halt(struct websocket *websocket);
/* Halts it, if that was not done, and frees it. NULL is allowed. */
void websocket_stop(struct websocket *websocket);

#endif
