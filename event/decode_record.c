/* The third stage of decode: one EventRecord into a struct event. Spec 1.2 to 1.4. */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "event/category.h"
#include "event/decode_priv.h"
#include "event/delivery.h"
#include "event/limits.h"
#include "event/tree.h"
#include "event/upstream.h"

/* 2015-01-01: no Redfish service pushed events before. */
#define SANE_FROM_US   (1420070400 * CLOCK_US_PER_S)
#define SANE_AHEAD_US  (86400 * CLOCK_US_PER_S)
#define OEM_LOOK_DEPTH 4 /* how far telemetry is looked for below Oem */

/* Every property of EventRecord up to Event.v1_13_0, those read here first, then what LogEntry
 * brings. Those of no form have their own quirks below. */
enum {
	P_EVENT_TYPE,
	P_MESSAGE_ID,
	P_MEMBER_ID,
	P_EVENT_ID,
	P_EVENT_TIMESTAMP,
	P_SEVERITY,
	P_MESSAGE_SEVERITY,
	P_MESSAGE,
	P_MESSAGE_ARGS,
	P_ORIGIN,
	P_CONTEXT,
	P_EVENT_GROUP_ID,
	P_LOG_ENTRY,
	P_RESOLUTION,
	P_OEM,
	P_ACTIONS,
	P_ENTRY_TYPE,
	P_CREATED,
	P_FIRST_OTHER,
};

static const struct property properties[] = {
	[P_EVENT_TYPE] = PROPERTY("EventType", 't'),
	[P_MESSAGE_ID] = PROPERTY("MessageId", 't'),
	[P_MEMBER_ID] = PROPERTY("MemberId", 't'),
	[P_EVENT_ID] = PROPERTY("EventId", 't'),
	[P_EVENT_TIMESTAMP] = PROPERTY("EventTimestamp", 't'),
	[P_SEVERITY] = PROPERTY("Severity", 't'),
	[P_MESSAGE_SEVERITY] = PROPERTY("MessageSeverity", 't'),
	[P_MESSAGE] = PROPERTY("Message", 't'),
	[P_MESSAGE_ARGS] = PROPERTY("MessageArgs", 0),
	[P_ORIGIN] = PROPERTY("OriginOfCondition", 0),
	[P_CONTEXT] = PROPERTY("Context", 'T'),
	[P_EVENT_GROUP_ID] = PROPERTY("EventGroupId", 0),
	[P_LOG_ENTRY] = PROPERTY("LogEntry", 'l'),
	[P_RESOLUTION] = PROPERTY("Resolution", 't'),
	[P_OEM] = PROPERTY("Oem", 'O'),
	[P_ACTIONS] = PROPERTY("Actions", 0),
	[P_ENTRY_TYPE] = PROPERTY("EntryType", 't'),
	[P_CREATED] = PROPERTY("Created", 't'),
	[P_FIRST_OTHER] = PROPERTY("OriginOfConditionUnavailable", 'B'),
	PROPERTY("SpecificEventExistsInGroup", 'b'),
	PROPERTY("CPER", 'O'),
	PROPERTY("DiagnosticData", 'T'),
	PROPERTY("DiagnosticDataType", 'T'),
	PROPERTY("OEMDiagnosticDataType", 'T'),
	PROPERTY("AdditionalDataURI", 'T'),
	PROPERTY("AdditionalDataSizeBytes", 'I'),
	PROPERTY("ResolutionSteps", 'a'),
	PROPERTY("Username", 'T'),
	PROPERTY("UserAuthenticationSource", 'T'),
	PROPERTY("OriginAddress", 'T'),
	PROPERTY("EntryCode", 'T'),
	PROPERTY("Name", 't'),
	PROPERTY("Id", 't'),
	PROPERTY("SensorType", 'T'),
	PROPERTY("SensorNumber", 'I'),
	PROPERTY("OemRecordFormat", 'T'),
	PROPERTY("GeneratorId", 'T'),
};

#define N_PROPERTIES ARRAY_LEN(properties)
#define N_STANDARD   (N_PROPERTIES - 7)

static const char *const event_types[] = { "StatusChange",  "ResourceUpdated",
					   "ResourceAdded", "ResourceRemoved",
					   "Alert",         "MetricReport",
					   "Other" };

