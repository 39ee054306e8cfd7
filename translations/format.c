#include "translations/format.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uloc.h>
#include <unicode/unum.h>
#include <unicode/ustring.h>

#include "base/log.h"
#include "base/mem.h"
#include "translations/language.h"

struct formatter {
	UNumberFormat *number; /* NULL: ICU has no data; numbers stay as they are */
	bool isolates;
};

struct formatter *formatter_new(const char *language)
{
	struct formatter *formatter = xcalloc(1, sizeof(*formatter));
	char locale[ULOC_FULLNAME_CAPACITY];
	UErrorCode status = U_ZERO_ERROR;

	formatter->isolates = language_is_rtl(language);
	uloc_forLanguageTag(language, locale, sizeof(locale), NULL, &status);
	formatter->number = unum_open(UNUM_DECIMAL, NULL, 0, locale, NULL, &status);
	if (U_FAILURE(status)) {
		log_warn("translations", "numbers cannot be put in a language's form",
			 LOG_T("language", language), LOG_T("err", u_errorName(status)));
		formatter->number = NULL;
	}
	return formatter;
}

void formatter_free(struct formatter *formatter)
{
	if (!formatter)
		return;
	unum_close(formatter->number);
	free(formatter);
}

/* A plain decimal number; how many digits stand behind its point. */
static bool is_decimal(struct str s, int32_t *n_fraction)
{
	size_t i = s.len > 0 && s.p[0] == '-', digits = 0;

	*n_fraction = 0;
	for (; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		digits++;
	if (digits == 0)
		return false;
	if (i == s.len)
		return true;
	if (s.p[i++] != '.' || i == s.len)
		return false;
	*n_fraction = (int32_t)(s.len - i);
	for (; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

static bool put_number(struct formatter *formatter, struct str arg, struct strbuf *out)
{
	UErrorCode status = U_ZERO_ERROR;
	UChar text[2 * NUMBER_MAX_BYTES];
	char bytes[sizeof(text) * 3];
	int32_t n_fraction, n, n_bytes;

	if (!formatter->number || arg.len > NUMBER_MAX_BYTES || !is_decimal(arg, &n_fraction))
		return false;
	unum_setAttribute(formatter->number, UNUM_MIN_FRACTION_DIGITS, n_fraction);
	unum_setAttribute(formatter->number, UNUM_MAX_FRACTION_DIGITS, n_fraction);
	n = unum_formatDecimal(formatter->number, arg.p, (int32_t)arg.len, text,
			       (int32_t)ARRAY_LEN(text), NULL, &status);
	u_strToUTF8(bytes, sizeof(bytes), &n_bytes, text, n, &status);
	if (U_FAILURE(status))
		return false;
	strbuf_put(out, (struct str){ bytes, (size_t)n_bytes });
	return true;
}

void formatter_put(struct formatter *formatter, struct str arg, bool is_number, struct strbuf *out)
{
	if (formatter->isolates)
		strbuf_put(out, STR("\xe2\x81\xa8")); /* U+2068 FIRST STRONG ISOLATE */
	if (!is_number || !put_number(formatter, arg, out))
		strbuf_put(out, arg);
	if (formatter->isolates)
		strbuf_put(out, STR("\xe2\x81\xa9")); /* U+2069 POP DIRECTIONAL ISOLATE */
}
