/* A sealed text is "1:" and the base64 of nonce, ciphertext and tag. A nonce is 96 random bits:
 * enough for the passwords of any number of sources (NIST SP 800-38D, 8.3). */
#include "base/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/secrets.h"

#define MARK	    "1:"
#define NONCE_BYTES 12
#define TAG_BYTES   16

void seal_key_make(struct str text, struct seal_key *out)
{
	static const char label[] = "rfeventd sealing key ";
	const size_t n_label = sizeof(label) - 1;
	char *labelled = xmalloc(n_label + text.len + 1);

	memcpy(labelled, label, n_label);
	if (text.len > 0)
		memcpy(labelled + n_label, text.p, text.len);
	secrets_sha256((struct str){ labelled, n_label + text.len }, out->b);
	secrets_wipe(labelled, n_label + text.len);
	free(labelled);
}

static bool encrypt(EVP_CIPHER_CTX *gcm, const struct seal_key *key, struct str context,
		    struct str secret, unsigned char *nonce)
{
	unsigned char *cipher = nonce + NONCE_BYTES;
	int n;

	return EVP_EncryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, key->b, nonce) == 1 &&
	       EVP_EncryptUpdate(gcm, NULL, &n, (const unsigned char *)context.p,
				 (int)context.len) == 1 &&
	       EVP_EncryptUpdate(gcm, cipher, &n, (const unsigned char *)secret.p,
				 (int)secret.len) == 1 &&
	       EVP_EncryptFinal_ex(gcm, cipher + n, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, cipher + secret.len) == 1;
}

void seal_close(const struct seal_key *key, struct str context, struct str secret,
		struct strbuf *out)
{
	EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
	size_t n = NONCE_BYTES + secret.len + TAG_BYTES, n_text = (n + 2) / 3 * 4;
	unsigned char *bytes = xmalloc(n);
	char *text;

	secrets_random(bytes, NONCE_BYTES);
	if (!gcm || !encrypt(gcm, key, context, secret, bytes)) {
		log_error("base", "libcrypto has no AES-256-GCM");
		abort();
	}
	strbuf_put_text(out, MARK);
	text = strbuf_reserve(out, n_text + 1);
	if (text) {
		EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
		strbuf_commit(out, n_text);
	}
	EVP_CIPHER_CTX_free(gcm);
	free(bytes);
}

/* `bytes`: nonce, `n_secret` bytes of ciphertext, tag. The secret goes into `plain`. */
static bool decrypt(EVP_CIPHER_CTX *gcm, const struct seal_key *key, struct str context,
		    unsigned char *bytes, size_t n_secret, unsigned char *plain)
{
	unsigned char *cipher = bytes + NONCE_BYTES;
	int n;

	return EVP_DecryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, key->b, bytes) == 1 &&
	       EVP_DecryptUpdate(gcm, NULL, &n, (const unsigned char *)context.p,
				 (int)context.len) == 1 &&
	       EVP_DecryptUpdate(gcm, plain, &n, cipher, (int)n_secret) == 1 &&
	       EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, cipher + n_secret) == 1 &&
	       EVP_DecryptFinal_ex(gcm, plain + n, &n) == 1;
}

/* The bytes of `text`, new; NULL when it is no base64. */
static unsigned char *decode(struct str text, size_t *n_out)
{
	unsigned char *bytes = xmalloc(text.len / 4 * 3 + 1);
	int n = text.len > 0 && text.len % 4 == 0 ?
			EVP_DecodeBlock(bytes, (const unsigned char *)text.p, (int)text.len) :
			-1;

	if (n < 0) {
		free(bytes);
		return NULL;
	}
	*n_out = (size_t)n;
	for (size_t i = text.len; i > text.len - 2 && text.p[i - 1] == '='; i--)
		(*n_out)--;
	return bytes;
}

bool seal_open(const struct seal_key *key, struct str context, struct str sealed,
	       struct strbuf *out)
{
	const size_t n_mark = sizeof(MARK) - 1;
	EVP_CIPHER_CTX *gcm = NULL;
	unsigned char *bytes = NULL, *plain = NULL;
	size_t n = 0;
	bool ok = false;

	if (!str_starts_with(sealed, STR(MARK)))
		return false;
	bytes = decode((struct str){ sealed.p + n_mark, sealed.len - n_mark }, &n);
	if (!bytes || n < NONCE_BYTES + TAG_BYTES)
		goto out;
	n -= NONCE_BYTES + TAG_BYTES;
	gcm = EVP_CIPHER_CTX_new();
	plain = xmalloc(n + 1);
	ok = gcm && decrypt(gcm, key, context, bytes, n, plain);
	if (ok)
		strbuf_put(out, (struct str){ (const char *)plain, n });
	secrets_wipe(plain, n + 1);
out:
	EVP_CIPHER_CTX_free(gcm);
	free(bytes);
	free(plain);
	return ok;
}