struct record {
	struct decoding *d;
	const struct tree *object;
	bool bare;
	struct event *event;
	struct found found[N_PROPERTIES];
	size_t n_unknown;
};

bool decode_looks_like_record(const struct tree *object)
{
	static const int telling[] = { P_EVENT_TYPE,      P_MESSAGE_ID,   P_EVENT_ID,
				       P_EVENT_TIMESTAMP, P_SEVERITY,     P_MESSAGE_SEVERITY,
				       P_MESSAGE,         P_MESSAGE_ARGS, P_ORIGIN,
				       P_MEMBER_ID };
	struct found found[N_PROPERTIES];
	uint64_t ignored = 0;
	size_t n_unknown;

	decode_properties(object, properties, N_PROPERTIES, found, &n_unknown, &ignored);
	for (size_t i = 0; i < ARRAY_LEN(telling); i++) {
		if (found[telling[i]].value)
			return true;
	}
	/* A record by reference stands alone, too. */
	return tree_count(object) == 1 && tree_member(object, STR("@odata.id"));
}

static void check_forms(struct record *r)
{
	for (size_t i = 0; i < N_PROPERTIES; i++) {
		if (r->found[i].value && !decode_has_form(r->found[i].value, properties[i].form))
			r->event->quirks |= QUIRK_BIT(PROPERTY_FORM);
	}
}

/* --- texts ------------------------------------------------------------------------------------ */

static struct str column(struct decoding *d, struct str text, uint64_t *quirks)
{
	struct str kept = { 0 };

	if (text.p)
		kept = decode_column(d->arena, text, quirks);
	if (!kept.p)
		d->full = true;
	return kept;
}

struct str decode_value_text(struct decoding *d, const struct tree *value, uint64_t *quirks)
{
	if (!value || tree_is(value, TREE_NULL))
		return (struct str){ 0 };
	if (tree_is(value, TREE_STRING))
		return column(d, value->text, quirks);
	return column(d, decode_compact(d->arena, value), quirks);
}

static struct str property_text(struct record *r, int property)
{
	return decode_value_text(r->d, r->found[property].value, &r->event->quirks);
}

/* The URI in a link, whichever way it is written; p NULL when there is none. */
static struct str link_text(struct record *r, const struct tree *value)
{
	static const struct property names[] = { PROPERTY("@odata.id", 't'),
						 PROPERTY("href", 't') };
	struct found found[ARRAY_LEN(names)];
	size_t n_unknown;

	while (tree_is(value, TREE_ARRAY))
		value = tree_first(value);
	if (tree_is(value, TREE_STRING))
		return decode_value_text(r->d, value, &r->event->quirks);
	if (!tree_is(value, TREE_OBJECT))
		return (struct str){ 0 };
	decode_properties(value, names, ARRAY_LEN(names), found, &n_unknown, &r->event->quirks);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (tree_is(found[i].value, TREE_STRING))
			return decode_value_text(r->d, found[i].value, &r->event->quirks);
	}
	return (struct str){ 0 };
}

/* --- one property each ------------------------------------------------------------------------ */

static void decode_event_type(struct record *r)
{
	struct event *event = r->event;

	event->event_type = property_text(r, P_EVENT_TYPE);
	if (!event->event_type.p) {
		event->quirks |= QUIRK_BIT(EVENT_TYPE_MISSING);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(event_types); i++) {
		if (str_eq(event->event_type, str_of(event_types[i])))
			return;
	}
	event->quirks |= QUIRK_BIT(EVENT_TYPE_UNKNOWN);
}

