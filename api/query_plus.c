#include "api/query_plus.h"

#include <stdbool.h>

/* A walk over an encoded value, a character or an escape at a time. */
struct walk {
	struct str rest;
	bool quoted;
};

/* Three bytes of an escape, or one. */
static size_t step_of(struct str rest)
{
	return rest.p[0] == '%' && rest.len >= 3 ? 3 : 1;
}

static bool starts_with_quote(struct str rest)
{
	return rest.p[0] == '\'' || str_starts_with(rest, STR("%27"));
}

static void step(struct walk *walk)
{
	size_t n = step_of(walk->rest);

	walk->quoted ^= starts_with_quote(walk->rest);
	walk->rest = (struct str){ walk->rest.p + n, walk->rest.len - n };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of what `text` begins with: a colon or one written %3A. */
static size_t colon_at(struct str text)
{
	if (str_starts_with(text, STR(":")))
		return 1;
	if (str_starts_with(text, STR("%3A")) || str_starts_with(text, STR("%3a")))
		return 3;
	return 0;
}

/* Two digits, a colon or none, two digits. */
static bool is_offset(struct str text)
{
	size_t n;

	if (text.len < 4 || !is_digit(text.p[0]) || !is_digit(text.p[1]))
		return false;
	n = 2 + colon_at((struct str){ text.p + 2, text.len - 2 });
	return text.len >= n + 2 && is_digit(text.p[n]) && is_digit(text.p[n + 1]);
}

/* Digits, or digits with a fraction, behind a colon. */
static bool ends_like_time(struct str text)
{
	size_t n = text.len;

	while (n > 0 && (is_digit(text.p[n - 1]) || text.p[n - 1] == '.'))
		n--;
	text.len = n < text.len ? n : 0;
	return str_ends_with(text, STR(":")) || str_ends_with(text, STR("%3A")) ||
	       str_ends_with(text, STR("%3a"));
}

static bool is_plus_of_time(struct str raw, const struct walk *walk)
{
	size_t at = (size_t)(walk->rest.p - raw.p);

	return ends_like_time((struct str){ raw.p, at }) &&
	       is_offset((struct str){ walk->rest.p + 1, walk->rest.len - 1 });
}

/* Whether whoever wrote it writes blanks as plus signs. */
static bool is_form_encoded(struct str raw)
{
	struct walk walk = { raw, false };
	bool shown = str_find(raw, STR("%27")) < raw.len;

	if (str_find(raw, STR("%20")) < raw.len)
		return false;
	for (; walk.rest.len > 0; step(&walk))
		shown |= walk.rest.p[0] == '+' && !walk.quoted && !is_plus_of_time(raw, &walk);
	return shown;
}

void query_plus(struct str raw, struct strbuf *out)
{
	struct walk walk = { raw, false };
	bool in_quotes;

	if (str_find_char(raw, '+') == raw.len) {
		strbuf_put(out, raw);
		return;
	}
	in_quotes = is_form_encoded(raw);
	for (; walk.rest.len > 0; step(&walk)) {
		bool blank = walk.rest.p[0] == '+' && (!walk.quoted || in_quotes) &&
			     !is_plus_of_time(raw, &walk);

		strbuf_put(out,
			   blank ? STR("%20") : (struct str){ walk.rest.p, step_of(walk.rest) });
	}
}
