#include "event/likeness.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "event/event.h"

#define MOMENT_MAX_BYTES 4096 /* of a MessageId's last part: what is behind tells no moment */
#define US_PER_MS        1000

static int64_t second_of(const struct event *event)
{
	return event->event_time_us / CLOCK_US_PER_S;
}

/* "TMP0120" of "IDRAC.2.8.TMP0120" and of itself: senders leave out what stands before. */
static struct str key_of(struct str message_id)
{
	size_t at = message_id.len;

	while (at > 0 && message_id.p[at - 1] != '.')
		at--;
	return message_id.p ? (struct str){ message_id.p + at, message_id.len - at } : message_id;
}

struct uuid likeness_moment(struct uuid source, const struct event *event)
{
	struct str key = key_of(event->message_id);
	char domain[sizeof(source.b) + sizeof(int64_t)], text[MOMENT_MAX_BYTES];
	size_t n = key.len < sizeof(text) ? key.len : sizeof(text);
	int64_t second = second_of(event);

	if (!event->event_time_sane)
		return (struct uuid){ { 0 } };
	memcpy(domain, source.b, sizeof(source.b));
	memcpy(domain + sizeof(source.b), &second, sizeof(second));
	for (size_t i = 0; i < n; i++)
		text[i] = (char)tolower((unsigned char)key.p[i]);
	return uuid_digest((struct str){ domain, sizeof(domain) }, (struct str){ text, n });
}

/* --- one fact each ------------------------------------------------------------------------------
 */

/* One of the two may keep only milliseconds, or seconds. */
static bool is_same_time(const struct event *a, const struct event *b)
{
	int64_t a_us = a->event_time_us, b_us = b->event_time_us;

	if (second_of(a) != second_of(b))
		return false;
	if (a_us % CLOCK_US_PER_S == 0 || b_us % CLOCK_US_PER_S == 0)
		return true;
	if (a_us % US_PER_MS == 0 || b_us % US_PER_MS == 0)
		return a_us / US_PER_MS == b_us / US_PER_MS;
	return a_us == b_us;
}

/* The registry, when both name one. */
static bool is_same_message(struct str a, struct str b)
{
	size_t a_end = str_find_char(a, '.'), b_end = str_find_char(b, '.');

	if (!str_eq_nocase(key_of(a), key_of(b)))
		return false;
	return a_end == a.len || b_end == b.len ||
	       str_eq_nocase((struct str){ a.p, a_end }, (struct str){ b.p, b_end });
}

static bool has_arg(const struct event *event, struct str arg)
{
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		if (str_eq(str_trim(event->message_args[i]), arg))
			return true;
	}
	return false;
}

/* Arguments in another order may be the same event, as some controllers keep them, or another one:
 * a link from A to B, and the one from B to A. */
static enum likeness args_likeness(const struct event *a, const struct event *b)
{
	bool in_order = true;

	if (!a->has_message_args || !b->has_message_args)
		return LIKENESS_POSSIBLE;
	if (a->n_message_args != b->n_message_args)
		return LIKENESS_NONE;
	for (uint32_t i = 0; i < a->n_message_args; i++) {
		struct str arg = str_trim(a->message_args[i]);

		if (!has_arg(b, arg))
			return LIKENESS_NONE;
		in_order &= str_eq(arg, str_trim(b->message_args[i]));
	}
	return in_order ? LIKENESS_SAME : LIKENESS_POSSIBLE;
}

static struct str without_slash(struct str uri)
{
	while (uri.len > 1 && uri.p[uri.len - 1] == '/')
		uri.len--;
	return uri;
}

/* URIs without what services write differently. */
static enum likeness uri_likeness(struct str a, struct str b)
{
	a = without_slash(a);
	b = without_slash(b);
	if (a.len == 0 || b.len == 0)
		return LIKENESS_POSSIBLE;
	return str_eq_nocase(a, b) ? LIKENESS_SAME : LIKENESS_NONE;
}

static enum likeness text_likeness(struct str a, struct str b)
{
	a = str_trim(a);
	b = str_trim(b);
	if (a.len == 0 || b.len == 0)
		return LIKENESS_POSSIBLE;
	return str_eq(a, b) ? LIKENESS_SAME : LIKENESS_NONE;
}

/* Where the last part of a URI begins. */
static size_t last_part(struct str uri)
{
	size_t at = uri.len;

	while (at > 0 && uri.p[at - 1] != '/')
		at--;
	return at;
}

/* Links to entries: other entries of one log are other events, those of two logs may be one. */
static enum likeness link_likeness(struct str a, struct str b)
{
	enum likeness likeness = uri_likeness(a, b);
	size_t a_at, b_at;

	if (likeness != LIKENESS_NONE)
		return likeness;
	a = without_slash(a);
	b = without_slash(b);
	a_at = last_part(a);
	b_at = last_part(b);
	if (str_eq_nocase((struct str){ a.p, a_at }, (struct str){ b.p, b_at }))
		return LIKENESS_NONE;
	return LIKENESS_POSSIBLE;
}

/* The EventId; an entry without one is known by its own Id, which OpenBMC pushes as EventId. An Id
 * that is another one says nothing. */
static enum likeness id_likeness(const struct event *a, const struct event *b)
{
	const struct event *with = a->event_id.len > 0 ? a : b, *without = with == a ? b : a;
	struct str link = without_slash(without->log_entry);
	size_t at = last_part(link);

	if (with->event_id.len == 0 || without->event_id.len > 0)
		return text_likeness(a->event_id, b->event_id);
	if (link.len == 0 ||
	    !str_eq(str_trim(with->event_id), (struct str){ link.p + at, link.len - at }))
		return LIKENESS_POSSIBLE;
	return LIKENESS_SAME;
}

/* --- all of them --------------------------------------------------------------------------------
 */

/* Without an EventId: the same message about the same thing. What has no arguments and no origin
 * on one side says too little. */
static enum likeness by_content(const struct event *a, enum likeness args, enum likeness origin,
				enum likeness message)
{
	if (args == LIKENESS_SAME && (origin == LIKENESS_SAME || a->n_message_args > 0))
		return LIKENESS_SAME;
	/* Neither or only one has arguments: the sender's words stand for them. */
	if (args == LIKENESS_POSSIBLE && a->n_message_args == 0 && origin == LIKENESS_SAME &&
	    message == LIKENESS_SAME)
		return LIKENESS_SAME;
	return LIKENESS_POSSIBLE;
}

enum likeness likeness_of(const struct event *a, const struct event *b)
{
	enum likeness args = args_likeness(a, b), origin = uri_likeness(a->origin, b->origin);
	enum likeness id = id_likeness(a, b);
	enum likeness link = link_likeness(a->log_entry, b->log_entry);
	enum likeness message = text_likeness(a->sender_message, b->sender_message);

	if (!is_same_time(a, b) || !is_same_message(a->message_id, b->message_id))
		return LIKENESS_NONE;
	if (link == LIKENESS_SAME)
		return LIKENESS_SAME;
	if (link == LIKENESS_NONE || args == LIKENESS_NONE || origin == LIKENESS_NONE)
		return LIKENESS_NONE;
	if (a->message_id.len == 0 && message != LIKENESS_SAME)
		return message == LIKENESS_NONE ? LIKENESS_NONE : LIKENESS_POSSIBLE;
	if (id != LIKENESS_POSSIBLE)
		return id == LIKENESS_SAME ? LIKENESS_SAME : LIKENESS_POSSIBLE;
	return by_content(a, args, origin, message);
}
