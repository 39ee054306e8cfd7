/* Translation files made up for a test, in a folder that goes with it. */
#ifndef TESTS_UNIT_TRANSLATION_FIXTURE_H
#define TESTS_UNIT_TRANSLATION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/mem.h"
#include "translations/catalog.h"

/* Write <dir>/<language>/<name>. */
static inline void fixture_translation(const char *dir, const char *language, const char *name,
				       const char *text)
{
	char *folder = xasprintf("%s/%s", dir, language), *path = xasprintf("%s/%s", folder, name);
	FILE *file;

	mkdir(folder, 0755);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	free(folder);
	free(path);
}

static inline void fixture_remove(const char *dir)
{
	char *command = xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(command), 0);
	free(command);
}

/* A set of one file, read and gone from the disk. */
static inline struct catalog_set *fixture_catalogs(const char *language, const char *name,
						   const char *text)
{
	char dir[] = "/tmp/fixture.XXXXXX";
	const char *const folders[] = { dir };
	struct catalog_set *set;

	assert_non_null(mkdtemp(dir));
	fixture_translation(dir, language, name, text);
	set = catalog_set_load(folders, 1, "en");
	fixture_remove(dir);
	return set;
}

#endif
