/* Load generator: POSTs Redfish events, no two alike, and keeps the sender's own record.
 *
 * One thread, one epoll. Closed loop (each connection keeps its streams busy) or open loop (evenly
 * spaced, latency counted from the time a request was due, so that a stalled server is charged for
 * those it kept waiting). The window that is measured starts when every connection stands.
 * main.c: options, report. run.c: pacing. connection.c: sockets and TLS. http1.c, http2.c.
 * body.c: the event. measure.c: latencies, CPU, the record.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

#define MAX_WATCHED     64  /* processes whose CPU is read */
#define MAX_STATUS      600 /* answers are counted by status below it */
#define MAX_OPENING     256 /* connections on their way at a time: a listener's backlog is finite */
#define MAX_REPLY_LINE  4096     /* bytes of one header line of an answer */
#define READ_BYTES      65536    /* taken from a socket at once */
#define OPEN_LIMIT_US   30000000 /* for all connections to stand */
#define GRACE_US        10000000 /* for the answers still owed at the end */
#define RETRY_US        20000    /* after a connection failed */
#define ID_CHARS        21       /* run, '-', counter */
#define HISTOGRAM_STEPS 128      /* a power of two: under 1 % of error */

struct options {
	bool tls, h2, tls12, resume;
	char *host, *port; /* new */
	const char *path;
	size_t n_connections, n_streams;
	uint64_t per_connection; /* 0: kept open */
	uint64_t n_requests;     /* 0: by time */
	double seconds, rate;    /* rate 0: closed loop */
	size_t body_bytes;
	size_t n_source_addresses;
	int cpu; /* -1: anywhere */
	const char *record_path;
	int watched[MAX_WATCHED];
	size_t n_watched;
};

/* --- body.c --- */

/* One event, patched in place for each request. */
struct body {
	char *p; /* new */
	size_t len;
	uint32_t run; /* random: two runs share no id */
	size_t id_at[2], time_at, part_at, origin_at;
	int64_t second; /* written at time_at */
};

void body_init(struct body *body, size_t n_bytes);
void body_fini(struct body *body);
/* Make it the event `number`, that happened at `time_us` (UTC). */
void body_patch(struct body *body, uint64_t number, int64_t time_us);
/* Writes ID_CHARS characters. */
void body_id(const struct body *body, uint64_t number, char *out);

/* --- measure.c --- */

int64_t monotonic_us(void);
int64_t utc_us(void);

struct histogram {
	uint64_t counts[(64 - 6) * HISTOGRAM_STEPS];
	uint64_t n;
	int64_t max_us;
};

void histogram_add(struct histogram *histogram, int64_t us);
int64_t histogram_percentile(const struct histogram *histogram, double part);
/* CPU used so far by all threads of `pid`, nanoseconds; -1 when it cannot be read. */
int64_t cpu_of_process_ns(int pid);
int64_t cpu_of_self_us(void);

/* --- connection.c --- */

struct request {
	uint64_t number;
	int64_t due_us; /* monotonic: sent (closed loop) or meant to be sent (open loop) */
};

enum connection_state {
	CONNECTION_DOWN,
	CONNECTION_CONNECTING,
	CONNECTION_HANDSHAKING,
	CONNECTION_OPEN
};

/* What HTTP/1.1 knows of the answer it is in. */
struct reply {
	bool in_body, in_chunks, last_chunk, in_trailer, close;
	int status;          /* 0: the status line is due */
	uint64_t body_bytes; /* still to skip */
	size_t line_len;
	char line[MAX_REPLY_LINE];
};

struct stream {
	struct connection *connection;
	struct stream *next; /* free */
	struct request request;
	size_t offset; /* of the body, sent */
	int status;
};

struct connection {
	struct load *load;
	enum connection_state state;
	int fd;
	size_t index;
	uint32_t events; /* asked of epoll */
	SSL *ssl;
	struct strbuf out; /* not yet taken by the socket; its first `out_at` bytes are gone */
	size_t out_at;
	size_t n_active;   /* requests not answered */
	uint64_t n_issued; /* since it was opened */
	bool closing;      /* takes no more requests */
	bool is_idle;      /* in the list of those that wait for a request */
	int64_t retry_us;
	struct connection *next_idle, *next_to_open;
	/* HTTP/1.1: requests in the order of their answers. */
	struct request *sent;
	size_t sent_at;
	struct reply *reply;
	/* HTTP/2 */
	nghttp2_session *session;
	struct stream *streams, *free_streams;
};

struct protocol {
	void (*open)(struct connection *connection);
	void (*issue)(struct connection *connection, const struct request *request);
	/* Bytes of the peer; negative when they make no sense. */
	int (*feed)(struct connection *connection, const char *p, size_t n);
	/* Put what is due into `out`. */
	int (*flush)(struct connection *connection);
	/* Forget the requests under way; each is reported lost. */
	void (*close)(struct connection *connection);
};

extern const struct protocol http1_protocol, http2_protocol;

void connection_open(struct connection *connection);
void connection_on_event(struct connection *connection, uint32_t events);
/* Issue what may be issued, write what can be written. */
void connection_push(struct connection *connection);
/* `why` NULL: as it should be. The load decides whether it is opened again. */
void connection_close(struct connection *connection, const char *why);

/* --- run.c --- */

struct load {
	const struct options *options;
	const struct protocol *protocol;
	struct body body;
	int64_t utc_offset_us;            /* UTC minus monotonic */
	struct strbuf head, closing_head; /* HTTP/1.1 */
	struct strbuf authority, length;  /* HTTP/2 */
	SSL_CTX *tls;
	SSL_SESSION *session; /* of the newest ticket, with --resume */
	struct sockaddr_storage address;
	socklen_t address_len;
	int epoll_fd, timer_fd;
	struct connection *connections;
	struct connection *first_idle, *last_idle;       /* wait for a request to be due */
	struct connection *first_to_open, *last_to_open; /* wait for their turn to connect */
	size_t n_opening, n_open;
	char *input; /* READ_BYTES */

	bool is_running, is_done; /* requests may be issued; no more will be */
	uint64_t n_wanted;        /* in all; 0: until the time is up */
	int64_t start_us, end_us; /* of the window; the last answer */
	uint64_t n_sent, n_answered, n_lost, n_failures, n_opened;
	uint64_t by_status[MAX_STATUS];
	struct histogram *latency;
	int64_t watched_start_ns, watched_ns;
	int64_t self_start_us, self_us;
	FILE *record;
	char last_error[256]; /* of a connection */
};

int load_init(struct load *load, const struct options *options, struct err *err);
int load_run(struct load *load, struct err *err);
void load_fini(struct load *load);
void load_stop(void); /* no more requests; from a signal */

/* Called by connections. */
bool load_take(struct load *load, struct request *out); /* the next request, if one is due */
void load_on_answer(struct load *load, const struct request *request, int status);
void load_on_lost(struct load *load, const struct request *request);
void load_on_open(struct connection *connection);
void load_on_closed(struct connection *connection, const char *why); /* NULL: as it should */
void load_wait_for_request(struct connection *connection);

#endif
