#include "http/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

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

static int add_certificate(SSL_CTX *context, const struct tls_certificate *certificate,
			   struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(context, certificate->certificate) != 1)
		return err_set(err, -EINVAL, "cannot use the certificate '%s': %s",
			       certificate->certificate, tls_error_text());
	if (SSL_CTX_use_PrivateKey_file(context, certificate->key, SSL_FILETYPE_PEM) != 1)
		return err_set(err, -EINVAL, "cannot use the key '%s' of '%s': %s",
			       certificate->key, certificate->certificate, tls_error_text());
	if (SSL_CTX_check_private_key(context) != 1)
		return err_set(err, -EINVAL, "the key '%s' is not that of '%s': %s",
			       certificate->key, certificate->certificate, tls_error_text());
	return 0;
}

static int ask_for_clients(SSL_CTX *context, const char *client_ca, struct err *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);

	if (!names || SSL_CTX_load_verify_locations(context, client_ca, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return err_set(err, -EINVAL, "cannot use the client CA '%s': %s", client_ca,
			       tls_error_text());
	}
	SSL_CTX_set_client_CA_list(context, names); /* takes names */
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

static void set_options(SSL_CTX *context, const struct tls_config *config)
{
	SSL_CTX_set_min_proto_version(context,
				      config->min_tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
	/* Level 2 shuts out BMCs that have nothing newer; the versions stay bounded above. */
	SSL_CTX_set_security_level(context, 1);
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
		r = ask_for_clients(context, config->client_ca, err);
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

int tls_slot_reload(struct tls_slot *slot, const struct tls_config *config, struct err *err)
{
	SSL_CTX *context;
	int r = context_new(config, &context, err);

	if (r == 0)
		slot_put(slot->contexts, context);
	return r;
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
