/* Peers of a stream: who may, who breaks the rules, who is slow, who goes. */
#include "websocket_client.h"

/* --- who may --- */

static struct client connect_walker(struct house *house)
{
	struct client client = connect_client(house, "", false);

	send_text(&client, "{\"type\":\"subscribe\",\"token\":\"good\"}");
	return client;
}

/* Also who shows its token later; one that is gone makes room; other accounts do not notice. */
static void test_streams_of_an_account(void **state)
{
	struct websocket_config caps = { .max_per_account = 2 };
	struct house house = open_house_with(1, 0, true, &caps);
	struct client first = connect_client(&house, "", true);
	struct client second = connect_client(&house, "", true), late, walkers[3];

	expect_hello(&first, EPOCH_A, 1, 0);
	expect_hello(&second, EPOCH_A, 1, 0);
	late = connect_client(&house, "after=0", true);
	expect_error(&late, "too_many", NULL);
	assert_int_equal(read_to_the_end(&late), 1013);
	close_client(&late);
	/* By a token, too. */
	for (size_t i = 0; i < ARRAY_LEN(walkers); i++)
		walkers[i] = connect_walker(&house);
	expect_hello(&walkers[0], EPOCH_A, 1, 0);
	expect_hello(&walkers[1], EPOCH_A, 1, 0);
	expect_error(&walkers[2], "too_many", NULL);
	assert_int_equal(read_to_the_end(&walkers[2]), 1013);
	/* One that leaves makes room. */
	send_frame(&walkers[0], 0x80 | OPCODE_CLOSE, STR("\x03\xe8"));
	assert_int_equal(read_to_the_end(&walkers[0]), 1000);
	late = connect_walker(&house);
	expect_hello(&late, EPOCH_A, 1, 0);
	close_client(&late);
	for (size_t i = 0; i < ARRAY_LEN(walkers); i++)
		close_client(&walkers[i]);
	close_client(&first);
	close_client(&second);
	close_house(&house);
}

/* Within a second or two; others stay. */
static void test_an_account_goes(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0", true);
	struct client other = connect_walker(&house);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	expect_hello(&other, EPOCH_A, 1, 0);
	expect_number(&other, "caught_up", "seq", 0);
	ann_is_gone = true;
	expect_error(&client, "unauthorized", "gone");
	assert_int_equal(read_to_the_end(&client), 4401);
	ann_is_gone = false;
	publish(&house, 1);
	expect_events(&other, 1, 1, false);
	close_client(&client);
	close_client(&other);
	close_house(&house);
}

static void test_token_in_the_first_message(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0", false);

	publish(&house, 3);
	send_text(&client, "{\"type\":\"subscribe\",\"token\":\"good\",\"after\":0}");
	expect_hello(&client, EPOCH_A, 1, 3);
	expect_events(&client, 3, 1, false);
	expect_number(&client, "caught_up", "seq", 3);
	close_client(&client);
	close_house(&house);
}

static const struct {
	const char *name, *message; /* NULL: says nothing */
} strangers[] = {
	{ "wrong token", "{\"type\":\"subscribe\",\"token\":\"bad\"}" },
	{ "no token", "{\"type\":\"subscribe\"}" },
	{ "another type", "{\"type\":\"hello\",\"token\":\"good\"}" },
	{ "not JSON", "let me in" },
	{ "nothing in time", NULL },
};

static void test_strangers(void **state)
{
	struct websocket_config times = { .token_us = 300000 };
	struct house house = open_house_with(1, 0, true, &times);

	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		struct client client = connect_client(&house, "after=0", false);

		print_message("%s\n", strangers[i].name);
		if (strangers[i].message)
			send_text(&client, strangers[i].message);
		expect_error(&client, "unauthorized", NULL);
		assert_int_equal(read_to_the_end(&client), 4401);
		close_client(&client);
	}
	close_house(&house);
}

static void test_strangers_per_peer(void **state)
{
	struct house house = open_house(1, 0);
	struct client clients[64], late, known;
	int fds[2];

	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		clients[i] = connect_client(&house, "", false);
	open_pair(fds);
	late = connect_with(&house, fds, NULL, "", false, STR(""));
	assert_int_equal(receive_more(&late), 0);
	close_client(&late);
	/* Who has shown a token makes room, and who has credentials needs none. */
	known = connect_client(&house, "", true);
	expect_hello(&known, EPOCH_A, 1, 0);
	close_client(&known);
	send_text(&clients[0], "{\"type\":\"subscribe\",\"token\":\"good\"}");
	expect_hello(&clients[0], EPOCH_A, 1, 0);
	late = connect_client(&house, "", false);
	close_client(&late);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close_client(&clients[i]);
	close_house(&house);
}

/* --- frames that are wrong --- */

