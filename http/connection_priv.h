/* Inside of the front door: a worker's server, its connections, their requests.
 *
 * Bytes move in connection.c, meaning is given to them by a protocol behind struct protocol_ops
 * (HTTP/1 or HTTP/2), answers come back through request.c. What a connection is owed at the end of
 * a turn (a write, going on with paused input, a timer, its end) is done once, in server.c. Thread:
 * the loop's.
 */
#ifndef HTTP_CONNECTION_PRIV_H
#define HTTP_CONNECTION_PRIV_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/str.h"
#include "http/http1.h"
#include "http/limits.h"
#include "http/server.h"
#include "http/shared_priv.h"
#include "http/wire_priv.h"

struct connection;
struct http2_session;
struct http2_stream;

/* Input, shared by a connection and those of its requests that have views into it. Bytes that a
 * request can see are never moved while it holds the block. */
struct block {
	size_t n_refs;
	size_t size;
	struct block *next; /* among the spare ones */
	char data[];
};

struct block *block_new(struct http_server *server, size_t size); /* at least; one reference */
struct block *block_ref(struct block *block);
void block_unref(struct http_server *server, struct block *block); /* NULL is allowed */

struct http_request {
	struct connection *connection;
	struct http_request *next; /* the connection's next, or the next spare one */
	struct http_request *prev;
	struct block *block;
	struct http1_head head;
	struct str body;
	int64_t received_us;
	size_t charged; /* bytes counted against max_body_bytes_total */
	size_t max_body_bytes;
	void *user;
	bool answered, close;
	struct strbuf answer; /* waiting for the answers before it */
	/* An answer under way: NULL: none. */
	http_room_fn *on_room;
	void *room_ctx;
	bool wants_room; /* its writer waits */
	bool rests;      /* it has nothing to say */
	/* HTTP/2: its stream, NULL once that is gone; what head and body look into. */
	struct http2_stream *stream;
	struct strbuf head_bytes, body_bytes;
	struct http_header headers[]; /* max_headers of them */
};

/* What is waited for, each with its time limit. */
enum connection_phase {
	PHASE_NONE,
	PHASE_HANDSHAKE,
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_HANDLER, /* no limit: the answer is ours to give */
	PHASE_WRITE,
	PHASE_WINDOW, /* as WRITE: answers wait for the peer's flow control */
	PHASE_IDLE,
	PHASE_LINGER,
};

/* A protocol on a connection. */
struct protocol_ops {
	const char *name;
	/* Bytes came in, or the reason for a pause went. */
	void (*on_input)(struct connection *connection);
	/* The handler answered: write it, or keep it until it may be written. */
	void (*answer)(struct http_request *request, int status, const struct http_header *headers,
		       size_t n_headers, struct str body);
	/* An answer of no known length: its head, more of it, its end. */
	void (*begin)(struct http_request *request, int status, const struct http_header *headers,
		      size_t n_headers);
	void (*write)(struct http_request *request, struct str bytes);
	void (*end)(struct http_request *request, bool whole);
	/* Whether more of it would be sent soon. */
	bool (*has_room)(const struct http_request *request);
	/* Whether input waits until answers have left. */
	bool (*must_pause)(const struct connection *connection);
	/* The turn ends: put into the output what may be said now, and set more_output when the
	 * output had no room for all of it. NULL: answers go there by themselves. */
	void (*fill)(struct connection *connection);
	/* The server drains: say so to the peer. NULL: there is no way to. */
	void (*on_drain)(struct connection *connection);
	/* Unconsumed input moved from `from` to `to`. */
	void (*on_moved)(struct connection *connection, const char *from, const char *to);
	/* What the peer is waited for; asked while there is nothing to write. */
	enum connection_phase (*phase)(const struct connection *connection);
	/* A time limit passed: say so to the peer if it still makes sense, and end. */
	void (*on_time_out)(struct connection *connection);
	/* The connection ends: give back what was not handed to the handler. */
	void (*fini)(struct connection *connection);
};

extern const struct protocol_ops http1_ops, http2_ops;
/* A plain connection at its first bytes: they tell HTTP/1 from HTTP/2. */
extern const struct protocol_ops preface_ops;

enum http1_stage { HTTP1_HEAD, HTTP1_BODY_LENGTH, HTTP1_BODY_CHUNKED, HTTP1_OVER };

struct http1_session {
	enum http1_stage stage;
	struct http1_scan scan;
	struct http_request *reading; /* head in, body not; NULL while a refused body is dropped */
	/* From the connection's in_at, where the message begins: [body_at, body_at + body_len) is
	 * the body so far, [raw_at, …) are chunks not decoded yet. */
	size_t body_at, body_len, raw_at;
	uint64_t body_left; /* of a refused body with a Content-Length, to be dropped */
	struct http1_chunks chunks;
	size_t n_dropped;
	bool skipped_line;  /* the empty line that may precede a request */
	bool owes_continue; /* 100 Continue, once the answers before it are out */
};

enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_OPEN,
	CONNECTION_LINGER, /* all is said; the peer may still be talking */
	CONNECTION_GONE,   /* closed; kept while the handler owes answers */
};

struct connection {
	struct http_server *server;
	struct connection *next, *prev;  /* of the server */
	struct connection *next_touched; /* to be settled at the end of the turn */
	struct connection *next_again;   /* to be read from in the next turn */
	struct connection *next_handshake;
	struct loop_fd watch;
	struct loop_timer timer;
	enum connection_state state;
	enum connection_phase phase;
	struct wire wire;
	const struct protocol_ops *protocol;
	struct http1_session http1;
	struct http2_session *http2; /* NULL: not HTTP/2 */

