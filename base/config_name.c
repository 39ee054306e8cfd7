#include "base/config_name_priv.h"

#include <string.h>

/* Longer names are not compared. */
#define NAME_MAX_BYTES 80
#define FILE_SUFFIX    STR("_file")

const struct config_key *config_name_find(const struct config_key *keys, struct str name,
					  bool *is_file_out)
{
	struct str stem = { name.p, name.len - FILE_SUFFIX.len };
	bool is_file = str_ends_with(name, FILE_SUFFIX);

	*is_file_out = false;
	for (const struct config_key *key = keys; key->name; key++)
		if (str_eq(name, str_of(key->name)))
			return key;
	for (const struct config_key *key = keys; is_file && key->name; key++) {
		if (key->secret && str_eq(stem, str_of(key->name))) {
			*is_file_out = true;
			return key;
		}
	}
	return NULL;
}

const struct config_key *config_name_group(const struct config_key *keys, struct str name)
{
	for (const struct config_key *key = keys; key->name; key++) {
		struct str full = str_of(key->name);

		if (full.len > name.len && full.p[name.len] == '.' && str_starts_with(full, name))
			return key;
	}
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static size_t distance(struct str a, struct str b)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	for (size_t k = 0; k <= b.len; k++)
		above[k] = k;
	for (size_t i = 1; i <= a.len; i++) {
		row[0] = i;
		for (size_t k = 1; k <= b.len; k++) {
			row[k] = least(above[k - 1] + (a.p[i - 1] != b.p[k - 1]),
				       least(above[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
				row[k] = least(row[k], before[k - 2] + 1);
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[b.len];
}

struct nearest {
	struct str unknown;
	char text[NAME_MAX_BYTES];
	size_t len; /* 0: none yet */
	size_t distance;
};

/* Three slips, or in a short name one in three characters. */
static size_t allowed_distance(size_t len)
{
	return len >= 9 ? 3 : (len + 2) / 3;
}

static void consider(struct nearest *nearest, struct str head, struct str tail)
{
	char text[NAME_MAX_BYTES];
	size_t n = head.len + tail.len, d;

	if (n > sizeof(text) || n == 0)
		return;
	memcpy(text, head.p, head.len);
	memcpy(text + head.len, tail.p, tail.len);
	d = distance(nearest->unknown, (struct str){ text, n });
	if (d > allowed_distance(least(n, nearest->unknown.len)) ||
	    (nearest->len > 0 && d >= nearest->distance))
		return;
	memcpy(nearest->text, text, n);
	nearest->len = n;
	nearest->distance = d;
}

/* The name itself, its groups, and NAME_file. */
static void consider_key(struct nearest *nearest, const struct config_key *key)
{
	struct str name = str_of(key->name);

	consider(nearest, name, STR(""));
	if (key->secret)
		consider(nearest, name, FILE_SUFFIX);
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == '.')
			consider(nearest, (struct str){ name.p, i }, STR(""));
}

/* A key that ends in the same words: the group was forgotten or is another's. */
static const struct config_key *same_tail(const struct config_key *keys, struct str name)
{
	const char *dot = name.len > 0 ? memrchr(name.p, '.', name.len) : NULL;
	struct str tail = name;

	if (dot)
		tail = (struct str){ dot + 1, name.len - (size_t)(dot + 1 - name.p) };
	if (tail.len == 0)
		return NULL;
	for (const struct config_key *key = keys; key->name; key++) {
		struct str full = str_of(key->name);

		if (full.len > tail.len && str_ends_with(full, tail) &&
		    full.p[full.len - tail.len - 1] == '.')
			return key;
	}
	return NULL;
}

bool config_name_nearest(const struct config_key *keys, struct str name, struct strbuf *out)
{
	struct nearest nearest = { .unknown = name };
	const struct config_key *tail;

	if (name.len <= NAME_MAX_BYTES)
		for (const struct config_key *key = keys; key->name; key++)
			consider_key(&nearest, key);
	if (nearest.len > 0) {
		strbuf_put(out, (struct str){ nearest.text, nearest.len });
		return true;
	}
	tail = same_tail(keys, name);
	if (tail)
		strbuf_put_text(out, tail->name);
	return tail != NULL;
}
