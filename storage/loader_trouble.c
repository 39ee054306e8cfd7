#include "storage/loader_priv.h"

#include <stdio.h>

#include "base/clock.h"

#define HANG_US (3 * CLOCK_US_PER_S)

struct loader_trouble loader_trouble(struct loader *loader)
{
	struct loader_trouble trouble;

	pthread_mutex_lock(&loader->mutex);
	trouble = loader->trouble;
	pthread_mutex_unlock(&loader->mutex);
	return trouble;
}

void loader_set_trouble(struct loader *loader, const char *sqlstate, const char *words)
{
	struct loader_trouble *trouble = &loader->trouble;

	pthread_mutex_lock(&loader->mutex);
	if (trouble->since_us == 0)
		trouble->since_us = clock_monotonic_us();
	snprintf(trouble->sqlstate, sizeof(trouble->sqlstate), "%s", sqlstate);
	snprintf(trouble->words, sizeof(trouble->words), "%s", words);
	pthread_mutex_unlock(&loader->mutex);
}

void loader_clear_trouble(struct loader *loader)
{
	pthread_mutex_lock(&loader->mutex);
	loader->trouble = (struct loader_trouble){ .was_reached = true };
	pthread_mutex_unlock(&loader->mutex);
}

void loader_note_reached(struct loader *loader)
{
	pthread_mutex_lock(&loader->mutex);
	/* What came before was a start, and is no part of a trouble that follows. */
	if (!loader->trouble.was_reached)
		loader->trouble.since_us = clock_monotonic_us();
	loader->trouble.was_reached = true;
	pthread_mutex_unlock(&loader->mutex);
}

void loader_note_hang(struct loader *loader)
{
	bool is_known;

	if (loader->busy_since_us == 0 || clock_monotonic_us() - loader->busy_since_us < HANG_US)
		return;
	pthread_mutex_lock(&loader->mutex);
	is_known = loader->trouble.since_us > 0;
	pthread_mutex_unlock(&loader->mutex);
	if (!is_known)
		loader_set_trouble(loader, "", "database: no answer to a statement");
}

static void tell(struct loader *loader, const struct load_item *item, const char *reason,
		 struct str detail)
{
	loader->config.on_set_aside(loader->config.on_ctx, item->source, reason, detail);
}

static void tell_item(struct loader *loader, const struct load_item *item)
{
	const struct delivery *delivery = item->delivery;

	if (item->set_aside) {
		tell(loader, item, item->set_aside, str_of(item->words));
		return;
	}
	if (item->is_repeat || !delivery)
		return;
	if (delivery->kind == DELIVERY_NOT_JSON || delivery->kind == DELIVERY_QUARANTINED)
		tell(loader, item, delivery->reason ? delivery->reason : "not_json",
		     delivery->detail);
	else
		for (uint32_t i = 0; i < delivery->n_quarantined; i++)
			tell(loader, item, delivery->quarantined[i].reason,
			     delivery->quarantined[i].detail);
	for (uint32_t i = 0; i < item->n_refused; i++)
		tell(loader, item, LOAD_REFUSED, STR(""));
}

void loader_tell_set_aside(struct loader *loader, const struct load_item *items, size_t n)
{
	for (size_t i = 0; i < n && loader->config.on_set_aside; i++)
		tell_item(loader, &items[i]);
}
