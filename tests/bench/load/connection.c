/* Sockets and TLS of the load generator. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

static void watch(struct connection *connection, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	if (events == connection->events)
		return;
	if (epoll_ctl(connection->load->epoll_fd,
		      connection->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, connection->fd,
		      &event) == 0)
		connection->events = events;
}

/* 127.1.0.1 and on: more connections than one address has ports, or a server lets it have. */
static int bind_source(const struct connection *connection, int fd)
{
	size_t n = connection->load->options->n_source_addresses;
	struct sockaddr_in source = { .sin_family = AF_INET };
	size_t i = n > 0 ? connection->index % n : 0;
	int one = 1;

	if (n == 0)
		return 0;
	source.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)(i / 250 * 256 + i % 250 + 1));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (const struct sockaddr *)&source, sizeof(source)) < 0 ? -errno : 0;
}

void connection_open(struct connection *connection)
{
	struct load *load = connection->load;
	int one = 1, r;

	connection->closing = false;
	connection->n_issued = 0;
	connection->n_active = 0;
	connection->events = 0;
	connection->out_at = 0;
	strbuf_reset(&connection->out);
	connection->state = CONNECTION_CONNECTING;
	load->n_opening++;
	load->protocol->open(connection);
	connection->fd =
		socket(load->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0) {
		connection_close(connection, strerror(errno));
		return;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = bind_source(connection, connection->fd);
	if (r == 0 &&
	    connect(connection->fd, (const struct sockaddr *)&load->address, load->address_len) <
		    0 &&
	    errno != EINPROGRESS)
		r = -errno;
	if (r < 0)
		connection_close(connection, strerror(-r));
	else
		watch(connection, EPOLLOUT);
}

void connection_close(struct connection *connection, const char *why)
{
	if (connection->ssl) {
		if (connection->state == CONNECTION_OPEN && !why)
			SSL_shutdown(connection->ssl);
		SSL_free(connection->ssl);
		connection->ssl = NULL;
		ERR_clear_error();
	}
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->load->protocol->close(connection);
	load_on_closed(connection, why);
}

static void opened(struct connection *connection)
{
	watch(connection, EPOLLIN);
	load_on_open(connection);
}

static void handshake(struct connection *connection)
{
	int r = SSL_connect(connection->ssl);

	if (r == 1) {
		const unsigned char *alpn;
		unsigned int n;

		SSL_get0_alpn_selected(connection->ssl, &alpn, &n);
		if (connection->load->options->h2 && (n != 2 || memcmp(alpn, "h2", 2) != 0))
			connection_close(connection, "the server did not choose h2");
		else
			opened(connection);
		return;
	}
	r = SSL_get_error(connection->ssl, r);
	if (r == SSL_ERROR_WANT_READ)
		watch(connection, EPOLLIN);
	else if (r == SSL_ERROR_WANT_WRITE)
		watch(connection, EPOLLOUT);
	else
		connection_close(connection, "TLS handshake failed");
}

static void connected(struct connection *connection)
{
	struct load *load = connection->load;
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		connection_close(connection, strerror(error));
		return;
	}
	if (!load->tls) {
		opened(connection);
		return;
	}
	connection->ssl = SSL_new(load->tls);
	if (!connection->ssl || SSL_set_fd(connection->ssl, connection->fd) != 1) {
		connection_close(connection, "no memory for TLS");
		return;
	}
	SSL_set_app_data(connection->ssl, connection);
	if (load->session)
		SSL_set_session(connection->ssl, load->session);
	connection->state = CONNECTION_HANDSHAKING;
	handshake(connection);
}

/* Bytes, 0 at the end, -EAGAIN or another negative errno. */
static ssize_t take(struct connection *connection, char *p, size_t n)
{
	ssize_t r;

	if (!connection->ssl) {
		r = recv(connection->fd, p, n, 0);
		return r < 0 ? -errno : r;
	}
	r = SSL_read(connection->ssl, p, (int)n);
	if (r > 0)
		return r;
	switch (SSL_get_error(connection->ssl, (int)r)) {
	case SSL_ERROR_ZERO_RETURN: return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return -EAGAIN;
	default: return -ECONNRESET;
	}
}

static ssize_t give(struct connection *connection, const char *p, size_t n)
{
	ssize_t r;

	if (!connection->ssl) {
		r = send(connection->fd, p, n, MSG_NOSIGNAL);
		return r < 0 ? -errno : r;
	}
	r = SSL_write(connection->ssl, p, (int)n);
	if (r > 0)
		return r;
	r = SSL_get_error(connection->ssl, (int)r);
	return r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE ? -EAGAIN : -ECONNRESET;
}

/* 0 when all was taken, -EAGAIN, or another negative errno. */
static int write_out(struct connection *connection)
{
	struct strbuf *out = &connection->out;

	for (;;) {
		ssize_t r;

		r = connection->load->protocol->flush(connection);
		if (r < 0)
			return (int)r;
		if (connection->out_at == out->len)
			return 0;
		r = give(connection, out->p + connection->out_at, out->len - connection->out_at);
		if (r < 0)
			return (int)r;
		connection->out_at += (size_t)r;
		if (connection->out_at == out->len) {
			strbuf_reset(out);
			connection->out_at = 0;
		}
	}
}

static void issue(struct connection *connection)
{
	const struct options *options = connection->load->options;
	struct request request;

	while (!connection->closing && connection->n_active < options->n_streams) {
		if (!load_take(connection->load, &request)) {
			load_wait_for_request(connection);
			return;
		}
		connection->n_issued++;
		connection->closing = connection->n_issued == options->per_connection;
		connection->load->protocol->issue(connection, &request);
	}
}

void connection_push(struct connection *connection)
{
	int r;

	if (connection->state != CONNECTION_OPEN)
		return;
	issue(connection);
	r = write_out(connection);
	if (r < 0 && r != -EAGAIN) {
		connection_close(connection, strerror(-r));
		return;
	}
	/* HTTP/1.1 asked the server to close, and waits for it. */
	if (r == 0 && connection->closing && connection->n_active == 0 && connection->session) {
		connection_close(connection, NULL);
		return;
	}
	watch(connection, r == 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

/* False when it was closed. */
static bool read_input(struct connection *connection)
{
	struct load *load = connection->load;

	do {
		ssize_t n = take(connection, load->input, READ_BYTES);

		if (n == -EAGAIN)
			return true;
		if (n <= 0) {
			bool fine = connection->n_active == 0 && (n == 0 || connection->closing);

			connection_close(connection, fine     ? NULL
						     : n == 0 ? "closed by the server"
							      : strerror((int)-n));
			return false;
		}
		if (load->protocol->feed(connection, load->input, (size_t)n) < 0) {
			connection_close(connection, "the answer makes no sense");
			return false;
		}
	} while (connection->ssl && SSL_has_pending(connection->ssl));
	return true;
}

void connection_on_event(struct connection *connection, uint32_t events)
{
	switch (connection->state) {
	case CONNECTION_CONNECTING: connected(connection); break;
	case CONNECTION_HANDSHAKING: handshake(connection); break;
	case CONNECTION_OPEN:
		if ((events & ~(uint32_t)EPOLLOUT) && !read_input(connection))
			return;
		connection_push(connection);
		break;
	case CONNECTION_DOWN: break;
	}
}
