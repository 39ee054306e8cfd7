#include "translations/language.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uloc.h>

#include "base/mem.h"

/* Tags that vendors write though no language has them (spec 6). */
static const struct {
	const char *wrong, *right; /* two letters each */
} repairs[] = { { "jp", "ja" }, { "cn", "zh" }, { "kr", "ko" }, { "cz", "cs" } };

/* What decides whether a reader can read a text. */
struct script {
	char language[12], script[8];
};

static bool to_locale(const char *tag, char out[ULOC_FULLNAME_CAPACITY])
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t parsed = 0;

	uloc_forLanguageTag(tag, out, ULOC_FULLNAME_CAPACITY, &parsed, &status);
	return U_SUCCESS(status) && status != U_STRING_NOT_TERMINATED_WARNING &&
	       (size_t)parsed == strlen(tag) && out[0] != '\0';
}

/* The right word for the tag's language; NULL when there is nothing to repair. */
static const char *repair_of(const char *tag)
{
	for (size_t i = 0; i < ARRAY_LEN(repairs); i++) {
		size_t n = strlen(repairs[i].wrong);

		if (strncasecmp(tag, repairs[i].wrong, n) == 0 && (tag[n] == '\0' || tag[n] == '-'))
			return repairs[i].right;
	}
	return NULL;
}

/* As ICU writes it. */
static bool to_canonical(const char *tag, char out[LANGUAGE_MAX_BYTES])
{
	char locale[ULOC_FULLNAME_CAPACITY];
	UErrorCode status = U_ZERO_ERROR;

	if (!to_locale(tag, locale))
		return false;
	uloc_toLanguageTag(locale, out, LANGUAGE_MAX_BYTES, true, &status);
	return U_SUCCESS(status) && status != U_STRING_NOT_TERMINATED_WARNING &&
	       strcmp(out, "und") != 0;
}

bool language_tidy(struct str tag, char out[LANGUAGE_MAX_BYTES])
{
	char text[LANGUAGE_MAX_BYTES], again[LANGUAGE_MAX_BYTES];
	const char *repair;

	out[0] = '\0';
	tag = str_trim(tag);
	if (tag.len == 0 || tag.len >= sizeof(text) || memchr(tag.p, '\0', tag.len))
		return false;
	for (size_t i = 0; i < tag.len; i++)
		text[i] = tag.p[i] == '_' ? '-' : tag.p[i];
	text[tag.len] = '\0';
	repair = repair_of(text);
	if (repair)
		memcpy(text, repair, 2);
	/* Kanuri's other name, "kau", would become the "kr" that is taken for Korean; no language has
	 * more than three letters, longer ones are reserved (RFC 5646 2.2.1); and ICU makes "ne-a" of
	 * "ne-a-true", which is no tag. */
	if (to_canonical(text, out) && !repair_of(out) && strcspn(out, "-") <= 3 &&
	    to_canonical(out, again) && strcmp(out, again) == 0)
		return true;
	out[0] = '\0';
	return false;
}

/* --- what a reader asks for ----------------------------------------------------------------------
 */

/* "q=0.85" in thousandths (RFC 9110 12.4.2); 1000 when absent, 0 when it is none. */
static unsigned read_weight(struct str parameter)
{
	unsigned weight = 0, scale = 1000;

	parameter = str_trim(parameter);
	if (parameter.len == 0)
		return 1000;
	if (parameter.len < 3 || (parameter.p[0] | 0x20) != 'q' || parameter.p[1] != '=')
		return 0;
	if (parameter.p[2] == '1')
		return 1000;
	if (parameter.p[2] != '0')
		return 0;
	for (size_t i = 4; i < parameter.len && scale > 1; i++) {
		if (parameter.p[3] != '.' || parameter.p[i] < '0' || parameter.p[i] > '9')
			return 0;
		scale /= 10;
		weight += (unsigned)(parameter.p[i] - '0') * scale;
	}
	return weight;
}

static bool read_range(struct str item, struct language_range *out)
{
	size_t semicolon = str_find_char(item, ';');
	struct str tag = str_trim((struct str){ item.p, semicolon });
	size_t next = semicolon + (semicolon < item.len);

	out->weight = read_weight((struct str){ item.p + next, item.len - next });
	if (str_eq(tag, STR("*"))) {
		memcpy(out->tag, "*", 2);
		return true;
	}
	return language_tidy(tag, out->tag);
}

