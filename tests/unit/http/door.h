/* A front door on a thread of its own, and a blocking client, for the tests of this folder. */
#ifndef TESTS_HTTP_DOOR_H
#define TESTS_HTTP_DOOR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "http/server.h"
#include "http/tls.h"
#include "http/tunnel.h"

#define DOOR_MAX_HELD 512

struct door {
	struct loop *loop;
	struct http_shared *shared;
	struct http_server *server;
	struct tls_slot *tls;
	pthread_t thread;
	uint16_t port;

	/* Requests to /hold, answered all at once, last first. */
	struct http_request *held[DOOR_MAX_HELD];
	size_t n_held;
	struct loop_timer poll;
	atomic_bool release, drain;
	atomic_int n_seen, n_gone, idle, n_heads;
	atomic_int taken_fd; /* + 1 */
	struct http_tunnel *tunnel; /* of it; the door's thread only */
	void (*on_taken)(struct door *door, int fd); /* NULL: nothing is sent past the pair */
	void (*on_room)(struct door *door);
	atomic_int n_kib;    /* written by streamed answers */
	char early[4096];
};

static inline void door_answer(struct http_request *request, int status, struct str body)
{
	const struct http_header header = { STR("X-Test"), STR("yes") };

	http_respond(request, status, &header, 1, body);
}

static inline void door_on_head(struct http_request *request, void *ctx)
{
	struct door *door = ctx;

	atomic_fetch_add(&door->n_heads, 1);
	if (str_eq(http_request_path(request), STR("/refuse")))
		door_answer(request, 401, STR("no"));
	else if (str_eq(http_request_path(request), STR("/small")) &&
		 !http_request_limit_body(request, 4))
		door_answer(request, 413, STR("small"));
}

static inline void door_on_room(void *ctx)
{
	struct door *door = ctx;

	door->on_room(door);
}

static inline void door_on_end(void *ctx)
{
	struct door *door = ctx;

	http_takeover_closed(door->shared, STR("127.0.0.1"));
}

static inline void door_take_over(struct door *door, struct http_request *request)
{
	struct strbuf early;
	struct err err;
	int fd;

	if (http_request_take_over(request, &fd, &door->tunnel, &early, &err) < 0) {
		door_answer(request, 503, str_of(err.text));
		return;
	}
	if (door->tunnel)
		http_tunnel_run(door->tunnel, door->loop, door_on_room, door_on_end, door);
	if (door->on_taken)
		door->on_taken(door, fd);
	snprintf(door->early, sizeof(door->early), "%.*s", STR_ARG(strbuf_str(&early)));
	strbuf_fini(&early);
	atomic_store(&door->taken_fd, fd + 1);
}

/* Who the client is by its certificate: "<number of hex digits> <names>", or "none". */
static inline void door_tell_certificate(struct http_request *request)
{
	struct http_certificate certificate;
	struct strbuf text;

	strbuf_init(&text, 4096);
	if (http_request_certificate(request, &certificate)) {
		strbuf_putf(&text, "%zu", strlen(certificate.sha256));
		for (size_t i = 0; i < certificate.n_names; i++)
			strbuf_putf(&text, " %s", certificate.names[i]);
	} else {
		strbuf_put(&text, STR("none"));
	}
	door_answer(request, 200, strbuf_str(&text));
	strbuf_fini(&text);
}

/* An answer under way: `left` lines of 8 bytes, counted from 0. */
struct door_stream {
	struct door *door;
	uint64_t at, left;
	bool cut; /* breaks off at the end */
	bool rests; /* goes on for ever, and has nothing to say for now */
};

static inline void door_stream_on(struct http_request *request, void *ctx)
{
	struct door_stream *stream = ctx;
	char piece[128 * 8 + 1];
	bool room = true;

	if (http_request_is_gone(request)) {
		atomic_fetch_add(&stream->door->n_gone, 1);
		stream->left = 0;
	}
	while (room && stream->left > 0) {
		size_t n = 0;

		for (; n < 128 && stream->left > 0; n++, stream->left--)
			snprintf(piece + 8 * n, 9, "%07u\n", (unsigned)(stream->at++ % 10000000));
		room = http_stream_write(request, (struct str){ piece, 8 * n });
		atomic_fetch_add(&stream->door->n_kib, 1);
	}
	if (stream->left > 0)
		return;
	if (stream->rests && !http_request_is_gone(request)) {
		http_stream_rest(request);
		return;
	}
	http_stream_end(request, !stream->cut);
	free(stream);
}

