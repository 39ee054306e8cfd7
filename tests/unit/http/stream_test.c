/* Answers of no known length, plain and TLS, HTTP/1 and HTTP/2: whole, in order, behind a slow
 * reader, for a peer that leaves or stalls. */
#include "door.h"
#include "peer.h"

#include "base/metrics.h"
#include "http/http1.h"
#include "http/limits.h"

#define LINES 200000 /* 1.6 MB: more than an answer, the socket and the windows hold */

/* All that comes until the door closes; new. */
static char *read_all(struct client *client, size_t *n_out)
{
	size_t size = 8u << 20, n = 0;
	char *bytes = xmalloc(size);
	ssize_t r;

	while (n < size && (r = client_recv(client, bytes + n, size - n)) > 0)
		n += (size_t)r;
	*n_out = n;
	return bytes;
}

/* Counted lines from 0, `n` of them. */
static void check_lines(const char *bytes, size_t n_bytes, unsigned n)
{
	char line[16];

	assert_int_equal(n_bytes, 8 * n);
	for (unsigned i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%07u\n", i);
		assert_memory_equal(bytes + 8 * i, line, 8);
	}
}

/* Decodes the chunks of an answer at `bytes`: where it ends; 1 in *whole when its last chunk came.
 */
static char *check_chunks(char *bytes, size_t n, unsigned n_lines, int whole)
{
	char *body = memmem(bytes, n, "\r\n\r\n", 4);
	struct http1_chunks chunks = { 0 };
	size_t n_used, n_decoded;
	int r;

	assert_non_null(body);
	assert_non_null(
		memmem(bytes, (size_t)(body - bytes), "\r\nTransfer-Encoding: chunked", 28));
	assert_null(memmem(bytes, (size_t)(body - bytes), "Content-Length", 14));
	body += 4;
	r = http1_decode_chunks(&chunks, (struct str){ body, n - (size_t)(body - bytes) }, body,
				UINT64_MAX, &n_used, &n_decoded);
	assert_int_equal(r, whole);
	check_lines(body, n_decoded, n_lines);
	return body + n_used;
}

static void http1_exchange(struct tls_slot *tls, const char *request, char **bytes, size_t *n)
{
	struct client client;
	struct door door;

	door_open(&door, &limits, tls);
	if (tls)
		assert_int_equal(client_open_tls(&client, &door, peer_context), 1);
	else
		client_open(&client, &door);
	client_say(&client, request);
	*bytes = read_all(&client, n);
	client_close(&client);
	door_close(&door);
}

static void test_chunks(void **state)
{
	static const char request[] = "GET /stream?200000 HTTP/1.1\r\nHost: h\r\n\r\n"
				      "GET /stream?3 HTTP/1.1\r\nHost: h\r\n\r\n"
				      "GET /about HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	char *bytes, *at;
	size_t n;

	http1_exchange(NULL, request, &bytes, &n);
	at = check_chunks(bytes, n, LINES, 1);
	at = check_chunks(at, n - (size_t)(at - bytes), 3, 1);
	assert_non_null(memmem(at, n - (size_t)(at - bytes), "\r\n\r\nhttp/1.1 h", 14));
	free(bytes);
}

/* The peer's answers before it are not there yet: it begins behind them. */
static void test_behind_others(void **state)
{
	static const char request[] =
		"GET /hold?7 HTTP/1.1\r\nHost: h\r\n\r\n"
		"GET /stream?50000 HTTP/1.1\r\nHost: h\r\n\r\n"
		"GET /stream?1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	struct client client;
	struct door door;
	char *bytes, *at;
	size_t n;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	client_say(&client, request);
	door_wait(&door.n_seen, 3);
	usleep(20000);
	assert_int_equal(atomic_load(&door.n_kib), 0);
	atomic_store(&door.release, true);
	bytes = read_all(&client, &n);
	at = memmem(bytes, n, "\r\n\r\n7", 5);
	assert_non_null(at);
	at = check_chunks(at + 5, n - (size_t)(at + 5 - bytes), 50000, 1);
	check_chunks(at, n - (size_t)(at - bytes), 1, 1);
	free(bytes);
	client_close(&client);
	door_close(&door);
}

