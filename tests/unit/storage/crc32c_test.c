#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/secrets.h"
#include "storage/crc32c.h"

static uint8_t zeros[32], ones[32], up[32], down[32];

/* RFC 3720, B.4; the last is the polynomial's usual check value. */
static const struct {
	const char *name;
	const void *p;
	size_t n;
	uint32_t crc;
} vectors[] = {
	{ "nothing", zeros, 0, 0 },
	{ "zeros", zeros, 32, 0x8a9136aa },
	{ "ones", ones, 32, 0x62a8ab43 },
	{ "ascending", up, 32, 0x46dd794e },
	{ "descending", down, 32, 0x113fdb5c },
	{ "digits", "123456789", 9, 0xe3069283 },
};

static void test_vectors(void **state)
{
	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++) {
		up[i] = i;
		down[i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		if (crc32c(0, vectors[i].p, vectors[i].n) != vectors[i].crc ||
		    crc32c_by_table(0, vectors[i].p, vectors[i].n) != vectors[i].crc)
			fail_msg("%s", vectors[i].name);
	}
}

/* Every length and alignment, and in two parts. */
static void test_both_ways_agree(void **state)
{
	uint8_t bytes[200];

	secrets_random(bytes, sizeof(bytes));
	for (size_t from = 0; from < 8; from++) {
		for (size_t n = 0; n < 190; n++) {
			uint32_t crc = crc32c(n, bytes + from, n);

			assert_int_equal(crc, crc32c_by_table((uint32_t)n, bytes + from, n));
			assert_int_equal(crc, crc32c(crc32c((uint32_t)n, bytes + from, n / 3),
						     bytes + from + n / 3, n - n / 3));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_both_ways_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
