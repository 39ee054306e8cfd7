#include "registries/translate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/entry.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/limits.h"
#include "registries/message_id.h"
#include "registries/placeholder_priv.h"
#include "registries/recover.h"
#include "registries/registry_priv.h"
#include "registries/resolve.h"
#include "registries/sentence_priv.h"
#include "translations/catalog.h"
#include "translations/format.h"
#include "translations/language.h"

struct locale {
	char tag[LANGUAGE_MAX_BYTES];
	struct formatter *formatter;
};

struct translator {
	struct locale locales[CATALOG_MAX_LANGUAGES];
	size_t n_locales;
	struct strbuf message;
	struct recovered recovered;
};

struct translator *translator_new(void)
{
	struct translator *translator = xcalloc(1, sizeof(*translator));

	strbuf_init(&translator->message, TRANSLATE_MAX_BYTES);
	return translator;
}

void translator_free(struct translator *translator)
{
	if (!translator)
		return;
	for (size_t i = 0; i < translator->n_locales; i++)
		formatter_free(translator->locales[i].formatter);
	strbuf_fini(&translator->message);
	free(translator);
}

static struct formatter *formatter_of(struct translator *translator, const char *tag)
{
	struct locale *locale = translator->locales;
	size_t i = 0;

	while (i < translator->n_locales && strcmp(locale[i].tag, tag) != 0)
		i++;
	if (i == CATALOG_MAX_LANGUAGES) { /* languages came and went with reloads */
		formatter_free(locale[--i].formatter);
		translator->n_locales--;
	}
	if (i == translator->n_locales) {
		snprintf(locale[i].tag, sizeof(locale[i].tag), "%s", tag);
		locale[i].formatter = formatter_new(tag);
		translator->n_locales++;
	}
	return locale[i].formatter;
}

/* --- which argument belongs where ----------------------------------------------------------------
 */

/* By the template of any version that takes the same arguments; the best one first, since firmware
 * of that time did not know the newest wording. */
static bool recover(struct translator *translator, const struct registry_set *set,
		    const struct match *match, const struct event *event, struct arguments *out)
{
	const struct candidate_group *group =
		registry_set_group(set, match->registry->prefix, match->message->key);
	struct recovered *found = &translator->recovered;

	for (uint32_t i = 0; group && i <= group->n && i <= TRANSLATE_MAX_TEMPLATES; i++) {
		const struct message *message =
			i == 0 ? match->message : group->candidates[i - 1].message;

		if (i > 0 && (message == match->message ||
			      !placeholder_same_set(match->message->text, message->text)))
			continue;
		if (!resolve_recover(message->text, event->sender_message, event->message_args,
				     event->n_message_args, found))
			continue;
		*out = (struct arguments){ found->args, found->n_args, found->before,
					   found->after };
		return true;
	}
	return false;
}

/* The wording is one that nobody here knows. Published templates name their arguments in order: if
 * the given ones stand in the text in their order, each once, they are in the template's order. */
static bool stand_in_order(const struct event *event, unsigned n_args)
{
	struct str text = event->sender_message;

	if (event->n_message_args != n_args)
		return false;
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		struct str arg = event->message_args[i];
		size_t at = str_find(text, arg);

		if (arg.len == 0 || at == text.len)
			return false;
		text = (struct str){ text.p + at + arg.len, text.len - at - arg.len };
		if (n_args > 1 && str_find(text, arg) < text.len)
			return false;
	}
	return true;
}

static bool find_arguments(struct translator *translator, const struct registry_set *set,
			   const struct match *match, const struct event *event,
			   struct arguments *out)
{
	bool has_text = str_trim(event->sender_message).len > 0 &&
			!(event->quirks & QUIRK_BIT(MESSAGE_TEMPLATE));

	*out = (struct arguments){ event->message_args, event->n_message_args, STR(""), STR("") };
	if (!has_text)
		return true;
	return recover(translator, set, match, event, out) ||
	       stand_in_order(event, match->message->n_args);
}

/* --- words ---------------------------------------------------------------------------------------
 */

static void put_around(struct formatter *formatter, struct str text, struct strbuf *out)
{
	if (text.len > 0)
		formatter_put(formatter, text, false, out);
}

static void fill(struct formatter *formatter, struct str text, const struct arguments *arguments,
		 uint64_t number_args, struct strbuf *out)
{
	struct placeholder at = { 0 };
	size_t done = 0;

	while (placeholder_next(text, done, &at)) {
		strbuf_put(out, (struct str){ text.p + done, at.start - done });
		if (at.n <= arguments->n && arguments->args[at.n - 1].p)
			formatter_put(formatter, arguments->args[at.n - 1],
				      at.n <= 64 && (number_args >> (at.n - 1) & 1), out);
		else
			strbuf_put(out, (struct str){ text.p + at.start, at.end - at.start });
		done = at.end;
	}
	strbuf_put(out, (struct str){ text.p + done, text.len - done });
}

