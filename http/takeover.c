/* Connections that go on as something else after an Upgrade.
 *
 * A plain one is handed out as it is. Behind TLS stays a tunnel: one end of a socketpair is handed
 * out, the other is pumped here. Each direction holds at most one step's bytes, and reads no more
 * before those are gone, so that back-pressure reaches both sides.
 * Thread: the loop's.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/connection_priv.h"

struct tunnel {
	struct connection *connection;
	struct loop_fd watch; /* our end of the pair */
	struct strbuf inward; /* from the peer, not taken by the inner side yet: from inward_sent */
	size_t inward_sent;
	bool inner_eof;             /* it will say no more */
	bool inner_gone;            /* it will not listen any more either */
	bool inner_shut, peer_shut; /* told that no more will come */
};

static void on_inner(struct loop_fd *watch, uint32_t events);

static int tunnel_open(struct connection *connection, int *fd_out, struct err *err)
{
	struct loop *loop = server_loop(connection->server);
	struct tunnel *tunnel;
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return err_set(err, -errno, "cannot make a socket pair: %s", strerror(errno));
	tunnel = xcalloc(1, sizeof(*tunnel));
	tunnel->connection = connection;
	tunnel->watch = (struct loop_fd){ fds[0], EPOLLIN, on_inner, tunnel, false };
	strbuf_init(&tunnel->inward, HTTP_TUNNEL_BYTES);
	r = loop_fd_add(loop, &tunnel->watch);
	if (r < 0) {
		close(fds[0]);
		close(fds[1]);
		free(tunnel);
		return err_set(err, r, "cannot watch a socket pair: %s", strerror(-r));
	}
	connection->tunnel = tunnel;
	*fd_out = fds[1];
	return 0;
}

void tunnel_free(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	loop_fd_remove(server_loop(tunnel->connection->server), &tunnel->watch);
	close(tunnel->watch.fd);
	strbuf_fini(&tunnel->inward);
	free(tunnel);
}

/* The request leaves the queue without an answer; `early_out` gets what came behind it. */
static void give_back(struct http_request *request, struct strbuf *early_out)
{
	struct connection *connection = request->connection;

	strbuf_init(early_out, SIZE_MAX);
	if (connection->block)
		strbuf_put(early_out, (struct str){ connection->block->data + connection->in_at,
						    connection->in_end - connection->in_at });
	connection->in_at = connection->in_end;
	request->answered = true;
	connection_advance(connection);
	block_unref(connection->server, connection->block);
	connection->block = NULL;
	connection->in_at = connection->in_end = 0;
}

int http_request_take_over(struct http_request *request, int *fd_out, struct strbuf *early_out,
			   struct err *err)
{
	struct connection *connection = request->connection;
	int r;

	if (connection->state != CONNECTION_OPEN || connection->eof)
		return err_set(err, -EPIPE, "the peer has left");
	if (connection->http2)
		return err_set(err, -EOPNOTSUPP, "a stream of HTTP/2 cannot be taken over");
	if (connection->n_requests != 1 || request->answered || connection->http1.reading)
		return err_set(err, -EBUSY, "other requests of the connection are under way");
	r = connection_flush(connection);
	if (r < 0 && r != -EAGAIN)
		return err_set(err, r, "the peer has left: %s", strerror(-r));
	if (!connection->ssl && r == 0) {
		give_back(request, early_out);
		*fd_out = connection_detach(connection);
		return 0;
	}
	r = tunnel_open(connection, fd_out, err);
	if (r < 0)
		return r;
	give_back(request, early_out);
	connection->state = CONNECTION_TUNNEL;
	connection->paused = connection->stop_reading = false;
	/* TLS may have decrypted more already, which epoll does not see. */
	server_again(connection->server, connection);
	return 0;
}

/* --- pumping
 * --------------------------------------------------------------------------------------- */

static bool has_inward(const struct tunnel *tunnel)
{
	return tunnel->inward_sent < tunnel->inward.len;
}

static void push_inward(struct tunnel *tunnel)
{
	while (has_inward(tunnel)) {
		ssize_t n = send(tunnel->watch.fd, tunnel->inward.p + tunnel->inward_sent,
				 tunnel->inward.len - tunnel->inward_sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break; /* nobody listens */
		tunnel->inward_sent += (size_t)n;
	}
	server_keep_output(tunnel->connection->server, &tunnel->inward);
	tunnel->inward_sent = 0;
}

/* From the peer to the inner side, until one of them has nothing or takes nothing. */
static void pump_inward(struct connection *connection)
{
	struct tunnel *tunnel = connection->tunnel;

	for (size_t i = 0; i < HTTP_TUNNEL_STEPS && !has_inward(tunnel) && !connection->eof; i++) {
		char *to;
		ssize_t n;

		server_spare_output(connection->server, &tunnel->inward);
		to = strbuf_reserve(&tunnel->inward, HTTP_TUNNEL_BYTES);
		n = to ? connection_recv(connection, to, HTTP_TUNNEL_BYTES) : -ENOMEM;
		if (n <= 0)
			server_keep_output(connection->server, &tunnel->inward);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			connection_close(connection);
			return;
		}
		if (n == 0) {
			connection->eof = true;
			return;
		}
		strbuf_commit(&tunnel->inward, (size_t)n);
		push_inward(tunnel);
	}
	if (connection_has_pending(connection) && !has_inward(tunnel))
		server_again(connection->server, connection);
}

