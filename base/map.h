/* Hash map from text to a pointer.
 *
 * Keys are borrowed: they live as long as the map does. Seeded per process, so that a peer
 * cannot choose colliding keys. Thread: one writer; readers may share it once it is complete.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct map;

struct map *map_new(size_t n_expected); /* new; never NULL */
void map_free(struct map *map);	/* NULL is allowed; values are the caller's */
void *map_get(const struct map *map, struct str key); /* NULL when absent */
/* Insert or replace; returns the value that was there before, or NULL. `value` is not NULL. */
void *map_put(struct map *map, struct str key, void *value);
void *map_remove(struct map *map, struct str key); /* the value that was there, or NULL */
size_t map_count(const struct map *map);
/* Walk in no order: start with *cursor 0; false at the end. No change during the walk. */
bool map_next(const struct map *map, size_t *cursor, struct str *key_out, void **value_out);
/* The seeded hash the map uses, for tables of other shapes. */
uint64_t map_hash(struct str key);

#endif
