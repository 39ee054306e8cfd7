#include "http/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server_priv.h"

struct http_server {
	struct loop *loop;
	struct http_shared *shared;
	struct http_handler handler;
	struct listener *listeners[HTTP_MAX_LISTENERS];
	size_t n_listeners;
	struct connection *connections;
	bool draining;

	struct connection *touched, **touched_end;
	struct connection *graveyard; /* linked by next */
	struct connection *again;
	struct connection *shaking, **shaking_end; /* first come, first served */
	bool backlog; /* of handshakes: none of them is watched */
	/* Makes sure that a turn follows, and that it does not sleep. */
	struct loop_timer soon;

	struct block *spare_blocks;
	struct http_request *spare_requests;
	struct strbuf spare_outputs[HTTP_MAX_SPARE_OUTPUTS];
	size_t n_spare_blocks, n_spare_requests, n_spare_outputs;

	char date[32];
	int64_t date_s; /* monotonic */

	struct loop_timer report;
	uint64_t reports[REPORT_COUNT];
	char handshake_peer[INET6_ADDRSTRLEN], handshake_why[128]; /* of the last that failed */
};

static void on_turn_end(void *ctx);
static void on_soon(struct loop_timer *timer);
static void on_report(struct loop_timer *timer);

int http_server_new(struct loop *loop, struct http_shared *shared,
		    const struct http_handler *handler, struct http_server **out, struct err *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));

	server->loop = loop;
	server->shared = shared;
	server->handler = *handler;
	server->touched_end = &server->touched;
	server->shaking_end = &server->shaking;
	server->date_s = -1;
	server->soon = (struct loop_timer){ .fn = on_soon, .ctx = server };
	server->report = (struct loop_timer){ .fn = on_report, .ctx = server };
	loop_on_turn_end(loop, on_turn_end, server);
	*out = server;
	return 0;
}

int http_server_listen(struct http_server *server, const struct http_address *address,
		       struct err *err)
{
	int r;

	if (server->n_listeners == HTTP_MAX_LISTENERS)
		return err_set(err, -E2BIG, "more than %d addresses to listen on",
			       HTTP_MAX_LISTENERS);
	r = listener_open(server, address, &server->listeners[server->n_listeners], err);
	if (r == 0)
		server->n_listeners++;
	return r;
}

void http_server_stop_accepting(struct http_server *server)
{
	while (server->n_listeners > 0)
		listener_close(server->listeners[--server->n_listeners]);
}

void http_server_drain(struct http_server *server)
{
	struct connection *next;

	server->draining = true;
	for (struct connection *connection = server->connections; connection; connection = next) {
		next = connection->next;
		/* A request may have come in already, unread: look before closing. */
		if (connection->state == CONNECTION_OPEN && !connection_is_busy(connection) &&
		    !connection->paused)
			connection_read(connection);
		if (connection->state == CONNECTION_OPEN && connection->protocol->on_drain) {
			connection->protocol->on_drain(connection);
			continue;
		}
		if (connection->state != CONNECTION_LINGER && !connection_is_busy(connection))
			connection_close(connection);
	}
}

bool http_server_is_idle(const struct http_server *server)
{
	for (const struct connection *connection = server->connections; connection;
	     connection = connection->next)
		if (connection_is_busy(connection))
			return false;
	return true;
}

static void free_buried(struct http_server *server)
{
	struct connection *kept = NULL;

	while (server->graveyard) {
		struct connection *connection = server->graveyard;

		server->graveyard = connection->next;
		if (connection->again || connection->touched || connection->shaking) {
			connection->next = kept;
			kept = connection;
		} else {
			connection_free(connection);
		}
	}
	server->graveyard = kept;
}

static void free_spares(struct http_server *server)
{
	while (server->spare_blocks) {
		struct block *block = server->spare_blocks;

		server->spare_blocks = block->next;
		free(block);
	}
	while (server->spare_requests) {
		struct http_request *request = server->spare_requests;

		server->spare_requests = request->next;
		free(request);
	}
	for (size_t i = 0; i < server->n_spare_outputs; i++)
		strbuf_fini(&server->spare_outputs[i]);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	http_server_stop_accepting(server);
	while (server->connections) {
		struct connection *connection = server->connections;

		connection_close(connection);
		/* Buried already, unless the handler owes it answers: they go nowhere now. */
		if (server->connections == connection) {
			server_unlink(server, connection);
			connection_free(connection);
		}
	}
	while (server->graveyard) {
		struct connection *connection = server->graveyard;

		server->graveyard = connection->next;
		connection_free(connection);
	}
	loop_timer_cancel(server->loop, &server->soon);
	if (loop_timer_is_set(&server->report))
		on_report(&server->report); /* what would go unsaid */
	loop_timer_cancel(server->loop, &server->report);
	free_spares(server);
	free(server);
}

