/* Random bytes, digests, and comparisons that do not tell how far they got. Thread: any. */
#ifndef BASE_SECRETS_H
#define BASE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define SHA256_BYTES 32

void secrets_random(void *out, size_t n_bytes); /* from the kernel; ends the process on failure */
/* `n_chars` of the lower-case base32 alphabet a-z2-7 and a NUL; 5 random bits each. */
void secrets_token(char *out, size_t n_chars);
bool secrets_eq(struct str a, struct str b); /* time depends on the lengths only */
void secrets_sha256(struct str data, uint8_t out[SHA256_BYTES]);
void secrets_hex(const uint8_t *bytes, size_t n, char *out); /* 2n chars and a NUL */
void secrets_wipe(void *p, size_t n_bytes);		      /* not optimised away */

#endif
