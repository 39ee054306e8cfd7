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
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/bench/raw_server.h"

#define MAX_CLIENTS 20000

struct message {
	int64_t at_us;
	size_t n_bytes, kind;
};

static struct client *clients;
static size_t n_clients;
static struct message *script;
static size_t n_messages, largest, n_kinds = 1;

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
	for (size_t i = 0; i < n_clients; i++)
		client_close(&clients[i]);
	close(listener);
	SSL_CTX_free(tls);
	free(clients);
	free(script);
	free(buffer);
	return 0;
}
