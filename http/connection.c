#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/connection_priv.h"

/* Less room than this is not worth a read. */
#define MIN_ROOM 2048

static void on_event(struct loop_fd *watch, uint32_t events);
static void on_timer(struct loop_timer *timer);

/* --- blocks ------------------------------------------------------------------------------------
 */

struct block *block_new(struct http_server *server, size_t size)
{
	struct block *block = NULL;

	if (size <= HTTP_BLOCK_BYTES - sizeof(*block)) {
		size = HTTP_BLOCK_BYTES - sizeof(*block);
		block = server_spare_block(server);
	}
	if (!block)
		block = xmalloc(sizeof(*block) + size);
	block->n_refs = 1;
	block->size = size;
	return block;
}

struct block *block_ref(struct block *block)
{
	block->n_refs++;
	return block;
}

void block_unref(struct http_server *server, struct block *block)
{
	if (!block || --block->n_refs > 0)
		return;
	if (block->size != HTTP_BLOCK_BYTES - sizeof(*block) || !server_keep_block(server, block))
		free(block);
}

static void trim_input(struct connection *connection)
{
	if (!connection->block || connection->in_at < connection->in_end)
		return;
	block_unref(connection->server, connection->block);
	connection->block = NULL;
	connection->in_at = connection->in_end = 0;
}

/* Give the message under way, which fills the block's end, a place with room for more. Memory is
 * at most twice what the peer really sent. */
static void move_input(struct connection *connection)
{
	size_t n = connection->in_end - connection->in_at;
	struct block *from = connection->block;
	const char *p = from->data + connection->in_at;
	struct block *to = block_new(connection->server, 2 * n + MIN_ROOM);

	memcpy(to->data, p, n);
	connection->block = to;
	connection->in_at = 0;
	connection->in_end = n;
	connection->protocol->on_moved(connection, p, to->data);
	block_unref(connection->server, from);
}

static char *input_room(struct connection *connection, size_t *room_out)
{
	struct block *block = connection->block;

	if (!block) {
		connection->block = block_new(connection->server, 0);
		connection->in_at = connection->in_end = 0;
	} else if (connection->in_at == connection->in_end && block->n_refs == 1) {
		connection->in_at = connection->in_end = 0;
	} else if (block->size - connection->in_end < MIN_ROOM) {
		move_input(connection);
	}
	*room_out = connection->block->size - connection->in_end;
	return connection->block->data + connection->in_end;
}

/* --- life ----------------------------------------------------------------------------------------
 */

void connection_new(struct http_server *server, int fd, const struct peer_key *key,
		    const char *peer, SSL_CTX *tls)
{
	struct connection *connection = xcalloc(1, sizeof(*connection));

	connection->server = server;
	connection->peer_key = *key;
	memcpy(connection->peer, peer, strlen(peer) + 1);
	connection->protocol = tls ? &http1_ops : &preface_ops;
	connection->state = CONNECTION_OPEN;
	connection->watch = (struct loop_fd){ fd, EPOLLIN, on_event, connection, false };
	connection->wire.fd = fd;
	connection->timer = (struct loop_timer){ .fn = on_timer, .ctx = connection };
	server_link(server, connection);
	if (tls) {
		connection->state = CONNECTION_HANDSHAKE;
		connection->wire.ssl = SSL_new(tls);
	}
	if ((tls && (!connection->wire.ssl || SSL_set_fd(connection->wire.ssl, fd) != 1)) ||
	    loop_fd_add(server_loop(server), &connection->watch) < 0) {
		ERR_clear_error();
		connection->wire.broken = true;
		connection_close(connection);
		return;
	}
	if (tls)
		SSL_set_accept_state(connection->wire.ssl);
	connection_touch(connection);
}