	/* Input: block->data[in_at, in_end) is not consumed yet. No block while there is none. */
	struct block *block;
	size_t in_at, in_end;

	/* Output: out.p[out_sent, out.len) is not taken by the peer yet. */
	struct strbuf out;
	size_t out_sent;
	size_t n_held; /* bytes of answers waiting for those before them */

	struct http_request *first, *last; /* with the handler, in the order they came */
	size_t n_requests;
	size_t n_lingered;

	bool touched;
	bool paused;       /* input waits for answers to go out */
	bool more_output;  /* the protocol has more to say than the output held */
	bool stop_reading; /* EPOLLIN came while paused: not watched for now */
	bool shaking;      /* in the server's list of handshakes with work to do */
	bool again;        /* more is at hand than one turn's share: in the server's list */
	bool blocked;      /* the socket takes no more; EPOLLOUT is watched */
	bool eof;          /* the peer will say no more */
	bool closing;      /* nothing more is read; closed once all is answered and written */
	bool linger;       /* … but not before the peer had time to read */
	bool served;       /* had a request: the next one may take its time */
	bool rearm;        /* the phase began anew */

	struct peer_key peer_key;
	char peer[INET6_ADDRSTRLEN];
};

/* --- connection.c --- */
/* Takes `fd`, which is counted for `key` already. `tls` NULL: plain. */
void connection_new(struct http_server *server, int fd, const struct peer_key *key,
		    const char *peer, SSL_CTX *tls);
/* Read once, or for as long as the turn's budget lasts, and hand on what came. */
void connection_read(struct connection *connection);
/* Write what is there. 0, -EAGAIN, or another negative errno. */
int connection_flush(struct connection *connection);
struct strbuf *connection_out(struct connection *connection); /* with memory */
size_t connection_n_unsent(const struct connection *connection);
void connection_touch(struct connection *connection); /* settle it at the end of the turn */
void connection_watch(struct connection *connection); /* make epoll agree with the flags */
/* What the turn left to do: called until nothing is touched. */
void connection_settle(struct connection *connection);
/* Say nothing more to it; it goes away once the handler owes it nothing. */
void connection_close(struct connection *connection);
/* Forget the wire without closing it (a take-over); returns it. */
struct wire connection_detach(struct connection *connection);
/* Give back the requests at the front that are answered, writing the answers they hold. */
void connection_advance(struct connection *connection);
void connection_free(struct connection *connection);
bool connection_is_busy(
	const struct connection *connection);             /* a request under way or unsent bytes */
void connection_again(struct connection *connection);     /* called from the server's list */
void connection_handshake(struct connection *connection); /* likewise */

/* --- request.c --- */
struct http_request *request_new(struct connection *connection); /* not yet in the queue */
void request_enqueue(struct http_request *request);
void request_dequeue(struct http_request *request);
/* Answer with a Redfish error of our own, as what a peer that broke a rule or a cap is told. */
void request_refuse(struct http_request *request, int status, const char *words);
/* Give back the memory; the request is in no queue. */
void request_recycle(struct http_request *request);
/* Views into the `n` bytes at `from` now look to `to`. */
void request_move(struct http_request *request, const char *from, size_t n, const char *to);

/* --- http2.c --- */
/* Speak HTTP/2 from here on: ALPN or the preface said so. */
void http2_begin(struct connection *connection);

/* --- stream.c --- */
/* Tell the writers of answers under way that there is room, or that the peer left. */
void streams_settle(struct connection *connection);

/* --- response.c --- */
void response_write(struct strbuf *out, const struct http_request *request, int status,
		    const struct http_header *headers, size_t n_headers, struct str body,
		    struct str date);
/* The head of an answer whose body comes in chunks, or until the end for HTTP/1.0. */
void response_begin(struct strbuf *out, const struct http_request *request, int status,
		    const struct http_header *headers, size_t n_headers, struct str date);
bool response_has_body(int status);
/* False (and logged) for a header a peer could split: our mistake, it is left out. */
bool response_header_is_safe(const struct http_header *header);

/* --- server.c --- */
const struct http_limits *server_limits(const struct http_server *server);
struct http_shared *server_shared(struct http_server *server);
struct loop *server_loop(struct http_server *server);
const struct http_handler *server_handler(const struct http_server *server);
bool server_is_draining(const struct http_server *server);
struct str server_date(struct http_server *server); /* IMF-fixdate of this second */
void server_link(struct http_server *server, struct connection *connection);
void server_unlink(struct http_server *server, struct connection *connection);
void server_again(struct http_server *server, struct connection *connection);
void server_touch(struct http_server *server, struct connection *connection);
/* Its handshake goes on when its turn comes: a storm of them must not delay requests. */
void server_shake(struct http_server *server, struct connection *connection);
/* Free it once the turn is over. */
void server_bury(struct http_server *server, struct connection *connection);
struct block *server_spare_block(struct http_server *server);            /* or NULL */
bool server_keep_block(struct http_server *server, struct block *block); /* false: not wanted */
struct http_request *server_spare_request(struct http_server *server);
void server_keep_request(struct http_server *server, struct http_request *request);
void server_spare_output(struct http_server *server, struct strbuf *out);
void server_keep_output(struct http_server *server, struct strbuf *out); /* takes its memory */

enum server_report {
	REPORT_FULL,
	REPORT_PEER_FULL,
	REPORT_HANDSHAKE,
	REPORT_ACCEPT,
	REPORT_BAD_REQUEST,
	REPORT_TIME_OUT,
	REPORT_COUNT
};
void server_report(struct http_server *server, enum server_report kind); /* logged on a timer */
/* Likewise; the last one's reason stands for all. `why` is copied. */
void server_report_handshake(struct http_server *server, const char *peer, const char *why);

#endif
