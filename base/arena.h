/* Arena: memory that dies at once.
 *
 * One per delivery and per API request. Everything parsed from a peer lives in one, so that a
 * peer's size is bounded by the arena's cap and nothing is freed piece by piece.
 * Thread: one owner at a time; reading what is inside may be shared.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct arena;

struct arena *arena_new(size_t max_bytes); /* new; never NULL */
void arena_free(struct arena *arena);	   /* NULL is allowed */
/* Zeroed, aligned for any type, or NULL once the arena would pass its cap. */
void *arena_alloc(struct arena *arena, size_t n_bytes);
/* A copy in the arena, NUL-terminated behind its length. p is NULL when it did not fit. */
struct str arena_copy(struct arena *arena, struct str s);
/* Formatted text in the arena; p is NULL when it did not fit. */
struct str arena_putf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
size_t arena_used(const struct arena *arena); /* bytes handed out */
size_t arena_held(const struct arena *arena); /* bytes of memory it takes */

#endif
