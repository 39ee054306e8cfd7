#include "http/http1.h"

#include <string.h>

#include "base/mem.h"
#include "http/limits.h"

#define FAIL(status, text)                                                                         \
	do {                                                                                       \
		*words_out = (text);                                                               \
		return (status);                                                                   \
	} while (0)

/* What a byte may be part of. */
enum { TOKEN = 1, TARGET = 2, VALUE = 4 };

/* RFC 9110 5.6.2 (token) and 5.5 (field value, with obs-text); a target is visible ASCII. */
static const uint8_t byte_class[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TOKEN | TARGET | VALUE,
	['"'] = TARGET | VALUE,
	['#' ... '\''] = TOKEN | TARGET | VALUE,
	['('] = TARGET | VALUE,
	[')'] = TARGET | VALUE,
	['*'] = TOKEN | TARGET | VALUE,
	['+'] = TOKEN | TARGET | VALUE,
	[','] = TARGET | VALUE,
	['-'] = TOKEN | TARGET | VALUE,
	['.'] = TOKEN | TARGET | VALUE,
	['/'] = TARGET | VALUE,
	['0' ... '9'] = TOKEN | TARGET | VALUE,
	[':' ... '@'] = TARGET | VALUE,
	['A' ... 'Z'] = TOKEN | TARGET | VALUE,
	['[' ... ']'] = TARGET | VALUE,
	['^' ... 'z'] = TOKEN | TARGET | VALUE,
	['{'] = TARGET | VALUE,
	['|'] = TOKEN | TARGET | VALUE,
	['}'] = TARGET | VALUE,
	['~'] = TOKEN | TARGET | VALUE,
	[0x80 ... 0xff] = VALUE,
};

/* Length of the run of bytes of `class` at the start of `s`. */
static size_t span(struct str s, uint8_t class)
{
	size_t i = 0;

	while (i < s.len && (byte_class[(unsigned char)s.p[i]] & class))
		i++;
	return i;
}

static struct str from(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.len - at };
}

static struct str trim_blanks(struct str s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = from(s, 1);
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

long http1_find_head(struct http1_scan *scan, struct str data, size_t max_bytes)
{
	size_t len = data.len < max_bytes ? data.len : max_bytes;

	while (scan->at < len) {
		const char *lf = memchr(data.p + scan->at, '\n', len - scan->at);
		size_t lf_at = lf ? (size_t)(lf - data.p) : len;

		scan->at = lf_at;
		if (!lf)
			break;
		if (lf_at == scan->line_at || data.p[lf_at - 1] != '\r')
			return -400;
		scan->at = lf_at + 1;
		if (lf_at == scan->line_at + 1)
			return (long)scan->at;
		scan->line_at = lf_at + 1;
		scan->n_lines++;
	}
	if (data.len < max_bytes)
		return 0;
	return scan->n_lines == 0 ? -414 : -431;
}

enum http_method http1_method_of(struct str text)
{
	static const struct {
		struct str text;
		enum http_method method;
	} methods[] = {
		{ { "POST", 4 }, HTTP_POST },       { { "GET", 3 }, HTTP_GET },
		{ { "HEAD", 4 }, HTTP_HEAD },       { { "PUT", 3 }, HTTP_PUT },
		{ { "PATCH", 5 }, HTTP_PATCH },     { { "DELETE", 6 }, HTTP_DELETE },
		{ { "OPTIONS", 7 }, HTTP_OPTIONS },
	};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(text, methods[i].text))
			return methods[i].method;
	return HTTP_OTHER;
}

/* Absolute-form: what follows "http://authority". False when it is not that. */
static bool reduce_absolute(struct str *target)
{
	static const struct str schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = schemes[i].len, end;

		if (target->len <= n || !str_eq_nocase((struct str){ target->p, n }, schemes[i]))
			continue;
		for (end = n; end < target->len; end++)
			if (target->p[end] == '/' || target->p[end] == '?')
				break;
		if (end == n)
			return false;
		*target = from(*target, end);
		return true;
	}
	return false;
}