/* --- turns -------------------------------------------------------------------------------------
 */

static void need_turn(struct http_server *server)
{
	if (!loop_timer_is_set(&server->soon))
		loop_timer_set(server->loop, &server->soon, 0);
}

void server_touch(struct http_server *server, struct connection *connection)
{
	if (connection->touched)
		return;
	connection->touched = true;
	connection->next_touched = NULL;
	*server->touched_end = connection;
	server->touched_end = &connection->next_touched;
	need_turn(server);
}

static void settle_touched(struct http_server *server)
{
	while (server->touched) {
		struct connection *connection = server->touched;

		server->touched = connection->next_touched;
		if (!server->touched)
			server->touched_end = &server->touched;
		connection->touched = false;
		connection_settle(connection);
	}
}

/* As many handshakes as the turn has time for; the others are not looked at meanwhile. */
static void shake(struct http_server *server)
{
	int64_t end_us = clock_monotonic_us() + HTTP_HANDSHAKE_TURN_US;

	while (server->shaking && clock_monotonic_us() < end_us) {
		struct connection *connection = server->shaking;

		server->shaking = connection->next_handshake;
		if (!server->shaking)
			server->shaking_end = &server->shaking;
		connection->shaking = false;
		connection_handshake(connection);
	}
	if (!server->backlog)
		for (struct connection *c = server->shaking; c; c = c->next_handshake)
			loop_fd_set(server->loop, &c->watch, 0);
	server->backlog = server->shaking;
}

void server_shake(struct http_server *server, struct connection *connection)
{
	if (connection->shaking)
		return;
	connection->shaking = true;
	connection->next_handshake = NULL;
	*server->shaking_end = connection;
	server->shaking_end = &connection->next_handshake;
	if (server->backlog)
		loop_fd_set(server->loop, &connection->watch, 0);
	need_turn(server);
}

static void on_turn_end(void *ctx)
{
	struct http_server *server = ctx;

	settle_touched(server);
	if (server->shaking) {
		shake(server);
		settle_touched(server);
	}
	if (server->again || server->shaking)
		need_turn(server);
	else
		loop_timer_cancel(server->loop, &server->soon);
	if (server->graveyard)
		free_buried(server);
}

static void on_soon(struct loop_timer *timer)
{
	struct http_server *server = timer->ctx;
	struct connection *connection = server->again;

	server->again = NULL;
	while (connection) {
		struct connection *next = connection->next_again;

		connection->again = false;
		connection_again(connection);
		connection = next;
	}
}

void server_again(struct http_server *server, struct connection *connection)
{
	if (connection->again)
		return;
	connection->again = true;
	connection->next_again = server->again;
	server->again = connection;
	need_turn(server);
}

void server_link(struct http_server *server, struct connection *connection)
{
	connection->prev = NULL;
	connection->next = server->connections;
	if (connection->next)
		connection->next->prev = connection;
	server->connections = connection;
}

void server_unlink(struct http_server *server, struct connection *connection)
{
	if (connection->prev)
		connection->prev->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next)
		connection->next->prev = connection->prev;
}

void server_bury(struct http_server *server, struct connection *connection)
{
	server_unlink(server, connection);
	connection->next = server->graveyard;
	server->graveyard = connection;
	need_turn(server);
}

/* --- what connections ask for --------------------------------------------------------------------
 */

const struct http_limits *server_limits(const struct http_server *server)
{
	return shared_limits(server->shared);
}

struct http_shared *server_shared(struct http_server *server)
{
	return server->shared;
}

struct loop *server_loop(struct http_server *server)
{
	return server->loop;
}

const struct http_handler *server_handler(const struct http_server *server)
{
	return &server->handler;
}

bool server_is_draining(const struct http_server *server)
{
	return server->draining;
}

