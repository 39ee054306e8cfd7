/* What a stream tells: positions, filters, changes, CloudEvents. */
#include "websocket_client.h"

static void test_hello_then_live(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "", true);
	json_t *message, *entry;

	expect_hello(&client, EPOCH_A, 1, 0);
	send_text(&client, "{\"type\":\"subscribe\"}");
	expect_number(&client, "caught_up", "seq", 0);
	publish(&house, 1);
	message = next_of_type(&client, "events");
	entry = json_array_get(json_object_get(message, "events"), 0);
	assert_int_equal(json_integer_value(json_object_get(entry, "seq")), 1);
	assert_string_equal(json_string_value(json_object_get(entry, "MessageId")),
			    "Power.1.2.PowerSupplyFailed");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(entry, "source"), "name")),
		"rack7-n12");
	json_decref(message);
	client.last_seq = 1;
	for (int i = 0; i < 100; i++)
		publish(&house, (size_t)i % 5 + 1);
	expect_events(&client, house.last_seq, 1, false);
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 1);
	close_client(&client);
	close_house(&house);
	assert_true(metric_read(METRIC_STREAM_CLIENTS, "websocket") == 0);
}

/* Without a subprotocol, over TCP, and with the first message right behind the request. */
static void test_ways_in(void **state)
{
	static const char subscribe[] = "{\"type\":\"subscribe\",\"after\":0}";
	struct house house = open_house(1, 0);

	n_closed = 0;
	for (int way = 0; way < 4; way++) {
		const char *protocol = way & 1 ? "x, rfevents.v1" : NULL;
		struct client client;
		struct strbuf behind;
		int fds[2];

		if (way & 2)
			open_tcp(fds);
		else
			open_pair(fds);
		publish(&house, 3);
		strbuf_init(&behind, 1000);
		put_frame(&behind, 0x80 | OPCODE_TEXT, str_of(subscribe));
		client = connect_with(&house, fds, protocol, "", true, strbuf_str(&behind));
		take_handshake(&client, protocol ? "Sec-WebSocket-Protocol: rfevents.v1" : NULL);
		expect_hello(&client, EPOCH_A, 1, house.last_seq);
		expect_events(&client, house.last_seq, 1, false);
		expect_number(&client, "caught_up", "seq", house.last_seq);
		strbuf_fini(&behind);
		close_client(&client);
	}
	close_house(&house);
	assert_int_equal(n_closed, 4);
}

struct resume_case {
	const char *name, *query, *subscribe;
	int64_t after; /* events follow from here to 1000 */
};

static const struct resume_case resume_cases[] = {
	{ "from the oldest", "", "{\"type\":\"subscribe\",\"after\":0}", 0 },
	{ "from the middle", "", "{\"type\":\"subscribe\",\"after\":500}", 500 },
	{ "as text", "", "{\"type\":\"subscribe\",\"after\":\"999\"}", 999 },
	{ "from the end", "", "{\"type\":\"subscribe\",\"after\":1000}", 1000 },
	{ "live", "", "{\"type\":\"subscribe\",\"after\":\"live\"}", 1000 },
	{ "with the epoch", "", "{\"type\":\"subscribe\",\"after\":7,\"epoch\":\"" EPOCH_A "\"}",
	  7 },
	{ "by the URL", "after=993", NULL, 993 },
	{ "by the URL, with the epoch", "epoch=" EPOCH_A "&after=100", NULL, 100 },
};

static void test_resume(void **state)
{
	struct house house = open_house(1, 0);

	publish(&house, 300);
	publish(&house, 700);
	for (size_t i = 0; i < ARRAY_LEN(resume_cases); i++) {
		const struct resume_case *c = &resume_cases[i];
		struct client client = connect_client(&house, c->query, true);

		print_message("%s\n", c->name);
		expect_hello(&client, EPOCH_A, 1, 1000);
		if (c->subscribe)
			send_text(&client, c->subscribe);
		client.last_seq = c->after;
		expect_events(&client, 1000, 1, false);
		expect_number(&client, "caught_up", "seq", 1000);
		close_client(&client);
	}
	close_house(&house);
}

