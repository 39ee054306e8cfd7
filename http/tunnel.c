#include "http/tunnel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "http/limits.h"
#include "http/tunnel_priv.h"

/* What was read on one side and is not taken by the other yet. */
struct rest {
	struct strbuf bytes;
	size_t taken;
};

struct http_tunnel {
	struct wire wire;
	struct loop *loop;           /* NULL: does not run yet */
	struct loop_fd outer, inner; /* the wire; our end of the pair */
	struct loop_timer end;
	http_tunnel_fn *on_room, *on_end;
	void *ctx;

	struct rest inward, outward;
	bool mid_message; /* a part of one is sent, or in the TLS engine */
	bool wants_room;
	bool blocked;                /* the wire takes no more for now */
	bool broken;                 /* … and never will */
	bool outer_eof, inner_eof;   /* it will say no more */
	bool inner_gone;             /* it will not listen any more either */
	bool outer_shut, inner_shut; /* told that no more will come */
};

static void on_outer(struct loop_fd *watch, uint32_t events);
static void on_inner(struct loop_fd *watch, uint32_t events);
static void on_timer(struct loop_timer *timer);

int tunnel_new(const struct wire *wire, struct str unsent, struct http_tunnel **out, int *inner_fd,
	       struct err *err)
{
	struct http_tunnel *tunnel;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set(err, -errno, "cannot make a socket pair: %s", strerror(errno));
	tunnel = xcalloc(1, sizeof(*tunnel));
	tunnel->wire = *wire;
	tunnel->outer = (struct loop_fd){ wire->fd, EPOLLIN, on_outer, tunnel, false };
	tunnel->inner = (struct loop_fd){ fds[0], EPOLLIN, on_inner, tunnel, false };
	tunnel->end = (struct loop_timer){ .fn = on_timer, .ctx = tunnel };
	strbuf_init(&tunnel->inward.bytes, SIZE_MAX);
	strbuf_init(&tunnel->outward.bytes, SIZE_MAX);
	strbuf_put(&tunnel->outward.bytes, unsent);
	*out = tunnel;
	*inner_fd = fds[1];
	return 0;
}

static bool has_inward(const struct http_tunnel *tunnel)
{
	return tunnel->inward.taken < tunnel->inward.bytes.len;
}

static bool has_outward(const struct http_tunnel *tunnel)
{
	return tunnel->outward.taken < tunnel->outward.bytes.len;
}

typedef size_t give_fn(struct http_tunnel *tunnel, const char *p, size_t n);

/* Offer what is left. No memory is kept for none. */
static void push(struct http_tunnel *tunnel, struct rest *rest, give_fn *give)
{
	size_t left = rest->bytes.len - rest->taken;

	if (left == 0)
		return;
	rest->taken += give(tunnel, rest->bytes.p + rest->taken, left);
	if (rest->taken < rest->bytes.len)
		return;
	strbuf_fini(&rest->bytes);
	strbuf_init(&rest->bytes, SIZE_MAX);
	rest->taken = 0;
}

void http_tunnel_free(struct http_tunnel *tunnel)
{
	if (!tunnel)
		return;
	if (tunnel->loop) {
		loop_fd_remove(tunnel->loop, &tunnel->outer);
		loop_fd_remove(tunnel->loop, &tunnel->inner);
		loop_timer_cancel(tunnel->loop, &tunnel->end);
	}
	if (has_outward(tunnel) || tunnel->mid_message)
		wire_drop_unsent(&tunnel->wire);
	wire_close(&tunnel->wire);
	close(tunnel->inner.fd);
	strbuf_fini(&tunnel->inward.bytes);
	strbuf_fini(&tunnel->outward.bytes);
	free(tunnel);
}

int http_tunnel_fd(const struct http_tunnel *tunnel)
{
	return tunnel->wire.fd;
}

