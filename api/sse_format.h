/* SSE format: text/event-stream (WHATWG, "Server-sent events") with Redfish payloads.
 *
 * `id:` is "<epoch8>-<seq>": all up to it was sent. Pure. */
#ifndef API_SSE_FORMAT_H
#define API_SSE_FORMAT_H

#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/redfish_event.h"

#define SSE_GAP_MESSAGE "Base.1.22.EventBufferExceeded"

/* Around redfish_event_put(). */
void sse_events_head(struct redfish_event *event);
void sse_events_tail(struct redfish_event *event);
/* An id alone: the client's Last-Event-ID moves, and nothing is dispatched. */
void sse_position(struct strbuf *out, struct uuid epoch, int64_t seq);
/* EventBufferExceeded: what was before `seq` is not all there. */
void sse_gap(struct strbuf *out, struct uuid epoch, int64_t seq, struct str message);
void sse_comment(struct strbuf *out, const char *words);

#endif
