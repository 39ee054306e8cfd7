/* Upstream: a delivery of another rfeventd tells which part of that one's log it covers, so that
 * what comes twice, in whatever batches and however late, is logged once.
 *
 * Oem.Rfeventd of the payload: Stream (one subscription on one log), After and Through: all that
 * the subscription wants of (After, Through] is in it. Oem.Rfeventd of a record: its Seq there.
 */
#ifndef EVENT_UPSTREAM_H
#define EVENT_UPSTREAM_H

#include <stdint.h>

#include "base/uuid.h"

struct delivery;
struct tree;

struct upstream {
	struct uuid stream; /* zero: it does not come from an rfeventd */
	int64_t after, through;
};

/* Pure, for decode: what Oem of the payload and of a record say (NULL: absent). */
void upstream_read(struct delivery *delivery, const struct tree *oem);
int64_t upstream_seq(const struct tree *oem); /* 0: none */
/* All is read: what does not fit together counts for nothing. */
void upstream_check(struct delivery *delivery);

#endif
