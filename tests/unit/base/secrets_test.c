#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"

static void test_random(void **state)
{
	uint8_t a[64] = { 0 }, b[64] = { 0 };

	secrets_random(a, sizeof(a));
	secrets_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	secrets_random(NULL, 0);
}

static void test_token(void **state)
{
	bool seen[256] = { false };
	char token[1001];
	size_t n_seen = 0;

	secrets_token(token, 1000);
	assert_int_equal(strlen(token), 1000);
	assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz234567"), 1000);
	for (size_t i = 0; i < 1000; i++)
		seen[(unsigned char)token[i]] = true;
	for (size_t i = 0; i < 256; i++)
		n_seen += seen[i];
	assert_int_equal(n_seen, 32); /* a letter missing from 1000: once in 10^12 runs */
}

static void test_eq(void **state)
{
	assert_true(secrets_eq(STR("token"), STR("token")));
	assert_false(secrets_eq(STR("token"), STR("tokem")));
	assert_false(secrets_eq(STR("token"), STR("Token")));
	assert_false(secrets_eq(STR("token"), STR("tokens")));
	assert_true(secrets_eq(STR(""), str_of(NULL)));
}

/* FIPS 180-4 examples. */
static void test_sha256(void **state)
{
	static const struct {
		const char *text, *digest;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char text[2 * SHA256_BYTES + 1];
	uint8_t digest[SHA256_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		secrets_sha256(str_of(cases[i].text), digest);
		secrets_hex(digest, sizeof(digest), text);
		assert_string_equal(text, cases[i].digest);
	}
}

static void test_wipe(void **state)
{
	char secret[] = "hunter2";

	secrets_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random), cmocka_unit_test(test_token),
		cmocka_unit_test(test_eq),     cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
