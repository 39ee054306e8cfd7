/* fanout: many WebSocket clients in one thread, and probes: posts whose way back is timed.
 *
 * Usage: fanout --stream HOST:PORT [--tls] --clients N --seconds S [--authorization TEXT]
 *               [--post HOST:PORT --path PATH --rate R] [--record FILE] [--languages L[,L…]]
 *               [--filters N]
 *
 * All clients follow /stream?after=live, in the languages by turns, and with N filters by turns
 * that all events pass. Says "ready" when all stand. With --post, R events a second are posted over
 * connections of its own (TLS like the stream); every tenth client looks for them in what it reads.
 * For each probe and each of these clients: the time of the frame minus that of the 200, and minus
 * that of the POST, on the clock of this process. --record writes a line for each message of the
 * first client of each language: microseconds since the first one, bytes of payload, events, number
 * of the client. One line of JSON at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define MAX_CLIENTS   20000
#define READ_BYTES    65536
#define WATCH_EVERY   10 /* clients that look for probes */
#define MAX_PROBES    200000
#define POSTERS       32 /* connections for probes */
#define OPENING       64 /* handshakes under way at a time */
#define SETUP_US      60000000
#define GRACE_US      2000000
#define TURN_EVENTS   256
#define NUMBER_CHARS  7
#define MESSAGE_BYTES (16u << 20)

enum { WAITING, CONNECTING, HANDSHAKING, UPGRADING, OPEN };

struct peer {
	int fd, state;
	SSL *ssl;
	bool is_poster;
	size_t number;
	struct strbuf in; /* not yet understood */
	uint64_t n_bytes, n_messages, n_events;
	int64_t *seen_us; /* watching client: by probe; 0: not yet */
	size_t probe;     /* poster: under way */
	bool is_busy;
};

static struct options {
	struct sockaddr_in stream, post;
	bool tls, posts;
	size_t n_clients;
	double seconds, rate;
	const char *authorization, *path, *record;
	struct str languages[8];
	size_t n_languages, n_filters;
} options;

static struct peer *peers;
static size_t n_peers, n_opening, n_open, next_to_open;
static int epoll_fd;
static SSL_CTX *tls;
static FILE *record;
static int64_t first_message_us;
static uint32_t run;
static int64_t *posted_us, *answered_us; /* by probe */
static size_t n_probes;
static uint64_t n_refused;
static volatile sig_atomic_t stopping;

static void fail(const char *words)
{
	fprintf(stderr, "fanout: %s (%s)\n", words, strerror(errno));
	exit(1);
}

/* --- bytes -------------------------------------------------------------------------------------
 */

/* As read(2) and write(2) do: -1 and EAGAIN when it is to be tried again. */
static ssize_t peer_read(struct peer *peer, char *p, size_t n)
{
	int r;

	if (!peer->ssl)
		return recv(peer->fd, p, n, 0);
	r = SSL_read(peer->ssl, p, (int)n);
	if (r <= 0) {
		errno = SSL_get_error(peer->ssl, r) == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
		return -1;
	}
	return r;
}

/* What is written is small and the socket empty: all of it goes. */
static void peer_write(struct peer *peer, struct str text)
{
	ssize_t n = peer->ssl ? SSL_write(peer->ssl, text.p, (int)text.len)
			      : send(peer->fd, text.p, text.len, MSG_NOSIGNAL);

	if (n != (ssize_t)text.len)
		fail("cannot write");
}

/* --- probes ------------------------------------------------------------------------------------
 */

static void look_for_probes(struct peer *peer, struct str message, int64_t now_us)
{
	char tag[32];
	size_t n = (size_t)snprintf(tag, sizeof(tag), "\"EventId\":\"probe-%08x-", run), at;

	while ((at = str_find(message, (struct str){ tag, n })) + n + NUMBER_CHARS < message.len) {
		uint64_t number;

		message = (struct str){ message.p + at + n, message.len - at - n };
		if (str_to_u64((struct str){ message.p, NUMBER_CHARS }, &number) &&
		    number < n_probes && peer->seen_us[number] == 0)
			peer->seen_us[number] = now_us;
	}
}