struct wire connection_detach(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct wire wire = connection->wire;

	loop_fd_remove(server_loop(server), &connection->watch);
	loop_timer_cancel(server_loop(server), &connection->timer);
	connection->wire = (struct wire){ .fd = -1 };
	connection->state = CONNECTION_GONE;
	connection->protocol->fini(connection);
	server_keep_output(server, &connection->out);
	connection->out_sent = 0;
	if (connection->n_requests == 0)
		server_bury(server, connection);
	else
		connection_touch(connection); /* writers of answers are told */
	return wire;
}

void connection_close(struct connection *connection)
{
	struct wire wire;

	if (connection->state == CONNECTION_GONE)
		return;
	if (connection->state != CONNECTION_HANDSHAKE && connection->state != CONNECTION_LINGER)
		wire_say_end(&connection->wire);
	shared_leave(server_shared(connection->server), &connection->peer_key);
	wire = connection_detach(connection);
	wire_close(&wire);
}

void connection_free(struct connection *connection)
{
	while (connection->first) {
		struct http_request *request = connection->first;

		connection->first = request->next;
		request_recycle(request);
	}
	block_unref(connection->server, connection->block);
	free(connection);
}

bool connection_is_busy(const struct connection *connection)
{
	return connection->n_requests > 0 || connection->n_held > 0 ||
	       connection_n_unsent(connection) > 0;
}

void connection_touch(struct connection *connection)
{
	server_touch(connection->server, connection);
}

/* --- bytes ---------------------------------------------------------------------------------------
 */

static bool wants_input(const struct connection *connection)
{
	return connection->state == CONNECTION_OPEN && !connection->closing &&
	       !connection->paused && !connection->eof;
}

/* One read; false when nothing more is to be had now. */
static bool read_once(struct connection *connection, size_t *budget)
{
	size_t room;
	char *to = input_room(connection, &room);
	ssize_t n;

	if (room > *budget)
		room = *budget;
	n = wire_recv(&connection->wire, to, room);
	if (n < 0 && n != -EAGAIN) {
		connection_close(connection);
		return false;
	}
	if (n == -EAGAIN)
		return false;
	if (n == 0)
		connection->eof = true;
	connection->in_end += (size_t)n;
	*budget -= (size_t)n;
	connection->protocol->on_input(connection);
	return (size_t)n == room || wire_has_pending(&connection->wire);
}

void connection_read(struct connection *connection)
{
	size_t budget = HTTP_READ_BUDGET;
	bool more = true;

	while (more && budget > 0 && wants_input(connection))
		more = read_once(connection, &budget);
	if (budget == 0 && wants_input(connection))
		server_again(connection->server, connection);
	if (connection->state == CONNECTION_OPEN)
		trim_input(connection);
	connection_touch(connection);
}

void connection_again(struct connection *connection)
{
	if (wants_input(connection))
		connection_read(connection);
	else if (connection->state == CONNECTION_OPEN || connection->n_requests > 0)
		connection_touch(connection); /* it has more to say, or to be told */
}

struct strbuf *connection_out(struct connection *connection)
{
	struct strbuf *out = &connection->out;

	if (!out->p)
		server_spare_output(connection->server, out);
	/* A peer that always leaves a little would make it grow for ever. */
	if (connection->out_sent >= HTTP_OUTPUT_SLACK && connection->out_sent >= out->len / 2) {
		out->len -= connection->out_sent;
		memmove(out->p, out->p + connection->out_sent, out->len);
		connection->out_sent = 0;
	}
	return out;
}

size_t connection_n_unsent(const struct connection *connection)
{
	return connection->out.len - connection->out_sent;
}

int connection_flush(struct connection *connection)
{
	while (connection_n_unsent(connection) > 0) {
		size_t n = connection_n_unsent(connection);
		ssize_t r =
			wire_send(&connection->wire, connection->out.p + connection->out_sent, n);

		connection->blocked = r == -EAGAIN;
		if (r < 0)
			return (int)r;
		connection->out_sent += (size_t)r;
		if (connection->phase == PHASE_WRITE)
			connection->rearm = true;
	}
	server_keep_output(connection->server, &connection->out);
	connection->out_sent = 0;
	return 0;
}

