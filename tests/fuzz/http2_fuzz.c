/* HTTP/2 and what stands around it: a connection is fed frames in two pieces, its handler answers
 * now or later, the peer leaves early or late; whatever comes, every request is answered once, no
 * body passes its cap, and nothing of the connection stays.
 *
 * First byte: bit 0 no preface is put in front, bit 1 answers come late, bit 2 the peer reads
 * nothing, bit 3 it leaves before the late answers. Second: where the bytes are cut in two. */
#include "fuzz.h"

#include <signal.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "http/connection_priv.h"

#define MAX_HELD  64
#define MAX_BODY  4096
#define MAX_TURNS 200

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static struct loop *loop;
static struct http_shared *shared;
static struct http_server *server;
static struct http_request *held[MAX_HELD];
static size_t n_held;
static bool late;

static void respond(struct http_request *request)
{
	static const struct http_header header = { { "X-Test", 6 }, { "yes", 3 } };
	struct str path = http_request_path(request), body = http_request_body(request);

	http_respond(request, str_eq(path, STR("/none")) ? 204 : 200, &header, 1, body);
}

static void on_head(struct http_request *request, void *ctx)
{
	(void)ctx;
	if (str_eq(http_request_path(request), STR("/refuse")))
		http_respond(request, 401, NULL, 0, STR("no"));
}

static void on_request(struct http_request *request, void *ctx)
{
	(void)ctx;
	CHECK(http_request_path(request).len > 0 && http_request_body(request).len <= MAX_BODY);
	for (size_t i = 0; i < http_request_n_headers(request); i++)
		CHECK(http_request_header_at(request, i)->name.len > 0);
	if (late && n_held < MAX_HELD)
		held[n_held++] = request;
	else
		respond(request);
}

static void answer_held(void)
{
	while (n_held > 0)
		respond(held[--n_held]);
}

static void open_server(void)
{
	const struct http_handler handler = { .on_head = on_head, .on_request = on_request };
	struct http_limits limits = http_default_limits;
	struct err err;

	signal(SIGPIPE, SIG_IGN);
	log_set(LOG_ERROR, LOG_LOGFMT);
	limits.max_body_bytes = MAX_BODY;
	limits.max_body_bytes_total = 3 * MAX_BODY;
	limits.max_head_bytes = 4096;
	limits.max_headers = 16;
	limits.max_output_bytes = 16384;
	CHECK(loop_new(&loop, &err) == 0);
	shared = http_shared_new(&limits, "fuzz");
	CHECK(http_server_new(loop, shared, &handler, &server, &err) == 0);
}

static void turn(int n, int drain_fd)
{
	char dropped[65536];

	for (int i = 0; i < n; i++) {
		loop_turn(loop, 0);
		while (drain_fd >= 0 && recv(drain_fd, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
			;
	}
}

static void feed(int fd, const uint8_t *data, size_t size)
{
	/* A door that has closed takes no more. */
	(void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	turn(3, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peer_key key = { { 1 } };
	uint8_t flags;
	size_t cut;
	int pair[2];

	if (!server)
		open_server();
	if (size < 2)
		return 0;
	flags = data[0];
	cut = data[1] * (size - 2) / 256;
	data += 2;
	size -= 2;
	late = flags & 2;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(shared_admit(shared, &key) == SHARED_ADMITTED);
	connection_new(server, pair[0], &key, "::1", NULL);
	if (!(flags & 1))
		feed(pair[1], (const uint8_t *)preface, sizeof(preface) - 1);
	feed(pair[1], data, cut);
	feed(pair[1], data + cut, size - cut);
	turn(2, flags & 4 ? -1 : pair[1]);
	if (flags & 8)
		close(pair[1]);
	else
		shutdown(pair[1], SHUT_WR);
	turn(3, -1);
	answer_held();
	turn(3, flags & 12 ? -1 : pair[1]);
	if (!(flags & 8))
		close(pair[1]);
	for (int i = 0; i < MAX_TURNS && metric_read(METRIC_HTTP_CONNECTIONS, "fuzz") > 0; i++)
		turn(1, -1);
	CHECK(metric_read(METRIC_HTTP_CONNECTIONS, "fuzz") <= 0);
	CHECK(shared_charge(shared, 3 * MAX_BODY)); /* nothing is still counted */
	shared_discharge(shared, 3 * MAX_BODY);
	return 0;
}
