/* Destination: one subscription to our events, as its subscriber wrote it (EventDestination), and
 * which events it wants. Immutable; in sets that are shared by reference. Pure; thread: any.
 */
#ifndef FORWARD_DESTINATION_H
#define FORWARD_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "forward/limits.h"

struct entry;
struct err;

/* DeliveryRetryPolicy, what happens after so many tries. */
enum retry_policy {
	RETRY_FOREVER_WITH_BACKOFF, /* when nothing is said: nothing is lost */
	RETRY_FOREVER,
	RETRY_SUSPEND,
	RETRY_TERMINATE,
	RETRY_POLICIES
};

struct text_list {
	char *items[FORWARD_MAX_LIST]; /* new */
	size_t n;
};

struct destination {
	struct uuid id;
	char *config; /* the properties as JSON; new */
	int64_t version, created_us;
	bool suspended;
	int64_t failing_us; /* since then nothing was taken; 0: well */
	char *error;        /* why, in words; NULL: well */
	char *sealed;       /* HttpHeaders; NULL: none */

	/* taken from config */
	char *url, *context; /* context NULL: null */
	bool verify;
	enum retry_policy policy;
	int64_t heartbeat_minutes; /* 0: none */
	struct text_list registry_prefixes, message_ids, resource_types, origins;
	struct text_list exclude_prefixes, exclude_ids, event_types;
	bool subordinate;    /* what is below an origin, too */
	unsigned severities; /* 1 << enum severity; 0: all */
};

/* Fills what config says; the caller filled the rest. -EINVAL with words. */
int destination_parse(struct destination *destination, struct err *err);
void destination_free(struct destination *destination);  /* NULL is allowed */
const char *retry_policy_name(enum retry_policy policy); /* "RetryForever" … */
bool retry_policy_parse(struct str text, enum retry_policy *out);
/* DSP0268, EventDestination: prefixes and ids are a union, all else narrows it. */
bool destination_wants(const struct destination *destination, const struct entry *entry);
/* "subscription:<id>", the cursor's name. */
#define DESTINATION_CURSOR_BYTES 56
char *destination_cursor(struct uuid id, char out[DESTINATION_CURSOR_BYTES]);

struct destination_set {
	int refs; /* atomic; private */
	size_t n;
	struct destination *items[]; /* by age, oldest first; owned */
};

struct destination_set *destination_set_new(size_t n); /* items are the caller's to fill */
void *destination_set_ref(void *set);
void destination_set_unref(void *set); /* NULL is allowed */
const struct destination *destination_set_find(const struct destination_set *set, struct uuid id);

#endif
