/* Reading JSON: one loop over the text, the open arrays and objects on a stack. */
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "event/tree.h"

#define NODES_AT_ONCE 32
#define FEW_MEMBERS   24 /* compared with each other; more are looked up */

/* An array or object that is being read. */
struct open {
	struct tree *tree;
	struct tree **end; /* where the next item or member goes */
	uint64_t keys;     /* bits of the keys so far: most new ones differ from all of them */
	struct map *many;  /* members by key; NULL while they are few */
};

struct reader {
	struct arena *arena;
	const char *start, *p, *end;
	uint64_t quirks;
	struct tree *nodes; /* allocated, n_nodes are free */
	size_t n_nodes;
	size_t n_values; /* counted as arrays, objects and commas */
	size_t depth;
	struct open opened[DECODE_MAX_DEPTH];
	struct tree_fault *fault;
};

static bool refuse(struct reader *r, enum tree_refusal refusal, const char *wanted)
{
	*r->fault = (struct tree_fault){ refusal, (size_t)(r->p - r->start), wanted };
	return false;
}

static struct tree *new_node(struct reader *r)
{
	if (r->n_nodes == 0) {
		r->nodes = arena_alloc(r->arena, NODES_AT_ONCE * sizeof(*r->nodes));
		if (!r->nodes)
			return NULL;
		r->n_nodes = NODES_AT_ONCE;
	}
	r->n_nodes--;
	return r->nodes++;
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

/* --- strings -------------------------------------------------------------------------------------
 */

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (unsigned char)(c))

