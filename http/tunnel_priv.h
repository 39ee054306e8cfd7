#ifndef HTTP_TUNNEL_PRIV_H
#define HTTP_TUNNEL_PRIV_H

#include "base/str.h"
#include "http/tunnel.h"
#include "http/wire_priv.h"

struct err;

/* Takes the wire, and `unsent`, which the peer gets first. `*inner_fd` is the caller's. On failure
 * nothing is taken. */
int tunnel_new(const struct wire *wire, struct str unsent, struct http_tunnel **out, int *inner_fd,
	       struct err *err);

#endif
