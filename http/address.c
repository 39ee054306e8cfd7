#include "http/address_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "http/server.h"

static int parse_host(struct str host, struct address *out)
{
	char text[INET6_ADDRSTRLEN];
	bool bracketed = host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';

	if (host.len == 0) {
		out->in6.sin6_family = AF_INET6;
		return 0;
	}
	if (bracketed)
		host = (struct str){ host.p + 1, host.len - 2 };
	if (host.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host.p, host.len);
	text[host.len] = '\0';
	out->sa.sa_family = bracketed ? AF_INET6 : AF_INET;
	if (inet_pton(out->sa.sa_family, text,
		      bracketed ? (void *)&out->in6.sin6_addr : (void *)&out->in.sin_addr) != 1)
		return -EINVAL;
	return 0;
}

int address_parse(struct str text, struct address *out, struct err *err)
{
	uint64_t port;
	size_t colon = text.len;

	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	*out = (struct address){ 0 };
	if (colon == 0 || parse_host((struct str){ text.p, colon - 1 }, out) < 0)
		return err_set(err, -EINVAL,
			       "'%.*s' is not an address to listen on: write 127.0.0.1:8443, "
			       "[::]:8443 or :8443",
			       STR_ARG(text));
	if (!str_to_u64((struct str){ text.p + colon, text.len - colon }, &port) || port == 0 ||
	    port > UINT16_MAX)
		return err_set(err, -EINVAL, "'%.*s' has no port between 1 and 65535",
			       STR_ARG(text));
	out->in.sin_port = htons((uint16_t)port); /* the same place in both */
	out->len = out->sa.sa_family == AF_INET6 ? sizeof(out->in6) : sizeof(out->in);
	return 0;
}

static int bind_to(const struct address *address, bool shared)
{
	int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0, r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    (address->sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0) ||
	    bind(fd, &address->sa, address->len) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static bool is_any6(const struct address *address)
{
	return address->sa.sa_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

int address_bind(struct str text, bool shared, struct err *err)
{
	struct address address;
	int fd = address_parse(text, &address, err);

	if (fd < 0)
		return fd;
	fd = bind_to(&address, shared);
	if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && is_any6(&address)) {
		/* No IPv6 here: every IPv4 address is all there is. */
		struct address any = { .in = { .sin_family = AF_INET,
					       .sin_port = address.in6.sin6_port },
				       .len = sizeof(any.in) };

		fd = bind_to(&any, shared);
	}
	if (fd < 0)
		return err_set(err, fd, "cannot listen on %.*s: %s", STR_ARG(text), strerror(-fd));
	return fd;
}

int http_address_probe(struct str address, const char *key, struct err *err)
{
	int fd = address_bind(address, false, err);

	if (fd == -EADDRINUSE)
		return err_set(err, fd,
			       "cannot listen on %.*s: another program does; stop it, or choose "
			       "another address with %s",
			       STR_ARG(address), key);
	if (fd < 0)
		return err_prefix(err, fd, "%s", key);
	close(fd);
	return 0;
}

void address_peer(const struct address *from, struct peer_key *key_out,
		  char text_out[INET6_ADDRSTRLEN])
{
	if (from->sa.sa_family == AF_INET) {
		*key_out = (struct peer_key){ .b = { [10] = 0xff, [11] = 0xff } };
		memcpy(key_out->b + 12, &from->in.sin_addr, 4);
	} else {
		memcpy(key_out->b, &from->in6.sin6_addr, sizeof(key_out->b));
	}
	if (from->sa.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr))
		inet_ntop(AF_INET, key_out->b + 12, text_out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, key_out->b, text_out, INET6_ADDRSTRLEN);
}
