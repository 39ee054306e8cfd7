/* WebSocket: /stream, subprotocol rfevents.v1, for clients that our own front door let in.
 *
 * libwebsockets speaks RFC 6455 only, on a thread of its own: it adopts a descriptor and a
 * request that we wrote ourselves, and never sees TLS, a listener, or a header of a stranger.
 */
#ifndef API_WEBSOCKET_H
#define API_WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct feed;
struct slot;
struct websocket;

/* Checks a token that a browser sends in its first frame. Any thread. */
typedef bool websocket_token_fn(void *ctx, struct str token);

struct websocket_config {
	struct feed *feed;
	struct slot *sources;
	struct slot *registries;
	struct slot *catalogs;
	const char *default_language;
	websocket_token_fn *token_valid;
	void *token_ctx;
	/* A plain socket (not the end of a pair) of `peer` was closed. On the websocket thread;
	 * NULL is allowed. */
	void (*closed)(void *ctx, struct str peer);
	void *closed_ctx;
	/* Time limits; 0: the usual ones (5 s, 60 s, 9 s). */
	int64_t token_us;    /* until a client without credentials has sent a token */
	int64_t stall_us;    /* while data is owed and the client reads no byte of it */
	int64_t position_us; /* between the positions of a filtered stream */
};

int websocket_start(const struct websocket_config *config, struct websocket **out, struct err *err);
/* Adopt a connection: takes `fd`; on failure it stays the caller's. `request`: the upgrade request,
 * re-serialised by us, and what the peer sent behind it. `query`: raw query string of /stream.
 * `authenticated`: by headers; if not, the first frame must carry a token. All texts are copied;
 * `language` is an Accept-Language. Any thread. -EAGAIN when too many wait. */
int websocket_adopt(struct websocket *websocket, int fd, struct str request, struct str query,
		    struct str language, struct str peer, bool authenticated, struct err *err);
/* Says goodbye (1001) to the clients, for a second at most. NULL is allowed. */
void websocket_stop(struct websocket *websocket);

#endif
