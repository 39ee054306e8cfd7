#include "event/decode.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/decode_priv.h"
#include "event/delivery.h"
#include "event/guard.h"
#include "event/limits.h"

#define CRASHES_ALLOWED 1 /* the next one quarantines */

/* The envelope, Event up to v1_13_0 (spec 1.1), and what tells it from others. */
enum {
	E_ODATA_TYPE,
	E_ID,
	E_CONTEXT,
	E_EVENTS,
	E_ACTIONS,
	E_OEM,
	E_NAME,
	E_DESCRIPTION,
	E_ALERTS, /* not in the schema: seen instead of Events */
	E_METRIC_VALUES,
};

static const struct property properties[] = {
	[E_ODATA_TYPE] = PROPERTY("@odata.type", 0),
	[E_ID] = PROPERTY("Id", 0),
	[E_CONTEXT] = PROPERTY("Context", 0),
	[E_EVENTS] = PROPERTY("Events", 0),
	[E_ACTIONS] = PROPERTY("Actions", 0),
	[E_OEM] = PROPERTY("Oem", 0),
	[E_NAME] = PROPERTY("Name", 0),
	[E_DESCRIPTION] = PROPERTY("Description", 0),
	[E_ALERTS] = PROPERTY("Alerts", 0),
	[E_METRIC_VALUES] = PROPERTY("MetricValues", 0),
};

#define N_PROPERTIES ARRAY_LEN(properties)

struct envelope {
	const json_t *object;
	struct str place;
	struct found found[N_PROPERTIES];
	size_t n_unknown;
	uint64_t quirks; /* of its property names */
};

/* --- room for what is found ------------------------------------------------------------------- */

static void *grow(struct decoding *d, const void *old, size_t n_old, size_t n_new, size_t size)
{
	void *p = arena_alloc(d->arena, n_new * size);

	if (!p)
		d->full = true;
	else if (n_old > 0)
		memcpy(p, old, n_old * size);
	return p;
}

/* Room for one more event; NULL when the arena is full. `hint`: how many may follow. */
static struct event *add_event(struct decoding *d, json_t *tree, struct str place, size_t hint)
{
	struct delivery *delivery = d->delivery;
	uint32_t n = delivery->n_events, n_room = d->n_room;

	if (n == n_room) {
		n_room = n + (hint > n ? (uint32_t)hint : n) + 1;
		d->events = grow(d, d->events, n, n_room, sizeof(d->events[0]));
		d->trees = grow(d, d->trees, n, n_room, sizeof(d->trees[0]));
		d->places = grow(d, d->places, n, n_room, sizeof(d->places[0]));
		if (d->full)
			return NULL;
		d->n_room = n_room;
		delivery->events = d->events;
	}
	d->trees[n] = tree;
	d->places[n] = place;
	d->events[n].index = d->n_records++;
	delivery->n_events++;
	return &d->events[n];
}

static void quarantine(struct decoding *d, const char *reason, struct str detail, struct str place)
{
	struct delivery *delivery = d->delivery;
	uint32_t n = delivery->n_quarantined, n_room = d->n_quarantined_room;
	uint64_t ignored = 0;

	if (n == n_room) {
		n_room = n * 2 + 4;
		delivery->quarantined =
			grow(d, delivery->quarantined, n, n_room, sizeof(delivery->quarantined[0]));
		if (d->full)
			return;
		d->n_quarantined_room = n_room;
	}
	delivery->quarantined[n] = (struct quarantined_record){
		.index = d->n_records++,
		.reason = reason,
		.detail = detail,
		.raw = decode_column(d->arena, place, &ignored),
	};
	delivery->n_quarantined++;
}

/* --- records ---------------------------------------------------------------------------------- */

static const char *type_words(const json_t *value)
{
	static const char *const words[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "a boolean",
		[JSON_FALSE] = "a boolean",  [JSON_NULL] = "null",
	};

	return words[json_typeof(value)];
}

static void take_record(struct decoding *d, json_t *record, struct str place, bool bare,
			size_t hint)
{
	struct str context;
	struct event *event;

	if (!json_is_object(record)) {
		quarantine(
			d, "record_not_object",
			arena_putf(d->arena, "the record is %s, not an object", type_words(record)),
			place);
		return;
	}
	event = add_event(d, record, place, hint);
	if (!event)
		return;
	decode_record(d, record, place, bare, event, &context);
	if (!d->delivery->context.p)
		d->delivery->context = context;
}

