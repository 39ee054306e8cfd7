#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS (ONES * 0x80)

/* First memory of a strbuf. */
#define STRBUF_FIRST_BYTES 64

static uint64_t load8(const char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static bool has_zero_byte(uint64_t word)
{
	return ((word - ONES) & ~word & HIGHS) != 0;
}

struct str str_of(const char *text)
{
	return (struct str){ text, text ? strlen(text) : 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (char_lower(a.p[i]) != char_lower(b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts_with(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq((struct str){ s.p, prefix.len }, prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	return s;
}

size_t str_find_char(struct str s, char c)
{
	const char *at = s.len > 0 ? memchr(s.p, c, s.len) : NULL;

	return at ? (size_t)(at - s.p) : s.len;
}

size_t str_find(struct str s, struct str needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return s.len;
	at = memmem(s.p, s.len, needle.p, needle.len);
	return at ? (size_t)(at - s.p) : s.len;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
			return false;
	}
	*out = value;
	return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool negative = s.len > 0 && s.p[0] == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative;
	uint64_t value;

	if (negative) {
		s.p++;
		s.len--;
	}
	if (!str_to_u64(s, &value) || value > limit)
		return false;
	*out = (int64_t)(negative ? 0 - value : value);
	return true;
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

struct str str_cut(struct str s, size_t max_bytes)
{
	if (s.len <= max_bytes)
		return s;
	s.len = max_bytes;
	while (s.len > 0 && is_continuation((unsigned char)s.p[s.len]))
		s.len--;
	return s;
}

/* Length of the well-formed UTF-8 sequence at `p` (Unicode 15, table 3-7); 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0)
		return n >= 2 && is_continuation(p[1]) ? 2 : 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (n < 3 || p[1] < low || p[1] > high || !is_continuation(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return n >= 4 && is_continuation(p[3]) ? 4 : 0;
}

bool str_is_utf8(struct str s)
{
	size_t i = 0;

	while (i < s.len) {
		size_t n;

		while (s.len - i >= 8 && (load8(s.p + i) & HIGHS) == 0)
			i += 8;
		if (i == s.len)
			break;
		n = utf8_len((const unsigned char *)s.p + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

void strbuf_init(struct strbuf *b, size_t max_bytes)
{
	*b = (struct strbuf){ .max_bytes = max_bytes };
}

void strbuf_fini(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf){ .max_bytes = b->max_bytes };
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

/* Memory for `need` bytes with the NUL, at least doubled so that many small puts stay linear. */
static bool grow(struct strbuf *b, size_t need)
{
	size_t size = b->size > 0 ? b->size : STRBUF_FIRST_BYTES;
	char *p;

	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;
	if (b->max_bytes < SIZE_MAX && size > b->max_bytes + 1)
		size = b->max_bytes + 1;
	p = realloc(b->p, size);
	if (!p)
		return false;
	b->p = p;
	b->size = size;
	b->p[b->len] = '\0';
	return true;
}

char *strbuf_reserve(struct strbuf *b, size_t n)
{
	if (b->failed)
		return NULL;
	/* The last byte of the address space is left for the NUL. */
	if (n > b->max_bytes - b->len || n > SIZE_MAX - 1 - b->len ||
	    (b->len + n >= b->size && !grow(b, b->len + n + 1))) {
		b->failed = true;
		return NULL;
	}
	return b->p + b->len;
}

void strbuf_commit(struct strbuf *b, size_t n)
{
	b->len += n;
	b->p[b->len] = '\0';
}

void strbuf_put(struct strbuf *b, struct str s)
{
	char *to;

	if (s.len == 0)
		return;
	to = strbuf_reserve(b, s.len);
	if (!to)
		return;
	memcpy(to, s.p, s.len);
	strbuf_commit(b, s.len);
}

void strbuf_put_char(struct strbuf *b, char c)
{
	char *to = strbuf_reserve(b, 1);

	if (!to)
		return;
	*to = c;
	strbuf_commit(b, 1);
}

void strbuf_put_text(struct strbuf *b, const char *text)
{
	strbuf_put(b, str_of(text));
}

void strbuf_putf(struct strbuf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strbuf_vputf(b, format, args);
	va_end(args);
}

void strbuf_vputf(struct strbuf *b, const char *format, va_list args)
{
	char *to = strbuf_reserve(b, 0);
	va_list again;
	int n;

	if (!to)
		return;
	va_copy(again, args);
	n = vsnprintf(to, b->size - b->len, format, args);
	if (n < 0) {
		b->failed = true;
		*to = '\0';
	} else if ((size_t)n < b->size - b->len) {
		b->len += (size_t)n;
	} else {
		*to = '\0'; /* what was cut goes again */
		to = strbuf_reserve(b, (size_t)n);
		if (to) {
			vsnprintf(to, (size_t)n + 1, format, again);
			strbuf_commit(b, (size_t)n);
		}
	}
	va_end(again);
}

void strbuf_put_u64(struct strbuf *b, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	strbuf_put(b, (struct str){ digits + at, sizeof(digits) - at });
}

void strbuf_put_i64(struct strbuf *b, int64_t value)
{
	if (value < 0)
		strbuf_put_char(b, '-');
	strbuf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Whether all 8 bytes stand for themselves in a JSON string: ASCII, printable, no '"', no '\'. */
static bool json_plain8(uint64_t word)
{
	/* With no high bit set, a byte under 0x20 borrows from its neighbour's high bit. */
	return (word & HIGHS) == 0 && ((word - ONES * 0x20) & HIGHS) == 0 &&
	       !has_zero_byte(word ^ (ONES * '"')) && !has_zero_byte(word ^ (ONES * '\\')) &&
	       !has_zero_byte(word ^ (ONES * 0x7f));
}

static bool json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_json_escape(struct strbuf *b, unsigned char c)
{
	static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (const char *form = short_forms; *form; form += 2) {
		if (*form == (char)c) {
			strbuf_put_char(b, '\\');
			strbuf_put_char(b, form[1]);
			return;
		}
	}
	strbuf_putf(b, "\\u%04x", c);
}

/* The character at `s`, which is not plain; returns its bytes. C1 controls are escaped too: they
 * can steer a terminal. */
static size_t put_json_char(struct strbuf *b, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = utf8_len(p, s.len);

	if (n == 0) {
		strbuf_put(b, STR("\xef\xbf\xbd"));
		return 1;
	}
	if (n == 1)
		put_json_escape(b, p[0]);
	else if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		put_json_escape(b, p[1]);
	else
		strbuf_put(b, (struct str){ s.p, n });
	return n;
}

void strbuf_put_json(struct strbuf *b, struct str s)
{
	size_t i = 0;

	strbuf_put_char(b, '"');
	while (i < s.len && !b->failed) {
		size_t run = i;

		while (s.len - i >= 8 && json_plain8(load8(s.p + i)))
			i += 8;
		while (i < s.len && json_plain((unsigned char)s.p[i]))
			i++;
		strbuf_put(b, (struct str){ s.p + run, i - run });
		if (i < s.len)
			i += put_json_char(b, (struct str){ s.p + i, s.len - i });
	}
	strbuf_put_char(b, '"');
}

void strbuf_drop_front(struct strbuf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

struct str strbuf_str(const struct strbuf *b)
{
	return (struct str){ b->p ? b->p : "", b->len };
}
