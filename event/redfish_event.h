/* Redfish event: entries of the log as a standard Event payload (Event.v1_13_0), for subscribers
 * that speak Redfish: server-sent events and deliveries to other receivers.
 *
 * What the source said stays as it said it: MessageId, arguments, origin, EventTimestamp. Our own
 * facts stand under Oem.Rfeventd: which source of ours it was, its EventId, and the event's place
 * in our log, by which another rfeventd logs each event once (event/upstream.h). Pure; thread: any.
 */
#ifndef EVENT_REDFISH_EVENT_H
#define EVENT_REDFISH_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct entry;
struct source;
struct wording;

#define REDFISH_EVENT_ID_BYTES 40 /* "019ad5c2-9223372036854775807" and its NUL */

/* "<first 8 of the epoch>-<seq>": the payload's Id, a record's EventId, the id of SSE. */
char *redfish_event_id(struct uuid epoch, int64_t seq, char out[REDFISH_EVENT_ID_BYTES]);
/* Whether `text` is such an id; *epoch8_out has its first part. */
bool redfish_event_id_parse(struct str text, char epoch8_out[9], int64_t *seq_out);

struct redfish_event {
	struct strbuf *out; /* the caller's */
	struct uuid epoch;
	struct str context; /* p NULL: none */
	struct uuid stream; /* zero: none is told (SSE) … */
	int64_t after;      /* … else what it covers: (after, through], through by _end() */
	size_t n;           /* records so far … */
	int64_t last_seq; /* … and the last one's, which the payload's Id has */
};

/* Set out, epoch, context, stream and after before. */
void redfish_event_begin(struct redfish_event *event);
void redfish_event_put(struct redfish_event *event, const struct entry *entry,
		       const struct source *source, const struct wording *wording);
void redfish_event_end(struct redfish_event *event, int64_t through);

#endif
