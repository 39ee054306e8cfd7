/* Wire: the bytes of one connection, plain or through TLS. Thread: one at a time. */
#ifndef HTTP_WIRE_PRIV_H
#define HTTP_WIRE_PRIV_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
/* What epoll said, where room to write that a read waited for is input. */
uint32_t wire_events(struct wire *wire, uint32_t events);
/* When it is closed, what the kernel holds for a peer that takes nothing goes too: it would stay
 * there for minutes. */
void wire_drop_unsent(struct wire *wire);
void wire_close(struct wire *wire); /* nothing is left of it */

#endif
