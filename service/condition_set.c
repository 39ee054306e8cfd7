#include "service/condition_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#define HEADER    "rfeventd conditions 1\n"
#define ORIGIN    "/redfish/v1/Managers/rfeventd"
#define MINUTE_US (60 * CLOCK_US_PER_S)

/* name: in the file, for ever. clear NULL: without an end. */
static const struct {
	const char *name, *raise, *clear;
	bool clear_names_object; /* the clearing message has the object as its argument */
} kinds[CONDITION_COUNT] = {
	[CONDITION_JOURNAL_FILLING] = { "journal_filling", "JournalFilling",
					"JournalNoLongerFilling", false },
	[CONDITION_JOURNAL_FULL] = { "journal_full", "JournalFull", "JournalNoLongerFull", false },
	[CONDITION_JOURNAL_WRITE] = { "journal_write", "JournalWriteFailed", "JournalWritable",
				      false },
	[CONDITION_DATABASE_AWAY] = { "database_away", "DatabaseUnreachable", "DatabaseReachable",
				      false },
	[CONDITION_DATABASE_READ_ONLY] = { "database_read_only", "DatabaseReadOnly",
					   "DatabaseWritable", false },
	[CONDITION_DATABASE_DISK] = { "database_disk", "DatabaseDiskFull",
				      "DatabaseDiskNoLongerFull", false },
	[CONDITION_CONFIGURATION] = { "configuration", "ConfigurationRefused",
				      "ConfigurationReloaded", false },
	[CONDITION_MEMORY] = { "memory", "MemoryLimitReached", "MemoryLimitNoLongerReached",
			       false },
	[CONDITION_SOURCES_FULL] = { "sources_full", "SourceLimitReached",
				     "SourceLimitNoLongerReached", false },
	[CONDITION_CERTIFICATE_SOON] = { "certificate_soon", "CertificateExpiring",
					 "CertificateRenewed", true },
	[CONDITION_CERTIFICATE_URGENT] = { "certificate_urgent", "CertificateExpiring",
					   "CertificateRenewed", true },
	[CONDITION_CERTIFICATE_EXPIRED] = { "certificate_expired", "CertificateExpired",
					    "CertificateRenewed", true },
	[CONDITION_SOURCE_SILENT] = { "source_silent", "SourceSilent", "SourceHeardAgain", true },
	[CONDITION_FORWARDER_FAILING] = { "forwarder_failing", "ForwarderFailing",
					  "ForwarderRecovered", true },
	[CONDITION_CLOCK_STEPPED] = { "clock_stepped", "ClockStepped", NULL, false },
	[CONDITION_EPOCH_CHANGED] = { "epoch_changed", "EpochChanged", NULL, false },
	[CONDITION_QUARANTINED] = { "quarantined", "DeliveryQuarantined", NULL, false },
	[CONDITION_REFUSED_ROW] = { "refused_row", "RecordRefusedByDatabase", NULL, false },
	[CONDITION_DEAD_LETTER] = { "dead_letter", "DeadLetter", NULL, false },
};

struct open_condition {
	enum condition_kind kind;
	char *object; /* new */
};

/* What was reported of an object in the minute that began with the event that told the first. */
struct reported {
	enum condition_kind kind;
	char *object, *reason; /* new; the reason of the last one */
	int64_t since_us;
	uint64_t n_untold;
};

/* A kind that comes and goes: raised again within a minute of its end, it ends only after a minute
 * in which it was not met. */
struct flap {
	int64_t met_us, ended_us; /* the last time of each; 0: never */
	bool is_held;
};

struct condition_set {
	struct flap flaps[CONDITION_COUNT];
	struct open_condition open[CONDITIONS_MAX_OPEN];
	size_t n_open;
	struct own_event waiting[CONDITIONS_MAX_WAITING]; /* bodies are new */
	size_t n_waiting;
	struct reported reported[CONDITIONS_MAX_REPORTED];
	size_t n_reported;
	int64_t minute_us; /* beginning of the minute that is counted */
	unsigned n_events, n_reports;
};

