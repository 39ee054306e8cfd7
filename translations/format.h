/* Format: an argument as a reader of a language expects it. Pure; ICU inside.
 *
 * Thread: a formatter belongs to one thread.
 */
#ifndef TRANSLATIONS_FORMAT_H
#define TRANSLATIONS_FORMAT_H

#include <stdbool.h>

#include "base/str.h"

struct formatter;

struct formatter *formatter_new(const char *language); /* tidy tag; new, never NULL */
void formatter_free(struct formatter *formatter);      /* NULL is allowed */
/* Put `arg` into `out`: a number (decimal, as JSON writes it) in the locale's form with the digits
 * it has when `is_number`, everything else as it is; between FSI and PDI (UAX #9) where the
 * language is written from right to left. */
void formatter_put(struct formatter *formatter, struct str arg, bool is_number, struct strbuf *out);

#endif
