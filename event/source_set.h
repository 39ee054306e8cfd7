/* Source set: the BMCs we know, as an immutable snapshot shared by reference.
 *
 * Found by token (constant effort), by client certificate, by peer address (enrolled ones) and by
 * id. A new set reaches the threads through a struct slot.
 */
#ifndef EVENT_SOURCE_SET_H
#define EVENT_SOURCE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

enum source_state { SOURCE_ENROLLED, SOURCE_CONFIGURED, SOURCE_REMOVED };

#define SOURCE_OWN_NAME "rfeventd" /* name and address of the service itself as a source */

/* Begins a `certificate` that is a fingerprint; no name in a certificate is taken for one. */
#define SOURCE_FINGERPRINT "sha256:"

struct source {
	struct uuid id;
	struct str name;    /* shown to people; at first the peer address */
	struct str address; /* "10.1.2.3"; p NULL when not bound to one */
	struct str token;   /* lower-case base32 of its own Destination; p NULL: none */
	struct str certificate; /* of the client: SOURCE_FINGERPRINT and hex, or a name in it;
				   p NULL: none */
	struct str site, rack, owner; /* p NULL: none */
	struct str details; /* what operators said besides, see subscribe/source_details.h; p NULL: none */
	enum source_state state;
	bool is_declared; /* by this node's configuration */
	int reply_status; /* 0: receiver.reply_status */
	int64_t created_us;
};

struct source_set;

/* A set of copies of `sources`. `enrolment_token` p NULL: enrolment is off. `current`: known to
 * be what the database holds, so that an unknown token may be refused (else: unverified). */
struct source_set *source_set_new(const struct source *sources, size_t n, struct str enrolment_token,
				  bool current);
struct source_set *source_set_ref(struct source_set *set);
void source_set_unref(struct source_set *set); /* NULL is allowed */
size_t source_set_count(const struct source_set *set);
size_t source_set_count_live(const struct source_set *set); /* without the removed ones */
const struct source *source_set_at(const struct source_set *set, size_t i);
const struct source *source_set_by_id(const struct source_set *set, struct uuid id);
const struct source *source_set_by_token(const struct source_set *set, struct str token);
/* By what a source's `certificate` says, without regard to case. */
const struct source *source_set_by_certificate(const struct source_set *set, struct str certificate);
const struct source *source_set_by_address(const struct source_set *set, struct str address);
bool source_set_is_enrolment_token(const struct source_set *set, struct str token);
bool source_set_is_current(const struct source_set *set);
struct str source_set_enrolment_token(const struct source_set *set);

/* The id that a peer address gets when it enrols: the same on every replica that shares the
 * enrolment token, so that no one has to ask. */
struct uuid source_enrolled_id(struct str enrolment_token, struct str address);

/* The service itself, which nobody may change or remove. */
bool source_is_own(const struct source *source);
/* Whether the two say the same of it; when it was made does not count. */
bool source_is_same(const struct source *a, const struct source *b);

/* The pair that base/slot.h wants: slot_new(set, source_set_slot_ref, source_set_slot_unref). */
void *source_set_slot_ref(void *set);
void source_set_slot_unref(void *set);

#endif
