/* Registries on this machine: the shipped folders and those that are named. No service is asked. */
#ifndef CLI_REGISTRY_LOCAL_H
#define CLI_REGISTRY_LOCAL_H

#include <stdbool.h>
#include <stddef.h>

struct catalog_set;
struct registry_set;

/* Folders as options named them; the texts are the command line's. */
struct local_folders {
	const char *dirs[64];
	size_t n;
};

/* False when there are too many. */
bool local_folders_add(struct local_folders *folders, const char *dir);
/* The shipped folder, then `more`, of which the last one answers first. NULL, and said why, when
 * one of `more` is no folder. */
struct registry_set *local_registries(const struct local_folders *more);
struct catalog_set *local_translations(const struct local_folders *more);

#endif