int http1_parse_target(struct str target, struct http1_head *out, const char **words_out)
{
	size_t mark;

	if (target.len == 0 || span(target, TARGET) < target.len)
		FAIL(400, "The request has no target, or one with bytes it may not have.");
	if (str_eq(target, STR("*"))) {
		if (out->method != HTTP_OPTIONS)
			FAIL(400, "Only OPTIONS may have '*' for a target.");
	} else if (target.p[0] != '/' && !reduce_absolute(&target)) {
		FAIL(400, "The request target is not a path.");
	}
	if (str_find_char(target, '#') < target.len)
		FAIL(400, "The request target holds a fragment.");
	mark = str_find_char(target, '?');
	/* "http://host" and "http://host?x" have the path "/". */
	out->path = mark == 0 ? STR("/") : (struct str){ target.p, mark };
	out->query = mark < target.len ? from(target, mark + 1) : STR("");
	return 0;
}

/* "HTTP/" DIGIT "." DIGIT */
static int parse_version(struct str text, struct http1_head *out, const char **words_out)
{
	if (text.len != 8 || memcmp(text.p, "HTTP/", 5) != 0 || text.p[6] != '.' ||
	    text.p[5] < '0' || text.p[5] > '9' || text.p[7] < '0' || text.p[7] > '9')
		FAIL(400, "The request line does not end in an HTTP version.");
	if (text.p[5] != '1')
		FAIL(505, "This HTTP version is not spoken here; HTTP/1.1 is.");
	out->minor = text.p[7] == '0' ? 0 : 1;
	return 0;
}

static int parse_request_line(struct str line, struct http1_head *out, const char **words_out)
{
	size_t n = span(line, TOKEN);
	struct str target;
	int status;

	if (n == 0 || n == line.len || line.p[n] != ' ')
		FAIL(400, "The request line has no method.");
	out->method_text = (struct str){ line.p, n };
	out->method = http1_method_of(out->method_text);
	line = from(line, n + 1);
	n = span(line, TARGET);
	if (n == 0 || n == line.len || line.p[n] != ' ')
		FAIL(400, "The request line has no target, or one with bytes it may not have.");
	target = (struct str){ line.p, n };
	status = parse_version(from(line, n + 1), out, words_out);
	return status ? status : http1_parse_target(target, out, words_out);
}

/* What of the headers frames the message, gathered line by line. */
struct framing {
	size_t n_hosts;
	bool has_length, has_encoding;
	bool close, keep_alive, upgrade; /* asked for in Connection */
};

static void take_connection(struct framing *framing, struct str value)
{
	while (value.len > 0) {
		size_t comma = str_find_char(value, ',');
		struct str option = trim_blanks((struct str){ value.p, comma });

		if (str_eq_nocase(option, STR("close")))
			framing->close = true;
		else if (str_eq_nocase(option, STR("keep-alive")))
			framing->keep_alive = true;
		else if (str_eq_nocase(option, STR("upgrade")))
			framing->upgrade = true;
		value = from(value, comma < value.len ? comma + 1 : comma);
	}
}

static int take_length(struct framing *framing, struct str value, struct http1_head *out,
		       const char **words_out)
{
	if (framing->has_length || !str_to_u64(value, &out->content_length))
		FAIL(400, "Content-Length is given twice or is not a number.");
	framing->has_length = true;
	return 0;
}

static int take_encoding(struct framing *framing, struct str value, struct http1_head *out,
			 const char **words_out)
{
	if (framing->has_encoding || !str_eq_nocase(value, STR("chunked")))
		FAIL(501, "Of the transfer encodings only 'chunked' is known here.");
	framing->has_encoding = true;
	out->chunked = true;
	return 0;
}

bool http1_host_is_fine(struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == ' ' || c == '\t' || c == ',' || c == '/' || c == '@')
			return false;
	}
	return true;
}

