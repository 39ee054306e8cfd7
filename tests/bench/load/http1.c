/* HTTP/1.1: requests out, answers skipped. With several streams they are pipelined. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "tests/bench/load/load.h"

static void http1_open(struct connection *connection)
{
	if (!connection->sent)
		connection->sent =
			xcalloc(connection->load->options->n_streams, sizeof(struct request));
	if (!connection->reply)
		connection->reply = xmalloc(sizeof(*connection->reply));
	/* Not the line: it is only looked at as far as it was written. */
	memset(connection->reply, 0, offsetof(struct reply, line));
	connection->sent_at = 0;
}

static void http1_issue(struct connection *connection, const struct request *request)
{
	struct load *load = connection->load;
	size_t n_streams = load->options->n_streams;

	body_patch(&load->body, request->number, request->due_us + load->utc_offset_us);
	strbuf_put(&connection->out,
		   strbuf_str(connection->closing ? &load->closing_head : &load->head));
	strbuf_put(&connection->out, (struct str){ load->body.p, load->body.len });
	connection->sent[(connection->sent_at + connection->n_active) % n_streams] = *request;
	connection->n_active++;
}

static struct request *first_sent(struct connection *connection)
{
	struct request *request = &connection->sent[connection->sent_at];

	connection->sent_at = (connection->sent_at + 1) % connection->load->options->n_streams;
	connection->n_active--;
	return request;
}

static int reply_done(struct connection *connection)
{
	struct reply *reply = connection->reply;
	int status = reply->status;
	bool closes = reply->close;

	memset(reply, 0, offsetof(struct reply, line));
	if (status / 100 == 1)
		return 0;
	if (connection->n_active == 0)
		return -EPROTO;
	connection->closing |= closes;
	load_on_answer(connection->load, first_sent(connection), status);
	return 0;
}

static bool value_of(const char *line, const char *name, const char **value_out)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	*value_out = line + n + 1 + strspn(line + n + 1, " \t");
	return true;
}

static int head_done(struct connection *connection)
{
	struct reply *reply = connection->reply;

	if (reply->status == 204 || reply->status == 304 || reply->status / 100 == 1)
		return reply_done(connection);
	reply->in_body = reply->in_chunks || reply->body_bytes > 0;
	return reply->in_body ? 0 : reply_done(connection);
}

static int take_chunk_line(struct connection *connection, const char *line)
{
	struct reply *reply = connection->reply;

	if (reply->in_trailer)
		return *line ? 0 : reply_done(connection);
	if (!*line)
		return 0; /* behind a chunk */
	reply->body_bytes = strtoull(line, NULL, 16);
	reply->in_trailer = reply->body_bytes == 0;
	return 0;
}

static int take_line(struct connection *connection, const char *line)
{
	struct reply *reply = connection->reply;
	const char *value;

	if (reply->in_body)
		return take_chunk_line(connection, line);
	if (reply->status == 0) {
		if (strncmp(line, "HTTP/1.1 ", 9) != 0)
			return -EPROTO;
		reply->status = (int)strtol(line + 9, NULL, 10);
		return reply->status >= 100 && reply->status < MAX_STATUS ? 0 : -EPROTO;
	}
	if (!*line)
		return head_done(connection);
	if (value_of(line, "Content-Length", &value))
		reply->body_bytes = strtoull(value, NULL, 10);
	else if (value_of(line, "Transfer-Encoding", &value))
		reply->in_chunks = strcasecmp(value, "chunked") == 0;
	else if (value_of(line, "Connection", &value))
		reply->close = strcasecmp(value, "close") == 0;
	return 0;
}

/* Up to the end of a line; returns the bytes taken. */
static int take_line_bytes(struct connection *connection, const char *p, size_t n)
{
	struct reply *reply = connection->reply;
	const char *end = memchr(p, '\n', n);
	size_t take = end ? (size_t)(end - p) + 1 : n;
	int r;

	if (reply->line_len + take >= sizeof(reply->line))
		return -EMSGSIZE;
	memcpy(reply->line + reply->line_len, p, take);
	reply->line_len += take;
	if (!end)
		return (int)take;
	while (reply->line_len > 0 && (reply->line[reply->line_len - 1] == '\n' ||
				       reply->line[reply->line_len - 1] == '\r'))
		reply->line_len--;
	reply->line[reply->line_len] = '\0';
	reply->line_len = 0;
	r = take_line(connection, reply->line);
	return r < 0 ? r : (int)take;
}

static int http1_feed(struct connection *connection, const char *p, size_t n)
{
	while (n > 0) {
		struct reply *reply = connection->reply;
		size_t take = n;

		if (reply->in_body && reply->body_bytes > 0) {
			if (take > reply->body_bytes)
				take = (size_t)reply->body_bytes;
			reply->body_bytes -= take;
			if (reply->body_bytes == 0 && !reply->in_chunks &&
			    reply_done(connection) < 0)
				return -EPROTO;
		} else {
			int r = take_line_bytes(connection, p, n);

			if (r < 0)
				return r;
			take = (size_t)r;
		}
		p += take;
		n -= take;
	}
	return 0;
}

static int http1_flush(struct connection *connection)
{
	(void)connection;
	return 0;
}

static void http1_close(struct connection *connection)
{
	while (connection->n_active > 0)
		load_on_lost(connection->load, first_sent(connection));
}

const struct protocol http1_protocol = { .open = http1_open,
					 .issue = http1_issue,
					 .feed = http1_feed,
					 .flush = http1_flush,
					 .close = http1_close };
