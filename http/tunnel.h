/* Tunnel: a connection that was taken over behind TLS, between its peer and the inner end of a
 * socket pair, which speaks plain bytes.
 *
 * Whole messages may go past the pair, straight to TLS: a stream's frame is written once, not
 * copied through the pair. Each way reads no more before what it read is gone, so that
 * back-pressure reaches both sides. Thread: whoever calls http_tunnel_run(), which also serves the
 * inner end; one at a time before that.
 */
#ifndef HTTP_TUNNEL_H
#define HTTP_TUNNEL_H

#include <stddef.h>

struct http_tunnel;
struct loop;

typedef void http_tunnel_fn(void *ctx);

/* Go on, on `loop`. `on_room`: what http_tunnel_send() did not take may be offered again. `on_end`:
 * both sides are closed, and the tunnel is freed already; unless http_tunnel_free() is called it
 * comes, a while after the inner end was closed at the latest. Both come from the loop, never
 * from within a call of these. */
void http_tunnel_run(struct http_tunnel *tunnel, struct loop *loop, http_tunnel_fn *on_room,
		     http_tunnel_fn *on_end, void *ctx);
/* Send what the inner end has said so far: what must come before a message. */
void http_tunnel_drain(struct http_tunnel *tunnel);
/* Send a message past the pair. How much of it was taken: when that is not all, the rest is to be
 * offered next, after `on_room`, and what the inner end says waits for it. To a peer that is
 * gone all is taken; `on_end` follows. */
size_t http_tunnel_send(struct http_tunnel *tunnel, const char *p, size_t n);
/* The peer's socket; the tunnel's own. */
int http_tunnel_fd(const struct http_tunnel *tunnel);
/* Close both sides at once. Not from on_room. NULL is allowed. */
void http_tunnel_free(struct http_tunnel *tunnel);

#endif