static inline void door_stream(struct door *door, struct http_request *request, struct str path)
{
	const struct http_header header = { STR("X-Test"), STR("yes") };
	struct door_stream *stream = xcalloc(1, sizeof(*stream));
	bool head = http_request_method(request) == HTTP_HEAD;

	stream->door = door;
	stream->cut = str_eq(path, STR("/cut"));
	stream->rests = str_eq(path, STR("/rest"));
	if (!head)
		str_to_u64(http_request_query(request), &stream->left);
	if (http_stream_begin(request, 200, &header, 1, door_stream_on, stream) || head)
		door_stream_on(request, stream);
}

static inline void door_on_request(struct http_request *request, void *ctx)
{
	struct door *door = ctx;
	struct str path = http_request_path(request);

	atomic_fetch_add(&door->n_seen, 1);
	if (str_eq(path, STR("/hold"))) {
		assert_true(door->n_held < DOOR_MAX_HELD);
		door->held[door->n_held++] = request;
	} else if (str_eq(path, STR("/stream")) || str_eq(path, STR("/cut")) ||
		   str_eq(path, STR("/rest"))) {
		door_stream(door, request, path);
	} else if (str_eq(path, STR("/none"))) {
		door_answer(request, 204, STR(""));
	} else if (str_eq(path, STR("/certificate"))) {
		door_tell_certificate(request);
	} else if (str_eq(path, STR("/sleep"))) {
		uint64_t ms = 0;

		str_to_u64(http_request_query(request), &ms);
		usleep((useconds_t)ms * 1000);
		door_answer(request, 200, STR(""));
	} else if (str_eq(path, STR("/upgrade"))) {
		door_take_over(door, request);
	} else if (str_eq(path, STR("/about"))) {
		struct strbuf about;

		strbuf_init(&about, 4096);
		strbuf_put(&about, http_request_protocol(request));
		strbuf_put_char(&about, ' ');
		strbuf_put(&about, http_request_header(request, "Host"));
		door_answer(request, 200, strbuf_str(&about));
		strbuf_fini(&about);
	} else if (str_eq(path, STR("/peer"))) {
		door_answer(request, 200, http_request_peer(request));
	} else if (str_eq(path, STR("/big"))) {
		struct str size = http_request_query(request);
		uint64_t n = 0;
		char *body;

		str_to_u64(size, &n);
		body = xcalloc(1, n + 1);
		memset(body, 'x', n);
		door_answer(request, 200, (struct str){ body, n });
		free(body);
	} else {
		door_answer(request, 200, http_request_body(request));
	}
}

static inline void door_on_poll(struct loop_timer *timer)
{
	struct door *door = timer->ctx;

	if (atomic_exchange(&door->release, false)) {
		while (door->n_held > 0) {
			struct http_request *request = door->held[--door->n_held];

			if (http_request_is_gone(request))
				atomic_fetch_add(&door->n_gone, 1);
			door_answer(request, 200, http_request_query(request));
		}
	}
	if (atomic_exchange(&door->drain, false)) {
		http_server_stop_accepting(door->server);
		http_server_drain(door->server);
	}
	atomic_store(&door->idle, http_server_is_idle(door->server));
	loop_timer_set(door->loop, timer, 2000);
}

static inline void *door_run(void *ctx)
{
	struct door *door = ctx;

	loop_run(door->loop);
	return NULL;
}

static inline uint16_t door_free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

/* `tls` is borrowed; NULL: plain. */
static inline void door_open(struct door *door, const struct http_limits *limits,
			     struct tls_slot *tls)
{
	const struct http_handler handler = { .on_head = door_on_head,
					      .on_request = door_on_request,
					      .ctx = door };
	struct err err = { "" };
	char text[32];
	int r;

	signal(SIGPIPE, SIG_IGN);
	*door = (struct door){ .tls = tls };
	assert_int_equal(loop_new(&door->loop, &err), 0);
	door->shared = http_shared_new(limits, "test");
	assert_int_equal(http_server_new(door->loop, door->shared, &handler, &door->server, &err),
			 0);
	do {
		struct http_address address = { .tls = tls };

		door->port = door_free_port();
		snprintf(text, sizeof(text), "[::]:%u", door->port);
		address.text = str_of(text);
		r = http_server_listen(door->server, &address, &err);
	} while (r == -EADDRINUSE);
	if (r < 0)
		fail_msg("%s", err.text);
	door->poll = (struct loop_timer){ .fn = door_on_poll, .ctx = door };
	loop_timer_set(door->loop, &door->poll, 0);
	assert_int_equal(pthread_create(&door->thread, NULL, door_run, door), 0);
}