static void test_filter_and_positions(void **state)
{
	struct websocket_config times = { .position_us = 200000 };
	struct house house = open_house_with(1, 0, true, &times);
	struct client client = connect_client(&house, "", true);
	int64_t position = 0;

	expect_hello(&client, EPOCH_A, 1, 0);
	publish(&house, 31);
	send_text(&client,
		  "{\"type\":\"subscribe\",\"after\":0,\"filter\":\"Severity eq 'Critical'\"}");
	expect_events(&client, 30, 3, false);
	expect_number(&client, "caught_up", "seq", 31);
	publish(&house, 10);
	expect_events(&client, 39, 3, true);
	/* What was filtered out is behind it too. */
	while (position < 41) {
		json_t *message = next_of_type(&client, "position");

		position = json_integer_value(json_object_get(message, "seq"));
		assert_true(position >= 31);
		json_decref(message);
	}
	assert_int_equal(position, 41);
	/* Another filter, from where it was. */
	send_text(&client, "{\"type\":\"subscribe\",\"filter\":\"Severity eq 'OK'\"}");
	do {
		json_t *message = next_message(&client);

		position = strcmp(json_string_value(json_object_get(message, "type")), "caught_up");
		json_decref(message);
	} while (position != 0);
	publish(&house, 1);
	client.last_seq = 42;
	publish(&house, 1);
	expect_events(&client, 43, 1, true);
	close_client(&client);
	close_house(&house);
}

struct refusal_case {
	const char *name, *query, *message, *code, *words;
};

/* The connection stays after each of them. */
static const struct refusal_case refusal_cases[] = {
	{ "bad filter", "", "{\"type\":\"subscribe\",\"filter\":\"Severity eq\"}", "bad_filter",
	  "column" },
	{ "unknown name", "", "{\"type\":\"subscribe\",\"filter\":\"Colour eq 'red'\"}",
	  "bad_filter", "column 1" },
	{ "bad filter in the URL", "filter=Severity%20eq", NULL, "bad_filter", "column" },
	{ "unknown type", "", "{\"type\":\"ping\"}", "unknown_type", "subscribe" },
	{ "not JSON", "", "hello", "bad_request", "JSON" },
	{ "negative seq", "", "{\"type\":\"subscribe\",\"after\":-3}", "bad_request", "after" },
	{ "bad URL", "after=soon", NULL, "bad_request", "after" },
	{ "another epoch", "", "{\"type\":\"subscribe\",\"after\":1,\"epoch\":\"" EPOCH_B "\"}",
	  "epoch_changed", "epoch" },
	{ "another epoch in the URL", "after=1&epoch=" EPOCH_B, NULL, "epoch_changed", "epoch" },
};

static void test_refusals(void **state)
{
	struct house house = open_house(1, 0);

	for (size_t i = 0; i < ARRAY_LEN(refusal_cases); i++) {
		const struct refusal_case *c = &refusal_cases[i];
		struct client client = connect_client(&house, c->query, true);

		print_message("%s\n", c->name);
		expect_hello(&client, EPOCH_A, 1, house.last_seq);
		if (c->message)
			send_text(&client, c->message);
		expect_error(&client, c->code, c->words);
		send_text(&client, "{\"type\":\"subscribe\"}");
		expect_number(&client, "caught_up", "seq", house.last_seq);
		client.last_seq = house.last_seq;
		publish(&house, 2);
		expect_events(&client, house.last_seq, 1, false);
		close_client(&client);
	}
	close_house(&house);
}

/* A bad filter does not end the subscription that is there. */
static void test_bad_filter_keeps_the_old(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0", true);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	send_text(&client, "{\"type\":\"subscribe\",\"filter\":\"(\"}");
	expect_error(&client, "bad_filter", "column");
	publish(&house, 2);
	expect_events(&client, 2, 1, false);
	close_client(&client);
	close_house(&house);
}

static void test_after_unknown(void **state)
{
	struct house house = open_house(1, 10);
	struct client client = connect_client(&house, "after=12", true);

	expect_hello(&client, EPOCH_A, 1, 10);
	/* Another replica may have shown it: the seq comes a moment later. */
	publish(&house, 3);
	client.last_seq = 12;
	expect_events(&client, 13, 1, false);
	expect_number(&client, "caught_up", "seq", 13);
	send_text(&client, "{\"type\":\"subscribe\",\"after\":5000}");
	expect_error(&client, "after_unknown", "seq");
	close_client(&client);
	close_house(&house);
}

static void test_gap(void **state)
{
	struct house house = open_house(91, 100);
	struct client client = connect_client(&house, "after=10", true);
	json_t *message;

	expect_hello(&client, EPOCH_A, 91, 100);
	message = next_of_type(&client, "gap");
	assert_int_equal(json_integer_value(json_object_get(message, "from")), 11);
	assert_int_equal(json_integer_value(json_object_get(message, "to")), 90);
	assert_string_equal(json_string_value(json_object_get(message, "reason")), "retention");
	json_decref(message);
	close_client(&client);
	close_house(&house);
}

