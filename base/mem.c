#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_die(void *p)
{
	static const char words[] = "rfeventd: out of memory\n";

	if (p)
		return p;
	/* stdio and the log would allocate. */
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0)
		abort();
	abort();
}

void *xmalloc(size_t n_bytes)
{
	return or_die(malloc(n_bytes > 0 ? n_bytes : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return or_die(n > 0 && size > 0 ? calloc(n, size) : calloc(1, 1));
}

void *xrealloc(void *p, size_t n_bytes)
{
	return or_die(realloc(p, n_bytes > 0 ? n_bytes : 1));
}

char *xstrdup(const char *text)
{
	return or_die(strdup(text));
}

char *xstrndup(struct str s)
{
	char *copy = xmalloc(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return copy;
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	return or_die(n < 0 ? NULL : text);
}
