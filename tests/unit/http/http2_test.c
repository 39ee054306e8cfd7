/* HTTP/2 at the door: a real client session over loopback, plain and TLS. */
#include "door.h"

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "http/limits.h"

#define MAX_STREAMS 4096

static struct http_limits limits;
static char dir[] = "/tmp/rfeventd-http2-test-XXXXXX";
static struct tls_certificate pairs[2];
static struct tls_slot *slot;
static SSL_CTX *context;

static int make_slot(void **state)
{
	static const unsigned char offers[] = "\x02h2\x08http/1.1";
	const struct tls_config config = { .certificates = pairs, .n_certificates = 2 };
	struct err err = { "" };

	assert_non_null(mkdtemp(dir));
	if (tls_make_self_signed(dir, pairs, &err) < 0 || tls_slot_new(&config, &slot, &err) < 0)
		fail_msg("%s", err.text);
	context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_alpn_protos(context, offers, sizeof(offers) - 1);
	return 0;
}

static int drop_slot(void **state)
{
	char *ca = xasprintf("%s/ca.crt", dir);

	SSL_CTX_free(context);
	tls_slot_free(slot);
	for (size_t i = 0; i < 2; i++) {
		unlink(pairs[i].certificate);
		unlink(pairs[i].key);
		free((void *)(uintptr_t)pairs[i].certificate);
		free((void *)(uintptr_t)pairs[i].key);
	}
	unlink(ca);
	free(ca);
	rmdir(dir);
	return 0;
}

static int reset_limits(void **state)
{
	limits = http_default_limits;
	return 0;
}

/* --- the client ----------------------------------------------------------------------------------
 */

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

static struct exchange *exchange_of(struct peer *peer, int32_t id)
{
	assert_true(id > 0 && id / 2 < MAX_STREAMS);
	return &peer->exchanges[id / 2];
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *ctx)
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

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t n, void *ctx)
{
	struct exchange *e = exchange_of(ctx, id);

	for (size_t i = 0; i < n; i++, e->n_body++)
		if (e->n_body < sizeof(e->body) - 1)
			e->body[e->n_body] = (char)data[i];
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
	struct peer *peer = ctx;
	struct exchange *e = exchange_of(peer, id);

	e->closed = true;
	e->code = code;
	peer->n_closed++;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct peer *peer = ctx;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		peer->n_goaways++;
		peer->last_id = frame->goaway.last_stream_id;
	}
	return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
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
static struct peer *peer_open(const struct door *door, uint32_t window)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
	};
	struct peer *peer = xcalloc(1, sizeof(*peer));
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;

	if (door->tls)
		assert_int_equal(client_open_tls(&peer->client, door, context), 1);
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

static void peer_close(struct peer *peer)
{
	nghttp2_session_del(peer->session);
	client_close(&peer->client);
	free(peer);
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			     strlen(value), NGHTTP2_NV_FLAG_NONE };
}

/* Queued, not sent. `length`: the content-length, NULL for none. */
static struct exchange *peer_post(struct peer *peer, const char *method, const char *path,
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

static struct exchange *peer_get(struct peer *peer, const char *path)
{
	return peer_post(peer, "GET", path, NULL, NULL, 0);
}

static void peer_send(struct peer *peer)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(peer->session, &p)) > 0)
		client_send(&peer->client, (const char *)p, (size_t)n);
	assert_int_equal(n, 0);
}

/* False when the door closed. */
static bool peer_recv(struct peer *peer)
{
	uint8_t bytes[16384];
	ssize_t n = client_recv(&peer->client, (char *)bytes, sizeof(bytes));

	if (n <= 0)
		return false;
	assert_int_equal(nghttp2_session_mem_recv(peer->session, bytes, (size_t)n), n);
	return true;
}

static void peer_wait(struct peer *peer, size_t n_closed)
{
	peer_send(peer);
	while (peer->n_closed < n_closed) {
		assert_true(peer_recv(peer));
		peer_send(peer);
	}
}

/* Speak with the door until `value` has come so far: nothing may be on its way back. */
static void peer_wait_for(struct peer *peer, atomic_int *value, int at_least)
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

