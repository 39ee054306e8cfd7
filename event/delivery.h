/* Delivery: one accepted POST (or SSE message), from receipt to the log.
 *
 * Made by the receiver, journaled as bytes, decoded and resolved in place, loaded. Shared by
 * reference count. The packed fields never change after delivery_new(); the decoded part is
 * written by exactly one thread, which then calls delivery_set_prepared().
 */
#ifndef EVENT_DELIVERY_H
#define EVENT_DELIVERY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/str.h"
#include "base/uuid.h"
#include "event/event.h"
#include "event/upstream.h"

struct arena;
struct err;

enum delivery_kind {
	DELIVERY_EVENTS,	/* holds events */
	DELIVERY_METRIC_REPORT, /* MetricReport: kept whole, short retention, no events */
	DELIVERY_NOT_JSON,	/* quarantined; `reason` says why */
	DELIVERY_QUARANTINED	/* set aside for another reason: `reason`, `detail` */
};

enum delivery_flag {
	DELIVERY_UNVERIFIED = 1 << 0, /* accepted while the snapshot was not known to be current */
	DELIVERY_ENROLLED = 1 << 1,   /* came with the enrolment token: create the source at load */
	DELIVERY_BACKFILLED = 1 << 2, /* LogEntries of the source's own log: compared at load with
					 what it pushed (event/likeness.h) */
};

/* A record set aside while its neighbours go on. */
struct quarantined_record {
	uint32_t index;
	const char *reason; /* literal: a metric label */
	struct str detail;
	struct str raw; /* the record's JSON text, as far as it is known */
};

struct intake;

struct delivery {
	struct mailbox_item item; /* journal -> loader */
	atomic_int refs;	  /* private */
	atomic_int prepared;	  /* private: see delivery_set_prepared, _leave and _skip */
	struct arena *arena;	  /* owned: everything below */
	size_t n_counted;	  /* private: of the arena's bytes, in deliveries_bytes() */

	/* packed into the journal */
	struct uuid id;	    /* UUIDv7 at receipt */
	struct uuid source; /* zero when unverified or unknown */
	int64_t received_us;
	uint32_t flags;	    /* enum delivery_flag */
	struct str peer;    /* address text, without port: "10.1.2.3", "fe80::1" */
	struct str token;   /* only with DELIVERY_UNVERIFIED: decided at load */
	struct str protocol; /* "http/1.1", "h2" … */
	struct str raw;	    /* body exactly as received */

	/* filled by decode and resolve */
	enum delivery_kind kind;
	struct str envelope_id, context;
	struct upstream upstream;
	struct event *events;
	uint32_t n_events;
	struct quarantined_record *quarantined;
	uint32_t n_quarantined;
	uint64_t quirks; /* of the envelope; decode shows them at each event, too */
	const char *reason; /* NOT_JSON, QUARANTINED: literal, a metric label */
	struct str detail;  /* the same in words */

	/* filled by the journal: where the record is */
	struct uuid segment;
	uint64_t segment_number; /* ascending within the directory */
	uint64_t start, end;	 /* byte offsets of the record in the segment; end is the position after it */
	struct intake *intake;	 /* storage.acknowledge: database; answered by the loader */
};

/* New, one reference, an arena of its own holding copies of the texts. NULL when `raw` passes
 * DELIVERY_MAX_BYTES. */
struct delivery *delivery_new(struct uuid id, struct uuid source, int64_t received_us, uint32_t flags,
			      struct str peer, struct str token, struct str protocol, struct str raw);
struct delivery *delivery_ref(struct delivery *delivery);
void delivery_unref(struct delivery *delivery); /* NULL is allowed */

/* The packed form: what a journal record holds. Versioned; unpack refuses what it cannot read
 * with -EBADMSG. */
void delivery_pack(const struct delivery *delivery, struct strbuf *out);
int delivery_unpack(struct str record, struct delivery **out, struct err *err);

/* Release / acquire pair around the decoded part. */
void delivery_set_prepared(struct delivery *delivery);
bool delivery_is_prepared(const struct delivery *delivery);
/* The same pair for "decoded, but not resolved": whoever needs it resolved calls the prepare_fn.
 * Before the registries are read the workers leave their deliveries like this. */
void delivery_leave(struct delivery *delivery);
bool delivery_is_left(const struct delivery *delivery);
/* The same pair for "not decoded, for want of memory": whoever needs it decoded reads it back from
 * the journal, in a copy of its own, when its turn has come. */
void delivery_skip(struct delivery *delivery);
bool delivery_is_skipped(const struct delivery *delivery);

/* Memory that all deliveries take: as they came, and once they are prepared or left as they are
 * then. To be held against DELIVERIES_MAX_BYTES by those who would make more or keep them. */
size_t deliveries_bytes(void);
size_t delivery_bytes(const struct delivery *delivery); /* of one: for whoever may read it */

/* A delivery on its way into the journal, and the answer's way back. Owned by the sender; from
 * deliver() until the answer by whoever holds the delivery. */
struct intake {
	struct mailbox_item item;
	struct delivery *delivery; /* one reference, taken by the journal */
	int result;		   /* 0: durable. -ENOSPC: journal full. Other negative errno: refused */
	struct mailbox *reply_to;  /* the intake comes back through it */
	bool is_own; /* of the service itself: into the journal's reserve, answered once it is there */
	void *ctx;		   /* the sender's */
};

/* Into the journal: 0 when taken (the answer follows through reply_to), -EAGAIN when the queue is
 * full (nothing taken; answer 503). */
typedef int deliver_fn(void *ctx, struct intake *intake);
/* Decode and resolve in place; ends with delivery_set_prepared(). Any thread, one at a time. */
typedef void prepare_fn(void *ctx, struct delivery *delivery);

#endif
