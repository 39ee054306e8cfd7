#include "registries/default_words.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/limits.h"
#include "registries/translate.h"
#include "translations/catalog.h"
#include "translations/language.h"

/* Translators belong to one thread: each caller takes one that is idle. As many as were ever needed
 * at once, that is, one for each thread that decodes. */
struct idle {
	struct translator *translator;
	struct idle *next;
};

struct default_words {
	pthread_mutex_t mutex;
	struct idle *idle;
};

struct default_words *default_words_new(void)
{
	struct default_words *words = xcalloc(1, sizeof(*words));

	pthread_mutex_init(&words->mutex, NULL);
	return words;
}

void default_words_free(struct default_words *words)
{
	if (!words)
		return;
	while (words->idle) {
		struct idle *next = words->idle->next;

		translator_free(words->idle->translator);
		free(words->idle);
		words->idle = next;
	}
	pthread_mutex_destroy(&words->mutex);
	free(words);
}

static struct idle *take(struct default_words *words)
{
	struct idle *taken;

	pthread_mutex_lock(&words->mutex);
	taken = words->idle;
	if (taken)
		words->idle = taken->next;
	pthread_mutex_unlock(&words->mutex);
	if (!taken) {
		taken = xcalloc(1, sizeof(*taken));
		taken->translator = translator_new();
	}
	return taken;
}

static void give_back(struct default_words *words, struct idle *taken)
{
	pthread_mutex_lock(&words->mutex);
	taken->next = words->idle;
	words->idle = taken;
	pthread_mutex_unlock(&words->mutex);
}

/* All or nothing: a message in one language and its resolution in another help nobody. */
static void store(struct event *event, const struct wording *wording, struct arena *arena)
{
	struct str message, language, resolution = event->resolution;

	if (wording->message.len > DECODE_MAX_TEXT_BYTES || wording->language.len == 0)
		return;
	message = arena_copy(arena, wording->message);
	language = arena_copy(arena, wording->language);
	if (wording->resolution.p && wording->resolution.len <= DECODE_MAX_TEXT_BYTES)
		resolution = arena_copy(arena, wording->resolution);
	if (!message.p || !language.p || (event->resolution.p && !resolution.p))
		return;
	event->message = message;
	event->language = language;
	event->resolution = resolution;
}

void default_words_put(struct default_words *words, const struct registry_set *set,
		       const struct catalog_set *catalogs, struct uuid source, struct event *event,
		       struct arena *arena)
{
	struct wording wording;
	struct idle *taken;

	if (!set || !catalogs || event->language.len == 0 ||
	    language_is_english(catalog_set_language(catalogs, 0)))
		return;
	taken = take(words);
	if (translator_words(taken->translator, set, catalogs, 0, source, event, &wording))
		store(event, &wording, arena);
	give_back(words, taken);
}
