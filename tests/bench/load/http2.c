/* HTTP/2 by nghttp2: a stream for each request, its body patched when its frame is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

#define MAX_FLUSH_BYTES 262144 /* gathered for one write */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *ctx)
{
	struct stream *stream;

	(void)flags;
	(void)ctx;
	if (name_len != 7 || memcmp(name, ":status", 7) != 0 || value_len != 3)
		return 0;
	stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (stream)
		stream->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *ctx)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
	struct connection *connection = ctx;

	if (!stream)
		return 0;
	connection->n_active--;
	if (stream->status >= 200 && stream->status < MAX_STATUS)
		load_on_answer(connection->load, &stream->request, stream->status);
	else
		load_on_lost(connection->load, &stream->request);
	stream->status = 0;
	stream->next = connection->free_streams;
	connection->free_streams = stream;
	(void)error_code;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct connection *connection = ctx;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY)
		connection->closing = true;
	return 0;
}

/* The server's own stream id limit was reached, or it went away: nothing was sent. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *ctx)
{
	struct connection *connection = ctx;

	(void)session;
	(void)error;
	if (frame->hd.type == NGHTTP2_HEADERS)
		connection->closing = true;
	return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t n,
			 uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct stream *stream = source->ptr;
	struct load *load = stream->connection->load;
	size_t left = load->body.len - stream->offset;

	(void)session;
	(void)id;
	(void)ctx;
	body_patch(&load->body, stream->request.number,
		   stream->request.due_us + load->utc_offset_us);
	if (n > left)
		n = left;
	memcpy(out, load->body.p + stream->offset, n);
	stream->offset += n;
	if (stream->offset == load->body.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_session_callbacks *callbacks(void)
{
	static nghttp2_session_callbacks *all;

	if (all)
		return all;
	if (nghttp2_session_callbacks_new(&all) != 0)
		abort();
	nghttp2_session_callbacks_set_on_header_callback(all, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(all, on_not_sent);
	return all;
}

static void make_streams(struct connection *connection)
{
	size_t n = connection->load->options->n_streams;

	if (!connection->streams)
		connection->streams = xcalloc(n, sizeof(struct stream));
	connection->free_streams = NULL;
	for (size_t i = 0; i < n; i++) {
		struct stream *stream = &connection->streams[i];

		stream->connection = connection;
		stream->status = 0;
		stream->next = connection->free_streams;
		connection->free_streams = stream;
	}
}

static void http2_open(struct connection *connection)
{
	static const nghttp2_settings_entry settings[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };

	make_streams(connection);
	if (nghttp2_session_client_new(&connection->session, callbacks(), connection) != 0)
		abort();
	nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 1);
}

/* nghttp2 takes names and values without const; NO_COPY promises it does not write. */
static nghttp2_nv field(const char *name, struct str value)
{
	union {
		const void *c;
		uint8_t *p;
	} n = { name }, v = { value.p };

	return (nghttp2_nv){ n.p, v.p, strlen(name), value.len,
			     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE };
}

static void http2_issue(struct connection *connection, const struct request *request)
{
	struct load *load = connection->load;
	struct stream *stream = connection->free_streams;
	const nghttp2_nv fields[] = {
		field(":method", STR("POST")),
		field(":scheme", load->options->tls ? STR("https") : STR("http")),
		field(":authority", strbuf_str(&load->authority)),
		field(":path", str_of(load->options->path)),
		field("content-type", STR("application/json")),
		field("content-length", strbuf_str(&load->length)),
	};
	nghttp2_data_provider body = { .source.ptr = stream, .read_callback = read_body };

	connection->free_streams = stream->next;
	stream->request = *request;
	stream->offset = 0;
	connection->n_active++;
	if (nghttp2_submit_request(connection->session, NULL, fields, ARRAY_LEN(fields), &body,
				   stream) >= 0)
		return;
	/* Out of stream ids: on a new connection the next ones go out. */
	connection->n_active--;
	stream->next = connection->free_streams;
	connection->free_streams = stream;
	connection->closing = true;
	load_on_lost(load, request);
}

static int http2_feed(struct connection *connection, const char *p, size_t n)
{
	ssize_t r = nghttp2_session_mem_recv(connection->session, (const uint8_t *)p, n);

	return r < 0 ? -EPROTO : 0;
}

static int http2_flush(struct connection *connection)
{
	while (connection->out.len - connection->out_at < MAX_FLUSH_BYTES) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(connection->session, &p);

		if (n < 0)
			return -EPROTO;
		if (n == 0)
			break;
		strbuf_put(&connection->out, (struct str){ (const char *)p, (size_t)n });
	}
	return 0;
}

/* Freeing a session closes no stream: those not free are the ones lost. */
static void http2_close(struct connection *connection)
{
	size_t n = connection->load->options->n_streams;
	bool *is_free = xcalloc(n, sizeof(*is_free));

	for (struct stream *at = connection->free_streams; at; at = at->next)
		is_free[at - connection->streams] = true;
	for (size_t i = 0; connection->session && i < n; i++)
		if (!is_free[i])
			load_on_lost(connection->load, &connection->streams[i].request);
	free(is_free);
	connection->n_active = 0;
	nghttp2_session_del(connection->session);
	connection->session = NULL;
}

const struct protocol http2_protocol = { .open = http2_open,
					 .issue = http2_issue,
					 .feed = http2_feed,
					 .flush = http2_flush,
					 .close = http2_close };
