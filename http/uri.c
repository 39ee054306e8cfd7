/* Query strings and percent-encoding (RFC 3986 2.1, 3.4). Pure. Thread: any. */
#include "http/server.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at the start of `s`, decoded; its length in *n_out, 0 when it is a bad escape. */
static char decode_byte(struct str s, size_t *n_out)
{
	int high, low;

	*n_out = 1;
	if (s.p[0] != '%')
		return s.p[0];
	*n_out = 0;
	if (s.len < 3)
		return 0;
	high = hex_digit(s.p[1]);
	low = hex_digit(s.p[2]);
	if (high < 0 || low < 0)
		return 0;
	*n_out = 3;
	return (char)(high * 16 + low);
}

bool http_percent_decode(struct str s, struct strbuf *out)
{
	while (s.len > 0) {
		size_t n;
		char c = decode_byte(s, &n);

		if (n == 0 || c == '\0')
			return false;
		strbuf_put_char(out, c);
		s = (struct str){ s.p + n, s.len - n };
	}
	return !out->failed;
}

static bool name_is(struct str raw, const char *name)
{
	while (raw.len > 0) {
		size_t n;
		char c = decode_byte(raw, &n);

		if (n == 0 || c == '\0' || c != *name)
			return false;
		name++;
		raw = (struct str){ raw.p + n, raw.len - n };
	}
	return *name == '\0';
}

bool http_query_get(struct str query, const char *name, struct str *value_out)
{
	while (query.len > 0) {
		size_t end = str_find_char(query, '&');
		size_t mark = str_find_char((struct str){ query.p, end }, '=');

		if (name_is((struct str){ query.p, mark }, name)) {
			size_t at = mark < end ? mark + 1 : end;

			*value_out = (struct str){ query.p + at, end - at };
			return true;
		}
		end += end < query.len;
		query = (struct str){ query.p + end, query.len - end };
	}
	return false;
}