static inline void door_close(struct door *door)
{
	loop_stop(door->loop);
	pthread_join(door->thread, NULL);
	loop_timer_cancel(door->loop, &door->poll);
	http_server_free(door->server);
	http_shared_free(door->shared);
	loop_free(door->loop);
}

static inline void door_wait(atomic_int *value, int at_least)
{
	for (int i = 0; i < 5000 && atomic_load(value) < at_least; i++)
		usleep(1000);
	assert_true(atomic_load(value) >= at_least);
}

/* --- client ------------------------------------------------------------------------------------
 */

#ifndef CLIENT_BYTES
#define CLIENT_BYTES 65536
#endif

struct client {
	int fd;
	SSL *ssl;
	char text[CLIENT_BYTES]; /* what came and was not looked at */
	size_t n;
};

static inline int client_socket(const struct door *door)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(door->port) };
	struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static inline void client_open(struct client *client, const struct door *door)
{
	client->ssl = NULL;
	client->n = 0;
	client->fd = client_socket(door);
}

/* 1 when the handshake succeeds. */
static inline int client_open_tls(struct client *client, const struct door *door, SSL_CTX *context)
{
	client_open(client, door);
	client->ssl = SSL_new(context);
	SSL_set_fd(client->ssl, client->fd);
	return SSL_connect(client->ssl);
}

static inline void client_close(struct client *client)
{
	SSL_free(client->ssl);
	close(client->fd);
}

static inline void client_send(struct client *client, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = client->ssl ? SSL_write(client->ssl, p, (int)n)
					: send(client->fd, p, n, MSG_NOSIGNAL);

		assert_true(r > 0);
		p += r;
		n -= (size_t)r;
	}
}

static inline void client_say(struct client *client, const char *text)
{
	client_send(client, text, strlen(text));
}

static inline ssize_t client_recv(struct client *client, char *to, size_t n)
{
	return client->ssl ? SSL_read(client->ssl, to, (int)n) : recv(client->fd, to, n, 0);
}

/* One answer: its status; the body (NUL-terminated, cut) in `body`. 0 when the door closed. */
static inline int client_answer(struct client *client, char *body, size_t body_size)
{
	size_t length = 0, head;
	char *end, *at;
	int status;

	for (;;) {
		client->text[client->n] = '\0';
		end = strstr(client->text, "\r\n\r\n");
		if (end) {
			head = (size_t)(end - client->text) + 4;
			status = (int)strtol(client->text + 9, NULL, 10);
			at = strcasestr(client->text, "\r\nContent-Length: ");
			length = at && at < end ? strtoul(at + 18, NULL, 10) : 0;
			if (client->n >= head + length)
				break;
		}
		ssize_t r = client_recv(client, client->text + client->n,
					sizeof(client->text) - 1 - client->n);
		if (r <= 0)
			return 0;
		client->n += (size_t)r;
	}
	if (body)
		snprintf(body, body_size, "%.*s", (int)length, client->text + head);
	client->n -= head + length;
	memmove(client->text, client->text + head + length, client->n);
	return status;
}

/* TCP segments with data that came in so far. */
static inline uint32_t client_n_segments(const struct client *client)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_data_segs_in;
}

/* Ten requests at once are ten answers in one write: one segment. */
static inline void client_check_one_write(struct client *client)
{
	char requests[1024] = "";
	uint32_t before;
	size_t n = 0;

	client_say(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(client, NULL, 0), 200);
	before = client_n_segments(client);
	for (int i = 0; i < 10; i++)
		n += (size_t)snprintf(requests + n, sizeof(requests) - n,
				      "GET /none?%d HTTP/1.1\r\nHost: h\r\n\r\n", i);
	client_say(client, requests);
	for (int i = 0; i < 10; i++)
		assert_int_equal(client_answer(client, NULL, 0), 204);
	assert_int_equal(client_n_segments(client) - before, 1);
}

/* Whether the door closes the connection without another byte. */
static inline bool client_is_closed(struct client *client)
{
	char byte;

	errno = 0;
	return client->n == 0 && client_recv(client, &byte, 1) <= 0 && errno != EAGAIN;
}

#endif