static void peer_wait_closed(struct peer *peer)
{
	while (peer_recv(peer))
		;
}

static void check(const struct exchange *e, int status, const char *body)
{
	if (e->status != status || !e->closed || (body && strcmp(e->body, body) != 0))
		fail_msg("%d '%s' (code %u) instead of %d '%s'", e->status, e->body, e->code,
			 status, body ? body : "");
	if (!body)
		assert_non_null(strstr(e->body, "{\"error\":{\"code\":\"Base."));
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void check_basics(struct tls_slot *tls)
{
	struct exchange *e[8];
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, tls);
	peer = peer_open(&door, 0);
	e[0] = peer_get(peer, "/about");
	e[1] = peer_post(peer, "POST", "/", "3", "abc", 3);
	e[2] = peer_post(peer, "POST", "/x?y=z", NULL, "no length", 9);
	e[3] = peer_post(peer, "HEAD", "/big?7", NULL, NULL, 0);
	e[4] = peer_get(peer, "/none");
	e[5] = peer_get(peer, "/peer");
	e[6] = peer_post(peer, "POST", "/refuse", "3", "abc", 3);
	e[7] = peer_post(peer, "POST", "/", NULL, "", 0);
	peer_wait(peer, 8);
	check(e[0], 200, "h2 h");
	assert_true(e[0]->has_test_header);
	check(e[1], 200, "abc");
	assert_string_equal(e[1]->length, "3");
	check(e[2], 200, "no length");
	check(e[3], 200, "");
	assert_string_equal(e[3]->length, "7");
	check(e[4], 204, "");
	check(e[5], 200, "127.0.0.1");
	check(e[6], 401, "no");
	check(e[7], 200, "");
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(e[i]->code, NGHTTP2_NO_ERROR);
	peer_close(peer);
	door_close(&door);
}

static void test_basics(void **state)
{
	check_basics(NULL);
	check_basics(slot);
}

static void check_many(struct tls_slot *tls)
{
	struct exchange *quick, *first;
	struct peer *peer;
	struct door door;
	char path[32];

	door_open(&door, &limits, tls);
	peer = peer_open(&door, 0);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/hold?%d", i);
		peer_get(peer, path);
	}
	quick = peer_get(peer, "/about");
	peer_wait(peer, 1);
	check(quick, 200, "h2 h"); /* ahead of all that came before it */
	door_wait(&door.n_seen, 101);
	atomic_store(&door.release, true);
	peer_wait(peer, 101);
	first = &peer->exchanges[0];
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "%d", i);
		check(&first[i], 200, path);
	}
	peer_close(peer);
	door_close(&door);
}

static void test_hundred_out_of_order(void **state)
{
	check_many(NULL);
	check_many(slot);
}

static void test_one_write_a_turn(void **state)
{
	struct peer *peer;
	struct door door;
	uint32_t before;

	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	for (int i = 0; i < 10; i++)
		peer_get(peer, "/hold?1");
	peer_send(peer);
	door_wait(&door.n_seen, 10);
	usleep(20000);
	before = client_n_segments(&peer->client);
	atomic_store(&door.release, true);
	peer_wait(peer, 10);
	assert_int_equal(client_n_segments(&peer->client) - before, 1);
	peer_close(peer);
	door_close(&door);
}