static void send_probe(struct peer *peer)
{
	char time[CLOCK_TEXT_BYTES];
	struct strbuf body, text;

	strbuf_init(&body, 2048);
	strbuf_init(&text, 4096);
	strbuf_putf(&body,
		    "{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Id\":\"probe-%08x-%07zu\","
		    "\"Name\":\"Event\",\"Events\":[{\"MemberId\":\"0\",\"EventType\":\"Alert\","
		    "\"EventId\":\"probe-%08x-%07zu\",\"EventTimestamp\":\"%s\",\"MessageId\":"
		    "\"Power.1.2.PowerSupplyFailed\",\"MessageArgs\":[\"PSU %zu\"],"
		    "\"OriginOfCondition\":{\"@odata.id\":\"/redfish/v1/Chassis/1\"}}]}",
		    run, n_probes, run, n_probes, clock_format(clock_time_us(), time),
		    n_probes % 10000);
	strbuf_putf(&text,
		    "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    options.path, body.len);
	strbuf_put(&text, strbuf_str(&body));
	posted_us[n_probes] = clock_monotonic_us();
	peer->probe = n_probes++;
	peer->is_busy = true;
	peer_write(peer, strbuf_str(&text));
	strbuf_fini(&body);
	strbuf_fini(&text);
}

/* One answer is under way on a poster. */
static void take_answer(struct peer *peer, int64_t now_us)
{
	struct str in = strbuf_str(&peer->in);

	if (str_find(in, STR("\r\n\r\n")) == in.len)
		return;
	/* In front of it may be what came late of the one before. */
	if (str_find(in, STR("HTTP/1.1 200")) < in.len)
		answered_us[peer->probe] = now_us;
	else
		n_refused++;
	strbuf_reset(&peer->in);
	peer->is_busy = false;
}

/* --- frames ------------------------------------------------------------------------------------
 */

static size_t count(struct str text, struct str needle)
{
	size_t n = 0, at;

	while ((at = str_find(text, needle)) < text.len) {
		text = (struct str){ text.p + at + needle.len, text.len - at - needle.len };
		n++;
	}
	return n;
}

static void take_message(struct peer *peer, struct str message, int64_t now_us)
{
	size_t n = 0;

	peer->n_messages++;
	peer->n_bytes += message.len;
	if (!str_starts_with(message, STR("{\"type\":\"events\"")))
		return;
	if (peer->number == 0 || (record && peer->number < options.n_languages)) {
		n = count(message, STR("{\"seq\":"));
		peer->n_events += n;
		if (first_message_us == 0)
			first_message_us = now_us;
		if (record)
			fprintf(record, "%" PRId64 " %zu %zu %zu\n", now_us - first_message_us,
				message.len, n, peer->number);
	}
	if (peer->seen_us)
		look_for_probes(peer, message, now_us);
}

/* Length of the first frame of `in` with its head, 0: not all here; *payload is set. */
static size_t first_frame(struct str in, struct str *payload)
{
	const unsigned char *p = (const unsigned char *)in.p;
	uint64_t n;
	size_t head = 2;

	if (in.len < 2)
		return 0;
	n = p[1] & 127;
	if (n >= 126) {
		size_t n_more = n == 126 ? 2 : 8;

		head += n_more;
		if (in.len < head)
			return 0;
		n = 0;
		for (size_t i = 0; i < n_more; i++)
			n = n << 8 | p[2 + i];
	}
	if (n > in.len - head)
		return 0;
	*payload = (struct str){ in.p + head, (size_t)n };
	return head + (size_t)n;
}

static void take_frames(struct peer *peer, int64_t now_us)
{
	struct str in = strbuf_str(&peer->in), message;
	size_t n, done = 0;

	while ((n = first_frame((struct str){ in.p + done, in.len - done }, &message)) > 0) {
		if ((in.p[done] & 15) == 1)
			take_message(peer, message, now_us);
		else if ((in.p[done] & 15) == 8)
			fail("the server closed a stream");
		done += n;
	}
	strbuf_drop_front(&peer->in, done);
}

/* --- opening -----------------------------------------------------------------------------------
 */

static void is_open(struct peer *peer)
{
	peer->state = OPEN;
	n_opening--;
	n_open++;
}

static void send_upgrade(struct peer *peer)
{
	struct strbuf text;

	strbuf_init(&text, 4096);
	strbuf_put_text(&text, "GET /stream?after=live");
	if (options.n_languages > 0)
		strbuf_putf(
			&text, "&language=%.*s",
			STR_ARG(options.languages[(size_t)(peer - peers) % options.n_languages]));
	if (options.n_filters > 0)
		strbuf_putf(
			&text,
			"&filter=not%%20(EventId%%20eq%%20'none-%zu')%%20and%%20Severity%%20in%%20"
			"('OK','Warning','Critical')",
			peer->number / (options.n_languages + !options.n_languages) %
				options.n_filters);
	strbuf_put_text(&text, " HTTP/1.1\r\nHost: localhost\r\nUpgrade: "
			       "websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			       "Sec-WebSocket-Protocol: rfevents.v1\r\n");
	if (options.authorization)
		strbuf_putf(&text, "Authorization: %s\r\n", options.authorization);
	strbuf_put_text(&text, "\r\n");
	peer_write(peer, strbuf_str(&text));
	strbuf_fini(&text);
	peer->state = UPGRADING;
}

static void take_upgrade(struct peer *peer)
{
	struct str in = strbuf_str(&peer->in);
	size_t end = str_find(in, STR("\r\n\r\n"));

	if (end == in.len)
		return;
	if (!str_starts_with(in, STR("HTTP/1.1 101"))) {
		fprintf(stderr, "fanout: %.*s\n", STR_ARG(str_cut(in, 1000)));
		errno = 0;
		fail("a stream is refused");
	}
	strbuf_drop_front(&peer->in, end + 4);
	is_open(peer);
}

static void shake_hands(struct peer *peer)
{
	int r = peer->ssl ? SSL_do_handshake(peer->ssl) : 1;

	peer->state = HANDSHAKING;
	if (r != 1) {
		if (SSL_get_error(peer->ssl, r) != SSL_ERROR_WANT_READ)
			fail("a TLS handshake fails");
		return;
	}
	if (peer->is_poster)
		is_open(peer);
	else
		send_upgrade(peer);
}

static void begin(struct peer *peer)
{
	const struct sockaddr_in *to = peer->is_poster ? &options.post : &options.stream;
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = peer };
	int one = 1;

	/* Several addresses: no cap per peer is met. */
	from.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)(peer->number / 200));
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0)
		fail("no socket");
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!peer->is_poster && bind(peer->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		fail("cannot bind");
	if (connect(peer->fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		fail("cannot connect");
	if (options.tls) {
		peer->ssl = SSL_new(tls);
		SSL_set_fd(peer->ssl, peer->fd);
		SSL_set_connect_state(peer->ssl);
	}
	peer->state = CONNECTING;
	n_opening++;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peer->fd, &event) < 0)
		fail("cannot watch a socket");
}

