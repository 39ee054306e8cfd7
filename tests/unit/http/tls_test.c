/* TLS at the door: versions, key types, reload, what a bad client leaves behind. */
#include "door.h"
#include "tls_house.h"

#include "base/metrics.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

/* A client that trusts ca.crt. */
static SSL_CTX *client_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char *ca = xasprintf("%s/ca.crt", house.dir);

	assert_int_equal(SSL_CTX_load_verify_locations(context, ca, NULL), 1);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_security_level(context, 1);
	free(ca);
	return context;
}

static struct {
	const char *name;
	int version;
	const char *ciphers;
	char signatures[24]; /* OpenSSL's macro casts a const away */
	int key_type;        /* of the server's certificate; 0: the handshake fails */
} handshakes[] = {
	{ "TLS 1.3", TLS1_3_VERSION, NULL, "", EVP_PKEY_EC },
	{ "TLS 1.3, RSA only", TLS1_3_VERSION, NULL, "rsa_pss_rsae_sha256", EVP_PKEY_RSA },
	{ "TLS 1.2", TLS1_2_VERSION, NULL, "", EVP_PKEY_EC },
	{ "TLS 1.2, ECDHE-RSA only", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", "",
	  EVP_PKEY_RSA },
	{ "TLS 1.2, plain RSA with CBC", TLS1_2_VERSION, "AES128-SHA", "", EVP_PKEY_RSA },
	{ "TLS 1.2, DHE", TLS1_2_VERSION, "DHE-RSA-AES256-GCM-SHA384", "", EVP_PKEY_RSA },
	{ "TLS 1.1", TLS1_1_VERSION, "DEFAULT@SECLEVEL=0", "", 0 },
};

static void test_handshakes(void **state)
{
	struct door door;

	door_open(&door, &http_default_limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(handshakes); i++) {
		SSL_CTX *context = client_context();
		struct client client;
		char body[64];
		int r;

		SSL_CTX_set_min_proto_version(context, handshakes[i].version);
		SSL_CTX_set_max_proto_version(context, handshakes[i].version);
		if (handshakes[i].ciphers)
			SSL_CTX_set_cipher_list(context, handshakes[i].ciphers);
		if (handshakes[i].signatures[0])
			SSL_CTX_set1_sigalgs_list(context, handshakes[i].signatures);
		r = client_open_tls(&client, &door, context);
		if ((r == 1) != (handshakes[i].key_type != 0))
			fail_msg("%s: %s", handshakes[i].name,
				 ERR_reason_error_string(ERR_peek_error()));
		ERR_clear_error();
		if (r == 1) {
			X509 *certificate = SSL_get1_peer_certificate(client.ssl);

			assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(certificate)),
					 handshakes[i].key_type);
			X509_free(certificate);
			for (int round = 0; round < 3; round++) {
				client_say(&client, "POST / HTTP/1.1\r\nHost: h\r\n"
						    "Content-Length: 2\r\n\r\nok");
				assert_int_equal(client_answer(&client, body, sizeof(body)), 200);
				assert_string_equal(body, "ok");
			}
		}
		client_close(&client);
		SSL_CTX_free(context);
	}
	door_close(&door);
}

