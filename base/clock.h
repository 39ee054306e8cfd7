/* Clocks, and times as people and BMCs write them.
 *
 * time_us: microseconds since 1970-01-01 UTC (PostgreSQL's resolution). Parsing and formatting
 * are pure. Thread: any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/str.h"

#define CLOCK_US_PER_S 1000000ll
/* "2026-11-20T09:12:44.120931Z" and its NUL. */
#define CLOCK_TEXT_BYTES 32

int64_t clock_time_us(void);	   /* UTC now */
int64_t clock_monotonic_us(void); /* never steps */
/* `timeout_ms` from now on the clock that never steps, for pthread_cond_timedwait(). */
struct timespec clock_monotonic_in(int timeout_ms);
/* RFC 3339 in UTC with six fractional digits, into `out`; returns out. Years 0 to 9999. */
char *clock_format(int64_t time_us, char out[CLOCK_TEXT_BYTES]);
/* RFC 3339 and what BMCs really send (spec 1.3): offset without colon, blank for 'T', no zone
 * (taken as UTC), up to nine fractional digits (rest cut), lower-case t and z, missing seconds.
 * *strict_out (may be NULL) says whether it was strict RFC 3339.
 * False when it is not a time at all or a field is out of range ("0000-00-00T00:00:00Z"). */
bool clock_parse(struct str text, int64_t *time_us_out, bool *strict_out);

#endif
