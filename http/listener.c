#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/address_priv.h"
#include "http/server_priv.h"
#include "http/tls_priv.h"

struct listener {
	struct http_server *server;
	struct loop_fd watch;
	struct loop_timer resume;
	struct tls_slot *tls;
	SSL_CTX *context;
	uint64_t context_version;
};

static void on_event(struct loop_fd *watch, uint32_t events);
static void on_resume(struct loop_timer *timer);

int listener_open(struct http_server *server, const struct http_address *address,
		  struct listener **out, struct err *err)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	int r;

	listener->server = server;
	listener->tls = address->tls;
	listener->resume = (struct loop_timer){ .fn = on_resume, .ctx = listener };
	listener->watch = (struct loop_fd){ .events = EPOLLIN, .fn = on_event, .ctx = listener };
	r = listener->watch.fd = address_bind(address->text, true, err);
	if (r < 0)
		goto out;
	r = 0;
	if (listen(listener->watch.fd, HTTP_BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		r = loop_fd_add(server_loop(server), &listener->watch);
	if (r < 0) {
		err_set(err, r, "cannot listen on %.*s: %s", STR_ARG(address->text), strerror(-r));
		goto out;
	}
	*out = listener;
	listener = NULL;
out:
	listener_close(listener);
	return r;
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	loop_timer_cancel(server_loop(listener->server), &listener->resume);
	loop_fd_remove(server_loop(listener->server), &listener->watch);
	if (listener->watch.fd >= 0)
		close(listener->watch.fd);
	SSL_CTX_free(listener->context);
	free(listener);
}

static void admit(struct listener *listener, int fd, const struct address *from)
{
	struct http_server *server = listener->server;
	char peer[INET6_ADDRSTRLEN] = "";
	struct peer_key key;
	int one = 1;

	address_peer(from, &key, peer);
	switch (shared_admit(server_shared(server), &key)) {
	case SHARED_ADMITTED: break;
	case SHARED_FULL:
		server_report(server, REPORT_FULL);
		close(fd);
		return;
	case SHARED_PEER_FULL:
		server_report(server, REPORT_PEER_FULL);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connection_new(server, fd, &key, peer, listener->context);
}

/* Out of descriptors or memory: the connection stays in the queue, and epoll would say so at once
 * again. Wait a little. */
static void pause_accepting(struct listener *listener)
{
	server_report(listener->server, REPORT_ACCEPT);
	loop_fd_set(server_loop(listener->server), &listener->watch, 0);
	loop_timer_set(server_loop(listener->server), &listener->resume, HTTP_ACCEPT_PAUSE_US);
}

static void on_resume(struct loop_timer *timer)
{
	struct listener *listener = timer->ctx;

	loop_fd_set(server_loop(listener->server), &listener->watch, EPOLLIN);
}

static void on_event(struct loop_fd *watch, uint32_t events)
{
	struct listener *listener = watch->ctx;

	if (listener->tls)
		tls_slot_refresh(listener->tls, &listener->context, &listener->context_version);
	for (size_t n = 0; n < HTTP_ACCEPT_BATCH; n++) {
		struct address from = { .len = sizeof(from.in6) };
		int fd = accept4(watch->fd, &from.sa, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(listener, fd, &from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(listener);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}
