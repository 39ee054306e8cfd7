/* TLS contexts of the front door: certificates, versions, reload.
 *
 * A slot holds the newest context; a connection keeps the one it started with, so that a reload
 * drops nobody. Thread: slots from any thread; contexts are immutable.
 */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;
struct tls_slot;

struct tls_certificate {
	const char *certificate; /* PEM chain, path */
	const char *key;         /* PEM, path */
};

enum tls_version { TLS_VERSION_1_0, TLS_VERSION_1_1, TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* What a listener takes. TLS 1.0 and 1.1 need level 0, which also lets in keys and digests that are
 * no longer safe: for BMCs that have nothing else, on an address of their own. */
struct tls_policy {
	enum tls_version min_version;
	int security_level; /* OpenSSL's, 0 to 5 */
};

extern const struct tls_policy tls_default_policy; /* TLS 1.2, level 1 */

struct tls_config {
	const struct tls_certificate *certificates; /* one per key type; P-256 is preferred */
	size_t n_certificates;
	const char *client_ca; /* PEM, path: clients are asked for a certificate of it, and one that
				  does not verify ends the handshake. NULL: none asked for */
	bool client_required;  /* and those without one are refused */
	const struct tls_policy *policy; /* NULL: tls_default_policy */
};

/* -EINVAL in words that name the file and the cure: for one that cannot be read or is no PEM, a key
 * with a passphrase or of another certificate, two pairs with keys of one kind. An expired
 * certificate is taken, since most BMCs do not look: tls_certificate_validity() tells. */
int tls_slot_new(const struct tls_config *config, struct tls_slot **out, struct err *err);
/* A new context from the files as they are now; on failure the old one stays. Tickets given before
 * go on to be taken, unless clients show certificates: then all are checked anew. */
int tls_slot_reload(struct tls_slot *slot, const struct tls_config *config, struct err *err);
void tls_slot_free(struct tls_slot *slot);

enum tls_validity { TLS_VALID, TLS_NOT_YET_VALID, TLS_EXPIRED };
/* Of the first certificate in `path`, now. One that cannot be read is valid: to load it tells. */
enum tls_validity tls_certificate_validity(const char *path);
/* When it ends; false when it cannot be read. */
bool tls_certificate_end(const char *path, int64_t *time_us);

/* Make dir/receiver-p256.{crt,key} and dir/receiver-rsa.{crt,key} when absent: self-signed, SANs
 * localhost, the host's name, its addresses; keys 0600, certificates 0644, ten years. Also
 * dir/ca.crt: both certificates in one file, what a client gives as --cacert. `dir` exists. The
 * paths in `out` are new (free()). */
int tls_make_self_signed(const char *dir, struct tls_certificate out[2], struct err *err);

#endif