struct bad_frame {
	const char *name;
	unsigned first_byte;
	size_t n;
	int close_code;
};

static const struct bad_frame bad_frames[] = {
	{ "binary", 0x80 | OPCODE_BINARY, 10, 1003 },
	{ "too large", 0x80 | OPCODE_TEXT, 8193, 1009 },
	{ "reserved opcode", 0x80 | 3, 5, 1002 },
	{ "continuation of nothing", 0x80, 5, 1002 },
	{ "fragmented ping", OPCODE_PING, 5, 1002 },
};

static void test_bad_frames(void **state)
{
	struct house house = open_house(1, 0);

	for (size_t i = 0; i < ARRAY_LEN(bad_frames); i++) {
		const struct bad_frame *c = &bad_frames[i];
		struct client client = connect_client(&house, "after=0", true);
		char *payload = xcalloc(1, c->n);

		print_message("%s\n", c->name);
		memset(payload, 'x', c->n);
		send_frame(&client, c->first_byte, (struct str){ payload, c->n });
		assert_int_equal(read_to_the_end(&client), c->close_code);
		free(payload);
		close_client(&client);
	}
	close_house(&house);
}

/* RFC 6455 5.1 wants such a client closed; libwebsockets 4.1 understands it. Either way, nobody
 * else notices. */
static void test_unmasked(void **state)
{
	static const char frame[] = "\x81\x14{\"type\":\"subscribe\"}";
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "", true);
	struct client other = connect_client(&house, "after=0", true);
	struct strbuf payload;
	int opcode;

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_hello(&other, EPOCH_A, 1, 0);
	expect_number(&other, "caught_up", "seq", 0);
	send_bytes(&client, (struct str){ frame, sizeof(frame) - 1 });
	strbuf_init(&payload, MAX_BYTES);
	opcode = next_frame(&client, &payload);
	assert_true(opcode == OPCODE_TEXT || opcode == OPCODE_CLOSE || opcode == -1);
	if (opcode == OPCODE_TEXT)
		assert_string_equal(payload.p, "{\"type\":\"caught_up\",\"seq\":0}");
	publish(&house, 1);
	expect_events(&other, 1, 1, false);
	strbuf_fini(&payload);
	close_client(&client);
	close_client(&other);
	close_house(&house);
}

/* In pieces, byte by byte, with a ping between: one message. */
static void test_fragments(void **state)
{
	static const char text[] = "{\"type\":\"subscribe\",\"after\":0}";
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "", true);
	struct strbuf frames, payload;
	int opcodes = 0;

	strbuf_init(&frames, 1000);
	strbuf_init(&payload, 1000);
	put_frame(&frames, OPCODE_TEXT, (struct str){ text, 10 });
	put_frame(&frames, 0x80 | OPCODE_PING, STR("p"));
	put_frame(&frames, 0, (struct str){ text + 10, 5 });
	put_frame(&frames, 0x80, (struct str){ text + 15, sizeof(text) - 16 });
	expect_hello(&client, EPOCH_A, 1, 0);
	for (size_t i = 0; i < frames.len; i++)
		send_bytes(&client, (struct str){ frames.p + i, 1 });
	/* Either may overtake the other. */
	for (int i = 0; i < 2; i++) {
		int opcode = next_frame(&client, &payload);

		assert_non_null(strstr(payload.p, opcode == OPCODE_PONG ? "p" : "caught_up"));
		opcodes += opcode;
	}
	assert_int_equal(opcodes, OPCODE_PONG + OPCODE_TEXT);
	strbuf_fini(&frames);
	strbuf_fini(&payload);
	close_client(&client);
	close_house(&house);
}

static void test_close_by_the_client(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0", true);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	send_frame(&client, 0x80 | OPCODE_CLOSE, STR("\x03\xe8"));
	assert_int_equal(read_to_the_end(&client), 1000);
	assert_int_equal(receive_more(&client), 0);
	close_client(&client);
	close_house(&house);
}

static void test_goodbye(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0", true);

	expect_hello(&client, EPOCH_A, 1, 0);
	close_house(&house);
	assert_int_equal(read_to_the_end(&client), 1001);
	close_client(&client);
}

/* --- clients that are slow --- */

#define STORM_BATCHES 400
#define STORM_EVENTS  50

static void small_buffers(const int fds[2])
{
	int n_bytes = 16384;

	setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &n_bytes, sizeof(n_bytes));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &n_bytes, sizeof(n_bytes));
}

static struct client connect_with_small_buffers(struct house *house, const char *query)
{
	struct client client;
	int fds[2];

	open_pair(fds);
	small_buffers(fds);
	client = connect_with(house, fds, NULL, query, true, STR(""));
	take_handshake(&client, NULL);
	return client;
}

/* 10 MB go past a client that does not read; then it reads: every event once, in order, and it is
 * live again. Another one is not kept waiting. */
