#include "registries/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "event/entry.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/limits.h"
#include "registries/message_id.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "registries/translate.h"
#include "translations/catalog.h"
#include "translations/language.h"

struct explanation {
	const struct registry_set *set;
	const struct catalog_set *catalogs;
	const struct question *question;
	struct message_id id;
	struct arena *arena;
	struct event event; /* as the service would log it */
	struct candidate_fit *fits;
	size_t n_fits;
	bool is_found; /* the first of them answers */
	size_t language;
	struct arguments arguments; /* those given when they are not certain */
	bool is_certain, is_recovered;
	struct translator *translator;
	struct wording wording;
	bool is_translated;
};

/* --- the steps -----------------------------------------------------------------------------------
 */

static size_t n_args_of(const struct question *question)
{
	return question->n_args < DECODE_MAX_ARGS ? question->n_args : DECODE_MAX_ARGS;
}

static struct str *copy_args(struct arena *arena, const struct str *args, size_t n)
{
	struct str *copy = arena_alloc(arena, (n + 1) * sizeof(*copy));

	if (n > 0)
		memcpy(copy, args, n * sizeof(*copy));
	return copy;
}

static void resolve(struct explanation *e)
{
	const struct question *question = e->question;
	size_t n = n_args_of(question);

	e->event.message_id = question->message_id;
	e->event.message_args = copy_args(e->arena, question->args, n);
	e->event.n_message_args = (uint32_t)n;
	e->event.has_message_args = question->has_args;
	e->event.sender_message = question->text;
	resolve_event(e->set, question->source, &e->event, e->arena);
	e->n_fits = resolve_candidates(e->set, question->source, question->message_id,
				       question->has_args, (unsigned)n, &e->fits);
	e->is_found = e->event.resolved_by.registry.p != NULL;
}

/* Arguments are views into what was asked, and stay good. */
static void find_arguments(struct explanation *e)
{
	struct arguments found;

	e->arguments =
		(struct arguments){ .args = e->event.message_args, .n = e->event.n_message_args };
	e->is_certain =
		translator_arguments(e->translator, e->set, e->question->source, &e->event, &found);
	e->is_recovered = e->is_certain && found.args != e->event.message_args;
	if (!e->is_recovered)
		return;
	e->arguments = found;
	e->arguments.args = copy_args(e->arena, found.args, found.n);
}

static void find_words(struct explanation *e)
{
	const char *tag;

	e->wording = (struct wording){ .message = e->event.message,
				       .resolution = e->event.resolution,
				       .language = e->event.language };
	if (!e->wording.language.p && e->is_recovered)
		e->wording.language = registry_language(e->fits[0].registry);
	e->language = catalog_set_choose(e->catalogs, e->question->language);
	tag = catalog_set_language(e->catalogs, e->language);
	if (language_is_english(tag))
		return;
	translator_words(e->translator, e->set, e->catalogs, e->language, e->question->source,
			 &e->event, &e->wording);
	e->is_translated = str_eq(e->wording.language, str_of(tag));
}

/* --- why -----------------------------------------------------------------------------------------
 */

struct reasons {
	struct strbuf text;
	struct strbuf *out;
	size_t n;
};

static void say(struct reasons *reasons, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct reasons *reasons, const char *format, ...)
{
	va_list args;

	strbuf_reset(&reasons->text);
	va_start(args, format);
	strbuf_vputf(&reasons->text, format, args);
	va_end(args);
	if (reasons->text.failed)
		return;
	strbuf_put_text(reasons->out, reasons->n++ > 0 ? "," : "");
	strbuf_put_json(reasons->out, strbuf_str(&reasons->text));
}

static void say_nobody(const struct explanation *e, struct reasons *reasons)
{
	if (e->n_fits > 0)
		say(reasons, "the key alone was looked up, and registries of several prefixes have "
			     "it: nobody can say which one is meant");
	else
		say(reasons, "no registry knows the id");
	if (e->event.resolved_by.step == STEP_SENDER)
		say(reasons, "the sender's text is shown as it came");
}

