/* stream_raw: the least way from a POST to the streams of those who follow.
 *
 * Usage: stream_raw DOOR_PORT STREAM_PORT CLIENTS FOLDER [CERTIFICATE KEY]
 *
 * What any service has to do that promises what ours does, and nothing more: one thread takes bodies,
 * syncs them to a file of FOLDER and answers 200; another syncs them to a second file, as a log, and
 * then writes them to CLIENTS WebSocket connections, as one message. No database, no words, no
 * decoding. Says "listening"; serves until its standard input ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "base/mem.h"
#include "tests/bench/raw_server.h"

#define MAX_SENDERS   256
#define MAX_CLIENTS   1000
#define MAX_REQUEST   65536
#define FILE_BYTES    (256 << 20) /* written beforehand, and over again when it is full */
#define PIECE_BYTES   (1 << 20)
#define MESSAGE_BYTES (1 << 20)
#define WORDS_BYTES   500 /* what a service adds to an event: texts, a number, a source */

struct sender {
	struct client client;
	char text[MAX_REQUEST];
	size_t n;
	bool is_answered;
};

struct log {
	int fd;
	off_t at;
};

static struct sender *senders;
static size_t n_senders;
static struct client *clients;
static size_t n_clients;
static int door;
static struct log journal, events;

/* Bodies on their way from the first thread to the second. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct strbuf bodies;

static void open_log(struct log *log, const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name), *zeros = xcalloc(1, PIECE_BYTES);

	log->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log->fd < 0)
		fail("no file");
	for (off_t at = 0; at < FILE_BYTES; at += PIECE_BYTES)
		if (pwrite(log->fd, zeros, PIECE_BYTES, at) != PIECE_BYTES)
			fail("cannot fill a file");
	fsync(log->fd);
	free(zeros);
	free(path);
}

static void sync_to(struct log *log, struct str bytes)
{
	if (log->at + (off_t)bytes.len > FILE_BYTES)
		log->at = 0;
	if (pwrite(log->fd, bytes.p, bytes.len, log->at) != (ssize_t)bytes.len ||
	    fdatasync(log->fd) < 0)
		fail("cannot sync");
	log->at += (off_t)bytes.len;
}

/* --- the door ---------------------------------------------------------------------------------- */

/* The body of the request that the sender's text holds, or an empty one when it is not whole. */
static struct str body_of(const struct sender *sender)
{
	struct str text = { sender->text, sender->n };
	size_t head = str_find(text, STR("\r\n\r\n")), at = str_find(text, STR("ontent-"));
	unsigned long n = 0;

	for (; at < head; at++)
		if (sscanf(sender->text + at, "ength: %lu", &n) == 1)
			break;
	if (head == text.len || n == 0 || text.len < head + 4 + n)
		return (struct str){ text.p, 0 };
	return (struct str){ text.p + head + 4, n };
}

/* What is there of a request; its body joins the group when it is whole. */
static void take(struct sender *sender, struct strbuf *group)
{
	struct str body;
	ssize_t n = client_read(&sender->client, sender->text + sender->n,
				MAX_REQUEST - 1 - sender->n);

	if (n <= 0) {
		close(sender->client.fd);
		sender->client.fd = -1; /* poll passes over it */
		return;
	}
	sender->n += (size_t)n;
	sender->text[sender->n] = '\0';
	body = body_of(sender);
	if (body.len == 0)
		return;
	strbuf_put_text(group, group->len > 0 ? "," : "");
	strbuf_put(group, body);
	sender->n = 0;
	sender->is_answered = false;
}

static void answer_all(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

	for (size_t i = 0; i < n_senders; i++) {
		if (senders[i].is_answered)
			continue;
		client_write(&senders[i].client, answer, sizeof(answer) - 1);
		senders[i].is_answered = true;
	}
}

