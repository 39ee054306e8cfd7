#include "http/wire_priv.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int wire_failure(struct wire *wire, int r, bool reading)
{
	int saved = errno;

	switch (SSL_get_error(wire->ssl, r)) {
	case SSL_ERROR_WANT_READ: return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (reading)
			wire->read_wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN: return 0;
	case SSL_ERROR_SYSCALL: wire->broken = true; return saved ? -saved : -ECONNRESET;
	default:
		wire->broken = true;
		ERR_clear_error();
		return -EPROTO;
	}
}

ssize_t wire_recv(struct wire *wire, char *to, size_t n)
{
	ssize_t r;

	if (wire->ssl) {
		ERR_clear_error();
		r = SSL_read(wire->ssl, to, n > INT_MAX ? INT_MAX : (int)n);
		return r > 0 ? r : wire_failure(wire, (int)r, true);
	}
	do
		r = recv(wire->fd, to, n, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t wire_send(struct wire *wire, const char *p, size_t n)
{
	ssize_t r;

	if (wire->ssl) {
		ERR_clear_error();
		r = SSL_write(wire->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
		if (r > 0)
			return r;
		r = wire_failure(wire, (int)r, false);
		return r == 0 ? -EPIPE : r;
	}
	do
		r = send(wire->fd, p, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

bool wire_has_pending(const struct wire *wire)
{
	return wire->ssl && SSL_has_pending(wire->ssl);
}

void wire_say_end(struct wire *wire)
{
	if (wire->ssl && !wire->broken)
		SSL_shutdown(wire->ssl);
	ERR_clear_error();
}

uint32_t wire_events(struct wire *wire, uint32_t events)
{
	if (!wire->read_wants_write || !(events & EPOLLOUT))
		return events;
	wire->read_wants_write = false;
	return events | EPOLLIN;
}

void wire_drop_unsent(struct wire *wire)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void wire_close(struct wire *wire)
{
	SSL_free(wire->ssl);
	close(wire->fd);
	*wire = (struct wire){ .fd = -1 };
}
