/* Files of TLS: what is said of those that will not do, and of whom the door turned away. */
#include "door.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static char dir[] = "/tmp/rfeventd-tls-files-XXXXXX";

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void write_certificate(const char *name, EVP_PKEY *key, long from_s, long to_s)
{
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	char *path = path_of(name);
	BIO *file = BIO_new_file(path, "w");

	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
	X509_gmtime_adj(X509_getm_notBefore(x509), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x509), to_s);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(x509, subject);
	assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(file, x509), 1);
	BIO_free(file);
	X509_free(x509);
	free(path);
}

static void write_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
	char *path = path_of(name);
	BIO *file = BIO_new_file(path, "w");

	assert_int_equal(PEM_write_bio_PrivateKey(file, key,
						  passphrase ? EVP_aes_128_cbc() : NULL,
						  (const unsigned char *)passphrase,
						  passphrase ? (int)strlen(passphrase) : 0, NULL,
						  NULL),
			 1);
	BIO_free(file);
	free(path);
}

static int make_files(void **state)
{
	EVP_PKEY *ec = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *weak = EVP_RSA_gen(768);

	assert_non_null(mkdtemp(dir));
	write_certificate("ec.crt", ec, -60, 3600);
	write_certificate("old.crt", ec, -7200, -3600);
	write_certificate("early.crt", ec, 3600, 7200);
	write_certificate("other.crt", other, -60, 3600);
	write_certificate("rsa.crt", rsa, -60, 3600);
	write_certificate("weak.crt", weak, -60, 3600);
	write_key("ec.key", ec, NULL);
	write_key("locked.key", ec, "secret");
	write_key("other.key", other, NULL);
	write_key("rsa.key", rsa, NULL);
	write_key("weak.key", weak, NULL);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(weak);
	return 0;
}

static int drop_files(void **state)
{
	static const char *const names[] = { "ec.crt",  "old.crt", "early.crt",  "other.crt",
					     "rsa.crt", "ec.key",  "locked.key", "other.key",
					     "rsa.key", "log",     "weak.crt",   "weak.key" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path = path_of(names[i]);

		unlink(path);
		free(path);
	}
	return rmdir(dir);
}

/* -1 with words, or 0 and the slot. */
static int load(const char *const names[4], struct tls_slot **slot, struct err *err)
{
	char *paths[4] = { NULL };
	struct tls_certificate pairs[2];
	struct tls_config config = { .certificates = pairs };
	int r;

	for (size_t i = 0; i < 4 && names[i]; i += 2) {
		pairs[i / 2].certificate = paths[i] = path_of(names[i]);
		pairs[i / 2].key = paths[i + 1] = path_of(names[i + 1]);
		config.n_certificates++;
	}
	r = tls_slot_new(&config, slot, err);
	for (size_t i = 0; i < 4; i++)
		free(paths[i]);
	return r;
}

static const struct {
	const char *names[4];	 /* certificate, key, … */
	const char *file, *cure; /* both in the words */
} bad[] = {
	{ { "nowhere.crt", "ec.key" }, "nowhere.crt", "correct the path" },
	{ { "ec.crt", "nowhere.key" }, "nowhere.key", "correct the path" },
	{ { "ec.key", "ec.key" }, "ec.key", "must be a PEM chain" },
	{ { "ec.crt", "ec.crt" }, "ec.crt", "must be a PEM private key" },
	{ { "ec.crt", "locked.key" }, "locked.key", "without a passphrase" },
	{ { "ec.crt", "other.key" }, "other.key", "made together" },
	{ { "ec.crt", "rsa.key" }, "rsa.key", "made together" },
	{ { "rsa.crt", "rsa.key", "ec.crt", "rsa.key" }, "ec.crt", "made together" },
	{ { "ec.crt", "ec.key", "other.crt", "other.key" }, "other.crt", "one pair of each kind" },
	{ { "weak.crt", "weak.key" }, "weak.crt", "security level" },
};

static void test_words_and_cures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { "" };
		struct tls_slot *slot = NULL;

		if (load(bad[i].names, &slot, &err) == 0)
			fail_msg("%s with %s was taken", bad[i].names[0], bad[i].names[1]);
		assert_null(slot);
		if (!strstr(err.text, bad[i].file) || !strstr(err.text, bad[i].cure))
			fail_msg("%s: no word of '%s' and '%s'", err.text, bad[i].file,
				 bad[i].cure);
		/* Nothing is left for the next one to stumble on. */
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void test_good_pairs(void **state)
{
	static const char *const good[][4] = {
		{ "ec.crt", "ec.key" },
		{ "rsa.crt", "rsa.key", "ec.crt", "ec.key" },
		{ "ec.crt", "ec.key", "rsa.crt", "rsa.key" },
		{ "old.crt", "ec.key" }, /* most BMCs do not look */
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err err = { "" };
		struct tls_slot *slot;

		if (load(good[i], &slot, &err) < 0)
			fail_msg("%s", err.text);
		tls_slot_free(slot);
	}
}

