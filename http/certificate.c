/* The certificate a client showed, as far as anyone outside asks for it. Thread: the loop's. */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "http/connection_priv.h"

static void add_name(struct http_certificate *out, const ASN1_STRING *text)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, text);

	/* A NUL within would make two names look like one. */
	if (n > 0 && (size_t)n < sizeof(out->names[0]) && !memchr(utf8, '\0', (size_t)n) &&
	    out->n_names < HTTP_CERTIFICATE_MAX_NAMES) {
		memcpy(out->names[out->n_names], utf8, (size_t)n);
		out->names[out->n_names++][n] = '\0';
	}
	if (n >= 0)
		OPENSSL_free(utf8);
}

static void add_common_name(struct http_certificate *out, const X509 *x509)
{
	const X509_NAME *subject = X509_get_subject_name(x509);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at >= 0)
		add_name(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static void add_dns_names(struct http_certificate *out, const X509 *x509)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(out, name->d.dNSName);
	}
	GENERAL_NAMES_free(names);
}

bool http_request_certificate(const struct http_request *request, struct http_certificate *out)
{
	static const char digits[] = "0123456789abcdef";
	const SSL *ssl = request->connection->wire.ssl;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	X509 *x509 = ssl ? SSL_get0_peer_certificate(ssl) : NULL;

	if (!x509 || SSL_get_verify_result(ssl) != X509_V_OK ||
	    X509_digest(x509, EVP_sha256(), hash, &n) != 1 || n != 32)
		return false;
	for (size_t i = 0; i < 32; i++) {
		out->sha256[2 * i] = digits[hash[i] >> 4];
		out->sha256[2 * i + 1] = digits[hash[i] & 15];
	}
	out->sha256[64] = '\0';
	out->n_names = 0;
	add_common_name(out, x509);
	add_dns_names(out, x509);
	return true;
}