/* The log cannot be read: events are shown as provisional meanwhile. */
static void test_provisional(void **state)
{
	struct house house = open_house(1, 100);
	struct client live = connect_client(&house, "after=live", true);
	struct client waiting = connect_client(&house, "after=50", true);
	struct client filtered =
		connect_client(&house, "filter=Severity%20eq%20%27Warning%27", true);
	struct client idle = connect_client(&house, "", true);
	json_t *message, *entry;

	expect_hello(&live, EPOCH_A, 1, 100);
	expect_number(&live, "caught_up", "seq", 100);
	expect_hello(&waiting, EPOCH_A, 1, 100);
	expect_hello(&filtered, EPOCH_A, 1, 100);
	expect_number(&filtered, "caught_up", "seq", 100);
	expect_hello(&idle, EPOCH_A, 1, 100);
	usleep(200000); /* the page that `waiting` asked for comes back empty-handed */
	publish_provisional(&house);
	message = next_of_type(&live, "provisional");
	entry = json_array_get(json_object_get(message, "events"), 0);
	assert_true(json_is_null(json_object_get(entry, "seq")));
	assert_non_null(json_object_get(entry, "id"));
	json_decref(message);
	json_decref(next_of_type(&waiting, "provisional"));
	publish(&house, 3);
	live.last_seq = 100;
	expect_events(&live, 103, 1, false);
	send_text(&filtered, "{\"type\":\"nothing\"}");
	expect_error(&filtered, "unknown_type", NULL);
	send_text(&idle, "{\"type\":\"nothing\"}");
	expect_error(&idle, "unknown_type", NULL);
	close_client(&live);
	close_client(&waiting);
	close_client(&filtered);
	close_client(&idle);
	close_house(&house);
}

/* Before the database was seen: provisional events, then it is there. */
static void test_database_comes(void **state)
{
	const struct websocket_config times = { .feed = NULL };
	struct house house = open_house_with(1, 100, false, &times);
	struct client client = connect_client(&house, "after=live", true);

	expect_hello(&client, EPOCH_A, 1, 100);
	usleep(100000);
	publish_provisional(&house);
	json_decref(next_of_type(&client, "provisional"));
	/* Others wrote while this node was away: not live. */
	feed_connected(house.feed, epoch_a, 1, 150);
	expect_number(&client, "caught_up", "seq", 150);
	house.last_seq = client.last_seq = 150;
	publish(&house, 2);
	expect_events(&client, 152, 1, false);
	close_client(&client);
	close_house(&house);
}

static void test_epoch_changes(void **state)
{
	struct house house = open_house(1, 0);
	struct client strict = connect_client(&house, "after=0&epoch=" EPOCH_A, true);
	struct client live = connect_client(&house, "after=live", true);
	struct client idle = connect_client(&house, "", true);

	expect_hello(&strict, EPOCH_A, 1, 0);
	expect_number(&strict, "caught_up", "seq", 0);
	expect_hello(&live, EPOCH_A, 1, 0);
	expect_number(&live, "caught_up", "seq", 0);
	expect_hello(&idle, EPOCH_A, 1, 0);
	publish(&house, 10);
	expect_events(&strict, 10, 1, false);
	expect_events(&live, 10, 1, false);
	feed_connected(house.feed, epoch_b, 1, 4);
	expect_error(&strict, "epoch_changed", NULL);
	expect_hello(&strict, EPOCH_B, 1, 4);
	expect_hello(&live, EPOCH_B, 1, 4);
	expect_hello(&idle, EPOCH_B, 1, 4);
	house.last_seq = 4;
	publish(&house, 3);
	live.last_seq = 4;
	expect_events(&live, 7, 1, false);
	send_text(&strict, "{\"type\":\"subscribe\",\"after\":5,\"epoch\":\"" EPOCH_B "\"}");
	strict.last_seq = 5;
	expect_events(&strict, 7, 1, false);
	close_client(&strict);
	close_client(&live);
	close_client(&idle);
	close_house(&house);
}

/* Restored to an earlier point under the same identity: what it logs again is seen again. */
static void test_log_goes_back(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "after=0&epoch=" EPOCH_A, true);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	publish(&house, 10);
	expect_events(&client, 10, 1, false);
	feed_connected(house.feed, epoch_a, 1, 6);
	expect_hello(&client, EPOCH_A, 1, 6);
	house.last_seq = client.last_seq = 6;
	publish(&house, 4);
	expect_events(&client, 10, 1, false);
	close_client(&client);
	close_house(&house);
}

