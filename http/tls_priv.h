/* The side of a TLS slot that listeners see. */
#ifndef HTTP_TLS_PRIV_H
#define HTTP_TLS_PRIV_H

#include <openssl/types.h>
#include <stdint.h>

#include "http/tls.h"

/* Bring a thread's own reference up to date; *context starts NULL, *version 0. */
void tls_slot_refresh(struct tls_slot *slot, SSL_CTX **context, uint64_t *version);
/* The first error OpenSSL holds for this thread, in words; clears them all. */
const char *tls_error_text(void);

#endif
