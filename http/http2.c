/* HTTP/2 on a connection (RFC 9113): nghttp2 reads and writes the frames, requests and answers are
 * those of HTTP/1. The only file that sees nghttp2.
 *
 * A stream holds its request until the handler answers, then the answer until the peer's windows
 * let all of it out. Streams end in any order; a request whose stream was reset stays with the
 * handler, and its answer goes nowhere. Thread: the loop's.
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/connection_priv.h"

struct http2_stream {
	struct http2_stream *next, *prev; /* of the session */
	struct connection *connection;
	int32_t id;
	struct http_request *request; /* NULL once it is answered or dropped */
	bool queued;                  /* the request's head was whole: the connection knows it */
	bool delivered;               /* its body too: the handler has it */
	bool ended;                   /* the peer said all of it */
	bool said;                    /* the answer went out whole */
	bool deferred;                /* its flow had nothing when it was asked */
	bool late;                    /* nothing more of the body is waited for */
	int head_status;              /* what is wrong with the head; 0: nothing so far */
	const char *head_words;
	size_t n_head;           /* bytes of the head, as RFC 9113 6.5.2 counts them */
	uint64_t content_length; /* 0 when absent */
	size_t n_dropped;        /* bytes of the body behind a refusal */
	int64_t begun_us;        /* when the head was whole */
	struct strbuf answer;    /* body; from answer_sent on it waits for windows */
	size_t answer_sent;
};

struct http2_session {
	nghttp2_session *frames;
	struct connection *connection;
	struct http2_stream *streams;
	struct loop_timer bodies; /* due when the oldest body must be whole */
	bool draining;
	bool flooded; /* the peer floods: nothing more of it is read */
	unsigned n_continuations;
	size_t n_block; /* bytes of the header block under way, as RFC 9113 6.5.2 counts them */
	/* Resets it may still send: HTTP2_RESETS_BURST at most, refilled with time. */
	int64_t resets_us; /* when that was reckoned */
	int64_t n_resets;
};

/* --- streams -----------------------------------------------------------------------------------
 */

static struct http2_stream *stream_of(nghttp2_session *frames, int32_t id)
{
	return nghttp2_session_get_stream_user_data(frames, id);
}

static struct http2_stream *stream_new(struct connection *connection, int32_t id)
{
	struct http2_session *session = connection->http2;
	struct http2_stream *stream = xcalloc(1, sizeof(*stream));

	stream->connection = connection;
	stream->id = id;
	stream->next = session->streams;
	if (stream->next)
		stream->next->prev = stream;
	session->streams = stream;
	stream->request = request_new(connection);
	stream->request->stream = stream;
	stream->request->head = (struct http1_head){ .headers = stream->request->headers,
						     .minor = 1,
						     .keep_alive = true,
						     .method_text = STR(""),
						     .path = STR(""),
						     .query = STR("") };
	server_spare_output(connection->server, &stream->request->head_bytes);
	return stream;
}

/* The request will not be answered by way of this stream. */
static void drop_request(struct http2_stream *stream)
{
	struct http_request *request = stream->request;

	if (!request)
		return;
	stream->request = NULL;
	request->stream = NULL;
	if (request->flow) {
		request_end_flow(request);
		return;
	}
	if (stream->delivered)
		return; /* the handler's, until it answers */
	if (stream->queued)
		request_dequeue(request);
	request_recycle(request);
}

static void free_answer(struct http2_stream *stream)
{
	stream->connection->n_held -= stream->answer.len - stream->answer_sent;
	if (stream->answer.p)
		server_keep_output(stream->connection->server, &stream->answer);
	stream->answer_sent = 0;
}

static void stream_free(struct http2_stream *stream)
{
	struct http2_session *session = stream->connection->http2;

	drop_request(stream);
	free_answer(stream);
	if (stream->prev)
		stream->prev->next = stream->next;
	else
		session->streams = stream->next;
	if (stream->next)
		stream->next->prev = stream->prev;
	free(stream);
}