static void test_bodies(void **state)
{
	static char big[3000000];
	struct exchange *e;
	struct peer *peer;
	struct door door;

	memset(big, 'x', sizeof(big));
	limits.max_body_bytes = 2000000;
	limits.max_body_bytes_total = 3000000;
	door_open(&door, &limits, slot);
	peer = peer_open(&door, 0);
	/* Up and back. */
	e = peer_post(peer, "POST", "/", "2000000", big, 2000000);
	peer_wait(peer, 1);
	assert_int_equal(e->status, 200);
	assert_int_equal(e->n_body, 2000000);
	/* Too large, said at once or found out. */
	e = peer_post(peer, "POST", "/", "3000000", big, 3000000);
	peer_wait(peer, 2);
	check(e, 413, NULL);
	assert_true(e->n_to_send > 0);
	e = peer_post(peer, "POST", "/", NULL, big, 3000000);
	peer_wait(peer, 3);
	check(e, 413, NULL);
	/* Refused by the handler: a long body is not waited for. */
	e = peer_post(peer, "POST", "/refuse", "2000000", big, 2000000);
	peer_wait(peer, 4);
	check(e, 401, "no");
	/* More in all than is held. */
	peer_post(peer, "POST", "/hold?1", "1500000", big, 1500000);
	peer_wait_for(peer, &door.n_seen, 2);
	e = peer_post(peer, "POST", "/", NULL, big, 2000000);
	peer_wait(peer, 5);
	check(e, 503, NULL);
	atomic_store(&door.release, true);
	peer_wait(peer, 6);
	e = peer_post(peer, "POST", "/", NULL, big, 2000000);
	peer_wait(peer, 7);
	assert_int_equal(e->status, 200);
	/* A route with a cap of its own. */
	e = peer_post(peer, "POST", "/small", NULL, big, 5);
	peer_wait(peer, 8);
	check(e, 413, NULL);
	peer_close(peer);
	door_close(&door);
}

static struct exchange *get_with(struct peer *peer, const nghttp2_nv *more, size_t n_more)
{
	nghttp2_nv headers[128] = { header(":method", "GET"), header(":scheme", "http"),
				    header(":path", "/about"), header(":authority", "h") };
	int32_t id;

	memcpy(headers + 4, more, n_more * sizeof(*more));
	id = nghttp2_submit_request(peer->session, NULL, headers, 4 + n_more, NULL, NULL);
	assert_true(id > 0);
	return exchange_of(peer, id);
}

static void test_heads(void **state)
{
	nghttp2_nv many[100];
	char long_value[9001];
	struct exchange *e;
	struct peer *peer;
	struct door door;

	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = header("name", "value");
	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	e = get_with(peer, many, 60);
	peer_wait(peer, 1);
	check(e, 200, "h2 h");
	e = get_with(peer, many, 100);
	peer_wait(peer, 2);
	check(e, 431, NULL);
	many[0] = many[1] = header("long", long_value);
	e = get_with(peer, many, 1);
	peer_wait(peer, 3);
	check(e, 200, "h2 h");
	e = get_with(peer, many, 2);
	peer_wait(peer, 4);
	check(e, 431, NULL);
	many[0] = header("host", "other");
	e = get_with(peer, many, 1);
	peer_wait(peer, 5);
	check(e, 400, NULL);
	many[0] = header("host", "h");
	e = get_with(peer, many, 1);
	peer_wait(peer, 6);
	check(e, 200, "h2 h");
	/* Malformed (RFC 9113 8.1.1): the stream ends, the connection does not. */
	many[0] = header("connection", "close");
	e = get_with(peer, many, 1);
	peer_wait(peer, 7);
	assert_int_equal(e->code, NGHTTP2_PROTOCOL_ERROR);
	e = peer_get(peer, "/a#b");
	peer_wait(peer, 8);
	check(e, 400, NULL);
	e = peer_get(peer, "/about");
	peer_wait(peer, 9);
	check(e, 200, "h2 h");
	peer_close(peer);
	door_close(&door);
}

static void test_stream_cap(void **state)
{
	size_t n_refused = 0, n_answered = 0;
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	/* Before the client read how many it may open. */
	for (int i = 0; i < 200; i++)
		peer_get(peer, "/hold?1");
	peer_wait(peer, 200 - HTTP2_MAX_STREAMS);
	assert_int_equal(atomic_load(&door.n_seen), HTTP2_MAX_STREAMS);
	atomic_store(&door.release, true);
	peer_wait(peer, 200);
	for (int i = 0; i < 200; i++) {
		n_refused += peer->exchanges[i].code == NGHTTP2_REFUSED_STREAM;
		n_answered += peer->exchanges[i].status == 200;
	}
	assert_int_equal(n_answered, HTTP2_MAX_STREAMS);
	assert_int_equal(n_refused, 200 - HTTP2_MAX_STREAMS);
	peer_close(peer);
	door_close(&door);
}

