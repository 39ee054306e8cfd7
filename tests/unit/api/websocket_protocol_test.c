#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/websocket_protocol.h"
#include "base/err.h"
#include "base/mem.h"

struct frame_case {
	const char *name;
	const char *json;
	int result;
	bool live;
	int64_t after;
	bool events;
	const char *filter, *token, *language;
	bool has_epoch;
};

#define EPOCH "00112233-4455-6677-8899-aabbccddeeff"

/* The messages of the contract, and what clients get wrong. */
static const struct frame_case frame_cases[] = {
	{ "smallest", "{\"type\":\"subscribe\"}", 0, true, 0, true, NULL, NULL, NULL, false },
	{ "all of it",
	  "{\"type\":\"subscribe\",\"token\":\"t\",\"epoch\":\"" EPOCH "\",\"after\":4700,"
	  "\"filter\":\"Severity eq "
	  "'Critical'\",\"language\":\"de\",\"include\":[\"events\",\"alarms\"]}",
	  0, false, 4700, true, "Severity eq 'Critical'", "t", "de", true },
	{ "from the oldest", "{\"type\":\"subscribe\",\"after\":0}", 0, false, 0, true, NULL, NULL,
	  NULL, false },
	{ "live in words", "{\"type\":\"subscribe\",\"after\":\"live\"}", 0, true, 0, true, NULL,
	  NULL, NULL, false },
	{ "a seq as text", "{\"type\":\"subscribe\",\"after\":\"17\"}", 0, false, 17, true, NULL,
	  NULL, NULL, false },
	{ "the largest seq", "{\"type\":\"subscribe\",\"after\":9223372036854775807}", 0, false,
	  INT64_MAX, true, NULL, NULL, NULL, false },
	{ "null is absent",
	  "{\"type\":\"subscribe\",\"after\":null,\"filter\":null,\"epoch\":null,\"include\":null}",
	  0, true, 0, true, NULL, NULL, NULL, false },
	{ "alarms only", "{\"type\":\"subscribe\",\"include\":[\"alarms\"]}", 0, true, 0, false,
	  NULL, NULL, NULL, false },
	{ "unknown includes", "{\"type\":\"subscribe\",\"include\":[\"x\",7,\"events\"]}", 0, true,
	  0, true, NULL, NULL, NULL, false },
	{ "unknown properties", "{\"type\":\"subscribe\",\"colour\":\"red\"}", 0, true, 0, true,
	  NULL, NULL, NULL, false },
	{ .name = "unknown type", .json = "{\"type\":\"ping\"}", .result = -ENOTSUP },
	{ .name = "no type", .json = "{\"after\":1}", .result = -EINVAL },
	{ .name = "type is a number", .json = "{\"type\":1}", .result = -EINVAL },
	{ .name = "an array", .json = "[\"subscribe\"]", .result = -EINVAL },
	{ .name = "nothing", .json = "", .result = -EINVAL },
	{ .name = "cut", .json = "{\"type\":\"subscribe\"", .result = -EINVAL },
	{ .name = "something behind it", .json = "{\"type\":\"subscribe\"} x", .result = -EINVAL },
	{ .name = "the same property twice",
	  .json = "{\"type\":\"subscribe\",\"type\":\"subscribe\"}",
	  .result = -EINVAL },
	{ .name = "negative seq",
	  .json = "{\"type\":\"subscribe\",\"after\":-1}",
	  .result = -EINVAL },
	{ .name = "seq with a fraction",
	  .json = "{\"type\":\"subscribe\",\"after\":1.5}",
	  .result = -EINVAL },
	{ .name = "seq too large",
	  .json = "{\"type\":\"subscribe\",\"after\":9223372036854775808}",
	  .result = -EINVAL },
	{ .name = "seq as other text",
	  .json = "{\"type\":\"subscribe\",\"after\":\"soon\"}",
	  .result = -EINVAL },
	{ .name = "epoch of no log",
	  .json = "{\"type\":\"subscribe\",\"after\":12,"
		  "\"epoch\":\"00000000-0000-0000-0000-000000000000\"}",
	  .after = 12,
	  .events = true },
	{ .name = "epoch is no UUID",
	  .json = "{\"type\":\"subscribe\",\"epoch\":\"mine\"}",
	  .result = -EINVAL },
	{ .name = "epoch is a number",
	  .json = "{\"type\":\"subscribe\",\"epoch\":1}",
	  .result = -EINVAL },
	{ .name = "filter is a list",
	  .json = "{\"type\":\"subscribe\",\"filter\":[]}",
	  .result = -EINVAL },
	{ .name = "token is a number",
	  .json = "{\"type\":\"subscribe\",\"token\":5}",
	  .result = -EINVAL },
	{ .name = "include is a text",
	  .json = "{\"type\":\"subscribe\",\"include\":\"events\"}",
	  .result = -EINVAL },
	{ .name = "U+0000 in a text",
	  .json = "{\"type\":\"subscribe\",\"filter\":\"a\\u0000b\"}",
	  .result = -EINVAL },
};

