/* Entry: one event as everything downstream sees it, and batches of them.
 *
 * From memory (fresh from the loader) or from the log: the same shape. Batches are immutable and
 * shared by reference; they keep alive what their strings borrow from.
 */
#ifndef EVENT_ENTRY_H
#define EVENT_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/event.h"

struct arena;
struct delivery;
struct source;

struct entry {
	int64_t seq; /* 0: provisional, not in the log yet */
	struct uuid delivery;
	struct uuid source;
	int64_t received_us;
	struct str peer; /* address it came from; p NULL for what was read back from the log */
	struct event event;
};

struct entry_batch {
	atomic_int refs;	/* private */
	struct arena *arena;	/* owned; NULL when the strings borrow from deliveries only */
	struct delivery **held; /* owned references */
	size_t n_held;
	size_t n;
	struct entry entries[];
};

struct entry_batch *entry_batch_new(size_t n); /* one reference, entries zeroed */
struct entry_batch *entry_batch_ref(struct entry_batch *batch);
void entry_batch_unref(struct entry_batch *batch); /* NULL is allowed */

/* The words of an entry in one language. */
struct wording {
	struct str message;
	struct str resolution; /* p NULL: none */
	struct str language;   /* p NULL: unknown (the sender's own text) */
};

/* The contract's Entry as JSON. `source` NULL: its id and the peer's
 * address are shown; `wording` NULL: the stored
 * text. Absent facts are absent; seq 0 is written null. */
void entry_encode(struct strbuf *out, const struct entry *entry, const struct source *source,
		  const struct wording *wording);

/* `,"MessageArgs":[…]` of an event that has any, or that had an empty array; else nothing. For
 * every form in which an event leaves as a JSON object. */
void entry_encode_args(struct strbuf *out, const struct event *event);

/* Loader -> feed. Takes the caller's reference. `provisional`: journaled, not committed. */
typedef void publish_fn(void *ctx, struct entry_batch *batch, bool provisional);

#endif
