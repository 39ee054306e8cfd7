/* rfevent registry diff: what changed between two registries, or two folders of them. Needs no
 * service. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "registries/limits.h"
#include "registries/registry.h"
#include "registries/registry_diff.h"

#define WORDS_MAX_BYTES (1u << 20) /* of one change */
#define FOR_PEOPLE      "registry,from,to,key,change,words"
#define FOR_PROGRAMS    "registry,from,to,key,change,before,after,words"

struct comparison {
	struct table *table;
	enum cli_output output;
	const struct registry *before, *after; /* being compared; NULL: there is none */
	struct strbuf text;
	size_t n;
};

/* --- rows ----------------------------------------------------------------------------------------
 */

/* What is absent is seen in a table. */
static void put_or_dash(struct comparison *comparison, struct str text)
{
	bool dash = text.len == 0 && comparison->output == OUTPUT_TABLE;

	table_put(comparison->table, dash ? STR("-") : text);
}

static void put_text(struct comparison *comparison)
{
	table_put(comparison->table, comparison->text.failed ? STR("(too long to be shown)")
							     : strbuf_str(&comparison->text));
}

/* Which registries, whichever of them there are. */
static void put_registries(struct comparison *comparison)
{
	const struct registry *before = comparison->before, *after = comparison->after;

	table_put(comparison->table, registry_prefix(after ? after : before));
	put_or_dash(comparison, before ? registry_version(before) : STR(""));
	put_or_dash(comparison, after ? registry_version(after) : STR(""));
}

static void put_value(struct comparison *comparison, enum registry_change_kind kind,
		      const struct message *message)
{
	strbuf_reset(&comparison->text);
	registry_change_value(kind, message, &comparison->text);
	put_text(comparison);
}

static void put_change(void *ctx, const struct registry_change *change)
{
	struct comparison *comparison = ctx;

	put_registries(comparison);
	table_put(comparison->table, change->key);
	table_put(comparison->table, str_of(registry_change_name(change->kind)));
	if (comparison->output != OUTPUT_TABLE) {
		put_value(comparison, change->kind, change->before);
		put_value(comparison, change->kind, change->after);
	}
	strbuf_reset(&comparison->text);
	registry_change_words(change, &comparison->text);
	put_text(comparison);
}

/* A registry that only one side has. */
static void put_alone(struct comparison *comparison, const struct registry *registry, bool added)
{
	char words[64];

	comparison->before = added ? NULL : registry;
	comparison->after = added ? registry : NULL;
	put_registries(comparison);
	put_or_dash(comparison, STR(""));
	table_put(comparison->table, added ? STR("registry_added") : STR("registry_removed"));
	for (int i = 0; comparison->output != OUTPUT_TABLE && i < 2; i++)
		table_put(comparison->table, STR(""));
	snprintf(words, sizeof(words), "a registry of %zu messages", registry_count(registry));
	table_put(comparison->table, str_of(words));
	comparison->n++;
}

static void compare(struct comparison *comparison, const struct registry *before,
		    const struct registry *after)
{
	comparison->before = before;
	comparison->after = after;
	comparison->n += registry_diff(before, after, put_change, comparison);
}

/* --- which belongs to which ----------------------------------------------------------------------
 */

static bool are_akin(const struct registry *a, const struct registry *b, bool same_version)
{
	return str_eq_nocase(registry_prefix(a), registry_prefix(b)) &&
	       str_eq_nocase(registry_language(a), registry_language(b)) &&
	       (!same_version || str_eq(registry_version(a), registry_version(b)));
}

/* The newest one of `set` that is not taken and belongs to `registry`; set's count: none does. */
static size_t find_partner(const struct registry_set *set, const bool *taken,
			   const struct registry *registry, bool same_version)
{
	for (size_t i = registry_set_count(set); i-- > 0;) {
		if (!taken[i] && are_akin(registry_set_at(set, i), registry, same_version))
			return i;
	}
	return registry_set_count(set);
}