static void test_windows(void **state)
{
	struct exchange *big, *e;
	struct peer *peer;
	struct door door;

	limits.write_us = 300000;
	limits.max_output_bytes = 100000;
	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 1000);
	big = peer_get(peer, "/big?150000");
	peer_send(peer);
	while (big->n_body < 1000)
		assert_true(peer_recv(peer));
	/* Others are refused meanwhile, to be sent again. */
	e = peer_get(peer, "/about");
	peer_wait(peer, 1);
	assert_int_equal(e->code, NGHTTP2_REFUSED_STREAM);
	for (size_t given = 1000; !big->closed;) {
		while (!big->closed && big->n_body < given)
			assert_true(peer_recv(peer));
		nghttp2_session_consume(peer->session, 1, big->n_body - (given - 1000));
		given += 1000;
		nghttp2_submit_window_update(peer->session, NGHTTP2_FLAG_NONE, 1, 1000);
		nghttp2_submit_window_update(peer->session, NGHTTP2_FLAG_NONE, 0, 1000);
		peer_send(peer);
	}
	assert_int_equal(big->n_body, 150000);
	e = peer_get(peer, "/about");
	peer_wait(peer, 3);
	check(e, 200, "h2 h");
	/* One that takes nothing is left, whatever else it says. */
	peer_get(peer, "/big?5000");
	for (int i = 0; i < 100 && metric_read(METRIC_HTTP_CONNECTIONS, "test") > 0; i++) {
		const uint8_t *p;
		ssize_t n;

		nghttp2_submit_ping(peer->session, NGHTTP2_FLAG_NONE, NULL);
		while ((n = nghttp2_session_mem_send(peer->session, &p)) > 0)
			if (send(peer->client.fd, p, (size_t)n, MSG_NOSIGNAL) < 0)
				break;
		usleep(20000);
	}
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 0);
	peer_close(peer);
	door_close(&door);
}

/* Windows wide open, and nobody reads: what the kernel does not take is bounded, and the time. */
static void test_slow_reader(void **state)
{
	struct peer *peer;
	struct door door;
	int small = 4096;

	limits.write_us = 300000;
	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 100000000);
	nghttp2_session_set_local_window_size(peer->session, NGHTTP2_FLAG_NONE, 0, 100000000);
	setsockopt(peer->client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	peer_get(peer, "/big?30000000");
	peer_send(peer);
	door_wait(&door.n_seen, 1);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 1);
	for (int i = 0; i < 100 && metric_read(METRIC_HTTP_CONNECTIONS, "test") > 0; i++)
		usleep(20000);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 0);
	peer_close(peer);
	door_close(&door);
}

static void test_resets(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	static char body[60000];
	struct exchange *e;
	struct peer *peer;
	struct door door;

	limits.max_body_bytes_total = 60000;
	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	/* In the middle of its body: what it held is free again. */
	for (int i = 0; i < 3; i++) {
		e = peer_post(peer, "POST", "/", NULL, body, 50000);
		e->stays_open = true;
		peer_send(peer);
		door_wait(&door.n_heads, i + 1);
		nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, 2 * i + 1,
					  NGHTTP2_CANCEL);
		peer_wait(peer, (size_t)i + 1);
	}
	assert_int_equal(atomic_load(&door.n_seen), 0);
	/* With the handler: the answer goes nowhere, the others' arrive. */
	peer_get(peer, "/hold?a");
	e = peer_get(peer, "/hold?b");
	peer_send(peer);
	door_wait(&door.n_seen, 2);
	nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, 7, NGHTTP2_CANCEL);
	peer_post(peer, "POST", "/", NULL, body, 50000);
	peer_wait(peer, 5);
	atomic_store(&door.release, true);
	peer_wait(peer, 6);
	check(e, 200, "b");
	assert_int_equal(atomic_load(&door.n_gone), 1);
	/* The peer is gone altogether: a reset, since an end of its bytes could be a half-close. */
	peer_get(peer, "/hold?c");
	peer_get(peer, "/hold?d");
	peer_post(peer, "POST", "/", "100", body, 50)->stays_open = true;
	peer_send(peer);
	door_wait(&door.n_heads, 9);
	setsockopt(peer->client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	peer_close(peer);
	usleep(20000);
	atomic_store(&door.release, true);
	door_wait(&door.n_gone, 3);
	door_close(&door);
}

