/* A house with a stream, and a small RFC 6455 client for it. */
#ifndef TESTS_UNIT_API_WEBSOCKET_CLIENT_H
#define TESTS_UNIT_API_WEBSOCKET_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <jansson.h>

#include "api/websocket.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "event/entry.h"
#include "event/source_set.h"
#include "http/tunnel_priv.h"
#include "stream/feed.h"

#define WAIT_S        5
#define MAX_BYTES     (64u << 20)
#define OPCODE_TEXT   1
#define OPCODE_BINARY 2
#define OPCODE_CLOSE  8
#define OPCODE_PING   9
#define OPCODE_PONG   10

static const struct uuid epoch_a = { { 0xa } }, epoch_b = { { 0xb } };
#define EPOCH_A "0a000000-0000-0000-0000-000000000000"
#define EPOCH_B "0b000000-0000-0000-0000-000000000000"
/* The example key of RFC 6455 1.3 and its answer. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

/* --- the service's side ------------------------------------------------------------------------
 */

static const struct source rack7 = { .id = { { 7 } },
				     .name = { "rack7-n12", 9 },
				     .site = { "north", 5 } };

struct house {
	struct feed *feed;
	struct slot *sources;
	struct websocket *websocket;
	int64_t last_seq;
};

static atomic_int n_closed; /* connections */

static inline void count_closed(void *ctx, struct str peer)
{
	assert_true(str_eq(peer, STR("192.0.2.1")));
	n_closed++;
}

static inline bool whose_token(void *ctx, struct str token, char *account)
{
	memcpy(account, "walker", sizeof("walker"));
	return str_eq(token, STR("good"));
}

static atomic_bool ann_is_gone;

static inline bool may_follow(void *ctx, const char *account)
{
	return !ann_is_gone || strcmp(account, "ann") != 0;
}

static inline struct house open_house_with(int64_t oldest_seq, int64_t last_seq, bool connected,
				    const struct websocket_config *times)
{
	struct house house = { .last_seq = last_seq };
	struct feed_config feed = { .ring_events = 65536,
				    .ring_max_bytes = 64u << 20,
				    .epoch = epoch_a,
				    .oldest_seq = oldest_seq,
				    .last_seq = last_seq };
	struct websocket_config config = *times;
	struct err err = { "" };

	assert_int_equal(feed_start(&feed, &house.feed, &err), 0);
	if (connected)
		feed_connected(house.feed, epoch_a, oldest_seq, last_seq);
	house.sources = slot_new(source_set_new(&rack7, 1, (struct str){ NULL, 0 }, true),
				 source_set_slot_ref, source_set_slot_unref);
	config.feed = house.feed;
	config.sources = house.sources;
	config.default_language = "en";
	config.whose_token = whose_token;
	config.may_follow = may_follow;
	config.closed = count_closed;
	assert_int_equal(websocket_start(&config, &house.websocket, &err), 0);
	return house;
}

static inline struct house open_house(int64_t oldest_seq, int64_t last_seq)
{
	const struct websocket_config times = { .feed = NULL };

	return open_house_with(oldest_seq, last_seq, true, &times);
}

static inline void close_house(struct house *house)
{
	websocket_stop(house->websocket);
	feed_stop(house->feed);
	slot_free(house->sources);
}

/* Every third event is critical. */
static inline struct entry_batch *batch_of(int64_t first_seq, size_t n, size_t message_bytes)
{
	struct entry_batch *batch = entry_batch_new(n);
	char *text = xmalloc(message_bytes);

	memset(text, 'm', message_bytes);
	batch->arena = arena_new(MAX_BYTES);
	for (size_t i = 0; i < n; i++) {
		struct entry *entry = &batch->entries[i];

		entry->seq = first_seq ? first_seq + (int64_t)i : 0;
		entry->source = rack7.id;
		entry->received_us = clock_time_us();
		entry->event.message_id = STR("Power.1.2.PowerSupplyFailed");
		entry->event.message =
			arena_copy(batch->arena, (struct str){ text, message_bytes });
		entry->event.severity = entry->seq % 3 == 0 ? SEVERITY_CRITICAL : SEVERITY_OK;
		entry->event.category = CATEGORY_ALERT;
		entry->event.resolved_by.step = STEP_SENDER;
	}
	free(text);
	return batch;
}

static inline void publish_sized(struct house *house, size_t n, size_t message_bytes)
{
	feed_publish(house->feed, batch_of(house->last_seq + 1, n, message_bytes), false);
	house->last_seq += (int64_t)n;
}

static inline void publish(struct house *house, size_t n)
{
	publish_sized(house, n, 40);
}

static inline void publish_provisional(struct house *house)
{
	feed_publish(house->feed, batch_of(0, 1, 40), true);
}

/* --- a small RFC 6455 client -------------------------------------------------------------------
 */

struct client {
	int fd;
	struct strbuf in; /* received, not taken yet */
	int64_t last_seq; /* of the events seen */
};

