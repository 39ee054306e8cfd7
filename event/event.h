/* Event: one EventRecord of a delivery, decoded and (later) resolved.
 *
 * A record with open fields. Every str borrows from the arena or page that holds the event; an
 * absent fact has p NULL (present but empty: p not NULL, len 0). Standard: Event.v1_13_0,
 * spec/redfish-eventing 1.2.
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

enum severity { SEVERITY_NONE, SEVERITY_OK, SEVERITY_WARNING, SEVERITY_CRITICAL };
enum category {
	CATEGORY_OTHER,
	CATEGORY_ALERT,
	CATEGORY_LIFECYCLE,
	CATEGORY_CONTROL,
	CATEGORY_TELEMETRY
};
/* How a MessageId found its registry (spec 5.3); stored as a number: append only. */
enum resolve_step {
	STEP_NONE,
	STEP_SENDER,
	STEP_EXACT,
	STEP_NEWER_MINOR,
	STEP_OLDER_MINOR,
	STEP_OTHER_MAJOR,
	STEP_BARE_KEY
};

/* Which registry answered. */
struct resolved_by {
	struct str registry; /* prefix as the registry spells it */
	struct str version;  /* "1.2.0" */
	struct str sha256;   /* lower-case hex of the registry file */
	enum resolve_step step;
};

struct event {
	uint32_t index;	     /* place in the delivery; the event id is "<delivery id>-<index>" */
	struct str event_id; /* the sender's EventId: not an identity */
	struct str event_timestamp; /* raw text as sent */
	int64_t event_time_us;	    /* parsed; valid when has_event_time */
	bool has_event_time;
	bool event_time_sane; /* parses, not before 2015, at most a day after receipt */
	struct str event_type;
	struct str message_id;
	struct str *message_args; /* as text: numbers as JSON text, null "", objects compact JSON */
	uint32_t n_message_args;
	bool has_message_args; /* MessageArgs was given as an array, possibly empty */
	bool has_event_group_id;
	int64_t event_group_id;
	struct str origin;	      /* OriginOfCondition as a URI, whatever its shape was */
	struct str sender_severity;   /* as sent: MessageSeverity, else Severity */
	struct str sender_message;    /* as sent */
	struct str sender_resolution; /* as sent */
	struct str log_entry;	      /* LogEntry link */
	int64_t upstream_seq; /* in the log of the rfeventd that sent it; 0: none did */

	enum severity severity; /* MessageSeverity, Severity, registry, in this order */
	enum category category;
	uint64_t quirks; /* bit set over enum quirk, of this record */

	/* Filled by the resolver (service/pipeline.c); before it step is NONE, message absent. */
	struct str message;    /* the one stored text: never empty once resolved */
	struct str resolution; /* sender's, else the registry's in the default language */
	struct str language;   /* of `message` when it was rendered; absent when the sender's */
	struct resolved_by resolved_by;
};

const char *severity_name(enum severity severity); /* "OK" …; "" for NONE */
/* Tolerant (spec 5.1): "Ok", "WARNING", "Informational" … NONE when unknown. *exact_out (may be
 * NULL) says whether it was one of the three standard spellings. */
enum severity severity_parse(struct str text, bool *exact_out);
const char *category_name(enum category category);
bool category_parse(struct str text, enum category *out);
const char *resolve_step_name(enum resolve_step step); /* "exact", "newer_minor" … */

#endif
