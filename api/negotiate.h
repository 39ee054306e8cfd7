/* Negotiate: what a request's headers say of forms (RFC 9110: Accept, Accept-Encoding,
 * Content-Type) and of versions of a resource (ETag, If-Match, If-None-Match). Pure; thread: any.
 */
#ifndef API_NEGOTIATE_H
#define API_NEGOTIATE_H

#include <stdbool.h>

#include "base/str.h"

/* Whether an Accept takes `type` ("application/json"). p NULL: no such header, anything goes. */
bool negotiate_accepts(struct str accept, const char *type);
/* Whether an Accept-Encoding takes gzip. p NULL: no. */
bool negotiate_gzip(struct str accept_encoding);
/* Whether a Content-Type is `type`, whatever its parameters. p NULL: no. */
bool negotiate_is_type(struct str content_type, const char *type);

#define ETAG_BYTES 21 /* W/"0123456789abcdef" and its NUL */
/* A weak tag: the same for the same bytes of `body`. Returns out. */
char *etag_of(struct str body, char out[ETAG_BYTES]);
/* Whether the list of an If-Match or If-None-Match names `etag` (or is "*"), strong or weak. */
bool etag_is_listed(struct str list, const char *etag);

#endif