static inline void set_wait(int fd)
{
	struct timeval wait = { .tv_sec = WAIT_S };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
}

static bool tunnelled; /* clients come as from behind TLS */

static inline struct http_tunnel *dig_tunnel(int *fd)
{
	struct wire wire = { .fd = *fd };
	struct http_tunnel *tunnel;
	struct err err = { "" };

	fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
	assert_int_equal(tunnel_new(&wire, STR(""), &tunnel, fd, &err), 0);
	return tunnel;
}

/* Adopt `fds[1]`; `behind`: what the client sent behind its request already. */
static inline struct client connect_with(struct house *house, const int fds[2], const char *protocol,
				  const char *query, bool authenticated, struct str behind)
{
	struct client client = { .fd = fds[0] };
	struct websocket_arrival arrival = { .query = str_of(query),
					     .language = STR("de-AT, en;q=0.5"),
					     .peer = STR("192.0.2.1") };
	struct http_tunnel *tunnel;
	struct strbuf request;
	struct err err = { "" };
	int fd = fds[1];

	if (authenticated)
		arrival.account = STR("ann");
	if (protocol && strcmp(protocol, "cloudevents.json") == 0)
		arrival.form = STREAM_CLOUDEVENTS;
	set_wait(fds[0]);
	strbuf_init(&client.in, MAX_BYTES);
	strbuf_init(&request, 65536);
	strbuf_put_text(&request, "GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
				  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				  "Sec-WebSocket-Key: " KEY "\r\n");
	if (protocol)
		strbuf_putf(&request, "Sec-WebSocket-Protocol: %s\r\n", protocol);
	strbuf_put_text(&request, "\r\n");
	strbuf_put(&request, behind);
	tunnel = tunnelled ? dig_tunnel(&fd) : NULL;
	arrival.request = strbuf_str(&request);
	assert_int_equal(websocket_adopt(house->websocket, fd, tunnel, &arrival, &err), 0);
	strbuf_fini(&request);
	return client;
}

static inline void open_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* Two ends of a TCP connection. */
static inline void open_tcp(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &n), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
	fds[1] = accept(listener, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(listener);
}

/* 1 when more came, 0 at the end of the connection. */
static inline int receive_more(struct client *client)
{
	char *room = strbuf_reserve(&client->in, 65536);
	ssize_t n;

	assert_non_null(room);
	n = recv(client->fd, room, 65536, 0);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		fail_msg("nothing came: %s", strerror(errno));
	strbuf_commit(&client->in, (size_t)n);
	return n > 0;
}

static inline void take_handshake(struct client *client, const char *protocol)
{
	size_t end;

	while ((end = str_find(strbuf_str(&client->in), STR("\r\n\r\n"))) == client->in.len)
		assert_int_equal(receive_more(client), 1);
	client->in.p[end] = 0;
	assert_non_null(strstr(client->in.p, "HTTP/1.1 101 "));
	assert_non_null(strstr(client->in.p, "Sec-WebSocket-Accept: " ACCEPT));
	if (protocol)
		assert_non_null(strstr(client->in.p, protocol));
	else
		assert_null(strstr(client->in.p, "Sec-WebSocket-Protocol"));
	assert_null(strstr(client->in.p, "Sec-WebSocket-Extensions"));
	strbuf_drop_front(&client->in, end + 4);
}

static inline struct client connect_client(struct house *house, const char *query, bool authenticated)
{
	struct client client;
	int fds[2];

	open_pair(fds);
	client = connect_with(house, fds, "rfevents.v1", query, authenticated, STR(""));
	take_handshake(&client, "Sec-WebSocket-Protocol: rfevents.v1");
	return client;
}

static inline void close_client(struct client *client)
{
	close(client->fd);
	strbuf_fini(&client->in);
}

static inline void put_frame(struct strbuf *out, unsigned first_byte, struct str payload)
{
	static const unsigned char mask[4] = { 0x12, 0x34, 0x56, 0x78 };

	strbuf_put_char(out, (char)first_byte);
	if (payload.len < 126) {
		strbuf_put_char(out, (char)(0x80 | payload.len));
	} else {
		assert_true(payload.len < 65536);
		strbuf_put_char(out, (char)(0x80 | 126));
		strbuf_put_char(out, (char)(payload.len >> 8));
		strbuf_put_char(out, (char)payload.len);
	}
	strbuf_put(out, (struct str){ (const char *)mask, 4 });
	for (size_t i = 0; i < payload.len; i++)
		strbuf_put_char(out, (char)(payload.p[i] ^ mask[i % 4]));
}