/* --- events ------------------------------------------------------------------------------------
 */

static void understand(struct peer *peer, int64_t now_us)
{
	if (peer->state == UPGRADING)
		take_upgrade(peer);
	if (peer->state != OPEN || peer->in.len == 0)
		return;
	if (peer->is_poster)
		take_answer(peer, now_us);
	else
		take_frames(peer, now_us);
}

/* What is left in the socket epoll says again: reading until nothing comes would cost a call a
 * message, and this program shares the machine with what it measures. */
static void on_input(struct peer *peer)
{
	char *room;
	ssize_t n;

	do {
		room = strbuf_reserve(&peer->in, READ_BYTES);
		n = peer_read(peer, room, READ_BYTES);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			fail("a connection is lost");
		if (n < 0)
			return;
		strbuf_commit(&peer->in, (size_t)n);
		understand(peer, clock_monotonic_us());
	} while (peer->ssl && SSL_has_pending(peer->ssl));
}

/* What is written is small: from now on only input is waited for. */
static void connected(struct peer *peer)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, peer->fd, &event) < 0)
		fail("cannot watch a socket");
	shake_hands(peer);
}

static void on_event(struct peer *peer, uint32_t events)
{
	if (peer->state == CONNECTING && (events & EPOLLOUT))
		connected(peer);
	else if (peer->state == HANDSHAKING)
		shake_hands(peer);
	if (peer->state >= UPGRADING && (events & EPOLLIN))
		on_input(peer);
}

