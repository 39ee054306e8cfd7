/* HTTP/2 at the door: a real client session over loopback, plain and TLS. */
#include "door.h"
#include "peer.h"

#include "base/metrics.h"
#include "http/limits.h"

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
	check_basics(house.slot);
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
	check_many(house.slot);
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
	door_open(&door, &limits, house.slot);
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
	check_drain(house.slot);
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
		cmocka_unit_test_setup(test_windows, reset_limits),
		cmocka_unit_test_setup(test_resets, reset_limits),
		cmocka_unit_test_setup(test_drain, reset_limits),
		cmocka_unit_test_setup(test_preface_split_everywhere, reset_limits),
		cmocka_unit_test_setup(test_half_close, reset_limits),
		cmocka_unit_test_setup(test_no_take_over, reset_limits),
	};

	return cmocka_run_group_tests(tests, peer_open_group, peer_close_group);
}