/* From the inner side to the peer. A failed write closes the connection. */
static void pump_outward(struct connection *connection)
{
	struct tunnel *tunnel = connection->tunnel;
	int r = 0;

	for (size_t i = 0; i < HTTP_TUNNEL_STEPS && r == 0 && !tunnel->inner_eof; i++) {
		struct strbuf *out = connection_out(connection);
		char *to = strbuf_reserve(out, HTTP_TUNNEL_BYTES);
		ssize_t n = to ? recv(tunnel->watch.fd, to, HTTP_TUNNEL_BYTES, 0) : -1;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0)
			tunnel->inner_eof = true;
		else
			strbuf_commit(out, (size_t)n);
		r = connection_flush(connection);
		/* All of it, most likely; the loop says when there is more, while it watches. */
		if (n > 0 && n < HTTP_TUNNEL_BYTES && !tunnel->inner_gone)
			break;
	}
	if (r == 0)
		r = connection_flush(connection); /* gives unused memory back */
	if (r < 0 && r != -EAGAIN)
		connection_close(connection);
}

static void on_inner(struct loop_fd *watch, uint32_t events)
{
	struct tunnel *tunnel = watch->ctx;
	struct connection *connection = tunnel->connection;

	connection_touch(connection);
	if (events & (EPOLLHUP | EPOLLERR)) {
		/* Would be said again and again while the peer is slow to take the rest. */
		loop_fd_remove(server_loop(connection->server), watch);
		tunnel->inner_gone = true;
	}
	if (events & EPOLLOUT)
		push_inward(tunnel);
	if ((events & EPOLLIN) && connection_n_unsent(connection) == 0)
		pump_outward(connection);
}

void tunnel_on_event(struct connection *connection, uint32_t events)
{
	struct tunnel *tunnel = connection->tunnel;

	connection_touch(connection);
	if (events & EPOLLOUT)
		connection->blocked = false;
	if (connection->ssl_read_wants_write && (events & EPOLLOUT)) {
		connection->ssl_read_wants_write = false;
		events |= EPOLLIN;
	}
	if ((events & (EPOLLERR | EPOLLHUP)) && (connection->eof || has_inward(tunnel)))
		connection_close(connection);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		pump_inward(connection);
}

/* --- the end of a turn
 * ------------------------------------------------------------------------------- */

/* Each side that ended is told to the other, once all it said is through. */
static void pass_on_ends(struct connection *connection)
{
	struct tunnel *tunnel = connection->tunnel;

	if (connection->eof && !has_inward(tunnel) && !tunnel->inner_shut) {
		shutdown(tunnel->watch.fd, SHUT_WR);
		tunnel->inner_shut = true;
	}
	if (tunnel->inner_eof && connection_n_unsent(connection) == 0 && !tunnel->peer_shut) {
		if (connection->ssl && !connection->ssl_broken)
			SSL_shutdown(connection->ssl);
		ERR_clear_error();
		shutdown(connection->watch.fd, SHUT_WR);
		tunnel->peer_shut = true;
	}
}

static void watch_both(struct connection *connection)
{
	struct tunnel *tunnel = connection->tunnel;
	uint32_t events = 0;

	connection->stop_reading = has_inward(tunnel);
	if (tunnel->inner_gone)
		return;
	if (connection_n_unsent(connection) == 0 && !tunnel->inner_eof)
		events |= EPOLLIN;
	if (has_inward(tunnel))
		events |= EPOLLOUT;
	loop_fd_set(server_loop(connection->server), &tunnel->watch, events);
}

/* The peer takes bytes again, or nobody will tell any more that there are some. */
static void write_on(struct connection *connection)
{
	int r = connection_flush(connection);

	if (r == 0 && connection->tunnel->inner_gone)
		pump_outward(connection);
	else if (r < 0 && r != -EAGAIN)
		connection_close(connection);
}

void tunnel_settle(struct connection *connection)
{
	struct tunnel *tunnel = connection->tunnel;

	if (tunnel->inner_gone)
		push_inward(tunnel); /* fails, and drops it */
	if (!connection->blocked && (connection_n_unsent(connection) > 0 || tunnel->inner_gone))
		write_on(connection);
	if (connection->state != CONNECTION_TUNNEL)
		return;
	pass_on_ends(connection);
	if (tunnel->peer_shut && (tunnel->inner_shut || tunnel->inner_gone)) {
		/* All is said on both sides; what a peer still sends goes nowhere. */
		tunnel_free(tunnel);
		connection->tunnel = NULL;
		connection->state = CONNECTION_OPEN;
		connection->closing = connection->linger = true;
		return;
	}
	if (tunnel->inner_gone && !tunnel->inner_eof && !connection->blocked)
		server_again(connection->server, connection);
	watch_both(connection);
}
