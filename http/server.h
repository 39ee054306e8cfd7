/* HTTP server: the front door. One per worker thread, on that thread's loop.
 *
 * Owns listeners (SO_REUSEPORT), connections, TLS, protocol parsing, time limits and caps; knows
 * nothing of events. A handler is called when a request's head is in (it may refuse before the
 * body), and again when the body is whole; it answers now or later, on the same thread. Answers
 * of one loop turn leave in one write. HTTP/1.1 and HTTP/2 (by ALPN, or by prior knowledge on
 * plain addresses) look the same to it. Standards: RFC 9110, 9112, 9113.
 * Thread: the loop's.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct http_request;
struct http_server;
struct http_shared;
struct http_tunnel;
struct loop;
struct tls_slot;

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER
};

struct http_header {
	struct str name;  /* as sent; compare with str_eq_nocase */
	struct str value; /* trimmed */
};

struct http_handler {
	/* The head is in, the body is not. Answer with http_respond() to refuse (the engine then
	 * drains or closes), or return having done nothing to go on. Views are good until the
	 * return: a large body moves the head, and a peer may leave without on_request(). NULL is
	 * allowed. */
	void (*on_head)(struct http_request *request, void *ctx);
	/* The whole request is in. Must be answered exactly once, now or later. */
	void (*on_request)(struct http_request *request, void *ctx);
	/* http_respond() was called for it: the last look at it. NULL is allowed. */
	void (*on_answer)(struct http_request *request, int status, void *ctx);
	void *ctx;
};

struct http_limits {
	size_t max_connections;          /* of this door, all workers */
	size_t max_connections_per_peer; /* per address */
	size_t max_head_bytes;
	size_t max_headers;
	size_t max_body_bytes;       /* larger: 413 */
	size_t max_body_bytes_total; /* held by all requests of this door: 503 */
	size_t max_pipelined;        /* requests of one HTTP/1 connection not yet answered */
	size_t max_output_bytes;     /* answers one connection has not taken: reading stops */
	int64_t handshake_us, head_us, body_us, idle_us, write_us; /* time limit of each phase */
};

extern const struct http_limits http_default_limits;

/* What the workers of one door share: counts of connections and bytes against the caps. `door` is a
 * metric label: a literal. */
struct http_shared *http_shared_new(const struct http_limits *limits, const char *door);
void http_shared_free(struct http_shared *shared);

/* An address as configured: "127.0.0.1:8443", "[::]:8443", ":8443". */
struct http_address {
	struct str text;
	struct tls_slot *tls; /* NULL: plain */
};

/* Check that `address` can be bound by nobody else's leave: a second process on the same port
 * would silently share it through SO_REUSEPORT. -EADDRINUSE and others come with words that name
 * the address and `key` to change. "[::]" falls back to 0.0.0.0 where there is no IPv6. A port of
 * 0 is refused. */
int http_address_probe(struct str address, const char *key, struct err *err);

int http_server_new(struct loop *loop, struct http_shared *shared,
		    const struct http_handler *handler, struct http_server **out, struct err *err);
int http_server_listen(struct http_server *server, const struct http_address *address,
		       struct err *err);
void http_server_stop_accepting(struct http_server *server);
/* Close idle connections; those with a request under way close after their answer. */
void http_server_drain(struct http_server *server);
/* No request under way, nothing to write; connections taken over do not count. */
bool http_server_is_idle(const struct http_server *server);
/* Closes what is left; requests not answered are void. The loop must not turn again after it. NULL
 * is allowed. */
void http_server_free(struct http_server *server);

/* --- a request, valid until it is answered --- */
enum http_method http_request_method(const struct http_request *request);
struct str http_request_method_text(const struct http_request *request);
struct str http_request_path(const struct http_request *request);  /* raw, before '?' */
struct str http_request_query(const struct http_request *request); /* raw, after '?'; empty */
struct str http_request_body(const struct http_request *request);
/* Address text, no port; IPv4-mapped as IPv4. */
struct str http_request_peer(const struct http_request *request);
struct str http_request_protocol(const struct http_request *request); /* "http/1.1", "h2" */
/* The verified certificate that the client of this connection showed; false, and nothing in `out`,
 * when there is none.
 * Worked out anew at each call. */
