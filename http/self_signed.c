/* The pair of certificates a first start makes, so that TLS works before anybody brought one. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "http/tls_priv.h"

#define VALID_S       (10l * 365 * 24 * 3600)
#define BACKDATED_S   (24l * 3600) /* BMC clocks run behind */
#define MAX_ADDRESSES 64
#define MAX_PEM_BYTES 65536

/* --- names -------------------------------------------------------------------------------------
 */

static void put_name(struct strbuf *out, const char *kind, const char *name)
{
	struct strbuf item;

	strbuf_init(&item, 512);
	strbuf_putf(&item, "%s:%s", kind, name);
	/* Not twice: ",item," in ",a,b,". */
	strbuf_put_char(&item, ',');
	if (!item.failed && str_find(strbuf_str(out), strbuf_str(&item)) == out->len)
		strbuf_put(out, strbuf_str(&item));
	strbuf_fini(&item);
}

static void put_interfaces(struct strbuf *out)
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *at = all; at && n < MAX_ADDRESSES; at = at->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address;

		if (!at->ifa_addr || !(at->ifa_flags & IFF_UP))
			continue;
		if (at->ifa_addr->sa_family == AF_INET)
			address =
				&((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
		else if (at->ifa_addr->sa_family == AF_INET6)
			address = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)
					   ->sin6_addr;
		else
			continue;
		if (inet_ntop(at->ifa_addr->sa_family, address, text, sizeof(text))) {
			put_name(out, "IP", text);
			n++;
		}
	}
	freeifaddrs(all);
}

static bool is_dns_name(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789-.") == strlen(name);
}

/* The subjectAltName in OpenSSL's notation; `host` is the host's name. */
static void list_names(const char *host, struct strbuf *out)
{
	strbuf_put_char(out, ',');
	put_name(out, "DNS", "localhost");
	if (is_dns_name(host))
		put_name(out, "DNS", host);
	put_name(out, "IP", "127.0.0.1");
	put_name(out, "IP", "::1");
	put_interfaces(out);
}

/* --- one certificate ---------------------------------------------------------------------------
 */

static int add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static int set_serial(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	int ok = serial && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		 BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));

	BN_free(serial);
	return ok;
}

static int fill(X509 *certificate, EVP_PKEY *key, const char *kind, const char *host,
		const char *names)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	char common[65]; /* what X.520 allows */

	snprintf(common, sizeof(common), "rfeventd %s %.40s", kind, host);
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -BACKDATED_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
	       X509_set_pubkey(certificate, key) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					  (const unsigned char *)common, -1, -1, 0) &&
	       X509_set_issuer_name(certificate, subject) &&
	       /* It is its own CA: clients that want one are given the certificate itself. */
	       add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(certificate, NID_key_usage,
			     "critical,digitalSignature,keyEncipherment,keyCertSign") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       add_extension(certificate, NID_subject_key_identifier, "hash") &&
	       add_extension(certificate, NID_subject_alt_name, names) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static struct str memory_of(BIO *bio)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return (struct str){ p, n > 0 ? (size_t)n : 0 };
}

/* The key first: a certificate without one would not be made again. */
static int write_pair(EVP_PKEY *key, X509 *x509, const struct tls_certificate *out, struct err *err)
{
	BIO *key_pem = BIO_new(BIO_s_secmem()), *certificate_pem = BIO_new(BIO_s_mem());
	int r = -EIO;

	if (key_pem && certificate_pem &&
	    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_bio_X509(certificate_pem, x509) == 1)
		r = file_replace(out->key, memory_of(key_pem), 0600, err);
	else
		err_set(err, r, "cannot write a certificate as PEM: %s", tls_error_text());
	if (r == 0)
		r = file_replace(out->certificate, memory_of(certificate_pem), 0644, err);
	BIO_free(key_pem);
	BIO_free(certificate_pem);
	return r;
}

static int make_pair(const char *kind, const struct tls_certificate *out, struct err *err)
{
	EVP_PKEY *key = strcmp(kind, "p256") == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	X509 *certificate = X509_new();
	char host[256] = "";
	struct strbuf names;
	int r;

	gethostname(host, sizeof(host) - 1);
	strbuf_init(&names, 8192);
	list_names(host, &names);
	if (names.len > 0)
		names.p[names.len - 1] = '\0'; /* the comma behind the last */
	if (key && certificate && !names.failed && fill(certificate, key, kind, host, names.p + 1))
		r = write_pair(key, certificate, out, err);
	else
		r = err_set(err, -EIO, "cannot make a certificate: %s", tls_error_text());
	strbuf_fini(&names);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return r;
}

/* --- both ----------------------------------------------------------------------------------------
 */

static int make_when_absent(const char *kind, const struct tls_certificate *out, struct err *err)
{
	if (access(out->key, F_OK) == 0 && access(out->certificate, F_OK) == 0)
		return 0;
	return make_pair(kind, out, err);
}

static int write_ca(const char *dir, const struct tls_certificate pairs[2], struct err *err)
{
	char *path = xasprintf("%s/ca.crt", dir);
	struct strbuf both;
	int r = 0;

	strbuf_init(&both, 2 * MAX_PEM_BYTES);
	for (size_t i = 0; i < 2 && r == 0; i++) {
		char *pem;
		size_t n;

		r = file_read(pairs[i].certificate, MAX_PEM_BYTES, &pem, &n, err);
		if (r == 0) {
			strbuf_put(&both, (struct str){ pem, n });
			free(pem);
		}
	}
	if (r == 0)
		r = file_replace(path, strbuf_str(&both), 0644, err);
	strbuf_fini(&both);
	free(path);
	return r;
}

int tls_make_self_signed(const char *dir, struct tls_certificate out[2], struct err *err)
{
	static const char *const kinds[2] = { "p256", "rsa" };
	struct tls_certificate pairs[2];
	char *texts[4];
	int r = 0;

	for (size_t i = 0; i < 2; i++) {
		texts[2 * i] = xasprintf("%s/receiver-%s.crt", dir, kinds[i]);
		texts[2 * i + 1] = xasprintf("%s/receiver-%s.key", dir, kinds[i]);
		pairs[i] = (struct tls_certificate){ texts[2 * i], texts[2 * i + 1] };
	}
	for (size_t i = 0; i < 2 && r == 0; i++)
		r = make_when_absent(kinds[i], &pairs[i], err);
	if (r == 0)
		r = write_ca(dir, pairs, err);
	if (r == 0) {
		out[0] = pairs[0];
		out[1] = pairs[1];
		return 0;
	}
	for (size_t i = 0; i < 4; i++)
		free(texts[i]);
	return r;
}
