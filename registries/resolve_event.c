/* The words of one event: the sender's, the registry's, or ours about what is missing. Pure but for
 * the metric. */
#include "registries/resolve.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "event/category.h"
#include "event/entry.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/message_id.h"
#include "registries/placeholder_priv.h"
#include "registries/registry.h"
#include "registries/registry_priv.h"
#include "registries/sentence_priv.h"

static bool is_blank(struct str text)
{
	return str_trim(text).len == 0;
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

static void take_own_sentence(const struct registry_set *set, struct event *event,
			      const struct message_id *id, const struct match *match,
			      struct arena *arena)
{
	struct sentence sentence;
	bool missing;

	sentence_of(set, event, id, match, &sentence);
	event->message = placeholder_fill(arena, sentence.english, sentence.args, sentence.n_args,
					  DECODE_MAX_TEXT_BYTES, &missing);
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

bool resolve_words(const struct registry_set *set, struct uuid source, const struct event *event,
		   struct strbuf *message, struct wording *out)
{
	struct match match = resolve_find(set, source, event->message_id, event->has_message_args,
					  event->n_message_args);
	struct wording wording = { .resolution = event->sender_resolution, .language = STR("en") };

	strbuf_reset(message);
	if (sentence_is_due(event, &match)) {
		struct message_id id = message_id_parse(event->message_id);
		struct sentence sentence;

		/* What is stored in English says what was missing then. */
		if (event->language.len == 0 || str_eq(event->language, STR("en")))
			return false;
		sentence_of(set, event, &id, &match, &sentence);
		resolve_substitute(sentence.english, sentence.args, sentence.n_args, message, NULL);
	} else if (match.message) {
		resolve_substitute(is_blank(match.message->text) ? match.message->description
								 : match.message->text,
				   event->message_args, event->n_message_args, message, NULL);
		wording.language = match.registry->language;
	}
	if (message->failed || message->len == 0)
		return false;
	if (is_blank(wording.resolution) && match.message && match.message->resolution.p)
		wording.resolution = match.message->resolution;
	wording.message = strbuf_str(message);
	*out = wording;
	return true;
}
