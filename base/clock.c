#include "base/clock.h"

#include <time.h>

#define SECONDS_PER_DAY 86400
/* 0000-01-01T00:00:00Z and the last microsecond of 9999. */
#define EARLIEST_US (-62167219200 * CLOCK_US_PER_S)
#define LATEST_US   (253402300800 * CLOCK_US_PER_S - 1)

struct civil {
	int year, month, day, hour, minute, second, us;
};

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_time_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

struct timespec clock_monotonic_in(int timeout_ms)
{
	int64_t at_us = clock_monotonic_us() + timeout_ms * INT64_C(1000);

	return (struct timespec){ .tv_sec = at_us / CLOCK_US_PER_S,
				  .tv_nsec = at_us % CLOCK_US_PER_S * 1000 };
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March, so that the leap
 * day is the last of its year and months repeat every 153 days per five. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void civil_of_days(int64_t days, struct civil *out)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;

	out->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	out->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	out->year = (int)(year_of_era + era * 400 + (out->month <= 2));
}

/* `width` decimal digits at `p`; returns the place behind. */
static char *put_digits(char *p, int value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + width;
}

char *clock_format(int64_t time_us, char out[CLOCK_TEXT_BYTES])
{
	const int64_t day_us = SECONDS_PER_DAY * CLOCK_US_PER_S;
	struct civil c;
	int64_t days, rest;
	char *p = out;

	if (time_us < EARLIEST_US)
		time_us = EARLIEST_US;
	else if (time_us > LATEST_US)
		time_us = LATEST_US;
	rest = time_us % day_us;
	if (rest < 0)
		rest += day_us;
	days = (time_us - rest) / day_us;
	civil_of_days(days, &c);
	p = put_digits(p, c.year, 4);
	*p++ = '-';
	p = put_digits(p, c.month, 2);
	*p++ = '-';
	p = put_digits(p, c.day, 2);
	*p++ = 'T';
	p = put_digits(p, (int)(rest / (3600 * CLOCK_US_PER_S)), 2);
	*p++ = ':';
	p = put_digits(p, (int)(rest / (60 * CLOCK_US_PER_S) % 60), 2);
	*p++ = ':';
	p = put_digits(p, (int)(rest / CLOCK_US_PER_S % 60), 2);
	*p++ = '.';
	p = put_digits(p, (int)(rest % CLOCK_US_PER_S), 6);
	*p++ = 'Z';
	*p = '\0';
	return out;
}

/* --- parsing: each step eats from the front of `s` ------------------------------------------- */

static bool eat_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

static bool eat_digits(struct str *s, int width, int *out)
{
	int value = 0;

	if (s->len < (size_t)width)
		return false;
	for (int i = 0; i < width; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	s->p += width;
	s->len -= (size_t)width;
	*out = value;
	return true;
}

static int days_in_month(int year, int month)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool eat_date(struct str *s, struct civil *c)
{
	return eat_digits(s, 4, &c->year) && eat_char(s, '-') && eat_digits(s, 2, &c->month) &&
	       eat_char(s, '-') && eat_digits(s, 2, &c->day) && c->year >= 1 && c->month >= 1 &&
	       c->month <= 12 && c->day >= 1 && c->day <= days_in_month(c->year, c->month);
}

/* ".283000000": microseconds, what is finer is cut. */
static bool eat_fraction(struct str *s, int *us)
{
	int scale = 100000;
	int digit;

	if (!eat_char(s, '.'))
		return true;
	if (!eat_digits(s, 1, &digit))
		return false;
	do {
		*us += digit * scale;
		scale /= 10;
	} while (eat_digits(s, 1, &digit));
	return true;
}

static bool eat_time(struct str *s, struct civil *c, bool *strict)
{
	if (!eat_digits(s, 2, &c->hour) || !eat_char(s, ':') || !eat_digits(s, 2, &c->minute))
		return false;
	if (!eat_char(s, ':'))
		*strict = false;
	else if (!eat_digits(s, 2, &c->second) || !eat_fraction(s, &c->us))
		return false;
	if (c->hour > 23 || c->minute > 59 || c->second > 60)
		return false;
	if (c->second == 60)
		c->second = 59; /* a leap second; UTC as counted here has none */
	return true;
}

static bool eat_zone(struct str *s, int *offset_s, bool *strict)
{
	bool west = eat_char(s, '-');
	int hours, minutes = 0;

	if (!west && !eat_char(s, '+')) {
		if (eat_char(s, 'Z'))
			return true;
		*strict = false;
		eat_char(s, 'z');
		return true; /* no zone at all is UTC */
	}
	if (!eat_digits(s, 2, &hours))
		return false;
	if (eat_char(s, ':')) {
		if (!eat_digits(s, 2, &minutes))
			return false;
	} else {
		*strict = false;
		if (s->len > 0 && !eat_digits(s, 2, &minutes))
			return false;
	}
	if (hours > 23 || minutes > 59)
		return false;
	*offset_s = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

bool clock_parse(struct str text, int64_t *time_us_out, bool *strict_out)
{
	struct str s = str_trim(text);
	struct civil c = { 0 };
	bool strict = s.len == text.len;
	int offset_s = 0;

	if (!eat_date(&s, &c))
		return false;
	if (s.len == 0) {
		strict = false; /* a date alone: its first moment */
	} else {
		if (!eat_char(&s, 'T')) {
			strict = false;
			if (!eat_char(&s, 't') && !eat_char(&s, ' '))
				return false;
		}
		if (!eat_time(&s, &c, &strict) || !eat_zone(&s, &offset_s, &strict) || s.len > 0)
			return false;
	}
	*time_us_out = (days_of(c.year, c.month, c.day) * SECONDS_PER_DAY + c.hour * 3600 +
			c.minute * 60 + c.second - offset_s) *
			       CLOCK_US_PER_S +
		       c.us;
	if (strict_out)
		*strict_out = strict;
	return true;
}