static void test_names_and_modes(void **state)
{
	SSL_CTX *context = client_context();
	struct tls_certificate again[2];
	struct err err;

	for (size_t i = 0; i < 2; i++) {
		BIO *bio = BIO_new_file(house.pairs[i].certificate, "r");
		X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		struct stat st, st2;

		assert_int_equal(X509_check_host(x509, "localhost", 0, 0, NULL), 1);
		assert_int_equal(X509_check_ip_asc(x509, "127.0.0.1", 0), 1);
		assert_int_equal(X509_check_ip_asc(x509, "::1", 0), 1);
		assert_int_equal(X509_check_host(x509, "elsewhere.example", 0, 0, NULL), 0);
		assert_int_equal(X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 0), 1);
		assert_int_equal(X509_check_ca(x509), 1);
		assert_int_equal(stat(house.pairs[i].key, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(stat(house.pairs[i].certificate, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0644);
		/* A second start keeps them. */
		assert_int_equal(tls_make_self_signed(house.dir, again, &err), 0);
		assert_int_equal(stat(house.pairs[i].certificate, &st2), 0);
		assert_int_equal(st.st_ino, st2.st_ino);
		for (size_t k = 0; k < 2; k++) {
			free((void *)(uintptr_t)again[k].certificate);
			free((void *)(uintptr_t)again[k].key);
		}
		X509_free(x509);
		BIO_free(bio);
	}
	SSL_CTX_free(context);
}

static void test_reload_keeps_connections(void **state)
{
	SSL_CTX *context = client_context();
	struct client before, after;
	struct tls_slot *own;
	struct door door;
	struct err err;
	struct tls_config one = { .certificates = house.pairs, .n_certificates = 1 };
	struct tls_certificate broken = { house.pairs[0].certificate, house.pairs[1].key };
	X509 *certificate;

	assert_int_equal(tls_slot_new(&one, &own, &err), 0);
	door_open(&door, &http_default_limits, own);
	assert_int_equal(client_open_tls(&before, &door, context), 1);
	one.certificates = &broken;
	assert_true(tls_slot_reload(own, &one, &err) < 0); /* the old one stays */
	assert_non_null(strstr(err.text, broken.key));
	one.certificates = &house.pairs[1];
	assert_int_equal(tls_slot_reload(own, &one, &err), 0);
	assert_int_equal(client_open_tls(&after, &door, context), 1);
	certificate = SSL_get1_peer_certificate(after.ssl);
	assert_int_equal(EVP_PKEY_base_id(X509_get0_pubkey(certificate)), EVP_PKEY_RSA);
	X509_free(certificate);
	for (int i = 0; i < 2; i++) {
		struct client *client = i ? &after : &before;

		client_say(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(client, NULL, 0), 200);
		client_close(client);
	}
	door_close(&door);
	tls_slot_free(own);
	SSL_CTX_free(context);
}

static void test_alpn(void **state)
{
	static const struct {
		const char *offers, *chosen;
	} cases[] = {
		{ "\x08http/1.1\x02h2", "h2" },
		{ "\x08http/1.1", "http/1.1" },
		{ "\x06spdy/1", "" },
	};
	SSL_CTX *context = client_context();
	const unsigned char *chosen;
	struct client client;
	struct door door;
	unsigned int n;

	door_open(&door, &http_default_limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		SSL_CTX_set_alpn_protos(context, (const unsigned char *)cases[i].offers,
					(unsigned int)strlen(cases[i].offers));
		assert_int_equal(client_open_tls(&client, &door, context), 1);
		SSL_get0_alpn_selected(client.ssl, &chosen, &n);
		assert_int_equal(n, strlen(cases[i].chosen));
		assert_memory_equal(n ? chosen : (const unsigned char *)"", cases[i].chosen, n);
		client_close(&client);
	}
	door_close(&door);
	SSL_CTX_free(context);
}

static void test_one_write_a_turn(void **state)
{
	SSL_CTX *context = client_context();
	struct client client;
	struct door door;

	door_open(&door, &http_default_limits, house.slot);
	assert_int_equal(client_open_tls(&client, &door, context), 1);
	client_check_one_write(&client);
	client_close(&client);
	door_close(&door);
	SSL_CTX_free(context);
}

static void test_ticket_resumes(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct door door;

	door_open(&door, &http_default_limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_CTX *context = client_context();
		SSL_SESSION *session;
		struct client client;

		SSL_CTX_set_max_proto_version(context, versions[i]);
		assert_int_equal(client_open_tls(&client, &door, context), 1);
		client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(&client, NULL, 0), 200);
		session = SSL_get1_session(client.ssl);
		SSL_shutdown(client.ssl);
		client_close(&client);
		client_open(&client, &door);
		client.ssl = SSL_new(context);
		SSL_set_fd(client.ssl, client.fd);
		SSL_set_session(client.ssl, session);
		assert_int_equal(SSL_connect(client.ssl), 1);
		assert_true(SSL_session_reused(client.ssl));
		SSL_SESSION_free(session);
		client_close(&client);
		SSL_CTX_free(context);
	}
	door_close(&door);
}

static SSL_SESSION *get_session(const struct door *door, SSL_CTX *context)
{
	struct client client;
	SSL_SESSION *session;

	assert_int_equal(client_open_tls(&client, door, context), 1);
	client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	session = SSL_get1_session(client.ssl);
	SSL_shutdown(client.ssl);
	client_close(&client);
	return session;
}

static bool resumes(const struct door *door, SSL_CTX *context, SSL_SESSION *session)
{
	struct client client;
	bool reused;

	client_open(&client, door);
	client.ssl = SSL_new(context);
	SSL_set_fd(client.ssl, client.fd);
	SSL_set_session(client.ssl, session);
	assert_int_equal(SSL_connect(client.ssl), 1);
	reused = SSL_session_reused(client.ssl);
	client_close(&client);
	return reused;
}

static int n_tickets;

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
	n_tickets++;
	return 0;
}

