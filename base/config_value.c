#include "base/config_value_priv.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first, the printed name of each size first. KiB and k are 1024, as in PostgreSQL and
 * systemd; KB, as the standards have it, 1000. */
static const struct unit byte_units[] = {
	{ "TiB", INT64_C(1) << 40 },
	{ "T", INT64_C(1) << 40 },
	{ "t", INT64_C(1) << 40 },
	{ "TB", 1000000000000 },
	{ "GiB", 1 << 30 },
	{ "G", 1 << 30 },
	{ "g", 1 << 30 },
	{ "GB", 1000000000 },
	{ "MiB", 1 << 20 },
	{ "M", 1 << 20 },
	{ "m", 1 << 20 },
	{ "MB", 1000000 },
	{ "KiB", 1 << 10 },
	{ "K", 1 << 10 },
	{ "k", 1 << 10 },
	{ "KB", 1000 },
	{ "kB", 1000 },
	{ "B", 1 },
};

static const struct unit duration_units[] = {
	{ "w", INT64_C(604800000000) },
	{ "d", INT64_C(86400000000) },
	{ "h", INT64_C(3600000000) },
	{ "m", 60000000 },
	{ "s", 1000000 },
	{ "ms", 1000 },
	{ "us", 1 },
};

static const char *const true_words[] = { "true", "yes", "on", NULL };
static const char *const false_words[] = { "false", "no", "off", NULL };

/* Place of `text` in a NULL-terminated list, or -1. */
static int place_in(const char *const *words, struct str text)
{
	for (int i = 0; words[i]; i++)
		if (str_eq(text, str_of(words[i])))
			return i;
	return -1;
}

/* Eat a number and its unit from the front of `s`; a number without a unit has the factor
 * `bare_factor`, or is refused when that is 0. */
static bool eat_quantity(struct str *s, const struct unit *units, size_t n_units,
			 int64_t bare_factor, int64_t *out)
{
	struct str digits = { s->p, 0 }, name;
	int64_t factor = bare_factor;
	uint64_t number;

	while (digits.len < s->len && s->p[digits.len] >= '0' && s->p[digits.len] <= '9')
		digits.len++;
	if (!str_to_u64(digits, &number) || number > INT64_MAX)
		return false;
	*s = str_trim((struct str){ s->p + digits.len, s->len - digits.len });
	name = (struct str){ s->p, 0 };
	while (name.len < s->len &&
	       ((s->p[name.len] | 0x20) >= 'a' && (s->p[name.len] | 0x20) <= 'z'))
		name.len++;
	if (name.len > 0) {
		factor = 0;
		for (size_t i = 0; i < n_units; i++)
			if (str_eq(name, str_of(units[i].name)))
				factor = units[i].factor;
	}
	*s = str_trim((struct str){ s->p + name.len, s->len - name.len });
	return (factor > 0 || (number == 0 && name.len == 0)) &&
	       !__builtin_mul_overflow((int64_t)number, factor, out);
}

static bool parse_bytes(struct str text, int64_t *out)
{
	return eat_quantity(&text, byte_units, ARRAY_LEN(byte_units), 1, out) && text.len == 0;
}

