/* Lint: everything that is wrong with registries and translations, file by file.
 *
 * What parsing found in each of them, and what shows only beside others: one version with two
 * contents, keys that vanish within a major version, translations that do not fit their message.
 * Codes are stable; words are for people. Reads files; Thread: any, one at a time.
 */
#ifndef REGISTRIES_LINT_H
#define REGISTRIES_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct err;
struct lint;

enum lint_level {
	LINT_NOTE,    /* no reader will ever see it */
	LINT_WARNING, /* lived with: what is meant is plain enough */
	LINT_ERROR    /* words are lost, or wrong ones are shown */
};

struct lint_finding {
	const char *code; /* literal */
	enum lint_level level;
	const char *place; /* the file */
	struct str key;    /* p NULL: the file as a whole */
	struct str words;
};

/* What a path is read for. */
enum lint_use {
	LINT_JUDGE,
	LINT_CONTEXT /* known beside what is judged: not itself looked at for defects */
};

struct lint *lint_new(void);       /* new, never NULL */
void lint_free(struct lint *lint); /* NULL is allowed */
/* Read a file, or all *.json below a folder, of which those are passed over that are no registries.
 * A file is a translation when its folder is named by a language and its messages have no severity,
 * and always with `translations`. A negative errno with words when the path itself cannot be used;
 * what is wrong with files becomes findings. */
int lint_read(struct lint *lint, const char *path, enum lint_use use, bool translations,
	      struct err *err);
/* Find all there is to find, once, after everything was read. */
void lint_run(struct lint *lint);
/* By place; within a file in the order found. Good until lint_free(). */
size_t lint_count(const struct lint *lint);
const struct lint_finding *lint_at(const struct lint *lint, size_t i);
size_t lint_n_files(const struct lint *lint); /* judged: registries and translations */
bool lint_is_cut(const struct lint *lint);    /* there is more than can be held */
const char *lint_level_name(enum lint_level level);

#endif