/* Each with its own version, else the newest ones that are left with each other. */
static void pair_up(struct comparison *comparison, const struct registry_set *before,
		    const struct registry_set *after)
{
	bool *taken = xcalloc(registry_set_count(before), sizeof(*taken));
	bool *done = xcalloc(registry_set_count(after), sizeof(*done));

	for (int same_version = 1; same_version >= 0; same_version--) {
		for (size_t i = registry_set_count(after); i-- > 0;) {
			const struct registry *registry = registry_set_at(after, i);
			size_t k = registry_set_count(before);

			if (!done[i])
				k = find_partner(before, taken, registry, same_version != 0);
			if (k == registry_set_count(before))
				continue;
			taken[k] = done[i] = true;
			compare(comparison, registry_set_at(before, k), registry);
		}
	}
	for (size_t i = 0; i < registry_set_count(before); i++) {
		if (!taken[i])
			put_alone(comparison, registry_set_at(before, i), false);
	}
	for (size_t i = 0; i < registry_set_count(after); i++) {
		if (!done[i])
			put_alone(comparison, registry_set_at(after, i), true);
	}
	free(taken);
	free(done);
}

/* --- the two sides -------------------------------------------------------------------------------
 */

static struct registry_set *read_file(const char *path)
{
	struct registry *registry;
	struct err err;
	char *bytes;
	size_t n;
	int r = file_read(path, REGISTRY_MAX_BYTES, &bytes, &n, &err);

	if (r >= 0) {
		r = registry_parse((struct str){ bytes, n }, path, &registry, &err);
		free(bytes);
	}
	if (r >= 0)
		return registry_set_new(&registry, 1);
	cli_fail(CLI_REFUSED, "%s", err.text);
	return NULL;
}

/* NULL, and said why, when there is nothing to compare. */
static struct registry_set *read_side(const char *path, bool *is_file)
{
	struct registry_set *set;
	struct stat st;

	*is_file = stat(path, &st) != 0 || !S_ISDIR(st.st_mode);
	if (*is_file)
		return read_file(path);
	set = registry_set_load(&path, 1, NULL);
	if (registry_set_count(set) > 0)
		return set;
	cli_fail(CLI_REFUSED, "'%s' holds no message registry", path);
	registry_set_unref(set);
	return NULL;
}

static int run_diff(const struct cli *cli, int argc, char **argv)
{
	struct comparison comparison = { .output = cli->output };
	bool one = false, other = false;
	struct registry_set *before, *after;

	if (argc != 3)
		return cli_usage(&registry_diff_verb, "two files or two folders are needed");
	before = read_side(argv[1], &one);
	after = before ? read_side(argv[2], &other) : NULL;
	if (!after) {
		registry_set_unref(before);
		return CLI_REFUSED;
	}
	strbuf_init(&comparison.text, WORDS_MAX_BYTES);
	comparison.table = table_new(cli->output == OUTPUT_TABLE ? FOR_PEOPLE : FOR_PROGRAMS);
	if (one && other) /* whatever they are called */
		compare(&comparison, registry_set_at(before, 0), registry_set_at(after, 0));
	else
		pair_up(&comparison, before, after);
	if (comparison.n > 0 || cli->output != OUTPUT_TABLE)
		table_print(comparison.table, cli->output);
	table_free(comparison.table);
	strbuf_fini(&comparison.text);
	registry_set_unref(before);
	registry_set_unref(after);
	return comparison.n > 0 ? CLI_REFUSED : CLI_OK;
}

const struct cli_verb registry_diff_verb = {
	"registry", "diff", "A B",
	"what changed from one registry to another, or between two folders of them\n"
	"Keys added and removed; of the others text, arguments, severity, resolution, description\n"
	"and clearing. In folders each registry is compared with its own version, else with the\n"
	"newest of its prefix and language. Needs no service. The exit status is 0 when all\n"
	"messages are equal, and 1 when they differ.\n",
	run_diff
};