/* "1h30m", "1h 30m"; a bare number would leave the unit to guessing, 0 needs none. */
static bool parse_duration(struct str text, int64_t *out)
{
	int64_t sum = 0, part;

	do {
		if (!eat_quantity(&text, duration_units, ARRAY_LEN(duration_units), 0, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return false;
	} while (text.len > 0);
	*out = sum;
	return true;
}

static bool in_range(const struct config_key *key, int64_t value)
{
	return (key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max);
}

bool config_value_parse(const struct config_key *key, struct str text, void *to)
{
	int64_t number;
	int place;

	switch (key->type) {
	case CONFIG_BOOL:
		if (place_in(true_words, text) < 0 && place_in(false_words, text) < 0)
			return false;
		*(bool *)to = place_in(true_words, text) >= 0;
		return true;
	case CONFIG_ENUM:
		place = place_in(key->choices, text);
		if (place >= 0)
			*(int *)to = place;
		return place >= 0;
	case CONFIG_INT:
		if (!str_to_i64(text, &number))
			return false;
		break;
	case CONFIG_BYTES:
		if (!parse_bytes(text, &number))
			return false;
		break;
	case CONFIG_DURATION:
		if (!parse_duration(text, &number))
			return false;
		break;
	default: return false;
	}
	if (!in_range(key, number))
		return false;
	*(int64_t *)to = number;
	return true;
}

static void put_bytes(struct strbuf *out, int64_t value)
{
	size_t i = 0;

	while (i < ARRAY_LEN(byte_units) - 1 && (!strstr(byte_units[i].name, "iB") || value == 0 ||
						 value % byte_units[i].factor != 0))
		i++;
	strbuf_put_i64(out, value / byte_units[i].factor);
	if (byte_units[i].factor > 1)
		strbuf_putf(out, " %s", byte_units[i].name);
}

static void put_duration(struct strbuf *out, int64_t value)
{
	if (value == 0)
		strbuf_put_text(out, "0s");
	/* Days, not weeks: retentions are thought of in days. */
	for (size_t i = 1; i < ARRAY_LEN(duration_units) && value > 0; i++) {
		const struct unit *unit = &duration_units[i];

		if (value >= unit->factor)
			strbuf_putf(out, "%" PRId64 "%s", value / unit->factor, unit->name);
		value %= unit->factor;
	}
}

static void put_number(const struct config_key *key, int64_t value, struct strbuf *out)
{
	switch (key->type) {
	case CONFIG_BYTES: put_bytes(out, value); break;
	case CONFIG_DURATION: put_duration(out, value); break;
	default: strbuf_put_i64(out, value); break;
	}
}

void config_value_allowed(const struct config_key *key, struct strbuf *out)
{
	switch (key->type) {
	case CONFIG_TEXT: strbuf_put_text(out, "a text"); break;
	case CONFIG_LIST: strbuf_put_text(out, "a list of texts"); break;
	case CONFIG_MAPS: strbuf_put_text(out, "a list of maps"); break;
	case CONFIG_BOOL: strbuf_put_text(out, "true or false"); break;
	case CONFIG_INT: strbuf_put_text(out, "a whole number"); break;
	case CONFIG_BYTES: strbuf_put_text(out, "a size such as 512 MiB"); break;
	case CONFIG_DURATION: strbuf_put_text(out, "a duration such as 90d, 10m or 1h30m"); break;
	case CONFIG_ENUM:
		strbuf_put_text(out, "one of ");
		for (size_t i = 0; key->choices[i]; i++)
			strbuf_putf(out, "%s'%s'", i > 0 ? ", " : "", key->choices[i]);
		break;
	}
	if (key->min == 0 && key->max == 0)
		return;
	strbuf_put_text(out, " from ");
	put_number(key, key->min, out);
	strbuf_put_text(out, " to ");
	put_number(key, key->max, out);
}

/* Bytes of the line break that YAML sees and JSON does not (U+0085, U+2028, U+2029) or of the byte
 * order mark at the front of `s`; 0 for anything else. */
static size_t yaml_break(struct str s, unsigned *code_out)
{
	static const struct {
		struct str bytes;
		unsigned code;
	} breaks[] = {
		{ { "\xc2\x85", 2 }, 0x85 },
		{ { "\xe2\x80\xa8", 3 }, 0x2028 },
		{ { "\xe2\x80\xa9", 3 }, 0x2029 },
		{ { "\xef\xbb\xbf", 3 }, 0xfeff },
	};

	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		if (str_starts_with(s, breaks[i].bytes)) {
			*code_out = breaks[i].code;
			return breaks[i].bytes.len;
		}
	}
	return 0;
}

void config_text_print(struct str text, struct strbuf *out)
{
	struct strbuf json;
	unsigned code;

	strbuf_init(&json, SIZE_MAX);
	strbuf_put_json(&json, text);
	for (size_t i = 0, n; i < json.len; i += n) {
		n = yaml_break((struct str){ json.p + i, json.len - i }, &code);
		if (n > 0)
			strbuf_putf(out, "\\u%04x", code);
		else
			strbuf_put_char(out, json.p[i]);
		n = n > 0 ? n : 1;
	}
	strbuf_fini(&json);
}

void config_value_print(const struct config_key *key, const void *from, struct strbuf *out)
{
	const char *text;

	switch (key->type) {
	case CONFIG_TEXT:
		text = *(char *const *)from;
		if (text && key->secret)
			strbuf_put_text(out, "\"…\"");
		else
			config_text_print(str_of(text), out);
		break;
	case CONFIG_BOOL: strbuf_put_text(out, *(const bool *)from ? "true" : "false"); break;
	case CONFIG_ENUM: strbuf_putf(out, "'%s'", key->choices[*(const int *)from]); break;
	default: put_number(key, *(const int64_t *)from, out); break;
	}
}