/* High bits of the bytes that are zero; true up to the lowest one. */
static uint64_t zeros(uint64_t word)
{
	return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* High bits of quotes, backslashes and control characters; true up to the lowest one. */
static uint64_t specials(uint64_t word)
{
	return zeros(word ^ EACH_BYTE('"')) | zeros(word ^ EACH_BYTE('\\')) |
	       ((word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80));
}

/* The first quote, backslash or control character at or behind `p`, or `end`. */
static const char *skip_plain(const char *p, const char *end)
{
	uint64_t word, found = 0;

	while (end - p >= (ptrdiff_t)sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		found = specials(word);
		if (found)
			break;
		p += sizeof(word);
	}
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (found)
		return p + __builtin_ctzll(found) / 8;
#endif
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
		p++;
	return p;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The number of "\uXXXX" at `p`; -1 when there is none. */
static int32_t escape_at(const char *p, const char *end)
{
	int32_t value = 0;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_character(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* "\uXXXX" at r->p, with its other half; half of a pair alone becomes U+FFFD. */
static char *take_unicode(struct reader *r, char *out, bool is_key)
{
	int32_t c = escape_at(r->p, r->end), low;

	if (c < 0)
		return NULL;
	r->p += 6;
	if (c >= 0xd800 && c < 0xdc00) {
		low = escape_at(r->p, r->end);
		if (low >= 0xdc00 && low < 0xe000) {
			r->p += 6;
			return put_character(out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) +
							  (uint32_t)(low - 0xdc00));
		}
	}
	if (c == 0)
		r->quirks |= QUIRK_BIT(NUL_CHARACTER);
	if ((c == 0 && is_key) || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	return put_character(out, (uint32_t)c);
}

/* The escape at r->p; NULL when it is none. */
static char *take_escape(struct reader *r, char *out, bool is_key)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (r->end - r->p < 2)
		return NULL;
	if (r->p[1] == 'u')
		return take_unicode(r, out, is_key);
	name = r->p[1] ? strchr(names, r->p[1]) : NULL;
	if (!name)
		return NULL;
	r->p += 2;
	*out++ = values[name - names];
	return out;
}

/* The rest of a string whose first `n` bytes, from r->p on, are plain. */
static bool take_odd_string(struct reader *r, size_t n, bool is_key, struct str *text)
{
	const char *close = r->p + n, *plain;
	char *copy, *out;

	while (close < r->end && *close != '"') /* what is unescaped is never longer */
		close += *close == '\\' ? 2 : 1;
	close = close < r->end ? close : r->end;
	copy = out = arena_alloc(r->arena, (size_t)(close - r->p) + 1);
	if (!copy)
		return refuse(r, TREE_TOO_LARGE, NULL);
	for (;;) {
		plain = skip_plain(r->p, r->end);
		memcpy(out, r->p, (size_t)(plain - r->p));
		out += plain - r->p;
		r->p = plain;
		if (r->p == r->end)
			return refuse(r, TREE_NOT_JSON, "the end of a string");
		if (*r->p == '"')
			break;
		if (*r->p == '\\') {
			out = take_escape(r, out, is_key);
			if (!out)
				return refuse(r, TREE_NOT_JSON, "an escape that JSON knows");
			continue;
		}
		r->quirks |= QUIRK_BIT(CONTROL_CHARACTER);
		*out++ = ' ';
		r->p++;
	}
	r->p++;
	*text = (struct str){ copy, (size_t)(out - copy) };
	return true;
}

/* The string whose quote is at r->p. */
static bool take_string(struct reader *r, bool is_key, struct str *text)
{
	const char *start = ++r->p, *stop = skip_plain(start, r->end);

	if (stop == r->end || *stop != '"')
		return take_odd_string(r, (size_t)(stop - start), is_key, text);
	*text = (struct str){ start, (size_t)(stop - start) };
	r->p = stop + 1;
	return true;
}

/* --- numbers and names ---------------------------------------------------------------------------
 */

static bool is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static size_t take_digits(struct reader *r)
{
	const char *start = r->p;

	while (is_digit(r))
		r->p++;
	return (size_t)(r->p - start);
}

static bool take_number(struct reader *r, struct tree *tree)
{
	const char *start = r->p;
	bool negative = *r->p == '-', leading_zero;
	size_t n;

	r->p += negative;
	leading_zero = r->p < r->end && *r->p == '0';
	n = take_digits(r);
	if (n == 0 || (n > 1 && leading_zero))
		return refuse(r, TREE_NOT_JSON,
			      n == 0 ? "a digit" : "a number without a zero first");
	tree->kind = TREE_INTEGER;
	if (r->p < r->end && *r->p == '.') {
		tree->kind = TREE_REAL;
		r->p++;
		if (take_digits(r) == 0)
			return refuse(r, TREE_NOT_JSON, "a digit behind the point");
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		tree->kind = TREE_REAL;
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		if (take_digits(r) == 0)
			return refuse(r, TREE_NOT_JSON, "a digit of the exponent");
	}
	if (tree->kind == TREE_INTEGER)
		tree->fits =
			str_to_i64((struct str){ start, (size_t)(r->p - start) }, &tree->number);
	return true;
}

static bool take_name(struct reader *r, struct tree *tree)
{
	static const struct {
		struct str name;
		enum tree_kind kind;
	} names[] = { { { "true", 4 }, TREE_TRUE },
		      { { "false", 5 }, TREE_FALSE },
		      { { "null", 4 }, TREE_NULL } };
	struct str rest = { r->p, (size_t)(r->end - r->p) };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!str_starts_with(rest, names[i].name))
			continue;
		tree->kind = (uint8_t)names[i].kind;
		r->p += names[i].name.len;
		return true;
	}
	return refuse(r, TREE_NOT_JSON, "a value");
}

/* --- members -------------------------------------------------------------------------------------
 */

static uint64_t key_bit(struct str key)
{
	uint32_t h = (uint32_t)key.len;

	if (key.len > 0)
		h = h * 31 + (unsigned char)key.p[0] * 7 + (unsigned char)key.p[key.len - 1] * 17 +
		    (unsigned char)key.p[key.len / 2];
	return UINT64_C(1) << (h % 64);
}

/* The member that has this key already; NULL when there is none. */
static struct tree *find_twin(struct open *open, struct str key)
{
	if (open->many)
		return map_get(open->many, key);
	for (struct tree *member = open->tree->first; member; member = member->next) {
		if (str_eq(member->key, key))
			return member;
	}
	return NULL;
}

static void remember(struct open *open, struct tree *member)
{
	open->keys |= key_bit(member->key);
	if (open->many) {
		map_put(open->many, member->key, member);
	} else if (open->tree->n == FEW_MEMBERS) {
		open->many = map_new(4 * FEW_MEMBERS);
		for (struct tree *each = open->tree->first; each; each = each->next)
			map_put(open->many, each->key, each);
	}
}

static bool take_key(struct reader *r, struct str *key)
{
	if (r->p == r->end || *r->p != '"')
		return refuse(r, TREE_NOT_JSON, "a name in quotes");
	if (!take_string(r, true, key))
		return false;
	skip_blanks(r);
	if (r->p == r->end || *r->p != ':')
		return refuse(r, TREE_NOT_JSON, "':'");
	r->p++;
	skip_blanks(r);
	return true;
}

/* Room for the next value of the innermost array or object: with its key, and hung up. */
static struct tree *next_node(struct reader *r)
{
	struct open *open = r->depth > 0 ? &r->opened[r->depth - 1] : NULL;
	bool is_member = open && open->tree->kind == TREE_OBJECT;
	struct tree *tree;
	struct str key = { NULL, 0 };

	if (is_member) {
		if (!take_key(r, &key))
			return NULL;
		tree = open->keys & key_bit(key) ? find_twin(open, key) : NULL;
		if (tree) { /* the last one counts, in the place of the first */
			r->quirks |= QUIRK_BIT(DUPLICATE_KEY);
			*tree = (struct tree){ .next = tree->next, .key = tree->key };
			return tree;
		}
	}
	tree = new_node(r);
	if (!tree) {
		refuse(r, TREE_TOO_LARGE, NULL);
		return NULL;
	}
	tree->key = key;
	if (open) {
		*open->end = tree;
		open->end = &tree->next;
		open->tree->n++;
	}
	if (is_member)
		remember(open, tree);
	return tree;
}

/* --- the loop ------------------------------------------------------------------------------------
 */

static bool count_value(struct reader *r)
{
	return ++r->n_values <= DECODE_MAX_VALUES || refuse(r, TREE_TOO_MANY, NULL);
}

static bool open_value(struct reader *r, struct tree *tree)
{
	if (r->depth == DECODE_MAX_DEPTH)
		return refuse(r, TREE_TOO_DEEP, NULL);
	tree->kind = *r->p == '{' ? TREE_OBJECT : TREE_ARRAY;
	r->opened[r->depth++] = (struct open){ .tree = tree, .end = &tree->first };
	r->p++;
	return count_value(r);
}

static void close_value(struct reader *r)
{
	struct open *open = &r->opened[--r->depth];

	r->p++;
	open->tree->place.len = (size_t)(r->p - open->tree->place.p);
	map_free(open->many);
}

static bool take_value(struct reader *r, struct tree *tree)
{
	tree->place.p = r->p;
	if (r->p == r->end)
		return refuse(r, TREE_NOT_JSON, "a value");
	switch (*r->p) {
	case '{':
	case '[': return open_value(r, tree);
	case '"':
		tree->kind = TREE_STRING;
		if (!take_string(r, false, &tree->text))
			return false;
		break;
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		if (!take_number(r, tree))
			return false;
		break;
	default:
		if (!take_name(r, tree))
			return false;
	}
	tree->place.len = (size_t)(r->p - tree->place.p);
	return true;
}

/* Behind a value, or behind the bracket that opened one: on to the next value of the innermost
 * array or object, closing those that end here. False at the end and at a fault. */
static bool go_on(struct reader *r)
{
	while (r->depth > 0) {
		const struct tree *tree = r->opened[r->depth - 1].tree;
		char close = tree->kind == TREE_OBJECT ? '}' : ']';
		bool just_opened = r->p == tree->place.p + 1;

		skip_blanks(r);
		if (r->p < r->end && *r->p == close) {
			close_value(r);
			continue;
		}
		if (just_opened)
			return true;
		if (r->p == r->end || *r->p != ',')
			return refuse(r, TREE_NOT_JSON, close == '}' ? "',' or '}'" : "',' or ']'");
		r->p++;
		skip_blanks(r);
		return count_value(r);
	}
	return false;
}

static struct tree *read_all(struct reader *r)
{
	struct tree *root, *tree;

	skip_blanks(r);
	root = tree = next_node(r);
	while (tree && take_value(r, tree) && go_on(r))
		tree = next_node(r);
	if (r->fault->refusal != TREE_FINE)
		return NULL;
	skip_blanks(r);
	if (r->p < r->end && *r->p == '\0') /* a C string, and whatever lay behind it */
		r->quirks |= QUIRK_BIT(TRAILING_NUL);
	else if (r->p < r->end)
		refuse(r, TREE_NOT_JSON, "the end of the text");
	return r->fault->refusal == TREE_FINE ? root : NULL;
}

struct tree *tree_read(struct arena *arena, struct str text, uint64_t *quirks,
		       struct tree_fault *fault)
{
	struct reader r;
	struct tree *root;

	/* Not the stack: it is large, and filled as it grows. */
	memset(&r, 0, offsetof(struct reader, opened));
	r.arena = arena;
	r.start = r.p = text.p;
	r.end = text.p + text.len;
	r.fault = fault;
	r.n_values = 1;
	*fault = (struct tree_fault){ .refusal = TREE_FINE };
	root = read_all(&r);
	while (r.depth > 0)
		map_free(r.opened[--r.depth].many);
	if (root)
		*quirks |= r.quirks;
	return root;
}
