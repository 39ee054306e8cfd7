/* What the files of this room know of a registry and of a set's index. Private to the room. */
#ifndef REGISTRIES_REGISTRY_PRIV_H
#define REGISTRIES_REGISTRY_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "registries/registry.h"

struct arena;
struct bundle;

struct registry {
	atomic_int refs;
	struct arena *arena; /* owns this struct too */
	struct str place;    /* NUL-terminated */
	struct str prefix, version, language;
	unsigned numbers[3];
	size_t folder;   /* which of the folders it was read from: later ones are preferred */
	uint32_t number; /* place in its set */
	char sha256[65];
	struct message *messages; /* ascending by key */
	size_t n_messages;
	struct registry_finding *findings;
};

/* One message that a (prefix, key) may mean; the numbers are copies, to be near. */
struct candidate {
	const struct registry *registry;
	const struct message *message;
	unsigned numbers[3]; /* of the registry */
	unsigned n_args;     /* of the message */
};

/* All messages of one prefix and key, both without regard to case; best first: newest version,
 * then English, then from the later folder, then the larger registry, then by hash. */
struct candidate_group {
	const struct candidate *candidates; /* n of them, at least one */
	uint32_t n;
	bool one_spelling; /* all have the same key, case included */
};

struct group_list {
	const struct candidate_group *groups;
	size_t n;
};

/* NULL when no registry of the prefix knows the key. */
const struct candidate_group *registry_set_group(const struct registry_set *set, struct str prefix,
						 struct str key);
/* The groups of every prefix that knows the key. */
struct group_list registry_set_groups_of_key(const struct registry_set *set, struct str key);
/* What is known to come from this source itself; NULL: nothing. */
const struct bundle *registry_set_bundle(const struct registry_set *set, struct uuid source);
/* The newest registry with this prefix in any case, or NULL. */
const struct registry *registry_set_newest(const struct registry_set *set, struct str prefix);

#endif
