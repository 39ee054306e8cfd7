/* Likeness: whether a pushed record and an entry of the sender's own log tell of one event.
 *
 * Pushed and kept records of one event differ in their bytes, often in precision, sometimes in
 * what they leave out (OpenBMC pushes no OriginOfCondition), and EventId alone is no identity
 * (iDRAC: the number of the alert's definition). So all facts that both have must agree. Pure.
 * Sources: Event.v1_13_0, LogEntry.v1_21_0. Thread: any.
 */
#ifndef EVENT_LIKENESS_H
#define EVENT_LIKENESS_H

#include <stdbool.h>

#include "base/uuid.h"

struct event;

enum likeness {
	LIKENESS_NONE,     /* two events */
	LIKENESS_POSSIBLE, /* nothing tells them apart, and nothing ties them together */
	LIKENESS_SAME
};

/* What both records of one event share without fail: the source, the second of its time, the last
 * part of its MessageId. Zero when the record has no sane time: it is like no other. */
struct uuid likeness_moment(struct uuid source, const struct event *event);
/* Symmetric. Both have sane times. */
enum likeness likeness_of(const struct event *a, const struct event *b);

#endif