static void turn(int timeout_ms)
{
	struct epoll_event events[TURN_EVENTS];
	int n = epoll_wait(epoll_fd, events, TURN_EVENTS, timeout_ms);

	for (int i = 0; i < n; i++)
		on_event(events[i].data.ptr, events[i].events);
}

static void open_all(void)
{
	int64_t until_us = clock_monotonic_us() + SETUP_US;

	while (n_open < n_peers) {
		while (next_to_open < n_peers && n_opening < OPENING)
			begin(&peers[next_to_open++]);
		turn(100);
		if (clock_monotonic_us() > until_us)
			fail("not all connections stand");
	}
	puts("ready");
	fflush(stdout);
}

static void post_due(int64_t start_us, int64_t now_us)
{
	size_t due = (size_t)((double)(now_us - start_us) * options.rate / 1e6);

	for (size_t i = options.n_clients; i < n_peers && n_probes < due && n_probes < MAX_PROBES;
	     i++)
		if (!peers[i].is_busy)
			send_probe(&peers[i]);
}

static void run_all(void)
{
	int64_t start_us = clock_monotonic_us(), now_us = start_us;
	int64_t end_us = start_us + (int64_t)(options.seconds * 1e6);

	while (!stopping && now_us < end_us) {
		if (options.posts)
			post_due(start_us, now_us);
		turn(options.posts ? 1 : 20);
		now_us = clock_monotonic_us();
	}
	if (options.posts)
		for (end_us = now_us + GRACE_US; clock_monotonic_us() < end_us;)
			turn(20);
}

/* --- report ------------------------------------------------------------------------------------
 */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_times(const char *name, int64_t *times, size_t n)
{
	qsort(times, n, sizeof(times[0]), compare);
	if (n > 0)
		printf(",\"%s\":{\"n\":%zu,\"p50\":%" PRId64 ",\"p90\":%" PRId64 ",\"p99\":%" PRId64
		       ",\"max\":%" PRId64 "}",
		       name, n, times[n / 2], times[n * 9 / 10], times[n * 99 / 100], times[n - 1]);
}

static void print_probes(void)
{
	size_t n_watching = (options.n_clients + WATCH_EVERY - 1) / WATCH_EVERY, n = 0, n_posts = 0;
	int64_t *extra = xcalloc(n_probes * n_watching + 1, sizeof(extra[0]));
	int64_t *whole = xcalloc(n_probes * n_watching + 1, sizeof(whole[0]));
	int64_t *post = xcalloc(n_probes + 1, sizeof(post[0]));
	size_t n_missing = 0;

	for (size_t k = 0; k < n_probes; k++) {
		if (answered_us[k] == 0)
			continue;
		post[n_posts++] = answered_us[k] - posted_us[k];
		for (size_t i = 0; i < options.n_clients; i += WATCH_EVERY) {
			if (peers[i].seen_us[k] == 0) {
				n_missing++;
				continue;
			}
			whole[n] = peers[i].seen_us[k] - posted_us[k];
			extra[n++] = peers[i].seen_us[k] - answered_us[k];
		}
	}
	printf(",\"probes\":%zu,\"refused\":%" PRIu64 ",\"missing\":%zu", n_posts, n_refused,
	       n_missing);
	print_times("extra_us", extra, n);
	print_times("whole_us", whole, n);
	print_times("post_us", post, n_posts);
	free(extra);
	free(whole);
	free(post);
}

