#include "subscribe/path_spelling.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "subscribe/limits.h"

struct path_spelling {
	struct arena *arena; /* borrowed */
	struct map *folders; /* in lower case, without the last slash -> struct str as spelt */
};

struct path_spelling *path_spelling_new(struct arena *arena)
{
	struct path_spelling *spelling = xcalloc(1, sizeof(*spelling));

	spelling->arena = arena;
	spelling->folders = map_new(64);
	return spelling;
}

void path_spelling_free(struct path_spelling *spelling)
{
	if (!spelling)
		return;
	map_free(spelling->folders);
	free(spelling);
}

/* In lower case, into `out`. False when it does not fit. */
static bool lower(struct str path, char out[FETCH_MAX_URI_BYTES])
{
	if (path.len > FETCH_MAX_URI_BYTES)
		return false;
	for (size_t i = 0; i < path.len; i++)
		out[i] = (char)tolower((unsigned char)path.p[i]);
	return true;
}

static void learn_folder(struct path_spelling *spelling, struct str folder, const char *low)
{
	struct str key = { low, folder.len }, *value;

	if (map_get(spelling->folders, key))
		return;
	value = arena_alloc(spelling->arena, sizeof(*value));
	key = arena_copy(spelling->arena, key);
	if (!value || !key.p)
		return;
	*value = arena_copy(spelling->arena, folder);
	if (value->p)
		map_put(spelling->folders, key, value);
}

void path_spelling_learn(struct path_spelling *spelling, struct str path)
{
	char low[FETCH_MAX_URI_BYTES];

	path.len = str_find_char(path, '?');
	while (path.len > 0 && path.p[path.len - 1] == '/')
		path.len--;
	if (!lower(path, low))
		return;
	for (size_t n = 1; n <= path.len; n++)
		if (n == path.len || path.p[n] == '/')
			learn_folder(spelling, (struct str){ path.p, n }, low);
}

bool path_spelling_fix(const struct path_spelling *spelling, struct str path, struct strbuf *out)
{
	char low[FETCH_MAX_URI_BYTES];

	if (!lower(path, low))
		return false;
	for (size_t n = str_find_char(path, '?'); n > 1; n--) {
		struct str own = { path.p, n }, key = { low, n };
		const struct str *folder = NULL;

		if (n == path.len || path.p[n] == '/' || path.p[n] == '?')
			folder = map_get(spelling->folders, key);
		if (!folder || str_eq(*folder, own))
			continue;
		strbuf_put(out, *folder);
		strbuf_put(out, (struct str){ path.p + n, path.len - n });
		return !out->failed;
	}
	return false;
}
