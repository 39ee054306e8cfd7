#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slot.h"
#include "http/tls_priv.h"

struct tls_slot {
	struct slot *contexts;
};

const char *tls_error_text(void)
{
	static _Thread_local char text[256];
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	if (code == 0)
		return "no reason given";
	if (reason)
		return ERR_clear_error(), reason;
	ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return text;
}

static void *context_ref(void *context)
{
	SSL_CTX_up_ref(context);
	return context;
}

static void context_unref(void *context)
{
	SSL_CTX_free(context);
}

const struct tls_policy tls_default_policy = { TLS_VERSION_1_2, 1 };

/* In the order we like them. */
static const unsigned char protocols[] = "\x02h2\x08http/1.1";

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
			   const unsigned char *offered, unsigned int offered_len, void *ctx)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, protocols, sizeof(protocols) - 1, offered,
				  offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK; /* it may speak HTTP/1.1 all the same */
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *to, int size, int for_writing, void *ctx)
{
	return -1;
}

static int check_readable(const char *what, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -EINVAL,
			       "cannot read the %s '%s': %s; correct the path, or let the user the "
			       "service runs as read it",
			       what, path, strerror(errno));
	close(fd);
	return 0;
}

static bool is_mismatch(unsigned long code)
{
	int reason = ERR_GET_REASON(code);

	return ERR_GET_LIB(code) == ERR_LIB_X509 && (reason == X509_R_KEY_VALUES_MISMATCH ||
						     reason == X509_R_KEY_TYPE_MISMATCH);
}

static int key_failure(const struct tls_certificate *certificate, struct err *err)
{
	if (is_mismatch(ERR_peek_last_error())) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
			       "the key '%s' is not that of '%s': give the pair that was made together",
			       certificate->key, certificate->certificate);
	}
	return err_set(err, -EINVAL,
		       "cannot use the key '%s' of '%s': %s; it must be a PEM private key without a "
		       "passphrase",
		       certificate->key, certificate->certificate, tls_error_text());
}

/* One a kind of key: another of the same kind has taken the place of the first. */
static size_t count_certificates(SSL_CTX *context)
{
	size_t n = 0;

	for (long which = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(context, which) == 1;
	     which = SSL_CERT_SET_NEXT)
		n++;
	return n;
}

static int add_certificate(SSL_CTX *context, const struct tls_certificate *certificate,
			   struct err *err)
{
	size_t n = count_certificates(context);
	const X509 *x509;
	int r = check_readable("certificate", certificate->certificate, err);

	if (r == 0)
		r = check_readable("key", certificate->key, err);
	if (r < 0)
		return r;
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, certificate->certificate) != 1)
		return err_set(err, -EINVAL,
			       "cannot use the certificate '%s': %s; it must be a PEM chain, the "
			       "server's own first, with keys the security level allows",
			       certificate->certificate, tls_error_text());
	/* OpenSSL's own check would pass a key of another kind that has its certificate already. */
	x509 = SSL_CTX_get0_certificate(context);
	if (SSL_CTX_use_PrivateKey_file(context, certificate->key, SSL_FILETYPE_PEM) != 1 ||
	    X509_check_private_key(x509, SSL_CTX_get0_privatekey(context)) != 1)
		return key_failure(certificate, err);
	if (count_certificates(context) == n)
		return err_set(err, -EINVAL,
			       "the certificate '%s' has a key of the same kind as one before it: "
			       "give one pair of each kind, EC and RSA",
			       certificate->certificate);
	return 0;
}

