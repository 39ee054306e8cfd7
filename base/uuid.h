/* 128-bit ids: UUIDv7 for deliveries, UUIDv4 for segments and sources, digests of text. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define UUID_TEXT_BYTES 37 /* "019ad5c2-…" and its NUL */

struct uuid {
	uint8_t b[16];
};

struct uuid uuid_v4(void);
/* RFC 9562 version 7 of this moment; within one thread strictly ascending. */
struct uuid uuid_v7(int64_t time_us);
/* The first 16 bytes of SHA-256(domain, 0x00, text), marked version 8: the same everywhere. */
struct uuid uuid_digest(struct str domain, struct str text);
char *uuid_format(struct uuid id, char out[UUID_TEXT_BYTES]); /* lower case; returns out */
bool uuid_parse(struct str text, struct uuid *out);
bool uuid_eq(struct uuid a, struct uuid b);
bool uuid_is_zero(struct uuid id);

#endif
