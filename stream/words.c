#include "stream/words.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/slot.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "stream/limits.h"

struct words {
	struct slot *registries;
	char *default_language;
	void *set; /* own reference of the newest registries */
	uint64_t set_version;
	struct strbuf message;
};

struct words *words_new(struct slot *registries, const char *default_language)
{
	struct words *words = xcalloc(1, sizeof(*words));

	words->registries = registries;
	words->default_language = xstrdup(default_language ? default_language : "en");
	strbuf_init(&words->message, WORDS_MAX_BYTES);
	return words;
}

void words_free(struct words *words)
{
	if (!words)
		return;
	registry_set_unref(words->set);
	strbuf_fini(&words->message);
	free(words->default_language);
	free(words);
}

const char *words_language(struct words *words, struct str wanted)
{
	(void)wanted; /* the default language is the only one there is */
	return words->default_language;
}

static struct wording stored(const struct event *event)
{
	return (struct wording){ .message = event->message,
				 .resolution = event->resolution,
				 .language = event->language };
}

/* What was logged before its registry was installed gets its words as soon as it is. */
static bool render(struct words *words, const struct entry *entry, struct wording *out)
{
	const struct event *event = &entry->event;
	struct match match;

	slot_refresh(words->registries, &words->set, &words->set_version);
	if (!words->set)
		return false;
	match = resolve_find(words->set, entry->source, event->message_id, event->has_message_args,
			     event->n_message_args);
	if (!match.message)
		return false;
	strbuf_reset(&words->message);
	resolve_substitute(match.message->text, event->message_args, event->n_message_args,
			   &words->message, NULL);
	if (words->message.failed || words->message.len == 0)
		return false;
	out->message = strbuf_str(&words->message);
	out->resolution =
		event->sender_resolution.p ? event->sender_resolution : match.message->resolution;
	out->language = registry_language(match.registry);
	return true;
}

struct wording words_of(struct words *words, const struct entry *entry, const char *language)
{
	struct wording wording = stored(&entry->event);

	(void)language;
	if (words->registries && entry->event.resolved_by.step == STEP_NONE &&
	    entry->event.message_id.len > 0)
		render(words, entry, &wording);
	return wording;
}
