/* The run: opening, pacing, the measured window, the end. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

#define TURN_EVENTS 512
#define TURN_MS     10 /* ends of time are looked at so often */

static volatile sig_atomic_t stopped;

void load_stop(void)
{
	stopped = 1;
}

/* --- setting up --------------------------------------------------------------------------------
 */

static int find_address(struct load *load, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const struct options *options = load->options;
	struct addrinfo *found = NULL;
	int r = getaddrinfo(options->host, options->port, &hints, &found);

	if (r != 0)
		return err_set(err, -EHOSTUNREACH, "%s:%s: %s", options->host, options->port,
			       gai_strerror(r));
	memcpy(&load->address, found->ai_addr, found->ai_addrlen);
	load->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct connection *connection = SSL_get_app_data(ssl);
	struct load *load = connection->load;

	SSL_SESSION_free(load->session);
	load->session = session;
	return 1; /* ours now */
}

static int make_tls(struct load *load, struct err *err)
{
	const struct options *options = load->options;
	const char *alpn = options->h2 ? "\x02h2" : "\x08http/1.1";

	load->tls = SSL_CTX_new(TLS_client_method());
	if (!load->tls || SSL_CTX_set_alpn_protos(load->tls, (const unsigned char *)alpn,
						  (unsigned)strlen(alpn)) != 0)
		return err_set(err, -ENOMEM, "no TLS context");
	SSL_CTX_set_verify(load->tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(load->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(load->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Many small records of answers in one read. */
	SSL_CTX_set_read_ahead(load->tls, 1);
	SSL_CTX_set_default_read_buffer_len(load->tls, READ_BYTES);
	if (options->tls12)
		SSL_CTX_set_max_proto_version(load->tls, TLS1_2_VERSION);
	if (options->resume) {
		SSL_CTX_set_session_cache_mode(load->tls,
					       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(load->tls, on_new_session);
	}
	return 0;
}

static void make_head(struct load *load, struct strbuf *head, const char *more)
{
	strbuf_init(head, 16384);
	strbuf_putf(head,
		    "POST %s HTTP/1.1\r\nHost: %.*s\r\nContent-Type: application/json\r\n"
		    "Content-Length: %.*s\r\n%s\r\n",
		    load->options->path, STR_ARG(strbuf_str(&load->authority)),
		    STR_ARG(strbuf_str(&load->length)), more);
}

static void make_texts(struct load *load)
{
	const struct options *options = load->options;
	bool v6 = strchr(options->host, ':') != NULL;

	strbuf_init(&load->authority, 1024);
	strbuf_putf(&load->authority, v6 ? "[%s]:%s" : "%s:%s", options->host, options->port);
	strbuf_init(&load->length, 32);
	strbuf_put_u64(&load->length, load->body.len);
	make_head(load, &load->head, "");
	make_head(load, &load->closing_head, "Connection: close\r\n");
}

static void to_open(struct connection *connection)
{
	struct load *load = connection->load;

	connection->next_to_open = NULL;
	if (load->last_to_open)
		load->last_to_open->next_to_open = connection;
	else
		load->first_to_open = connection;
	load->last_to_open = connection;
}

static void make_connections(struct load *load)
{
	size_t n = load->options->n_connections;

	load->connections = xcalloc(n, sizeof(struct connection));
	for (size_t i = 0; i < n; i++) {
		struct connection *connection = &load->connections[i];

		connection->load = load;
		connection->fd = -1;
		connection->index = i;
		strbuf_init(&connection->out, SIZE_MAX / 2);
		to_open(connection);
	}
}

static int open_fds(struct load *load, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (load->epoll_fd < 0 || load->timer_fd < 0 ||
	    epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->timer_fd, &event) < 0)
		return err_set(err, -errno, "no epoll: %s", strerror(errno));
	if (!load->options->record_path)
		return 0;
	load->record = fopen(load->options->record_path, "we");
	if (!load->record)
		return err_set(err, -errno, "cannot write '%s': %s", load->options->record_path,
			       strerror(errno));
	return 0;
}

int load_init(struct load *load, const struct options *options, struct err *err)
{
	int r;

	memset(load, 0, sizeof(*load));
	load->options = options;
	load->epoll_fd = load->timer_fd = -1;
	load->protocol = options->h2 ? &http2_protocol : &http1_protocol;
	load->latency = xcalloc(1, sizeof(*load->latency));
	load->input = xmalloc(READ_BYTES);
	load->utc_offset_us = utc_us() - monotonic_us();
	load->n_wanted = options->n_requests;
	if (load->n_wanted == 0 && options->rate > 0)
		load->n_wanted = (uint64_t)(options->rate * options->seconds);
	body_init(&load->body, options->body_bytes);
	make_texts(load);
	make_connections(load);
	r = find_address(load, err);
	if (r == 0 && options->tls)
		r = make_tls(load, err);
	return r < 0 ? r : open_fds(load, err);
}

void load_fini(struct load *load)
{
	for (size_t i = 0; i < load->options->n_connections; i++) {
		struct connection *connection = &load->connections[i];

		if (connection->state != CONNECTION_DOWN)
			connection_close(connection, NULL);
		strbuf_fini(&connection->out);
		free(connection->sent);
		free(connection->reply);
		free(connection->streams);
	}
	free(load->connections);
	if (load->record && fclose(load->record) != 0)
		fprintf(stderr, "load: the record is incomplete: %s\n", strerror(errno));
	close(load->epoll_fd);
	close(load->timer_fd);
	SSL_SESSION_free(load->session);
	SSL_CTX_free(load->tls);
	strbuf_fini(&load->head);
	strbuf_fini(&load->closing_head);
	strbuf_fini(&load->authority);
	strbuf_fini(&load->length);
	body_fini(&load->body);
	free(load->latency);
	free(load->input);
}

/* --- what connections tell -----------------------------------------------------------------------
 */

static int64_t due_us(const struct load *load, uint64_t number)
{
	return load->start_us + (int64_t)((double)number * 1e6 / load->options->rate);
}

bool load_take(struct load *load, struct request *out)
{
	int64_t now = monotonic_us(), due = now;

	if (!load->is_running || load->is_done)
		return false;
	if ((load->n_wanted > 0 && load->n_sent == load->n_wanted) || stopped ||
	    (load->n_wanted == 0 &&
	     now >= load->start_us + (int64_t)(load->options->seconds * 1e6))) {
		load->is_done = true;
		return false;
	}
	if (load->options->rate > 0) {
		due = due_us(load, load->n_sent);
		if (due > now)
			return false;
	}
	*out = (struct request){ .number = load->n_sent++, .due_us = due };
	return true;
}

static void note(struct load *load, const struct request *request, int status)
{
	char id[ID_CHARS];

	if (!load->record)
		return;
	body_id(&load->body, request->number, id);
	fprintf(load->record, "%.*s %d\n", ID_CHARS, id, status);
}

void load_on_answer(struct load *load, const struct request *request, int status)
{
	load->end_us = monotonic_us();
	load->n_answered++;
	load->by_status[status]++;
	histogram_add(load->latency, load->end_us - request->due_us);
	note(load, request, status);
}

void load_on_lost(struct load *load, const struct request *request)
{
	load->n_lost++;
	note(load, request, 0);
}

void load_on_open(struct connection *connection)
{
	struct load *load = connection->load;

	connection->state = CONNECTION_OPEN;
	load->n_opening--;
	load->n_open++;
	load->n_opened++;
	connection_push(connection);
}

void load_on_closed(struct connection *connection, const char *why)
{
	struct load *load = connection->load;

	if (connection->state == CONNECTION_OPEN)
		load->n_open--;
	else
		load->n_opening--;
	connection->state = CONNECTION_DOWN;
	connection->retry_us = 0;
	if (why) {
		load->n_failures++;
		snprintf(load->last_error, sizeof(load->last_error), "%s", why);
		connection->retry_us = monotonic_us() + RETRY_US;
	}
	if (!load->is_done)
		to_open(connection);
}

void load_wait_for_request(struct connection *connection)
{
	struct load *load = connection->load;

	if (connection->is_idle || load->options->rate <= 0)
		return;
	connection->is_idle = true;
	connection->next_idle = NULL;
	if (load->last_idle)
		load->last_idle->next_idle = connection;
	else
		load->first_idle = connection;
	load->last_idle = connection;
}

/* --- turns ------------------------------------------------------------------------------------
 */

static void open_some(struct load *load)
{
	while (load->first_to_open && load->n_opening < MAX_OPENING) {
		struct connection *connection = load->first_to_open;

		if (connection->retry_us > monotonic_us())
			return;
		load->first_to_open = connection->next_to_open;
		if (!load->first_to_open)
			load->last_to_open = NULL;
		connection_open(connection);
	}
}

/* Requests that fell due go to the connections that waited longest. */
static void give_due(struct load *load)
{
	while (load->first_idle && due_us(load, load->n_sent) <= monotonic_us() && !load->is_done) {
		struct connection *connection = load->first_idle;

		load->first_idle = connection->next_idle;
		if (!load->first_idle)
			load->last_idle = NULL;
		connection->is_idle = false;
		connection_push(connection);
	}
}

static void set_timer(struct load *load)
{
	int64_t due = due_us(load, load->n_sent);
	struct itimerspec at = { .it_value = { due / 1000000, due % 1000000 * 1000 } };

	if (load->first_idle && !load->is_done)
		timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void turn(struct load *load)
{
	struct epoll_event events[TURN_EVENTS];
	int n;

	open_some(load);
	if (load->is_running && load->options->rate > 0)
		set_timer(load);
	n = epoll_wait(load->epoll_fd, events, TURN_EVENTS, TURN_MS);
	for (int i = 0; i < n; i++) {
		uint64_t expired;

		if (events[i].data.ptr)
			connection_on_event(events[i].data.ptr, events[i].events);
		else if (read(load->timer_fd, &expired, sizeof(expired)) < 0)
			continue; /* set again meanwhile */
	}
	if (load->is_running && load->options->rate > 0)
		give_due(load);
}

static int open_all(struct load *load, struct err *err)
{
	int64_t limit = monotonic_us() + OPEN_LIMIT_US;

	while (load->n_open < load->options->n_connections) {
		if (stopped || monotonic_us() > limit)
			return err_set(err, -ETIMEDOUT, "%zu of %zu connections stand: %s",
				       load->n_open, load->options->n_connections,
				       load->last_error);
		turn(load);
	}
	return 0;
}

static int64_t watched_ns(const struct load *load)
{
	int64_t sum = 0;

	for (size_t i = 0; i < load->options->n_watched; i++) {
		int64_t ns = cpu_of_process_ns(load->options->watched[i]);

		sum += ns > 0 ? ns : 0;
	}
	return sum;
}

static void start_window(struct load *load)
{
	load->watched_start_ns = watched_ns(load);
	load->self_start_us = cpu_of_self_us();
	load->start_us = load->end_us = monotonic_us();
	load->is_running = true;
	for (size_t i = 0; i < load->options->n_connections; i++)
		connection_push(&load->connections[i]);
}

/* The time is up even when no connection asks for a request. */
static void look_at_end(struct load *load, int64_t *grace_us)
{
	int64_t now = monotonic_us();
	bool by_time = load->options->n_requests == 0;

	if (stopped || (load->n_wanted > 0 && load->n_sent == load->n_wanted) ||
	    (by_time && now > load->start_us + (int64_t)(load->options->seconds * 1e6) +
					(load->options->rate > 0 ? GRACE_US : 0)))
		load->is_done = true;
	if (load->is_done && *grace_us == 0)
		*grace_us = now + GRACE_US;
}

int load_run(struct load *load, struct err *err)
{
	int64_t grace_us = 0;
	int r = open_all(load, err);

	if (r < 0)
		return r;
	start_window(load);
	for (;;) {
		look_at_end(load, &grace_us);
		if (load->is_done &&
		    (load->n_sent == load->n_answered + load->n_lost || monotonic_us() > grace_us))
			break;
		turn(load);
	}
	load->watched_ns = watched_ns(load) - load->watched_start_ns;
	load->self_us = cpu_of_self_us() - load->self_start_us;
	return 0;
}
