/* Connections taken over, plain and through TLS: bytes both ways, ends both ways, counts. */
#include "door.h"
#include "tls_house.h"

#include <fcntl.h>

#include "base/metrics.h"

#define UPGRADE "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

static SSL_CTX *context;

static int open_group(void **state)
{
	context = SSL_CTX_new(TLS_client_method());
	return house_open(state);
}

static int close_group(void **state)
{
	SSL_CTX_free(context);
	return house_close(state);
}

static int taken(struct door *door)
{
	int fd;

	door_wait(&door->taken_fd, 1);
	fd = atomic_load(&door->taken_fd) - 1;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static void open_both(struct client *client, struct door *door, bool tls)
{
	door_open(door, &http_default_limits, tls ? house.slot : NULL);
	if (tls)
		assert_int_equal(client_open_tls(client, door, context), 1);
	else
		client_open(client, door);
}

static void wait_for_connections(struct door *door, int n)
{
	for (int i = 0; i < 10000 && metric_read(METRIC_HTTP_CONNECTIONS, "test") != n; i++)
		usleep(1000);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), n);
}

static void *echo(void *ctx)
{
	int fd = *(int *)ctx;
	char bytes[70000];

	for (;;) {
		ssize_t n = read(fd, bytes, sizeof(bytes));

		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n;) {
			ssize_t r = write(fd, bytes + at, (size_t)(n - at));

			if (r <= 0)
				return NULL;
			at += r;
		}
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static char pattern(size_t i)
{
	return (char)(i * 7 + i / 1000);
}

/* 10 MB through the tunnel and back, at once; then the ends, the client's first. */
static void echo_big(bool tls)
{
	enum { SIZE = 10 << 20 };
	struct client client;
	struct door door;
	pthread_t thread;
	size_t sent = 0, got = 0;
	static char piece[60000];
	int fd, flags;

	open_both(&client, &door, tls);
	client_say(&client, UPGRADE "early");
	fd = taken(&door);
	assert_true(strlen(door.early) == 5 || tls);
	if (strcmp(door.early, "early") != 0) {
		char early[6] = "";

		assert_int_equal(read(fd, early, 5), 5);
		assert_string_equal(early, "early");
	}
	assert_int_equal(pthread_create(&thread, NULL, echo, &fd), 0);
	flags = fcntl(client.fd, F_GETFL);
	fcntl(client.fd, F_SETFL, flags | O_NONBLOCK);
	if (tls)
		SSL_set_mode(client.ssl,
			     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while (got < SIZE) {
		struct pollfd poll_fd = { client.fd, POLLIN | POLLOUT, 0 };
		size_t n = SIZE - sent < sizeof(piece) ? SIZE - sent : sizeof(piece);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(sent + i);
		if (n > 0) {
			r = tls ? SSL_write(client.ssl, piece, (int)n)
				: send(client.fd, piece, n, 0);
			sent += r > 0 ? (size_t)r : 0;
		} else {
			poll_fd.events = POLLIN;
		}
		/* Read less eagerly than written, so that the way back fills up. */
		if (sent - got < 4000000 && sent < SIZE)
			continue;
		poll(&poll_fd, 1, 1000);
		r = client_recv(&client, piece, sizeof(piece));
		for (ssize_t i = 0; i < r; i++)
			if (piece[i] != pattern(got + (size_t)i))
				fail_msg("byte %zu", got + (size_t)i);
		got += r > 0 ? (size_t)r : 0;
	}
	fcntl(client.fd, F_SETFL, flags);
	if (tls)
		SSL_shutdown(client.ssl);
	shutdown(client.fd, SHUT_WR);
	pthread_join(thread, NULL);
	assert_true(client_is_closed(&client));
	close(fd);
	if (!tls)
		http_takeover_closed(door.shared, STR("127.0.0.1"));
	wait_for_connections(&door, 0);
	client_close(&client);
	door_close(&door);
}

static void test_echo_plain(void **state)
{
	echo_big(false);
}

static void test_echo_tls(void **state)
{
	echo_big(true);
}

/* Answers before the upgrade come first; bytes of the inner side follow. */
static void test_after_other_requests(void **state)
{
	for (int tls = 0; tls < 2; tls++) {
		struct client client;
		struct door door;
		char bytes[8] = "";
		int fd;

		open_both(&client, &door, tls);
		client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n" UPGRADE);
		fd = taken(&door);
		assert_int_equal(write(fd, "hello", 5), 5);
		assert_int_equal(client_answer(&client, NULL, 0), 200);
		while (client.n < 5) {
			ssize_t r = client_recv(&client, client.text + client.n, 5 - client.n);

			assert_true(r > 0);
			client.n += (size_t)r;
		}
		memcpy(bytes, client.text, 5);
		assert_string_equal(bytes, "hello");
		client.n = 0;
		/* The inner side goes away for good: the peer sees an orderly end. */
		close(fd);
		assert_true(client_is_closed(&client));
		if (tls)
			assert_int_equal(SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN,
					 SSL_RECEIVED_SHUTDOWN);
		else
			http_takeover_closed(door.shared, STR("127.0.0.1"));
		client_close(&client);
		wait_for_connections(&door, 0);
		door_close(&door);
	}
}

/* Not while an earlier request waits for its answer. */
static void test_refused_while_busy(void **state)
{
	struct client client;
	struct door door;

	open_both(&client, &door, false);
	client_say(&client, "GET /hold?a HTTP/1.1\r\nHost: h\r\n\r\n" UPGRADE);
	door_wait(&door.n_seen, 2);
	atomic_store(&door.release, true);
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	assert_int_equal(client_answer(&client, NULL, 0), 503);
	/* And the connection goes on. */
	client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	client_close(&client);
	door_close(&door);
}

/* --- messages past the pair --- */

enum { N_MESSAGES = 200, MESSAGE_BYTES = 50000, WORD_BYTES = 5 };

static char message[MESSAGE_BYTES];
static size_t n_messages, message_sent;
static atomic_int n_refused;
static int inner_fd;
static bool never_closes;

static void put_number(char *to, char kind, size_t number)
{
	char word[WORD_BYTES + 1];

	snprintf(word, sizeof(word), "%c%04zu", kind, number % 10000);
	memcpy(to, word, WORD_BYTES);
}

/* After each message the inner end says a word too. */
static void send_messages(struct door *door)
{
	char word[WORD_BYTES];

	while (n_messages < N_MESSAGES) {
		put_number(message, 'm', n_messages);
		message_sent += http_tunnel_send(door->tunnel, message + message_sent,
						 sizeof(message) - message_sent);
		if (message_sent < sizeof(message)) {
			atomic_fetch_add(&n_refused, 1);
			return;
		}
		message_sent = 0;
		put_number(word, 'w', n_messages++);
		assert_int_equal(write(inner_fd, word, sizeof(word)), sizeof(word));
	}
	if (!never_closes)
		close(inner_fd);
}

static void begin_messages(struct door *door, int fd)
{
	inner_fd = fd;
	assert_int_equal(write(fd, "first", 5), 5);
	http_tunnel_drain(door->tunnel);
	send_messages(door);
}

static void open_messages(struct client *client, struct door *door)
{
	n_messages = message_sent = 0;
	atomic_store(&n_refused, 0);
	memset(message, 'x', sizeof(message));
	door_open(door, &http_default_limits, house.slot);
	door->on_taken = begin_messages;
	door->on_room = send_messages;
	assert_int_equal(client_open_tls(client, door, context), 1);
	client_say(client, UPGRADE);
}

static void take(struct client *client, char *to, size_t n)
{
	while (n > 0) {
		ssize_t r = client_recv(client, to, n);

		assert_true(r > 0);
		to += r;
		n -= (size_t)r;
	}
}

/* To a peer that is slow: each is whole, in order, and so is what the inner end says. What it said
 * before them comes before them. */
static void test_messages(void **state)
{
	static char rest[MESSAGE_BYTES];
	size_t next_message = 0, next_word = 0;
	char word[WORD_BYTES], expected[WORD_BYTES];
	struct client client;
	struct door door;

	never_closes = false;
	open_messages(&client, &door);
	take(&client, word, sizeof(word));
	assert_memory_equal(word, "first", 5);
	door_wait(&n_refused, 1);
	while (next_message < N_MESSAGES || next_word < N_MESSAGES) {
		bool is_message;

		take(&client, word, sizeof(word));
		is_message = word[0] == 'm';
		put_number(expected, word[0], is_message ? next_message++ : next_word++);
		assert_memory_equal(word, expected, sizeof(word));
		assert_true(next_word <= next_message);
		if (!is_message)
			continue;
		take(&client, rest, sizeof(message) - WORD_BYTES);
		for (size_t i = 0; i < sizeof(message) - WORD_BYTES; i++)
			if (rest[i] != 'x')
				fail_msg("byte %zu of message %zu", i, next_message - 1);
	}
	assert_true(client_is_closed(&client));
	assert_int_equal(SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN,
			 SSL_RECEIVED_SHUTDOWN);
	client_close(&client);
	wait_for_connections(&door, 0);
	door_close(&door);
}

/* A peer that never reads is given up a while after the inner end has left. */
static void test_given_up(void **state)
{
	struct client client;
	struct door door;

	never_closes = true;
	open_messages(&client, &door);
	door_wait(&n_refused, 1);
	usleep(200000);
	assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, "test"), 1);
	close(inner_fd);
	wait_for_connections(&door, 0);
	client_close(&client);
	door_close(&door);
}

/* A peer that takes nothing holds the inner side up, not the door's memory; its reset ends it. */
static void test_back_pressure(void **state)
{
	struct linger reset = { 1, 0 };
	static char bytes[65536];
	struct client client;
	struct door door;
	size_t n = 0;
	int fd, quiet = 0;

	open_both(&client, &door, true);
	client_say(&client, UPGRADE);
	fd = taken(&door);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	while (quiet < 100 && n < (64u << 20)) {
		ssize_t r = write(fd, bytes, sizeof(bytes));

		quiet = r > 0 ? 0 : quiet + 1;
		n += r > 0 ? (size_t)r : 0;
		if (r < 0)
			usleep(1000);
	}
	assert_in_range(n, 1, (64u << 20) - 1);
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	client_close(&client);
	wait_for_connections(&door, 0);
	close(fd);
	door_close(&door);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_plain),
		cmocka_unit_test(test_echo_tls),
		cmocka_unit_test(test_after_other_requests),
		cmocka_unit_test(test_refused_while_busy),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, open_group, close_group);
}
