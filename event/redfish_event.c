#include "event/redfish_event.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "event/entry.h"
#include "event/source_set.h"

#define ENTRY_PATH "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries/"

char *redfish_event_id(struct uuid epoch, int64_t seq, char out[REDFISH_EVENT_ID_BYTES])
{
	char text[UUID_TEXT_BYTES];

	snprintf(out, REDFISH_EVENT_ID_BYTES, "%.8s-%lld", uuid_format(epoch, text),
		 (long long)seq);
	return out;
}

bool redfish_event_id_parse(struct str text, char epoch8_out[9], int64_t *seq_out)
{
	if (text.len < 10 || text.p[8] != '-' ||
	    !str_to_i64((struct str){ text.p + 9, text.len - 9 }, seq_out) || *seq_out < 0)
		return false;
	memcpy(epoch8_out, text.p, 8);
	epoch8_out[8] = '\0';
	return strspn(epoch8_out, "0123456789abcdef") == 8;
}

static void put_text(struct strbuf *out, const char *key, struct str text)
{
	if (!text.p)
		return;
	strbuf_putf(out, ",\"%s\":", key);
	strbuf_put_json(out, text);
}

static void put_link(struct strbuf *out, const char *key, struct str uri)
{
	if (uri.len == 0)
		return;
	strbuf_putf(out, ",\"%s\":{\"@odata.id\":", key);
	strbuf_put_json(out, uri);
	strbuf_put_char(out, '}');
}

void redfish_event_begin(struct redfish_event *event)
{
	strbuf_put_text(event->out, "{\"@odata.type\":\"#Event.v1_13_0.Event\","
				    "\"Name\":\"Events of rfeventd\"");
	put_text(event->out, "Context", event->context);
	strbuf_put_text(event->out, ",\"Events\":[");
	event->n = 0;
}

/* EventType is required by the schema; Other says no more than its absence. */
static void put_kind(struct strbuf *out, const struct event *event)
{
	put_text(out, "EventType", event->event_type.len > 0 ? event->event_type : STR("Other"));
	put_text(out, "EventTimestamp", event->event_timestamp);
	put_text(out, "MessageId", event->message_id);
	entry_encode_args(out, event);
	if (event->severity != SEVERITY_NONE) {
		put_text(out, "MessageSeverity", str_of(severity_name(event->severity)));
		put_text(out, "Severity", str_of(severity_name(event->severity)));
	}
	put_link(out, "OriginOfCondition", event->origin);
	if (event->has_event_group_id)
		strbuf_putf(out, ",\"EventGroupId\":%lld", (long long)event->event_group_id);
}

static void put_oem(struct strbuf *out, const struct entry *entry, const struct source *source)
{
	char id[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];

	strbuf_putf(out,
		    ",\"Oem\":{\"Rfeventd\":{\"@odata.type\":\"#RfeventdEvent.v1_0_0.EventRecord\","
		    "\"Seq\":%lld,\"Received\":\"%s\",\"Source\":{\"Id\":\"%s\"",
		    (long long)entry->seq, clock_format(entry->received_us, time),
		    uuid_format(entry->source, id));
	if (source) {
		put_text(out, "Name", source->name);
		put_text(out, "Site", source->site);
		put_text(out, "Rack", source->rack);
	}
	strbuf_put_char(out, '}');
	put_text(out, "EventId", entry->event.event_id);
	strbuf_put_text(out, "}}");
}

void redfish_event_put(struct redfish_event *event, const struct entry *entry,
		       const struct source *source, const struct wording *wording)
{
	struct strbuf *out = event->out;
	char id[REDFISH_EVENT_ID_BYTES];

	strbuf_putf(out, "%s{\"MemberId\":\"%zu\",\"EventId\":\"%s\"", event->n > 0 ? "," : "",
		    event->n, redfish_event_id(event->epoch, entry->seq, id));
	event->n++;
	event->last_seq = entry->seq;
	put_kind(out, &entry->event);
	put_text(out, "Message", wording ? wording->message : entry->event.message);
	put_text(out, "Resolution", wording ? wording->resolution : entry->event.resolution);
	strbuf_putf(out, ",\"LogEntry\":{\"@odata.id\":\"" ENTRY_PATH "%lld\"}",
		    (long long)entry->seq);
	put_oem(out, entry, source);
	strbuf_put_char(out, '}');
}

void redfish_event_end(struct redfish_event *event, int64_t through)
{
	char id[REDFISH_EVENT_ID_BYTES];

	strbuf_putf(event->out, "],\"Events@odata.count\":%zu,\"Id\":\"%s\"", event->n,
		    redfish_event_id(event->epoch, event->last_seq, id));
	if (!uuid_is_zero(event->stream))
		strbuf_putf(event->out,
			    ",\"Oem\":{\"Rfeventd\":{\"@odata.type\":"
			    "\"#RfeventdEvent.v1_0_0.Event\","
			    "\"Stream\":\"%s\",\"After\":%lld,\"Through\":%lld}}",
			    uuid_format(event->stream, id), (long long)event->after,
			    (long long)through);
	strbuf_put_char(event->out, '}');
}
