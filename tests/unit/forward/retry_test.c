/* When a delivery is tried again: DSP0268, DeliveryRetryPolicy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "forward/retry.h"

#define S CLOCK_US_PER_S

static const struct retry_rules rules = { 10 * S, 3 };

static void test_waits(void **state)
{
	static const struct {
		enum retry_policy policy;
		unsigned n_failures;
		int64_t retry_after_s, wait_us;
	} cases[] = {
		{ RETRY_FOREVER, 1, 0, 10 * S },
		{ RETRY_FOREVER, 1000000, 0, 10 * S },
		{ RETRY_FOREVER, 5, 60, 60 * S },
		{ RETRY_FOREVER, 5, 3, 10 * S }, /* sooner than we would: ours */
		{ RETRY_FOREVER, 5, 1 << 30, FORWARD_RETRY_AFTER_MAX_S * S },
		{ RETRY_FOREVER_WITH_BACKOFF, 1, 0, 10 * S },
		{ RETRY_FOREVER_WITH_BACKOFF, 2, 0, 20 * S },
		{ RETRY_FOREVER_WITH_BACKOFF, 5, 0, 160 * S },
		{ RETRY_FOREVER_WITH_BACKOFF, 6, 0, FORWARD_BACKOFF_MAX_S * S },
		{ RETRY_FOREVER_WITH_BACKOFF, UINT32_MAX, 0, FORWARD_BACKOFF_MAX_S * S },
		{ RETRY_SUSPEND, 3, 0, 10 * S },
		{ RETRY_SUSPEND, 4, 0, RETRY_NO_MORE },
		{ RETRY_TERMINATE, 3, 100, 100 * S },
		{ RETRY_TERMINATE, 4, 100, RETRY_NO_MORE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(retry_wait_us(cases[i].policy, &rules, cases[i].n_failures,
					       cases[i].retry_after_s),
				 cases[i].wait_us);
}

static void test_no_attempts(void **state)
{
	static const struct retry_rules none = { S, 0 };

	assert_int_equal(retry_wait_us(RETRY_TERMINATE, &none, 1, 0), RETRY_NO_MORE);
	assert_int_equal(retry_wait_us(RETRY_FOREVER, &none, 1, 0), S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_no_attempts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
