/* The words of one event: the sender's, the registry's, or ours about what is missing. Pure but for
 * the metric. */
#include "registries/resolve.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "event/category.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/message_id.h"
#include "registries/placeholder_priv.h"
#include "registries/registry.h"
#include "registries/registry_priv.h"

/* What a sentence of ours quotes of a sender's text. */
#define QUOTE_MAX_BYTES   256
#define VERSION_MAX_BYTES 24 /* two numbers of 32 bits and a dot */

/* What a record without MessageId and text may be, most telling first. */
static const struct {
	uint64_t quirk;
	const char *words;
} record_hints[] = {
	{ QUIRK_BIT(NOT_AN_EVENT), "JSON in which no event record was found" },
	{ QUIRK_BIT(METRIC_IN_OEM), "telemetry in vendor data under Oem" },
	{ QUIRK_BIT(RECORD_REFERENCE), "only a reference to a record kept by the sender" },
	{ QUIRK_BIT(RECORD_OEM_ONLY), "only vendor data under Oem" },
	{ QUIRK_BIT(RECORD_LOG_ENTRY), "properties of a log entry" },
};

static bool is_blank(struct str text)
{
	return str_trim(text).len == 0;
}

static struct str quote(struct str text)
{
	return str_cut(str_trim(text), QUOTE_MAX_BYTES);
}

/* Whether an argument brought the percent signs into the text, which then is filled already. */
static bool args_explain(const struct event *event, struct str text)
{
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		struct str arg = event->message_args[i];

		if (resolve_has_placeholder(arg) && str_find(text, arg) < text.len)
			return true;
	}
	return false;
}

/* Whether the sender's text is a message whose arguments were not put in. "%20" of a URL is no
 * such thing: it would need twenty arguments. */
static bool is_template(const struct event *event, const struct message *known)
{
	struct str text = event->sender_message;
	unsigned lowest = placeholder_lowest(text);
	unsigned fillable = event->n_message_args;

	if (lowest == 0 || args_explain(event, text))
		return false;
	if (known && known->n_args > fillable)
		fillable = known->n_args;
	if (known && fillable == 0)
		return false;
	return lowest == 1 || lowest <= fillable;
}

/* `text` with the event's arguments, in the arena; p NULL when that cannot be held. */
static struct str render(struct event *event, struct str text, struct arena *arena)
{
	bool missing = false;
	struct str words = placeholder_fill(arena, text, event->message_args, event->n_message_args,
					    DECODE_MAX_TEXT_BYTES, &missing);

	if (missing)
		event->quirks |= QUIRK_BIT(ARGS_MISSING);
	if (words.p)
		return words;
	event->quirks |= QUIRK_BIT(TEXT_CUT); /* the template alone always fits a column */
	return arena_copy(arena, text);
}

static struct str copy_fact(struct arena *arena, struct str fact)
{
	return fact.p ? arena_copy(arena, fact) : fact;
}

/* Severity, category, resolution and resolved_by: what is known besides the words. */
static void take_facts(struct event *event, const struct message_id *id, const struct match *match,
		       struct arena *arena)
{
	struct str prefix = id->prefix;

	event->resolved_by = (struct resolved_by){ .step = STEP_NONE };
	event->resolution = event->sender_resolution;
	if (match->registry) {
		const struct registry *registry = match->registry;

		if (!prefix.p)
			prefix = registry->prefix;
		if (event->severity == SEVERITY_NONE)
			event->severity = match->message->severity;
		if (is_blank(event->resolution) && match->message->resolution.p)
			event->resolution = copy_fact(arena, match->message->resolution);
		if (match->prefix_case)
			event->quirks |= QUIRK_BIT(PREFIX_CASE);
		event->resolved_by.registry = copy_fact(arena, registry->prefix);
		event->resolved_by.version = copy_fact(arena, registry->version);
		event->resolved_by.sha256 = copy_fact(arena, registry_sha256(registry));
		event->resolved_by.step = match->step;
	}
	event->category = category_of(event, prefix, id->key);
}

static void take_sender_text(struct event *event, struct str text)
{
	if (is_blank(text))
		return;
	event->message = text;
	if (event->resolved_by.step == STEP_NONE)
		event->resolved_by.step = STEP_SENDER;
}

/* The registry's words, if it has any. */
static void take_registry_text(struct event *event, const struct message *message,
			       const struct registry *registry, struct arena *arena)
{
	struct str words = { NULL, 0 };

	if (!is_blank(message->text))
		words = render(event, message->text, arena);
	if (is_blank(words)) /* no text, or one of empty arguments only */
		words = copy_fact(arena, message->description);
	if (is_blank(words))
		return;
	event->message = words;
	event->language = copy_fact(arena, registry->language);
}

/* --- sentences of our own ----------------------------------------------------------------------
 */

static const char *record_hint(const struct event *event)
{
	for (size_t i = 0; i < sizeof(record_hints) / sizeof(record_hints[0]); i++) {
		if (event->quirks & record_hints[i].quirk)
			return record_hints[i].words;
	}
	return "nothing that names a message";
}

static struct str join(struct arena *arena, const struct str *parts, size_t n)
{
	size_t len = 0;
	char *p, *end;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	p = end = arena_alloc(arena, len + 1);
	if (!p)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > 0)
			memcpy(end, parts[i].p, parts[i].len);
		end += parts[i].len;
	}
	return (struct str){ p, len };
}

/* One such sentence for each event of a source whose registry is missing: printf would cost more
 * than all else about it. */