struct condition_set *condition_set_new(void)
{
	return xcalloc(1, sizeof(struct condition_set));
}

static void forget_reported(struct condition_set *set, size_t i)
{
	free(set->reported[i].object);
	free(set->reported[i].reason);
	set->reported[i] = set->reported[--set->n_reported];
}

static void empty(struct condition_set *set)
{
	for (size_t i = 0; i < set->n_open; i++)
		free(set->open[i].object);
	while (set->n_waiting > 0)
		condition_set_done(set);
	while (set->n_reported > 0)
		forget_reported(set, 0);
	set->n_open = 0;
}

void condition_set_free(struct condition_set *set)
{
	if (!set)
		return;
	empty(set);
	free(set);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Text that fits one line of the file and one argument: no control characters, not too long. */
static char *tame(struct str text, size_t max_bytes)
{
	char *copy = xstrndup(str_cut(text, max_bytes));

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return copy;
}

/* Whether one more event is within this minute's number. */
static bool has_room(struct condition_set *set, bool is_report, int64_t now_us)
{
	if (now_us - set->minute_us >= MINUTE_US || now_us < set->minute_us) {
		set->minute_us = now_us;
		set->n_events = set->n_reports = 0;
	}
	if (is_report && (set->n_reports >= CONDITIONS_REPORTS_PER_MINUTE ||
			  set->n_waiting >= CONDITIONS_MAX_WAITING / 2))
		return false;
	return set->n_events < CONDITIONS_EVENTS_PER_MINUTE &&
	       set->n_waiting < CONDITIONS_MAX_WAITING;
}

/* Each object is an origin of its own: what clears one leaves the others open. */
static void put_origin(struct strbuf *out, const char *object)
{
	strbuf_put_text(out, "\"" ORIGIN);
	if (object[0])
		strbuf_put_char(out, '#');
	for (const char *p = object; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~/:", c))
			strbuf_put_char(out, *p);
		else
			strbuf_putf(out, "%%%02X", c);
	}
	strbuf_put_char(out, '"');
}

static void put_args(struct strbuf *out, const struct str *args, size_t n_args)
{
	for (size_t i = 0; i < n_args; i++) {
		char *arg = tame(args[i], CONDITION_MAX_ARG_BYTES);

		if (i > 0)
			strbuf_put_char(out, ',');
		strbuf_put_json(out, str_of(arg));
		free(arg);
	}
}

static void put_event(struct condition_set *set, const char *key, const char *object,
		      const struct str *args, size_t n_args, int64_t now_us)
{
	struct own_event event = { .id = uuid_v7(now_us), .time_us = now_us };
	char id[UUID_TEXT_BYTES], time[CLOCK_TEXT_BYTES];
	struct strbuf body;

	uuid_format(event.id, id);
	strbuf_init(&body, SIZE_MAX / 2);
	strbuf_putf(&body,
		    "{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Id\":\"%s\",\"Name\":\"rfeventd\","
		    "\"Events\":[{\"MemberId\":\"0\",\"EventType\":\"Alert\",\"EventId\":\"%s\","
		    "\"EventTimestamp\":\"%s\",\"MessageId\":\"Rfeventd.1.0.%s\",\"MessageArgs\":[",
		    id, id, clock_format(now_us, time), key);
	put_args(&body, args, n_args);
	strbuf_put_text(&body, "],\"OriginOfCondition\":{\"@odata.id\":");
	put_origin(&body, object);
	strbuf_put_text(&body, "}}]}");
	event.body = strbuf_str(&body); /* ours from now on */
	set->waiting[set->n_waiting++] = event;
	set->n_events++;
}

const struct own_event *condition_set_first(const struct condition_set *set)
{
	return set->n_waiting > 0 ? &set->waiting[0] : NULL;
}

void condition_set_done(struct condition_set *set)
{
	free((void *)(uintptr_t)set->waiting[0].body.p);
	memmove(set->waiting, set->waiting + 1, --set->n_waiting * sizeof(set->waiting[0]));
}

/* --- conditions with an end ------------------------------------------------------------------- */

static size_t find(const struct condition_set *set, enum condition_kind kind, const char *object)
{
	size_t i = 0;

	while (i < set->n_open &&
	       (set->open[i].kind != kind || strcmp(set->open[i].object, object) != 0))
		i++;
	return i;
}

bool condition_set_is_open(const struct condition_set *set, enum condition_kind kind,
			   struct str object)
{
	char *tamed = tame(object, CONDITION_MAX_OBJECT_BYTES);
	bool found = find(set, kind, tamed) < set->n_open;

	free(tamed);
	return found;
}

size_t condition_set_count(const struct condition_set *set)
{
	return set->n_open;
}

/* A certificate nearer its end is the same condition, told again: one clearing ends it. */
static void forget_stages(struct condition_set *set, enum condition_kind kind, const char *object)
{
	for (enum condition_kind stage = CONDITION_CERTIFICATE_SOON; stage < kind; stage++) {
		size_t i = find(set, stage, object);

		if (i == set->n_open)
			continue;
		free(set->open[i].object);
		set->open[i] = set->open[--set->n_open];
	}
}

/* Those that are looked at again and again, so that an end that was put off comes later. */
static bool is_damped(enum condition_kind kind)
{
	return kind == CONDITION_JOURNAL_FILLING || kind == CONDITION_JOURNAL_FULL ||
	       kind == CONDITION_DATABASE_AWAY || kind == CONDITION_DATABASE_READ_ONLY ||
	       kind == CONDITION_DATABASE_DISK || kind == CONDITION_MEMORY ||
	       kind == CONDITION_SOURCES_FULL;
}

/* Whether `time_us` was less than a minute ago. A clock that was put back makes nothing recent. */
static bool is_recent(int64_t time_us, int64_t now_us)
{
	return time_us != 0 && now_us >= time_us && now_us - time_us < MINUTE_US;
}

bool condition_set_raise(struct condition_set *set, enum condition_kind kind, struct str object,
			 const struct str *args, size_t n_args, int64_t now_us)
{
	char *tamed = tame(object, CONDITION_MAX_OBJECT_BYTES);
	struct flap *flap = &set->flaps[kind];

	flap->met_us = now_us;
	if (find(set, kind, tamed) < set->n_open || set->n_open == CONDITIONS_MAX_OPEN ||
	    !has_room(set, false, now_us)) {
		free(tamed);
		return false;
	}
	if (kind > CONDITION_CERTIFICATE_SOON && kind <= CONDITION_CERTIFICATE_EXPIRED)
		forget_stages(set, kind, tamed);
	put_event(set, kinds[kind].raise, tamed, args, n_args, now_us);
	flap->is_held = is_damped(kind) && is_recent(flap->ended_us, now_us);
	set->open[set->n_open++] = (struct open_condition){ kind, tamed };
	return true;
}

/* False when it must wait. */
static bool clear_at(struct condition_set *set, size_t i, int64_t now_us)
{
	struct open_condition *open = &set->open[i];
	const struct str object = str_of(open->object);
	struct flap *flap = &set->flaps[open->kind];

	if ((flap->is_held && is_recent(flap->met_us, now_us)) || !has_room(set, false, now_us))
		return false;
	*flap = (struct flap){ .ended_us = now_us };
	put_event(set, kinds[open->kind].clear, open->object, &object,
		  kinds[open->kind].clear_names_object ? 1 : 0, now_us);
	free(open->object);
	set->open[i] = set->open[--set->n_open];
	return true;
}

bool condition_set_clear(struct condition_set *set, enum condition_kind kind, struct str object,
			 int64_t now_us)
{
	char *tamed = tame(object, CONDITION_MAX_OBJECT_BYTES);
	size_t i = find(set, kind, tamed);

	free(tamed);
	return i < set->n_open && clear_at(set, i, now_us);
}

bool condition_set_level(struct condition_set *set, enum condition_kind kind, double percent,
			 int64_t now_us)
{
	char text[24];
	struct str arg;

	if (percent < CONDITION_LEVEL_CLEAR)
		return condition_set_clear(set, kind, STR(""), now_us);
	if (percent < CONDITION_LEVEL_RAISE)
		return false;
	arg = (struct str){ text, (size_t)snprintf(text, sizeof(text), "%.0f", percent) };
	return condition_set_raise(set, kind, STR(""), &arg, 1, now_us);
}

bool condition_set_keep(struct condition_set *set, enum condition_kind kind,
			const struct str *objects, size_t n_objects, int64_t now_us)
{
	bool changed = false;

	for (size_t i = set->n_open; i-- > 0;) {
		bool is_kept = set->open[i].kind != kind;

		for (size_t k = 0; k < n_objects && !is_kept; k++)
			is_kept = str_eq(str_cut(objects[k], CONDITION_MAX_OBJECT_BYTES),
					 str_of(set->open[i].object));
		if (!is_kept)
			changed |= clear_at(set, i, now_us);
	}
	return changed;
}

/* --- without an end --------------------------------------------------------------------------- */

bool condition_set_tell(struct condition_set *set, enum condition_kind kind, struct str object,
			const struct str *args, size_t n_args, int64_t now_us)
{
	char *tamed;

	if (!has_room(set, true, now_us))
		return false;
	tamed = tame(object, CONDITION_MAX_OBJECT_BYTES);
	set->n_reports++;
	put_event(set, kinds[kind].raise, tamed, args, n_args, now_us);
	free(tamed);
	return true;
}

static struct reported *find_reported(struct condition_set *set, enum condition_kind kind,
				      struct str object)
{
	for (size_t i = 0; i < set->n_reported; i++)
		if (set->reported[i].kind == kind &&
		    str_eq(str_of(set->reported[i].object),
			   str_cut(object, CONDITION_MAX_OBJECT_BYTES)))
			return &set->reported[i];
	return NULL;
}

/* Where the ones beyond the cap are counted together. */
static struct reported *begin_reported(struct condition_set *set, enum condition_kind kind,
				       struct str object, int64_t now_us)
{
	struct reported *reported = &set->reported[set->n_reported];

	if (set->n_reported == CONDITIONS_MAX_REPORTED) {
		reported--;
		free(reported->object);
		reported->object = xstrdup("*");
		return reported;
	}
	set->n_reported++;
	*reported = (struct reported){ .kind = kind,
				       .object = tame(object, CONDITION_MAX_OBJECT_BYTES),
				       .since_us = now_us };
	return reported;
}

static void count_reported(struct reported *reported, struct str reason)
{
	free(reported->reason);
	reported->reason = tame(reason, CONDITION_MAX_ARG_BYTES);
	reported->n_untold++;
}

bool condition_set_report(struct condition_set *set, enum condition_kind kind, struct str object,
			  struct str reason, int64_t now_us)
{
	struct reported *reported = find_reported(set, kind, object);
	const struct str args[] = { object, reason };
	bool is_full = set->n_reported == CONDITIONS_MAX_REPORTED;

	if (!reported) {
		reported = begin_reported(set, kind, object, now_us);
		if (!is_full && condition_set_tell(set, kind, object, args, 2, now_us))
			return true;
	}
	count_reported(reported, reason);
	return false;
}

static bool tell_number(struct condition_set *set, struct reported *reported, int64_t now_us)
{
	char n[24];
	const struct str args[] = {
		{ n,
		  (size_t)snprintf(n, sizeof(n), "%llu", (unsigned long long)reported->n_untold) },
		str_of(reported->object),
		str_of(reported->reason),
	};

	if (!has_room(set, true, now_us))
		return false;
	set->n_reports++;
	put_event(set, "DeliveriesSetAside", reported->object, args, ARRAY_LEN(args), now_us);
	reported->n_untold = 0;
	reported->since_us = now_us;
	return true;
}

bool condition_set_tick(struct condition_set *set, int64_t now_us)
{
	bool told = false;

	for (size_t i = set->n_reported; i-- > 0;) {
		struct reported *reported = &set->reported[i];

		if (now_us - reported->since_us < MINUTE_US && now_us >= reported->since_us)
			continue;
		if (reported->n_untold > 0)
			told |= tell_number(set, reported, now_us);
		else
			forget_reported(set, i);
	}
	return told;
}

/* --- as text ---------------------------------------------------------------------------------- */

/* One line each, with tabs in between; the last field of a line may hold anything but a newline. */
void condition_set_save(const struct condition_set *set, struct strbuf *out)
{
	char id[UUID_TEXT_BYTES];

	strbuf_put_text(out, HEADER);
	for (size_t i = 0; i < set->n_open; i++)
		strbuf_putf(out, "open\t%s\t%s\n", kinds[set->open[i].kind].name,
			    set->open[i].object);
	for (size_t i = 0; i < set->n_waiting; i++) {
		const struct own_event *event = &set->waiting[i];

		strbuf_putf(out, "event\t%s\t%lld\t", uuid_format(event->id, id),
			    (long long)event->time_us);
		strbuf_put(out, event->body);
		strbuf_put_char(out, '\n');
	}
	for (size_t i = 0; i < set->n_reported; i++)
		if (set->reported[i].n_untold > 0)
			strbuf_putf(out, "report\t%s\t%llu\t%s\t%s\n",
				    kinds[set->reported[i].kind].name,
				    (unsigned long long)set->reported[i].n_untold,
				    set->reported[i].reason, set->reported[i].object);
}

/* Up to the next `end`, which is dropped. */
static struct str take(struct str *text, char end)
{
	size_t n = str_find_char(*text, end);
	struct str field = { text->p, n };

	n += n < text->len;
	text->p += n;
	text->len -= n;
	return field;
}

static bool take_kind(struct str *line, enum condition_kind *out)
{
	struct str name = take(line, '\t');

	for (size_t i = 0; i < CONDITION_COUNT; i++) {
		if (str_eq(name, str_of(kinds[i].name))) {
			*out = (enum condition_kind)i;
			return true;
		}
	}
	return false;
}

static bool load_open(struct condition_set *set, struct str line)
{
	enum condition_kind kind;

	if (!take_kind(&line, &kind) || !kinds[kind].clear || set->n_open == CONDITIONS_MAX_OPEN)
		return false;
	set->open[set->n_open++] = (struct open_condition){ kind, xstrndup(line) };
	return true;
}

static bool load_event(struct condition_set *set, struct str line)
{
	struct own_event event;

	if (!uuid_parse(take(&line, '\t'), &event.id) ||
	    !str_to_i64(take(&line, '\t'), &event.time_us) || line.len == 0 ||
	    set->n_waiting == CONDITIONS_MAX_WAITING)
		return false;
	event.body = (struct str){ xstrndup(line), line.len };
	set->waiting[set->n_waiting++] = event;
	return true;
}

/* Its minute is over: the next tick tells. */
static bool load_report(struct condition_set *set, struct str line)
{
	struct reported reported = { .since_us = INT64_MIN / 2 };

	if (!take_kind(&line, &reported.kind) ||
	    !str_to_u64(take(&line, '\t'), &reported.n_untold) ||
	    set->n_reported == CONDITIONS_MAX_REPORTED)
		return false;
	reported.reason = xstrndup(take(&line, '\t'));
	reported.object = xstrndup(line);
	set->reported[set->n_reported++] = reported;
	return true;
}

static bool load_line(struct condition_set *set, struct str line)
{
	struct str word = take(&line, '\t');

	if (str_eq(word, STR("open")))
		return load_open(set, line);
	if (str_eq(word, STR("event")))
		return load_event(set, line);
	return str_eq(word, STR("report")) && load_report(set, line);
}

int condition_set_load(struct condition_set *set, struct str text, struct err *err)
{
	unsigned n_lines = 1;

	if (!str_starts_with(text, STR(HEADER)))
		return err_set(err, -EBADMSG,
			       "conditions: the first line is not that of this version");
	take(&text, '\n');
	while (text.len > 0) {
		n_lines++;
		if (!load_line(set, take(&text, '\n'))) {
			empty(set);
			return err_set(err, -EBADMSG, "conditions: line %u cannot be read",
				       n_lines);
		}
	}
	return 0;
}
