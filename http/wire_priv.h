/* Wire: the bytes of one connection, plain or through TLS. Thread: one at a time. */
#ifndef HTTP_WIRE_PRIV_H
#define HTTP_WIRE_PRIV_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire {
	int fd;      /* owned by whoever has the wire */
	SSL *ssl;    /* likewise; NULL: plain */
	bool broken; /* TLS failed for good: nothing may be said any more */
	bool read_wants_write;
};

/* Bytes, 0 at the end, -EAGAIN or another negative errno. */
ssize_t wire_recv(struct wire *wire, char *to, size_t n);
/* Bytes, -EAGAIN or another negative errno. After -EAGAIN the same bytes are to be sent next. */
ssize_t wire_send(struct wire *wire, const char *p, size_t n);
/* What SSL_do_handshake() and its like returned, as an errno; 0 at the end. */
int wire_failure(struct wire *wire, int r, bool reading);
/* Decrypted or raw bytes wait inside the TLS engine. */
bool wire_has_pending(const struct wire *wire);
/* Tell the peer that no more comes, if there is room; nobody waits. */
void wire_say_end(struct wire *wire);
/* Closed, nothing is left of it. `reset`: what the kernel holds for a peer that takes nothing,
 * which would stay there for minutes, goes too. */
void wire_close(struct wire *wire, bool reset);

#endif
