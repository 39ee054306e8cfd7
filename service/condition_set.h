/* Condition set: what is wrong with the service itself, and the events that say so.
 *
 * A condition is a kind and an object ("": the service). It is raised once and cleared once,
 * however often it is told; both make an event of the registry Rfeventd. What has no end (a clock
 * that jumped, a delivery set aside) is told or reported. Events wait here, oldest first, with the
 * bytes they will be journaled with, until they are in the journal. All of it is kept as text, so
 * that a restart goes on where the last one was: the same event again with the same bytes and time
 * is a repeat, which the loader drops. Pure: `now_us` comes in, nothing is read or written. Thread:
 * one owner at a time.
 */
#ifndef SERVICE_CONDITION_SET_H
#define SERVICE_CONDITION_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct condition_set;
struct err;

enum condition_kind {
	/* with an end */
	CONDITION_JOURNAL_FILLING, /* by condition_set_level() */
	CONDITION_JOURNAL_FULL,
	CONDITION_JOURNAL_WRITE,
	CONDITION_DATABASE_AWAY,
	CONDITION_DATABASE_READ_ONLY,
	CONDITION_DATABASE_DISK,
	CONDITION_CONFIGURATION,
	CONDITION_MEMORY,
	CONDITION_SOURCES_FULL,
	CONDITION_CERTIFICATE_SOON,   /* object: file; these three are stages of one: */
	CONDITION_CERTIFICATE_URGENT, /* raising a later one ends the earlier without an event */
	CONDITION_CERTIFICATE_EXPIRED,
	CONDITION_SOURCE_SILENT,     /* object: source */
	CONDITION_FORWARDER_FAILING, /* object: forwarder */
	/* without */
	CONDITION_CLOCK_STEPPED,
	CONDITION_EPOCH_CHANGED,
	CONDITION_QUARANTINED, /* object: source */
	CONDITION_REFUSED_ROW, /* object: source */
	CONDITION_DEAD_LETTER, /* object: forwarder */
	CONDITION_COUNT
};

/* Caps. */
#define CONDITIONS_MAX_OPEN           1024 /* open at once: beyond, those that come are not raised */
#define CONDITIONS_MAX_WAITING        256  /* events that are not in the journal yet */
#define CONDITIONS_EVENTS_PER_MINUTE  60   /* own events are for people */
#define CONDITIONS_REPORTS_PER_MINUTE 30   /* of them without an end: they starve no other */
#define CONDITIONS_MAX_REPORTED       64   /* objects whose reports are counted at once */
#define CONDITION_MAX_OBJECT_BYTES    256  /* longer is cut */
#define CONDITION_MAX_ARG_BYTES       512  /* longer is cut */
/* Of the journal's room, in percent. */
#define CONDITION_LEVEL_RAISE 80
#define CONDITION_LEVEL_CLEAR 70

/* One event of our own: a whole delivery. */
struct own_event {
	struct uuid id;
	int64_t time_us;
	struct str body; /* JSON of a Redfish Event with one record */
};

struct condition_set *condition_set_new(void);      /* new; never NULL */
void condition_set_free(struct condition_set *set); /* NULL is allowed */

/* The arguments are those of the kind's message, in its order. True when it was not open: an event
 * waits. False, too, when a cap is reached: told again later, it is raised then. */
bool condition_set_raise(struct condition_set *set, enum condition_kind kind, struct str object,
			 const struct str *args, size_t n_args, int64_t now_us);
/* True when it was open. What is looked at again and again (levels, the database, the caps) and was
 * raised within a minute of its last end stays open until a minute has passed in which it was not
 * told: of what comes and goes, people hear a pair of events a minute at most. */
bool condition_set_clear(struct condition_set *set, enum condition_kind kind, struct str object,
			 int64_t now_us);
/* A level in percent, with hysteresis: raised from CONDITION_LEVEL_RAISE, cleared below
 * CONDITION_LEVEL_CLEAR. The percentage is the message's argument. */
bool condition_set_level(struct condition_set *set, enum condition_kind kind, double percent,
			 int64_t now_us);
/* Clear every open condition of the kind whose object is none of these. */
bool condition_set_keep(struct condition_set *set, enum condition_kind kind,
			const struct str *objects, size_t n_objects, int64_t now_us);
/* Something without an end happened. */
bool condition_set_tell(struct condition_set *set, enum condition_kind kind, struct str object,
			const struct str *args, size_t n_args, int64_t now_us);
/* The same for what comes in numbers: the first of an object is told, those of the minute after it
 * are counted and told as a number. `reason`: in words. */
bool condition_set_report(struct condition_set *set, enum condition_kind kind, struct str object,
			  struct str reason, int64_t now_us);
/* Tell the numbers whose minute is over. True when an event waits that did not. */
bool condition_set_tick(struct condition_set *set, int64_t now_us);

bool condition_set_is_open(const struct condition_set *set, enum condition_kind kind,
			   struct str object);
size_t condition_set_count(const struct condition_set *set); /* open ones */
/* The oldest event that waits (borrowed until _done); NULL when none does. */
const struct own_event *condition_set_first(const struct condition_set *set);
void condition_set_done(struct condition_set *set); /* it is in the journal */

/* The whole of it as text; load() takes what save() wrote, into an empty set. -EBADMSG, with words,
 * for anything else: the set stays empty. */
void condition_set_save(const struct condition_set *set, struct strbuf *out);
int condition_set_load(struct condition_set *set, struct str text, struct err *err);

#endif
