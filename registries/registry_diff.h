/* Registry diff: what changed from one registry to another. Pure. */
#ifndef REGISTRIES_REGISTRY_DIFF_H
#define REGISTRIES_REGISTRY_DIFF_H

#include <stddef.h>

#include "registries/registry.h"

enum registry_change_kind {
	CHANGE_ADDED, /* the key is in the second one only */
	CHANGE_REMOVED,
	CHANGE_TEXT,
	CHANGE_ARGS, /* number of arguments, or which ones are numbers */
	CHANGE_SEVERITY,
	CHANGE_RESOLUTION,
	CHANGE_DESCRIPTION,
	CHANGE_CLEARING
};

struct registry_change {
	enum registry_change_kind kind;
	struct str key;
	const struct message *before, *after; /* NULL: added, removed */
};

typedef void registry_change_fn(void *ctx, const struct registry_change *change);

/* Call `fn` for every change from `before` to `after`, in ascending order of keys; of one message
 * in the order above. `fn` may be NULL. Returns how many there are. */
size_t registry_diff(const struct registry *before, const struct registry *after,
		     registry_change_fn *fn, void *ctx);
const char *registry_change_name(enum registry_change_kind kind); /* "added", "text" … */
/* What `message` (NULL: there is none) says of it: its text, "2 arguments, numbers: %2", "Warning"
 * …; nothing when it says nothing. */
void registry_change_value(enum registry_change_kind kind, const struct message *message,
			   struct strbuf *out);
/* The change in words, as "asked for 1 argument, now for 2 arguments". */
void registry_change_words(const struct registry_change *change, struct strbuf *out);

#endif