static size_t count_digits(struct str s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static struct str skip(struct str s, size_t n)
{
	return n > 0 ? (struct str){ s.p + n, s.len - n } : s; /* an absent one has no p */
}

/* Prefix.Major.Minor.Key, and no patch number in between: what the schema's pattern means. */
static bool message_id_is_standard(struct str id)
{
	size_t n = 0;

	while (n < id.len && is_alnum(id.p[n]))
		n++;
	if (n == 0)
		return false;
	id = skip(id, n);
	for (int part = 0; part < 2; part++) {
		if (id.len == 0 || id.p[0] != '.' || (n = count_digits(skip(id, 1))) == 0)
			return false;
		id = skip(id, n + 1);
	}
	if (id.len < 2 || id.p[0] != '.')
		return false;
	id = skip(id, 1);
	n = count_digits(id);
	if (n > 0 && n < id.len && id.p[n] == '.')
		return false;
	for (size_t i = 0; i < id.len; i++) {
		if (!is_alnum(id.p[i]) && id.p[i] != '.')
			return false;
	}
	return true;
}

static void decode_message_id(struct record *r)
{
	struct event *event = r->event;

	event->message_id = property_text(r, P_MESSAGE_ID);
	if (event->message_id.len == 0)
		event->quirks |= QUIRK_BIT(MESSAGE_ID_MISSING);
	else if (!message_id_is_standard(event->message_id))
		event->quirks |= QUIRK_BIT(MESSAGE_ID_FORM);
}

static void decode_argument(struct record *r, const struct tree *item, struct str *out)
{
	struct event *event = r->event;

	if (tree_is(item, TREE_NULL)) {
		event->quirks |= QUIRK_BIT(ARGS_NULL);
		*out = STR("");
		return;
	}
	if (!tree_is(item, TREE_STRING))
		event->quirks |= QUIRK_BIT(ARGS_NOT_TEXT);
	*out = decode_value_text(r->d, item, &event->quirks);
	if (out->p && str_trim(*out).len != out->len)
		event->quirks |= QUIRK_BIT(ARGS_BLANKS);
}

static bool reserve_args(struct record *r, size_t n)
{
	r->event->message_args = arena_alloc(r->d->arena, n * sizeof(struct str));
	r->d->full |= !r->event->message_args;
	return r->event->message_args != NULL;
}

static void decode_args_array(struct record *r, const struct tree *array)
{
	const struct tree *item = tree_first(array);
	size_t n = tree_count(array);

	r->event->has_message_args = true;
	if (n > DECODE_MAX_ARGS) {
		r->event->quirks |= QUIRK_BIT(TEXT_CUT);
		n = DECODE_MAX_ARGS;
	}
	if (n == 0 || !reserve_args(r, n))
		return;
	for (size_t i = 0; i < n; i++, item = item->next)
		decode_argument(r, item, &r->event->message_args[i]);
	r->event->n_message_args = (uint32_t)n;
}

static void decode_args(struct record *r)
{
	const struct tree *args = r->found[P_MESSAGE_ARGS].value;

	if (!args)
		return;
	if (tree_is(args, TREE_ARRAY)) {
		decode_args_array(r, args);
		return;
	}
	if (tree_is(args, TREE_NULL)) {
		r->event->quirks |= QUIRK_BIT(ARGS_NULL);
		return;
	}
	/* One argument without the brackets. */
	r->event->quirks |= QUIRK_BIT(ARGS_NOT_ARRAY);
	if (!reserve_args(r, 1))
		return;
	r->event->message_args[0] = property_text(r, P_MESSAGE_ARGS);
	r->event->n_message_args = 1;
}

static bool has_placeholder(struct str text)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.p[i] == '%' && text.p[i + 1] >= '1' && text.p[i + 1] <= '9')
			return true;
	}
	return false;
}

static void decode_message(struct record *r)
{
	struct event *event = r->event;

	event->sender_message = property_text(r, P_MESSAGE);
	if (event->sender_message.len == 0)
		event->quirks |= QUIRK_BIT(MESSAGE_MISSING);
	else if (event->n_message_args > 0 && has_placeholder(event->sender_message))
		event->quirks |= QUIRK_BIT(MESSAGE_TEMPLATE);
	event->sender_resolution = property_text(r, P_RESOLUTION);
}

static void decode_severity(struct record *r)
{
	struct event *event = r->event;
	struct str candidates[] = { property_text(r, P_MESSAGE_SEVERITY),
				    property_text(r, P_SEVERITY) };

	for (size_t i = 0; i < ARRAY_LEN(candidates); i++) {
		bool exact;

		if (!candidates[i].p)
			continue;
		if (!event->sender_severity.p)
			event->sender_severity = candidates[i];
		if (event->severity == SEVERITY_NONE) {
			event->severity = severity_parse(candidates[i], &exact);
			if (!exact)
				event->quirks |= QUIRK_BIT(SEVERITY_FORM);
			if (event->severity != SEVERITY_NONE)
				event->sender_severity = candidates[i];
		}
	}
	if (!event->sender_severity.p)
		event->quirks |= QUIRK_BIT(SEVERITY_MISSING);
}

