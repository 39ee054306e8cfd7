/* Inside of lint, for the files that look for one sort of defects each. Private to the room. */
#ifndef REGISTRIES_LINT_PRIV_H
#define REGISTRIES_LINT_PRIV_H

#include "registries/lint.h"

struct arena;
struct catalog;
struct registry;
struct registry_set;

struct lint_registry {
	struct registry *registry; /* owned reference */
	enum lint_use use;
};

struct lint_catalog {
	struct catalog *catalog; /* owned */
	enum lint_use use;
};

struct lint {
	struct lint_registry *registries; /* in the order read, as the catalogs */
	size_t n_registries;
	struct lint_catalog *catalogs;
	size_t n_catalogs;
	struct registry_set *set; /* of all registries, while lint_run() */
	struct arena *arena;      /* of words and places */
	struct lint_finding *findings;
	size_t n, room;
	bool cut;
};

/* Note a defect. `place` and `key` live as long as `lint`; key p NULL: the file. */
void lint_note(struct lint *lint, const char *code, const char *place, struct str key,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What shows in one file: its name, its placeholders. */
void lint_registry_alone(struct lint *lint, const struct registry *registry);
/* What shows between the versions of a prefix. */
void lint_versions(struct lint *lint);
/* Translations against the registries they are laid over. */
void lint_translations(struct lint *lint);

#endif