/* More than one would be work for nothing: a BMC has one connection. */
static void test_one_ticket(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct door door;

	door_open(&door, &http_default_limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_CTX *context = client_context();

		SSL_CTX_set_max_proto_version(context, versions[i]);
		SSL_CTX_set_session_cache_mode(context,
					       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(context, count_ticket);
		n_tickets = 0;
		SSL_SESSION_free(get_session(&door, context));
		assert_int_equal(n_tickets, 1);
		SSL_CTX_free(context);
	}
	door_close(&door);
}

/* A ticket is good at every worker, and after a reload. */
static void test_tickets_travel(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct door first, second, third;
	struct tls_slot *other;
	struct err err;

	assert_int_equal(tls_slot_new(&house.config, &other, &err), 0);
	door_open(&first, &http_default_limits, house.slot);
	door_open(&second, &http_default_limits, house.slot);
	door_open(&third, &http_default_limits, other);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_CTX *context = client_context();
		SSL_SESSION *session;

		SSL_CTX_set_max_proto_version(context, versions[i]);
		session = get_session(&first, context);
		assert_true(resumes(&second, context, session));
		assert_false(resumes(&third, context, session)); /* other keys */
		SSL_SESSION_free(session);
		session = get_session(&first, context);
		assert_int_equal(tls_slot_reload(house.slot, &house.config, &err), 0);
		assert_true(resumes(&second, context, session));
		SSL_SESSION_free(session);
		SSL_CTX_free(context);
	}
	door_close(&first);
	door_close(&second);
	door_close(&third);
	tls_slot_free(other);
}

/* TLS 1.0 with what went with it, where a listener asks for that. */
static void test_old_tls(void **state)
{
	static const struct tls_policy old = { TLS_VERSION_1_0, 0 };
	const struct tls_config asked = { .certificates = house.pairs,
					  .n_certificates = 2,
					  .policy = &old };
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
					TLS1_3_VERSION };
	struct tls_slot *lenient;
	struct door door, usual;
	struct err err;

	assert_int_equal(tls_slot_new(&asked, &lenient, &err), 0);
	door_open(&door, &http_default_limits, lenient);
	door_open(&usual, &http_default_limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		SSL_CTX *context = client_context();
		struct client client;

		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_min_proto_version(context, versions[i]);
		SSL_CTX_set_max_proto_version(context, versions[i]);
		assert_int_equal(client_open_tls(&client, &door, context), 1);
		client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(&client, NULL, 0), 200);
		client_close(&client);
		assert_int_equal(client_open_tls(&client, &usual, context) == 1,
				 versions[i] >= TLS1_2_VERSION);
		ERR_clear_error();
		client_close(&client);
		SSL_CTX_free(context);
	}
	door_close(&door);
	door_close(&usual);
	tls_slot_free(lenient);
}

/* A certificate of its own for a client; the paths in `out` are new. */
static void make_client_pair(const char *name, struct tls_certificate *out)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	X509_NAME *subject = X509_get_subject_name(x509);
	X509_EXTENSION *extension;
	char *san = xasprintf("DNS:%s.example, IP:10.0.0.1", name);
	BIO *file;

	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(x509, subject);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x509, extension, -1);
	X509_EXTENSION_free(extension);
	assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
	out->certificate = xasprintf("%s/%s.crt", house.dir, name);
	out->key = xasprintf("%s/%s.key", house.dir, name);
	file = BIO_new_file(out->certificate, "w");
	PEM_write_bio_X509(file, x509);
	BIO_free(file);
	file = BIO_new_file(out->key, "w");
	PEM_write_bio_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	BIO_free(file);
	X509_free(x509);
	EVP_PKEY_free(key);
	free(san);
}

static void drop_pair(struct tls_certificate *pair)
{
	unlink(pair->certificate);
	unlink(pair->key);
	free((void *)(uintptr_t)pair->certificate);
	free((void *)(uintptr_t)pair->key);
}

/* What the door says of a client that shows `pair` (NULL: nothing); 0: it is not let in. */
static int show(const struct door *door, const struct tls_certificate *pair, int version,
		char body[1024])
{
	static const char request[] = "GET /certificate HTTP/1.1\r\nHost: h\r\n\r\n";
	SSL_CTX *context = client_context();
	struct client client;
	int status = 0;

	SSL_CTX_set_max_proto_version(context, version);
	if (pair) {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(context, pair->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(context, pair->key, SSL_FILETYPE_PEM),
				 1);
	}
	if (client_open_tls(&client, door, context) == 1 &&
	    SSL_write(client.ssl, request, sizeof(request) - 1) > 0)
		status = client_answer(&client, body, 1024);
	ERR_clear_error();
	client_close(&client);
	SSL_CTX_free(context);
	return status;
}