/* --- events
 * ---------------------------------------------------------------------------------------- */

void connection_watch(struct connection *connection)
{
	uint32_t events = 0;

	if (connection->state == CONNECTION_GONE)
		return;
	if (!connection->stop_reading && !connection->eof)
		events |= EPOLLIN;
	if (connection->blocked || connection->wire.read_wants_write)
		events |= EPOLLOUT;
	loop_fd_set(server_loop(connection->server), &connection->watch, events);
}

static void choose_protocol(struct connection *connection)
{
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(connection->wire.ssl, &name, &len);
	if (len == 2 && memcmp(name, "h2", 2) == 0)
		http2_begin(connection);
}

/* Why a handshake came to nothing; the queue of errors is left as it is. */
static const char *handshake_failure(const struct connection *connection)
{
	long verdict = SSL_get_verify_result(connection->wire.ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict); /* of the client's certificate */
	return reason ? reason : "the peer left";
}

void connection_handshake(struct connection *connection)
{
	const char *why;
	int r;

	if (connection->state != CONNECTION_HANDSHAKE)
		return;
	ERR_clear_error();
	r = SSL_do_handshake(connection->wire.ssl);
	if (r == 1) {
		connection->state = CONNECTION_OPEN;
		connection->blocked = connection->wire.read_wants_write = false;
		choose_protocol(connection);
		connection_read(connection); /* the first request often came along */
		return;
	}
	why = handshake_failure(connection);
	r = wire_failure(&connection->wire, r, false);
	if (r != -EAGAIN) {
		server_report_handshake(connection->server, connection->peer, why);
		connection_close(connection);
		return;
	}
	connection->blocked = SSL_want_write(connection->wire.ssl);
	connection_watch(connection);
}

/* Bytes of a peer that was answered and is being left: dropped, undecrypted. */
static void linger_read(struct connection *connection)
{
	char dropped[16384];
	ssize_t n = recv(connection->watch.fd, dropped, sizeof(dropped), 0);

	if (n > 0)
		connection->n_lingered += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
	    connection->n_lingered > HTTP_LINGER_BYTES)
		connection_close(connection);
}

static void open_event(struct connection *connection, uint32_t events)
{
	bool deaf = connection->paused || connection->closing || connection->eof;

	connection_touch(connection);
	if (events & EPOLLOUT)
		connection->blocked = false;
	events = wire_events(&connection->wire, events);
	if ((events & (EPOLLERR | EPOLLHUP)) && deaf) {
		connection_close(connection);
	} else if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && deaf) {
		/* Asked for again when there is a wish to read: costs nothing until it happens. */
		connection->stop_reading = true;
		connection_watch(connection);
	} else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		connection_read(connection);
	}
}

static void on_event(struct loop_fd *watch, uint32_t events)
{
	struct connection *connection = watch->ctx;

	switch (connection->state) {
	case CONNECTION_HANDSHAKE: server_shake(connection->server, connection); break;
	case CONNECTION_OPEN: open_event(connection, events); break;
	case CONNECTION_LINGER: linger_read(connection); break;
	case CONNECTION_GONE: break;
	}
}

/* --- time limits
 * ----------------------------------------------------------------------------------- */

static enum connection_phase phase_of(const struct connection *connection)
{
	bool unsent = connection_n_unsent(connection) > 0;

	switch (connection->state) {
	case CONNECTION_HANDSHAKE: return PHASE_HANDSHAKE;
	case CONNECTION_LINGER: return PHASE_LINGER;
	case CONNECTION_OPEN: return unsent ? PHASE_WRITE : connection->protocol->phase(connection);
	case CONNECTION_GONE: break;
	}
	return PHASE_NONE;
}