static void test_validity(void **state)
{
	static const struct {
		const char *name;
		enum tls_validity validity;
	} cases[] = {
		{ "ec.crt", TLS_VALID },
		{ "old.crt", TLS_EXPIRED },
		{ "early.crt", TLS_NOT_YET_VALID },
		{ "nowhere.crt", TLS_VALID },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *path = path_of(cases[i].name);

		assert_int_equal(tls_certificate_validity(path), cases[i].validity);
		free(path);
	}
}

/* P-256 for whoever can, whatever a client likes best, in whatever order they were given. */
static void test_p256_is_preferred(void **state)
{
	static const char *const orders[][4] = { { "rsa.crt", "rsa.key", "ec.crt", "ec.key" },
						 { "ec.crt", "ec.key", "rsa.crt", "rsa.key" } };
	static char signatures[] = "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256";
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_slot *slot;
	struct door door;
	struct err err;

	for (size_t i = 0; i < 2 * ARRAY_LEN(versions); i++) {
		SSL_CTX *context = SSL_CTX_new(TLS_client_method());
		struct client client;

		SSL_CTX_set_max_proto_version(context, versions[i / 2]);
		SSL_CTX_set1_sigalgs_list(context, signatures);
		SSL_CTX_set_cipher_list(context, "ECDHE-RSA-AES128-GCM-SHA256:"
						 "ECDHE-ECDSA-AES128-GCM-SHA256");
		assert_int_equal(load(orders[i % 2], &slot, &err), 0);
		door_open(&door, &http_default_limits, slot);
		assert_int_equal(client_open_tls(&client, &door, context), 1);
		assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(
					 SSL_get0_peer_certificate(client.ssl))),
				 EVP_PKEY_EC);
		client_close(&client);
		door_close(&door);
		tls_slot_free(slot);
		SSL_CTX_free(context);
	}
}

/* What the door logged in its life, new. */
static char *log_of(void (*visit)(const struct door *door), struct tls_slot *slot)
{
	char *path = path_of("log"), *text = xcalloc(1, 65536);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), saved = dup(2);
	struct door door;

	assert_true(fd >= 0 && saved >= 0);
	dup2(fd, 2);
	door_open(&door, &http_default_limits, slot);
	visit(&door);
	door_close(&door);
	dup2(saved, 2);
	assert_true(pread(fd, text, 65535, 0) >= 0);
	close(saved);
	close(fd);
	free(path);
	return text;
}

static void come_without_trust(const struct door *door)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	struct client client;
	char byte;

	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	assert_int_equal(client_open_tls(&client, door, context), -1);
	while (recv(client.fd, &byte, 1, 0) > 0) /* until the door has read why */
		;
	client_close(&client);
	SSL_CTX_free(context);
	ERR_clear_error();
}

static void come_as_a_stranger(const struct door *door)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char *certificate = path_of("other.crt"), *key = path_of("other.key");
	struct client client;
	char byte;

	assert_int_equal(SSL_CTX_use_certificate_chain_file(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(client_open_tls(&client, door, context), 1);
		assert_true(SSL_read(client.ssl, &byte, 1) <= 0);
		client_close(&client);
	}
	SSL_CTX_free(context);
	free(certificate);
	free(key);
	ERR_clear_error();
}

/* One line for all that failed, with the reason of the last. */
static void test_failures_say_why(void **state)
{
	static const char *const pair[4] = { "ec.crt", "ec.key" };
	char *client_ca = path_of("rsa.crt"), *certificate = path_of("ec.crt"),
	     *key = path_of("ec.key"), *log;
	const struct tls_certificate own = { certificate, key };
	const struct tls_config asked = { .certificates = &own,
					  .n_certificates = 1,
					  .client_ca = client_ca };
	struct tls_slot *slot;
	struct err err;

	assert_int_equal(load(pair, &slot, &err), 0);
	log = log_of(come_without_trust, slot);
	assert_non_null(strstr(log, "unknown ca"));
	assert_non_null(strstr(log, "last_peer=127.0.0.1"));
	free(log);
	assert_int_equal(tls_slot_reload(slot, &asked, &err), 0);
	log = log_of(come_as_a_stranger, slot);
	assert_non_null(strstr(log, "self-signed certificate"));
	assert_non_null(strstr(log, "n=3"));
	assert_null(strstr(strstr(log, "TLS handshakes failed") + 1, "TLS handshakes failed"));
	free(log);
	tls_slot_free(slot);
	free(client_ca);
	free(certificate);
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_and_cures),
		cmocka_unit_test(test_good_pairs),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_p256_is_preferred),
		cmocka_unit_test(test_failures_say_why),
	};

	return cmocka_run_group_tests(tests, make_files, drop_files);
}