static void test_include(void **state)
{
	struct house house = open_house(1, 0);
	struct client client =
		connect_client(&house, "include=alarms&filter=EventId%20ne%20%27x%27", true);

	expect_hello(&client, EPOCH_A, 1, 0);
	expect_number(&client, "caught_up", "seq", 0);
	publish(&house, 5);
	/* Had it got the events, they would come first. */
	send_text(&client, "{\"type\":\"subscribe\",\"after\":2}");
	client.last_seq = 2;
	expect_events(&client, 5, 1, false);
	expect_number(&client, "caught_up", "seq", 5);
	close_client(&client);
	close_house(&house);
}

/* Filters that let the same pass, live and behind, and some that differ in the middle of a batch.
 */
static void test_audiences_beside_each_other(void **state)
{
	static const struct {
		const char *filter;
		int64_t step; /* of the seqs that pass */
	} cases[] = {
		{ "Severity%20eq%20'Critical'", 3 },
		{ "not%20(Severity%20ne%20'Critical')", 3 },
		{ "Message%20ne%20'x'", 1 },
		{ "Severity%20in%20('OK','Critical')", 1 },
		{ "Severity%20eq%20'Critical'%20and%20Id%20gt%206", 3 },
	};
	struct house house = open_house(1, 0);
	struct client clients[ARRAY_LEN(cases)];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char query[200];

		snprintf(query, sizeof(query), "after=0&filter=%s", cases[i].filter);
		clients[i] = connect_client(&house, query, true);
		expect_hello(&clients[i], EPOCH_A, 1, 0);
		expect_number(&clients[i], "caught_up", "seq", 0);
	}
	clients[ARRAY_LEN(cases) - 1].last_seq = 6;
	/* One batch a turn, then several. */
	for (int round = 0; round < 50; round++) {
		publish(&house, 12);
		if (round < 25)
			usleep(5000);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect_events(&clients[i], 600, cases[i].step, true);
		assert_int_equal(clients[i].last_seq, 600);
		close_client(&clients[i]);
	}
	close_house(&house);
}

/* --- changes in flight --- */

/* What the client is told about the change: the seq that it takes effect behind. What came before
 * is counted into client->last_seq. */
static int64_t expect_changed(struct client *client, const char *language)
{
	for (;;) {
		json_t *message = next_message(client), *number = json_object_get(message, "seq");
		const char *type = json_string_value(json_object_get(message, "type"));
		int64_t seq = json_integer_value(number);
		bool is_it = json_is_true(json_object_get(message, "changed"));

		if (strcmp(type, "events") == 0) {
			json_t *events = json_object_get(message, "events");

			seq = json_integer_value(json_object_get(json_array_get(events, 0), "seq"));
			assert_int_equal(seq, client->last_seq + 1);
			client->last_seq += (int64_t)json_array_size(events);
		} else if (is_it) {
			assert_type(message, "position");
			assert_string_equal(json_string_value(json_object_get(message, "language")),
					    language);
		}
		json_decref(message);
		if (is_it)
			return seq;
	}
}

/* A change while it catches up, and one while it is live: nothing is skipped, nothing comes twice,
 * and it knows from where on the change counts. */
static void test_changes_go_on_where_it_is(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_client(&house, "", true);
	int64_t seq;

	publish(&house, 20000);
	expect_hello(&client, EPOCH_A, 1, 0);
	send_text(&client, "{\"type\":\"subscribe\",\"after\":0}");
	expect_events(&client, 256, 1, false);
	send_text(&client, "{\"type\":\"subscribe\",\"language\":\"en\"}");
	seq = expect_changed(&client, "en");
	assert_int_equal(seq, client.last_seq);
	assert_true(client.last_seq < 20000);
	expect_events(&client, 20000, 1, false);
	expect_number(&client, "caught_up", "seq", 20000);
	send_text(&client, "{\"type\":\"subscribe\",\"filter\":\"Severity eq 'OK'\"}");
	assert_int_equal(expect_changed(&client, "en"), 20000);
	expect_number(&client, "caught_up", "seq", 20000);
	publish(&house, 2);
	client.last_seq = 20001; /* critical */
	expect_events(&client, 20002, 1, true);
	/* A position of its own choice. */
	send_text(&client, "{\"type\":\"subscribe\",\"after\":19999}");
	client.last_seq = 19999;
	expect_events(&client, 20002, 1, false);
	close_client(&client);
	close_house(&house);
}