static int take_header(struct framing *framing, const struct http_header *header,
		       struct http1_head *out, const char **words_out)
{
	switch (header->name.len) {
	case 4:
		if (!str_eq_nocase(header->name, STR("Host")))
			break;
		if (framing->n_hosts++ > 0 || !http1_host_is_fine(header->value))
			FAIL(400, "Host is given twice or is not a host.");
		break;
	case 6:
		if (!str_eq_nocase(header->name, STR("Expect")))
			break;
		if (!str_eq_nocase(header->value, STR("100-continue")))
			FAIL(417, "Of the expectations only '100-continue' can be met.");
		out->expect_continue = true;
		break;
	case 10:
		if (str_eq_nocase(header->name, STR("Connection")))
			take_connection(framing, header->value);
		break;
	case 14:
		if (str_eq_nocase(header->name, STR("Content-Length")))
			return take_length(framing, header->value, out, words_out);
		break;
	case 17:
		if (str_eq_nocase(header->name, STR("Transfer-Encoding")))
			return take_encoding(framing, header->value, out, words_out);
		break;
	default: break;
	}
	return 0;
}

static int check_framing(const struct framing *framing, struct http1_head *out,
			 const char **words_out)
{
	if (framing->has_length && framing->has_encoding)
		FAIL(400, "Content-Length and Transfer-Encoding exclude each other.");
	if (framing->has_encoding && out->minor == 0)
		FAIL(400, "HTTP/1.0 has no Transfer-Encoding.");
	if (framing->n_hosts == 0 && out->minor > 0)
		FAIL(400, "Host is missing.");
	out->keep_alive = !framing->close && (out->minor > 0 || framing->keep_alive);
	out->upgrade = framing->upgrade && out->minor > 0;
	/* RFC 9110 10.1.1: an expectation of HTTP/1.0 is ignored. */
	if (out->minor == 0)
		out->expect_continue = false;
	return 0;
}

static int parse_header(struct str line, struct http_header *header, const char **words_out)
{
	size_t n = span(line, TOKEN);

	/* Also refuses folded lines, which begin with a blank, and a blank before the colon. */
	if (n == 0 || n == line.len || line.p[n] != ':')
		FAIL(400, "A header line is folded or does not begin with a name and a colon.");
	header->name = (struct str){ line.p, n };
	line = from(line, n + 1);
	if (span(line, VALUE) < line.len)
		FAIL(400, "A header's value holds a control character.");
	header->value = trim_blanks(line);
	return 0;
}

/* The next line of a head found by http1_find_head(): every LF follows a CR. */
static struct str next_line(struct str *rest)
{
	const char *lf = memchr(rest->p, '\n', rest->len);
	struct str line = { rest->p, (size_t)(lf - rest->p) - 1 };

	*rest = from(*rest, line.len + 2);
	return line;
}

int http1_parse_head(struct str head, struct http_header *headers, size_t max_headers,
		     struct http1_head *out, const char **words_out)
{
	struct framing framing = { 0 };
	int status;

	*out = (struct http1_head){ .headers = headers };
	status = parse_request_line(next_line(&head), out, words_out);
	while (status == 0 && head.len > 2) {
		struct http_header *header = &headers[out->n_headers];

		if (out->n_headers == max_headers)
			FAIL(431, "The request has too many headers.");
		status = parse_header(next_line(&head), header, words_out);
		if (status == 0)
			status = take_header(&framing, header, out, words_out);
		out->n_headers++;
	}
	return status ? status : check_framing(&framing, out, words_out);
}

/* --- chunks ------------------------------------------------------------------------------------
 */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void begin_line(struct http1_chunks *chunks, enum http1_chunk_state state)
{
	chunks->state = state;
	chunks->n_line = 0;
	chunks->n_digits = 0;
	chunks->cr = false;
	chunks->line_is_empty = true;
}

