/* HTTP/1.1 on a connection: takes requests out of the input, in order, and puts answers back in the
 * same order. Thread: the loop's. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "http/connection_priv.h"

static void fail(struct connection *connection, int status, const char *words);

static struct str input(const struct connection *connection)
{
	return (struct str){ connection->block ? connection->block->data + connection->in_at : "",
			     connection->in_end - connection->in_at };
}

/* The next message begins `n` bytes behind the beginning of this one. */
static void end_message(struct connection *connection, size_t n)
{
	struct http1_session *session = &connection->http1;
	bool over = session->stage == HTTP1_OVER;

	connection->in_at += n;
	*session = (struct http1_session){ .stage = over ? HTTP1_OVER : HTTP1_HEAD };
}

/* --- answers
 * --------------------------------------------------------------------------------------- */

static void put_continue(struct connection *connection)
{
	struct http1_session *session = &connection->http1;

	if (!session->owes_continue || connection->first != session->reading)
		return;
	session->owes_continue = false;
	strbuf_put(connection_out(connection), STR("HTTP/1.1 100 Continue\r\n\r\n"));
	connection_touch(connection);
}

/* Whether the rest of a refused body is worth reading for the sake of the connection. */
static bool can_drain(const struct connection *connection, const struct http_request *request)
{
	/* After Expect nobody knows whether the body will come. */
	return !request->head.expect_continue &&
	       (request->head.chunked || request->head.content_length <= HTTP_DRAIN_BYTES);
}

static void answer(struct http_request *request, int status, const struct http_header *headers,
		   size_t n_headers, struct str body)
{
	struct connection *connection = request->connection;
	struct http1_session *session = &connection->http1;
	bool first = request == connection->first;
	struct strbuf *out = first ? connection_out(connection) : &request->answer;
	size_t before;

	if (request == session->reading) {
		session->reading = NULL;
		session->owes_continue = false;
		if (!can_drain(connection, request))
			request->close = connection->linger = true;
	} else if (!session->reading && request == connection->last &&
		   server_is_draining(connection->server)) {
		request->close = true;
	}
	if (request->close)
		session->stage = HTTP1_OVER;
	if (!first)
		server_spare_output(connection->server, out);
	before = out->len;
	response_write(out, request, status, headers, n_headers, body,
		       server_date(connection->server));
	if (!first)
		connection->n_held += out->len - before;
	request->answered = true;
	connection_advance(connection);
	put_continue(connection);
}

/* --- flows ---------------------------------------------------------------------------------------
 */

static bool begin_flow(struct http_request *request, const struct http_header *headers,
		       size_t n_headers)
{
	struct connection *connection = request->connection;

	/* Others are owed answers before it, or have come behind it. */
	if (connection->n_requests != 1 || connection->http1.reading)
		return false;
	response_write_flow(connection_out(connection), request, headers, n_headers,
			    server_date(connection->server));
	/* Nothing comes behind it, and the head is not looked at any more. */
	request->close = true;
	connection->http1.stage = HTTP1_OVER;
	block_unref(connection->server, request->block);
	request->block = NULL;
	return true;
}

static void wake_flow(struct http_request *request)
{
	(void)request; /* asked when the turn ends */
}

/* A piece of the flow, once the one before it is taken. */
static void fill(struct connection *connection)
{
	struct http_request *request = connection->first;
	struct strbuf piece, *out;

	connection->more_output = request && request->flow && request->flow_wanted;
	if (!connection->more_output || connection_n_unsent(connection) > 0)
		return;
	server_spare_output(connection->server, &piece);
	request->flow->fill(request->flow_ctx, &piece);
	out = connection_out(connection);
	if (piece.len > 0 && request->head.minor > 0)
		strbuf_putf(out, "%zx\r\n", piece.len);
	strbuf_put(out, strbuf_str(&piece));
	if (piece.len > 0 && request->head.minor > 0)
		strbuf_put(out, STR("\r\n"));
	request->flow_wanted = connection->more_output = piece.len > 0;
	server_keep_output(connection->server, &piece);
	if (request->flow_wanted || !request->flow_ending)
		return;
	if (request->head.minor > 0)
		strbuf_put(out, STR("0\r\n\r\n"));
	connection->closing = connection->linger = true;
	request_end_flow(request);
}

/* The peer broke a rule or a cap: say so behind the answers it is still owed, and close. */
static void fail(struct connection *connection, int status, const char *words)
{
	struct http_request *request = connection->http1.reading;

	if (!request) {
		request = request_new(connection);
		request->head = (struct http1_head){ .method = HTTP_OTHER, .minor = 1 };
		request_enqueue(request);
	}
	request->close = connection->linger = true;
	request_refuse(request, status, words);
}

