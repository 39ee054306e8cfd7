/* Reading what is to be judged, and the list of findings. */
#include "registries/lint.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "registries/file_list_priv.h"
#include "registries/limits.h"
#include "registries/lint_priv.h"
#include "registries/registry_priv.h"
#include "translations/catalog.h"
#include "translations/language.h"

/* All others are warnings. */
static const struct {
	const char *code;
	enum lint_level level;
} levels[] = {
	{ "unreadable", LINT_ERROR },
	{ "not_a_registry", LINT_ERROR },
	{ "key_form", LINT_ERROR },
	{ "message_form", LINT_ERROR },
	{ "duplicate_key", LINT_ERROR },
	{ "text_missing", LINT_ERROR },
	{ "text_cut", LINT_ERROR },
	{ "text_long", LINT_ERROR },
	{ "placeholder_dollar", LINT_ERROR },
	{ "placeholder_percent", LINT_ERROR },
	{ "placeholders_differ", LINT_ERROR },
	{ "clears_unknown_key", LINT_ERROR },
	{ "key_unknown", LINT_ERROR },
	{ "byte_order_mark", LINT_NOTE },
	{ "description_missing", LINT_NOTE },
	{ "unknown_property", LINT_NOTE },
	{ "not_nfc", LINT_NOTE },
	{ "same_version_bytes", LINT_NOTE },
	{ "placeholders_adjacent", LINT_NOTE },
};

#define NO_KEY ((struct str){ NULL, 0 })

struct lint *lint_new(void)
{
	struct lint *lint = xcalloc(1, sizeof(*lint));

	lint->arena = arena_new(LINT_ARENA_MAX_BYTES);
	return lint;
}

void lint_free(struct lint *lint)
{
	if (!lint)
		return;
	for (size_t i = 0; i < lint->n_registries; i++)
		registry_unref(lint->registries[i].registry);
	for (size_t i = 0; i < lint->n_catalogs; i++)
		catalog_free(lint->catalogs[i].catalog);
	free(lint->registries);
	free(lint->catalogs);
	free(lint->findings);
	arena_free(lint->arena);
	free(lint);
}

/* --- findings ------------------------------------------------------------------------------------
 */

static enum lint_level level_of(const char *code)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].code, code) == 0)
			return levels[i].level;
	}
	return LINT_WARNING;
}

static void add_finding(struct lint *lint, const char *code, const char *place, struct str key,
			struct str words)
{
	if (lint->n == LINT_MAX_FINDINGS || !words.p) {
		lint->cut = true;
		return;
	}
	if (lint->n == lint->room) {
		lint->room = lint->room > 0 ? lint->room * 2 : 1024;
		lint->findings = xrealloc(lint->findings, lint->room * sizeof(*lint->findings));
	}
	lint->findings[lint->n++] =
		(struct lint_finding){ code, level_of(code), place, key, words };
}

void lint_note(struct lint *lint, const char *code, const char *place, struct str key,
	       const char *format, ...)
{
	struct strbuf words;
	va_list args;

	strbuf_init(&words, LINT_MAX_WORDS_BYTES);
	va_start(args, format);
	strbuf_vputf(&words, format, args);
	va_end(args);
	add_finding(lint, code, place, key, arena_copy(lint->arena, strbuf_str(&words)));
	strbuf_fini(&words);
}

size_t lint_count(const struct lint *lint)
{
	return lint->n;
}

const struct lint_finding *lint_at(const struct lint *lint, size_t i)
{
	return i < lint->n ? &lint->findings[i] : NULL;
}

bool lint_is_cut(const struct lint *lint)
{
	return lint->cut;
}

const char *lint_level_name(enum lint_level level)
{
	static const char *const names[] = { "note", "warning", "error" };

	return names[level];
}

size_t lint_n_files(const struct lint *lint)
{
	size_t n = 0;

	for (size_t i = 0; i < lint->n_registries; i++)
		n += lint->registries[i].use == LINT_JUDGE;
	for (size_t i = 0; i < lint->n_catalogs; i++)
		n += lint->catalogs[i].use == LINT_JUDGE;
	return n;
}

/* --- reading -------------------------------------------------------------------------------------
 */

/* The tag that the file's folder is named by. */
static bool folder_language(const char *path, char out[LANGUAGE_MAX_BYTES])
{
	char *plain = realpath(path, NULL), *copy = xstrdup(plain ? plain : path);
	bool is_tag = language_tidy(str_of(basename(dirname(copy))), out);

	free(plain);
	free(copy);
	return is_tag;
}

/* A registry says how severe its messages are; a translation only what they say. */
static bool is_wordy_only(const struct registry *registry)
{
	for (size_t i = 0; i < registry->n_messages; i++) {
		if (registry->messages[i].severity != SEVERITY_NONE)
			return false;
	}
	return registry->n_messages > 0;
}

