/* The HTTP stage alone: http.a on one loop, with a handler that takes the whole body, forgets it
 * and answers 204. Prints "ready" when it listens; ends with its standard input.
 * Usage: http_server PLAIN_ADDRESS TLS_ADDRESS CERTIFICATE KEY
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/server.h"
#include "http/tls.h"

#define MAX_CONNECTIONS 20000

struct stage {
	struct loop *loop;
	struct http_shared *shared;
	struct tls_slot *tls;
	struct http_server *server;
	struct loop_fd input;
};

static void on_request(struct http_request *request, void *ctx)
{
	(void)ctx;
	http_respond(request, http_request_body(request).len > 0 ? 204 : 400, NULL, 0, STR(""));
}

static void on_input(struct loop_fd *watch, uint32_t events)
{
	struct stage *stage = watch->ctx;
	char bytes[64];

	(void)events;
	if (read(watch->fd, bytes, sizeof(bytes)) <= 0)
		loop_stop(stage->loop);
}

static int stage_open(struct stage *stage, char **args, struct err *err)
{
	const struct tls_certificate certificate = { .certificate = args[2], .key = args[3] };
	const struct tls_config tls = { .certificates = &certificate, .n_certificates = 1 };
	const struct http_handler handler = { .on_request = on_request };
	struct http_limits limits = http_default_limits;
	struct http_address plain = { .text = str_of(args[0]) };
	struct http_address secure = { .text = str_of(args[1]) };
	int r = loop_new(&stage->loop, err);

	if (r < 0)
		return r;
	limits.max_connections = limits.max_connections_per_peer = MAX_CONNECTIONS;
	stage->shared = http_shared_new(&limits, "bench");
	r = tls_slot_new(&tls, &stage->tls, err);
	if (r < 0)
		return r;
	secure.tls = stage->tls;
	r = http_server_new(stage->loop, stage->shared, &handler, &stage->server, err);
	if (r == 0)
		r = http_server_listen(stage->server, &plain, err);
	if (r == 0)
		r = http_server_listen(stage->server, &secure, err);
	if (r < 0)
		return r;
	stage->input = (struct loop_fd){
		.fd = STDIN_FILENO, .events = EPOLLIN, .fn = on_input, .ctx = stage
	};
	r = loop_fd_add(stage->loop, &stage->input);
	return r < 0 ? err_set(err, r, "standard input cannot be watched: give it a pipe") : 0;
}

int main(int argc, char **argv)
{
	struct stage stage = { 0 };
	struct err err;
	int r;

	if (argc != 5) {
		fputs("Usage: http_server PLAIN_ADDRESS TLS_ADDRESS CERTIFICATE KEY\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	r = stage_open(&stage, argv + 1, &err);
	if (r < 0) {
		fprintf(stderr, "http_server: %s\n", err.text);
	} else {
		puts("ready");
		fflush(stdout);
		loop_run(stage.loop);
	}
	http_server_free(stage.server);
	http_shared_free(stage.shared);
	tls_slot_free(stage.tls);
	loop_free(stage.loop);
	return r < 0;
}
