/* Doors: the listening addresses of both servers and their TLS, from the configuration. */
#ifndef SERVICE_DOORS_H
#define SERVICE_DOORS_H

#include <stddef.h>

#include "http/server.h"
#include "http/tls.h"

struct config;
struct err;

/* A TLS address of the receiver with a policy of its own. */
struct own_door {
	struct tls_policy policy;
	struct tls_slot *tls; /* owned */
};

struct doors {
	struct tls_slot *receiver_tls, *api_tls; /* owned; NULL when nothing listens with TLS */
	struct own_door *own;			 /* new, n_own of them */
	size_t n_own;
	struct http_address *receiver, *api;	 /* new */
	size_t n_receiver, n_api;
};

/* Check that every address is free and read (or make) the certificates. */
int doors_open(const struct config *config, struct doors *out, struct err *err);
int doors_reload(struct doors *doors, const struct config *config, struct err *err);
void doors_fini(struct doors *doors); /* after the servers */

#endif
