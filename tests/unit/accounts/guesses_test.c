/* Wrong passwords: who waits, who is locked out, and who is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>

#include "accounts/account_set.h"
#include "accounts/guesses.h"
#include "accounts/limits.h"
#include "base/clock.h"
#include "base/mem.h"

#define S CLOCK_US_PER_S

static const struct account_policy policy = { .lockout_threshold = 3,
					      .lockout_duration_s = 100,
					      .lockout_reset_s = 50 };

static const struct str bob = { "bob", 3 }, home = { "10.0.0.1", 8 }, away = { "10.9.9.9", 8 };

static int begin(struct guesses *guesses, struct str address, int64_t now_us)
{
	bool first;

	return guesses_begin(guesses, address, now_us, &first);
}

/* One wrong attempt that was let in. True: it locked the account. */
static bool guess(struct guesses *guesses, struct str account, struct str address, int64_t now_us)
{
	bool stranger;

	assert_int_equal(begin(guesses, address, now_us), 0);
	return guesses_wrong(guesses, account, address, &policy, now_us, &stranger);
}

static bool is_locked(struct guesses *guesses, struct str address, int64_t now_us)
{
	return guesses_is_locked(guesses, bob, address, false, now_us);
}

static void test_strangers_lock_strangers_out_only(void **state)
{
	struct guesses *guesses = guesses_new();
	bool stranger = true;

	assert_int_equal(begin(guesses, home, 0), 0);
	guesses_right(guesses, bob, home, 0); /* from here on home is known */
	assert_false(guess(guesses, bob, away, 1 * S));
	assert_false(guess(guesses, bob, away, 2 * S));
	assert_true(guess(guesses, bob, away, 3 * S));
	assert_true(is_locked(guesses, away, 4 * S));
	assert_true(is_locked(guesses, STR("10.7.7.7"), 4 * S));
	assert_false(is_locked(guesses, home, 4 * S));
	assert_false(guesses_is_locked(guesses, bob, home, true, 4 * S));
	assert_true(guesses_has_lock(guesses, bob, 4 * S));
	assert_false(is_locked(guesses, away, 103 * S));

	/* The known one has a lock of its own. */
	guess(guesses, bob, home, 5 * S);
	guess(guesses, bob, home, 6 * S);
	assert_int_equal(begin(guesses, home, 7 * S), 0);
	assert_true(guesses_wrong(guesses, bob, home, &policy, 7 * S, &stranger));
	assert_false(stranger);
	assert_true(is_locked(guesses, home, 8 * S));
	guesses_unlock(guesses, bob);
	assert_false(is_locked(guesses, home, 8 * S));
	assert_false(is_locked(guesses, away, 8 * S));
	guesses_free(guesses);
}

static void test_the_count_runs_out(void **state)
{
	struct guesses *guesses = guesses_new();

	guess(guesses, bob, away, 0);
	guess(guesses, bob, away, 1 * S);
	assert_false(guess(guesses, bob, away, 60 * S)); /* the first two are forgotten */
	assert_false(guess(guesses, bob, away, 61 * S));
	assert_true(guess(guesses, bob, away, 62 * S));
	/* After the lock it begins anew. */
	assert_false(guess(guesses, bob, away, 170 * S));
	assert_false(is_locked(guesses, away, 171 * S));
	guesses_free(guesses);
}

static void test_an_address_waits_twice_as_long_each_time(void **state)
{
	struct guesses *guesses = guesses_new();
	int64_t now_us = 0;
	bool first;

	for (int i = 0; i < GUESS_FREE; i++)
		guess(guesses, STR(""), away, now_us);
	assert_int_equal(guesses_begin(guesses, away, now_us, &first), 1);
	assert_true(first);
	assert_int_equal(guesses_begin(guesses, away, now_us, &first), 1);
	assert_false(first);
	for (int wait_s = 1; wait_s < 64; wait_s *= 2) {
		now_us += wait_s * S;
		guess(guesses, STR(""), away, now_us);
	}
	assert_int_equal(begin(guesses, away, now_us), GUESS_MAX_WAIT_S);
	assert_int_equal(begin(guesses, home, now_us), 0); /* others do not wait */
	now_us += GUESS_MAX_WAIT_S * S;
	assert_int_equal(begin(guesses, away, now_us), 0);
	guesses_right(guesses, bob, away, now_us);
	guess(guesses, STR(""), away, now_us);
	assert_int_equal(begin(guesses, away, now_us), 0);
	guesses_free(guesses);
}

static void test_one_ipv6_network_is_one_address(void **state)
{
	struct guesses *guesses = guesses_new();
	char text[ADDRESS_MAX_BYTES];

	for (int i = 0; i < GUESS_FREE; i++) {
		snprintf(text, sizeof(text), "2001:db8:1:2::%x", i + 1);
		guess(guesses, STR(""), str_of(text), 0);
	}
	assert_int_equal(begin(guesses, STR("2001:db8:1:2:ffff::9"), 0), 1);
	assert_int_equal(begin(guesses, STR("2001:db8:1:3::1"), 0), 0);
	guesses_free(guesses);
}

static void test_an_address_has_its_share_of_the_queue(void **state)
{
	struct guesses *guesses = guesses_new();

	for (int i = 0; i < HASH_MAX_WAITING_PER_ADDRESS; i++)
		assert_int_equal(begin(guesses, away, 0), 0);
	assert_int_equal(begin(guesses, away, 0), -EAGAIN);
	assert_int_equal(begin(guesses, home, 0), 0);
	guesses_end(guesses, away);
	assert_int_equal(begin(guesses, away, 0), 0);
	guesses_free(guesses);
}

static void test_more_addresses_than_there_is_room_for(void **state)
{
	struct guesses *guesses = guesses_new();
	char text[ADDRESS_MAX_BYTES];

	for (int i = 0; i < GUESS_FREE; i++)
		guess(guesses, STR(""), away, 5 * S);
	for (int i = 0; i < GUESS_MAX_ADDRESSES - 1; i++) {
		snprintf(text, sizeof(text), "10.1.%d.%d", i / 256, i % 256);
		guess(guesses, STR(""), str_of(text), 4 * S);
	}
	assert_int_equal(begin(guesses, STR("10.200.0.1"), 5 * S), 0); /* one that is older went */
	assert_int_equal(begin(guesses, away, 5 * S), 1);
	guesses_free(guesses);
}

static void test_a_threshold_of_0_never_locks(void **state)
{
	const struct account_policy lenient = { .lockout_duration_s = 9, .lockout_reset_s = 9 };
	struct guesses *guesses = guesses_new();
	bool stranger;

	for (int i = 0; i < 15; i++)
		assert_false(guesses_wrong(guesses, bob, away, &lenient, i, &stranger));
	assert_false(is_locked(guesses, away, 16));
	guesses_free(guesses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_lock_strangers_out_only),
		cmocka_unit_test(test_the_count_runs_out),
		cmocka_unit_test(test_an_address_waits_twice_as_long_each_time),
		cmocka_unit_test(test_one_ipv6_network_is_one_address),
		cmocka_unit_test(test_an_address_has_its_share_of_the_queue),
		cmocka_unit_test(test_more_addresses_than_there_is_room_for),
		cmocka_unit_test(test_a_threshold_of_0_never_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