static inline void send_bytes(struct client *client, struct str bytes)
{
	assert_int_equal(send(client->fd, bytes.p, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static inline void send_frame(struct client *client, unsigned first_byte, struct str payload)
{
	struct strbuf out;

	strbuf_init(&out, MAX_BYTES);
	put_frame(&out, first_byte, payload);
	send_bytes(client, strbuf_str(&out));
	strbuf_fini(&out);
}

static inline void send_text(struct client *client, const char *text)
{
	send_frame(client, 0x80 | OPCODE_TEXT, str_of(text));
}

/* The next frame of any kind: its opcode, or -1 at the end of the connection. */
static inline int next_frame(struct client *client, struct strbuf *payload)
{
	const unsigned char *p;
	size_t head, n;
	int opcode;

	for (;;) {
		p = (const unsigned char *)client->in.p;
		head = client->in.len < 2 ? 2 : p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
		n = 0;
		if (client->in.len >= head) {
			assert_int_equal(p[1] & 0x80, 0);
			n = p[1];
			if (head > 2)
				n = 0;
			for (size_t i = 2; i < head; i++)
				n = n << 8 | p[i];
		}
		if (client->in.len >= head && client->in.len >= head + n)
			break;
		if (!receive_more(client))
			return -1;
	}
	assert_int_equal(p[0] & 0xf0, 0x80); /* whole messages, no extension bits */
	opcode = p[0] & 0xf;
	strbuf_reset(payload);
	strbuf_put(payload, (struct str){ client->in.p + head, n });
	strbuf_drop_front(&client->in, head + n);
	return opcode;
}

/* The next message, parsed (new). Pings on the way are passed over. */
static inline json_t *next_message(struct client *client)
{
	struct strbuf payload;
	json_t *message;
	int opcode;

	strbuf_init(&payload, MAX_BYTES);
	do
		opcode = next_frame(client, &payload);
	while (opcode == OPCODE_PING);
	assert_int_equal(opcode, OPCODE_TEXT);
	message = json_loadb(payload.p, payload.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(message);
	strbuf_fini(&payload);
	return message;
}

static inline void assert_type(const json_t *message, const char *type)
{
	char *text = json_dumps(message, 0);

	if (strcmp(json_string_value(json_object_get(message, "type")), type) != 0)
		fail_msg("not %s: %.300s", type, text);
	free(text);
}

static inline json_t *next_of_type(struct client *client, const char *type)
{
	json_t *message = next_message(client);

	assert_type(message, type);
	return message;
}

static inline void expect_number(struct client *client, const char *type, const char *name, int64_t value)
{
	json_t *message = next_of_type(client, type);

	assert_int_equal(json_integer_value(json_object_get(message, name)), value);
	json_decref(message);
}

static inline void expect_hello(struct client *client, const char *epoch, int64_t oldest_seq,
			 int64_t last_seq)
{
	json_t *message = next_of_type(client, "hello");

	assert_string_equal(json_string_value(json_object_get(message, "epoch")), epoch);
	assert_int_equal(json_integer_value(json_object_get(message, "oldest_seq")), oldest_seq);
	assert_int_equal(json_integer_value(json_object_get(message, "last_seq")), last_seq);
	json_decref(message);
}

static inline void expect_error(struct client *client, const char *code, const char *words)
{
	json_t *message = next_of_type(client, "error");
	const char *text = json_string_value(json_object_get(message, "message"));

	assert_string_equal(json_string_value(json_object_get(message, "code")), code);
	assert_non_null(text);
	if (words && !strstr(text, words))
		fail_msg("'%s' does not say '%s'", text, words);
	json_decref(message);
}

/* Events up to `last_seq`, every `step`-th seq from the client's last; other messages between are
 * passed over when `patient`. */
static inline void expect_events(struct client *client, int64_t last_seq, int64_t step, bool patient)
{
	while (client->last_seq < last_seq) {
		json_t *message = next_message(client), *events, *entry;
		size_t i;

		if (patient &&
		    strcmp(json_string_value(json_object_get(message, "type")), "events")) {
			json_decref(message);
			continue;
		}
		assert_type(message, "events");
		events = json_object_get(message, "events");
		assert_in_range(json_array_size(events), 1, 256);
		json_array_foreach(events, i, entry)
		{
			int64_t seq = json_integer_value(json_object_get(entry, "seq"));

			assert_int_equal(seq, client->last_seq + step);
			client->last_seq = seq;
		}
		json_decref(message);
	}
}

/* Read until the connection ends; the close code, or 0 when it just ended. */
static inline int read_to_the_end(struct client *client)
{
	struct strbuf payload;
	int opcode, code = 0;

	strbuf_init(&payload, MAX_BYTES);
	while ((opcode = next_frame(client, &payload)) >= 0) {
		if (opcode != OPCODE_CLOSE)
			continue;
		code = payload.len >= 2
			       ? (unsigned char)payload.p[0] << 8 | (unsigned char)payload.p[1]
			       : 1005;
		break;
	}
	strbuf_fini(&payload);
	return code;
}

/* Each test twice: to a socket, and as to a client behind TLS. */
static inline int run_both_ways(const struct CMUnitTest *tests, size_t n)
{
	int r = _cmocka_run_group_tests("plain", tests, n, NULL, NULL);

	tunnelled = true;
	return r + _cmocka_run_group_tests("through a tunnel", tests, n, NULL, NULL);
}

#endif