static void test_rapid_reset(void **state)
{
	const uint8_t *p;
	struct peer *peer;
	struct door door;
	ssize_t n;

	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	for (int i = 0; i < 2000; i++) {
		peer_get(peer, "/hold?1");
		n = nghttp2_session_mem_send(peer->session, &p);
		for (; n > 0; n = nghttp2_session_mem_send(peer->session, &p))
			if (send(peer->client.fd, p, (size_t)n, MSG_NOSIGNAL) < 0)
				break;
		nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, 2 * i + 1,
					  NGHTTP2_CANCEL);
	}
	peer_wait_closed(peer);
	assert_true(atomic_load(&door.n_seen) <= HTTP2_MAX_REQUESTS);
	peer_close(peer);
	atomic_store(&door.release, true);
	usleep(20000);
	door_close(&door);
}

/* Frames that no client library would send. */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

/* Read until the door closes: the error code of its GOAWAY, -1 without one. */
static int goaway_code(struct client *client)
{
	uint8_t bytes[65536];
	size_t n = 0;
	ssize_t r;

	while (n < sizeof(bytes) && (r = recv(client->fd, bytes + n, sizeof(bytes) - n, 0)) > 0)
		n += (size_t)r;
	for (size_t at = 0; at + 17 <= n;) {
		size_t len = (size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2];

		if (bytes[at + 3] == NGHTTP2_GOAWAY)
			return bytes[at + 16];
		at += 9 + len;
	}
	return -1;
}

static void test_continuation_flood(void **state)
{
	static const char headers[] = "\0\0\1\1\1\0\0\0\1\x82";
	static const char more[] = "\0\0\0\x9\0\0\0\0\1";
	struct client client;
	struct door door;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_send(&client, preface, sizeof(preface) - 1);
	client_send(&client, headers, sizeof(headers) - 1);
	/* One more than there may be; time limits are far away. */
	for (int i = 0; i < HTTP2_MAX_CONTINUATIONS + 1; i++)
		client_send(&client, more, sizeof(more) - 1);
	assert_int_equal(goaway_code(&client), NGHTTP2_ENHANCE_YOUR_CALM);
	client_close(&client);
	door_close(&door);
}

/* One byte of HPACK for each header of 4 KB: more than a head may be many times over. */
static void test_hpack_bomb(void **state)
{
	nghttp2_nv many[64];
	char value[3900];
	struct peer *peer;
	struct door door;
	struct exchange *e;
	const uint8_t *p;
	ssize_t n;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = header("bomb", value);
	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	/* Too long, but not by much: that stream alone is refused. */
	e = get_with(peer, many, 8);
	peer_wait(peer, 1);
	check(e, 431, NULL);
	get_with(peer, many, 64);
	while ((n = nghttp2_session_mem_send(peer->session, &p)) > 0)
		if (send(peer->client.fd, p, (size_t)n, MSG_NOSIGNAL) < 0)
			break;  /* the door has closed */
	peer_wait_closed(peer); /* what it still had to say may cost it the GOAWAY */
	for (int i = 0; i < 100 && metric_read(METRIC_HTTP_CONNECTIONS, "test") > 0; i++)
		usleep(20000);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 0);
	assert_int_equal(atomic_load(&door.n_seen), 0);
	peer_close(peer);
	door_close(&door);
}

/* Streams that end by a reset, as many as a burst may have and then more: sent by the peer, or by
 * us because the peer broke a rule of that stream alone (a window past its end). */
