/* The first stage of decode: bytes into UTF-8 text. Spec 1.4, item 12. */
#include <string.h>

#include "base/arena.h"
#include "event/decode_priv.h"
#include "event/limits.h"

#define REPLACEMENT 0xfffdu

/* Windows-1252, 0x80 to 0x9f; the five it leaves open are shown as U+FFFD. */
static const uint16_t windows_1252[32] = {
	0x20ac,      REPLACEMENT, 0x201a, 0x0192, 0x201e, 0x2026,      0x2020, 0x2021,
	0x02c6,      0x2030,      0x0160, 0x2039, 0x0152, REPLACEMENT, 0x017d, REPLACEMENT,
	REPLACEMENT, 0x2018,      0x2019, 0x201c, 0x201d, 0x2022,      0x2013, 0x2014,
	0x02dc,      0x2122,      0x0161, 0x203a, 0x0153, REPLACEMENT, 0x017e, 0x0178,
};

static size_t put_character(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Length of the well-formed UTF-8 sequence at the front of `s`; 0 when there is none. */
static size_t sequence_bytes(struct str s)
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if (n > s.len || !str_is_utf8((struct str){ s.p, n }))
		return 0;
	return n;
}

static struct str read_windows_1252(struct arena *arena, struct str text)
{
	/* One byte becomes three at most. */
	char *out = arena_alloc(arena, text.len * 3 + 1);
	size_t len = 0;

	if (!out)
		return (struct str){ 0 };
	while (text.len > 0) {
		size_t n = sequence_bytes(text);
		unsigned char c = (unsigned char)text.p[0];

		if (n > 0) {
			memcpy(out + len, text.p, n);
			len += n;
		} else {
			len += put_character(out + len, c < 0xa0 ? windows_1252[c - 0x80] : c);
			n = 1;
		}
		text.p += n;
		text.len -= n;
	}
	return (struct str){ out, len };
}

static uint32_t unit_at(struct str text, size_t at, bool big_endian)
{
	unsigned char a = (unsigned char)text.p[at], b = (unsigned char)text.p[at + 1];

	return big_endian ? (uint32_t)a << 8 | b : (uint32_t)b << 8 | a;
}

static struct str read_utf16(struct arena *arena, struct str text, bool big_endian)
{
	/* Two bytes become three at most. */
	char *out = arena_alloc(arena, text.len / 2 * 3 + 1);
	size_t len = 0;

	if (!out)
		return (struct str){ 0 };
	for (size_t i = 0; i + 2 <= text.len; i += 2) {
		uint32_t c = unit_at(text, i, big_endian);

		if (c >= 0xd800 && c < 0xdc00 && i + 4 <= text.len) {
			uint32_t low = unit_at(text, i + 2, big_endian);

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i += 2;
			}
		}
		if (c >= 0xd800 && c < 0xe000)
			c = REPLACEMENT;
		len += put_character(out + len, c);
	}
	return (struct str){ out, len };
}

static struct str trim_tail(struct str text, uint64_t *quirks)
{
	while (text.len > 0 && (text.p[text.len - 1] == '\0' || str_trim(text).len < text.len)) {
		if (text.p[text.len - 1] == '\0') {
			*quirks |= QUIRK_BIT(TRAILING_NUL);
			text.len--;
		} else {
			text = str_trim(text);
		}
	}
	return text;
}

struct str decode_text(struct arena *arena, struct str raw, uint64_t *quirks)
{
	struct str text = raw;

	if (str_starts_with(text, STR("\xff\xfe")) || str_starts_with(text, STR("\xfe\xff"))) {
		*quirks |= QUIRK_BIT(BYTE_ORDER_MARK);
		text = read_utf16(arena, (struct str){ raw.p + 2, raw.len - 2 },
				  raw.p[0] == '\xfe');
	} else if (str_starts_with(text, STR("\xef\xbb\xbf"))) {
		*quirks |= QUIRK_BIT(BYTE_ORDER_MARK);
		text = (struct str){ raw.p + 3, raw.len - 3 };
	}
	if (!text.p)
		return text;
	text = trim_tail(text, quirks);
	if (!str_is_utf8(text)) {
		*quirks |= QUIRK_BIT(NOT_UTF8);
		text = read_windows_1252(arena, text);
	}
	return text;
}

static size_t cut_at_character(struct str text, size_t max)
{
	while (max > 0 && ((unsigned char)text.p[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static struct str show_nuls(struct arena *arena, struct str text)
{
	char *out = arena_alloc(arena, text.len * 3 + 1);
	size_t len = 0;

	if (!out)
		return (struct str){ 0 };
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\0')
			len += put_character(out + len, REPLACEMENT);
		else
			out[len++] = text.p[i];
	}
	return (struct str){ out, len };
}

struct str decode_column(struct arena *arena, struct str text, uint64_t *quirks)
{
	if (text.len > DECODE_MAX_TEXT_BYTES) {
		*quirks |= QUIRK_BIT(TEXT_CUT);
		text.len = cut_at_character(text, DECODE_MAX_TEXT_BYTES);
	}
	if (text.len > 0 && memchr(text.p, '\0', text.len)) {
		*quirks |= QUIRK_BIT(NUL_CHARACTER);
		return show_nuls(arena, text);
	}
	if (text.len == 0)
		return STR("");
	return arena_copy(arena, text);
}