/* Ends it soon: not within a call of its owner's. */
static void break_off(struct http_tunnel *tunnel)
{
	tunnel->broken = true;
	loop_timer_set(tunnel->loop, &tunnel->end, 0);
}

/* --- from the peer to the inner end
 * ------------------------------------------------------------------------ */

/* How much was taken; all of it when nobody listens. */
static size_t give_inner(struct http_tunnel *tunnel, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n && !tunnel->inner_gone) {
		ssize_t r = send(tunnel->inner.fd, p + done, n - done, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return done;
		if (r < 0)
			break;
		done += (size_t)r;
	}
	return n;
}

/* Until the peer says no more or the pair, which nobody reads meanwhile, is full: what waits in the
 * TLS engine epoll does not see. What nobody listens to any more is read a little at a time. */
static void pump_inward(struct http_tunnel *tunnel)
{
	char bytes[HTTP_TUNNEL_BYTES];
	size_t left = HTTP_TUNNEL_STEPS;

	while (!has_inward(tunnel) && !tunnel->outer_eof && !tunnel->broken && left > 0) {
		ssize_t n = wire_recv(&tunnel->wire, bytes, sizeof(bytes));
		size_t taken;

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			break_off(tunnel);
			return;
		}
		tunnel->outer_eof = n == 0;
		left -= tunnel->inner_gone;
		taken = give_inner(tunnel, bytes, (size_t)n);
		strbuf_put(&tunnel->inward.bytes, (struct str){ bytes + taken, (size_t)n - taken });
	}
}

/* --- from the inner end to the peer
 * ------------------------------------------------------------------------ */

/* How much was taken; all of it when nobody listens. */
static size_t give_outer(struct http_tunnel *tunnel, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = wire_send(&tunnel->wire, p + done, n - done);

		if (r == -EAGAIN) {
			tunnel->blocked = true;
			return done;
		}
		if (r < 0) {
			break_off(tunnel);
			return n;
		}
		done += (size_t)r;
	}
	return n;
}

static bool may_read_inner(const struct http_tunnel *tunnel)
{
	return !has_outward(tunnel) && !tunnel->mid_message && !tunnel->inner_eof &&
	       !tunnel->broken;
}

static void pump_outward(struct http_tunnel *tunnel)
{
	char bytes[HTTP_TUNNEL_BYTES];

	while (may_read_inner(tunnel)) {
		ssize_t n = recv(tunnel->inner.fd, bytes, sizeof(bytes), 0);
		size_t taken;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			tunnel->inner_eof = true;
			return;
		}
		taken = give_outer(tunnel, bytes, (size_t)n);
		strbuf_put(&tunnel->outward.bytes,
			   (struct str){ bytes + taken, (size_t)n - taken });
	}
}

/* The wire takes bytes again. */
static void go_on_outward(struct http_tunnel *tunnel)
{
	push(tunnel, &tunnel->outward, give_outer);
	if (tunnel->wants_room && !has_outward(tunnel) && !tunnel->blocked) {
		tunnel->wants_room = false;
		tunnel->on_room(tunnel->ctx);
	}
	pump_outward(tunnel);
}

/* --- what is watched, and the end
 * ------------------------------------------------------------------------ */

static void watch(struct http_tunnel *tunnel)
{
	uint32_t outer = 0, inner = 0;

	if (!has_inward(tunnel) && !tunnel->outer_eof)
		outer |= EPOLLIN;
	if (tunnel->blocked || tunnel->wire.read_wants_write)
		outer |= EPOLLOUT;
	loop_fd_set(tunnel->loop, &tunnel->outer, outer);
	if (tunnel->inner_gone)
		return;
	if (may_read_inner(tunnel))
		inner |= EPOLLIN;
	if (has_inward(tunnel))
		inner |= EPOLLOUT;
	loop_fd_set(tunnel->loop, &tunnel->inner, inner);
}