#define HTTP_CERTIFICATE_MAX_NAMES 8
struct http_certificate {
	char sha256[65]; /* of the DER form, lower-case hex */
	size_t n_names;  /* the subject's common name, then the DNS names; others are left out */
	char names[HTTP_CERTIFICATE_MAX_NAMES][256]; /* as written */
};
bool http_request_certificate(const struct http_request *request, struct http_certificate *out);
/* The peer left: the answer goes nowhere, but is still owed. */
bool http_request_is_gone(const struct http_request *request);
/* Monotonic: the turn in which the body was whole. */
int64_t http_request_received_us(const struct http_request *request);
/* Value of the first header `name`; p NULL when absent. */
struct str http_request_header(const struct http_request *request, const char *name);
size_t http_request_n_headers(const struct http_request *request);
const struct http_header *http_request_header_at(const struct http_request *request, size_t i);
/* For on_head: this request takes less than http_limits.max_body_bytes; more is refused as that is.
 * False when its Content-Length says more already: the handler answers. */
bool http_request_limit_body(struct http_request *request, size_t max_bytes);
void http_request_set_user(struct http_request *request, void *user); /* the handler's own */
void *http_request_user(const struct http_request *request);

/* Answer and give the request back. `headers` besides Content-Length, Date and Connection, which
 * the engine writes; names and values are checked for CR and LF. The body is copied. HEAD: the
 * length without the body. */
void http_respond(struct http_request *request, int status, const struct http_header *headers,
		  size_t n_headers, struct str body);

/* --- an answer of no known length, said as the peer takes it --- */
/* There is room again for one that was told that there is none, or the peer left
 * (http_request_is_gone()). Called at the end of a turn, once for each time; may end the answer. */
typedef void http_room_fn(struct http_request *request, void *ctx);
/* Begin it: HTTP/1.1 sends chunks, HTTP/2 frames as its windows allow, HTTP/1.0 closes at the end;
 * HEAD gets the head. The request is the caller's until http_stream_end(). Each of these two is
 * true when there is room for more: what a caller writes without is kept, but nothing bounds it but
 * the caller. `bytes` are copied; of a peer that left they go nowhere. A peer that takes nothing
 * for http_limits.write_us is cut off. */
bool http_stream_begin(struct http_request *request, int status, const struct http_header *headers,
		       size_t n_headers, http_room_fn *on_room, void *ctx);
bool http_stream_write(struct http_request *request, struct str bytes);
/* There is room and nothing to say: `on_room` is called when the peer leaves before the next write. */
void http_stream_rest(struct http_request *request);
/* The last of it; gives the request back. `whole` false: the peer is made to see that there was
 * more (the connection or the stream breaks off). */
void http_stream_end(struct http_request *request, bool whole);

/* Take the connection over after an Upgrade request (RFC 9110 7.8), writing no answer: *fd_out is a
 * descriptor that speaks plain bytes, the socket itself or, with *tunnel_out, the inner end of that
 * tunnel, which the caller runs; both are the caller's. *early_out holds what the peer sent behind
 * the request, new in a strbuf the caller finis. The request is given back. The connection counts
 * against the caps until http_takeover_closed(). On failure nothing is taken. */
int http_request_take_over(struct http_request *request, int *fd_out,
			   struct http_tunnel **tunnel_out, struct strbuf *early_out,
			   struct err *err);
/* What http_request_take_over() gave out was closed: stop counting it. `peer` is what
 * http_request_peer() said. Any thread. */
void http_takeover_closed(struct http_shared *shared, struct str peer);

/* --- helpers for handlers --- */
/* A Redfish error of one sentence, "Base.1.22.GeneralError", as the engine's own refusals are. */
void http_error_body(struct strbuf *out, const char *message);
const char *http_status_text(int status);
/* Percent-decode `s` into `out`; false on a bad escape or NUL. '+' stays '+'. */
bool http_percent_decode(struct str s, struct strbuf *out);
/* The raw value of `name` in a query string ("$top=5&x=y"); names compared after decoding. */
bool http_query_get(struct str query, const char *name, struct str *value_out);

#endif
