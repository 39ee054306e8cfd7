/* Slot: where the newest of a reference-counted, immutable snapshot is published.
 *
 * Sources, registries, TLS contexts. Threads keep a reference of their own and look again when
 * the version changed, which costs one atomic read a turn. Thread: any.
 */
#ifndef BASE_SLOT_H
#define BASE_SLOT_H

#include <stdint.h>

struct slot;

typedef void *slot_ref_fn(void *value);
typedef void slot_unref_fn(void *value);

/* Takes the reference to `value`, which may be NULL until the first put. */
struct slot *slot_new(void *value, slot_ref_fn *ref, slot_unref_fn *unref);
void slot_free(struct slot *slot); /* NULL is allowed */
void slot_put(struct slot *slot, void *value); /* takes the reference; gives up the old one */
void *slot_get(struct slot *slot);	       /* new reference, or NULL */
uint64_t slot_version(const struct slot *slot);
/* Bring a thread's own reference up to date; *value starts NULL, *version 0. */
void slot_refresh(struct slot *slot, void **value, uint64_t *version);

#endif