static void decode_origin(struct record *r)
{
	const struct tree *value = r->found[P_ORIGIN].value;
	struct event *event = r->event;

	if (!value)
		return;
	event->origin = link_text(r, value);
	if (tree_is(value, TREE_STRING)) {
		event->quirks |= QUIRK_BIT(ORIGIN_STRING);
		return;
	}
	if (!tree_is(value, TREE_OBJECT) || !event->origin.p) {
		event->quirks |= QUIRK_BIT(ORIGIN_FORM);
		return;
	}
	for (const struct tree *member = tree_first(value); member; member = member->next) {
		if (str_find_char(member->key, '@') == member->key.len &&
		    !str_eq_nocase(member->key, STR("href")))
			event->quirks |= QUIRK_BIT(ORIGIN_RESOURCE);
	}
}

static void decode_timestamp(struct record *r)
{
	struct event *event = r->event;
	bool strict = true;

	event->event_timestamp = property_text(r, P_EVENT_TIMESTAMP);
	if (event->event_timestamp.len == 0 && r->found[P_CREATED].value)
		event->event_timestamp = property_text(r, P_CREATED);
	if (event->event_timestamp.len == 0) {
		event->quirks |= QUIRK_BIT(TIMESTAMP_MISSING);
		return;
	}
	event->has_event_time = clock_parse(event->event_timestamp, &event->event_time_us, &strict);
	if (!event->has_event_time) {
		event->quirks |= QUIRK_BIT(TIMESTAMP_UNREADABLE);
		return;
	}
	if (!strict)
		event->quirks |= QUIRK_BIT(TIMESTAMP_FORM);
	event->event_time_sane =
		event->event_time_us >= SANE_FROM_US &&
		event->event_time_us <= r->d->delivery->received_us + SANE_AHEAD_US;
	if (!event->event_time_sane)
		event->quirks |= QUIRK_BIT(TIMESTAMP_INSANE);
}

static void decode_group_id(struct record *r)
{
	const struct tree *value = r->found[P_EVENT_GROUP_ID].value;
	struct event *event = r->event;
	struct str text;

	if (!value)
		return;
	if (tree_is(value, TREE_INTEGER) && value->fits) {
		event->event_group_id = value->number;
		event->has_event_group_id = true;
		return;
	}
	event->quirks |= QUIRK_BIT(GROUP_ID_FORM);
	text = property_text(r, P_EVENT_GROUP_ID);
	event->has_event_group_id = str_to_i64(str_trim(text), &event->event_group_id);
}

/* --- what kind of record ---------------------------------------------------------------------- */

static bool is_telemetry_name(struct str key)
{
	static const struct str report = { "MetricReport", 12 };

	return str_eq_nocase(key, STR("MetricValues")) ||
	       (key.len >= report.len &&
		str_eq_nocase((struct str){ key.p, report.len }, report)) ||
	       str_eq_nocase(key, STR("Sensors")); /* Cray: Oem.Sensors in every record */
}

static bool holds_telemetry(const struct tree *value, int depth)
{
	if (depth == 0)
		return false;
	for (const struct tree *item = tree_first(value); item; item = item->next) {
		if (item->key.p && is_telemetry_name(item->key) &&
		    (tree_is(item, TREE_ARRAY) || tree_is(item, TREE_OBJECT)))
			return true;
		if (holds_telemetry(item, depth - 1))
			return true;
	}
	return false;
}

/* How many properties there are besides `property` and annotations. */
static size_t count_besides(const struct record *r, int property)
{
	size_t n = r->n_unknown;

	for (size_t i = 0; i < N_PROPERTIES; i++)
		n += (int)i != property && r->found[i].value;
	return n;
}