static void test_slow_client(void **state)
{
	struct house house = open_house(1, 0);
	struct client fast = connect_client(&house, "after=0", true);
	struct client slow = connect_with_small_buffers(&house, "after=live");

	expect_hello(&slow, EPOCH_A, 1, 0);
	expect_number(&slow, "caught_up", "seq", 0);
	expect_hello(&fast, EPOCH_A, 1, 0);
	expect_number(&fast, "caught_up", "seq", 0);
	for (int i = 0; i < STORM_BATCHES; i++) {
		publish_sized(&house, STORM_EVENTS, 500);
		if (i % 20 == 19)
			expect_events(&fast, house.last_seq, 1, false);
	}
	expect_events(&slow, house.last_seq, 1, false);
	publish(&house, 5);
	expect_events(&slow, house.last_seq, 1, false);
	expect_events(&fast, house.last_seq, 1, false);
	close_client(&slow);
	close_client(&fast);
	close_house(&house);
}

/* Of two that are owed data, the one that reads a little now and then stays. */
static void test_stalled_client(void **state)
{
	struct websocket_config times = { .stall_us = 1500000 };
	struct house house = open_house_with(1, 0, true, &times);
	struct client slow = connect_with_small_buffers(&house, "after=0");
	struct client stalled = connect_with_small_buffers(&house, "after=0");
	int64_t start_us = clock_monotonic_us();

	for (int i = 0; i < 40; i++)
		publish_sized(&house, STORM_EVENTS, 500);
	while (metric_read(METRIC_STREAM_CLIENTS, "websocket") > 1 &&
	       clock_monotonic_us() - start_us < 8 * CLOCK_US_PER_S) {
		char *room = strbuf_reserve(&slow.in, 2000);

		strbuf_commit(&slow.in, (size_t)recv(slow.fd, room, 2000, 0));
		usleep(50000);
	}
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 1);
	assert_true(clock_monotonic_us() - start_us >= times.stall_us);
	expect_hello(&slow, EPOCH_A, 1, 0);
	expect_events(&slow, house.last_seq, 1, true);
	close_client(&stalled);
	close_client(&slow);
	close_house(&house);
}

/* One event larger than every cap of the queue still comes. */
/* Pings come when nothing else does; who does not answer them is gone. */
static void test_silence(void **state)
{
	struct websocket_config times = { .ping_s = 1, .silence_s = 2 };
	struct house house = open_house_with(1, 0, true, &times);
	struct client deaf = connect_client(&house, "", true);
	struct client alive = connect_client(&house, "", true);
	int64_t until_us = clock_monotonic_us() + 3 * CLOCK_US_PER_S;
	struct strbuf payload;
	int n_pings = 0;

	strbuf_init(&payload, MAX_BYTES);
	expect_hello(&alive, EPOCH_A, 1, 0);
	while (clock_monotonic_us() < until_us) {
		assert_int_equal(next_frame(&alive, &payload), OPCODE_PING);
		send_frame(&alive, 0x80 | OPCODE_PONG, strbuf_str(&payload));
		n_pings++;
	}
	assert_in_range(n_pings, 2, 4);
	expect_hello(&deaf, EPOCH_A, 1, 0);
	assert_int_equal(next_frame(&deaf, &payload), OPCODE_PING);
	read_to_the_end(&deaf); /* fails after 5 s without an end */
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 1);
	strbuf_fini(&payload);
	close_client(&deaf);
	close_client(&alive);
	close_house(&house);
}

static void test_large_event(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=live", true);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	publish_sized(&house, 1, 3u << 20);
	publish(&house, 1);
	expect_events(&client, 2, 1, false);
	close_client(&client);
	close_house(&house);
}

/* Clients come, subscribe and go in the middle of everything. */
static void test_come_and_go(void **state)
{
	struct house house = open_house(1, 0);

	for (int i = 0; i < 200; i++) {
		struct client client =
			connect_client(&house, i % 3 ? "after=0" : "after=live", true);

		publish(&house, 20);
		if (i % 4 == 0)
			send_text(&client, "{\"type\":\"subscribe\",\"after\":3,\"filter\":"
					   "\"EventId ne 'x'0\"}");
		if (i % 7 == 0)
			json_decref(next_of_type(&client, "hello"));
		close_client(&client);
	}
	close_house(&house);
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_of_an_account),
		cmocka_unit_test(test_an_account_goes),
		cmocka_unit_test(test_token_in_the_first_message),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_strangers_per_peer),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_unmasked),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_close_by_the_client),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_slow_client),
		cmocka_unit_test(test_stalled_client),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_large_event),
		cmocka_unit_test(test_come_and_go),
	};

	return run_both_ways(tests, ARRAY_LEN(tests));
}
