/* Answers of no known length: written as the peer takes them. What a protocol does with the bytes
 * is its own; here is when a writer goes on. Thread: the loop's. */
#include <assert.h>

#include "http/connection_priv.h"

/* Whether the writer may go on; one that may not is called later. */
static bool may_go_on(struct http_request *request)
{
	bool room =
		!http_request_is_gone(request) && request->connection->protocol->has_room(request);

	request->wants_room = !room;
	request->rests = false;
	if (request->wants_room)
		connection_touch(request->connection); /* it may be gone already */
	return room;
}

bool http_stream_begin(struct http_request *request, int status, const struct http_header *headers,
		       size_t n_headers, http_room_fn *on_room, void *ctx)
{
	struct connection *connection = request->connection;
	const struct http_handler *handler = server_handler(connection->server);

	assert(!request->answered && !request->on_room);
	if (handler->on_answer)
		handler->on_answer(request, status, handler->ctx);
	request->on_room = on_room;
	request->room_ctx = ctx;
	if (connection->state != CONNECTION_GONE)
		connection->protocol->begin(request, status, headers, n_headers);
	return may_go_on(request);
}

bool http_stream_write(struct http_request *request, struct str bytes)
{
	assert(request->on_room);
	if (request->connection->state != CONNECTION_GONE)
		request->connection->protocol->write(request, bytes);
	return may_go_on(request);
}

void http_stream_rest(struct http_request *request)
{
	request->rests = true;
	if (http_request_is_gone(request))
		connection_touch(request->connection);
}

void http_stream_end(struct http_request *request, bool whole)
{
	struct connection *connection = request->connection;

	assert(request->on_room);
	request->wants_room = request->rests = false;
	if (connection->state != CONNECTION_GONE) {
		connection->protocol->end(request, whole);
		return;
	}
	request->answered = true;
	connection_advance(connection);
	if (connection->n_requests == 0)
		server_bury(connection->server, connection);
}

static struct http_request *find_waiting(const struct connection *connection)
{
	for (struct http_request *request = connection->first; request; request = request->next) {
		bool gone = (request->wants_room || request->rests) && http_request_is_gone(request);

		if (gone || (request->wants_room && connection->protocol->has_room(request)))
			return request;
	}
	return NULL;
}

void streams_settle(struct connection *connection)
{
	struct http_request *request;

	/* A writer may end its answer, and with it the request. One that fills its room anew is
	 * served again in the next turn, behind the others. */
	while (!connection->again && (request = find_waiting(connection))) {
		request->wants_room = request->rests = false;
		server_again(connection->server, connection);
		request->on_room(request, request->room_ctx);
	}
}
