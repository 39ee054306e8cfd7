/* The second stage of decode: text into a tree, and words for what cannot be read. */
#include <string.h>

#include "base/arena.h"
#include "event/decode_priv.h"
#include "event/delivery.h"
#include "event/limits.h"
#include "event/tree.h"

#define NEAR_BYTES 24 /* of the text, shown where it stops being JSON */

/* --- faults -------------------------------------------------------------------------------------
 */

/* What stands at a place, cut at a character or a control character. */
static struct str near_text(struct str text, size_t at)
{
	struct str near = { text.p + at, text.len - at < NEAR_BYTES ? text.len - at : NEAR_BYTES };

	for (size_t i = 0; i < near.len; i++) {
		if ((unsigned char)near.p[i] < 0x20 || near.p[i] == 0x7f)
			near.len = i;
	}
	while (near.len > 0 && near.len < text.len - at &&
	       ((unsigned char)near.p[near.len] & 0xc0) == 0x80)
		near.len--;
	return near;
}

static struct str explain(struct arena *arena, struct str text, const struct tree_fault *fault)
{
	struct str near = near_text(text, fault->at);
	size_t line = 1, column = 1;

	for (size_t i = 0; i < fault->at; i++) {
		if (text.p[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	if (near.len == 0)
		return arena_putf(arena, "not JSON: line %zu, column %zu (byte %zu): %s is due",
				  line, column, fault->at, fault->wanted);
	return arena_putf(arena, "not JSON: line %zu, column %zu (byte %zu): %s is due, not '%.*s'",
			  line, column, fault->at, fault->wanted, STR_ARG(near));
}

static void tell_fault(struct arena *arena, struct str text, const struct tree_fault *fault,
		       struct json_fault *out)
{
	switch (fault->refusal) {
	case TREE_TOO_DEEP:
		out->reason = "too_deep";
		out->detail =
			arena_putf(arena, "nested deeper than the %d that are read, at byte %zu",
				   DECODE_MAX_DEPTH, fault->at);
		return;
	case TREE_TOO_MANY:
		out->reason = "too_large";
		out->detail = arena_putf(arena, "more JSON values than the %u that are read",
					 DECODE_MAX_VALUES);
		return;
	case TREE_TOO_LARGE: out->reason = "too_large"; return;
	default:
		out->detail = explain(arena, text, fault);
		out->reason = out->detail.p ? "not_json" : "too_large";
	}
}

struct tree *decode_json(struct decoding *d, struct str text, struct json_fault *fault)
{
	struct tree_fault found;
	uint64_t quirks = 0;
	struct tree *root = tree_read(d->scratch, text, &quirks, &found);

	if (!root) {
		tell_fault(d->arena, text, &found, fault);
		return NULL;
	}
	d->delivery->quirks |= quirks;
	d->key_twice = quirks & QUIRK_BIT(DUPLICATE_KEY);
	return root;
}

/* --- values that are no text ---------------------------------------------------------------------
 */

/* Behind the string that begins at `at`. */
static size_t skip_string(struct str text, size_t at)
{
	for (at++; at < text.len && text.p[at] != '"'; at++) {
		if (text.p[at] == '\\')
			at++;
	}
	return at < text.len ? at + 1 : text.len;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct str decode_compact(struct arena *arena, const struct tree *tree)
{
	struct str value = tree->place;
	char *out = arena_alloc(arena, value.len + 1);
	size_t len = 0;

	if (!out)
		return (struct str){ 0 };
	for (size_t i = 0; i < value.len;) {
		size_t end = value.p[i] == '"' ? skip_string(value, i) : i + 1;

		if (!is_blank(value.p[i])) {
			memcpy(out + len, value.p + i, end - i);
			len += end - i;
		}
		i = end;
	}
	return (struct str){ out, len };
}