static void take_records(struct decoding *d, const json_t *array, struct str rest)
{
	size_t n = json_array_size(array);

	for (size_t i = 0; i < n && !d->full; i++) {
		struct str place = { 0 }, before = rest;

		if (d->n_records >= DECODE_MAX_EVENTS) {
			quarantine(d, "too_many_records",
				   arena_putf(d->arena,
					      "%zu more records than the %u that are read", n - i,
					      DECODE_MAX_EVENTS),
				   before);
			return;
		}
		if (rest.p)
			json_place_next_item(&rest, &place);
		take_record(d, json_array_get(array, i), place, false,
			    n < DECODE_MAX_EVENTS ? n : DECODE_MAX_EVENTS);
	}
}

/* JSON that says nothing we know: it must not get lost. */
static void take_unidentified(struct decoding *d, struct str place)
{
	struct event *event = add_event(d, NULL, place, 1);

	if (event)
		event->quirks = QUIRK_BIT(NOT_AN_EVENT) | QUIRK_BIT(MESSAGE_ID_MISSING);
}

/* --- envelopes -------------------------------------------------------------------------------- */

static bool take_digits(const char **p)
{
	const char *start = *p;

	while (**p >= '0' && **p <= '9')
		(*p)++;
	return *p > start;
}

/* "#Event.v1_4_0.Event" and nothing else. */
static bool type_is_event(const json_t *value)
{
	const char *p = json_string_value(value);

	if (!p || strncmp(p, "#Event.v", 8) != 0)
		return false;
	p += 8;
	for (int i = 0; i < 3; i++) {
		if (!take_digits(&p) || *p++ != (i < 2 ? '_' : '.'))
			return false;
	}
	return strcmp(p, "Event") == 0;
}

static bool type_names(const struct envelope *envelope, const char *word)
{
	const char *type = json_string_value(envelope->found[E_ODATA_TYPE].value);

	return type && strcasestr(type, word);
}

static void read_envelope(struct envelope *envelope, const json_t *object, struct str place)
{
	*envelope = (struct envelope){ .object = object, .place = place };
	decode_properties(object, properties, N_PROPERTIES, envelope->found, &envelope->n_unknown,
			  &envelope->quirks);
}

static bool is_metric_report(const struct envelope *envelope)
{
	if (envelope->found[E_EVENTS].value || envelope->found[E_ALERTS].value)
		return false;
	return json_is_array(envelope->found[E_METRIC_VALUES].value) ||
	       type_names(envelope, "#MetricReport.");
}

/* What the envelope itself says, and where it departs from the standard. */
static void take_envelope(struct decoding *d, struct envelope *envelope)
{
	struct delivery *delivery = d->delivery;
	uint64_t *quirks = &delivery->quirks;
	struct found *found = envelope->found;
	struct str id, context;

	*quirks |= envelope->quirks;
	if (!found[E_ODATA_TYPE].value)
		*quirks |= QUIRK_BIT(ODATA_TYPE_MISSING);
	else if (!type_is_event(found[E_ODATA_TYPE].value))
		*quirks |= QUIRK_BIT(ODATA_TYPE_ODD);
	if (!found[E_ID].value)
		*quirks |= QUIRK_BIT(ID_MISSING);
	else if (!json_is_string(found[E_ID].value))
		*quirks |= QUIRK_BIT(ID_NOT_TEXT);
	if (envelope->n_unknown > 0 || found[E_ALERTS].value || found[E_METRIC_VALUES].value)
		*quirks |= QUIRK_BIT(UNKNOWN_PROPERTY);
	if (found[E_ACTIONS].value && !json_is_object(found[E_ACTIONS].value))
		*quirks |= QUIRK_BIT(ACTIONS_FORM);
	id = decode_value_text(d, &found[E_ID], envelope->place, quirks);
	if (!delivery->envelope_id.p)
		delivery->envelope_id = id;
	context = decode_value_text(d, &found[E_CONTEXT], envelope->place, quirks);
	if (context.p && !delivery->context.p)
		delivery->context = context;
}

static struct found *records_of(struct envelope *envelope)
{
	struct found *events = &envelope->found[E_EVENTS], *alerts = &envelope->found[E_ALERTS];

	if (!json_is_array(events->value) && !json_is_object(events->value) && alerts->value)
		return alerts;
	return events;
}

static bool holds_records(const json_t *value)
{
	return json_array_size(value) > 0 || json_object_size(value) > 0;
}

static void take_envelope_records(struct decoding *d, struct envelope *envelope,
				  const struct found *records)
{
	struct str place = { 0 };

	take_envelope(d, envelope);
	if (envelope->place.p)
		place = json_place_of_member(envelope->place, records->key, !d->lossy);
	if (json_is_array(records->value)) {
		take_records(d, records->value, place);
		return;
	}
	d->delivery->quirks |= QUIRK_BIT(EVENTS_OBJECT);
	take_record(d, records->value, place, false, 1);
}