/* Live, and changed before the log was reached: what it holds already is not live. */
static void test_a_change_before_the_log_is_reached(void **state)
{
	const struct websocket_config times = { .feed = NULL };
	struct house house = open_house_with(0, 0, false, &times);
	struct client client = connect_client(&house, "after=live", true);

	expect_hello(&client, EPOCH_A, 0, 0);
	send_text(&client, "{\"type\":\"subscribe\",\"filter\":\"EventId ne 'x'\"}");
	assert_int_equal(expect_changed(&client, "en"), 0);
	feed_connected(house.feed, epoch_a, 1, 8);
	expect_number(&client, "caught_up", "seq", 8);
	house.last_seq = client.last_seq = 8;
	publish(&house, 3);
	expect_events(&client, 11, 1, true);
	close_client(&client);
	close_house(&house);
}

/* --- CloudEvents --- */

static struct client connect_cloud(struct house *house, const char *query, bool authenticated)
{
	struct client client;
	int fds[2];

	open_pair(fds);
	client = connect_with(house, fds, "cloudevents.json", query, authenticated, STR(""));
	take_handshake(&client, "Sec-WebSocket-Protocol: cloudevents.json");
	return client;
}

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text)
		fail_msg("%s is missing", name);
	return text;
}

/* The data of a message about the stream; new. */
static json_t *next_control(struct client *client, const char *kind)
{
	json_t *event = next_message(client), *data = json_object_get(event, "data");
	char type[64];

	snprintf(type, sizeof(type), "io.rfeventd.stream.%s.v1", kind);
	assert_string_equal(text_at(event, "type"), type);
	assert_string_equal(text_at(event, "specversion"), "1.0");
	assert_string_equal(text_at(event, "source"), "/stream");
	assert_string_equal(text_at(event, "datacontenttype"), "application/json");
	assert_int_equal(strlen(text_at(event, "id")), UUID_TEXT_BYTES - 1);
	assert_string_equal(text_at(data, "type"), kind);
	json_incref(data);
	json_decref(event);
	return data;
}

static void expect_cloud_event(struct client *client, int64_t seq)
{
	json_t *event = next_message(client), *data = json_object_get(event, "data");
	char sequence[32];

	snprintf(sequence, sizeof(sequence), "%020lld", (long long)seq);
	assert_string_equal(text_at(event, "type"), "org.dmtf.redfish.event.v1");
	assert_string_equal(text_at(event, "source"),
			    "/sources/07000000-0000-0000-0000-000000000000");
	assert_string_equal(text_at(event, "id"), text_at(data, "id"));
	assert_string_equal(text_at(event, "time"), text_at(data, "received"));
	assert_string_equal(text_at(event, "sequence"), sequence);
	assert_string_equal(text_at(event, "severitytext"), seq % 3 ? "OK" : "Critical");
	assert_int_equal(json_integer_value(json_object_get(event, "severitynumber")),
			 seq % 3 ? 9 : 18);
	assert_null(json_object_get(event, "subject")); /* these have no origin */
	assert_int_equal(json_integer_value(json_object_get(data, "seq")), seq);
	json_decref(event);
}

/* Subscribed without a word; each event a message of its own, behind the ring and live. */
static void test_cloud_events(void **state)
{
	struct house house = open_house(1, 0);
	struct client client = connect_cloud(&house, "", true), late;

	json_decref(next_control(&client, "hello"));
	json_decref(next_control(&client, "caught_up"));
	publish_provisional(&house); /* not for it: it would pass for the event itself */
	publish(&house, 300);
	for (int64_t seq = 1; seq <= 300; seq++)
		expect_cloud_event(&client, seq);
	late = connect_cloud(&house, "after=297&filter=Severity%20eq%20'Critical'", true);
	json_decref(next_control(&late, "hello"));
	expect_cloud_event(&late, 300);
	json_decref(next_control(&late, "caught_up"));
	send_text(&late, "{\"type\":\"subscribe\",\"filter\":\"nonsense\"}");
	json_decref(next_control(&late, "error"));
	close_client(&late);
	late = connect_cloud(&house, "", false);
	send_text(&late, "{\"type\":\"subscribe\",\"token\":\"bad\"}");
	json_decref(next_control(&late, "error"));
	assert_int_equal(read_to_the_end(&late), 4401);
	close_client(&late);
	close_client(&client);
	close_house(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello_then_live),
		cmocka_unit_test(test_ways_in),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_filter_and_positions),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bad_filter_keeps_the_old),
		cmocka_unit_test(test_after_unknown),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_provisional),
		cmocka_unit_test(test_database_comes),
		cmocka_unit_test(test_epoch_changes),
		cmocka_unit_test(test_log_goes_back),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_audiences_beside_each_other),
		cmocka_unit_test(test_changes_go_on_where_it_is),
		cmocka_unit_test(test_a_change_before_the_log_is_reached),
		cmocka_unit_test(test_cloud_events),
	};

	return run_both_ways(tests, ARRAY_LEN(tests));
}