/* Names in English whatever the locale (RFC 9110 5.6.7). */
struct str server_date(struct http_server *server)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now_s = loop_now_us(server->loop) / CLOCK_US_PER_S;

	if (now_s != server->date_s) {
		time_t t = (time_t)(clock_time_us() / CLOCK_US_PER_S);
		struct tm tm;

		gmtime_r(&t, &tm);
		snprintf(server->date, sizeof(server->date),
			 "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
			 (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
			 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
			 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
		server->date_s = now_s;
	}
	return str_of(server->date);
}

struct block *server_spare_block(struct http_server *server)
{
	struct block *block = server->spare_blocks;

	if (block) {
		server->spare_blocks = block->next;
		server->n_spare_blocks--;
	}
	return block;
}

bool server_keep_block(struct http_server *server, struct block *block)
{
	if (server->n_spare_blocks == HTTP_MAX_SPARE_BLOCKS)
		return false;
	block->next = server->spare_blocks;
	server->spare_blocks = block;
	server->n_spare_blocks++;
	return true;
}

struct http_request *server_spare_request(struct http_server *server)
{
	struct http_request *request = server->spare_requests;

	if (request) {
		server->spare_requests = request->next;
		server->n_spare_requests--;
	}
	return request;
}

void server_keep_request(struct http_server *server, struct http_request *request)
{
	if (server->n_spare_requests == HTTP_MAX_SPARE_REQUESTS) {
		free(request);
		return;
	}
	request->next = server->spare_requests;
	server->spare_requests = request;
	server->n_spare_requests++;
}

void server_spare_output(struct http_server *server, struct strbuf *out)
{
	if (server->n_spare_outputs > 0)
		*out = server->spare_outputs[--server->n_spare_outputs];
	else
		strbuf_init(out, SIZE_MAX); /* what is put in is ours */
}

void server_keep_output(struct http_server *server, struct strbuf *out)
{
	if (out->p && out->size <= HTTP_SPARE_OUTPUT_BYTES &&
	    server->n_spare_outputs < HTTP_MAX_SPARE_OUTPUTS) {
		strbuf_reset(out);
		server->spare_outputs[server->n_spare_outputs++] = *out;
		out->p = NULL;
	}
	strbuf_fini(out);
	*out = (struct strbuf){ 0 };
}

/* --- what is logged, once in a while
 * --------------------------------------------------------------- */

void server_report(struct http_server *server, enum server_report kind)
{
	server->reports[kind]++;
	if (!loop_timer_is_set(&server->report))
		loop_timer_set(server->loop, &server->report, HTTP_REPORT_US);
}

void server_report_handshake(struct http_server *server, const char *peer, const char *why)
{
	snprintf(server->handshake_peer, sizeof(server->handshake_peer), "%s", peer);
	snprintf(server->handshake_why, sizeof(server->handshake_why), "%s", why);
	server_report(server, REPORT_HANDSHAKE);
}

static void on_report(struct loop_timer *timer)
{
	static const char *const words[REPORT_COUNT] = {
		[REPORT_FULL] = "connections refused, the door is full",
		[REPORT_PEER_FULL] = "connections refused, their address has its share",
		[REPORT_HANDSHAKE] = "TLS handshakes failed",
		[REPORT_ACCEPT] = "connections wait, no descriptor is free",
		[REPORT_BAD_REQUEST] = "requests refused, not proper HTTP",
		[REPORT_TIME_OUT] = "connections closed, a time limit passed",
	};
	struct http_server *server = timer->ctx;

	for (size_t i = 0; i < REPORT_COUNT; i++) {
		/* Slow peers and bad requests are the weather of an open port. */
		enum log_level level = i == REPORT_TIME_OUT ? LOG_INFO : LOG_WARN;

		if (server->reports[i] > 0 && i == REPORT_HANDSHAKE)
			LOG_AT(level, "http", words[i], LOG_T("door", shared_door(server->shared)),
			       LOG_I("n", server->reports[i]),
			       LOG_T("last_peer", server->handshake_peer),
			       LOG_T("last_why", server->handshake_why));
		else if (server->reports[i] > 0)
			LOG_AT(level, "http", words[i], LOG_T("door", shared_door(server->shared)),
			       LOG_I("n", server->reports[i]));
		server->reports[i] = 0;
	}
}
