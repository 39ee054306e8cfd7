/* SSE: server-sent events at EventService.ServerSentEventUri, over HTTP/1.1 and HTTP/2.
 *
 * A client is a subscriber of a stream hub on the API's thread: filter, language, backfill from the
 * log and then live, as on the WebSocket. Its frames leave by an answer of no known length
 * (http/server.h). Thread: api.
 */
#ifndef API_SSE_H
#define API_SSE_H

#include "api/resources.h"
#include "api/stream_hub.h"

struct err;
struct sse;

/* On the API's loop. `may_follow` gets api->auth. */
int sse_open(struct api *api, stream_account_fn *may_follow, struct sse **out, struct err *err);
void sse_drain(struct sse *sse); /* every stream ends */
void sse_close(struct sse *sse); /* the HTTP server is freed before; NULL is allowed */
resource_fn sse_get;

#endif
