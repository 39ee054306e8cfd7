/* HTTP/1.1 requests as bytes: finding the head's end, parsing it, decoding chunks.
 *
 * Pure: no I/O, no allocation, no clock. Strict where leniency lets two readers see two requests
 * (RFC 9112, 2.2, 5.1, 6.1, 6.3). Failures are HTTP status codes. Thread: any.
 */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/server.h"

struct http1_head {
	enum http_method method;
	struct str method_text;
	struct str path;  /* before '?'; absolute-form is reduced to its path, "*" stays */
	struct str query; /* after '?' */
	struct http_header *headers; /* the caller's array */
	size_t n_headers;
	uint64_t content_length; /* 0 when absent */
	uint8_t minor;           /* HTTP/1.minor: 0 or 1 (a higher one is spoken to as 1) */
	bool keep_alive;
	bool chunked;
	bool expect_continue;
	bool upgrade; /* what follows may not be HTTP/1.1 */
};

/* How far a head was looked through; zeroed at its first byte. */
struct http1_scan {
	size_t at;      /* bytes looked at */
	size_t line_at; /* where the line under way begins */
	size_t n_lines;
};

/* Look on through `data`, which begins with the head and has grown since the last call.
 * Returns the length of the head with its empty line, 0 when more is needed, or minus an HTTP
 * status: 400 (a bare LF), 414 and 431 (longer than `max_bytes`). */
long http1_find_head(struct http1_scan *scan, struct str data, size_t max_bytes);

/* Parse a whole head, as found above. The views in *out point into `head`; `headers` has room
 * for `max_headers`. Returns 0 or an HTTP status (400, 417, 431, 501, 505), with a few words. */
int http1_parse_head(struct str head, struct http_header *headers, size_t max_headers,
		     struct http1_head *out, const char **words_out);

/* Parts of the above that HTTP/2 has too. The target: 0 or 400, with a few words. */
enum http_method http1_method_of(struct str text);
int http1_parse_target(struct str target, struct http1_head *out, const char **words_out);
bool http1_host_is_fine(struct str value);

enum http1_chunk_state {
	HTTP1_CHUNK_SIZE,
	HTTP1_CHUNK_EXTENSION,
	HTTP1_CHUNK_SIZE_LF,
	HTTP1_CHUNK_DATA,
	HTTP1_CHUNK_DATA_CR,
	HTTP1_CHUNK_DATA_LF,
	HTTP1_CHUNK_TRAILER,
	HTTP1_CHUNK_DONE
};

/* A chunked body being decoded; zeroed at its first byte. */
struct http1_chunks {
	enum http1_chunk_state state;
	uint64_t left;  /* of the chunk under way, as announced */
	uint64_t total; /* bytes decoded */
	size_t n_line;  /* bytes of the line, or of the trailer, under way */
	size_t n_digits;
	bool cr, line_is_empty; /* in the trailer */
};

/* Decode what is in `from` to `to` (which may be the same memory, not after `from`).
 * Returns 1 when the body is whole, 0 when more is needed, or minus an HTTP status: 400, 413
 * (announces more than `max_bytes` in all), 431 (the trailer). */
int http1_decode_chunks(struct http1_chunks *chunks, struct str from, char *to, uint64_t max_bytes,
			size_t *n_consumed_out, size_t *n_decoded_out);

#endif
