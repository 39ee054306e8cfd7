/* The token in a Destination's path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "receiver/token.h"

static const struct {
	const char *path, *token; /* "" : none */
} cases[] = {
	{ "/events/abcdefgh", "abcdefgh" },
	{ "/events/ABCdefgh234567", "abcdefgh234567" },
	{ "/events/abcdefgh/", "abcdefgh" },
	/* iDRAC10 reads the Destination back with port and path appended (vendors.md, R470) */
	{ "/events/abcdefgh:8001/redfish/events:8001/redfish/events", "abcdefgh" },
	{ "/events/abcdefgh189", "abcdefgh" },
	{ "/events/abcdefg", "" }, /* too short */
	{ "/events/", "" },
	{ "/events", "" },
	{ "/eventsabcdefgh", "" },
	{ "/Events/abcdefgh", "" },
	{ "/", "" },
	{ "", "" },
};

static void test_token_of_path(void **state)
{
	char token[RECEIVER_TOKEN_MAX_CHARS + 1];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = token_of_path(str_of(cases[i].path), token);

		assert_int_equal(n, strlen(cases[i].token));
		if (n > 0)
			assert_string_equal(token, cases[i].token);
	}
}

static void test_longest_token(void **state)
{
	char path[256] = "/events/", token[RECEIVER_TOKEN_MAX_CHARS + 1];

	memset(path + 8, 'x', RECEIVER_TOKEN_MAX_CHARS);
	assert_int_equal(token_of_path(str_of(path), token), RECEIVER_TOKEN_MAX_CHARS);
	path[8 + RECEIVER_TOKEN_MAX_CHARS] = 'x';
	assert_int_equal(token_of_path(str_of(path), token), 0);
}

static void test_events_path(void **state)
{
	assert_true(token_is_events_path(STR("/events")));
	assert_true(token_is_events_path(STR("/events/x")));
	assert_false(token_is_events_path(STR("/eventsx")));
	assert_false(token_is_events_path(STR("/event")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token_of_path),
		cmocka_unit_test(test_longest_token),
		cmocka_unit_test(test_events_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
