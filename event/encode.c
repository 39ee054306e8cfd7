/* The contract's Entry as JSON, written straight into the buffer. */
#include "event/entry.h"

#include "base/clock.h"
#include "event/quirks.h"
#include "event/source_set.h"

static void put_text(struct strbuf *out, const char *key, struct str text)
{
	if (!text.p)
		return;
	strbuf_put_text(out, ",\"");
	strbuf_put_text(out, key);
	strbuf_put_text(out, "\":");
	strbuf_put_json(out, text);
}

/* Text of ours that needs no escaping. */
static void put_plain(struct strbuf *out, const char *key, const char *text)
{
	strbuf_put_text(out, ",\"");
	strbuf_put_text(out, key);
	strbuf_put_text(out, "\":\"");
	strbuf_put_text(out, text);
	strbuf_put_char(out, '"');
}

/* A source that enrolled with this very event may not be in the reader's set yet: its name is then
 * what it will be, the peer's address. */
static void put_source(struct strbuf *out, const struct entry *entry, const struct source *source)
{
	char text[UUID_TEXT_BYTES];

	strbuf_put_text(out, ",\"source\":{");
	if (!uuid_is_zero(entry->source)) {
		strbuf_put_text(out, "\"id\":\"");
		strbuf_put_text(out, uuid_format(entry->source, text));
		strbuf_put_char(out, '"');
		put_text(out, "name", source ? source->name : entry->peer);
		if (source) {
			put_text(out, "site", source->site);
			put_text(out, "rack", source->rack);
		}
	}
	strbuf_put_char(out, '}');
}

void entry_encode_args(struct strbuf *out, const struct event *event)
{
	if (!event->has_message_args && event->n_message_args == 0)
		return;
	strbuf_put_text(out, ",\"MessageArgs\":[");
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		if (i > 0)
			strbuf_put_char(out, ',');
		strbuf_put_json(out, event->message_args[i]);
	}
	strbuf_put_char(out, ']');
}

static void put_resolved_by(struct strbuf *out, const struct resolved_by *by)
{
	strbuf_put_text(out, ",\"resolved_by\":{");
	if (by->registry.p) {
		strbuf_put_text(out, "\"registry\":");
		strbuf_put_json(out, by->registry);
		put_text(out, "version", by->version);
		strbuf_put_char(out, ',');
	}
	strbuf_put_text(out, "\"step\":\"");
	strbuf_put_text(out, resolve_step_name(by->step));
	strbuf_put_char(out, '"');
	put_text(out, "sha256", by->sha256);
	strbuf_put_char(out, '}');
}

static void put_quirks(struct strbuf *out, uint64_t quirks)
{
	const char *separator = ",\"quirks\":[\"";

	if (!quirks)
		return;
	for (; quirks; quirks &= quirks - 1) {
		strbuf_put_text(out, separator);
		strbuf_put_text(out, quirk_name((enum quirk)__builtin_ctzll(quirks)));
		separator = "\",\"";
	}
	strbuf_put_text(out, "\"]");
}

static void put_head(struct strbuf *out, const struct entry *entry)
{
	char id[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];

	strbuf_put_text(out, "{\"seq\":");
	if (entry->seq > 0)
		strbuf_put_i64(out, entry->seq);
	else
		strbuf_put_text(out, "null");
	strbuf_put_text(out, ",\"id\":\"");
	strbuf_put_text(out, uuid_format(entry->delivery, id));
	strbuf_put_char(out, '-');
	strbuf_put_u64(out, entry->event.index);
	strbuf_put_char(out, '"');
	put_plain(out, "received", clock_format(entry->received_us, time));
}

void entry_encode(struct strbuf *out, const struct entry *entry, const struct source *source,
		  const struct wording *wording)
{
	const struct event *event = &entry->event;

	put_head(out, entry);
	put_source(out, entry, source);
	put_plain(out, "Category", category_name(event->category));
	put_text(out, "EventId", event->event_id);
	put_text(out, "EventTimestamp", event->event_timestamp);
	put_text(out, "EventType", event->event_type);
	put_text(out, "MessageId", event->message_id);
	entry_encode_args(out, event);
	if (event->severity != SEVERITY_NONE)
		put_plain(out, "Severity", severity_name(event->severity));
	put_text(out, "OriginOfCondition", event->origin);
	if (event->has_event_group_id) {
		strbuf_put_text(out, ",\"EventGroupId\":");
		strbuf_put_i64(out, event->event_group_id);
	}
	put_text(out, "Message", wording ? wording->message : event->message);
	put_text(out, "Resolution", wording ? wording->resolution : event->resolution);
	put_text(out, "language", wording ? wording->language : event->language);
	put_resolved_by(out, &event->resolved_by);
	put_quirks(out, event->quirks);
	strbuf_put_char(out, '}');
}
