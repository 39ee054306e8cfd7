/* A client session of HTTP/2 over loopback, plain or TLS, and what came back on its streams. */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include "door.h"
#include "tls_house.h"

#include <nghttp2/nghttp2.h>

#define MAX_STREAMS 4096

static struct http_limits limits; /* of the doors; a test changes them before it opens one */
static SSL_CTX *peer_context;     /* NULL: no TLS in this group */

static inline int peer_open_group(void **state)
{
	static const unsigned char offers[] = "\x02h2\x08http/1.1";

	peer_context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_alpn_protos(peer_context, offers, sizeof(offers) - 1);
	return house_open(state);
}

static inline int peer_close_group(void **state)
{
	SSL_CTX_free(peer_context);
	return house_close(state);
}

static inline int reset_limits(void **state)
{
	limits = http_default_limits;
	return 0;
}

struct exchange {
	int status;
	char length[16]; /* content-length */
	bool has_test_header, closed;
	uint32_t code;
	size_t n_body;
	char body[1024];     /* cut, NUL-terminated */
	const char *to_send; /* of the request's body */
	size_t n_to_send;
	bool stays_open;
};

struct peer {
	struct client client;
	nghttp2_session *session;
	struct exchange exchanges[MAX_STREAMS]; /* by (id - 1) / 2 */
	size_t n_closed;
	int n_goaways;
	int32_t last_id; /* of the latest GOAWAY */
};

static inline struct exchange *exchange_of(struct peer *peer, int32_t id)
{
	assert_true(id > 0 && id / 2 < MAX_STREAMS);
	return &peer->exchanges[id / 2];
}

static inline int on_header(nghttp2_session *session, const nghttp2_frame *frame,
			    const uint8_t *name, size_t n_name, const uint8_t *value,
			    size_t n_value, uint8_t flags, void *ctx)
{
	struct exchange *e = exchange_of(ctx, frame->hd.stream_id);
	const struct str s = { (const char *)name, n_name };

	if (str_eq(s, STR(":status")))
		e->status = (int)strtol((const char *)value, NULL, 10);
	if (str_eq(s, STR("content-length")))
		snprintf(e->length, sizeof(e->length), "%.*s", (int)n_value, (const char *)value);
	if (str_eq(s, STR("x-test")))
		e->has_test_header = true;
	return 0;
}

static inline int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
			  size_t n, void *ctx)
{
	struct exchange *e = exchange_of(ctx, id);

	for (size_t i = 0; i < n; i++, e->n_body++)
		if (e->n_body < sizeof(e->body) - 1)
			e->body[e->n_body] = (char)data[i];
	return 0;
}

static inline int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
	struct peer *peer = ctx;
	struct exchange *e = exchange_of(peer, id);

	e->closed = true;
	e->code = code;
	peer->n_closed++;
	return 0;
}

static inline int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct peer *peer = ctx;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		peer->n_goaways++;
		peer->last_id = frame->goaway.last_stream_id;
	}
	return 0;
}

static inline ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
			      uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct exchange *e = source->ptr;
	size_t n = e->n_to_send < size ? e->n_to_send : size;

	if (n == 0 && e->stays_open)
		return NGHTTP2_ERR_DEFERRED;
	memcpy(to, e->to_send, n);
	e->to_send += n;
	e->n_to_send -= n;
	if (e->n_to_send == 0 && !e->stays_open)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* `window`: of each stream, not opened again by itself; 0: as usual. */
static inline struct peer *peer_open(const struct door *door, uint32_t window)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
	};
	struct peer *peer = xcalloc(1, sizeof(*peer));
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;

	if (door->tls)
		assert_int_equal(client_open_tls(&peer->client, door, peer_context), 1);
	else
		client_open(&peer->client, door);
	assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
	assert_int_equal(nghttp2_option_new(&option), 0);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_option_set_peer_max_concurrent_streams(option, MAX_STREAMS);
	nghttp2_option_set_no_auto_window_update(option, window > 0);
	nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
	assert_int_equal(nghttp2_session_client_new2(&peer->session, callbacks, peer, option), 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings, window ? 2 : 1);
	return peer;
}

static inline void peer_close(struct peer *peer)
{
	nghttp2_session_del(peer->session);
	client_close(&peer->client);
	free(peer);
}

static inline nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			     strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* Queued, not sent. `length`: the content-length, NULL for none. */
static inline struct exchange *peer_post(struct peer *peer, const char *method, const char *path,
					 const char *length, const char *body, size_t n_body)
{
	int32_t next = (int32_t)nghttp2_session_get_next_stream_id(peer->session);
	struct exchange *e = exchange_of(peer, next);
	nghttp2_data_provider provider = { { .ptr = e }, on_read };
	const nghttp2_nv headers[] = {
		header(":method", method),    header(":scheme", "http"),
		header(":path", path),        header(":authority", "h"),
		header("expect", "whatever"), header("content-length", length ? length : ""),
	};

	e->to_send = body;
	e->n_to_send = n_body;
	assert_int_equal(nghttp2_submit_request(peer->session, NULL, headers, length ? 6 : 5,
						body ? &provider : NULL, NULL),
			 next);
	return e;
}

static inline struct exchange *peer_get(struct peer *peer, const char *path)
{
	return peer_post(peer, "GET", path, NULL, NULL, 0);
}

static inline void peer_send(struct peer *peer)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(peer->session, &p)) > 0)
		client_send(&peer->client, (const char *)p, (size_t)n);
	assert_int_equal(n, 0);
}

/* False when the door closed. */
static inline bool peer_recv(struct peer *peer)
{
	uint8_t bytes[16384];
	ssize_t n = client_recv(&peer->client, (char *)bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	assert_int_equal(nghttp2_session_mem_recv(peer->session, bytes, (size_t)n), n);
	return true;
}

static inline void peer_wait(struct peer *peer, size_t n_closed)
{
	peer_send(peer);
	while (peer->n_closed < n_closed) {
		assert_true(peer_recv(peer));
		peer_send(peer);
	}
}

/* Speak with the door until `value` has come so far: nothing may be on its way back. */
static inline void peer_wait_for(struct peer *peer, atomic_int *value, int at_least)
{
	struct pollfd readable = { .fd = peer->client.fd, .events = POLLIN };

	for (int i = 0; i < 10000 && atomic_load(value) < at_least; i++) {
		peer_send(peer);
		if ((peer->client.ssl && SSL_has_pending(peer->client.ssl)) ||
		    poll(&readable, 1, 2) > 0)
			assert_true(peer_recv(peer));
	}
	assert_true(atomic_load(value) >= at_least);
}

static inline void peer_wait_closed(struct peer *peer)
{
	while (peer_recv(peer))
		;
}

static inline void check(const struct exchange *e, int status, const char *body)
{
	if (e->status != status || !e->closed || (body && strcmp(e->body, body) != 0))
		fail_msg("%d '%s' (code %u) instead of %d '%s'", e->status, e->body, e->code,
			 status, body ? body : "");
	if (!body)
		assert_non_null(strstr(e->body, "{\"error\":{\"code\":\"Base."));
}

static inline struct exchange *get_with(struct peer *peer, const nghttp2_nv *more, size_t n_more)
{
	nghttp2_nv headers[128] = { header(":method", "GET"), header(":scheme", "http"),
				    header(":path", "/about"), header(":authority", "h") };
	int32_t id;

	memcpy(headers + 4, more, n_more * sizeof(*more));
	id = nghttp2_submit_request(peer->session, NULL, headers, 4 + n_more, NULL, NULL);
	assert_true(id > 0);
	return exchange_of(peer, id);
}

#endif