static void keep_registry(struct lint *lint, struct registry *registry, enum lint_use use)
{
	lint->registries =
		xrealloc(lint->registries, (lint->n_registries + 1) * sizeof(*lint->registries));
	lint->registries[lint->n_registries++] = (struct lint_registry){ registry, use };
}

static void keep_catalog(struct lint *lint, struct catalog *catalog, enum lint_use use)
{
	lint->catalogs = xrealloc(lint->catalogs, (lint->n_catalogs + 1) * sizeof(*lint->catalogs));
	lint->catalogs[lint->n_catalogs++] = (struct lint_catalog){ catalog, use };
}

/* Returns what parsing says. */
static int take_file(struct lint *lint, struct str bytes, const char *path, enum lint_use use,
		     bool translations, struct err *err)
{
	char language[LANGUAGE_MAX_BYTES];
	bool in_language = folder_language(path, language);
	struct registry *registry;
	struct catalog *catalog;
	int r;

	if (!translations) {
		r = registry_parse(bytes, path, &registry, err);
		if (r < 0)
			return r;
		if (!in_language || !is_wordy_only(registry)) {
			keep_registry(lint, registry, use);
			return 0;
		}
		registry_unref(registry);
	}
	r = catalog_parse(bytes, path, in_language ? language : NULL, &catalog, err);
	if (r == 0)
		keep_catalog(lint, catalog, use);
	return r;
}

/* `asked_for`: the file itself was named, and so should be a registry. */
static void read_file(struct lint *lint, const char *path, enum lint_use use, bool translations,
		      bool asked_for)
{
	struct err err;
	char *bytes;
	size_t n;
	int r = file_read(path, REGISTRY_MAX_BYTES, &bytes, &n, &err);

	if (r >= 0) {
		r = take_file(lint, (struct str){ bytes, n }, path, use, translations, &err);
		free(bytes);
	}
	if (r >= 0 || use == LINT_CONTEXT || (r == -EINVAL && !asked_for && !translations))
		return;
	path = arena_copy(lint->arena, str_of(path)).p;
	lint_note(lint, r == -EINVAL ? "not_a_registry" : "unreadable", path ? path : "", NO_KEY,
		  "%s", err.text);
}

int lint_read(struct lint *lint, const char *path, enum lint_use use, bool translations,
	      struct err *err)
{
	struct file_list list = { 0 };
	struct stat st;

	if (stat(path, &st) != 0)
		return err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode)) {
		read_file(lint, path, use, translations, true);
		return 0;
	}
	file_list_walk(&list, path, 0);
	lint->cut |= list.cut;
	for (size_t i = 0; i < list.n; i++)
		read_file(lint, list.paths[i].text, use, translations, false);
	file_list_fini(&list);
	return 0;
}

/* --- looking -------------------------------------------------------------------------------------
 */

/* What is judged answers before what is only known beside it. */
static struct registry_set *set_of_all(const struct lint *lint)
{
	struct registry **all = xcalloc(lint->n_registries, sizeof(*all));
	struct registry_set *set;

	for (size_t i = 0; i < lint->n_registries; i++) {
		all[i] = lint->registries[i].registry;
		atomic_fetch_add(&all[i]->refs, 1);
		all[i]->folder = lint->registries[i].use == LINT_JUDGE;
	}
	set = registry_set_new(all, lint->n_registries);
	free(all);
	return set;
}

static void take_registry_findings(struct lint *lint, const struct registry *registry)
{
	const struct registry_finding *finding = registry_findings(registry);

	for (; finding; finding = finding->next)
		add_finding(lint, finding->code, registry_place(registry), finding->key,
			    finding->words);
}

/* The sort keeps the order of those of one place. */
static int compare_findings(const void *left, const void *right)
{
	const struct lint_finding *const *a = left, *const *b = right;
	int order = strcmp((*a)->place, (*b)->place);

	return order != 0 ? order : (*a > *b) - (*a < *b);
}

static void sort_findings(struct lint *lint)
{
	const struct lint_finding **order = xcalloc(lint->n + 1, sizeof(*order));
	struct lint_finding *sorted = xcalloc(lint->n + 1, sizeof(*sorted));

	for (size_t i = 0; i < lint->n; i++)
		order[i] = &lint->findings[i];
	qsort(order, lint->n, sizeof(*order), compare_findings);
	for (size_t i = 0; i < lint->n; i++)
		sorted[i] = *order[i];
	free(order);
	free(lint->findings);
	lint->findings = sorted;
	lint->room = lint->n;
}

void lint_run(struct lint *lint)
{
	for (size_t i = 0; i < lint->n_registries; i++) {
		const struct registry *registry = lint->registries[i].registry;

		if (lint->registries[i].use != LINT_JUDGE)
			continue;
		take_registry_findings(lint, registry);
		lint_registry_alone(lint, registry);
	}
	lint_versions(lint);
	lint->set = set_of_all(lint);
	lint_translations(lint);
	registry_set_unref(lint->set);
	lint->set = NULL;
	sort_findings(lint);
}