static int64_t limit_of(const struct connection *connection, enum connection_phase phase)
{
	const struct http_limits *limits = server_limits(connection->server);

	switch (phase) {
	case PHASE_HANDSHAKE: return limits->handshake_us;
	case PHASE_HEAD: return limits->head_us;
	case PHASE_BODY: return limits->body_us;
	case PHASE_WRITE:
	case PHASE_WINDOW: return limits->write_us;
	case PHASE_IDLE: return limits->idle_us;
	case PHASE_LINGER: return HTTP_LINGER_US;
	default: return 0;
	}
}

/* A timer left over from an earlier phase is not cancelled (that would cost more than to ignore
 * it): on_timer() looks at the phase it fires in. */
static void update_timer(struct connection *connection)
{
	enum connection_phase phase = phase_of(connection);
	int64_t limit_us = limit_of(connection, phase);

	/* A request that came in or bytes that left begin a phase anew; a trickle does not. */
	if (phase == connection->phase && !connection->rearm)
		return;
	connection->phase = phase;
	if (limit_us > 0)
		loop_timer_set(server_loop(connection->server), &connection->timer, limit_us);
}

static void on_timer(struct loop_timer *timer)
{
	struct connection *connection = timer->ctx;

	switch (connection->phase) {
	case PHASE_NONE:
	case PHASE_HANDLER: break;
	case PHASE_HEAD:
	case PHASE_BODY:
		server_report(connection->server, REPORT_TIME_OUT);
		connection->protocol->on_time_out(connection);
		break;
	case PHASE_IDLE: connection->protocol->on_time_out(connection); break;
	case PHASE_WRITE:
	case PHASE_WINDOW: wire_drop_unsent(&connection->wire); /* fall through */
	case PHASE_HANDSHAKE:
		if (connection->shaking) { /* it waits for us */
			loop_timer_set(server_loop(connection->server), timer,
				       limit_of(connection, PHASE_HANDSHAKE));
			break;
		}
		server_report(connection->server, REPORT_TIME_OUT); /* fall through */
	case PHASE_LINGER: connection_close(connection); break;
	}
}

/* --- the end of a turn
 * ----------------------------------------------------------------------------- */

static void resume(struct connection *connection)
{
	if (!connection->paused || connection->protocol->must_pause(connection))
		return;
	connection->paused = false;
	connection->stop_reading = false;
	connection->protocol->on_input(connection);
	if (wants_input(connection) && wire_has_pending(&connection->wire))
		connection_read(connection);
	else if (connection->state == CONNECTION_OPEN)
		trim_input(connection);
	connection_touch(connection);
}

static bool is_finished(const struct connection *connection)
{
	return connection->closing && connection->n_requests == 0 && !connection->more_output &&
	       connection_n_unsent(connection) == 0;
}

static void leave(struct connection *connection)
{
	if (!connection->linger || connection->eof) {
		connection_close(connection);
		return;
	}
	wire_say_end(&connection->wire);
	shutdown(connection->watch.fd, SHUT_WR);
	connection->state = CONNECTION_LINGER;
	connection->stop_reading = connection->blocked = connection->wire.read_wants_write = false;
}

/* What may be said, in one write. */
static int say(struct connection *connection)
{
	int r;

	if (connection->blocked)
		return -EAGAIN;
	if (connection->protocol->fill)
		connection->protocol->fill(connection);
	r = connection_flush(connection);
	if (r == 0 && connection->more_output)
		server_again(connection->server, connection);
	return r;
}

void connection_settle(struct connection *connection)
{
	int r;

	if (connection->state == CONNECTION_OPEN) {
		r = say(connection);
		if (r < 0 && r != -EAGAIN)
			connection_close(connection);
		else if (is_finished(connection))
			leave(connection);
		else
			resume(connection);
	}
	streams_settle(connection);
	if (connection->state == CONNECTION_GONE)
		return;
	connection_watch(connection);
	update_timer(connection);
	connection->rearm = false;
}
