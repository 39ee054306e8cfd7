/* Connections that go on as something else after an Upgrade: a plain one is handed out as it is, one
 * behind TLS as a tunnel. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "http/connection_priv.h"
#include "http/tunnel_priv.h"

/* The request leaves the queue without an answer; `early_out` gets what came behind it. */
static void give_back(struct http_request *request, struct strbuf *early_out)
{
	struct connection *connection = request->connection;

	strbuf_init(early_out, SIZE_MAX);
	if (connection->block)
		strbuf_put(early_out, (struct str){ connection->block->data + connection->in_at,
						    connection->in_end - connection->in_at });
	connection->in_at = connection->in_end;
	request->answered = true;
	connection_advance(connection);
	block_unref(connection->server, connection->block);
	connection->block = NULL;
	connection->in_at = connection->in_end = 0;
}

int http_request_take_over(struct http_request *request, int *fd_out,
			   struct http_tunnel **tunnel_out, struct strbuf *early_out,
			   struct err *err)
{
	struct connection *connection = request->connection;
	int r;

	if (connection->state != CONNECTION_OPEN || connection->eof)
		return err_set(err, -EPIPE, "the peer has left");
	if (connection->http2)
		return err_set(err, -EOPNOTSUPP, "a stream of HTTP/2 cannot be taken over");
	if (connection->n_requests != 1 || request->answered || connection->http1.reading)
		return err_set(err, -EBUSY, "other requests of the connection are under way");
	r = connection_flush(connection);
	if (r < 0 && r != -EAGAIN)
		return err_set(err, r, "the peer has left: %s", strerror(-r));
	*tunnel_out = NULL;
	*fd_out = connection->wire.fd;
	if (connection->wire.ssl || r < 0) {
		struct str unsent = { connection->out.p + connection->out_sent,
				      connection_n_unsent(connection) };

		r = tunnel_new(&connection->wire, r < 0 ? unsent : STR(""), tunnel_out, fd_out,
			       err);
		if (r < 0)
			return r;
	}
	give_back(request, early_out);
	connection_detach(connection);
	return 0;
}
