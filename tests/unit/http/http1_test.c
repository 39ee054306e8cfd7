/* The HTTP/1.1 parser: tables of heads and of chunked bodies, each also split at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/http1.h"

#define MAX_HEADERS 8
#define MAX_HEAD    512

struct head_case {
	const char *name, *source;
	struct str head;
	int status; /* 0: fine */
	const char *path, *query;
	uint64_t length;
	bool keep_alive, chunked, expects;
};

#define HEAD(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
#define GET1  "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST1 "POST /events/t HTTP/1.1\r\nHost: h\r\n"

#define REFUSED(status) status, NULL, NULL, 0, false, false, false

static const struct head_case heads[] = {
	{ "plain GET", "RFC 9112 3", HEAD(GET1 "\r\n"), 0, "/", "", 0, true, false, false },
	{ "query", "RFC 9112 3.2.1", HEAD("GET /a?b=c?d HTTP/1.1\r\nHost: h\r\n\r\n"), 0, "/a",
	  "b=c?d", 0, true, false, false },
	{ "absolute form", "RFC 9112 3.2.2",
	  HEAD("GET http://x.example:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n"), 0, "/a", "b", 0, true,
	  false, false },
	{ "absolute form without path", "RFC 9112 3.2.2",
	  HEAD("GET HTTPS://x.example HTTP/1.1\r\nHost: x\r\n\r\n"), 0, "/", "", 0, true, false,
	  false },
	{ "absolute form, query only", "RFC 9112 3.2.2",
	  HEAD("GET http://x?y HTTP/1.1\r\nHost: x\r\n\r\n"), 0, "/", "y", 0, true, false, false },
	{ "OPTIONS *", "RFC 9112 3.2.4", HEAD("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), 0, "*", "",
	  0, true, false, false },
	{ "GET *", "RFC 9112 3.2.4", HEAD("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), REFUSED(400) },
	{ "CONNECT's authority", "RFC 9112 3.2.3", HEAD("CONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n"),
	  REFUSED(400) },
	{ "fragment", "RFC 9112 3.2", HEAD("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), REFUSED(400) },
	{ "length", "RFC 9112 6.2", HEAD(POST1 "Content-Length: 12\r\n\r\n"), 0, "/events/t", "",
	  12, true, false, false },
	{ "empty Host", "RFC 9112 3.2", HEAD("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0, "/", "", 0,
	  true, false, false },
	{ "iLO4's content type", "HPE iLO4 2.x",
	  HEAD(POST1 "Content-Type: application/json, Application/JSON\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n"),
	  0, "/events/t", "", 0, true, true, false },
	{ "Chunked, other case", "RFC 9112 7", HEAD(POST1 "transfer-encoding: CHUNKED\r\n\r\n"), 0,
	  "/events/t", "", 0, true, true, false },
	{ "expectation", "RFC 9110 10.1.1",
	  HEAD(POST1 "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n"), 0, "/events/t", "", 2,
	  true, false, true },
	{ "other expectation", "RFC 9110 10.1.1", HEAD(GET1 "Expect: tea\r\n\r\n"), REFUSED(417) },
	{ "close", "RFC 9112 9.6", HEAD(GET1 "Connection: foo , Close\r\n\r\n"), 0, "/", "", 0,
	  false, false, false },
	{ "1.0 closes", "RFC 9112 9.3", HEAD("GET / HTTP/1.0\r\n\r\n"), 0, "/", "", 0, false, false,
	  false },
	{ "1.0 keep-alive", "RFC 9112 9.3",
	  HEAD("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0, "/", "", 0, true, false,
	  false },
	{ "1.0 with an encoding", "RFC 9112 6.1",
	  HEAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED(400) },
	{ "1.2 is spoken to as 1.1", "RFC 9110 2.5", HEAD("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), 0,
	  "/", "", 0, true, false, false },
	{ "obs-text in a value", "RFC 9110 5.5", HEAD(GET1 "X: \xc3\xa4\xff\r\n\r\n"), 0, "/", "",
	  0, true, false, false },
	{ "HTTP/2 preface", "RFC 9113 3.4", HEAD("PRI * HTTP/2.0\r\n\r\n"), REFUSED(505) },
	{ "no Host", "RFC 9112 3.2", HEAD("GET / HTTP/1.1\r\n\r\n"), REFUSED(400) },
	{ "two Hosts", "RFC 9112 3.2", HEAD(GET1 "host: i\r\n\r\n"), REFUSED(400) },
	{ "Host with a path", "RFC 9112 3.2", HEAD("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n"),
	  REFUSED(400) },
	{ "folded line", "RFC 9112 5.2", HEAD(GET1 "X: a\r\n b\r\n\r\n"), REFUSED(400) },
	{ "folded first header", "RFC 9112 2.2", HEAD("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
	  REFUSED(400) },
	{ "blank before the colon", "RFC 9112 5.1", HEAD(GET1 "X : a\r\n\r\n"), REFUSED(400) },
	{ "no name", "RFC 9112 5", HEAD(GET1 ": a\r\n\r\n"), REFUSED(400) },
	{ "no colon", "RFC 9112 5", HEAD(GET1 "X\r\n\r\n"), REFUSED(400) },
	{ "bare CR in a value", "RFC 9112 2.2", HEAD(GET1 "X: a\rb\r\n\r\n"), REFUSED(400) },
	{ "NUL in a value", "RFC 9110 5.5", HEAD(GET1 "X: a\0b\r\n\r\n"), REFUSED(400) },
	{ "DEL in a value", "RFC 9110 5.5", HEAD(GET1 "X: a\x7f\r\n\r\n"), REFUSED(400) },
	{ "NUL in the target", "RFC 9112 3", HEAD("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
	  REFUSED(400) },
	{ "blank in the target", "RFC 9112 3", HEAD("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
	  REFUSED(400) },
	{ "two blanks", "RFC 9112 3", HEAD("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"), REFUSED(400) },
	{ "blank at the end", "RFC 9112 3", HEAD("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
	  REFUSED(400) },
	{ "HTTP/0.9", "RFC 9112 3", HEAD("GET /\r\n\r\n"), REFUSED(400) },
	{ "lower-case version", "RFC 9112 2.3", HEAD("GET / http/1.1\r\nHost: h\r\n\r\n"),
	  REFUSED(400) },
	{ "odd method", "RFC 9110 9.1", HEAD("G{T / HTTP/1.1\r\nHost: h\r\n\r\n"), REFUSED(400) },
	{ "empty first line", "RFC 9112 2.2", HEAD("\r\n"), REFUSED(400) },
	{ "length and encoding", "RFC 9112 6.3",
	  HEAD(POST1 "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), REFUSED(400) },
	{ "two lengths", "RFC 9112 6.3",
	  HEAD(POST1 "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), REFUSED(400) },
	{ "list of lengths", "RFC 9112 6.3", HEAD(POST1 "Content-Length: 1, 1\r\n\r\n"),
	  REFUSED(400) },
	{ "signed length", "RFC 9112 6.3", HEAD(POST1 "Content-Length: +1\r\n\r\n"), REFUSED(400) },
	{ "hexadecimal length", "RFC 9112 6.3", HEAD(POST1 "Content-Length: 0x1\r\n\r\n"),
	  REFUSED(400) },
	{ "empty length", "RFC 9112 6.3", HEAD(POST1 "Content-Length:\r\n\r\n"), REFUSED(400) },
	{ "length past 64 bits", "RFC 9112 6.3",
	  HEAD(POST1 "Content-Length: 18446744073709551616\r\n\r\n"), REFUSED(400) },
	{ "gzip, chunked", "RFC 9112 6.1", HEAD(POST1 "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	  REFUSED(501) },
	{ "chunked twice", "RFC 9112 6.1",
	  HEAD(POST1 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  REFUSED(501) },
	{ "disguised chunked", "RFC 9112 6.1",
	  HEAD(POST1 "Transfer-Encoding: \x0b"
		     "chunked\r\n\r\n"),
	  REFUSED(400) },
	{ "nine headers", "cap of this test",
	  HEAD("GET / HTTP/1.1\r\nHost: "
	       "h\r\na:1\r\na:2\r\na:3\r\na:4\r\na:5\r\na:6\r\na:7\r\na:8\r\n\r\n"),
	  REFUSED(431) },
};

static void check_head(const struct head_case *c, struct str head)
{
	struct http_header headers[MAX_HEADERS];
	struct http1_head out;
	const char *words = NULL;
	int status = http1_parse_head(head, headers, MAX_HEADERS, &out, &words);

	if (status != c->status)
		fail_msg("%s: %d, not %d", c->name, status, c->status);
	if (status) {
		assert_non_null(words);
		return;
	}
	if (!str_eq(out.path, str_of(c->path)) || !str_eq(out.query, str_of(c->query)))
		fail_msg("%s: path '%.*s' query '%.*s'", c->name, STR_ARG(out.path),
			 STR_ARG(out.query));
	if (out.content_length != c->length || out.keep_alive != c->keep_alive ||
	    out.chunked != c->chunked || out.expect_continue != c->expects)
		fail_msg("%s: framing", c->name);
}

static void test_heads(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		/* A copy of the exact size, so that a byte read beyond is seen. */
		char *copy = malloc(heads[i].head.len);

		assert_non_null(copy);
		memcpy(copy, heads[i].head.p, heads[i].head.len);
		check_head(&heads[i], (struct str){ copy, heads[i].head.len });
		free(copy);
	}
}

static void test_heads_byte_by_byte(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct str head = heads[i].head;

		for (size_t split = 0; split <= head.len; split++) {
			struct http1_scan scan = { 0 };
			long n = http1_find_head(&scan, (struct str){ head.p, split }, MAX_HEAD);

			if (split < head.len)
				assert_int_equal(n, 0);
			else
				assert_int_equal(n, head.len);
			if (n == 0)
				n = http1_find_head(&scan, head, MAX_HEAD);
			assert_int_equal(n, head.len);
		}
	}
}

static const struct {
	const char *name;
	struct str data;
	long result;
} ends[] = {
	{ "bare LF in the first line", HEAD("GET / HTTP/1.1\n"), -400 },
	{ "bare LF as empty line", HEAD(GET1 "\n"), -400 },
	{ "LF alone", HEAD("\n"), -400 },
	{ "only the head is taken", HEAD("GET / HTTP/1.1\r\n\r\nbody\n"), 18 },
	{ "long target",
	  HEAD("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), -414 },
	{ "long header",
	  HEAD("GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), -431 },
};

static void test_ends(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct http1_scan scan = { 0 };
		long n = http1_find_head(&scan, ends[i].data, 64);

		if (n != ends[i].result)
			fail_msg("%s: %ld", ends[i].name, n);
	}
}

static const struct {
	const char *name, *source;
	struct str raw;
	int result;
	const char *body;
	size_t rest;
} bodies[] = {
	{ "two chunks", "RFC 9112 7.1", HEAD("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 1, "abcde", 0 },
	{ "next request behind", "RFC 9112 9.3.2", HEAD("1\r\na\r\n0\r\n\r\nGET "), 1, "a", 4 },
	{ "hexadecimal, leading zeros", "RFC 9112 7.1", HEAD("00A\r\n0123456789\r\n000\r\n\r\n"), 1,
	  "0123456789", 0 },
	{ "extension", "RFC 9112 7.1.1", HEAD("1;a=\"b\"\r\nx\r\n0;c\r\n\r\n"), 1, "x", 0 },
	{ "trailer", "RFC 9112 7.1.2", HEAD("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"), 1, "x", 0 },
	{ "empty", "RFC 9112 7.1", HEAD("0\r\n\r\n"), 1, "", 0 },
	{ "CRLF as data", "RFC 9112 7.1", HEAD("2\r\n\r\n\r\n0\r\n\r\n"), 1, "\r\n", 0 },
	{ "unfinished", "RFC 9112 7.1", HEAD("3\r\nab"), 0, "ab", 0 },
	{ "bare LF after the size", "RFC 9112 7.1", HEAD("1\nx\r\n0\r\n\r\n"), -400, NULL, 0 },
	{ "no size", "RFC 9112 7.1", HEAD("\r\nx\r\n"), -400, NULL, 0 },
	{ "sign", "RFC 9112 7.1", HEAD("+1\r\nx\r\n"), -400, NULL, 0 },
	{ "0x", "RFC 9112 7.1", HEAD("0x1\r\nx\r\n"), -400, NULL, 0 },
	{ "blank after the size", "RFC 9112 7.1", HEAD("1 \r\nx\r\n"), -400, NULL, 0 },
	{ "data longer than said", "RFC 9112 7.1", HEAD("1\r\nxy\r\n"), -400, NULL, 0 },
	{ "data ends in LF", "RFC 9112 7.1", HEAD("1\r\nx\n0\r\n\r\n"), -400, NULL, 0 },
	{ "size past 60 bits", "RFC 9112 7.1", HEAD("ffffffffffffffff\r\n"), -400, NULL, 0 },
	{ "over the cap", "cap of this test", HEAD("41\r\n"), -413, NULL, 0 },
	{ "over the cap in sum", "cap of this test",
	  HEAD("3F\r\n000000000000000000000000000000000000000000000000000000000000000\r\n2\r\n"),
	  -413, NULL, 0 },
	{ "NUL in an extension", "RFC 9112 7.1.1", HEAD("1;\0\r\n"), -400, NULL, 0 },
	{ "no field in a trailer", "RFC 9112 7.1.2", HEAD("0\r\nA b\r\n\r\n"), -400, NULL, 0 },
	{ "a line without a colon", "RFC 9112 7.1.2", HEAD("0\r\nA\r\n\r\n"), -400, NULL, 0 },
	{ "a folded trailer", "RFC 9112 5.2", HEAD("0\r\nA: b\r\n c\r\n\r\n"), -400, NULL, 0 },
	{ "a nameless trailer", "RFC 9112 5.1", HEAD("0\r\n: b\r\n\r\n"), -400, NULL, 0 },
	{ "a trailer without a value", "RFC 9112 5", HEAD("0\r\nA:\r\n\r\n"), 1, "", 0 },
	{ "bare CR in a trailer", "RFC 9112 7.1.2", HEAD("0\r\nA\rB\r\n\r\n"), -400, NULL, 0 },
};

/* Decode in place, in pieces of at most `step` bytes; the sum of what was decoded in `memory`. */
static int decode(struct str raw, size_t step, char *memory, size_t *n_body, size_t *n_used)
{
	struct http1_chunks chunks = { 0 };
	int r = 0;

	memcpy(memory, raw.p, raw.len);
	*n_body = *n_used = 0;
	for (size_t end = step; r == 0; end += step) {
		size_t consumed, decoded;

		if (end > raw.len)
			end = raw.len;
		r = http1_decode_chunks(&chunks, (struct str){ memory + *n_used, end - *n_used },
					memory + *n_body, 64, &consumed, &decoded);
		*n_used += consumed;
		*n_body += decoded;
		if (end == raw.len)
			break;
	}
	return r;
}

static void test_chunks(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		for (size_t step = 1; step <= bodies[i].raw.len; step++) {
			char memory[256];
			size_t n_body, n_used;
			int r = decode(bodies[i].raw, step, memory, &n_body, &n_used);

			if (r != bodies[i].result)
				fail_msg("%s by %zu: %d", bodies[i].name, step, r);
			if (r < 0)
				continue;
			if (!str_eq((struct str){ memory, n_body }, str_of(bodies[i].body)) ||
			    bodies[i].raw.len - n_used != bodies[i].rest)
				fail_msg("%s by %zu: body", bodies[i].name, step);
		}
	}
}

static void test_long_lines(void **state)
{
	struct http1_chunks chunks = { 0 };
	char line[20000];
	size_t consumed, decoded;

	memset(line, 'a', sizeof(line));
	line[0] = '1';
	line[1] = ';';
	assert_int_equal(http1_decode_chunks(&chunks, (struct str){ line, 1000 }, line, 64,
					     &consumed, &decoded),
			 -400);
	chunks = (struct http1_chunks){ 0 };
	memcpy(line, "0\r\n", 3);
	assert_int_equal(http1_decode_chunks(&chunks, (struct str){ line, sizeof(line) }, line, 64,
					     &consumed, &decoded),
			 -431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),      cmocka_unit_test(test_heads_byte_by_byte),
		cmocka_unit_test(test_ends),       cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
