/* Plus signs in a query: a blank for clients that encode as forms do, itself for the others.
 *
 * RFC 3986 leaves '+' as it is, and so does OData; form encoding (what python-requests and
 * URLSearchParams write) means a blank by it and writes a plus as %2B. In a filter:
 * - outside quotes it is a blank: the language has no plus but in the offset of a time;
 * - in the offset of a time ("10:00:00+01:00") it is a plus, quoted or not;
 * - inside quotes it is a blank when the query shows that its writer encodes so: no blank is
 * written %20, and another plus stands for one outside of quotes, or the quotes are written %27.
 * Pure; thread: any.
 */
#ifndef API_QUERY_PLUS_H
#define API_QUERY_PLUS_H

#include "base/str.h"

/* Append `raw`, a value that is still percent-encoded, with "%20" for each plus that is a blank. */
void query_plus(struct str raw, struct strbuf *out);

#endif
