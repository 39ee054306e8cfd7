/* CloudEvents: an Entry as one CloudEvent 1.0 in JSON, structured mode, for /stream's subprotocol
 * cloudevents.json (CloudEvents, "JSON Event Format" and "WebSockets Protocol Binding"). Pure.
 */
#ifndef API_CLOUD_EVENT_H
#define API_CLOUD_EVENT_H

#include "base/str.h"

struct entry;

/* Everything of an event in front of its `data`, which is the Entry. `time` is when it was
 * received: it is there for every event, and what the source says may be no time at all. */
void cloud_event_head(struct strbuf *out, const struct entry *entry);
/* The same of a message about the stream itself ("hello" …), whose `data` is that message. */
void cloud_event_control_head(struct strbuf *out, const char *kind);
void cloud_event_tail(struct strbuf *out);

#endif
