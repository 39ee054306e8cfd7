/* A worker's listeners. Thread: the loop's. */
#ifndef HTTP_SERVER_PRIV_H
#define HTTP_SERVER_PRIV_H

#include "http/connection_priv.h"

struct err;
struct listener;

/* --- listener.c --- */
int listener_open(struct http_server *server, const struct http_address *address,
		  struct listener **out, struct err *err);
void listener_close(struct listener *listener); /* NULL is allowed */

#endif
