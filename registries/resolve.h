/* Resolve: which registry message a MessageId means (spec 5.3), and its words (5.4). Pure. */
#ifndef REGISTRIES_RESOLVE_H
#define REGISTRIES_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/event.h"

struct arena;
struct message;
struct registry;
struct registry_set;
struct wording;

struct match {
	const struct registry *registry; /* NULL: nobody knows the id */
	const struct message *message;
	enum resolve_step step; /* STEP_NONE when nobody */
	bool prefix_case;       /* the prefix differed in case only */
};

/* Look `message_id` up, by the first rung that has its key:
 *
 *	exact	     same major and minor: the errata named, else the newest one
 *	newer_minor  same major, the smallest minor above
 *	older_minor  same major, the highest minor below
 *	other_major  the newest version
 *	bare_key     the key alone, when the registries of exactly one prefix have it
 *
 * An id without a version ("Prefix.Key") means the newest version that has the key, and since
 * nothing contradicts it that is `exact`. Prefixes are compared without case, and so are keys when
 * none is spelled so. `n_args` is evidence: a candidate that asks for another number gives way to a
 * better one on any rung of its prefix, and is used when there is none. What `source` serves itself
 * (registry_set_hold) comes before all others, in whatever version. Takes no memory. */
struct match resolve_find(const struct registry_set *set, struct uuid source, struct str message_id,
			  bool has_args, unsigned n_args);
/* One message that an id may mean, and how it fits. */
struct candidate_fit {
	const struct registry *registry;
	const struct message *message;
	enum resolve_step step;
	bool other_case;  /* the key is spelled in other case */
	bool contradicts; /* it asks for another number of arguments */
	bool foreign;     /* the source serves registries itself, and this is none of them */
};

/* All that resolve_find() chooses from, best first: what it finds, if it finds any, is the first
 * one. Several prefixes may have a bare key, and then it finds none. *out is new. */
size_t resolve_candidates(const struct registry_set *set, struct uuid source, struct str message_id,
			  bool has_args, unsigned n_args, struct candidate_fit **out);
/* Substitute %n of `template` once, left to right. Missing arguments stay visible as %n and set
 * *missing (may be NULL). Nothing is put when it does not fit: see out->failed. */
void resolve_substitute(struct str template, const struct str *args, size_t n_args,
			struct strbuf *out, bool *missing);
/* Whether `text` still holds a %n placeholder that an argument could fill. */
bool resolve_has_placeholder(struct str text);

/* Give `event` its severity, category, stored message, resolution and resolved_by, in `arena`:
 * sender's text when complete, else the registry's words, else a sentence that says which registry
 * is missing and how to get it. Never leaves `message` empty. `set` NULL: none loaded yet. */
void resolve_event(const struct registry_set *set, struct uuid source, struct event *event,
		   struct arena *arena);
/* The words that an event without text of its sender's gets from `set` now, in the language of its
 * registry, whatever was stored of it: `message` holds them. False when they cannot be held, and
 * when the sender's own text or our stored sentence is all there is. */
bool resolve_words(const struct registry_set *set, struct uuid source, const struct event *event,
		   struct strbuf *message, struct wording *out);

#endif
