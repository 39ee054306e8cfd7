/* Sentence: what is said of an event that nobody can put in words. Private to the room. Pure.
 *
 * Each is a message of our own registry `Rfeventd`, so that it is translated like any other; its
 * English text is here too, for a set without that registry (a test compares them).
 */
#ifndef REGISTRIES_SENTENCE_PRIV_H
#define REGISTRIES_SENTENCE_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct event;
struct match;
struct message_id;
struct registry_set;

#define SENTENCE_PREFIX   STR("Rfeventd")
#define SENTENCE_MAX_ARGS 4

struct sentence {
	struct str key, english;            /* literal */
	struct str args[SENTENCE_MAX_ARGS]; /* views into the event and the registries, or below */
	size_t n_args;
	char version[24]; /* two numbers of 32 bits and a dot */
};

/* The one for `event`, which `match` says what is known of. */
void sentence_of(const struct registry_set *set, const struct event *event,
		 const struct message_id *id, const struct match *match, struct sentence *out);
/* Whether such a sentence is all there is to say: no text of the sender's, and none in `match`. */
bool sentence_is_due(const struct event *event, const struct match *match);
/* All of them, for the test: false behind the last one. */
bool sentence_at(size_t i, struct str *key, struct str *english);

#endif
