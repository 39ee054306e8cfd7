/* fanout_raw: the least a fan-out can cost: messages framed once, one write a client.
 *
 * Usage: fanout_raw PORT CLIENTS SCRIPT [CERTIFICATE KEY]
 *
 * Takes CLIENTS WebSocket connections on 127.0.0.1 (TLS when a certificate is given) without asking
 * who they are, says "ready", and plays SCRIPT when a line comes on standard input: lines of
 * microseconds since the start, bytes of payload, and which of several kinds of client it is for,
 * as fanout --record writes them. Each message goes to every client of its kind (these by turns)
 * when its time has come. Prints its CPU for that as one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define MAX_CLIENTS 20000
#define HEAD_BYTES  4096 /* of a client's request */
#define FRAME_HEAD  10   /* the longest head of a frame */
#define TEXT_FINAL  0x81

struct client {
	int fd;
	SSL *ssl;
};

struct message {
	int64_t at_us;
	size_t n_bytes, kind;
};

static struct client *clients;
static size_t n_clients;
static SSL_CTX *tls;
static struct message *script;
static size_t n_messages, largest, n_kinds = 1;

static void fail(const char *words)
{
	fprintf(stderr, "fanout_raw: %s (%s)\n", words, strerror(errno));
	exit(1);
}

static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void read_script(const char *path)
{
	FILE *file = fopen(path, "r");
	struct message message;
	size_t n_events, size = 0;

	if (!file)
		fail("no script");
	while (fscanf(file, "%" SCNd64 " %zu %zu %zu", &message.at_us, &message.n_bytes, &n_events,
		      &message.kind) == 4) {
		if (n_messages == size) {
			size = size ? 2 * size : 1024;
			script = xrealloc(script, size * sizeof(script[0]));
		}
		script[n_messages++] = message;
		if (message.n_bytes > largest)
			largest = message.n_bytes;
		if (message.kind >= n_kinds)
			n_kinds = message.kind + 1;
	}
	fclose(file);
}

static int listen_on(const char *port)
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

static void open_tls(const char *certificate, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_num_tickets(tls, 1);
	if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		fail("the certificate is not good");
}

static ssize_t client_read(struct client *client, char *p, size_t n)
{
	return client->ssl ? SSL_read(client->ssl, p, (int)n) : recv(client->fd, p, n, 0);
}

static void client_write(struct client *client, const char *p, size_t n)
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

/* Whatever it asks for, it is upgraded. */
static void take_client(int listener, struct client *client)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n\r\n";
	char head[HEAD_BYTES + 1];
	size_t n = 0;
	int one = 1;

	client->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client->fd < 0)
		fail("cannot accept");
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (tls) {
		client->ssl = SSL_new(tls);
		SSL_set_fd(client->ssl, client->fd);
		if (SSL_accept(client->ssl) != 1)
			fail("a TLS handshake fails");
	}
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
static struct str frame_of(char *buffer, size_t n)
{
	size_t n_more = n < 126 ? 0 : n < 65536 ? 2 : 8;
	char *head = buffer + FRAME_HEAD - 2 - n_more;

	head[0] = (char)TEXT_FINAL;
	head[1] = (char)(n_more == 0 ? n : n_more == 2 ? 126 : 127);
	for (size_t i = 0; i < n_more; i++)
		head[2 + i] = (char)(n >> 8 * (n_more - 1 - i));
	return (struct str){ head, 2 + n_more + n };
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(int64_t at_us)
{
	int64_t left_us = at_us - clock_monotonic_us();
	struct timespec left = { left_us / 1000000, left_us % 1000000 * 1000 };

	if (left_us > 0)
		nanosleep(&left, NULL);
}

static void play(char *buffer)
{
	int64_t start_us = clock_monotonic_us();
	double start_s = cpu_s();
	uint64_t n_sent = 0;

	for (size_t m = 0; m < n_messages; m++) {
		struct str frame = frame_of(buffer, script[m].n_bytes);

		wait_until(start_us + script[m].at_us);
		for (size_t i = script[m].kind; i < n_clients; i += n_kinds, n_sent++)
			client_write(&clients[i], frame.p, frame.len);
	}
	printf("{\"cpu_s\":%.6f,\"messages\":%" PRIu64 "}\n", cpu_s() - start_s, n_sent);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16], *buffer;
	int listener;

	if (argc != 4 && argc != 6)
		fail("PORT CLIENTS SCRIPT [CERTIFICATE KEY]");
	n_clients = strtoul(argv[2], NULL, 10);
	if (n_clients == 0 || n_clients > MAX_CLIENTS)
		fail("so many clients are not taken");
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	read_script(argv[3]);
	if (argc == 6)
		open_tls(argv[4], argv[5]);
	buffer = xmalloc(FRAME_HEAD + largest);
	memset(buffer, 'x', FRAME_HEAD + largest);
	clients = xcalloc(n_clients, sizeof(clients[0]));
	listener = listen_on(argv[1]);
	puts("listening");
	fflush(stdout);
	for (size_t i = 0; i < n_clients; i++)
		take_client(listener, &clients[i]);
	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin))
		play(buffer);
	if (fgets(line, sizeof(line), stdin)) /* clients stay connected until then */
		line[0] = '\0';
	for (size_t i = 0; i < n_clients; i++) {
		SSL_free(clients[i].ssl);
		close(clients[i].fd);
	}
	close(listener);
	SSL_CTX_free(tls);
	free(clients);
	free(script);
	free(buffer);
	return 0;
}