static void test_client_certificates(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct tls_config asked = {
		.certificates = house.pairs,
		.n_certificates = 2,
	};
	struct tls_certificate known, stranger;
	struct tls_slot *own;
	struct door door;
	struct err err;
	char body[1024];

	make_client_pair("rack7-n12", &known);
	make_client_pair("stranger", &stranger);
	asked.client_ca = known.certificate;
	assert_int_equal(tls_slot_new(&asked, &own, &err), 0);
	door_open(&door, &http_default_limits, own);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		assert_int_equal(show(&door, NULL, versions[i], body), 200);
		assert_string_equal(body, "none");
		assert_int_equal(show(&door, &known, versions[i], body), 200);
		assert_string_equal(body, "64 rack7-n12 rack7-n12.example");
		/* One of nobody the CA knows. */
		assert_int_equal(show(&door, &stranger, versions[i], body), 0);
	}
	asked.client_required = true;
	assert_int_equal(tls_slot_reload(own, &asked, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		assert_int_equal(show(&door, NULL, versions[i], body), 0);
		assert_int_equal(show(&door, &known, versions[i], body), 200);
	}
	door_close(&door);
	/* Not asked for: shown to nobody. */
	door_open(&door, &http_default_limits, house.slot);
	assert_int_equal(show(&door, &known, TLS1_3_VERSION, body), 200);
	assert_string_equal(body, "none");
	door_close(&door);
	asked.client_ca = "/nonexistent/ca.crt";
	assert_true(tls_slot_reload(own, &asked, &err) < 0);
	assert_non_null(strstr(err.text, "/nonexistent/ca.crt"));
	tls_slot_free(own);
	drop_pair(&known);
	drop_pair(&stranger);
}

/* A ClientHello that waits to be sent. */
static void prepare_hello(struct client *client, const struct door *door, SSL_CTX *context,
			  struct strbuf *hello)
{
	BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
	char *bytes;
	long n;

	client_open(client, door);
	client->ssl = SSL_new(context);
	SSL_set_bio(client->ssl, in, out);
	SSL_set_connect_state(client->ssl);
	SSL_do_handshake(client->ssl);
	n = BIO_get_mem_data(out, &bytes);
	strbuf_init(hello, 65536);
	strbuf_put(hello, (struct str){ bytes, (size_t)n });
	ERR_clear_error();
}

/* A storm of handshakes, all at hand at once: requests on a connection that stands are answered
 * before most of them are served, and all of them are served in the end. */
static void test_handshakes_wait_for_requests(void **state)
{
	enum { N = 250 };
	static struct client storm[N];
	SSL_CTX *context = client_context();
	struct http_limits limits = http_default_limits;
	struct strbuf hellos[N];
	struct client live, sleeper;
	struct pollfd fds[N];
	struct door door;
	int n_served = 0;

	limits.max_connections_per_peer = N + 10;
	door_open(&door, &limits, house.slot);
	assert_int_equal(client_open_tls(&live, &door, context), 1);
	assert_int_equal(client_open_tls(&sleeper, &door, context), 1);
	for (int i = 0; i < N; i++)
		prepare_hello(&storm[i], &door, context, &hellos[i]);
	for (int i = 0; i < 1000 && metric_read(METRIC_HTTP_CONNECTIONS, "test") < N + 2; i++)
		usleep(1000);
	/* While the worker is busy all of it piles up; the live request comes last. */
	client_say(&sleeper, "GET /sleep?300 HTTP/1.1\r\nHost: h\r\n\r\n");
	usleep(100000);
	for (int i = 0; i < N; i++)
		assert_int_equal(send(storm[i].fd, hellos[i].p, hellos[i].len, 0), hellos[i].len);
	/* The first comes with the storm, the second when it is under way. */
	for (int i = 0; i < 2; i++) {
		client_say(&live, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(&live, NULL, 0), 200);
	}
	for (int i = 0; i < N; i++)
		fds[i] = (struct pollfd){ .fd = storm[i].fd, .events = POLLIN };
	n_served = poll(fds, N, 0);
	print_message("%d of %d handshakes served before the requests\n", n_served, N);
	assert_true(n_served < N / 4);
	for (int i = 0; i < N; i++) {
		assert_int_equal(poll(&fds[i], 1, 20000), 1);
		assert_true(recv(storm[i].fd, storm[i].text, sizeof(storm[i].text), 0) > 0);
		strbuf_fini(&hellos[i]);
		client_close(&storm[i]);
	}
	client_close(&live);
	client_close(&sleeper);
	door_close(&door);
	SSL_CTX_free(context);
}

