#include "cli/terminal.h"

#include <stdint.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

void terminal_put(struct strbuf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		unsigned char next = i + 1 < text.len ? (unsigned char)text.p[i + 1] : 0;

		if (c == '\n' || c == '\r' || c == '\t') {
			strbuf_put_char(out, ' ');
		} else if (c < 0x20 || c == 0x7f) {
			strbuf_put_text(out, "\xef\xbf\xbd");
		} else if (c == 0xc2 && next >= 0x80 && next <= 0x9f) {
			strbuf_put_text(out, "\xef\xbf\xbd");
			i++;
		} else {
			strbuf_put_char(out, (char)c);
		}
	}
}

static size_t width_of(UChar32 c)
{
	int8_t type = u_charType(c);
	int wide;

	if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR)
		return 0;
	wide = u_getIntPropertyValue(c, UCHAR_EAST_ASIAN_WIDTH);
	return wide == U_EA_WIDE || wide == U_EA_FULLWIDTH ? 2 : 1;
}

size_t terminal_width(struct str text)
{
	size_t width = 0, i = 0;

	while (i < text.len) {
		UChar32 c;

		U8_NEXT(text.p, i, text.len, c);
		width += c < 0 ? 1 : width_of(c);
	}
	return width;
}

void terminal_put_column(struct strbuf *out, struct str text, size_t width)
{
	size_t start = out->len;

	terminal_put(out, text);
	if (out->failed)
		return;
	for (size_t n = terminal_width((struct str){ out->p + start, out->len - start }); n < width;
	     n++)
		strbuf_put_char(out, ' ');
}
