/* HTTP/2 at the door with peers that overdo it, dawdle, or say what no client library would. */
#include "door.h"
#include "peer.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "http/limits.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_stream_cap, reset_limits),
		cmocka_unit_test_setup(test_slow_reader, reset_limits),
		cmocka_unit_test_setup(test_rapid_reset, reset_limits),
		cmocka_unit_test_setup(test_continuation_flood, reset_limits),
		cmocka_unit_test_setup(test_hpack_bomb, reset_limits),
		cmocka_unit_test_setup(test_reset_flood, reset_limits),
		cmocka_unit_test_setup(test_ping_flood, reset_limits),
		cmocka_unit_test_setup(test_time_limits, reset_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
