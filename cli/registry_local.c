#include "cli/registry_local.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "registries/registry.h"
#include "registries/shipped.h"
#include "translations/catalog.h"

bool local_folders_add(struct local_folders *folders, const char *dir)
{
	if (folders->n == ARRAY_LEN(folders->dirs))
		return false;
	folders->dirs[folders->n++] = dir;
	return true;
}

static bool are_folders(const struct local_folders *folders)
{
	struct stat st;

	for (size_t i = 0; i < folders->n; i++) {
		if (stat(folders->dirs[i], &st) == 0 && S_ISDIR(st.st_mode))
			continue;
		cli_fail(CLI_REFUSED, "'%s' is no folder that can be read", folders->dirs[i]);
		return false;
	}
	return true;
}

/* `shipped`, then `more`; new. */
static const char **all_folders(const char *shipped, const struct local_folders *more)
{
	const char **dirs = xcalloc(more->n + 1, sizeof(*dirs));

	dirs[0] = shipped;
	for (size_t i = 0; i < more->n; i++)
		dirs[i + 1] = more->dirs[i];
	return dirs;
}

struct registry_set *local_registries(const struct local_folders *more)
{
	char *shipped = shipped_registries_dir();
	const char **dirs = all_folders(shipped, more);
	struct registry_set *set = NULL;

	if (are_folders(more))
		set = registry_set_load(dirs, more->n + 1, NULL);
	free(dirs);
	free(shipped);
	return set;
}

struct catalog_set *local_translations(const struct local_folders *more)
{
	char *shipped = shipped_translations_dir();
	const char **dirs = all_folders(shipped, more);
	struct catalog_set *set = NULL;

	if (are_folders(more))
		set = catalog_set_load(dirs, more->n + 1, "en");
	free(dirs);
	free(shipped);
	return set;
}
