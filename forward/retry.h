/* Retry: when a delivery that was not taken is tried again, and when no more (DSP0268,
 * DeliveryRetryPolicy). Pure. */
#ifndef FORWARD_RETRY_H
#define FORWARD_RETRY_H

#include <stdint.h>

#include "forward/destination.h"

struct retry_rules {
	int64_t interval_us; /* DeliveryRetryIntervalSeconds */
	unsigned attempts;   /* DeliveryRetryAttempts, after the first try */
};

#define RETRY_NO_MORE INT64_C(-1)
/* How long to wait after `n_failures` in a row (at least 1); `retry_after_s`: what the receiver
 * asked for, 0: nothing. RETRY_NO_MORE when the policy says so. */
int64_t retry_wait_us(enum retry_policy policy, const struct retry_rules *rules,
		      unsigned n_failures, int64_t retry_after_s);

#endif
