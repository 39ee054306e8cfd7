/* Translate: the words of one event in a reader's language, made when they are read.
 *
 * The translation of the message's key is filled with the arguments that the sender really used
 * (spec 5.5), numbers in the locale's form; what its text says besides the template stays around
 * it. Where it is not certain which argument belongs where, nothing is translated: a text in
 * another language is better than a wrong one. Thread: a translator belongs to one thread.
 */
#ifndef REGISTRIES_TRANSLATE_H
#define REGISTRIES_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"

struct catalog_set;
struct event;
struct registry_set;
struct translator;
struct wording;

/* Arguments in the order of the template, and what stands around the template in the sender's text.
 */
struct arguments {
	const struct str *args; /* p NULL: not in the template */
	size_t n;
	struct str before, after;
};

struct translator *translator_new(void);             /* new, never NULL */
void translator_free(struct translator *translator); /* NULL is allowed */
/* Words of `event` in language `language` of `catalogs`. False when there are none: `out` is
 * untouched and the stored text is to be shown. A message without translation whose resolution has
 * one keeps its stored text. Views are good until the next call, and as long as both sets. */
bool translator_words(struct translator *translator, const struct registry_set *set,
		      const struct catalog_set *catalogs, size_t language, struct uuid source,
		      const struct event *event, struct wording *out);
/* The arguments that translations are filled with. False when it is not certain which one belongs
 * where, or nobody knows the message. Views are good until the next call. */
bool translator_arguments(struct translator *translator, const struct registry_set *set,
			  struct uuid source, const struct event *event, struct arguments *out);

#endif
