#include "api/cloud_event.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "event/entry.h"

#define EVENT_TYPE     "org.dmtf.redfish.event.v1"
#define CONTROL_TYPE   "io.rfeventd.stream." /* and the kind, and ".v1" */
#define CONTROL_SOURCE "/stream"

/* Extension "severity": a number of OpenTelemetry's scale goes with the text. */
static int severity_number(enum severity severity)
{
	switch (severity) {
	case SEVERITY_WARNING: return 13;
	case SEVERITY_CRITICAL: return 18;
	default: return 9;
	}
}

static void put_severity(struct strbuf *out, enum severity severity)
{
	if (severity != SEVERITY_NONE)
		strbuf_putf(out, ",\"severitytext\":\"%s\",\"severitynumber\":%d",
			    severity_name(severity), severity_number(severity));
}

void cloud_event_head(struct strbuf *out, const struct entry *entry)
{
	const struct event *event = &entry->event;
	char id[UUID_TEXT_BYTES], source[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];

	strbuf_putf(out,
		    "{\"specversion\":\"1.0\",\"type\":\"" EVENT_TYPE
		    "\",\"source\":\"/sources/%s\","
		    "\"id\":\"%s-%u\",\"time\":\"%s\"",
		    uuid_format(entry->source, source), uuid_format(entry->delivery, id),
		    (unsigned)event->index, clock_format(entry->received_us, time));
	if (event->origin.len > 0) {
		strbuf_put_text(out, ",\"subject\":");
		strbuf_put_json(out, event->origin);
	}
	/* Extension "sequence": ordered as text. */
	strbuf_putf(out, ",\"sequence\":\"%020lld\"", (long long)entry->seq);
	put_severity(out, event->severity);
	strbuf_put_text(out, ",\"datacontenttype\":\"application/json\",\"data\":");
}

void cloud_event_control_head(struct strbuf *out, const char *kind)
{
	int64_t now_us = clock_time_us();
	char id[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];

	strbuf_putf(out,
		    "{\"specversion\":\"1.0\",\"type\":\"" CONTROL_TYPE
		    "%s.v1\",\"source\":\"" CONTROL_SOURCE
		    "\",\"id\":\"%s\",\"time\":\"%s\",\"datacontenttype\":\"application/"
		    "json\",\"data\":",
		    kind, uuid_format(uuid_v7(now_us), id), clock_format(now_us, time));
}

void cloud_event_tail(struct strbuf *out)
{
	strbuf_put_char(out, '}');
}