static void test_http10_head_and_cut(void **state)
{
	char *bytes, *body;
	size_t n;

	http1_exchange(NULL, "GET /stream?2000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &bytes,
		       &n);
	body = (char *)memmem(bytes, n, "\r\n\r\n", 4) + 4;
	assert_null(memmem(bytes, n, "chunked", 7));
	check_lines(body, n - (size_t)(body - bytes), 2000);
	free(bytes);
	http1_exchange(NULL, "HEAD /stream?9 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		       &bytes, &n);
	assert_memory_equal(bytes + n - 4, "\r\n\r\n", 4);
	assert_non_null(memmem(bytes, n, "chunked", 7));
	free(bytes);
	/* Broken off: the last chunk never comes. */
	http1_exchange(NULL, "GET /cut?900 HTTP/1.1\r\nHost: h\r\n\r\n", &bytes, &n);
	check_chunks(bytes, n, 900, 0);
	free(bytes);
}

static void test_tls(void **state)
{
	static const char request[] =
		"GET /stream?200000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
	SSL_CTX *with_h2 = peer_context;
	char *bytes;
	size_t n;

	peer_context = SSL_CTX_new(TLS_client_method());
	http1_exchange(house.slot, request, &bytes, &n);
	check_chunks(bytes, n, LINES, 1);
	free(bytes);
	SSL_CTX_free(peer_context);
	peer_context = with_h2;
}

static void check_frames(struct tls_slot *tls)
{
	struct exchange *e[5];
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, tls);
	peer = peer_open(&door, 0);
	e[0] = peer_get(peer, "/stream?200000");
	e[1] = peer_get(peer, "/stream?0");
	e[2] = peer_get(peer, "/cut?5000");
	e[3] = peer_post(peer, "HEAD", "/stream?5", NULL, NULL, 0);
	e[4] = peer_get(peer, "/about");
	peer_wait(peer, 5);
	for (size_t i = 0; i < 5; i++) {
		/* A reset overtakes what was said in the same turn. */
		assert_true(e[i]->status == 200 || i == 2);
		assert_string_equal(e[i]->length, i == 4 ? "4" : "");
	}
	assert_int_equal(e[0]->n_body, 8 * LINES);
	assert_memory_equal(e[0]->body, "0000000\n0000001\n", 16);
	assert_int_equal(e[1]->n_body, 0);
	assert_int_equal(e[2]->code, NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(e[3]->n_body, 0);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(e[i]->code, i == 2 ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_NO_ERROR);
	peer_close(peer);
	door_close(&door);
}

static void test_frames(void **state)
{
	check_frames(NULL);
	check_frames(house.slot);
}

/* A reader that stalls holds what it was given and no more; others are served; it is cut off. */
static void check_stall(struct tls_slot *tls, bool h2)
{
	struct client client, other;
	struct peer *peer = NULL;
	struct door door;
	int small = 4096;
	char body[64];

	limits.write_us = 300000;
	door_open(&door, &limits, tls);
	if (h2) {
		peer = peer_open(&door, 65535);
		peer_get(peer, "/stream?9000000");
		peer_send(peer);
	} else {
		client_open(&client, &door);
		setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		client_say(&client, "GET /stream?9000000 HTTP/1.1\r\nHost: h\r\n\r\n");
	}
	door_wait(&door.n_kib, 100);
	if (!tls) {
		client_open(&other, &door);
		client_say(&other, "GET /about HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(&other, body, sizeof(body)), 200);
		client_close(&other);
	}
	door_wait(&door.n_gone, 1);
	/* Of 70,000: the socket's buffers and ours. */
	assert_true(atomic_load(&door.n_kib) < 16384);
	if (h2)
		peer_close(peer);
	else
		client_close(&client);
	door_close(&door);
}

static void test_stall(void **state)
{
	check_stall(NULL, false);
	check_stall(NULL, true);
	check_stall(house.slot, true);
}

/* It leaves in the middle, or resets the stream: the writer is told, nothing stays behind. */
static void check_leave(const char *path, int n_kib)
{
	char text[100];
	struct client client;
	struct exchange *e;
	struct peer *peer;
	struct door door;

	door_open(&door, &limits, NULL);
	client_open(&client, &door);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	client_say(&client, text);
	door_wait(&door.n_kib, n_kib);
	client_close(&client);
	door_wait(&door.n_gone, 1);
	peer = peer_open(&door, 65535);
	peer_get(peer, path);
	peer_send(peer);
	usleep(50000);
	nghttp2_submit_rst_stream(peer->session, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL);
	peer_send(peer);
	door_wait(&door.n_gone, 2);
	e = peer_get(peer, "/about");
	peer_wait(peer, 2);
	check(e, 200, "h2 h");
	peer_close(peer);
	door_wait(&door.idle, 1);
	door_close(&door);
}

static void test_leave(void **state)
{
	check_leave("/stream?9000000", 100);
	check_leave("/rest?100", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_chunks, reset_limits),
		cmocka_unit_test_setup(test_behind_others, reset_limits),
		cmocka_unit_test_setup(test_http10_head_and_cut, reset_limits),
		cmocka_unit_test_setup(test_tls, reset_limits),
		cmocka_unit_test_setup(test_frames, reset_limits),
		cmocka_unit_test_setup(test_stall, reset_limits),
		cmocka_unit_test_setup(test_leave, reset_limits),
	};

	return cmocka_run_group_tests(tests, peer_open_group, peer_close_group);
}