/* --- requests
 * -------------------------------------------------------------------------------------- */

static void deliver(struct connection *connection, size_t n)
{
	struct http1_session *session = &connection->http1;
	const struct http_handler *handler = server_handler(connection->server);
	struct http_request *request = session->reading;

	request->body = (struct str){ input(connection).p + session->body_at, session->body_len };
	request->block = block_ref(connection->block);
	request->received_us = loop_now_us(server_loop(connection->server));
	request->close = !request->head.keep_alive;
	if (request->close)
		session->stage = HTTP1_OVER;
	connection->served = connection->rearm = true;
	end_message(connection, n);
	handler->on_request(request, handler->ctx);
}

/* The head is in: ask the handler whether the body is wanted. False ends the step. */
static bool begin_body(struct connection *connection, struct http_request *request)
{
	struct http1_session *session = &connection->http1;
	const struct http_handler *handler = server_handler(connection->server);
	const struct http1_head *head = &request->head;
	bool has_body = head->chunked || head->content_length > 0;

	session->reading = request;
	session->stage = head->chunked ? HTTP1_BODY_CHUNKED : HTTP1_BODY_LENGTH;
	request_enqueue(request);
	if (head->content_length > request->max_body_bytes) {
		fail(connection, 413, "The body is larger than this service takes.");
		return false;
	}
	/* A cap on all bodies that is reached already spares the handler the look. */
	if (has_body && !shared_charge(server_shared(connection->server), 1)) {
		fail(connection, 503, "Too many bodies are being received; send it again later.");
		return false;
	}
	request->charged = has_body;
	session->owes_continue =
		head->expect_continue && has_body && input(connection).len == session->body_at;
	if (handler->on_head)
		handler->on_head(request, handler->ctx);
	if (session->reading) {
		put_continue(connection);
	} else {
		/* Refused; what follows of the body is dropped. */
		connection->in_at += session->body_at;
		session->body_left = head->content_length;
	}
	return true;
}

/* What RFC 9112 2.2 lets a client send before a request line. */
static bool skip_line(struct connection *connection, struct str data)
{
	struct http1_session *session = &connection->http1;

	if (session->skipped_line || session->scan.at > 0 || !str_starts_with(data, STR("\r\n")))
		return false;
	session->skipped_line = true;
	connection->in_at += 2;
	return true;
}

static bool must_pause(const struct connection *connection)
{
	const struct http_limits *limits = server_limits(connection->server);

	return connection->n_requests >= limits->max_pipelined ||
	       connection_n_unsent(connection) + connection->n_held >= limits->max_output_bytes ||
	       /* What follows an upgrade belongs to whoever takes the connection over. */
	       (connection->last && connection->last->head.upgrade);
}

static bool take_head(struct connection *connection)
{
	const struct http_limits *limits = server_limits(connection->server);
	struct http1_session *session = &connection->http1;
	struct http_request *request;
	const char *words = "";
	struct str data;
	long n;
	int status;

	if (must_pause(connection)) {
		connection->paused = true;
		return false;
	}
	data = input(connection);
	if (skip_line(connection, data))
		return true;
	if (data.len == 0 || (data.len == 1 && data.p[0] == '\r'))
		return false;
	n = http1_find_head(&session->scan, data, limits->max_head_bytes);
	if (n < 0)
		fail(connection, (int)-n,
		     n == -400 ? "A line ends in a bare line feed."
			       : "The request line or the headers are longer than this service "
				 "takes.");
	if (n <= 0)
		return false;
	request = request_new(connection);
	status = http1_parse_head((struct str){ data.p, (size_t)n }, request->headers,
				  limits->max_headers, &request->head, &words);
	if (status) {
		request_recycle(request);
		fail(connection, status, words);
		return false;
	}
	session->body_at = session->raw_at = (size_t)n;
	return begin_body(connection, request);
}

/* Count body bytes as they arrive, so that a promise of many costs nobody else anything. */
static bool charge(struct connection *connection, size_t n_bytes)
{
	struct http_request *request = connection->http1.reading;

	if (n_bytes <= request->charged)
		return true;
	if (shared_charge(server_shared(connection->server), n_bytes - request->charged)) {
		request->charged = n_bytes;
		return true;
	}
	fail(connection, 503, "Too many bodies are being received; send it again later.");
	return false;
}

static bool take_body(struct connection *connection)
{
	struct http1_session *session = &connection->http1;
	size_t wanted = (size_t)session->reading->head.content_length;
	size_t arrived = input(connection).len - session->body_at;

	if (arrived > wanted)
		arrived = wanted;
	if (!charge(connection, arrived))
		return false;
	session->body_len = arrived;
	if (arrived < wanted)
		return false;
	deliver(connection, session->body_at + wanted);
	return true;
}