static void assert_text(const char *text, const char *expected)
{
	if (expected) {
		assert_non_null(text);
		assert_string_equal(text, expected);
	} else {
		assert_null(text);
	}
}

static void test_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(frame_cases); i++) {
		const struct frame_case *c = &frame_cases[i];
		struct stream_request request;
		struct err err = { "" };

		print_message("%s\n", c->name);
		assert_int_equal(stream_request_parse(str_of(c->json), &request, &err), c->result);
		if (c->result < 0) {
			assert_true(strlen(err.text) > 0);
			continue;
		}
		assert_int_equal(request.live, c->live);
		if (!c->live)
			assert_int_equal(request.after, c->after);
		assert_int_equal(request.events, c->events);
		assert_text(request.filter, c->filter);
		assert_text(request.token, c->token);
		assert_text(request.language, c->language);
		assert_int_equal(request.has_epoch, c->has_epoch);
		stream_request_fini(&request);
		assert_null(request.token);
	}
}

/* Cut anywhere, it is refused, and nothing leaks or reads beyond. */
static void test_parse_every_cut(void **state)
{
	const char *json = frame_cases[1].json;

	for (size_t n = 0; n < strlen(json); n++) {
		struct stream_request request;
		char *exact = xstrndup((struct str){ json, n });

		assert_int_equal(stream_request_parse((struct str){ exact, n }, &request, NULL),
				 -EINVAL);
		free(exact);
	}
}

struct query_case {
	const char *name;
	const char *query;
	int result;
	bool any, live;
	int64_t after;
	bool events;
	const char *filter;
};

static const struct query_case query_cases[] = {
	{ "empty", "", 0, false, true, 0, true, NULL },
	{ "of another", "x=1&y", 0, false, true, 0, true, NULL },
	{ "after", "after=12", 0, true, false, 12, true, NULL },
	{ "live", "after=live", 0, true, true, 0, true, NULL },
	{ "filter, escaped", "filter=Severity%20eq%20%27Critical%27&after=0", 0, true, false, 0,
	  true, "Severity eq 'Critical'" },
	{ "include", "include=alarms", 0, true, true, 0, false, NULL },
	{ "include both", "include=alarms,events", 0, true, true, 0, true, NULL },
	{ "language alone subscribes", "language=de", 0, true, true, 0, true, NULL },
	{ .name = "bad after", .query = "after=x", .result = -EINVAL },
	{ .name = "negative after", .query = "after=-4", .result = -EINVAL },
	{ .name = "bad epoch", .query = "epoch=1234", .result = -EINVAL },
	{ .name = "bad escape", .query = "filter=%zz", .result = -EINVAL },
	{ .name = "cut escape", .query = "filter=%2", .result = -EINVAL },
};

static void test_parse_query(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(query_cases); i++) {
		const struct query_case *c = &query_cases[i];
		struct stream_request request;
		struct err err = { "" };
		bool any;

		print_message("%s\n", c->name);
		assert_int_equal(stream_request_parse_query(str_of(c->query), &request, &any, &err),
				 c->result);
		if (c->result < 0) {
			assert_true(strlen(err.text) > 0);
			continue;
		}
		assert_int_equal(any, c->any);
		assert_int_equal(request.live, c->live);
		if (!c->live)
			assert_int_equal(request.after, c->after);
		assert_int_equal(request.events, c->events);
		assert_text(request.filter, c->filter);
		stream_request_fini(&request);
	}
}

static void test_messages(void **state)
{
	struct strbuf out;
	struct uuid epoch;

	assert_true(uuid_parse(STR(EPOCH), &epoch));
	strbuf_init(&out, 4096);
	stream_hello(&out, epoch, 1, 4711);
	assert_string_equal(out.p, "{\"type\":\"hello\",\"epoch\":\"" EPOCH
				   "\",\"oldest_seq\":1,\"last_seq\":4711}");
	strbuf_reset(&out);
	stream_caught_up(&out, 4711);
	assert_string_equal(out.p, "{\"type\":\"caught_up\",\"seq\":4711}");
	strbuf_reset(&out);
	stream_gap(&out, 1, 90, "retention");
	assert_string_equal(out.p,
			    "{\"type\":\"gap\",\"from\":1,\"to\":90,\"reason\":\"retention\"}");
	strbuf_reset(&out);
	stream_position(&out, 5, NULL);
	assert_string_equal(out.p, "{\"type\":\"position\",\"seq\":5}");
	strbuf_reset(&out);
	stream_position(&out, 6, "de");
	assert_string_equal(out.p, "{\"type\":\"position\",\"seq\":6,\"changed\":true,"
				   "\"language\":\"de\"}");
	strbuf_reset(&out);
	stream_error(&out, "bad_filter", "column 3: \"x\"");
	assert_string_equal(out.p, "{\"type\":\"error\",\"code\":\"bad_filter\","
				   "\"message\":\"column 3: \\\"x\\\"\"}");
	strbuf_reset(&out);
	stream_events_head(&out, false);
	stream_events_tail(&out);
	assert_string_equal(out.p, "{\"type\":\"events\",\"events\":[]}");
	strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_every_cut),
		cmocka_unit_test(test_parse_query),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