#define SAY(arena, ...)                                                                            \
	join(arena, (const struct str[]){ __VA_ARGS__ },                                           \
	     ARRAY_LEN(((const struct str[]){ __VA_ARGS__ })))

static struct str say_unidentified(const struct event *event, struct arena *arena)
{
	struct str type = quote(event->event_type), origin = quote(event->origin);

	return SAY(arena, STR("Event without MessageId and text: the record holds "),
		   str_of(record_hint(event)), STR(" (EventType: "),
		   type.len > 0 ? type : STR("not given"), STR("; origin: "),
		   origin.len > 0 ? origin : STR("not given"),
		   STR("). The delivery it came in shows all of it."));
}

static struct str say_code(const struct event *event, enum message_id_form form,
			   struct arena *arena)
{
	return SAY(arena, STR("Event '"), quote(event->message_id),
		   STR("' came without text: its MessageId is "),
		   form == MESSAGE_ID_HEX ? STR("raw SEL data") : STR("a class and code number"),
		   STR(", which no message registry explains. The delivery it came in shows all of "
		       "it."));
}

#define CURE                                                                                       \
	"' ('rfevent registry add FILE'), or have it read from the sender "                        \
	"('rfevent registry fetch SOURCE')."

static struct str say_unknown_key(const struct event *event, const struct registry *newest,
				  struct str prefix, struct arena *arena)
{
	return SAY(arena, STR("Event '"), quote(event->message_id),
		   STR("' came without text, and no loaded version of message registry '"),
		   newest->prefix, STR("' (newest: "), newest->version,
		   STR(") has this key: add the sender's version of the message registry for '"),
		   quote(prefix), STR(CURE));
}

static struct str say_wordless(const struct event *event, const struct registry *registry,
			       struct arena *arena)
{
	return SAY(arena, STR("Event '"), quote(event->message_id),
		   STR("' came without text, and message registry '"), registry->prefix,
		   STR("' version "), registry->version, STR(" has no words for it either."));
}

/* "1.7", from the end of `digits` on. */
static struct str version_words(const struct message_id *id, char digits[VERSION_MAX_BYTES])
{
	const unsigned numbers[] = { id->minor, id->major };
	char *p = digits + VERSION_MAX_BYTES;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		unsigned rest = numbers[i];

		if (i > 0)
			*--p = '.';
		do {
			*--p = (char)('0' + rest % 10);
			rest /= 10;
		} while (rest > 0);
	}
	return (struct str){ p, (size_t)(digits + VERSION_MAX_BYTES - p) };
}

static struct str say_missing(const struct registry_set *set, const struct event *event,
			      const struct message_id *id, struct arena *arena)
{
	const struct registry *newest = id->prefix.p ? registry_set_newest(set, id->prefix) : NULL;
	struct str text = quote(event->message_id), prefix = quote(id->prefix);
	char digits[VERSION_MAX_BYTES];

	if (newest)
		return say_unknown_key(event, newest, id->prefix, arena);
	if (id->has_version)
		return SAY(arena, STR("Event '"), text,
			   STR("' came without text, and message registry '"), prefix,
			   STR("' version "), version_words(id, digits),
			   STR(" is not loaded: add the sender's message registry for '"), prefix,
			   STR(CURE));
	if (prefix.len > 0)
		return SAY(arena, STR("Event '"), text,
			   STR("' came without text, and message registry '"), prefix,
			   STR("' is not loaded: add the sender's message registry for '"), prefix,
			   STR(CURE));
	return SAY(arena, STR("Event '"), text,
		   STR("' came without text, and its MessageId is a bare key that no loaded "
		       "message registry has, or several have: add the sender's message registry "
		       "for '"),
		   text, STR(CURE));
}

static struct str say(const struct registry_set *set, const struct event *event,
		      const struct message_id *id, const struct match *match, struct arena *arena)
{
	if (match->registry)
		return say_wordless(event, match->registry, arena);
	if (id->form == MESSAGE_ID_EMPTY)
		return say_unidentified(event, arena);
	if (id->form == MESSAGE_ID_NUMBERS || id->form == MESSAGE_ID_HEX)
		return say_code(event, id->form, arena);
	return say_missing(set, event, id, arena);
}

static void take_own_sentence(const struct registry_set *set, struct event *event,
			      const struct message_id *id, const struct match *match,
			      struct arena *arena)
{
	event->message = say(set, event, id, match, arena);
	if (!event->message.p)
		event->message =
			STR("Event whose text did not fit into memory: the delivery it came "
			    "in shows all of it.");
	event->language = STR("en");
}

void resolve_event(const struct registry_set *set, struct uuid source, struct event *event,
		   struct arena *arena)
{
	struct message_id id = message_id_parse(event->message_id);
	struct match match = resolve_find(set, source, event->message_id,
					  event->has_message_args || event->n_message_args > 0,
					  event->n_message_args);
	bool template = is_template(event, match.message);

	take_facts(event, &id, &match, arena);
	event->message = event->language = (struct str){ NULL, 0 };
	event->quirks &= ~QUIRK_BIT(MESSAGE_TEMPLATE); /* decode could only guess */
	if (template)
		event->quirks |= QUIRK_BIT(MESSAGE_TEMPLATE);
	if (!template)
		take_sender_text(event, event->sender_message);
	if (!event->message.p && match.message)
		take_registry_text(event, match.message, match.registry, arena);
	if (!event->message.p && template)
		take_sender_text(event, render(event, event->sender_message, arena));
	if (!event->message.p)
		take_own_sentence(set, event, &id, &match, arena);
	metric_add(METRIC_RESOLVE, resolve_step_name(event->resolved_by.step), 1);
}
