/* What the programs share that a server of ours is compared with: connections served one by one,
 * and frames written without asking who reads them. */
#ifndef TESTS_BENCH_RAW_SERVER_H
#define TESTS_BENCH_RAW_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

#define HEAD_BYTES    4096 /* of a client's request */
#define FRAME_HEAD    10   /* the longest head of a frame */
#define TEXT_FINAL    0x81
#define TLS_HANDSHAKE 0x16 /* first byte of a connection with TLS */

struct client {
	int fd;
	SSL *ssl;
};

static SSL_CTX *tls; /* NULL: plain */

static inline void fail(const char *words)
{
	fprintf(stderr, "%s: %s (%s)\n", program_invocation_short_name, words, strerror(errno));
	exit(1);
}

static inline void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static inline int listen_on(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4096) < 0)
		fail("cannot listen");
	return fd;
}

static inline void open_tls(const char *certificate, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_num_tickets(tls, 1);
	if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		fail("the certificate is not good");
}

static inline ssize_t client_read(struct client *client, char *p, size_t n)
{
	return client->ssl ? SSL_read(client->ssl, p, (int)n) : recv(client->fd, p, n, 0);
}

static inline void client_write(struct client *client, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = client->ssl ? SSL_write(client->ssl, p, (int)n)
					   : send(client->fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			fail("cannot write");
		p += done;
		n -= (size_t)done;
	}
}

/* The next connection, TLS when it begins like that. */
static inline void accept_client(int listener, struct client *client)
{
	unsigned char first;
	int one = 1;

	client->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client->fd < 0)
		fail("cannot accept");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!tls || recv(client->fd, &first, 1, MSG_PEEK) != 1 || first != TLS_HANDSHAKE)
		return;
	client->ssl = SSL_new(tls);
	SSL_set_fd(client->ssl, client->fd);
	if (SSL_accept(client->ssl) != 1)
		fail("a TLS handshake fails");
}

/* Whatever it asks for, it is upgraded. */
static inline void take_client(int listener, struct client *client)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n\r\n";
	char head[HEAD_BYTES + 1];
	size_t n = 0;

	accept_client(listener, client);
	do {
		ssize_t got = n < HEAD_BYTES ? client_read(client, head + n, HEAD_BYTES - n) : -1;

		if (got <= 0)
			fail("no request");
		n += (size_t)got;
		head[n] = '\0';
	} while (!strstr(head, "\r\n\r\n"));
	client_write(client, answer, sizeof(answer) - 1);
}

/* Head and payload of a text of n bytes; the whole frame is returned. */
static inline struct str frame_of(char *buffer, size_t n)
{
	size_t n_more = n < 126 ? 0 : n < 65536 ? 2 : 8;
	char *head = buffer + FRAME_HEAD - 2 - n_more;

	head[0] = (char)TEXT_FINAL;
	head[1] = (char)(n_more == 0 ? n : n_more == 2 ? 126 : 127);
	for (size_t i = 0; i < n_more; i++)
		head[2 + i] = (char)(n >> 8 * (n_more - 1 - i));
	return (struct str){ head, 2 + n_more + n };
}

static inline void client_close(struct client *client)
{
	SSL_free(client->ssl);
	close(client->fd);
}

#endif
