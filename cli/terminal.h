/* Terminal: text of others made harmless, and how wide it is. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stddef.h>

#include "base/str.h"

/* C0, DEL and C1 controls (also as U+0080 to U+009F) become a visible mark, line breaks a blank. */
void terminal_put(struct strbuf *out, struct str text);
/* Columns it takes: two for wide characters (Unicode annex 11), none for marks that combine and for
 * controls of direction. */
size_t terminal_width(struct str text);
/* terminal_put(), then blanks up to `width` columns. */
void terminal_put_column(struct strbuf *out, struct str text, size_t width);

#endif