static int ask_for_clients(SSL_CTX *context, const struct tls_config *config, struct err *err)
{
	const char *client_ca = config->client_ca;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);

	if (!names || SSL_CTX_load_verify_locations(context, client_ca, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return err_set(err, -EINVAL, "cannot use the client CA '%s': %s", client_ca,
			       tls_error_text());
	}
	SSL_CTX_set_client_CA_list(context, names); /* takes names */
	SSL_CTX_set_verify(context,
			   SSL_VERIFY_PEER |
				   (config->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
			   NULL);
	return 0;
}

static void set_options(SSL_CTX *context, const struct tls_config *config)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
					TLS1_3_VERSION };
	const struct tls_policy *policy = config->policy ? config->policy : &tls_default_policy;

	/* Level 2 would shut out BMCs that have nothing newer; before the certificates, whose keys
	 * it judges. */
	SSL_CTX_set_security_level(context, policy->security_level);
	SSL_CTX_set_min_proto_version(context, versions[policy->min_version]);
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_dh_auto(context, 1);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     /* BMCs close without saying so. */
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read() for a record instead of two. */
	SSL_CTX_set_read_ahead(context, 1);
	/* Tickets only: a cache would be shared by all threads under a lock. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"rfeventd", 8);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
}

static int context_new(const struct tls_config *config, SSL_CTX **out, struct err *err)
{
	SSL_CTX *context;
	int r = 0;

	ERR_clear_error();
	if (config->n_certificates == 0)
		return err_set(err, -EINVAL, "TLS needs a certificate, and none is given");
	context = SSL_CTX_new(TLS_server_method());
	if (!context)
		return err_set(err, -ENOMEM, "cannot set up TLS: %s", tls_error_text());
	set_options(context, config);
	for (size_t i = 0; i < config->n_certificates && r == 0; i++)
		r = add_certificate(context, &config->certificates[i], err);
	if (r == 0 && config->client_ca)
		r = ask_for_clients(context, config, err);
	if (r < 0)
		SSL_CTX_free(context);
	else
		*out = context;
	return r;
}

int tls_slot_new(const struct tls_config *config, struct tls_slot **out, struct err *err)
{
	struct tls_slot *slot;
	SSL_CTX *context;
	int r = context_new(config, &context, err);

	if (r < 0)
		return r;
	slot = xcalloc(1, sizeof(*slot));
	slot->contexts = slot_new(context, context_ref, context_unref);
	*out = slot;
	return 0;
}

/* A site's BMCs that all come back after a reload resume, instead of beginning anew. */
static void keep_ticket_keys(struct tls_slot *slot, SSL_CTX *context)
{
	unsigned char keys[128];
	SSL_CTX *old = slot_get(slot->contexts);
	long n = SSL_CTX_get_tlsext_ticket_keys(old, NULL, 0);

	if (n > 0 && (size_t)n <= sizeof(keys) &&
	    SSL_CTX_get_tlsext_ticket_keys(old, keys, n) == 1)
		SSL_CTX_set_tlsext_ticket_keys(context, keys, n);
	OPENSSL_cleanse(keys, sizeof(keys));
	SSL_CTX_free(old);
}

int tls_slot_reload(struct tls_slot *slot, const struct tls_config *config, struct err *err)
{
	SSL_CTX *context;
	int r = context_new(config, &context, err);

	if (r < 0)
		return r;
	if (!config->client_ca)
		keep_ticket_keys(slot, context);
	slot_put(slot->contexts, context);
	return 0;
}

/* New: X509_free() it; NULL when there is none. */
static X509 *read_first(const char *path)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *x509 = file ? PEM_read_bio_X509(file, NULL, no_passphrase, NULL) : NULL;

	BIO_free(file);
	ERR_clear_error();
	return x509;
}

enum tls_validity tls_certificate_validity(const char *path)
{
	enum tls_validity validity = TLS_VALID;
	X509 *x509 = read_first(path);

	if (x509 && X509_cmp_current_time(X509_get0_notBefore(x509)) > 0)
		validity = TLS_NOT_YET_VALID;
	else if (x509 && X509_cmp_current_time(X509_get0_notAfter(x509)) < 0)
		validity = TLS_EXPIRED;
	X509_free(x509);
	return validity;
}

bool tls_certificate_end(const char *path, int64_t *time_us)
{
	X509 *x509 = read_first(path);
	struct tm end;
	bool is_read = x509 && ASN1_TIME_to_tm(X509_get0_notAfter(x509), &end) == 1;

	if (is_read)
		*time_us = (int64_t)timegm(&end) * CLOCK_US_PER_S;
	X509_free(x509);
	return is_read;
}

void tls_slot_free(struct tls_slot *slot)
{
	if (!slot)
		return;
	slot_free(slot->contexts);
	free(slot);
}

void tls_slot_refresh(struct tls_slot *slot, SSL_CTX **context, uint64_t *version)
{
	void *value = *context;

	slot_refresh(slot->contexts, &value, version);
	*context = value;
}