/* Peers that stop in the middle of a handshake or a record, or never read: the others do not
 * notice. */
static void test_stalled_peers(void **state)
{
	SSL_CTX *context = client_context();
	struct client begun, half, deaf, live;
	struct strbuf hello;
	struct door door;

	door_open(&door, &http_default_limits, house.slot);
	prepare_hello(&begun, &door, context, &hello);
	assert_int_equal(send(begun.fd, hello.p, hello.len / 2, 0), hello.len / 2);
	strbuf_fini(&hello);
	assert_int_equal(client_open_tls(&half, &door, context), 1);
	assert_int_equal(send(half.fd, "\x17\x03\x03\x40\x00half", 9, 0), 9);
	assert_int_equal(client_open_tls(&deaf, &door, context), 1);
	for (int i = 0; i < 20; i++)
		client_say(&deaf, "GET /big?4000000 HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_open_tls(&live, &door, context), 1);
	for (int i = 0; i < 50; i++) {
		client_say(&live, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
		assert_int_equal(client_answer(&live, NULL, 0), 200);
	}
	client_close(&begun);
	client_close(&half);
	client_close(&deaf);
	client_close(&live);
	door_close(&door);
	SSL_CTX_free(context);
}

static void test_big_bodies_both_ways(void **state)
{
	enum { SIZE = 2 << 20 };
	SSL_CTX *context = client_context();
	struct client client;
	struct door door;
	char *body = malloc(SIZE), *back = malloc(SIZE + 1000);
	size_t n = 0, head_len = 0;
	char head[128];

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)(i * 17 + i / 999);
	door_open(&door, &http_default_limits, house.slot);
	assert_int_equal(client_open_tls(&client, &door, context), 1);
	snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n",
		 SIZE);
	client_say(&client, head);
	client_send(&client, body, SIZE);
	while (n < SIZE + head_len) {
		ssize_t r = client_recv(&client, back + n, SIZE + 1000 - n);
		char *end;

		assert_true(r > 0);
		n += (size_t)r;
		end = memmem(back, n, "\r\n\r\n", 4);
		if (!head_len && end)
			head_len = (size_t)(end - back) + 4;
	}
	assert_memory_equal(back + head_len, body, SIZE);
	client_close(&client);
	door_close(&door);
	SSL_CTX_free(context);
	free(body);
	free(back);
}

/* Plain HTTP, half a handshake, garbage: each is closed, and the door goes on. */
static void test_strangers(void **state)
{
	static const char *const words[] = {
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"\x16\x03\x01",
		"",
		"\xff\xff\xff\xff\xff\xff",
	};
	struct http_limits limits = http_default_limits;
	SSL_CTX *context = client_context();
	struct client client;
	struct door door;

	limits.handshake_us = 100000;
	door_open(&door, &limits, house.slot);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		char bytes[64];
		ssize_t n;

		client_open(&client, &door);
		client_say(&client, words[i]);
		do
			n = recv(client.fd, bytes, sizeof(bytes), 0); /* an alert, perhaps */
		while (n > 0);
		assert_true(n == 0 || errno == ECONNRESET);
		client_close(&client);
	}
	assert_int_equal(client_open_tls(&client, &door, context), 1);
	client_say(&client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(client_answer(&client, NULL, 0), 200);
	client_close(&client);
	door_close(&door);
	SSL_CTX_free(context);
}

static void test_error_is_read_before_the_end(void **state)
{
	SSL_CTX *context = client_context();
	struct client client;
	struct door door;
	char body[1024];

	door_open(&door, &http_default_limits, house.slot);
	assert_int_equal(client_open_tls(&client, &door, context), 1);
	client_say(&client,
		   "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\nand so on");
	assert_int_equal(client_answer(&client, body, sizeof(body)), 413);
	assert_non_null(strstr(body, "Base.1.22.GeneralError"));
	assert_int_equal(SSL_read(client.ssl, body, 1), 0);
	client_close(&client);
	door_close(&door);
	SSL_CTX_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_names_and_modes),
		cmocka_unit_test(test_reload_keeps_connections),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_one_write_a_turn),
		cmocka_unit_test(test_ticket_resumes),
		cmocka_unit_test(test_big_bodies_both_ways),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_one_ticket),
		cmocka_unit_test(test_tickets_travel),
		cmocka_unit_test(test_old_tls),
		cmocka_unit_test(test_client_certificates),
		cmocka_unit_test(test_handshakes_wait_for_requests),
		cmocka_unit_test(test_stalled_peers),
		cmocka_unit_test(test_error_is_read_before_the_end),
	};

	return cmocka_run_group_tests(tests, house_open, house_close);
}
