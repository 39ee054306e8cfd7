#include "base/secrets.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

/* Fetched once: looking an algorithm up costs more than hashing a short text. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

void secrets_random(void *out, size_t n_bytes)
{
	char *p = out;

	while (n_bytes > 0) {
		ssize_t n = getrandom(p, n_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("base", "no random bytes from the kernel",
				  LOG_T("err", strerror(errno)));
			abort();
		}
		p += n;
		n_bytes -= (size_t)n;
	}
}

void secrets_token(char *out, size_t n_chars)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

	secrets_random(out, n_chars);
	for (size_t i = 0; i < n_chars; i++)
		out[i] = alphabet[(unsigned char)out[i] & 31];
	out[n_chars] = '\0';
}

bool secrets_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

static void fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void secrets_sha256(struct str data, uint8_t out[SHA256_BYTES])
{
	pthread_once(&sha256_once, fetch_sha256);
	if (!sha256 || EVP_Digest(data.p, data.len, out, NULL, sha256, NULL) != 1) {
		log_error("base", "libcrypto has no SHA-256");
		abort();
	}
}

void secrets_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

void secrets_wipe(void *p, size_t n_bytes)
{
	explicit_bzero(p, n_bytes);
}