static bool take_chunks(struct connection *connection)
{
	struct http1_session *session = &connection->http1;
	char *message = connection->block->data + connection->in_at;
	struct str raw = { message + session->raw_at, input(connection).len - session->raw_at };
	size_t n_consumed, n_decoded;
	int r = http1_decode_chunks(&session->chunks, raw,
				    message + session->body_at + session->body_len,
				    session->reading->max_body_bytes, &n_consumed, &n_decoded);

	session->raw_at += n_consumed;
	session->body_len += n_decoded;
	if (r < 0) {
		fail(connection, -r,
		     r == -413 ? "The body is larger than this service takes."
			       : "The chunks of the body are not well formed.");
		return false;
	}
	if (!charge(connection, session->body_len))
		return false;
	if (r == 1) {
		deliver(connection, session->raw_at);
		return true;
	}
	/* All is decoded: what the chunk lines took is free again. */
	session->raw_at = session->body_at + session->body_len;
	connection->in_end = connection->in_at + session->raw_at;
	return false;
}

/* --- what is not wanted
 * ---------------------------------------------------------------------------- */

static bool drop_body(struct connection *connection)
{
	struct http1_session *session = &connection->http1;
	struct str data = input(connection);
	size_t n = data.len;
	bool whole;

	if (session->stage == HTTP1_BODY_LENGTH) {
		if (n > session->body_left)
			n = (size_t)session->body_left;
		session->body_left -= n;
		whole = session->body_left == 0;
	} else {
		size_t n_decoded;
		int r = data.len == 0
				? 0
				: http1_decode_chunks(&session->chunks, data,
						      connection->block->data + connection->in_at,
						      UINT64_MAX, &n, &n_decoded);

		/* The refusal has been said: nothing is to be added to it. */
		session->n_dropped += n;
		if (r < 0 || session->n_dropped > HTTP_DRAIN_BYTES) {
			session->stage = HTTP1_OVER;
			connection->closing = connection->linger = true;
		}
		whole = r == 1;
	}
	if (whole)
		end_message(connection, n);
	else
		connection->in_at += n;
	return whole;
}

static bool step(struct connection *connection)
{
	switch (connection->http1.stage) {
	case HTTP1_HEAD: return take_head(connection);
	case HTTP1_BODY_LENGTH:
		return connection->http1.reading ? take_body(connection) : drop_body(connection);
	case HTTP1_BODY_CHUNKED:
		return connection->http1.reading ? take_chunks(connection) : drop_body(connection);
	case HTTP1_OVER: connection->in_at = connection->in_end; break;
	}
	return false;
}

static void fini(struct connection *connection)
{
	struct http1_session *session = &connection->http1;

	session->stage = HTTP1_OVER;
	if (connection->first && connection->first->flow)
		request_end_flow(connection->first);
	if (!session->reading)
		return;
	/* The handler has seen its head at most: it goes when its turn comes. */
	session->reading->answered = true;
	session->reading = NULL;
	connection_advance(connection);
}

static void on_input(struct connection *connection)
{
	while (connection->state == CONNECTION_OPEN && !connection->closing && step(connection))
		;
	if (connection->state != CONNECTION_OPEN || !connection->eof || connection->paused)
		return;
	/* A peer that said all it has to say may still wait for its answers; not for one without end. */
	if (connection->first && connection->first->flow) {
		connection_close(connection);
		return;
	}
	connection->closing = true;
	fini(connection);
}

static void on_moved(struct connection *connection, const char *from, const char *to)
{
	if (connection->http1.reading)
		request_move(connection->http1.reading, from, connection->http1.body_at, to);
}

static enum connection_phase phase(const struct connection *connection)
{
	const struct http1_session *session = &connection->http1;

	if (connection->n_requests > (session->reading ? 1 : 0))
		return PHASE_HANDLER;
	if (session->stage == HTTP1_BODY_LENGTH || session->stage == HTTP1_BODY_CHUNKED)
		return PHASE_BODY;
	if (connection->in_at < connection->in_end || !connection->served)
		return PHASE_HEAD;
	return PHASE_IDLE;
}

static void on_time_out(struct connection *connection)
{
	if (connection->in_at < connection->in_end || connection->http1.reading)
		fail(connection, 408, "The request did not arrive in time.");
	else
		connection_close(connection);
}

const struct protocol_ops http1_ops = {
	.name = "http/1.1",
	.on_input = on_input,
	.must_pause = must_pause,
	.on_moved = on_moved,
	.phase = phase,
	.begin_flow = begin_flow,
	.wake_flow = wake_flow,
	.fill = fill,
	.answer = answer,
	.on_time_out = on_time_out,
	.fini = fini,
};