/* One JSON value on its own: an envelope, a bare record, a report, or nothing known. */
static void take_body(struct decoding *d, json_t *value, struct str place)
{
	struct envelope envelope;
	const struct found *records;

	if (!json_is_object(value)) {
		take_unidentified(d, place);
		return;
	}
	read_envelope(&envelope, value, place);
	records = records_of(&envelope);
	if (holds_records(records->value)) {
		take_envelope_records(d, &envelope, records);
	} else if (is_metric_report(&envelope)) {
		quarantine(d, "metric_report", STR("a MetricReport among events"), place);
	} else if (decode_looks_like_record(value)) {
		d->delivery->quirks |= QUIRK_BIT(NO_ENVELOPE);
		take_record(d, value, place, true, 1);
	} else if (records->value &&
		   (json_is_array(records->value) || json_is_object(records->value) ||
		    json_is_null(records->value))) {
		take_envelope(d, &envelope);
		d->delivery->quirks |= QUIRK_BIT(EVENTS_EMPTY);
	} else {
		if (type_names(&envelope, "#Event"))
			d->delivery->quirks |= QUIRK_BIT(EVENTS_EMPTY);
		take_unidentified(d, place);
	}
}

static bool is_report_body(const json_t *root, struct str place)
{
	struct envelope envelope;

	if (!json_is_object(root))
		return false;
	read_envelope(&envelope, root, place);
	return is_metric_report(&envelope);
}

/* Several bodies in one array. */
static void take_bodies(struct decoding *d, const json_t *root, struct str rest)
{
	size_t n = json_array_size(root);

	for (size_t i = 0; i < n && !d->full; i++) {
		struct str place = { 0 };
		json_t *item = json_array_get(root, i);

		if (d->n_records >= DECODE_MAX_EVENTS) {
			quarantine(d, "too_many_records",
				   arena_putf(d->arena, "%zu more than the %u that are read", n - i,
					      DECODE_MAX_EVENTS),
				   rest);
			return;
		}
		json_place_next_item(&rest, &place);
		if (json_is_object(item))
			take_body(d, item, place);
		else
			take_record(d, item, place, true, 1);
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

static void forget(struct delivery *delivery)
{
	delivery->kind = DELIVERY_EVENTS;
	delivery->reason = NULL;
	delivery->events = NULL;
	delivery->n_events = 0;
	delivery->quarantined = NULL;
	delivery->n_quarantined = 0;
	delivery->detail = delivery->envelope_id = delivery->context = (struct str){ 0 };
}

static void set_aside(struct delivery *delivery, enum delivery_kind kind, const char *reason,
		      struct str detail)
{
	forget(delivery);
	delivery->kind = kind;
	delivery->reason = reason;
	delivery->detail = detail.p ? detail : str_of(reason);
}

static void take_root(struct decoding *d, json_t *root, struct str text)
{
	struct delivery *delivery = d->delivery;
	struct str place = str_trim(text);

	if (is_report_body(root, place)) {
		delivery->kind = DELIVERY_METRIC_REPORT;
		return;
	}
	if (json_is_array(root) && json_array_size(root) > 0)
		take_bodies(d, root, place);
	else
		take_body(d, root, place);
	if (d->full)
		return;
	decode_drop_duplicates(d);
	/* People see the quirks of a delivery at each of its events. */
	for (uint32_t i = 0; i < delivery->n_events; i++)
		delivery->events[i].quirks |= delivery->quirks;
}

static void decode(struct delivery *delivery)
{
	struct decoding d = { .delivery = delivery, .arena = delivery->arena };
	struct json_fault fault = { 0 };
	struct str text = STR("");
	json_t *root = NULL;

	if (delivery->raw.len > 0)
		text = decode_text(delivery->arena, delivery->raw, &delivery->quirks);
	d.full = !text.p;
	if (!d.full)
		root = decode_json(delivery->arena, text, &delivery->quirks, &d.lossy, &fault);
	if (root)
		take_root(&d, root, text);
	json_decref(root);
	if (d.full)
		set_aside(delivery, DELIVERY_QUARANTINED, "too_large",
			  STR("the body unfolds to more than a delivery may hold"));
	else if (fault.reason)
		set_aside(delivery,
			  strcmp(fault.reason, "not_json") == 0 ? DELIVERY_NOT_JSON
								: DELIVERY_QUARANTINED,
			  fault.reason, fault.detail);
}

void decode_delivery(struct delivery *delivery)
{
	delivery->quirks = 0;
	forget(delivery);
	if (guard_crashes(delivery->id) > CRASHES_ALLOWED) {
		set_aside(delivery, DELIVERY_QUARANTINED, "decode_crashed",
			  STR("reading this delivery ended the program twice"));
		return;
	}
	guard_enter(delivery->id);
	decode(delivery);
	guard_leave();
}