static void hand_over(struct str group)
{
	pthread_mutex_lock(&mutex);
	strbuf_put_text(&bodies, bodies.len > 0 ? "," : "");
	strbuf_put(&bodies, group);
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&mutex);
}

/* False when standard input has ended. */
static bool turn(struct strbuf *group)
{
	struct pollfd watched[MAX_SENDERS + 2] = { { .fd = door, .events = POLLIN },
						   { .fd = STDIN_FILENO, .events = POLLIN } };
	size_t n = n_senders;

	for (size_t i = 0; i < n; i++)
		watched[2 + i] = (struct pollfd){ .fd = senders[i].client.fd, .events = POLLIN };
	if (poll(watched, n + 2, -1) < 0)
		fail("poll");
	strbuf_reset(group);
	for (size_t i = 0; i < n; i++)
		if (watched[2 + i].revents)
			take(&senders[i], group);
	if (group->len > 0) {
		sync_to(&journal, strbuf_str(group));
		hand_over(strbuf_str(group));
		answer_all();
	}
	if (watched[0].revents) {
		if (n_senders == MAX_SENDERS)
			fail("so many senders are not taken");
		senders[n_senders].is_answered = true;
		accept_client(door, &senders[n_senders++].client);
	}
	return !watched[1].revents;
}

/* --- the streams ------------------------------------------------------------------------------- */

static void send_to_all(char *buffer, struct str group)
{
	struct strbuf text;
	struct str frame;

	strbuf_init(&text, MESSAGE_BYTES);
	strbuf_put_text(&text, "{\"type\":\"events\",\"events\":[");
	strbuf_put(&text, group);
	strbuf_putf(&text, "],\"words\":\"%0*d\"}", WORDS_BYTES, 0);
	if (text.failed)
		fail("a message is too long");
	memcpy(buffer + FRAME_HEAD, text.p, text.len);
	frame = frame_of(buffer, text.len);
	for (size_t i = 0; i < n_clients; i++)
		client_write(&clients[i], frame.p, frame.len);
	strbuf_fini(&text);
}

static void *follow(void *ctx)
{
	char *buffer = xmalloc(FRAME_HEAD + MESSAGE_BYTES);
	struct strbuf group;

	for (size_t i = 0; i < n_clients; i++)
		take_client(*(int *)ctx, &clients[i]);
	for (;;) {
		pthread_mutex_lock(&mutex);
		while (bodies.len == 0)
			pthread_cond_wait(&filled, &mutex);
		group = bodies;
		strbuf_init(&bodies, MESSAGE_BYTES / 2);
		pthread_mutex_unlock(&mutex);
		sync_to(&events, strbuf_str(&group));
		send_to_all(buffer, strbuf_str(&group));
		strbuf_fini(&group);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct strbuf group;
	pthread_t thread;
	int listener;

	if (argc != 5 && argc != 7)
		fail("DOOR_PORT STREAM_PORT CLIENTS FOLDER [CERTIFICATE KEY]");
	n_clients = strtoul(argv[3], NULL, 10);
	if (n_clients == 0 || n_clients > MAX_CLIENTS)
		fail("so many clients are not taken");
	signal(SIGPIPE, SIG_IGN);
	if (argc == 7)
		open_tls(argv[5], argv[6]);
	open_log(&journal, argv[4], "journal");
	open_log(&events, argv[4], "events");
	strbuf_init(&bodies, MESSAGE_BYTES / 2);
	strbuf_init(&group, MESSAGE_BYTES / 2);
	senders = xcalloc(MAX_SENDERS, sizeof(senders[0]));
	clients = xcalloc(n_clients, sizeof(clients[0]));
	door = listen_on(argv[1]);
	listener = listen_on(argv[2]);
	puts("listening");
	fflush(stdout);
	if (pthread_create(&thread, NULL, follow, &listener) != 0)
		fail("no thread");
	while (turn(&group))
		;
	_exit(0); /* the other thread has nothing to give back */
}
