#include "stream/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/slot.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "registries/translate.h"
#include "stream/limits.h"
#include "translations/catalog.h"
#include "translations/language.h"

struct words {
	struct slot *registries, *catalogs;
	char default_language[LANGUAGE_MAX_BYTES];
	void *set, *catalog_set; /* own references of the newest ones */
	uint64_t set_version, catalog_version;
	struct translator *translator;
	struct strbuf message;
	/* Tags handed out; they outlive the catalogs they came from. */
	char tags[CATALOG_MAX_LANGUAGES][LANGUAGE_MAX_BYTES];
	size_t n_tags;
};

struct words *words_new(struct slot *registries, struct slot *catalogs,
			const char *default_language)
{
	struct words *words = xcalloc(1, sizeof(*words));

	words->registries = registries;
	words->catalogs = catalogs;
	if (!language_tidy(str_of(default_language ? default_language : "en"),
			   words->default_language))
		memcpy(words->default_language, "en", 3);
	words->translator = translator_new();
	strbuf_init(&words->message, WORDS_MAX_BYTES);
	return words;
}

void words_free(struct words *words)
{
	if (!words)
		return;
	registry_set_unref(words->set);
	catalog_set_unref(words->catalog_set);
	translator_free(words->translator);
	strbuf_fini(&words->message);
	free(words);
}

static void refresh(struct words *words)
{
	if (words->registries)
		slot_refresh(words->registries, &words->set, &words->set_version);
	if (words->catalogs)
		slot_refresh(words->catalogs, &words->catalog_set, &words->catalog_version);
}

uint64_t words_version(struct words *words)
{
	refresh(words);
	return words->set_version + words->catalog_version; /* both only grow */
}

static const char *keep_tag(struct words *words, const char *tag)
{
	size_t i = 0;

	while (i < words->n_tags && strcmp(words->tags[i], tag) != 0)
		i++;
	if (i == CATALOG_MAX_LANGUAGES)
		return words->default_language;
	if (i == words->n_tags)
		memcpy(words->tags[words->n_tags++], tag, strlen(tag) + 1);
	return words->tags[i];
}

const char *words_language(struct words *words, struct str wanted)
{
	refresh(words);
	if (!words->catalog_set || str_trim(wanted).len == 0)
		return words->default_language;
	return keep_tag(words,
			catalog_set_language(words->catalog_set,
					     catalog_set_choose(words->catalog_set, wanted)));
}

static struct wording stored(const struct event *event)
{
	return (struct wording){ .message = event->message,
				 .resolution = event->resolution,
				 .language = event->language };
}

/* False: the set has no such language any more. */
static bool find_language(const struct catalog_set *set, const char *tag, size_t *out)
{
	for (size_t i = 0; i < catalog_set_n_languages(set); i++) {
		if (strcmp(catalog_set_language(set, i), tag) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

/* What was logged before its registry was installed gets its words as soon as it is; and what is
 * stored in a site's own language is put in English for who reads that. */
static bool is_to_be_made(const struct event *event, const char *language)
{
	return event->resolved_by.step == STEP_NONE ||
	       (event->language.len > 0 && !str_eq(event->language, str_of(language)) &&
		language_is_english(language));
}

struct wording words_of(struct words *words, const struct entry *entry, const char *language)
{
	struct wording wording = stored(&entry->event);
	size_t i;

	refresh(words);
	if (!words->set)
		return wording;
	if (is_to_be_made(&entry->event, language))
		resolve_words(words->set, entry->source, &entry->event, &words->message, &wording);
	if (words->catalog_set && !language_is_english(language) &&
	    find_language(words->catalog_set, language, &i))
		translator_words(words->translator, words->set, words->catalog_set, i,
				 entry->source, &entry->event, &wording);
	return wording;
}
