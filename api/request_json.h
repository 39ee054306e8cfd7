/* Request JSON: the object a request brings, or the error that says where it is none. */
#ifndef API_REQUEST_JSON_H
#define API_REQUEST_JSON_H

#include <jansson.h>

struct http_request;

/* New, an object. NULL: refused and answered (EmptyJSON, InvalidJSON with the line, or
 * UnrecognizedRequestBody when it is no object). A property given twice is refused. */
json_t *request_json(struct http_request *request);

#endif