/* A registry that is itself in the language, as a vendor may ship one; the sender's own first. */
static const struct message *own_language(const struct registry_set *set, struct uuid source,
					  const struct match *match, const char *tag)
{
	const struct candidate_group *group =
		registry_set_group(set, match->registry->prefix, match->message->key);

	const struct message *found = NULL;

	for (uint32_t i = 0; group && i < group->n; i++) {
		const struct candidate *candidate = &group->candidates[i];

		if (!str_eq_nocase(candidate->registry->language, str_of(tag)))
			continue;
		if (registry_set_is_held(set, source, candidate->registry))
			return candidate->message;
		if (!found)
			found = candidate->message;
	}
	return found;
}

static struct translated find_translation(const struct registry_set *set,
					  const struct catalog_set *catalogs, size_t language,
					  struct uuid source, const struct match *match)
{
	const struct translated *found =
		catalog_set_find(catalogs, language, match->registry->prefix, match->message->key);
	const struct message *own;

	if (found)
		return *found;
	own = own_language(set, source, match, catalog_set_language(catalogs, language));
	if (own)
		return (struct translated){ own->key, own->text, own->resolution };
	return (struct translated){ .key = match->message->key };
}

/* The sender's own advice is not ours to replace, unless it is the registry's. */
static struct str choose_resolution(const struct event *event, const struct message *message,
				    struct str translated)
{
	struct str given = event->sender_resolution;

	if (translated.p && (str_trim(given).len == 0 || str_eq(given, message->resolution)))
		return translated;
	return given.p ? given : event->resolution;
}

/* What nobody can put in words is said by a sentence of ours, which is translated like a message.
 */
static bool own_sentence(struct translator *translator, const struct registry_set *set,
			 const struct catalog_set *catalogs, size_t language,
			 const struct event *event, const struct match *match, struct wording *out)
{
	const char *tag = catalog_set_language(catalogs, language);
	struct message_id id = message_id_parse(event->message_id);
	const struct translated *translated;
	struct sentence sentence;
	struct arguments arguments;

	sentence_of(set, event, &id, match, &sentence);
	translated = catalog_set_find(catalogs, language, SENTENCE_PREFIX, sentence.key);
	if (!translated || !translated->message.p ||
	    !placeholder_same_set(sentence.english, translated->message))
		return false;
	arguments = (struct arguments){ sentence.args, sentence.n_args, STR(""), STR("") };
	strbuf_reset(&translator->message);
	fill(formatter_of(translator, tag), translated->message, &arguments, 0,
	     &translator->message);
	if (translator->message.failed)
		return false;
	*out = (struct wording){ .message = strbuf_str(&translator->message),
				 .resolution = event->resolution,
				 .language = str_of(tag) };
	return true;
}

bool translator_words(struct translator *translator, const struct registry_set *set,
		      const struct catalog_set *catalogs, size_t language, struct uuid source,
		      const struct event *event, struct wording *out)
{
	const char *tag = catalog_set_language(catalogs, language);
	struct formatter *formatter = formatter_of(translator, tag);
	struct match match = resolve_find(set, source, event->message_id, event->has_message_args,
					  event->n_message_args);
	struct translated translated;
	struct arguments arguments;

	if (match.message)
		translated = find_translation(set, catalogs, language, source, &match);
	else
		translated = (struct translated){ .message = { NULL, 0 } };
	if (!translated.message.p && sentence_is_due(event, &match))
		return own_sentence(translator, set, catalogs, language, event, &match, out);
	if (!translated.message.p && !translated.resolution.p)
		return false;
	strbuf_reset(&translator->message);
	if (translated.message.p && placeholder_same_set(match.message->text, translated.message) &&
	    find_arguments(translator, set, &match, event, &arguments)) {
		put_around(formatter, arguments.before, &translator->message);
		fill(formatter, translated.message, &arguments, match.message->number_args,
		     &translator->message);
		put_around(formatter, arguments.after, &translator->message);
	}
	if (translator->message.failed)
		strbuf_reset(&translator->message);
	*out = (struct wording){ .message = event->message, .language = event->language };
	if (translator->message.len > 0)
		*out = (struct wording){ .message = strbuf_str(&translator->message),
					 .language = str_of(tag) };
	out->resolution = choose_resolution(event, match.message, translated.resolution);
	return true;
}

bool translator_arguments(struct translator *translator, const struct registry_set *set,
			  struct uuid source, const struct event *event, struct arguments *out)
{
	struct match match = resolve_find(set, source, event->message_id, event->has_message_args,
					  event->n_message_args);

	return match.message && find_arguments(translator, set, &match, event, out);
}