static void flood_resets(const char *frames, size_t n_frames, size_t second)
{
	char pair[64];
	struct client client;
	struct door door;
	bool ended = false;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_send(&client, preface, sizeof(preface) - 1);
	memcpy(pair, frames, n_frames);
	for (int i = 0; i < 2 * HTTP2_RESETS_BURST && !ended; i++) {
		int id = 2 * i + 1;

		pair[7] = pair[second + 7] = (char)(id >> 8);
		pair[8] = pair[second + 8] = (char)id;
		ended = send(client.fd, pair, n_frames, MSG_NOSIGNAL) < 0;
		if (i % 64 == 63) /* more at once are refused as too many streams, which is cheap */
			usleep(3000);
	}
	assert_int_equal(goaway_code(&client), NGHTTP2_ENHANCE_YOUR_CALM);
	client_close(&client);
	door_close(&door);
}

static void test_reset_flood(void **state)
{
	/* HEADERS of three indexed fields, then RST_STREAM or WINDOW_UPDATE of the same stream. */
	static const char reset[] = "\0\0\3\1\5\0\0\0\0\x82\x84\x86"
				    "\0\0\4\3\0\0\0\0\0\0\0\0\x8";
	static const char window[] = "\0\0\3\1\4\0\0\0\0\x83\x84\x86"
				     "\0\0\4\x8\0\0\0\0\0\x7f\xff\xff\xff";

	flood_resets(reset, sizeof(reset) - 1, 12);
	flood_resets(window, sizeof(window) - 1, 12);
}