static void reset_stream(struct http2_stream *stream, uint32_t code)
{
	nghttp2_submit_rst_stream(stream->connection->http2->frames, NGHTTP2_FLAG_NONE, stream->id,
				  code);
}

/* Whether the rest of a refused body is read, for the sake of clients that take a reset for a
 * failure (RFC 9113 8.1): curl 7.88 shows nothing of an answer that a reset follows at once, and
 * stops sending by itself when it does not. */
static bool can_drop_body(const struct http2_stream *stream)
{
	return !stream->late && stream->n_dropped <= HTTP_DRAIN_BYTES;
}

/* --- answers
 * --------------------------------------------------------------------------------------- */

static nghttp2_nv pair(struct str name, struct str value)
{
	/* nghttp2 copies both, and writes the name in lower case. */
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.p, (uint8_t *)(uintptr_t)value.p, name.len,
			     value.len, NGHTTP2_NV_FLAG_NONE };
}

/* Headers that speak of the connection have no place here (RFC 9113 8.2.2). */
static bool is_of_connection(struct str name)
{
	static const struct str names[] = {
		{ "Connection", 10 },        { "Keep-Alive", 10 }, { "Upgrade", 7 },
		{ "Transfer-Encoding", 17 }, { "TE", 2 },          { "Proxy-Connection", 16 },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

static ssize_t put_piece(struct http2_stream *stream, uint8_t *to, size_t size)
{
	size_t n = stream->answer.len - stream->answer_sent;

	n = n < size ? n : size;
	memcpy(to, stream->answer.p + stream->answer_sent, n);
	stream->answer_sent += n;
	stream->connection->n_held -= n;
	stream->connection->rearm = true; /* the peer makes room */
	return (ssize_t)n;
}

static ssize_t on_read_answer(nghttp2_session *frames, int32_t id, uint8_t *to, size_t size,
			      uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct http2_stream *stream = source->ptr;
	ssize_t n = put_piece(stream, to, size);

	if (stream->answer_sent == stream->answer.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return n;
}

/* --- flows: as an answer, but that its body is asked for piece by piece --- */

static ssize_t on_read_flow(nghttp2_session *frames, int32_t id, uint8_t *to, size_t size,
			    uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct http2_stream *stream = source->ptr;
	struct http_request *request = stream->request;

	if (!request) { /* the peer is leaving */
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return 0;
	}
	if (stream->answer_sent == stream->answer.len && request->flow_wanted) {
		stream->answer_sent = 0;
		if (stream->answer.p)
			strbuf_reset(&stream->answer);
		else
			server_spare_output(stream->connection->server, &stream->answer);
		request->flow->fill(request->flow_ctx, &stream->answer);
		request->flow_wanted = stream->answer.len > 0;
		stream->connection->n_held += stream->answer.len;
	}
	if (stream->answer.len > stream->answer_sent)
		return put_piece(stream, to, size);
	free_answer(stream);
	if (request->flow_ending) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return 0;
	}
	stream->deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

static bool begin_flow(struct http_request *request, const struct http_header *headers,
		       size_t n_headers)
{
	struct http2_stream *stream = request->stream;
	nghttp2_data_provider provider = { { .ptr = stream }, on_read_flow };
	nghttp2_nv *pairs = xcalloc(n_headers + 2, sizeof(*pairs));
	size_t n = 0;
	int r;

	pairs[n++] = pair(STR(":status"), STR("200"));
	pairs[n++] = pair(STR("date"), server_date(stream->connection->server));
	for (size_t i = 0; i < n_headers; i++)
		if (!is_of_connection(headers[i].name) && response_header_is_safe(&headers[i]))
			pairs[n++] = pair(headers[i].name, headers[i].value);
	r = nghttp2_submit_response(stream->connection->http2->frames, stream->id, pairs, n,
				    &provider);
	free(pairs);
	return r == 0;
}

static void wake_flow(struct http_request *request)
{
	struct http2_stream *stream = request->stream;

	if (!stream->deferred)
		return;
	stream->deferred = false;
	nghttp2_session_resume_data(stream->connection->http2->frames, stream->id);
}

static void submit(struct http2_stream *stream, const nghttp2_nv *pairs, size_t n_pairs,
		   struct str body)
{
	struct connection *connection = stream->connection;
	nghttp2_data_provider provider = { { .ptr = stream }, on_read_answer };

	if (body.len > 0) {
		server_spare_output(connection->server, &stream->answer);
		strbuf_put(&stream->answer, body);
		connection->n_held += body.len;
	}
	if (nghttp2_submit_response(connection->http2->frames, stream->id, pairs, n_pairs,
				    body.len > 0 ? &provider : NULL) != 0)
		reset_stream(stream, NGHTTP2_INTERNAL_ERROR);
}

static void respond(struct http2_stream *stream, int status, const struct http_header *headers,
		    size_t n_headers, struct str body)
{
	nghttp2_nv *pairs = xcalloc(n_headers + 3, sizeof(*pairs));
	bool has_body = response_has_body(status);
	char status_text[16], length_text[32];
	size_t n = 0;

	snprintf(status_text, sizeof(status_text), "%03d", status);
	snprintf(length_text, sizeof(length_text), "%zu", body.len);
	pairs[n++] = pair(STR(":status"), str_of(status_text));
	pairs[n++] = pair(STR("date"), server_date(stream->connection->server));
	for (size_t i = 0; i < n_headers; i++)
		if (!is_of_connection(headers[i].name) && response_header_is_safe(&headers[i]))
			pairs[n++] = pair(headers[i].name, headers[i].value);
	if (has_body)
		pairs[n++] = pair(STR("content-length"), str_of(length_text));
	if (!has_body || stream->request->head.method == HTTP_HEAD)
		body.len = 0;
	submit(stream, pairs, n, body);
	free(pairs);
}

static void answer(struct http_request *request, int status, const struct http_header *headers,
		   size_t n_headers, struct str body)
{
	struct http2_stream *stream = request->stream;
	struct connection *connection = request->connection;

	if (stream) {
		respond(stream, status, headers, n_headers, body);
		stream->request = NULL;
	}
	request_dequeue(request);
	request_recycle(request);
	connection_touch(connection);
}

/* The peer broke a rule or a cap: say so. */
static void fail(struct http2_stream *stream, int status, const char *words)
{
	stream->late = status == 408;
	request_refuse(stream->request, status, words);
}

/* --- heads
 * ----------------------------------------------------------------------------------------- */

static void refuse_head(struct http2_stream *stream, int status, const char *words)
{
	if (stream->head_status == 0) {
		stream->head_status = status;
		stream->head_words = words;
	}
}

/* A copy that lasts as long as the request. */
static struct str keep(struct http_request *request, struct str s)
{
	struct strbuf *bytes = &request->head_bytes;
	const char *before = bytes->p;
	size_t at = bytes->len;

	strbuf_put(bytes, s);
	if (before && bytes->p != before)
		request_move(request, before, at, bytes->p);
	return (struct str){ bytes->p + at, s.len };
}

static void add_header(struct http2_stream *stream, struct str name, struct str value)
{
	struct http_request *request = stream->request;
	struct http_header *header = &request->headers[request->head.n_headers];

	if (request->head.n_headers == server_limits(stream->connection->server)->max_headers) {
		refuse_head(stream, 431, "The request has too many headers.");
		return;
	}
	*header = (struct http_header){ STR(""), STR("") };
	request->head.n_headers++;
	header->name = keep(request, name);
	header->value = keep(request, value);
}

/* :authority and Host are one thing here, and must not differ (RFC 9113 8.3.1). */
static void add_host(struct http2_stream *stream, struct str value)
{
	struct str before = http_request_header(stream->request, "Host");

	if (!http1_host_is_fine(value) || (before.p && !str_eq_nocase(before, value)))
		refuse_head(stream, 400, "Host is given twice or is not a host.");
	else if (!before.p)
		add_header(stream, STR("Host"), value);
}

static void take_header(struct http2_stream *stream, struct str name, struct str value)
{
	struct http_request *request = stream->request;

	if (str_eq(name, STR(":method"))) {
		request->head.method_text = keep(request, value);
		request->head.method = http1_method_of(value);
	} else if (str_eq(name, STR(":path"))) {
		request->head.path = keep(request, value);
	} else if (str_eq(name, STR(":authority")) || str_eq(name, STR("host"))) {
		add_host(stream, value);
	} else if (name.p[0] != ':') {
		if (str_eq(name, STR("content-length")))
			str_to_u64(value, &request->head.content_length);
		add_header(stream, name, value);
	}
}

static int on_header(nghttp2_session *frames, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *ctx)
{
	struct http2_stream *stream = stream_of(frames, frame->hd.stream_id);
	struct connection *connection = ctx;
	struct http2_session *session = connection->http2;

	/* A few bytes of HPACK can stand for megabytes, whatever becomes of the stream. */
	session->n_block += name_len + value_len + 32;
	if (session->n_block >
	    HTTP2_MAX_BLOCK_FACTOR * server_limits(connection->server)->max_head_bytes) {
		session->flooded = true;
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	/* Trailers are read and dropped, as those of chunks are. */
	if (!stream || !stream->request || stream->queued)
		return 0;
	stream->n_head += name_len + value_len + 32;
	if (stream->n_head > server_limits(stream->connection->server)->max_head_bytes)
		refuse_head(stream, 431, "The headers are longer than this service takes.");
	if (stream->head_status == 0 && name_len > 0)
		take_header(stream, (struct str){ (const char *)name, name_len },
			    (struct str){ (const char *)value, value_len });
	return 0;
}

static int on_begin_headers(nghttp2_session *frames, const nghttp2_frame *frame, void *ctx)
{
	struct connection *connection = ctx;
	int32_t id = frame->hd.stream_id;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	/* Streams that were reset are not counted by nghttp2, but the handler still has their
	 * requests; and a peer that takes no answers gets no more of them. */
	if (connection->n_requests >= HTTP2_MAX_REQUESTS ||
	    connection->n_held >= server_limits(connection->server)->max_output_bytes)
		nghttp2_submit_rst_stream(frames, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
	else
		nghttp2_session_set_stream_user_data(frames, id, stream_new(connection, id));
	return 0;
}

/* --- bodies
 * ---------------------------------------------------------------------------------------- */

static bool charge(struct http2_stream *stream, size_t n_bytes)
{
	struct http_request *request = stream->request;

	if (n_bytes <= request->charged)
		return true;
	if (shared_charge(server_shared(stream->connection->server), n_bytes - request->charged)) {
		request->charged = n_bytes;
		return true;
	}
	fail(stream, 503, "Too many bodies are being received; send it again later.");
	return false;
}

static void on_bodies_due(struct loop_timer *timer)
{
	struct connection *connection = timer->ctx;
	struct loop *loop = server_loop(connection->server);
	int64_t limit_us = server_limits(connection->server)->body_us;
	struct http_request *next;

	for (struct http_request *request = connection->first; request; request = next) {
		struct http2_stream *stream = request->stream;
		int64_t left_us;

		next = request->next;
		if (!stream || stream->delivered)
			continue;
		left_us = stream->begun_us + limit_us - loop_now_us(loop);
		if (left_us > 0) {
			loop_timer_set(loop, timer, left_us);
			return;
		}
		server_report(connection->server, REPORT_TIME_OUT);
		fail(stream, 408, "The request did not arrive in time.");
	}
}

static bool begin_body(struct http2_stream *stream)
{
	struct http2_session *session = stream->connection->http2;
	const struct http_limits *limits = server_limits(stream->connection->server);
	struct loop *loop = server_loop(stream->connection->server);

	if (stream->content_length > stream->request->max_body_bytes) {
		fail(stream, 413, "The body is larger than this service takes.");
		return false;
	}
	stream->begun_us = loop_now_us(loop);
	if (!loop_timer_is_set(&session->bodies))
		loop_timer_set(loop, &session->bodies, limits->body_us);
	/* A cap on all bodies that is reached already spares the handler the look. */
	return charge(stream, 1);
}

static void take_head(struct http2_stream *stream)
{
	struct connection *connection = stream->connection;
	const struct http_handler *handler = server_handler(connection->server);
	struct http1_head *head = &stream->request->head;
	const char *words = stream->head_words;
	int status = stream->head_status;

	request_enqueue(stream->request);
	stream->queued = true;
	stream->content_length = head->content_length;
	connection->served = connection->rearm = true;
	if (status == 0 && head->path.len > 0 && head->path.p[0] != '/' && head->path.p[0] != '*') {
		status = 400;
		words = "The request target is not a path.";
	}
	if (status == 0)
		status = http1_parse_target(head->path, head, &words);
	if (status)
		fail(stream, status, words);
	else if ((stream->ended || begin_body(stream)) && handler->on_head)
		handler->on_head(stream->request, handler->ctx);
}

static void deliver(struct http2_stream *stream)
{
	struct connection *connection = stream->connection;
	const struct http_handler *handler = server_handler(connection->server);
	struct http_request *request = stream->request;

	if (request->body_bytes.len > 0)
		request->body = strbuf_str(&request->body_bytes);
	request->received_us = loop_now_us(server_loop(connection->server));
	stream->delivered = connection->rearm = true;
	handler->on_request(request, handler->ctx);
}

static void drop_body(struct http2_stream *stream, size_t n)
{
	bool enough = !can_drop_body(stream);

	stream->n_dropped += n;
	if (stream->said && !enough && !can_drop_body(stream))
		reset_stream(stream, NGHTTP2_NO_ERROR);
}

static int on_data(nghttp2_session *frames, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *ctx)
{
	struct http2_stream *stream = stream_of(frames, id);
	struct strbuf *body;

	if (!stream)
		return 0;
	if (!stream->request) {
		drop_body(stream, len);
		return 0;
	}
	body = &stream->request->body_bytes;
	if (len > stream->request->max_body_bytes - body->len) {
		fail(stream, 413, "The body is larger than this service takes.");
		return 0;
	}
	if (!charge(stream, body->len + len))
		return 0;
	if (!body->p)
		server_spare_output(stream->connection->server, body);
	strbuf_put(body, (struct str){ (const char *)data, len });
	return 0;
}

/* --- frames
 * ---------------------------------------------------------------------------------------- */

/* Whether one more reset is too many. */
static bool too_many_resets(struct http2_session *session)
{
	int64_t now_us = loop_now_us(server_loop(session->connection->server));
	int64_t n_new = (now_us - session->resets_us) * HTTP2_RESETS_PER_S / CLOCK_US_PER_S;

	if (n_new > 0) {
		session->resets_us = now_us;
		session->n_resets += n_new;
		if (session->n_resets > HTTP2_RESETS_BURST)
			session->n_resets = HTTP2_RESETS_BURST;
	}
	return session->n_resets-- <= 0;
}

/* Our PING came back: the peer has read that no new streams are wanted. */
static void on_ping_answered(struct connection *connection)
{
	nghttp2_session *frames = connection->http2->frames;

	if (connection->http2->draining)
		nghttp2_submit_goaway(frames, NGHTTP2_FLAG_NONE,
				      nghttp2_session_get_last_proc_stream_id(frames),
				      NGHTTP2_NO_ERROR, NULL, 0);
}

/* Floods are counted here: which nghttp2 counts what is a matter of its back-ports. */
static int on_begin_frame(nghttp2_session *frames, const nghttp2_frame_hd *frame, void *ctx)
{
	struct connection *connection = ctx;
	struct http2_session *session = connection->http2;
	bool flood = false;

	if (frame->type == NGHTTP2_HEADERS)
		session->n_continuations = session->n_block = 0;
	else if (frame->type == NGHTTP2_CONTINUATION)
		flood = ++session->n_continuations > HTTP2_MAX_CONTINUATIONS;
	else if (frame->type == NGHTTP2_RST_STREAM)
		flood = too_many_resets(session);
	if (!flood)
		return 0;
	session->flooded = true;
	return NGHTTP2_ERR_CALLBACK_FAILURE; /* ends the reading at once */
}

static int on_frame(nghttp2_session *frames, const nghttp2_frame *frame, void *ctx)
{
	struct http2_stream *stream;

	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
		on_ping_answered(ctx);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = stream_of(frames, frame->hd.stream_id);
	if (!stream)
		return 0;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		stream->ended = true;
	if (stream->request && !stream->queued)
		take_head(stream);
	if (stream->request && stream->ended && !stream->delivered)
		deliver(stream);
	return 0;
}

static int on_bad_frame(nghttp2_session *frames, const nghttp2_frame *frame, int code, void *ctx)
{
	struct connection *connection = ctx;

	server_report(connection->server, REPORT_BAD_REQUEST);
	return 0;
}

static int on_sent(nghttp2_session *frames, const nghttp2_frame *frame, void *ctx)
{
	struct connection *connection = ctx;
	struct http2_stream *stream;

	/* A stream that the peer made us reset costs what one costs that it reset itself. */
	if (frame->hd.type == NGHTTP2_RST_STREAM &&
	    frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
	    frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM &&
	    too_many_resets(connection->http2))
		connection->http2->flooded = true;
	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	stream = stream_of(frames, frame->hd.stream_id);
	if (!stream)
		return 0;
	stream->said = true;
	free_answer(stream);
	if (!stream->ended && !can_drop_body(stream))
		reset_stream(stream, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_stream_close(nghttp2_session *frames, int32_t id, uint32_t code, void *ctx)
{
	struct http2_stream *stream = stream_of(frames, id);

	if (stream)
		stream_free(stream);
	return 0;
}

/* --- the session
 * ----------------------------------------------------------------------------------- */

/* nghttp2 fails here for want of memory alone, which ends us as in xmalloc(). */
static void must(int r)
{
	if (r != 0)
		abort();
}

static void begin_frames(struct http2_session *session)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;

	must(nghttp2_session_callbacks_new(&callbacks));
	must(nghttp2_option_new(&option));
	nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_bad_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_settings(option, HTTP2_MAX_SETTINGS);
	nghttp2_option_set_max_outbound_ack(option, HTTP2_MAX_ACKS);
	must(nghttp2_session_server_new2(&session->frames, callbacks, session->connection, option));
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
}

void http2_begin(struct connection *connection)
{
	struct http2_session *session = xcalloc(1, sizeof(*session));
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_MAX_STREAMS },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		  (uint32_t)server_limits(connection->server)->max_head_bytes },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	session->connection = connection;
	session->bodies = (struct loop_timer){ .fn = on_bodies_due, .ctx = connection };
	session->n_resets = HTTP2_RESETS_BURST;
	session->resets_us = loop_now_us(server_loop(connection->server));
	connection->http2 = session;
	connection->protocol = &http2_ops;
	begin_frames(session);
	must(nghttp2_submit_settings(session->frames, NGHTTP2_FLAG_NONE, settings,
				     ARRAY_LEN(settings)));
	must(nghttp2_session_set_local_window_size(session->frames, NGHTTP2_FLAG_NONE, 0,
						   HTTP2_CONNECTION_WINDOW));
	connection_touch(connection);
}

static void fini(struct connection *connection)
{
	struct http2_session *session = connection->http2;

	loop_timer_cancel(server_loop(connection->server), &session->bodies);
	while (session->streams)
		stream_free(session->streams);
	nghttp2_session_del(session->frames);
	free(session);
	connection->http2 = NULL;
}

static bool must_pause(const struct connection *connection)
{
	/* What waits for windows does not count: reading is what opens them. */
	return connection_n_unsent(connection) >=
	       server_limits(connection->server)->max_output_bytes;
}

/* A peer that said all it has to say may still wait for its answers. */
static void on_eof(struct connection *connection)
{
	connection->closing = true;
	for (struct http2_stream *stream = connection->http2->streams; stream;
	     stream = stream->next)
		if (!stream->delivered || (stream->request && stream->request->flow))
			drop_request(stream);
}

/* Frames into the output while it has room. */
static void put_frames(struct connection *connection)
{
	size_t max_bytes = server_limits(connection->server)->max_output_bytes;
	const uint8_t *p;
	ssize_t n = 1;

	while (n > 0 && connection_n_unsent(connection) < max_bytes) {
		n = nghttp2_session_mem_send(connection->http2->frames, &p);
		if (n > 0)
			strbuf_put(connection_out(connection),
				   (struct str){ (const char *)p, (size_t)n });
	}
	connection->more_output = n > 0;
}

/* The last frame of the session, a GOAWAY with `code`, and what is to go before it. */
static void put_goaway(struct connection *connection, uint32_t code)
{
	nghttp2_session_terminate_session(connection->http2->frames, code);
	put_frames(connection);
}

/* Nothing more is wanted of this peer: it is told why, if it listens. */
static void leave(struct connection *connection)
{
	if (connection->http2->flooded)
		put_goaway(connection, NGHTTP2_ENHANCE_YOUR_CALM);
	else
		put_frames(connection);
	if (!connection->blocked)
		connection_flush(connection);
	connection_close(connection);
}

static void on_input(struct connection *connection)
{
	size_t n = connection->in_end - connection->in_at;

	if (connection->state != CONNECTION_OPEN || connection->closing)
		return;
	if (must_pause(connection)) {
		connection->paused = true;
		return;
	}
	if (n > 0 && nghttp2_session_mem_recv(
			     connection->http2->frames,
			     (const uint8_t *)connection->block->data + connection->in_at, n) < 0) {
		server_report(connection->server, REPORT_BAD_REQUEST);
		leave(connection);
		return;
	}
	connection->in_at = connection->in_end;
	if (connection->eof)
		on_eof(connection);
}

static void fill(struct connection *connection)
{
	struct http2_session *session = connection->http2;

	put_frames(connection);
	if (session->draining && connection->n_requests == 0 && connection->n_held == 0 &&
	    !connection->more_output)
		put_goaway(connection, NGHTTP2_NO_ERROR);
	if (session->flooded)
		put_goaway(connection, NGHTTP2_ENHANCE_YOUR_CALM);
	if (session->flooded || (!nghttp2_session_want_read(session->frames) &&
				 !nghttp2_session_want_write(session->frames)))
		connection->closing = connection->linger = true;
}

/* Gracefully (RFC 9113 6.8): new streams are unwanted at once, but refused only when the peer must
 * know, and the connection ends once all is answered. */
static void on_drain(struct connection *connection)
{
	struct http2_session *session = connection->http2;

	if (session->draining)
		return;
	session->draining = true;
	if (connection_is_busy(connection)) {
		nghttp2_submit_shutdown_notice(session->frames);
		nghttp2_submit_ping(session->frames, NGHTTP2_FLAG_NONE, NULL);
	}
	connection_touch(connection);
	if (connection->blocked)
		return;
	/* Now: the server may not turn again. What fails here fails again when it settles. */
	fill(connection);
	connection_flush(connection);
}

static enum connection_phase phase(const struct connection *connection)
{
	if (connection->n_held > 0)
		return PHASE_WINDOW;
	/* Bodies have their own time limits. */
	if (connection->n_requests > 0)
		return PHASE_HANDLER;
	return connection->served ? PHASE_IDLE : PHASE_HEAD;
}

static void on_time_out(struct connection *connection)
{
	nghttp2_session_terminate_session(connection->http2->frames, NGHTTP2_NO_ERROR);
	connection_touch(connection);
}

static void on_moved(struct connection *connection, const char *from, const char *to)
{
	(void)connection; /* nobody looks into the input */
}

const struct protocol_ops http2_ops = {
	.name = "h2",
	.on_input = on_input,
	.must_pause = must_pause,
	.fill = fill,
	.on_drain = on_drain,
	.on_moved = on_moved,
	.phase = phase,
	.begin_flow = begin_flow,
	.wake_flow = wake_flow,
	.answer = answer,
	.on_time_out = on_time_out,
	.fini = fini,
};
