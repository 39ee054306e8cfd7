/* Language: any tag and any Accept-Language. The first line holds the languages there are, with ','
 * between; the rest is what a reader asks for. */
#include "fuzz.h"

#include <unicode/uloc.h>

#include "translations/language.h"

#define MAX_AVAILABLE 12

/* Language and script of a tag, by likely subtags: who reads one reads the other. */
static void script_of(const char *tag, char out[ULOC_FULLNAME_CAPACITY])
{
	char locale[ULOC_FULLNAME_CAPACITY], likely[ULOC_FULLNAME_CAPACITY];
	char language[ULOC_LANG_CAPACITY], script[ULOC_SCRIPT_CAPACITY];
	UErrorCode status = U_ZERO_ERROR;

	uloc_forLanguageTag(tag, locale, sizeof(locale), NULL, &status);
	uloc_addLikelySubtags(locale, likely, sizeof(likely), &status);
	uloc_getLanguage(likely, language, sizeof(language), &status);
	uloc_getScript(likely, script, sizeof(script), &status);
	snprintf(out, ULOC_FULLNAME_CAPACITY, "%s_%s", U_SUCCESS(status) ? language : "",
		 U_SUCCESS(status) ? script : "");
}

static bool same_script(const char *a, const char *b)
{
	char script_a[ULOC_FULLNAME_CAPACITY], script_b[ULOC_FULLNAME_CAPACITY];

	script_of(a, script_a);
	script_of(b, script_b);
	return strcmp(script_a, script_b) == 0;
}

/* A tidy tag is a tag, and tidying it again changes nothing. */
static void check_tag(const char *tag)
{
	char again[LANGUAGE_MAX_BYTES];

	CHECK(strlen(tag) > 0 && strlen(tag) < LANGUAGE_MAX_BYTES);
	for (const char *p = tag; *p; p++)
		CHECK_SAYING((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				     (*p >= '0' && *p <= '9') || *p == '-',
			     "(%s)", tag);
	CHECK_SAYING(language_tidy(str_of(tag), again), "(%s)", tag);
	CHECK_SAYING(strcmp(tag, again) == 0, "(%s, then %s)", tag, again);
	language_is_rtl(tag);
	language_is_english(tag);
}

static size_t read_available(struct str line, char tags[MAX_AVAILABLE][LANGUAGE_MAX_BYTES],
			     const char *available[MAX_AVAILABLE])
{
	size_t n = 0;

	while (line.len > 0 && n < MAX_AVAILABLE) {
		size_t comma = str_find_char(line, ','), next = comma + (comma < line.len);

		if (language_tidy((struct str){ line.p, comma }, tags[n])) {
			check_tag(tags[n]);
			available[n] = tags[n];
			n++;
		} else {
			CHECK(tags[n][0] == '\0');
		}
		line = (struct str){ line.p + next, line.len - next };
	}
	return n;
}

static bool is_any(const struct language_range *range)
{
	return strcmp(range->tag, "*") == 0;
}

/* Best first, and written out they are read as the same. */
static void check_ranges(const struct language_range *ranges, size_t n)
{
	struct language_range again[LANGUAGE_MAX_RANGES];
	struct strbuf header;

	CHECK(n <= LANGUAGE_MAX_RANGES);
	strbuf_init(&header, LANGUAGE_MAX_HEADER);
	for (size_t i = 0; i < n; i++) {
		CHECK(ranges[i].weight <= (i > 0 ? ranges[i - 1].weight : 1000));
		if (!is_any(&ranges[i]))
			check_tag(ranges[i].tag);
		strbuf_putf(&header, "%s%s;q=%u.%03u", i > 0 ? ", " : "", ranges[i].tag,
			    ranges[i].weight / 1000, ranges[i].weight % 1000);
	}
	CHECK(!header.failed && language_ranges(strbuf_str(&header), again) == n);
	for (size_t i = 0; i < n; i++)
		CHECK(strcmp(again[i].tag, ranges[i].tag) == 0 &&
		      again[i].weight == ranges[i].weight);
	strbuf_fini(&header);
}

/* "de;q=0" refuses "de" and all that begins with "de-". */
static bool is_refused(const struct language_range *ranges, size_t n, const char *tag)
{
	for (size_t i = 0; i < n; i++) {
		struct str range = str_of(ranges[i].tag);

		if (ranges[i].weight == 0 && strncasecmp(tag, range.p, range.len) == 0 &&
		    (tag[range.len] == '\0' || tag[range.len] == '-'))
			return true;
	}
	return false;
}

/* Somebody asked for it, in a script that they read, and nobody refused it. */
static void check_found(const struct language_range *ranges, size_t n, const char *tag)
{
	bool wanted = false;

	CHECK_SAYING(!is_refused(ranges, n, tag), "(%s)", tag);
	for (size_t i = 0; i < n && !wanted; i++)
		wanted = ranges[i].weight > 0 &&
			 (is_any(&ranges[i]) || same_script(ranges[i].tag, tag));
	CHECK_SAYING(wanted, "(%s)", tag);
}

/* Nothing that was asked for by its very name, or by '*', was to be had. */
static void check_not_found(const struct language_range *ranges, size_t n,
			    const char *const *available, size_t n_available)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_available && ranges[i].weight > 0; k++)
			CHECK_SAYING(is_refused(ranges, n, available[k]) ||
					     (!is_any(&ranges[i]) &&
					      strcmp(ranges[i].tag, available[k]) != 0),
				     "(%s has %s)", ranges[i].tag, available[k]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = fuzz_str(data, size);
	size_t line = str_find_char(all, '\n'), rest = line < all.len ? line + 1 : line;
	struct str header = { all.p + rest, all.len - rest };
	char tags[MAX_AVAILABLE][LANGUAGE_MAX_BYTES];
	const char *available[MAX_AVAILABLE];
	size_t n_available = read_available((struct str){ all.p, line }, tags, available);
	struct language_range ranges[LANGUAGE_MAX_RANGES];
	size_t n = language_ranges(header, ranges);
	int found = language_choose(ranges, n, available, n_available);

	check_ranges(ranges, n);
	CHECK(found >= -1 && found < (int)n_available);
	if (found >= 0)
		check_found(ranges, n, available[found]);
	else
		check_not_found(ranges, n, available, n_available);
	return 0;
}
