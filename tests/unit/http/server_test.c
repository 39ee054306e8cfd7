/* The door over plain loopback sockets: framing, order, limits, caps, drain. */
#include "door.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "base/metrics.h"

static struct http_limits limits;

static int reset_limits(void **state)
{
	limits = http_default_limits;
	return 0;
}

struct exchange {
	const char *name;
	const char *request;
	int status;
	const char *body; /* of the answer; NULL: an error's, or not looked at */
	bool closes;
};

static const struct exchange exchanges[] = {
	{ "GET", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, "", false },
	{ "POST", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false },
	{ "empty line before", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 200, "", false },
	{ "chunks",
	  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
	  200, "abc", false },
	{ "chunks with extensions and trailers",
	  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "2;a=b\r\nab\r\n01\r\nc\r\n0;z\r\nX: y\r\nZ:\r\n\r\n",
	  200, "abc", false },
	{ "an upgrade not taken",
	  "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 200, "",
	  false },
	{ "no content", "GET /none HTTP/1.1\r\nHost: h\r\n\r\n", 204, "", false },
	{ "IPv4 is IPv4", "GET /peer HTTP/1.1\r\nHost: h\r\n\r\n", 200, "127.0.0.1", false },
	{ "close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "", true },
	{ "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200, "", true },
	{ "HTTP/1.0 kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "", false },
	{ "refused, drained", "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
	  401, "no", false },
	{ "refused, chunks drained",
	  "POST /refuse HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\nabc\r\n0\r\n\r\n",
	  401, "no", false },
	{ "refused with Expect",
	  "POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
	  "Expect: 100-continue\r\n\r\n",
	  401, "no", true },
	{ "refused, too long to drain",
	  "POST /refuse HTTP/1.1\r\nHost: h\r\n"
	  "Content-Length: 300000\r\n\r\n",
	  401, "no", true },
	{ "no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL, true },
	{ "not quite the preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", 505, NULL, true },
	{ "bare LF", "GET / HTTP/1.1\nHost: h\n\n", 400, NULL, true },
	{ "bad chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", 400,
	  NULL, true },
	{ "body over the cap", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n",
	  413, NULL, true },
	{ "chunk over the cap",
	  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413, NULL,
	  true },
	{ "body of a route within its own cap",
	  "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd", 200, "abcd", false },
	{ "body over it", "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", 413,
	  "small", false },
	{ "chunks over it",
	  "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
	  413, NULL, true },
	{ "not a trailer",
	  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx y\r\n\r\n", 400,
	  NULL, true },
	{ "unknown expectation", "GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417, NULL,
	  true },
};

/* In two pieces, or byte by byte when `split` is 0. A door that has said no takes no more. */
static void send_split(struct client *client, const char *request, size_t split)
{
	size_t n = strlen(request);

	for (size_t at = 0, piece; at < n; at += piece) {
		piece = split == 0 ? 1 : at == 0 ? split : n - at;
		if (send(client->fd, request + at, piece, MSG_NOSIGNAL) < 0)
			return;
		if (at + piece < n)
			usleep(200);
	}
}

static void check_exchange(struct door *door, const struct exchange *e, size_t split)
{
	struct client client;
	char body[1024];
	int status;

	client_open(&client, door);
	send_split(&client, e->request, split);
	status = client_answer(&client, body, sizeof(body));
	if (status != e->status)
		fail_msg("%s at %zu: %d", e->name, split, status);
	if (e->body && strcmp(body, e->body) != 0)
		fail_msg("%s at %zu: body '%s'", e->name, split, body);
	if (!e->body && !strstr(body, "{\"error\":{\"code\":\"Base."))
		fail_msg("%s at %zu: error body '%s'", e->name, split, body);
	if (e->closes) {
		if (!client_is_closed(&client))
			fail_msg("%s at %zu: not closed", e->name, split);
	} else {
		client_say(&client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nnext");
		assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
		if (strcmp(body, "next") != 0)
			fail_msg("%s at %zu: then '%s'", e->name, split, body);
	}
	client_close(&client);
}

static void test_exchanges(void **state)
{
	struct door door;

	door_open(&door, &limits, NULL);
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
		check_exchange(&door, &exchanges[i], strlen(exchanges[i].request));
	door_close(&door);
}

static void test_split_everywhere(void **state)
{
	struct door door;

	door_open(&door, &limits, NULL);
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
		for (size_t split = 0; split < strlen(exchanges[i].request); split++)
			check_exchange(&door, &exchanges[i], split);
	door_close(&door);
}

/* Two requests behind one another, and one whose body waits for 100 Continue. */
static void test_pairs_split_everywhere(void **state)
{
	static const char pair[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
				   "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
				   "Expect: 100-continue\r\n\r\n2\r\nde\r\n0\r\n\r\n";
	struct client client;
	struct door door;
	char body[64];

	door_open(&door, &limits, NULL);
	for (size_t split = 0; split < sizeof(pair) - 1; split++) {
		int status;

		client_open(&client, &door);
		send_split(&client, pair, split);
		assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
		assert_string_equal(body, "abc");
		status = client_answer(&client, body, sizeof(body));
		if (status == 100) /* the body was not at hand yet */
			status = client_answer(&client, body, sizeof(body));
		assert_int_equal(status, 200);
		assert_string_equal(body, "de");
		client_close(&client);
	}
	door_close(&door);
}

static void test_head_has_length_without_body(void **state)
{
	struct client client;
	struct door door;
	char text[512] = "";

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client, "HEAD /big?7 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	for (size_t n = 0; n < sizeof(text) - 1;) {
		ssize_t r = client_recv(&client, text + n, sizeof(text) - 1 - n);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	assert_non_null(strstr(text, "Content-Length: 7\r\n"));
	assert_non_null(strstr(text, "X-Test: yes\r\n"));
	assert_non_null(strstr(text, "Date: "));
	assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
	client_close(&client);
	door_close(&door);
}

static void test_pipelined_answers_keep_order(void **state)
{
	struct client client;
	struct door door;
	char body[64], wanted[16];

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client,
		   "GET /hold?0 HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?1 HTTP/1.1\r\nHost: h\r\n\r\n"
		   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n2"
		   "GET /hold?3 HTTP/1.1\r\nHost: h\r\n\r\nGET nonsense\r\n\r\n");
	door_wait(&door.n_seen, 4);
	atomic_store(&door.release, true); /* answered 3, 1, 0 */
	for (int i = 0; i < 4; i++) {
		snprintf(wanted, sizeof(wanted), "%d", i);
		assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
		assert_string_equal(body, wanted);
	}
	assert_int_equal(client_answer(&client, body, sizeof(body)), 400);
	assert_true(client_is_closed(&client));
	client_close(&client);
	door_close(&door);
}

/* More than max_pipelined at once, with bodies that cross blocks while earlier ones are held. */
static void test_many_pipelined(void **state)
{
	enum { N = 400, BODY = 3000 };
	struct client client;
	struct door door;
	static char request[N * (BODY + 128)];
	size_t n = 0;

	limits.max_pipelined = 8;
	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	for (int i = 0; i < N; i++) {
		n += (size_t)snprintf(
			request + n, sizeof(request) - n,
			"POST /%s?%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
			i % 7 == 3 ? "hold" : "echo", i, BODY);
		memset(request + n, 'a' + i % 26, BODY);
		n += BODY;
	}
	for (size_t sent = 0, answered = 0; answered < N;) {
		static char body[BODY + 1];
		struct pollfd poll_fd = { client.fd, POLLIN | (sent < n ? POLLOUT : 0), 0 };

		atomic_store(&door.release, true);
		if (client.n == 0)
			poll(&poll_fd, 1, 1000);
		if (poll_fd.revents & POLLOUT) {
			ssize_t r = send(client.fd, request + sent,
					 n - sent > 5000 ? 5000 : n - sent, MSG_DONTWAIT);

			sent += r > 0 ? (size_t)r : 0;
		}
		if (client.n == 0 && !(poll_fd.revents & POLLIN))
			continue;
		assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
		if (answered % 7 == 3) {
			assert_int_equal(strtol(body, NULL, 10), answered);
		} else {
			assert_int_equal(strlen(body), BODY);
			assert_int_equal(body[0], 'a' + answered % 26);
			assert_int_equal(body[BODY - 1], 'a' + answered % 26);
		}
		answered++;
	}
	client_close(&client);
	door_close(&door);
}

static void test_one_write_a_turn(void **state)
{
	struct client client;
	struct door door;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_check_one_write(&client);
	/* Also when they are answered later, out of order. */
	{
		uint32_t before = client_n_segments(&client);

		client_say(&client, "GET /hold?0 HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?1 "
				    "HTTP/1.1\r\nHost: h\r\n\r\n"
				    "GET /hold?2 HTTP/1.1\r\nHost: h\r\n\r\n");
		door_wait(&door.n_seen, 14);
		atomic_store(&door.release, true);
		for (int i = 0; i < 3; i++)
			assert_int_equal(client_answer(&client, NULL, 0), 200);
		assert_int_equal(client_n_segments(&client) - before, 1);
	}
	client_close(&client);
	door_close(&door);
}

static void test_continue(void **state)
{
	struct client client;
	struct door door;
	char body[64];

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client, "GET /hold?a HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\n"
			    "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	door_wait(&door.n_heads, 2);
	atomic_store(&door.release, true);
	assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
	assert_string_equal(body, "a");
	assert_int_equal(client_answer(&client, NULL, 0), 100);
	client_say(&client, "ok");
	assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
	assert_string_equal(body, "ok");
	/* The body is there already: nothing to ask for. */
	client_say(&client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
			    "Expect: 100-continue\r\n\r\nok");
	assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
	client_close(&client);
	door_close(&door);
}

static void test_long_heads(void **state)
{
	struct client client;
	struct door door;
	char head[4000];

	limits.max_head_bytes = 2000;
	door_open(&door, &limits, NULL);
	memset(head, 'a', sizeof(head));
	memcpy(head, "GET /", 5);
	client_open(&client, &door);
	client_send(&client, head, sizeof(head));
	assert_int_equal(client_answer(&client, NULL, 0), 414);
	client_close(&client);
	memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
	client_open(&client, &door);
	client_send(&client, head, sizeof(head));
	assert_int_equal(client_answer(&client, NULL, 0), 431);
	client_close(&client);
	door_close(&door);
}

static void test_big_bodies(void **state)
{
	enum { SIZE = 3 << 20 };
	struct client client;
	struct door door;
	char *body = malloc(SIZE);
	char head[128];

	assert_non_null(body);
	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 31 + i / 255);
	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	for (int round = 0; round < 2; round++) {
		size_t n = 0, head_len = 0;
		char *back = malloc(SIZE + 1000);
		char *end;

		snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\n%s%d\r\n\r\n",
			 round ? "Transfer-Encoding: chunked\r\nX: " : "Content-Length: ", SIZE);
		client_say(&client, head);
		for (size_t at = 0; at < SIZE; at += 10007) {
			size_t len = SIZE - at < 10007 ? SIZE - at : 10007;

			snprintf(head, sizeof(head), "%zx\r\n", len);
			if (round)
				client_say(&client, head);
			client_send(&client, body + at, len);
			if (round)
				client_say(&client, "\r\n");
		}
		if (round)
			client_say(&client, "0\r\n\r\n");
		while (n < SIZE + head_len) {
			ssize_t r = client_recv(&client, back + n, SIZE + 1000 - n);

			assert_true(r > 0);
			n += (size_t)r;
			end = memmem(back, n, "\r\n\r\n", 4);
			if (!head_len && end)
				head_len = (size_t)(end - back) + 4;
		}
		assert_int_equal(n, SIZE + head_len);
		assert_memory_equal(back + head_len, body, SIZE);
		free(back);
	}
	client_close(&client);
	door_close(&door);
	free(body);
}

/* A reader that takes nothing: reading stops at max_output_bytes, the write limit ends it. */
static void test_slow_reader(void **state)
{
	static const char request[] = "GET /big?100000 HTTP/1.1\r\nHost: h\r\n\r\n";
	struct client client;
	struct door door;
	int small = 4096, n = 0;

	limits.max_output_bytes = 100000;
	limits.write_us = 300000;
	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (; n < 400; n++)
		if (send(client.fd, request, strlen(request), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	usleep(200000);
	assert_true(atomic_load(&door.n_seen) < 200);
	usleep(600000);
	assert_true(send(client.fd, "x", 1, MSG_NOSIGNAL) < 0);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 0);
	client_close(&client);
	door_close(&door);
}

static void test_time_limits(void **state)
{
	static const struct {
		const char *name, *request;
		int status;
	} cases[] = {
		{ "nothing", "", 0 },
		{ "half a head", "GET / HTT", 408 },
		{ "half a body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
		  408 },
		{ "half a chunk",
		  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", 408 },
	};
	struct client client;
	struct door door;

	limits.head_us = limits.body_us = limits.idle_us = 100000;
	door_open(&door, &limits, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t begin_us = clock_monotonic_us();
		int status;

		client_open(&client, &door);
		client_say(&client, cases[i].request);
		status = client_answer(&client, NULL, 0);
		if (status != cases[i].status)
			fail_msg("%s: %d", cases[i].name, status);
		if (status)
			assert_true(client_is_closed(&client));
		assert_in_range(clock_monotonic_us() - begin_us, 90000, 5000000);
		client_close(&client);
	}
	/* Idle after a request: closed without a word. A trickle does not help a head. */
	client_open(&client, &door);
	client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	assert_true(client_is_closed(&client));
	client_close(&client);
	client_open(&client, &door);
	for (int i = 0; i < 20; i++) {
		if (send(client.fd, "G", 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(20000);
	}
	assert_int_equal(client_answer(&client, NULL, 0), 408);
	client_close(&client);
	door_close(&door);
}

static void test_caps(void **state)
{
	struct client clients[4];
	struct door door;

	limits.max_connections_per_peer = 2;
	door_open(&door, &limits, NULL);
	for (int i = 0; i < 3; i++) {
		client_open(&clients[i], &door);
		if (i < 2) {
			client_say(&clients[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
			assert_int_equal(client_answer(&clients[i], NULL, 0), 200);
		}
	}
	assert_true(client_is_closed(&clients[2]));
	client_close(&clients[0]);
	/* The place is free again once the door has seen the end. */
	for (int i = 0; i < 1000; i++) {
		int status;

		client_open(&clients[3], &door);
		send(clients[3].fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27, MSG_NOSIGNAL);
		status = client_answer(&clients[3], NULL, 0);
		if (status == 200)
			break;
		client_close(&clients[3]);
		usleep(2000);
		assert_true(i < 999);
	}
	client_close(&clients[1]);
	client_close(&clients[2]);
	client_close(&clients[3]);
	door_close(&door);
}

static void test_bodies_in_total(void **state)
{
	struct client a, b;
	struct door door;
	char filler[6000];

	memset(filler, 'x', sizeof(filler));
	limits.max_body_bytes_total = 8000;
	door_open(&door, &limits, NULL);
	client_open(&a, &door);
	client_open(&b, &door);
	client_say(&a, "POST /hold?a HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n");
	client_send(&a, filler, 6000);
	door_wait(&door.n_seen, 1);
	client_say(&b, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n");
	client_send(&b, filler, 3000);
	assert_int_equal(client_answer(&b, NULL, 0), 503);
	atomic_store(&door.release, true);
	assert_int_equal(client_answer(&a, NULL, 0), 200);
	client_close(&b);
	/* Given back: the same fits now. */
	client_open(&b, &door);
	client_say(&b, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6000\r\n\r\n");
	client_send(&b, filler, 6000);
	assert_int_equal(client_answer(&b, NULL, 0), 200);
	client_close(&a);
	client_close(&b);
	door_close(&door);
}

/* A peer that resets before its answer, and one that only half-closes. */
static void test_peer_leaves(void **state)
{
	struct linger reset = { 1, 0 };
	struct client client;
	struct door door;
	char body[16];

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client,
		   "GET /hold?a HTTP/1.1\r\nHost: h\r\n\r\nGET /hold?b HTTP/1.1\r\nHost: h\r\n\r\n"
		   "POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
	door_wait(&door.n_heads, 3);
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	client_close(&client);
	usleep(20000);
	atomic_store(&door.release, true);
	door_wait(&door.n_gone, 2);

	client_open(&client, &door);
	client_say(&client, "GET /hold?c HTTP/1.1\r\nHost: h\r\n\r\n");
	shutdown(client.fd, SHUT_WR);
	door_wait(&door.n_seen, 3);
	usleep(5000);
	atomic_store(&door.release, true);
	assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
	assert_string_equal(body, "c");
	assert_true(client_is_closed(&client));
	client_close(&client);
	door_close(&door);
}

static void test_drain(void **state)
{
	struct client idle, busy;
	struct door door;
	char body[16];

	door_open(&door, &limits, NULL);
	client_open(&idle, &door);
	client_say(&idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&idle, NULL, 0), 200);
	client_open(&busy, &door);
	client_say(&busy, "GET /hold?x HTTP/1.1\r\nHost: h\r\n\r\n");
	door_wait(&door.n_seen, 2);
	atomic_store(&door.drain, true);
	assert_true(client_is_closed(&idle));
	usleep(10000);
	assert_int_equal(atomic_load(&door.idle), 0);
	atomic_store(&door.release, true);
	assert_int_equal(client_answer(&busy, body, sizeof(body)), 200);
	assert_string_equal(body, "x");
	assert_true(client_is_closed(&busy));
	door_wait(&door.idle, 1);
	client_close(&idle);
	client_close(&busy);
	door_close(&door);
}

/* Without a free descriptor the door waits, without spinning, and goes on once there is one. */
static void test_out_of_descriptors(void **state)
{
	struct rlimit old, low;
	struct rusage before, after;
	struct client client, waiting;
	struct door door;
	int spare;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	spare = dup(0);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)spare + 1;
	close(spare);
	setrlimit(RLIMIT_NOFILE, &low);
	client_open(&waiting, &door); /* takes the last */
	getrusage(RUSAGE_SELF, &before);
	usleep(300000);
	getrusage(RUSAGE_SELF, &after);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec +
			    after.ru_stime.tv_usec - before.ru_utime.tv_sec * 1000000 -
			    before.ru_utime.tv_usec - before.ru_stime.tv_usec <
		    150000);
	client_say(&waiting, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&waiting, NULL, 0), 200);
	client_close(&client);
	client_close(&waiting);
	door_close(&door);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_exchanges, reset_limits),
		cmocka_unit_test_setup(test_split_everywhere, reset_limits),
		cmocka_unit_test_setup(test_pairs_split_everywhere, reset_limits),
		cmocka_unit_test_setup(test_head_has_length_without_body, reset_limits),
		cmocka_unit_test_setup(test_pipelined_answers_keep_order, reset_limits),
		cmocka_unit_test_setup(test_many_pipelined, reset_limits),
		cmocka_unit_test_setup(test_one_write_a_turn, reset_limits),
		cmocka_unit_test_setup(test_continue, reset_limits),
		cmocka_unit_test_setup(test_long_heads, reset_limits),
		cmocka_unit_test_setup(test_big_bodies, reset_limits),
		cmocka_unit_test_setup(test_slow_reader, reset_limits),
		cmocka_unit_test_setup(test_time_limits, reset_limits),
		cmocka_unit_test_setup(test_caps, reset_limits),
		cmocka_unit_test_setup(test_bodies_in_total, reset_limits),
		cmocka_unit_test_setup(test_peer_leaves, reset_limits),
		cmocka_unit_test_setup(test_drain, reset_limits),
		cmocka_unit_test_setup(test_out_of_descriptors, reset_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