/* Answers that nobody takes are not heaped up. */
static void test_ping_flood(void **state)
{
	static const char ping[] = "\0\0\x8\6\0\0\0\0\0pingping";
	struct client client;
	struct door door;

	limits.write_us = 500000;
	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_send(&client, preface, sizeof(preface) - 1);
	for (int i = 0; i < 3000000; i++)
		if (send(client.fd, ping, sizeof(ping) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	for (int i = 0; i < 200 && metric_read(METRIC_HTTP_CONNECTIONS, "test") > 0; i++)
		usleep(20000);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 0);
	client_close(&client);
	door_close(&door);
}

static void check_drain(struct tls_slot *tls)
{
	struct peer *idle, *busy;
	struct exchange *e, *late;
	struct door door;

	door_open(&door, &limits, tls);
	idle = peer_open(&door, 0);
	peer_get(idle, "/about");
	peer_wait(idle, 1);
	busy = peer_open(&door, 0);
	e = peer_get(busy, "/hold?x");
	peer_send(busy);
	door_wait(&door.n_seen, 2);
	atomic_store(&door.drain, true);
	peer_wait_closed(idle);
	assert_int_equal(idle->n_goaways, 1);
	assert_int_equal(idle->last_id, 1);
	/* Told that no more are wanted; what crossed that is served all the same. */
	late = peer_get(busy, "/about");
	peer_wait(busy, 1);
	check(late, 200, "h2 h");
	while (busy->n_goaways < 2) {
		peer_send(busy);
		assert_true(peer_recv(busy));
	}
	assert_int_equal(busy->last_id, 3);
	assert_int_equal(atomic_load(&door.idle), 0);
	atomic_store(&door.release, true);
	peer_wait(busy, 2);
	check(e, 200, "x");
	peer_wait_closed(busy);
	door_wait(&door.idle, 1);
	peer_close(idle);
	peer_close(busy);
	door_close(&door);
}

static void test_drain(void **state)
{
	check_drain(NULL);
	check_drain(slot);
}

static void test_preface_split_everywhere(void **state)
{
	struct client http1;
	struct door door;
	char body[16];

	door_open(&door, &limits, NULL);
	for (size_t split = 1; split < 60; split++) {
		struct peer *peer = peer_open(&door, 0);
		struct exchange *e = peer_get(peer, "/about");
		char bytes[1024];
		const uint8_t *p;
		size_t n = 0;
		ssize_t r;

		while ((r = nghttp2_session_mem_send(peer->session, &p)) > 0) {
			memcpy(bytes + n, p, (size_t)r);
			n += (size_t)r;
		}
		client_send(&peer->client, bytes, split);
		usleep(1000);
		client_send(&peer->client, bytes + split, n - split);
		peer_wait(peer, 1);
		check(e, 200, "h2 h");
		peer_close(peer);
		/* HTTP/1 goes on at the same address. */
		client_open(&http1, &door);
		client_say(&http1, "GET /about HTTP/1.1\r\nHost: one\r\n\r\n");
		assert_int_equal(client_answer(&http1, body, sizeof(body)), 200);
		assert_string_equal(body, "http/1.1 one");
		client_close(&http1);
	}
	door_close(&door);
}

static void test_time_limits(void **state)
{
	struct client client;
	struct exchange *e;
	struct peer *peer;
	struct door door;
	int64_t begin_us;

	limits.head_us = limits.body_us = limits.idle_us = 200000;
	door_open(&door, &limits, NULL);
	/* Half a preface is half a request of HTTP/1. */
	client_open(&client, &door);
	client_say(&client, "PRI * HT");
	assert_int_equal(client_answer(&client, NULL, 0), 408);
	client_close(&client);
	/* No request at all. */
	peer = peer_open(&door, 0);
	peer_send(peer);
	peer_wait_closed(peer);
	assert_int_equal(peer->n_goaways, 1);
	peer_close(peer);
	/* Half a body, while others go on. */
	peer = peer_open(&door, 0);
	begin_us = clock_monotonic_us();
	e = peer_post(peer, "POST", "/", "100", "half", 4);
	e->stays_open = true;
	for (size_t i = 1; !e->closed; i++) {
		peer_get(peer, "/none");
		peer_wait(peer, i);
		usleep(10000);
	}
	check(e, 408, NULL);
	assert_in_range(clock_monotonic_us() - begin_us, 150000, 5000000);
	/* Then idle; pings do not count. */
	for (int i = 0; i < 100; i++) {
		nghttp2_submit_ping(peer->session, NGHTTP2_FLAG_NONE, NULL);
		peer_send(peer);
		if (!peer_recv(peer) || peer->n_goaways > 0)
			break;
		usleep(10000);
	}
	assert_int_equal(peer->n_goaways, 1);
	peer_close(peer);
	door_close(&door);
}

/* A client that says all it has to say still gets its answers. */
static void test_half_close(void **state)
{
	struct exchange *e;
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	e = peer_get(peer, "/hold?x");
	peer_post(peer, "POST", "/", "9", "half", 4)->stays_open = true;
	peer_send(peer);
	shutdown(peer->client.fd, SHUT_WR);
	door_wait(&door.n_seen, 1);
	usleep(5000);
	atomic_store(&door.release, true);
	peer_wait_closed(peer);
	check(e, 200, "x");
	peer_close(peer);
	door_close(&door);
}

static void test_no_take_over(void **state)
{
	struct exchange *e;
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, NULL);
	peer = peer_open(&door, 0);
	e = peer_get(peer, "/upgrade");
	peer_wait(peer, 1);
	check(e, 503, "a stream of HTTP/2 cannot be taken over");
	peer_close(peer);
	door_close(&door);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_basics, reset_limits),
		cmocka_unit_test_setup(test_hundred_out_of_order, reset_limits),
		cmocka_unit_test_setup(test_one_write_a_turn, reset_limits),
		cmocka_unit_test_setup(test_bodies, reset_limits),
		cmocka_unit_test_setup(test_heads, reset_limits),
		cmocka_unit_test_setup(test_stream_cap, reset_limits),
		cmocka_unit_test_setup(test_windows, reset_limits),
		cmocka_unit_test_setup(test_slow_reader, reset_limits),
		cmocka_unit_test_setup(test_resets, reset_limits),
		cmocka_unit_test_setup(test_rapid_reset, reset_limits),
		cmocka_unit_test_setup(test_continuation_flood, reset_limits),
		cmocka_unit_test_setup(test_hpack_bomb, reset_limits),
		cmocka_unit_test_setup(test_reset_flood, reset_limits),
		cmocka_unit_test_setup(test_ping_flood, reset_limits),
		cmocka_unit_test_setup(test_drain, reset_limits),
		cmocka_unit_test_setup(test_preface_split_everywhere, reset_limits),
		cmocka_unit_test_setup(test_time_limits, reset_limits),
		cmocka_unit_test_setup(test_half_close, reset_limits),
		cmocka_unit_test_setup(test_no_take_over, reset_limits),
	};

	return cmocka_run_group_tests(tests, make_slot, drop_slot);
}
