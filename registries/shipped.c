#include "registries/shipped.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static char *shipped_dir(const char *in_tree, const char *installed)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *dir, *plain;

	if (n > 0) {
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash) {
			*slash = '\0';
			dir = xasprintf("%s/../%s", exe, in_tree);
			plain = realpath(dir, NULL);
			free(dir);
			if (plain && access(plain, R_OK) == 0)
				return plain;
			free(plain);
		}
	}
	return xstrdup(installed);
}

char *shipped_registries_dir(void)
{
	return shipped_dir("registries/standard", RFEVENTD_REGISTRIES_DIR);
}

char *shipped_translations_dir(void)
{
	return shipped_dir("translations", RFEVENTD_TRANSLATIONS_DIR);
}
