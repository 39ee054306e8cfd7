/* The first bytes of a plain connection, which tell HTTP/2 by prior knowledge (RFC 9113 3.3) from
 * HTTP/1. They may come in pieces. Thread: the loop's. */
#include <string.h>

#include "http/connection_priv.h"

/* RFC 9113 3.4 */
#define PREFACE STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

static void on_input(struct connection *connection)
{
	const char *p = connection->block ? connection->block->data + connection->in_at : "";
	size_t n = connection->in_end - connection->in_at;
	bool whole = n >= PREFACE.len;

	if (whole)
		n = PREFACE.len;
	if (memcmp(p, PREFACE.p, n) != 0 || (connection->eof && !whole))
		connection->protocol = &http1_ops;
	else if (whole)
		http2_begin(connection); /* which reads the preface again */
	else
		return;
	connection->protocol->on_input(connection);
}

static void on_moved(struct connection *connection, const char *from, const char *to)
{
	(void)connection; /* nobody looks into the input */
}

static bool must_pause(const struct connection *connection)
{
	return false;
}

static enum connection_phase phase(const struct connection *connection)
{
	return PHASE_HEAD;
}

static void on_time_out(struct connection *connection)
{
	connection->protocol = &http1_ops;
	connection->protocol->on_time_out(connection);
}

static void fini(struct connection *connection)
{
	(void)connection; /* it holds nothing */
}

const struct protocol_ops preface_ops = {
	.name = "preface",
	.on_input = on_input,
	.must_pause = must_pause,
	.on_moved = on_moved,
	.phase = phase,
	.on_time_out = on_time_out,
	.fini = fini,
};