static void report(void)
{
	uint64_t n_bytes = 0, n_messages = 0, least = UINT64_MAX;
	struct rusage usage;

	for (size_t i = 0; i < options.n_clients; i++) {
		n_bytes += peers[i].n_bytes;
		n_messages += peers[i].n_messages;
		if (peers[i].n_bytes < least)
			least = peers[i].n_bytes;
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"clients\":%zu,\"events\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"least_bytes\":%" PRIu64 ",\"cpu_s\":%.3f",
	       options.n_clients, peers[0].n_events, n_messages, n_bytes, least,
	       (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	if (options.posts)
		print_probes();
	puts("}");
}

/* --- options -----------------------------------------------------------------------------------
 */

static void parse_address(const char *text, struct sockaddr_in *out)
{
	const char *colon = strrchr(text, ':');

	*out = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (!colon)
		fail("HOST:PORT is due");
	out->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
}

static void parse_languages(const char *text)
{
	struct str rest = str_of(text);

	while (rest.len > 0 && options.n_languages < ARRAY_LEN(options.languages)) {
		size_t end = str_find_char(rest, ',');

		options.languages[options.n_languages++] = (struct str){ rest.p, end };
		end = end < rest.len ? end + 1 : end;
		rest = (struct str){ rest.p + end, rest.len - end };
	}
}

static void parse_option(int option, const char *text)
{
	switch (option) {
	case 's': parse_address(text, &options.stream); return;
	case 'p':
		parse_address(text, &options.post);
		options.posts = true;
		return;
	case 'P': options.path = text; return;
	case 't': options.tls = true; return;
	case 'c': options.n_clients = strtoul(text, NULL, 10); return;
	case 'S': options.seconds = strtod(text, NULL); return;
	case 'r': options.rate = strtod(text, NULL); return;
	case 'a': options.authorization = text; return;
	case 'R': options.record = text; return;
	case 'l': parse_languages(text); return;
	case 'f': options.n_filters = strtoul(text, NULL, 10); return;
	default: fail("see the head of fanout.c");
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option known[] = { { "stream", required_argument, NULL, 's' },
					       { "tls", no_argument, NULL, 't' },
					       { "clients", required_argument, NULL, 'c' },
					       { "seconds", required_argument, NULL, 'S' },
					       { "authorization", required_argument, NULL, 'a' },
					       { "post", required_argument, NULL, 'p' },
					       { "path", required_argument, NULL, 'P' },
					       { "rate", required_argument, NULL, 'r' },
					       { "record", required_argument, NULL, 'R' },
					       { "languages", required_argument, NULL, 'l' },
					       { "filters", required_argument, NULL, 'f' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		parse_option(c, optarg);
	if (options.n_clients == 0 || options.n_clients > MAX_CLIENTS || options.seconds <= 0 ||
	    (options.posts && (!options.path || options.rate <= 0)))
		fail("--stream, --clients, --seconds are due; --path and --rate with --post");
}

static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

static void make_peers(void)
{
	n_peers = options.n_clients + (options.posts ? POSTERS : 0);
	peers = xcalloc(n_peers, sizeof(peers[0]));
	posted_us = xcalloc(MAX_PROBES, sizeof(posted_us[0]));
	answered_us = xcalloc(MAX_PROBES, sizeof(answered_us[0]));
	for (size_t i = 0; i < n_peers; i++) {
		peers[i].number = i;
		peers[i].is_poster = i >= options.n_clients;
		strbuf_init(&peers[i].in, MESSAGE_BYTES);
		if (options.posts && !peers[i].is_poster && i % WATCH_EVERY == 0)
			peers[i].seen_us = xcalloc(MAX_PROBES, sizeof(peers[i].seen_us[0]));
	}
}

static void free_peers(void)
{
	for (size_t i = 0; i < n_peers; i++) {
		SSL_free(peers[i].ssl);
		close(peers[i].fd);
		strbuf_fini(&peers[i].in);
		free(peers[i].seen_us);
	}
	free(peers);
	free(posted_us);
	free(answered_us);
}

int main(int argc, char **argv)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct rlimit files;

	parse_options(argc, argv);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (getrandom(&run, sizeof(run), 0) != sizeof(run))
		fail("no random number");
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_read_ahead(tls, 1); /* a record in one call, not two */
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	record = options.record ? fopen(options.record, "w") : NULL;
	make_peers();
	open_all();
	run_all();
	report();
	free_peers();
	if (record)
		fclose(record);
	SSL_CTX_free(tls);
	close(epoll_fd);
	return 0;
}
