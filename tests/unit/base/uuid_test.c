#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/uuid.h"

static void test_format_and_parse(void **state)
{
	static const struct {
		const char *name, *text;
		bool good;
	} cases[] = {
		{ "RFC 9562 A.6", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", true },
		{ "upper case", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", true },
		{ "no dashes", "017f22e279b07cc398c4dc0c0c07398f", false },
		{ "dash moved", "017f22e27-9b0-7cc3-98c4-dc0c0c07398f", false },
		{ "not hexadecimal", "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", false },
		{ "a character of bit 0x20", "017f22e2-79b0-7cc3-98c4-dc0c0c07398\x01", false },
		{ "short", "017f22e2-79b0-7cc3-98c4-dc0c0c07398", false },
		{ "long", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", false },
		{ "empty", "", false },
	};
	char text[UUID_TEXT_BYTES];
	struct uuid id;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(uuid_parse(str_of(cases[i].text), &id), cases[i].good);
		if (cases[i].good)
			assert_string_equal(uuid_format(id, text),
					    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
	}
}

static void test_v4(void **state)
{
	struct uuid a = uuid_v4(), b = uuid_v4();

	assert_int_equal(a.b[6] >> 4, 4);
	assert_int_equal(a.b[8] >> 6, 2);
	assert_false(uuid_eq(a, b));
	assert_true(uuid_eq(a, a));
	assert_false(uuid_is_zero(a));
	assert_true(uuid_is_zero((struct uuid){ { 0 } }));
}

static void test_v7(void **state)
{
	/* RFC 9562 A.6: 2022-02-22 19:22:22 UTC is 0x017f22e279b0. */
	const int64_t time_us = INT64_C(1645557742000000);
	struct uuid last = { { 0 } };

	for (int i = 0; i < 10000; i++) {
		/* Standing, going on, stepping back. */
		struct uuid id = uuid_v7(time_us + (i < 3000 ? 0 : i < 6000 ? i : -i));

		assert_int_equal(id.b[6] >> 4, 7);
		assert_int_equal(id.b[8] >> 6, 2);
		assert_true(memcmp(id.b, last.b, sizeof(id.b)) > 0);
		last = id;
		if (i == 0)
			assert_memory_equal(id.b,
					    ((uint8_t[]){ 0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0 }), 6);
	}
	uuid_v7(INT64_MIN); /* a clock before 1970 is no reason to fail */
}

static void test_digest(void **state)
{
	/* printf 'source\0rack7' | sha256sum, with the version and variant marked. */
	struct uuid a = uuid_digest(STR("source"), STR("rack7"));
	char text[UUID_TEXT_BYTES];

	assert_string_equal(uuid_format(a, text), "e37dc085-41ef-8874-bbf8-5897943c4034");
	assert_true(uuid_eq(a, uuid_digest(STR("source"), STR("rack7"))));
	assert_false(uuid_eq(a, uuid_digest(STR("sourcer"), STR("ack7"))));
	assert_false(uuid_eq(a, uuid_digest(STR("source"), STR(""))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_and_parse),
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v7),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
