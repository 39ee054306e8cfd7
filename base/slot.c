#include "base/slot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"

struct slot {
	/* Held while a reference is taken: between reading the value and counting it, slot_put()
	 * must not give it up. */
	pthread_mutex_t lock;
	void *value;
	_Atomic uint64_t version; /* from 1, so that a reader's 0 is always behind */
	slot_ref_fn *ref;
	slot_unref_fn *unref;
};

struct slot *slot_new(void *value, slot_ref_fn *ref, slot_unref_fn *unref)
{
	struct slot *slot = xcalloc(1, sizeof(*slot));

	pthread_mutex_init(&slot->lock, NULL);
	slot->value = value;
	atomic_init(&slot->version, 1);
	slot->ref = ref;
	slot->unref = unref;
	return slot;
}

void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	if (slot->value)
		slot->unref(slot->value);
	pthread_mutex_destroy(&slot->lock);
	free(slot);
}

void slot_put(struct slot *slot, void *value)
{
	void *old;

	pthread_mutex_lock(&slot->lock);
	old = slot->value;
	slot->value = value;
	atomic_fetch_add(&slot->version, 1);
	pthread_mutex_unlock(&slot->lock);
	if (old)
		slot->unref(old);
}

static void *get(struct slot *slot, uint64_t *version_out)
{
	void *value;

	pthread_mutex_lock(&slot->lock);
	value = slot->value ? slot->ref(slot->value) : NULL;
	*version_out = atomic_load(&slot->version);
	pthread_mutex_unlock(&slot->lock);
	return value;
}

void *slot_get(struct slot *slot)
{
	uint64_t version;

	return get(slot, &version);
}

uint64_t slot_version(const struct slot *slot)
{
	return atomic_load_explicit(&slot->version, memory_order_acquire);
}

void slot_refresh(struct slot *slot, void **value, uint64_t *version)
{
	void *old = *value;

	if (slot_version(slot) == *version)
		return;
	*value = get(slot, version);
	if (old)
		slot->unref(old);
}
