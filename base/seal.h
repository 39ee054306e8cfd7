/* Seal: secrets at rest, encrypted with the key of the installation (AES-256-GCM).
 *
 * What is sealed opens with the same key and the same context only, so that nobody can move it to
 * another row. Sealing the same secret twice gives different texts. Thread: any.
 */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct seal_key {
	uint8_t b[32];
};

/* From the content of a key file. */
void seal_key_make(struct str text, struct seal_key *out);
/* Appends the sealed text: ASCII, about 4/3 of the secret and 40 bytes. */
void seal_close(const struct seal_key *key, struct str context, struct str secret,
		struct strbuf *out);
/* Appends the secret, which the caller wipes. False: another key or context, or not sealed by us;
 * `out` is as it was. */
bool seal_open(const struct seal_key *key, struct str context, struct str sealed,
	       struct strbuf *out);

#endif
