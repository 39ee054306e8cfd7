/* Addresses as configured and as met. Pure but for address_bind(). Thread: any. */
#ifndef HTTP_ADDRESS_PRIV_H
#define HTTP_ADDRESS_PRIV_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/str.h"
#include "http/shared_priv.h"

struct err;

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

/* "127.0.0.1:8443", "[::]:8443", ":8443" (all addresses). -EINVAL with words otherwise. */
int address_parse(struct str text, struct address *out, struct err *err);
/* A socket bound to `text`: non-blocking, close-on-exec, dual stack where it can be. `shared`
 * lets other sockets of this process listen there too. Returns the descriptor. */
int address_bind(struct str text, bool shared, struct err *err);
void address_peer(const struct address *from, struct peer_key *key_out,
		  char text_out[INET6_ADDRSTRLEN]);

#endif