static void note_kind(struct record *r)
{
	struct event *event = r->event;

	if (r->found[P_OEM].value) {
		if (count_besides(r, P_OEM) == 0)
			event->quirks |= QUIRK_BIT(RECORD_OEM_ONLY);
		if (holds_telemetry(r->found[P_OEM].value, OEM_LOOK_DEPTH))
			event->quirks |= QUIRK_BIT(METRIC_IN_OEM);
	} else if (count_besides(r, -1) == 0 && tree_member(r->object, STR("@odata.id"))) {
		event->quirks |= QUIRK_BIT(RECORD_REFERENCE);
	}
	for (size_t i = N_STANDARD; i < N_PROPERTIES; i++) {
		bool of_envelope = r->bare && (strcmp(properties[i].name, "Id") == 0 ||
					       strcmp(properties[i].name, "Name") == 0);

		if (r->found[i].value && !of_envelope)
			event->quirks |= QUIRK_BIT(RECORD_LOG_ENTRY);
	}
	if (r->found[P_ENTRY_TYPE].value || r->found[P_CREATED].value)
		event->quirks |= QUIRK_BIT(RECORD_LOG_ENTRY);
	if (r->found[P_ACTIONS].value && !tree_is(r->found[P_ACTIONS].value, TREE_OBJECT))
		event->quirks |= QUIRK_BIT(ACTIONS_FORM);
	if (!r->found[P_MEMBER_ID].value)
		event->quirks |= QUIRK_BIT(MEMBER_ID_MISSING);
	if (r->found[P_CONTEXT].value)
		event->quirks |= QUIRK_BIT(RECORD_CONTEXT);
}

/* What a LogEntry has elsewhere or not at all (LogEntry.v1_21_0): none of it is odd there. */
static void decode_log_entry(struct record *r)
{
	static const uint64_t ordinary = QUIRK_BIT(RECORD_LOG_ENTRY) | QUIRK_BIT(EVENT_TYPE_MISSING) |
					 QUIRK_BIT(MEMBER_ID_MISSING) | QUIRK_BIT(UNKNOWN_PROPERTY);
	const struct tree *own = tree_member(r->object, STR("@odata.id"));
	const struct tree *links = tree_member(r->object, STR("Links"));
	const struct tree *origin = tree_is(links, TREE_OBJECT) ?
					    tree_member(links, STR("OriginOfCondition")) :
					    NULL;
	struct event *event = r->event;

	event->quirks = (event->quirks & ~ordinary) | QUIRK_BIT(BACKFILLED);
	if (!event->origin.p && origin)
		event->origin = link_text(r, origin);
	if (!own)
		own = tree_member(r->object, STR("Id"));
	event->log_entry = decode_value_text(r->d, own, &event->quirks);
}

/* A first view of the category; the resolver looks again with what the registry knows. */
static void derive_category(struct event *event)
{
	struct str id = event->message_id, prefix = { 0 };
	size_t dot = str_find_char(id, '.'), last = id.len;

	if (dot < id.len)
		prefix = (struct str){ id.p, dot };
	while (last > 0 && id.p[last - 1] != '.')
		last--;
	event->category = category_of(event, prefix, skip(id, last));
}

void decode_record(struct decoding *d, const struct tree *object, bool bare, struct event *event,
		   struct str *context_out)
{
	struct record r = { .d = d, .object = object, .bare = bare, .event = event };

	decode_properties(object, properties, N_PROPERTIES, r.found, &r.n_unknown, &event->quirks);
	if (r.n_unknown > 0)
		event->quirks |= QUIRK_BIT(UNKNOWN_PROPERTY);
	check_forms(&r);
	note_kind(&r);
	decode_event_type(&r);
	decode_message_id(&r);
	event->event_id = property_text(&r, P_EVENT_ID);
	decode_timestamp(&r);
	decode_args(&r);
	decode_message(&r);
	decode_severity(&r);
	decode_origin(&r);
	decode_group_id(&r);
	if (r.found[P_LOG_ENTRY].value)
		event->log_entry = link_text(&r, r.found[P_LOG_ENTRY].value);
	if (d->delivery->flags & DELIVERY_BACKFILLED)
		decode_log_entry(&r);
	event->upstream_seq = upstream_seq(r.found[P_OEM].value);
	*context_out = property_text(&r, P_CONTEXT);
	derive_category(event);
}