/* Each side that ended is told to the other, once all it said is through. */
static void pass_on_ends(struct http_tunnel *tunnel)
{
	if (tunnel->outer_eof && !has_inward(tunnel) && !tunnel->inner_shut) {
		shutdown(tunnel->inner.fd, SHUT_WR);
		tunnel->inner_shut = true;
	}
	if (tunnel->inner_eof && !has_outward(tunnel) && !tunnel->mid_message &&
	    !tunnel->outer_shut) {
		wire_say_end(&tunnel->wire);
		shutdown(tunnel->wire.fd, SHUT_WR);
		tunnel->outer_shut = true;
		if (tunnel->inner_gone)
			loop_timer_set(tunnel->loop, &tunnel->end, HTTP_LINGER_US);
	}
}

static void end(struct http_tunnel *tunnel)
{
	http_tunnel_fn *on_end = tunnel->on_end;
	void *ctx = tunnel->ctx;

	http_tunnel_free(tunnel);
	on_end(ctx);
}

/* After what the loop told; the tunnel may be gone behind it. */
static void settle(struct http_tunnel *tunnel)
{
	pass_on_ends(tunnel);
	if (tunnel->broken ||
	    (tunnel->outer_shut && tunnel->outer_eof && (tunnel->inner_shut || tunnel->inner_gone)))
		end(tunnel);
	else
		watch(tunnel);
}

static void on_outer(struct loop_fd *fd, uint32_t events)
{
	struct http_tunnel *tunnel = fd->ctx;

	if (events & EPOLLOUT)
		tunnel->blocked = false;
	events = wire_events(&tunnel->wire, events);
	if ((events & (EPOLLERR | EPOLLHUP)) && (tunnel->outer_eof || has_inward(tunnel)))
		tunnel->broken = true;
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		pump_inward(tunnel);
	if ((events & EPOLLOUT) && !tunnel->broken)
		go_on_outward(tunnel);
	settle(tunnel);
}

static void on_inner(struct loop_fd *fd, uint32_t events)
{
	struct http_tunnel *tunnel = fd->ctx;

	if (events & (EPOLLHUP | EPOLLERR)) {
		/* Would be said again and again while the peer is slow to take the rest. */
		loop_fd_remove(tunnel->loop, &tunnel->inner);
		tunnel->inner_gone = true;
		loop_timer_set(tunnel->loop, &tunnel->end, HTTP_TUNNEL_END_US);
	}
	if ((events & EPOLLOUT) || tunnel->inner_gone) {
		push(tunnel, &tunnel->inward, give_inner);
		pump_inward(tunnel);
	}
	pump_outward(tunnel);
	settle(tunnel);
}

static void on_timer(struct loop_timer *timer)
{
	end(timer->ctx);
}

/* --- for its owner ---------------------------------------------------------------------------- */

void http_tunnel_run(struct http_tunnel *tunnel, struct loop *loop, http_tunnel_fn *on_room,
		     http_tunnel_fn *on_end, void *ctx)
{
	tunnel->loop = loop;
	tunnel->on_room = on_room;
	tunnel->on_end = on_end;
	tunnel->ctx = ctx;
	if (loop_fd_add(loop, &tunnel->outer) < 0 || loop_fd_add(loop, &tunnel->inner) < 0) {
		break_off(tunnel);
		return;
	}
	push(tunnel, &tunnel->outward, give_outer);
	pump_inward(tunnel);
	pass_on_ends(tunnel);
	watch(tunnel);
}

void http_tunnel_drain(struct http_tunnel *tunnel)
{
	pump_outward(tunnel);
	watch(tunnel);
}

size_t http_tunnel_send(struct http_tunnel *tunnel, const char *p, size_t n)
{
	size_t done;

	if (tunnel->broken)
		return n;
	if (tunnel->blocked || has_outward(tunnel)) {
		tunnel->wants_room = true;
		return 0;
	}
	done = give_outer(tunnel, p, n);
	tunnel->wants_room = tunnel->mid_message = done < n;
	watch(tunnel);
	return done;
}
