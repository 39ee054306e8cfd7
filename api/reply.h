/* Reply: Redfish answers of the operators' door: headers every answer carries, error bodies. */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "base/str.h"

struct http_request;

/* JSON with the headers of DSP0266 (OData-Version, Cache-Control, Allow `allow` when not NULL). */
void reply_json(struct http_request *request, int status, const char *allow, struct str body);
/* JSON and one more header. */
void reply_json_with(struct http_request *request, int status, const char *name, struct str value,
		     struct str body);
void reply_text(struct http_request *request, int status, const char *type, struct str body);
/* An error body: `key` of the Base registry ("GeneralError"), words of ours. 401 gets its
 * WWW-Authenticate, 503 its Retry-After, 405 its Allow through `allow`. */
void reply_error(struct http_request *request, int status, const char *key, const char *allow,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
