/* Substitution of message arguments: one pass, left to right, so that an argument that itself holds
 * "%2" stays as it came. Pure. */
#include "registries/placeholder_priv.h"
#include "registries/resolve.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "event/limits.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool placeholder_next(struct str text, size_t from, struct placeholder *out)
{
	for (size_t i = from; i + 1 < text.len; i++) {
		const char *percent = memchr(text.p + i, '%', text.len - i);
		unsigned n = 0;

		if (!percent)
			return false;
		i = (size_t)(percent - text.p);
		out->start = i;
		while (i + 1 < text.len && is_digit(text.p[i + 1])) {
			unsigned digit = (unsigned)(text.p[++i] - '0');

			n = n > (UINT_MAX - digit) / 10 ? UINT_MAX : n * 10 + digit;
		}
		if (n == 0)
			continue;
		out->end = i + 1;
		out->n = n;
		return true;
	}
	return false;
}

unsigned placeholder_highest(struct str text)
{
	struct placeholder at = { 0 };
	unsigned highest = 0;

	while (placeholder_next(text, at.end, &at)) {
		if (at.n > highest && at.n <= DECODE_MAX_ARGS)
			highest = at.n;
	}
	return highest;
}

unsigned placeholder_lowest(struct str text)
{
	struct placeholder at = { 0 };
	unsigned lowest = 0;

	while (placeholder_next(text, at.end, &at)) {
		if ((lowest == 0 || at.n < lowest) && at.n <= DECODE_MAX_ARGS)
			lowest = at.n;
	}
	return lowest;
}

static void mark(struct str text, bool found[DECODE_MAX_ARGS + 1])
{
	struct placeholder at = { 0 };

	while (placeholder_next(text, at.end, &at))
		found[at.n <= DECODE_MAX_ARGS ? at.n : 0] = true;
}

bool placeholder_same_set(struct str a, struct str b)
{
	bool in_a[DECODE_MAX_ARGS + 1] = { false }, in_b[DECODE_MAX_ARGS + 1] = { false };

	mark(a, in_a);
	mark(b, in_b);
	return memcmp(in_a, in_b, sizeof(in_a)) == 0;
}

bool resolve_has_placeholder(struct str text)
{
	return placeholder_lowest(text) > 0;
}

/* Write `s` at out + *len unless out is NULL, and count it either way. */
static void put(char *out, size_t *len, const char *p, size_t n)
{
	if (out && n > 0)
		memcpy(out + *len, p, n);
	*len += n;
}

/* The filled text into `out`, or only its length when out is NULL. */
static size_t fill(struct str text, const struct str *args, size_t n_args, char *out, bool *missing)
{
	struct placeholder at = { 0 };
	size_t len = 0, done = 0;

	*missing = false;
	while (placeholder_next(text, done, &at)) {
		put(out, &len, text.p + done, at.start - done);
		if (at.n <= n_args) {
			put(out, &len, args[at.n - 1].p, args[at.n - 1].len);
		} else {
			put(out, &len, text.p + at.start, at.end - at.start);
			*missing = true;
		}
		done = at.end;
	}
	put(out, &len, text.p + done, text.len - done);
	return len;
}

void resolve_substitute(struct str template, const struct str *args, size_t n_args,
			struct strbuf *out, bool *missing)
{
	bool some_missing;
	size_t len = fill(template, args, n_args, NULL, &some_missing);
	char *place;

	if (missing)
		*missing = some_missing;
	if (len == 0)
		return;
	place = strbuf_reserve(out, len);
	if (!place)
		return;
	fill(template, args, n_args, place, &some_missing);
	strbuf_commit(out, len);
}

struct str placeholder_fill(struct arena *arena, struct str text, const struct str *args,
			    size_t n_args, size_t max_bytes, bool *missing)
{
	size_t len = fill(text, args, n_args, NULL, missing);
	char *place = len <= max_bytes ? arena_alloc(arena, len + 1) : NULL;

	if (!place)
		return (struct str){ NULL, 0 };
	fill(text, args, n_args, place, missing);
	return (struct str){ place, len };
}
