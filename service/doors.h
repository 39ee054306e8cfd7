/* Doors: the listening addresses of both servers and their TLS, from the configuration. */
#ifndef SERVICE_DOORS_H
#define SERVICE_DOORS_H

#include <stddef.h>

#include "http/server.h"

struct config;
struct err;

struct doors {
	struct tls_slot *receiver_tls, *api_tls; /* owned; NULL when nothing listens with TLS */
	struct http_address *receiver, *api;	 /* new */
	size_t n_receiver, n_api;
};

/* Check that every address is free and read (or make) the certificates. */
int doors_open(const struct config *config, struct doors *out, struct err *err);
int doors_reload(struct doors *doors, const struct config *config, struct err *err);
void doors_fini(struct doors *doors); /* after the servers */

#endif