static void say_exact(const struct explanation *e, struct reasons *reasons)
{
	const struct registry *registry = e->fits[0].registry;
	unsigned numbers[3];

	registry_version_numbers(registry, numbers);
	if (!e->id.has_version)
		say(reasons, "the id names no version: the newest one that fits answers");
	else if (e->id.form == MESSAGE_ID_PATCH && numbers[2] != e->id.patch)
		say(reasons, "registry '%.*s' has the key in version %u.%u, though not in %u.%u.%u",
		    STR_ARG(registry_prefix(registry)), numbers[0], numbers[1], e->id.major,
		    e->id.minor, e->id.patch);
	else
		say(reasons, "registry '%.*s' has the key in version %u.%u",
		    STR_ARG(registry_prefix(registry)), numbers[0], numbers[1]);
}

static void say_step(const struct explanation *e, struct reasons *reasons)
{
	struct str prefix = registry_prefix(e->fits[0].registry);
	const char *which = NULL;

	switch (e->event.resolved_by.step) {
	case STEP_NEWER_MINOR: which = "the next newer minor version that has it answers"; break;
	case STEP_OLDER_MINOR: which = "the next older minor version that has it answers"; break;
	case STEP_OTHER_MAJOR: which = "the newest version that has it answers"; break;
	case STEP_BARE_KEY:
		say(reasons, "the key alone was looked up: of all prefixes '%.*s' answers",
		    STR_ARG(prefix));
		return;
	default: say_exact(e, reasons); return;
	}
	say(reasons, "no version %u.%u of registry '%.*s' with this key fits: %s", e->id.major,
	    e->id.minor, STR_ARG(prefix), which);
}

static size_t count_contradicting(const struct explanation *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_fits; i++)
		n += e->fits[i].contradicts;
	return n;
}

static void say_fit(const struct explanation *e, struct reasons *reasons)
{
	const struct candidate_fit *fit = e->fits;
	struct str prefix = registry_prefix(fit->registry);
	size_t n = count_contradicting(e);

	if (fit->contradicts)
		say(reasons, "it asks for %u arguments, and %u were given%s", fit->message->n_args,
		    e->event.n_message_args, n == e->n_fits ? ", as with all candidates" : "");
	else if (n > 0)
		say(reasons, "candidates that ask for another number of arguments stand back");
	if (fit->foreign)
		say(reasons, "the source serves registries itself, but none of them fits");
	else if (registry_set_is_held(e->set, e->question->source, fit->registry))
		say(reasons, "the source serves this registry itself");
	if (e->id.prefix.p && e->event.resolved_by.step != STEP_BARE_KEY &&
	    !str_eq(prefix, e->id.prefix))
		say(reasons, "the prefix is spelled '%.*s' there", STR_ARG(prefix));
	if (fit->other_case)
		say(reasons, "the key is spelled '%.*s' there", STR_ARG(fit->message->key));
}

/* Whether each argument of the template is the one given for its place. */
static bool are_as_given(const struct explanation *e)
{
	for (size_t i = 0; i < e->arguments.n; i++) {
		if (e->arguments.args[i].p &&
		    (i >= e->event.n_message_args ||
		     !str_eq(e->arguments.args[i], e->event.message_args[i])))
			return false;
	}
	return true;
}

static void say_arguments(const struct explanation *e, struct reasons *reasons)
{
	bool has_text = str_trim(e->question->text).len > 0;

	if (e->event.quirks & QUIRK_BIT(MESSAGE_TEMPLATE))
		say(reasons, "the sender's text is a template: the arguments are filled in");
	else if (!has_text)
		say(reasons,
		    "the sender gave no text: the registry's is filled with the arguments");
	else if (!e->is_certain)
		say(reasons, "the sender's text is of no known wording: which argument belongs "
			     "where is not certain");
	else if (!e->is_recovered)
		say(reasons, "the sender's text is of no known wording, but the arguments stand in "
			     "it in their order");
	else if (are_as_given(e))
		say(reasons, "the sender's text is the template with the arguments as given");
	else
		say(reasons, "the arguments are those of the sender's text%s",
		    e->question->has_args ? ", not those given" : "");
	if (e->arguments.before.len + e->arguments.after.len > 0)
		say(reasons, "the sender's text says more than the template, which is kept");
	if (e->event.quirks & QUIRK_BIT(ARGS_MISSING))
		say(reasons, "arguments are missing: their places stay visible");
}

static void say_language(const struct explanation *e, struct reasons *reasons)
{
	const char *tag = catalog_set_language(e->catalogs, e->language);
	struct language_range ranges[LANGUAGE_MAX_RANGES];
	size_t n = language_ranges(e->question->language, ranges);

	if (e->question->language.len > 0 && language_choose(ranges, n, &tag, 1) < 0)
		say(reasons, "there are no translations for this reader: '%s' is what is left",
		    tag);
	if (e->is_translated)
		say(reasons, "the message is translated into '%s'", tag);
	else if (e->is_found && !language_is_english(tag))
		say(reasons, "the message has no translation into '%s' that fits", tag);
}

