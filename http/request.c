#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/connection_priv.h"

struct http_request *request_new(struct connection *connection)
{
	struct http_server *server = connection->server;
	struct http_request *request = server_spare_request(server);

	if (!request)
		request = xmalloc(sizeof(*request) +
				  server_limits(server)->max_headers * sizeof(request->headers[0]));
	*request = (struct http_request){ .connection = connection,
					  .body = STR(""),
					  .max_body_bytes = server_limits(server)->max_body_bytes };
	return request;
}

void request_enqueue(struct http_request *request)
{
	struct connection *connection = request->connection;

	request->next = NULL;
	request->prev = connection->last;
	if (connection->last)
		connection->last->next = request;
	else
		connection->first = request;
	connection->last = request;
	connection->n_requests++;
}

void request_dequeue(struct http_request *request)
{
	struct connection *connection = request->connection;

	if (request->prev)
		request->prev->next = request->next;
	else
		connection->first = request->next;
	if (request->next)
		request->next->prev = request->prev;
	else
		connection->last = request->prev;
	connection->n_requests--;
}

void request_refuse(struct http_request *request, int status, const char *words)
{
	static const struct http_header headers[] = {
		{ { "Content-Type", 12 }, { "application/json;charset=utf-8", 30 } },
		{ { "OData-Version", 13 }, { "4.0", 3 } },
		{ { "Retry-After", 11 }, { "5", 1 } },
	};
	struct connection *connection = request->connection;
	struct strbuf body;

	server_report(connection->server, REPORT_BAD_REQUEST);
	strbuf_init(&body, 4096);
	http_error_body(&body, words);
	connection->protocol->answer(request, status, headers, status == 503 ? 3 : 2,
				     strbuf_str(&body));
	strbuf_fini(&body);
}

void request_recycle(struct http_request *request)
{
	struct http_server *server = request->connection->server;

	shared_discharge(server_shared(server), request->charged);
	block_unref(server, request->block);
	if (request->answer.p)
		server_keep_output(server, &request->answer);
	if (request->head_bytes.p)
		server_keep_output(server, &request->head_bytes);
	if (request->body_bytes.p)
		server_keep_output(server, &request->body_bytes);
	server_keep_request(server, request);
}

static void move_view(struct str *view, const char *from, size_t n, const char *to)
{
	/* Literals stay where they are. */
	if ((uintptr_t)view->p >= (uintptr_t)from && (uintptr_t)view->p <= (uintptr_t)from + n)
		view->p = to + ((uintptr_t)view->p - (uintptr_t)from);
}

void request_move(struct http_request *request, const char *from, size_t n, const char *to)
{
	move_view(&request->head.method_text, from, n, to);
	move_view(&request->head.path, from, n, to);
	move_view(&request->head.query, from, n, to);
	for (size_t i = 0; i < request->head.n_headers; i++) {
		move_view(&request->headers[i].name, from, n, to);
		move_view(&request->headers[i].value, from, n, to);
	}
}

/* The turn has come to an answer under way: what of it is there goes out. */
static void show_begun(struct http_request *request)
{
	struct connection *connection = request->connection;

	strbuf_put(connection_out(connection), strbuf_str(&request->answer));
	connection->n_held -= request->answer.len;
	server_keep_output(connection->server, &request->answer);
}

void connection_advance(struct connection *connection)
{
	bool gone = connection->state == CONNECTION_GONE;

	while (connection->first && connection->first->answered) {
		struct http_request *request = connection->first;

		request_dequeue(request);
		connection->n_held -= request->answer.len;
		if (!gone && request->answer.len > 0)
			strbuf_put(connection_out(connection), strbuf_str(&request->answer));
		if (request->close)
			connection->closing = true;
		request_recycle(request);
	}
	if (gone)
		return;
	if (connection->first && connection->first->answer.len > 0)
		show_begun(connection->first);
	connection_touch(connection);
}

bool http_request_limit_body(struct http_request *request, size_t max_bytes)
{
	if (max_bytes < request->max_body_bytes)
		request->max_body_bytes = max_bytes;
	return request->head.content_length <= request->max_body_bytes;
}

void http_respond(struct http_request *request, int status, const struct http_header *headers,
		  size_t n_headers, struct str body)
{
	struct connection *connection = request->connection;
	const struct http_handler *handler = server_handler(connection->server);

	assert(!request->answered);
	if (handler->on_answer)
		handler->on_answer(request, status, handler->ctx);
	if (connection->state != CONNECTION_GONE) {
		connection->protocol->answer(request, status, headers, n_headers, body);
		return;
	}
	request->answered = true;
	connection_advance(connection);
	if (connection->n_requests == 0)
		server_bury(connection->server, connection);
}

/* --- what handlers ask ---------------------------------------------------------------------------
 */

enum http_method http_request_method(const struct http_request *request)
{
	return request->head.method;
}

struct str http_request_method_text(const struct http_request *request)
{
	return request->head.method_text;
}

struct str http_request_path(const struct http_request *request)
{
	return request->head.path;
}

struct str http_request_query(const struct http_request *request)
{
	return request->head.query;
}

struct str http_request_body(const struct http_request *request)
{
	return request->body;
}

struct str http_request_peer(const struct http_request *request)
{
	return str_of(request->connection->peer);
}

struct str http_request_protocol(const struct http_request *request)
{
	if (request->connection->protocol == &http2_ops)
		return STR("h2");
	return request->head.minor == 0 ? STR("http/1.0") : STR("http/1.1");
}

bool http_request_is_gone(const struct http_request *request)
{
	return request->connection->state == CONNECTION_GONE ||
	       (request->connection->protocol == &http2_ops && !request->stream);
}

int64_t http_request_received_us(const struct http_request *request)
{
	return request->received_us;
}

struct str http_request_header(const struct http_request *request, const char *name)
{
	struct str wanted = str_of(name);

	for (size_t i = 0; i < request->head.n_headers; i++)
		if (str_eq_nocase(request->headers[i].name, wanted))
			return request->headers[i].value;
	return (struct str){ NULL, 0 };
}

size_t http_request_n_headers(const struct http_request *request)
{
	return request->head.n_headers;
}

const struct http_header *http_request_header_at(const struct http_request *request, size_t i)
{
	return &request->headers[i];
}

void http_request_set_user(struct http_request *request, void *user)
{
	request->user = user;
}

void *http_request_user(const struct http_request *request)
{
	return request->user;
}
