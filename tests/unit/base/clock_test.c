#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define BAD INT64_MIN

static const struct {
	const char *source, *text;
	const char *utc; /* NULL: refused */
	bool strict;
} cases[] = {
	{ "RFC 3339", "2026-11-20T09:12:44.120931Z", "2026-11-20T09:12:44.120931Z", true },
	{ "RFC 3339 5.8", "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000Z", true },
	{ "RFC 3339 5.8", "1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57.000000Z", true },
	{ "RFC 3339 5.8, leap second", "1990-12-31T23:59:60Z", "1990-12-31T23:59:59.000000Z",
	  true },
	{ "RFC 3339 5.8", "1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z", true },
	{ "iDRAC, no colon", "2021-07-13T14:56:58+0300", "2021-07-13T11:56:58.000000Z", false },
	{ "iDRAC, no colon", "2021-07-13T14:56:58+0000", "2021-07-13T14:56:58.000000Z", false },
	{ "offset", "2022-02-01T14:03:43+00:00", "2022-02-01T14:03:43.000000Z", true },
	{ "nine digits", "2019-05-28T18:23:08.283000999Z", "2019-05-28T18:23:08.283000Z", true },
	{ "milliseconds", "2025-02-01T00:39:38.000Z", "2025-02-01T00:39:38.000000Z", true },
	{ "blank, no zone", "2019-05-14 10:18:10.232853", "2019-05-14T10:18:10.232853Z", false },
	{ "no zone", "1999-12-31T12:00:39", "1999-12-31T12:00:39.000000Z", false },
	{ "a date", "1970-01-01", "1970-01-01T00:00:00.000000Z", false },
	{ "lower case", "2020-02-29t23:59:59z", "2020-02-29T23:59:59.000000Z", false },
	{ "no seconds", "2020-02-29T23:59Z", "2020-02-29T23:59:00.000000Z", false },
	{ "no seconds, offset", "2020-02-29T23:59+01:00", "2020-02-29T22:59:00.000000Z", false },
	{ "hours of offset only", "2020-02-29T23:59:00-05", "2020-03-01T04:59:00.000000Z", false },
	{ "blanks around", " 2020-02-29T23:59:00Z\n", "2020-02-29T23:59:00.000000Z", false },
	{ "earliest", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z", true },
	{ "latest", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", true },
	{ "leap year of a century", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z", true },
	{ "iLO, clock not set", "0000-00-00T00:00:00Z", NULL, false },
	{ "year 0", "0000-01-01T00:00:00Z", NULL, false },
	{ "placeholder", "TIME_NOW", NULL, false },
	{ "empty", "", NULL, false },
	{ "no leap year", "2100-02-29T00:00:00Z", NULL, false },
	{ "day 31", "2026-04-31T00:00:00Z", NULL, false },
	{ "month 13", "2026-13-01T00:00:00Z", NULL, false },
	{ "hour 24", "2026-01-01T24:00:00Z", NULL, false },
	{ "minute 60", "2026-01-01T00:60:00Z", NULL, false },
	{ "second 61", "2026-01-01T00:00:61Z", NULL, false },
	{ "offset of a day", "2026-01-01T00:00:00+24:00", NULL, false },
	{ "offset of 60 minutes", "2026-01-01T00:00:00+00:60", NULL, false },
	{ "cut in the date", "2026-01", NULL, false },
	{ "cut in the hour", "2026-01-01T0", NULL, false },
	{ "cut in the second", "2026-01-01T00:00:", NULL, false },
	{ "point without digits", "2026-01-01T00:00:00.Z", NULL, false },
	{ "cut in the offset", "2026-01-01T00:00:00+0", NULL, false },
	{ "offset ends in its colon", "2026-01-01T00:00:00+00:", NULL, false },
	{ "something behind", "2026-01-01T00:00:00Zx", NULL, false },
	{ "something behind a date", "2026-01-01x", NULL, false },
	{ "sign", "-026-01-01T00:00:00Z", NULL, false },
	{ "seconds since 1970", "1612345678", NULL, false },
};

static void test_parse(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[CLOCK_TEXT_BYTES];
		int64_t time_us = BAD;
		bool strict = !cases[i].strict;

		print_message("%s: '%s'\n", cases[i].source, cases[i].text);
		assert_int_equal(clock_parse(str_of(cases[i].text), &time_us, &strict),
				 cases[i].utc != NULL);
		if (!cases[i].utc) {
			assert_true(time_us == BAD); /* untouched */
			continue;
		}
		assert_string_equal(clock_format(time_us, text), cases[i].utc);
		assert_int_equal(strict, cases[i].strict);
		assert_true(clock_parse(str_of(cases[i].text), &time_us, NULL));
	}
}

/* Every day of years 1 to 9999 against the C library's own calendar, in steps of a prime. */
static void test_calendar(void **state)
{
	for (int64_t s = -62135596800; s < 253402300800; s += 86400 * 11 + 3661) {
		time_t t = (time_t)s;
		char expect[64], text[CLOCK_TEXT_BYTES];
		struct tm tm;
		int64_t back;

		gmtime_r(&t, &tm);
		snprintf(expect, sizeof(expect), "%04d-%02d-%02dT%02d:%02d:%02d.000007Z",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
			 tm.tm_sec);
		assert_string_equal(clock_format(s * CLOCK_US_PER_S + 7, text), expect);
		assert_true(clock_parse(str_of(text), &back, NULL));
		assert_true(back == s * CLOCK_US_PER_S + 7);
	}
}

static void test_format_limits(void **state)
{
	char text[CLOCK_TEXT_BYTES];

	assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(clock_format(-1, text), "1969-12-31T23:59:59.999999Z");
	assert_string_equal(clock_format(INT64_MIN, text), "0000-01-01T00:00:00.000000Z");
	assert_string_equal(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
}

static void test_clocks(void **state)
{
	int64_t before = clock_monotonic_us();
	struct timespec in = clock_monotonic_in(61234);
	int64_t left_us = in.tv_sec * CLOCK_US_PER_S + in.tv_nsec / 1000 - clock_monotonic_us();

	assert_true(clock_monotonic_us() >= before);
	assert_in_range(left_us, 61234000 - 5 * CLOCK_US_PER_S, 61234000);
	assert_in_range(in.tv_nsec, 0, 999999999);
	assert_true(llabs(clock_time_us() / CLOCK_US_PER_S - (int64_t)time(NULL)) <= 1);
}

/* Mutated good times: whatever is taken must print and parse back to itself. */
static void test_random(void **state)
{
	uint64_t seed = 88172645463325252;

	for (int i = 0; i < 200000; i++) {
		const char *model = cases[(size_t)i % ARRAY_LEN(cases)].text;
		size_t n = strlen(model);
		char *mutant = xmalloc(n + 1); /* exact, for ASan */
		int64_t time_us, back;
		char text[CLOCK_TEXT_BYTES];

		memcpy(mutant, model, n);
		for (int k = 0; k < 2 && n > 0; k++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			mutant[seed % n] = "0123456789-+:.TZ tz\xff"[seed >> 32 & 15];
		}
		n = n > 0 && seed >> 60 == 0 ? seed % n : n;
		mutant = xrealloc(mutant, n);
		if (clock_parse((struct str){ mutant, n }, &time_us, NULL)) {
			assert_true(clock_parse(str_of(clock_format(time_us, text)), &back, NULL));
			assert_true(back == time_us);
		}
		free(mutant);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),         cmocka_unit_test(test_calendar),
		cmocka_unit_test(test_format_limits), cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