size_t language_ranges(struct str header, struct language_range out[LANGUAGE_MAX_RANGES])
{
	size_t n = 0;

	if (header.len > LANGUAGE_MAX_HEADER)
		header.len = LANGUAGE_MAX_HEADER;
	while (header.len > 0 && n < LANGUAGE_MAX_RANGES) {
		size_t comma = str_find_char(header, ','), next = comma + (comma < header.len);
		struct language_range range;
		size_t at = n;

		if (read_range((struct str){ header.p, comma }, &range)) {
			/* In order of weight; of equal ones the first stays first. */
			for (; at > 0 && out[at - 1].weight < range.weight; at--)
				out[at] = out[at - 1];
			out[at] = range;
			n++;
		}
		header = (struct str){ header.p + next, header.len - next };
	}
	return n;
}

/* --- the choice ----------------------------------------------------------------------------------
 */

static struct script script_of(const char *tag)
{
	char locale[ULOC_FULLNAME_CAPACITY], likely[ULOC_FULLNAME_CAPACITY];
	struct script script = { "", "" };
	UErrorCode status = U_ZERO_ERROR;

	if (!to_locale(tag, locale))
		return script;
	uloc_addLikelySubtags(locale, likely, sizeof(likely), &status);
	if (U_FAILURE(status))
		return script;
	uloc_getLanguage(likely, script.language, sizeof(script.language), &status);
	uloc_getScript(likely, script.script, sizeof(script.script), &status);
	return script;
}

static bool is_readable(const struct script *wanted, const char *tag)
{
	struct script has = script_of(tag);

	return wanted->language[0] && strcmp(has.language, wanted->language) == 0 &&
	       strcmp(has.script, wanted->script) == 0;
}

static bool is_refused(const struct language_range *ranges, size_t n, const char *tag)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(ranges[i].tag);

		if (ranges[i].weight == 0 && strncasecmp(tag, ranges[i].tag, len) == 0 &&
		    (tag[len] == '\0' || tag[len] == '-'))
			return true;
	}
	return false;
}

/* What is asked for, and what there is. */
struct choice {
	const struct language_range *ranges;
	size_t n_ranges;
	const char *const *available;
	size_t n_available;
};

static bool is_offered(const struct choice *choice, size_t i)
{
	return !is_refused(choice->ranges, choice->n_ranges, choice->available[i]);
}

static int find_tag(const struct choice *choice, const char *tag)
{
	for (size_t i = 0; i < choice->n_available; i++)
		if (strcasecmp(choice->available[i], tag) == 0)
			return is_offered(choice, i) ? (int)i : -1;
	return -1;
}

/* "de-AT-1901": itself, "de-AT", "de"; a subtag of one letter goes with what it introduces. */
static int look_up(const struct choice *choice, const char *range, const struct script *wanted)
{
	char tag[LANGUAGE_MAX_BYTES];

	memcpy(tag, range, strlen(range) + 1);
	for (;;) {
		int i = find_tag(choice, tag);
		char *cut = strrchr(tag, '-');

		if (i >= 0 && is_readable(wanted, choice->available[i]))
			return i;
		if (!cut)
			return -1;
		*cut = '\0';
		if (cut - tag >= 2 && cut[-2] == '-')
			cut[-2] = '\0';
	}
}

/* The first one that is not refused. */
static int choose_any(const struct choice *choice)
{
	for (size_t i = 0; i < choice->n_available; i++)
		if (is_offered(choice, i))
			return (int)i;
	return -1;
}

static int choose_one(const struct choice *choice, const char *range)
{
	struct script wanted;
	int found;

	if (strcmp(range, "*") == 0)
		return choose_any(choice);
	wanted = script_of(range);
	found = look_up(choice, range, &wanted);
	for (size_t i = 0; found < 0 && i < choice->n_available; i++)
		if (is_offered(choice, i) && is_readable(&wanted, choice->available[i]))
			found = (int)i;
	return found;
}

int language_choose(const struct language_range *ranges, size_t n_ranges,
		    const char *const *available, size_t n_available)
{
	const struct choice choice = { ranges, n_ranges, available, n_available };
	int found = -1;

	/* In order of weight: behind the first that is not wanted come no others. */
	for (size_t i = 0; found < 0 && i < n_ranges && ranges[i].weight > 0; i++)
		found = choose_one(&choice, ranges[i].tag);
	return found;
}

bool language_is_rtl(const char *tag)
{
	char locale[ULOC_FULLNAME_CAPACITY];

	return to_locale(tag, locale) && uloc_isRightToLeft(locale);
}

bool language_is_english(const char *tag)
{
	return strncasecmp(tag, "en", 2) == 0 && (tag[2] == '\0' || tag[2] == '-');
}
