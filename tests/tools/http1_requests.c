/* What our HTTP/1 parser makes of some bytes, for comparing it with others.
 *
 * In: inputs, each behind its length (four bytes, little-endian). Out: a line of JSON for each,
 * with the requests read one after the other and why reading ended: "end" (no bytes left), "more",
 * or an HTTP status with words. The limits are those of the door.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/http1.h"

#define MAX_HEADERS    64
#define MAX_HEAD_BYTES 16384
#define MAX_BODY_BYTES (1u << 20)

struct outcome {
	struct strbuf requests;
	int status;        /* 0: nothing was wrong */
	const char *words; /* of it */
	bool more;
	bool over; /* the connection closes behind the last one */
};

static void put_request(struct strbuf *out, const struct http1_head *head, struct str body)
{
	strbuf_putf(out, "%s{\"method\":", out->len > 0 ? "," : "");
	strbuf_put_json(out, head->method_text);
	strbuf_put(out, STR(",\"path\":"));
	strbuf_put_json(out, head->path);
	strbuf_put(out, STR(",\"query\":"));
	strbuf_put_json(out, head->query);
	strbuf_putf(out, ",\"n_headers\":%zu,\"keep_alive\":%s,\"upgrade\":%s,\"body\":\"",
		    head->n_headers, head->keep_alive ? "true" : "false",
		    head->upgrade ? "true" : "false");
	for (size_t i = 0; i < body.len; i++)
		strbuf_putf(out, "%02x", (unsigned char)body.p[i]);
	strbuf_put(out, STR("\"}"));
}

static bool fail(struct outcome *outcome, int status, const char *words)
{
	outcome->status = status;
	outcome->words = words;
	return false;
}

/* The body behind the head at the front of `data`; *n_out counts what it took of `data`. */
static bool read_body(struct str data, const struct http1_head *head, char *body,
		      size_t *n_body_out, size_t *n_out, struct outcome *outcome)
{
	struct http1_chunks chunks = { 0 };
	int r;

	if (head->content_length > MAX_BODY_BYTES)
		return fail(outcome, 413, "too large");
	if (!head->chunked) {
		if (head->content_length > data.len) {
			outcome->more = true;
			return false;
		}
		if (head->content_length > 0)
			memcpy(body, data.p, head->content_length);
		*n_body_out = *n_out = head->content_length;
		return true;
	}
	r = http1_decode_chunks(&chunks, data, body, MAX_BODY_BYTES, n_out, n_body_out);
	if (r < 0)
		return fail(outcome, -r, "chunks");
	outcome->more = r == 0;
	return r == 1;
}

/* One request from the front of `data`; how much it took, 0 when reading ends. */
static size_t read_one(struct str data, char *body, struct outcome *outcome)
{
	struct http_header headers[MAX_HEADERS];
	struct http1_scan scan = { 0 };
	struct http1_head head;
	const char *words = "";
	size_t n_body = 0, n = 0;
	long n_head = http1_find_head(&scan, data, MAX_HEAD_BYTES);
	int status;

	outcome->more = n_head == 0;
	if (n_head < 0)
		fail(outcome, (int)-n_head, n_head == -400 ? "bare LF" : "long head");
	if (n_head <= 0)
		return 0;
	status = http1_parse_head((struct str){ data.p, (size_t)n_head }, headers, MAX_HEADERS,
				  &head, &words);
	if (status != 0) {
		fail(outcome, status, words);
		return 0;
	}
	data = (struct str){ data.p + n_head, data.len - (size_t)n_head };
	if (!read_body(data, &head, body, &n_body, &n, outcome))
		return 0;
	put_request(&outcome->requests, &head, (struct str){ body, n_body });
	outcome->over = !head.keep_alive;
	return (size_t)n_head + n;
}

static void read_all(struct str data)
{
	struct outcome outcome = { .words = "" };
	char *body = xmalloc(MAX_BODY_BYTES);
	struct strbuf words;

	strbuf_init(&outcome.requests, 64u << 20);
	strbuf_init(&words, 4096);
	while (data.len > 0 && !outcome.over) {
		size_t n;

		/* As the session does, one empty line before a request (RFC 9112 2.2). */
		if (str_starts_with(data, STR("\r\n")))
			data = (struct str){ data.p + 2, data.len - 2 };
		n = data.len > 0 ? read_one(data, body, &outcome) : 0;
		if (n == 0)
			break;
		data = (struct str){ data.p + n, data.len - n };
	}
	strbuf_put_json(&words, str_of(outcome.words));
	printf("{\"requests\":[%.*s],\"status\":%d,\"words\":%.*s,\"more\":%s}\n",
	       STR_ARG(strbuf_str(&outcome.requests)), outcome.status, STR_ARG(strbuf_str(&words)),
	       outcome.more ? "true" : "false");
	strbuf_fini(&outcome.requests);
	strbuf_fini(&words);
	free(body);
}

int main(void)
{
	unsigned char length[4];

	while (fread(length, 1, sizeof(length), stdin) == sizeof(length)) {
		size_t n = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16 |
			   (size_t)length[3] << 24;
		char *data = xmalloc(n + 1);

		if (fread(data, 1, n, stdin) != n)
			return 1;
		read_all((struct str){ data, n });
		free(data);
	}
	return 0;
}
