/* Addresses as configured, and whether one is free. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/address_priv.h"

static const struct {
	const char *text;
	int family; /* 0: refused */
	uint16_t port;
} addresses[] = {
	{ "127.0.0.1:8443", AF_INET, 8443 },
	{ "0.0.0.0:1", AF_INET, 1 },
	{ "[::]:8443", AF_INET6, 8443 },
	{ "[::1]:65535", AF_INET6, 65535 },
	{ ":8443", AF_INET6, 8443 },
	{ "", 0, 0 },
	{ "8443", 0, 0 },
	{ "127.0.0.1", 0, 0 },
	{ "127.0.0.1:", 0, 0 },
	{ "127.0.0.1:0", 0, 0 },
	{ "127.0.0.1:65536", 0, 0 },
	{ "127.0.0.1:-1", 0, 0 },
	{ "127.0.0.1:http", 0, 0 },
	{ "::1:8443", 0, 0 },
	{ "[127.0.0.1]:8443", 0, 0 },
	{ "[::1:8443", 0, 0 },
	{ "example.org:8443", 0, 0 },
};

static void test_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct err err = { "" };
		struct address out;
		int r = address_parse(str_of(addresses[i].text), &out, &err);

		if ((r == 0) != (addresses[i].family != 0))
			fail_msg("'%s': %d %s", addresses[i].text, r, err.text);
		if (r < 0) {
			assert_int_equal(r, -EINVAL);
			assert_true(strlen(err.text) > 0);
			continue;
		}
		assert_int_equal(out.sa.sa_family, addresses[i].family);
		assert_int_equal(ntohs(out.in.sin_port), addresses[i].port);
	}
}

static void test_peer(void **state)
{
	struct address in = { .in = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(0x0a000001) } };
	struct address mapped = { .in6 = { .sin6_family = AF_INET6 } };
	struct peer_key key, mapped_key;
	char text[INET6_ADDRSTRLEN];

	inet_pton(AF_INET6, "::ffff:10.0.0.1", &mapped.in6.sin6_addr);
	address_peer(&in, &key, text);
	assert_string_equal(text, "10.0.0.1");
	address_peer(&mapped, &mapped_key, text);
	assert_string_equal(text, "10.0.0.1");
	assert_memory_equal(&key, &mapped_key, sizeof(key));
	inet_pton(AF_INET6, "fe80::1", &mapped.in6.sin6_addr);
	address_peer(&mapped, &mapped_key, text);
	assert_string_equal(text, "fe80::1");
}

/* A second daemon must not share the port unseen, though SO_REUSEPORT would let it. */
static void test_probe(void **state)
{
	struct err err = { "" };
	struct address bound = { .len = sizeof(bound.in6) };
	char text[64];
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, again;

	if (fd < 0)
		skip();
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	bound.in6.sin6_family = AF_INET6;
	assert_int_equal(bind(fd, &bound.sa, bound.len), 0);
	assert_int_equal(getsockname(fd, &bound.sa, &bound.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	snprintf(text, sizeof(text), "[::]:%u", ntohs(bound.in6.sin6_port));
	assert_int_equal(http_address_probe(str_of(text), "some.key", &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.text, "some.key"));
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(bound.in6.sin6_port));
	assert_int_equal(http_address_probe(str_of(text), "some.key", &err), -EADDRINUSE);
	/* Our own workers do share it. */
	snprintf(text, sizeof(text), "[::]:%u", ntohs(bound.in6.sin6_port));
	again = address_bind(str_of(text), true, &err);
	assert_true(again >= 0);
	close(again);
	close(fd);
	assert_int_equal(http_address_probe(str_of(text), "some.key", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