static void put_reasons(const struct explanation *e, struct strbuf *out)
{
	struct reasons reasons = { .out = out };

	strbuf_init(&reasons.text, EXPLAIN_MAX_REASON_BYTES);
	if (e->is_found) {
		say_step(e, &reasons);
		say_fit(e, &reasons);
		say_arguments(e, &reasons);
	} else {
		say_nobody(e, &reasons);
	}
	say_language(e, &reasons);
	strbuf_fini(&reasons.text);
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

static void put_text(struct strbuf *out, struct str text)
{
	if (text.p)
		strbuf_put_json(out, text);
	else
		strbuf_put_text(out, "null");
}

/* `"name":"text"`; null when it is absent. */
static void put_member(struct strbuf *out, const char *name, struct str text)
{
	strbuf_putf(out, ",\"%s\":", name);
	put_text(out, text);
}

static void put_severity(struct strbuf *out, enum severity severity)
{
	struct str name = str_of(severity_name(severity));

	put_member(out, "Severity", name.len > 0 ? name : (struct str){ NULL, 0 });
}

static void put_args(struct strbuf *out, const struct arguments *arguments)
{
	strbuf_put_text(out, ",\"args\":[");
	for (size_t i = 0; i < arguments->n; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		put_text(out, arguments->args[i]);
	}
	strbuf_put_char(out, ']');
}

static void put_candidate(struct strbuf *out, const struct candidate_fit *fit)
{
	strbuf_put_text(out, "{\"registry\":");
	strbuf_put_json(out, registry_prefix(fit->registry));
	put_member(out, "version", registry_version(fit->registry));
	put_member(out, "language", registry_language(fit->registry));
	put_member(out, "place", str_of(registry_place(fit->registry)));
	put_member(out, "step", str_of(resolve_step_name(fit->step)));
	strbuf_putf(out, ",\"n_args\":%u,\"other_case\":%s,\"contradicts\":%s,\"foreign\":%s}",
		    fit->message->n_args, fit->other_case ? "true" : "false",
		    fit->contradicts ? "true" : "false", fit->foreign ? "true" : "false");
}

static void put_candidates(struct strbuf *out, const struct explanation *e)
{
	strbuf_put_text(out, ",\"candidates\":[");
	for (size_t i = 0; i < e->n_fits && i < EXPLAIN_MAX_CANDIDATES; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		put_candidate(out, &e->fits[i]);
	}
	strbuf_put_text(out, "]");
}

static void put_explanation(struct strbuf *out, const struct explanation *e)
{
	const struct resolved_by *by = &e->event.resolved_by;

	strbuf_put_text(out, "{\"MessageId\":");
	strbuf_put_json(out, e->question->message_id);
	put_member(out, "Message", e->wording.message);
	put_member(out, "Resolution", e->wording.resolution);
	put_severity(out, e->event.severity);
	put_member(out, "language", e->wording.language);
	put_member(out, "step", str_of(resolve_step_name(by->step)));
	put_member(out, "registry", by->registry);
	put_member(out, "version", by->version);
	put_args(out, &e->arguments);
	put_member(out, "form", str_of(message_id_form_name(e->id.form)));
	put_member(out, "sha256", by->sha256);
	if (e->arguments.before.len > 0)
		put_member(out, "before", e->arguments.before);
	if (e->arguments.after.len > 0)
		put_member(out, "after", e->arguments.after);
	strbuf_put_text(out, ",\"why\":[");
	put_reasons(e, out);
	strbuf_put_char(out, ']');
	put_candidates(out, e);
	strbuf_put_char(out, '}');
}

void registry_explain(const struct registry_set *set, const struct catalog_set *catalogs,
		      const struct question *question, struct strbuf *out)
{
	struct explanation e = { .set = set, .catalogs = catalogs, .question = question };

	e.id = message_id_parse(question->message_id);
	e.arena = arena_new(EXPLAIN_ARENA_MAX_BYTES);
	e.translator = translator_new();
	resolve(&e);
	find_arguments(&e);
	find_words(&e);
	put_explanation(out, &e);
	translator_free(e.translator);
	arena_free(e.arena);
	free(e.fits);
}
