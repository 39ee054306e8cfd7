#include "api/sse_format.h"

#include "base/clock.h"

void sse_events_head(struct redfish_event *event)
{
	strbuf_put_text(event->out, "data: ");
	redfish_event_begin(event);
}

static void put_id(struct strbuf *out, struct uuid epoch, int64_t seq)
{
	char id[REDFISH_EVENT_ID_BYTES];

	strbuf_putf(out, "id: %s\n\n", redfish_event_id(epoch, seq, id));
}

void sse_events_tail(struct redfish_event *event)
{
	redfish_event_end(event, event->last_seq);
	strbuf_put_char(event->out, '\n');
	put_id(event->out, event->epoch, event->last_seq);
}

void sse_position(struct strbuf *out, struct uuid epoch, int64_t seq)
{
	put_id(out, epoch, seq);
}

void sse_gap(struct strbuf *out, struct uuid epoch, int64_t seq, struct str message)
{
	char id[REDFISH_EVENT_ID_BYTES], time[CLOCK_TEXT_BYTES];

	redfish_event_id(epoch, seq, id);
	strbuf_putf(
		out,
		"data: {\"@odata.type\":\"#Event.v1_13_0.Event\",\"Id\":\"%s\",\"Name\":"
		"\"Events are missing\",\"Events\":[{\"MemberId\":\"0\",\"EventType\":\"Other\","
		"\"EventId\":\"%s\",\"EventTimestamp\":\"%s\",\"MessageSeverity\":\"Warning\","
		"\"Severity\":\"Warning\",\"MessageId\":\"" SSE_GAP_MESSAGE "\",\"MessageArgs\":[]",
		id, id, clock_format(clock_time_us(), time));
	if (message.len > 0) {
		strbuf_put_text(out, ",\"Message\":");
		strbuf_put_json(out, message);
	}
	strbuf_put_text(out, "}]}\n");
	put_id(out, epoch, seq);
}

void sse_comment(struct strbuf *out, const char *words)
{
	strbuf_putf(out, ": %s\n\n", words);
}
