/* Our own small allocations: they succeed or the process ends.
 *
 * For sizes we choose. A size a peer chooses comes from an arena or a strbuf, which can refuse.
 * Thread: any.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/str.h"

/* All return new memory (free()) and never NULL. */
void *xmalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n_bytes);
char *xstrdup(const char *text);
char *xstrndup(struct str s); /* NUL-terminated copy */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* The struct of `type` that holds `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
