#include "forward/retry.h"

#include "base/clock.h"

static int64_t backed_off(int64_t interval_us, unsigned n_failures)
{
	const int64_t most_us = FORWARD_BACKOFF_MAX_S * CLOCK_US_PER_S;

	while (--n_failures > 0 && interval_us < most_us)
		interval_us *= 2;
	return interval_us < most_us ? interval_us : most_us;
}

int64_t retry_wait_us(enum retry_policy policy, const struct retry_rules *rules,
		      unsigned n_failures, int64_t retry_after_s)
{
	int64_t wait_us = rules->interval_us, asked_us;

	if ((policy == RETRY_SUSPEND || policy == RETRY_TERMINATE) && n_failures > rules->attempts)
		return RETRY_NO_MORE;
	if (policy == RETRY_FOREVER_WITH_BACKOFF)
		wait_us = backed_off(wait_us, n_failures);
	if (retry_after_s > FORWARD_RETRY_AFTER_MAX_S)
		retry_after_s = FORWARD_RETRY_AFTER_MAX_S;
	asked_us = retry_after_s * CLOCK_US_PER_S;
	return asked_us > wait_us ? asked_us : wait_us;
}
