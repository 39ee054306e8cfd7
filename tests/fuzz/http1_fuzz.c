/* HTTP/1: a head and a chunked body, whole and split at every position, must come out the same. */
#include "fuzz.h"

#include "http/http1.h"

#define MAX_HEAD    512
#define MAX_BODY    400
#define MAX_HEADERS 8

static long find_split(struct str data, size_t at)
{
	struct http1_scan scan = { 0 };
	long r = http1_find_head(&scan, (struct str){ data.p, at }, MAX_HEAD);

	CHECK(scan.at <= at);
	return r != 0 ? r : http1_find_head(&scan, data, MAX_HEAD);
}

static void check_head(struct str head)
{
	struct http_header headers[MAX_HEADERS] = { 0 };
	struct http1_head out;
	const char *words = NULL;
	int status = http1_parse_head(head, headers, MAX_HEADERS, &out, &words);

	CHECK(status == 0 || (words && words[0] && status >= 400 && status < 600));
	if (status != 0)
		return;
	CHECK(out.n_headers <= MAX_HEADERS && out.method_text.len > 0 && out.path.len > 0);
	CHECK(str_eq(out.path, STR("/")) || fuzz_within(out.path, head));
	CHECK(out.query.len == 0 || fuzz_within(out.query, head));
	CHECK(out.path.p[0] == '/' || str_eq(out.path, STR("*")));
	CHECK(out.minor == 1 || (!out.chunked && !out.upgrade && !out.expect_continue));
	CHECK(!out.chunked || out.content_length == 0);
	for (size_t i = 0; i < out.n_headers; i++) {
		struct str name = headers[i].name, value = headers[i].value;

		CHECK(name.len > 0 && fuzz_within(name, head) && fuzz_within(value, head));
		CHECK(str_eq(str_trim(value), value));
		CHECK(!memchr(value.p, '\r', value.len) && !memchr(value.p, '\n', value.len));
	}
}

struct body {
	struct http1_chunks chunks;
	char bytes[8192];
	size_t n_bytes, n_consumed;
	int r;
};

static void decode(struct body *body, struct str data)
{
	size_t n_consumed, n_decoded;

	if (body->r != 0)
		return;
	body->r = http1_decode_chunks(&body->chunks, data, body->bytes + body->n_bytes, MAX_BODY,
				      &n_consumed, &n_decoded);
	CHECK(n_consumed <= data.len && n_decoded <= n_consumed);
	CHECK(body->r != 0 || n_consumed == data.len);
	body->n_bytes += n_decoded;
	body->n_consumed += n_consumed;
	CHECK(body->n_bytes <= MAX_BODY && body->n_bytes == body->chunks.total);
}

static void check_chunks(struct str data)
{
	static struct body whole, split;

	whole = (struct body){ .r = 0 };
	decode(&whole, data);
	for (size_t at = 0; at <= data.len; at++) {
		split.chunks = (struct http1_chunks){ 0 };
		split.n_bytes = split.n_consumed = 0;
		split.r = 0;
		decode(&split, (struct str){ data.p, at });
		decode(&split, (struct str){ data.p + at, data.len - at });
		CHECK(split.r == whole.r && split.n_consumed == whole.n_consumed);
		CHECK(split.n_bytes == whole.n_bytes &&
		      memcmp(split.bytes, whole.bytes, whole.n_bytes) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = fuzz_str(data, size < 4096 ? size : 4096);
	struct http1_scan scan = { 0 };
	long n = http1_find_head(&scan, all, MAX_HEAD);

	for (size_t at = 0; at <= all.len; at++)
		CHECK(find_split(all, at) == n);
	if (n > 0) {
		CHECK((size_t)n <= all.len && n <= MAX_HEAD);
		check_head((struct str){ all.p, (size_t)n });
	}
	/* Without a head the whole is tried as a body. */
	check_chunks(n > 0 ? (struct str){ all.p + n, all.len - (size_t)n } : all);
	return 0;
}
