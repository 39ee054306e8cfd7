/* rfevent registry lint: what is wrong with registries and translations. Needs no service. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "registries/lint.h"
#include "registries/shipped.h"

/* The shipped folders, to be judged or to judge others by. */
static int read_shipped(struct lint *lint, enum lint_use use, struct err *err)
{
	char *registries = shipped_registries_dir(), *translations = shipped_translations_dir();
	int r = lint_read(lint, registries, use, false, err);

	if (r == 0)
		r = lint_read(lint, translations, use, true, err);
	free(registries);
	free(translations);
	return r;
}

static int read_all(struct lint *lint, char **paths, int n, bool translations)
{
	struct err err;

	if (n == 0 && read_shipped(lint, LINT_JUDGE, &err) < 0)
		return cli_fail(CLI_REFUSED, "%s", err.text);
	/* Without them translations are judged by what is given alone. */
	if (n > 0 && read_shipped(lint, LINT_CONTEXT, &err) < 0)
		fprintf(stderr, "rfevent: %s\n", err.text);
	for (int i = 0; i < n; i++) {
		if (lint_read(lint, paths[i], LINT_JUDGE, translations, &err) < 0)
			return cli_fail(CLI_REFUSED, "%s", err.text);
	}
	return CLI_OK;
}

static void print_findings(const struct lint *lint, enum cli_output output)
{
	bool for_people = output == OUTPUT_TABLE;
	struct table *table =
		table_new(for_people ? "file,key,code,words" : "file,key,code,words,level");

	for (size_t i = 0; i < lint_count(lint); i++) {
		const struct lint_finding *finding = lint_at(lint, i);

		table_put(table, str_of(finding->place));
		table_put(table, finding->key.p || !for_people ? finding->key : STR("-"));
		table_put(table, str_of(finding->code));
		table_put(table, finding->words);
		if (!for_people)
			table_put(table, str_of(lint_level_name(finding->level)));
	}
	if (!for_people || lint_count(lint) > 0)
		table_print(table, output);
	table_free(table);
}

/* What was found, by level; the exit status. */
static int sum_up(const struct lint *lint, enum cli_output output)
{
	size_t counts[LINT_ERROR + 1] = { 0 };

	for (size_t i = 0; i < lint_count(lint); i++)
		counts[lint_at(lint, i)->level]++;
	fflush(stdout);
	if (output == OUTPUT_TABLE)
		fprintf(stderr, "files: %zu; errors: %zu, warnings: %zu, notes: %zu\n",
			lint_n_files(lint), counts[LINT_ERROR], counts[LINT_WARNING],
			counts[LINT_NOTE]);
	if (lint_is_cut(lint))
		return cli_fail(CLI_REFUSED, "there are more files or findings than can be held");
	return counts[LINT_ERROR] + counts[LINT_WARNING] > 0 ? CLI_REFUSED : CLI_OK;
}

static int run_lint(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "translations", no_argument, NULL, 't' }, { 0 } };
	bool translations = false;
	struct lint *lint;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 't')
			return cli_usage(&registry_lint_verb, "unknown option");
		translations = true;
	}
	lint = lint_new();
	r = read_all(lint, argv + optind, argc - optind, translations);
	if (r == CLI_OK) {
		lint_run(lint);
		print_findings(lint, cli->output);
		r = sum_up(lint, cli->output);
	}
	lint_free(lint);
	return r;
}

const struct cli_verb registry_lint_verb = {
	"registry", "lint", "[--translations] [PATH…]",
	"what is wrong with registries and translations, in files or folders\n"
	"  --translations  what is given are translations; else their folder, named by a "
	"language,\n"
	"                  and messages without severity tell them\n"
	"Without PATH those that are shipped. Needs no service.\n"
	"Errors (words are lost, or wrong ones are shown) and warnings (what is meant is plain\n"
	"enough) make the exit status 1; notes do not. With -o json, jsonl or csv each finding\n"
	"says its level.\n",
	run_lint
};
