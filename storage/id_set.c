#include "storage/id_set.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_SIZE 64 /* a power of two */

void id_set_init(struct id_set *set, size_t max)
{
	*set = (struct id_set){ .size = FIRST_SIZE, .max = max };
	set->places = xcalloc(set->size, sizeof(set->places[0]));
}

void id_set_fini(struct id_set *set)
{
	free(set->places);
	*set = (struct id_set){ .max = set->max };
}

void id_set_clear(struct id_set *set)
{
	memset(set->places, 0, set->size * sizeof(set->places[0]));
	set->n = 0;
}

/* Where `id` is, or would go. Digests and random ids spread by themselves; multiplied for those
 * that begin with a time. */
static size_t place_of(const struct id_set *set, struct uuid id)
{
	uint64_t high, low;
	size_t i;

	memcpy(&high, id.b, sizeof(high));
	memcpy(&low, id.b + 8, sizeof(low));
	i = ((high ^ low) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (set->size - 1);
	while (!uuid_is_zero(set->places[i]) && !uuid_eq(set->places[i], id))
		i = (i + 1) & (set->size - 1);
	return i;
}

static void grow(struct id_set *set)
{
	struct id_set larger = { .size = 2 * set->size, .max = set->max };

	larger.places = xcalloc(larger.size, sizeof(larger.places[0]));
	for (size_t i = 0; i < set->size; i++)
		if (!uuid_is_zero(set->places[i]))
			id_set_add(&larger, set->places[i]);
	free(set->places);
	*set = larger;
}

bool id_set_has(const struct id_set *set, struct uuid id)
{
	return !uuid_is_zero(set->places[place_of(set, id)]);
}

void id_set_add(struct id_set *set, struct uuid id)
{
	size_t i;

	if (uuid_is_zero(id) || id_set_has(set, id))
		return;
	if (set->max > 0 && set->n >= set->max)
		id_set_clear(set);
	else if (set->n >= set->size / 2)
		grow(set);
	i = place_of(set, id);
	set->places[i] = id;
	set->n++;
}
