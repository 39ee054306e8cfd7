#include "event/decode.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/decode_priv.h"
#include "event/delivery.h"
#include "event/guard.h"
#include "event/limits.h"
#include "event/tree.h"
#include "event/upstream.h"

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
	const struct tree *object;
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
static struct event *add_event(struct decoding *d, const struct tree *tree, size_t hint)
{
	struct delivery *delivery = d->delivery;
	uint32_t n = delivery->n_events, n_room = d->n_room;

	if (n == n_room) {
		n_room = n + (hint > n ? (uint32_t)hint : n) + 1;
		d->events = grow(d, d->events, n, n_room, sizeof(d->events[0]));
		d->trees = grow(d, d->trees, n, n_room, sizeof(d->trees[0]));
		if (d->full)
			return NULL;
		d->n_room = n_room;
		delivery->events = d->events;
	}
	d->trees[n] = tree;
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

static const char *type_words(const struct tree *value)
{
	static const char *const words[] = {
		[TREE_OBJECT] = "an object", [TREE_ARRAY] = "an array", [TREE_STRING] = "a string",
		[TREE_INTEGER] = "a number", [TREE_REAL] = "a number",  [TREE_TRUE] = "a boolean",
		[TREE_FALSE] = "a boolean",  [TREE_NULL] = "null",
	};

	return words[value->kind];
}

/* A collection may only name its members: what is read back later is no second event. */
static bool is_bare_link(const struct decoding *d, const struct tree *record)
{
	return d->delivery->flags & DELIVERY_BACKFILLED && tree_count(record) == 1 &&
	       tree_member(record, STR("@odata.id"));
}

static void take_record(struct decoding *d, const struct tree *record, bool bare, size_t hint)
{
	struct str context;
	struct event *event;

	if (!tree_is(record, TREE_OBJECT)) {
		quarantine(
			d, "record_not_object",
			arena_putf(d->arena, "the record is %s, not an object", type_words(record)),
			record->place);
		return;
	}
	if (is_bare_link(d, record)) {
		quarantine(d, "entry_not_read", STR("the collection has only a link to the entry"),
			   record->place);
		return;
	}
	event = add_event(d, record, hint);
	if (!event)
		return;
	decode_record(d, record, bare, event, &context);
	if (!d->delivery->context.p)
		d->delivery->context = context;
}

/* Item `i` of `array` and those behind it are too many. */
static void leave_rest(struct decoding *d, const struct tree *array, const struct tree *item,
		       size_t i, const char *what)
{
	const char *end = array->place.p + array->place.len;

	quarantine(d, "too_many_records",
		   arena_putf(d->arena, "%zu more %sthan the %u that are read",
			      tree_count(array) - i, what, DECODE_MAX_EVENTS),
		   (struct str){ item->place.p, (size_t)(end - item->place.p) });
}

static void take_records(struct decoding *d, const struct tree *array)
{
	size_t n = tree_count(array), i = 0;

	for (const struct tree *item = tree_first(array); item && !d->full;
	     item = item->next, i++) {
		if (d->n_records >= DECODE_MAX_EVENTS) {
			leave_rest(d, array, item, i, "records ");
			return;
		}
		take_record(d, item, false, n < DECODE_MAX_EVENTS ? n : DECODE_MAX_EVENTS);
	}
}

/* JSON that says nothing we know: it must not get lost. */
static void take_unidentified(struct decoding *d)
{
	struct event *event = add_event(d, NULL, 1);

	if (event)
		event->quirks = QUIRK_BIT(NOT_AN_EVENT) | QUIRK_BIT(MESSAGE_ID_MISSING);
}

/* --- envelopes -------------------------------------------------------------------------------- */

/* Past the digits at the front; false when there are none. */
static bool take_digits(struct str *rest)
{
	size_t n = 0;

	while (n < rest->len && rest->p[n] >= '0' && rest->p[n] <= '9')
		n++;
	*rest = (struct str){ rest->p + n, rest->len - n };
	return n > 0;
}

/* "#Event.v1_4_0.Event" and nothing else. */
static bool type_is_event(const struct tree *value)
{
	static const struct str before = { "#Event.v", 8 };
	struct str rest;

	if (!tree_is(value, TREE_STRING) || !str_starts_with(value->text, before))
		return false;
	rest = (struct str){ value->text.p + before.len, value->text.len - before.len };
	for (int i = 0; i < 3; i++) {
		if (!take_digits(&rest) || rest.len == 0 || rest.p[0] != (i < 2 ? '_' : '.'))
			return false;
		rest = (struct str){ rest.p + 1, rest.len - 1 };
	}
	return str_eq(rest, STR("Event"));
}

static bool type_names(const struct envelope *envelope, struct str word)
{
	const struct tree *type = envelope->found[E_ODATA_TYPE].value;

	if (!tree_is(type, TREE_STRING))
		return false;
	for (size_t i = 0; i + word.len <= type->text.len; i++) {
		if (str_eq_nocase((struct str){ type->text.p + i, word.len }, word))
			return true;
	}
	return false;
}

static void read_envelope(struct envelope *envelope, const struct tree *object)
{
	*envelope = (struct envelope){ .object = object };
	decode_properties(object, properties, N_PROPERTIES, envelope->found, &envelope->n_unknown,
			  &envelope->quirks);
}

static bool is_metric_report(const struct envelope *envelope)
{
	if (envelope->found[E_EVENTS].value || envelope->found[E_ALERTS].value)
		return false;
	return tree_is(envelope->found[E_METRIC_VALUES].value, TREE_ARRAY) ||
	       type_names(envelope, STR("#MetricReport."));
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
	else if (!tree_is(found[E_ID].value, TREE_STRING))
		*quirks |= QUIRK_BIT(ID_NOT_TEXT);
	if (envelope->n_unknown > 0 || found[E_ALERTS].value || found[E_METRIC_VALUES].value)
		*quirks |= QUIRK_BIT(UNKNOWN_PROPERTY);
	if (found[E_ACTIONS].value && !tree_is(found[E_ACTIONS].value, TREE_OBJECT))
		*quirks |= QUIRK_BIT(ACTIONS_FORM);
	id = decode_value_text(d, found[E_ID].value, quirks);
	if (!delivery->envelope_id.p)
		delivery->envelope_id = id;
	context = decode_value_text(d, found[E_CONTEXT].value, quirks);
	if (context.p && !delivery->context.p)
		delivery->context = context;
	upstream_read(delivery, found[E_OEM].value);
}

static const struct tree *records_of(const struct envelope *envelope)
{
	const struct tree *events = envelope->found[E_EVENTS].value;
	const struct tree *alerts = envelope->found[E_ALERTS].value;

	if (!tree_is(events, TREE_ARRAY) && !tree_is(events, TREE_OBJECT) && alerts)
		return alerts;
	return events;
}

static void take_envelope_records(struct decoding *d, struct envelope *envelope,
				  const struct tree *records)
{
	take_envelope(d, envelope);
	if (tree_is(records, TREE_ARRAY)) {
		take_records(d, records);
		return;
	}
	d->delivery->quirks |= QUIRK_BIT(EVENTS_OBJECT);
	take_record(d, records, false, 1);
}

/* One JSON value on its own: an envelope, a bare record, a report, or nothing known. */
static void take_body(struct decoding *d, const struct tree *value)
{
	struct envelope envelope;
	const struct tree *records;

	if (!tree_is(value, TREE_OBJECT)) {
		take_unidentified(d);
		return;
	}
	read_envelope(&envelope, value);
	records = records_of(&envelope);
	if (tree_count(records) > 0) {
		take_envelope_records(d, &envelope, records);
	} else if (is_metric_report(&envelope)) {
		quarantine(d, "metric_report", STR("a MetricReport among events"), value->place);
	} else if (decode_looks_like_record(value)) {
		d->delivery->quirks |= QUIRK_BIT(NO_ENVELOPE);
		take_record(d, value, true, 1);
	} else if (tree_is(records, TREE_ARRAY) || tree_is(records, TREE_OBJECT) ||
		   tree_is(records, TREE_NULL)) {
		take_envelope(d, &envelope);
		d->delivery->quirks |= QUIRK_BIT(EVENTS_EMPTY);
	} else {
		if (type_names(&envelope, STR("#Event")))
			d->delivery->quirks |= QUIRK_BIT(EVENTS_EMPTY);
		take_unidentified(d);
	}
}

static bool is_report_body(const struct tree *root)
{
	struct envelope envelope;

	if (!tree_is(root, TREE_OBJECT))
		return false;
	read_envelope(&envelope, root);
	return is_metric_report(&envelope);
}

/* Several bodies in one array. */
static void take_bodies(struct decoding *d, const struct tree *root)
{
	size_t i = 0;

	for (const struct tree *item = tree_first(root); item && !d->full; item = item->next, i++) {
		if (d->n_records >= DECODE_MAX_EVENTS) {
			leave_rest(d, root, item, i, "");
			return;
		}
		if (tree_is(item, TREE_OBJECT))
			take_body(d, item);
		else
			take_record(d, item, true, 1);
	}
}

/* Entries of the source's own log: a collection with its members in it, an array, or one. */
static void take_log(struct decoding *d, const struct tree *root)
{
	const struct tree *members = root;

	if (tree_is(root, TREE_OBJECT) && tree_member(root, STR("Members")))
		members = tree_member(root, STR("Members"));
	if (tree_is(members, TREE_ARRAY))
		take_records(d, members);
	else if (tree_is(members, TREE_OBJECT) && decode_looks_like_record(members))
		take_record(d, members, true, 1);
	else
		quarantine(d, "no_log_entry", STR("there is no LogEntry in it"), root->place);
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
	delivery->upstream = (struct upstream){ 0 };
}

static void set_aside(struct delivery *delivery, enum delivery_kind kind, const char *reason,
		      struct str detail)
{
	forget(delivery);
	delivery->kind = kind;
	delivery->reason = reason;
	delivery->detail = detail.p ? detail : str_of(reason);
}

static void take_root(struct decoding *d, const struct tree *root)
{
	struct delivery *delivery = d->delivery;

	if (!(delivery->flags & DELIVERY_BACKFILLED) && is_report_body(root)) {
		delivery->kind = DELIVERY_METRIC_REPORT;
		return;
	}
	if (delivery->flags & DELIVERY_BACKFILLED)
		take_log(d, root);
	else if (tree_is(root, TREE_ARRAY) && tree_count(root) > 0)
		take_bodies(d, root);
	else
		take_body(d, root);
	if (d->full)
		return;
	decode_drop_duplicates(d);
	upstream_check(delivery);
	/* People see the quirks of a delivery at each of its events. */
	for (uint32_t i = 0; i < delivery->n_events; i++)
		delivery->events[i].quirks |= delivery->quirks;
}

static void decode(struct delivery *delivery)
{
	struct decoding d = { .delivery = delivery,
			      .arena = delivery->arena,
			      .scratch = arena_new(DELIVERY_ARENA_MAX_BYTES) };
	struct json_fault fault = { 0 };
	struct str text = STR("");
	const struct tree *root = NULL;

	if (delivery->raw.len > 0)
		text = decode_text(delivery->arena, delivery->raw, &delivery->quirks);
	d.full = !text.p;
	if (!d.full)
		root = decode_json(&d, text, &fault);
	if (root)
		take_root(&d, root);
	arena_free(d.scratch);
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
