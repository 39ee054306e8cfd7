/* Query strings: decoding undoes encoding, and a value found lies within the query. */
#include "fuzz.h"

#include "http/server.h"

/* What the decoder would say, byte by byte. */
static bool reference(struct str s, struct strbuf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i], hex[3] = "", *end = hex;

		if (c == '%') {
			for (size_t k = 0; k < 2 && i + k + 1 < s.len; k++)
				hex[k] = s.p[i + k + 1];
			if (hex[0] == '+' || hex[0] == '-' || (hex[0] >= 9 && hex[0] <= 13) ||
			    hex[0] == ' ' || hex[1] == 'x' || hex[1] == 'X')
				return false;
			c = (char)strtoul(hex, &end, 16);
			if (end != hex + 2)
				return false;
			i += 2;
		}
		if (c == '\0')
			return false;
		strbuf_put_char(out, c);
	}
	return true;
}

static void check_decode(struct str text)
{
	struct strbuf found, expected, small;
	bool fine;

	strbuf_init(&found, text.len + 1);
	strbuf_init(&expected, text.len + 1);
	fine = http_percent_decode(text, &found);
	CHECK(fine == reference(text, &expected));
	CHECK(!fine || str_eq(strbuf_str(&found), strbuf_str(&expected)));
	if (fine && found.len > 0) {
		strbuf_init(&small, found.len - 1);
		CHECK(!http_percent_decode(text, &small));
		strbuf_fini(&small);
	}
	strbuf_fini(&found);
	strbuf_fini(&expected);
}

/* Any bytes but NUL, encoded, come back. */
static void check_round(struct str text)
{
	struct strbuf encoded, back;

	strbuf_init(&encoded, 3 * text.len + 1);
	strbuf_init(&back, text.len + 1);
	for (size_t i = 0; i < text.len; i++)
		strbuf_putf(&encoded, i % 2 ? "%%%02x" : "%%%02X", (unsigned char)text.p[i]);
	CHECK(http_percent_decode(strbuf_str(&encoded), &back) == !memchr(text.p, 0, text.len));
	CHECK(memchr(text.p, 0, text.len) || str_eq(strbuf_str(&back), text));
	strbuf_fini(&encoded);
	strbuf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "$top", "after", "", "a b" };
	struct str text = fuzz_str(data, size), value;

	check_decode(text);
	if (size > 0)
		check_round(text);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!http_query_get(text, names[i], &value))
			continue;
		CHECK(fuzz_within(value, text) && str_find_char(value, '&') == value.len);
		CHECK(value.p + value.len == text.p + text.len || value.p[value.len] == '&');
	}
	return 0;
}
