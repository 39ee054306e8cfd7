/* What the workers of one door share: counts against the caps. Thread: any. */
#ifndef HTTP_SHARED_PRIV_H
#define HTTP_SHARED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/server.h"

#define PEER_KEY_BYTES 16

/* An address as IPv6 (IPv4 as ::ffff:a.b.c.d), in network order. */
struct peer_key {
	uint8_t b[PEER_KEY_BYTES];
};

enum shared_answer { SHARED_ADMITTED, SHARED_FULL, SHARED_PEER_FULL };

const struct http_limits *shared_limits(const struct http_shared *shared);
const char *shared_door(const struct http_shared *shared);
/* Count a connection of `peer` unless it would pass a cap. */
enum shared_answer shared_admit(struct http_shared *shared, const struct peer_key *peer);
void shared_leave(struct http_shared *shared, const struct peer_key *peer);
/* Count `n` bytes of bodies held; false when they would pass the cap (then not counted). */
bool shared_charge(struct http_shared *shared, size_t n);
void shared_discharge(struct http_shared *shared, size_t n);

#endif
