/* The second stage of decode: text into a tree, by jansson.
 *
 * Jansson refuses some JSON that is well formed (numbers beyond its own, U+0000 in a key, half of a
 * surrogate pair) and unescaped control characters, which firmware does send. On refusal a copy is
 * mended without moving anything, and read again: places found in the original stay true.
 */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "event/decode_priv.h"
#include "event/limits.h"

#define INTEGER_SURE_DIGITS 18 /* fits int64_t whatever they are */

/* --- before the reader ------------------------------------------------------------------------ */

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))

/* Whether a byte of `word` is zero. */
static bool has_zero(uint64_t word)
{
	return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* Past eight bytes at a time that hold neither a quote nor a backslash. */
static size_t skip_plain(struct str text, size_t at)
{
	uint64_t word;

	while (at + sizeof(word) <= text.len) {
		memcpy(&word, text.p + at, sizeof(word));
		if (has_zero(word ^ EACH_BYTE('"')) || has_zero(word ^ EACH_BYTE('\\')))
			break;
		at += sizeof(word);
	}
	return at;
}

static size_t skip_string(struct str text, size_t at)
{
	for (at = skip_plain(text, at + 1); at < text.len && text.p[at] != '"'; at++) {
		if (text.p[at] == '\\')
			at = skip_plain(text, at + 2) - 1;
	}
	return at < text.len ? at + 1 : text.len;
}

/* The deepest nesting, and about how many values (never fewer than there are). */
static void measure(struct str text, size_t *depth_out, size_t *n_values_out)
{
	size_t depth = 0, deepest = 0, n_values = 1;

	for (size_t i = 0; i < text.len;) {
		switch (text.p[i]) {
		case '"': i = skip_string(text, i); continue;
		case '{':
		case '[':
			depth++;
			n_values++;
			if (depth > deepest)
				deepest = depth;
			break;
		case '}':
		case ']':
			if (depth > 0)
				depth--;
			break;
		case ',': n_values++; break;
		default: break;
		}
		i++;
	}
	*depth_out = deepest;
	*n_values_out = n_values;
}

/* --- mending ---------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of the number at the front, by RFC 8259; 0 when it is none. *large_out: it might pass what
 * jansson holds. */
static size_t number_bytes(struct str s, bool *large_out)
{
	size_t i = 0, digits;

	*large_out = false;
	if (i < s.len && s.p[i] == '-')
		i++;
	for (digits = 0; i < s.len && is_digit(s.p[i]); i++)
		digits++;
	if (digits == 0 || (digits > 1 && s.p[i - digits] == '0'))
		return 0;
	*large_out = digits > INTEGER_SURE_DIGITS;
	if (i < s.len && s.p[i] == '.') {
		for (digits = 0, i++; i < s.len && is_digit(s.p[i]); i++)
			digits++;
		if (digits == 0)
			return 0;
	}
	if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) {
		*large_out = true;
		i++;
		if (i < s.len && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		for (digits = 0; i < s.len && is_digit(s.p[i]); i++)
			digits++;
		if (digits == 0)
			return 0;
	}
	return i;
}

/* The number behind "\u"; -1 when it is none. */
static int escape_at(const char *p, size_t left)
{
	int value = 0;

	if (left < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = p[i];
		int digit = is_digit(c)            ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* Mend the escape at `p`; returns its length. */
static size_t mend_escape(char *p, size_t left, bool *changed, uint64_t *quirks)
{
	int c = escape_at(p, left);

	if (c >= 0xd800 && c < 0xdc00) {
		int low = escape_at(p + 6, left - 6);

		if (low >= 0xdc00 && low < 0xe000)
			return 12;
	}
	if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
		if (c == 0)
			*quirks |= QUIRK_BIT(NUL_CHARACTER);
		memcpy(p, "\\ufffd", 6);
		*changed = true;
	}
	return c >= 0 ? 6 : 2;
}

static size_t mend_string(char *p, size_t at, size_t len, bool *changed, uint64_t *quirks)
{
	for (at++; at < len && p[at] != '"';) {
		if (p[at] == '\\') {
			at += mend_escape(p + at, len - at, changed, quirks);
			continue;
		}
		if ((unsigned char)p[at] < 0x20) {
			*quirks |= QUIRK_BIT(CONTROL_CHARACTER);
			p[at] = ' ';
			*changed = true;
		}
		at++;
	}
	return at < len ? at + 1 : len;
}

/* Mend `len` bytes in place, so that jansson can read them if they can be read at all. Whether
 * there was anything to mend. */
static bool mend(char *p, size_t len, bool *lossy, uint64_t *quirks)
{
	bool changed = false;

	for (size_t i = 0; i < len;) {
		bool large;
		size_t n;

		if (p[i] == '"') {
			i = mend_string(p, i, len, &changed, quirks);
			continue;
		}
		if (p[i] != '-' && !is_digit(p[i])) {
			i++;
			continue;
		}
		n = number_bytes((struct str){ p + i, len - i }, &large);
		if (n > 0 && large) {
			p[i] = '0';
			memset(p + i + 1, ' ', n - 1);
			changed = *lossy = true;
		}
		i += n > 0 ? n : 1;
	}
	return changed;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void explain(struct arena *arena, const json_error_t *error, struct json_fault *fault)
{
	uint64_t ignored = 0;
	struct str words = decode_text(arena, str_of(error->text), &ignored);
	struct str detail = { 0 };

	if (words.p)
		detail = arena_putf(arena, "not JSON: line %d, column %d (byte %d): %.*s",
				    error->line, error->column, error->position, STR_ARG(words));
	fault->reason = detail.p ? "not_json" : "too_large";
	fault->detail = detail;
}

static bool measure_refuses(struct arena *arena, struct str text, struct json_fault *fault)
{
	size_t depth, n_values;

	measure(text, &depth, &n_values);
	if (depth > DECODE_MAX_DEPTH) {
		fault->reason = "too_deep";
		fault->detail = arena_putf(arena, "nested %zu deep, at most %d are read", depth,
					   DECODE_MAX_DEPTH);
		return true;
	}
	if (n_values > DECODE_MAX_VALUES) {
		fault->reason = "too_large";
		fault->detail = arena_putf(arena, "about %zu JSON values, at most %u are read",
					   n_values, DECODE_MAX_VALUES);
		return true;
	}
	return false;
}

/* A mended copy; 0, -EINVAL when nothing was to mend, -E2BIG when the arena is full. */
static int mended_copy(struct arena *arena, struct str *text, bool *lossy, uint64_t *quirks)
{
	char *copy = arena_alloc(arena, text->len + 1);

	if (!copy)
		return -E2BIG;
	memcpy(copy, text->p, text->len);
	if (!mend(copy, text->len, lossy, quirks))
		return -EINVAL;
	text->p = copy;
	return 0;
}

json_t *decode_json(struct arena *arena, struct str text, uint64_t *quirks, bool *lossy_out,
		    struct json_fault *fault)
{
	size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;
	bool mended = false, lossy = false;
	uint64_t met = 0;
	json_error_t error, first = { 0 };
	json_t *root;
	int r;

	if (measure_refuses(arena, text, fault))
		return NULL;
	while (!(root = json_loadb(text.p, text.len, flags, &error))) {
		if (json_error_code(&error) == json_error_duplicate_key) {
			flags &= ~(size_t)JSON_REJECT_DUPLICATES;
			met |= QUIRK_BIT(DUPLICATE_KEY);
			lossy = true;
			continue;
		}
		if (!mended)
			first = error;
		r = mended ? -EINVAL : mended_copy(arena, &text, &lossy, &met);
		mended = true;
		if (r == -E2BIG)
			fault->reason = "too_large";
		else if (r < 0)
			explain(arena, &first, fault);
		if (r < 0)
			return NULL;
	}
	*quirks |= met;
	*lossy_out = lossy;
	return root;
}

/* --- places in the text ----------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blanks(struct str text, size_t at)
{
	while (at < text.len && is_blank(text.p[at]))
		at++;
	return at;
}

static size_t skip_value(struct str text, size_t at)
{
	size_t depth = 0;

	do {
		if (at >= text.len)
			return text.len;
		switch (text.p[at]) {
		case '"': at = skip_string(text, at); break;
		case '{':
		case '[':
			depth++;
			at++;
			break;
		case '}':
		case ']':
			depth--;
			at++;
			break;
		case ',':
		case ':': at++; break;
		default:
			if (is_blank(text.p[at])) {
				at++;
				break;
			}
			for (at++; at < text.len && !is_blank(text.p[at]) &&
				   !memchr(",:]}\"", text.p[at], 5);)
				at++;
		}
	} while (depth > 0);
	return at;
}

bool json_place_next_item(struct str *rest, struct str *item_out)
{
	size_t at = skip_blanks(*rest, 0), end;

	/* At the front: the array's '[', the ',' behind the last item, or the end. */
	if (at >= rest->len || rest->p[at] == ']')
		return false;
	at = skip_blanks(*rest, at + 1);
	if (at >= rest->len || rest->p[at] == ']')
		return false;
	end = skip_value(*rest, at);
	*item_out = (struct str){ rest->p + at, end - at };
	*rest = (struct str){ rest->p + end, rest->len - end };
	return true;
}

struct str json_place_of_member(struct str object, const char *key, bool unique)
{
	struct str found = { 0 }, wanted = str_of(key);
	size_t at = skip_blanks(object, 0) + 1; /* behind the '{' */

	for (;;) {
		size_t start = skip_blanks(object, at), end;
		struct str name;

		if (start >= object.len || object.p[start] != '"')
			return found;
		end = skip_string(object, start);
		name = (struct str){ object.p + start + 1, end - start - 2 };
		start = skip_blanks(object, skip_blanks(object, end) + 1); /* behind the ':' */
		if (str_eq(name, wanted)) {
			found = (struct str){ object.p + start, object.len - start };
			if (unique)
				return found;
		}
		at = skip_blanks(object, skip_value(object, start));
		if (at >= object.len || object.p[at] != ',')
			return found;
		at++;
	}
}

struct str json_place_compact(struct arena *arena, struct str value)
{
	char *out;
	size_t len = 0;

	value.len = skip_value(value, 0);
	out = arena_alloc(arena, value.len + 1);
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
