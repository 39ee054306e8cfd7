#include "api/log_entry.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/uuid.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "event/source_set.h"

static void put_text(struct strbuf *out, const char *name, struct str value)
{
	if (!value.p)
		return;
	strbuf_putf(out, ",\"%s\":", name);
	strbuf_put_json(out, value);
}

static void put_source(struct strbuf *out, struct uuid id, const struct source *source)
{
	char text[UUID_TEXT_BYTES];

	strbuf_putf(out, ",\"Source\":{\"Id\":\"%s\"", uuid_format(id, text));
	if (source) {
		put_text(out, "Name", source->name);
		put_text(out, "Site", source->site);
		put_text(out, "Rack", source->rack);
	}
	strbuf_put_char(out, '}');
}

static void put_resolved_by(struct strbuf *out, const struct resolved_by *by)
{
	strbuf_putf(out, ",\"ResolvedBy\":{\"Step\":\"%s\"", resolve_step_name(by->step));
	put_text(out, "Registry", by->registry);
	put_text(out, "Version", by->version);
	put_text(out, "Sha256", by->sha256);
	strbuf_put_char(out, '}');
}

static void put_quirks(struct strbuf *out, uint64_t quirks)
{
	bool first = true;

	if (!quirks)
		return;
	strbuf_put_text(out, ",\"Quirks\":[");
	for (int i = 0; i < QUIRK_COUNT; i++) {
		if (!(quirks >> i & 1))
			continue;
		strbuf_putf(out, "%s\"%s\"", first ? "" : ",", quirk_name((enum quirk)i));
		first = false;
	}
	strbuf_put_char(out, ']');
}

static void put_oem(struct strbuf *out, const struct entry *entry, const struct source *source,
		    struct str language)
{
	const struct event *event = &entry->event;
	char id[UUID_TEXT_BYTES];

	strbuf_putf(out,
		    ",\"Oem\":{\"Rfeventd\":{\"@odata.type\":\"#RfeventdLogEntry.v1_0_0.LogEntry\","
		    "\"EventUuid\":\"%s-%" PRIu32 "\",\"Category\":\"%s\"",
		    uuid_format(entry->delivery, id), event->index, category_name(event->category));
	put_source(out, entry->source, source);
	put_text(out, "EventType", event->event_type);
	put_text(out, "EventTimestamp", event->event_timestamp);
	put_text(out, "Language", language);
	put_resolved_by(out, &event->resolved_by);
	put_quirks(out, event->quirks);
	strbuf_put_text(out, "}}");
}

void log_entry_encode(struct strbuf *out, const struct entry *entry, const struct source *source,
		      const struct wording *wording)
{
	const struct event *event = &entry->event;
	char time[CLOCK_TEXT_BYTES];

	strbuf_putf(out,
		    "{\"@odata.id\":\"" LOG_ENTRIES_PATH "/%" PRId64 "\","
		    "\"@odata.type\":\"#LogEntry.v1_21_0.LogEntry\",\"Id\":\"%" PRId64 "\","
		    "\"Name\":\"Event %" PRId64 "\",\"EntryType\":\"Event\",\"Created\":\"%s\"",
		    entry->seq, entry->seq, entry->seq, clock_format(entry->received_us, time));
	put_text(out, "EventId", event->event_id);
	if (event->has_event_time)
		strbuf_putf(out, ",\"EventTimestamp\":\"%s\"", clock_format(event->event_time_us, time));
	if (event->has_event_group_id)
		strbuf_putf(out, ",\"EventGroupId\":%" PRId64, event->event_group_id);
	put_text(out, "MessageId", event->message_id);
	entry_encode_args(out, event);
	put_text(out, "Message", wording ? wording->message : event->message);
	put_text(out, "Resolution", wording ? wording->resolution : event->resolution);
	if (event->severity != SEVERITY_NONE)
		strbuf_putf(out, ",\"Severity\":\"%s\"", severity_name(event->severity));
	strbuf_putf(out, ",\"AdditionalDataURI\":\"" LOG_ENTRIES_PATH "/%" PRId64 "/attachment\"",
		    entry->seq);
	if (event->origin.len > 0) {
		strbuf_put_text(out, ",\"Links\":{\"OriginOfCondition\":{\"@odata.id\":");
		strbuf_put_json(out, event->origin);
		strbuf_put_text(out, "}}");
	}
	put_oem(out, entry, source, wording ? wording->language : event->language);
	strbuf_put_char(out, '}');
}

/* RFC 4180; a field that a spreadsheet would take for a formula gets a leading apostrophe. */
static void put_field(struct strbuf *out, struct str value)
{
	bool quote = false;

	for (size_t i = 0; i < value.len && !quote; i++)
		quote = value.p[i] == '"' || value.p[i] == ',' || value.p[i] == '\n' || value.p[i] == '\r';
	if (quote)
		strbuf_put_char(out, '"');
	if (value.len > 0 && (value.p[0] == '=' || value.p[0] == '+' || value.p[0] == '@' ||
			      value.p[0] == '-'))
		strbuf_put_char(out, '\'');
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] == '"')
			strbuf_put_char(out, '"');
		strbuf_put_char(out, value.p[i]);
	}
	if (quote)
		strbuf_put_char(out, '"');
}

void log_entry_csv_header(struct strbuf *out)
{
	strbuf_put_text(out, "seq,id,received,source,Category,EventTimestamp,Severity,MessageId,"
			     "MessageArgs,OriginOfCondition,Message,Resolution\r\n");
}

void log_entry_csv(struct strbuf *out, const struct entry *entry, const struct source *source,
		   const struct wording *wording)
{
	const struct event *event = &entry->event;
	char time[CLOCK_TEXT_BYTES], id[UUID_TEXT_BYTES], source_id[UUID_TEXT_BYTES];
	struct strbuf args;

	strbuf_init(&args, 1 << 20);
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		strbuf_put_text(&args, i == 0 ? "[" : ",");
		strbuf_put_json(&args, event->message_args[i]);
	}
	if (args.len > 0)
		strbuf_put_char(&args, ']');
	strbuf_putf(out, "%" PRId64 ",%s-%" PRIu32 ",%s,", entry->seq, uuid_format(entry->delivery, id),
		    event->index, clock_format(entry->received_us, time));
	put_field(out, source ? source->name : str_of(uuid_format(entry->source, source_id)));
	strbuf_putf(out, ",%s,", category_name(event->category));
	put_field(out, event->event_timestamp);
	strbuf_putf(out, ",%s,", severity_name(event->severity));
	put_field(out, event->message_id);
	strbuf_put_char(out, ',');
	put_field(out, strbuf_str(&args));
	strbuf_put_char(out, ',');
	put_field(out, event->origin);
	strbuf_put_char(out, ',');
	put_field(out, wording ? wording->message : event->message);
	strbuf_put_char(out, ',');
	put_field(out, wording ? wording->resolution : event->resolution);
	strbuf_put_text(out, "\r\n");
	strbuf_fini(&args);
}
