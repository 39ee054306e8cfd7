#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The first chunk comes with the arena and holds a common delivery; later ones double. */
#define FIRST_BYTES        4096
#define LARGEST_STEP_BYTES (256 * 1024)
#define ALIGNMENT          alignof(max_align_t)

struct chunk {
	struct chunk *older;
	size_t size, used; /* of `bytes` */
	alignas(ALIGNMENT) char bytes[];
};

struct arena {
	size_t max_bytes, used, held;
	struct chunk *newest;
	struct chunk first; /* last member: its bytes follow the arena */
};

struct arena *arena_new(size_t max_bytes)
{
	struct arena *arena = xmalloc(FIRST_BYTES);

	arena->max_bytes = max_bytes;
	arena->used = 0;
	arena->held = FIRST_BYTES;
	arena->first.older = NULL;
	arena->first.size = FIRST_BYTES - sizeof(*arena);
	arena->first.used = 0;
	arena->newest = &arena->first;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	while (arena->newest != &arena->first) {
		struct chunk *older = arena->newest->older;

		free(arena->newest);
		arena->newest = older;
	}
	free(arena);
}

/* Rounded up so that the next place is aligned too; 0 when that is no size at all. */
static size_t rounded(size_t n_bytes)
{
	if (n_bytes > SIZE_MAX - sizeof(struct chunk) - ALIGNMENT)
		return 0;
	if (n_bytes == 0)
		n_bytes = 1; /* distinct places */
	return (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool add_chunk(struct arena *arena, size_t n_bytes)
{
	size_t size = arena->newest->size * 2;
	struct chunk *chunk;

	if (size > LARGEST_STEP_BYTES)
		size = LARGEST_STEP_BYTES;
	if (size < n_bytes)
		size = n_bytes;
	chunk = malloc(sizeof(*chunk) + size);
	if (!chunk)
		return false;
	arena->held += sizeof(*chunk) + size;
	chunk->older = arena->newest;
	chunk->size = size;
	chunk->used = 0;
	arena->newest = chunk;
	return true;
}

/* Not zeroed. */
static char *take(struct arena *arena, size_t n_bytes)
{
	size_t n = rounded(n_bytes);
	char *p;

	if (n == 0 || n > arena->max_bytes - arena->used)
		return NULL;
	if (n > arena->newest->size - arena->newest->used && !add_chunk(arena, n))
		return NULL;
	p = arena->newest->bytes + arena->newest->used;
	arena->newest->used += n;
	arena->used += n;
	return p;
}

void *arena_alloc(struct arena *arena, size_t n_bytes)
{
	void *p = take(arena, n_bytes);

	return p ? memset(p, 0, n_bytes) : NULL;
}

struct str arena_copy(struct arena *arena, struct str s)
{
	char *p = s.len < SIZE_MAX ? take(arena, s.len + 1) : NULL;

	if (!p)
		return (struct str){ NULL, 0 };
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return (struct str){ p, s.len };
}

struct str arena_putf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *p = NULL;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n >= 0)
		p = take(arena, (size_t)n + 1);
	if (!p)
		return (struct str){ NULL, 0 };
	va_start(args, format);
	vsnprintf(p, (size_t)n + 1, format, args);
	va_end(args);
	return (struct str){ p, (size_t)n };
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}

size_t arena_held(const struct arena *arena)
{
	return arena->held;
}