static int chunk_size_byte(struct http1_chunks *chunks, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		/* 15 digits cannot overflow; no honest chunk has more. */
		if (++chunks->n_digits > 15)
			return -400;
		chunks->left = chunks->left * 16 + (uint64_t)digit;
		return 0;
	}
	if (chunks->n_digits == 0)
		return -400;
	if (c == '\r')
		chunks->state = HTTP1_CHUNK_SIZE_LF;
	else if (c == ';')
		chunks->state = HTTP1_CHUNK_EXTENSION;
	else
		return -400;
	return 0;
}

static int chunk_extension_byte(struct http1_chunks *chunks, char c)
{
	if (c == '\r')
		chunks->state = HTTP1_CHUNK_SIZE_LF;
	else if (!(byte_class[(unsigned char)c] & VALUE))
		return -400;
	return 0;
}

static int chunk_size_end(struct http1_chunks *chunks, char c, uint64_t max_bytes)
{
	if (c != '\n')
		return -400;
	if (chunks->left > max_bytes - chunks->total)
		return -413;
	begin_line(chunks, chunks->left > 0 ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_TRAILER);
	return 0;
}

/* Trailer fields are read and dropped (RFC 9112 7.1.2 allows it). */
static int trailer_byte(struct http1_chunks *chunks, char c)
{
	if (chunks->cr) {
		if (c != '\n')
			return -400;
		chunks->cr = false;
		if (chunks->line_is_empty)
			chunks->state = HTTP1_CHUNK_DONE;
		chunks->line_is_empty = true;
	} else if (c == '\r') {
		chunks->cr = true;
	} else if (byte_class[(unsigned char)c] & VALUE) {
		chunks->line_is_empty = false;
	} else {
		return -400;
	}
	return 0;
}

static int chunk_byte(struct http1_chunks *chunks, char c, uint64_t max_bytes)
{
	bool in_trailer = chunks->state == HTTP1_CHUNK_TRAILER;

	if (++chunks->n_line > (in_trailer ? HTTP_MAX_TRAILER_BYTES : HTTP_MAX_CHUNK_LINE))
		return in_trailer ? -431 : -400;
	switch (chunks->state) {
	case HTTP1_CHUNK_SIZE: return chunk_size_byte(chunks, c);
	case HTTP1_CHUNK_EXTENSION: return chunk_extension_byte(chunks, c);
	case HTTP1_CHUNK_SIZE_LF: return chunk_size_end(chunks, c, max_bytes);
	case HTTP1_CHUNK_DATA_CR: chunks->state = HTTP1_CHUNK_DATA_LF; return c == '\r' ? 0 : -400;
	case HTTP1_CHUNK_DATA_LF: begin_line(chunks, HTTP1_CHUNK_SIZE); return c == '\n' ? 0 : -400;
	case HTTP1_CHUNK_TRAILER: return trailer_byte(chunks, c);
	default: return -400;
	}
}

static size_t move_data(struct http1_chunks *chunks, struct str from_data, char *to)
{
	size_t n = chunks->left < from_data.len ? (size_t)chunks->left : from_data.len;

	if (to != from_data.p)
		memmove(to, from_data.p, n);
	chunks->left -= n;
	chunks->total += n;
	if (chunks->left == 0)
		begin_line(chunks, HTTP1_CHUNK_DATA_CR);
	return n;
}

int http1_decode_chunks(struct http1_chunks *chunks, struct str from_data, char *to,
			uint64_t max_bytes, size_t *n_consumed_out, size_t *n_decoded_out)
{
	size_t at = 0, n_decoded = 0;
	int r = 0;

	while (r == 0 && at < from_data.len && chunks->state != HTTP1_CHUNK_DONE) {
		if (chunks->state == HTTP1_CHUNK_DATA) {
			size_t n = move_data(chunks, from(from_data, at), to + n_decoded);

			at += n;
			n_decoded += n;
		} else {
			r = chunk_byte(chunks, from_data.p[at++], max_bytes);
		}
	}
	*n_consumed_out = at;
	*n_decoded_out = n_decoded;
	return r < 0 ? r : chunks->state == HTTP1_CHUNK_DONE;
}
