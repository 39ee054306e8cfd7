/* rfevent registry coverage: how much is translated. Needs no service. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/registry_local.h"
#include "cli/table.h"
#include "registries/coverage.h"
#include "registries/registry.h"
#include "translations/catalog.h"

static void put_row(void *ctx, const struct coverage *row)
{
	struct table *table = ctx;

	table_put(table, str_of(row->language));
	table_put(table, row->prefix);
	table_put_count(table, row->n_keys);
	table_put_count(table, row->n_translated);
	table_put_count(table, row->n_keys - row->n_translated);
}

static void count_missing(void *ctx, const struct coverage *row)
{
	size_t *n = ctx;

	*n += row->n_keys - row->n_translated;
}

/* Of what is shipped alone: a language is shipped complete or not at all. */
static int judge_shipped(void)
{
	const struct local_folders none = { .n = 0 };
	struct registry_set *set = local_registries(&none);
	struct catalog_set *catalogs = local_translations(&none);
	size_t n_missing = 0;

	registry_coverage(set, catalogs, count_missing, &n_missing);
	registry_set_unref(set);
	catalog_set_unref(catalogs);
	if (n_missing == 0)
		return CLI_OK;
	return cli_fail(CLI_REFUSED, "%zu of the shipped translations are missing", n_missing);
}

static int print_coverage(const struct cli *cli, const struct local_folders *registries,
			  const struct local_folders *translations)
{
	struct registry_set *set = local_registries(registries);
	struct catalog_set *catalogs = set ? local_translations(translations) : NULL;
	struct table *table;
	int r = CLI_REFUSED;

	if (catalogs) {
		table = table_new("language,prefix,#keys,#translated,#missing");
		registry_coverage(set, catalogs, put_row, table);
		table_print(table, cli->output);
		table_free(table);
		r = judge_shipped();
	}
	registry_set_unref(set);
	catalog_set_unref(catalogs);
	return r;
}

static int run_coverage(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "path", required_argument, NULL, 'p' },
					       { "translations", required_argument, NULL, 't' },
					       { 0 } };
	struct local_folders registries = { .n = 0 }, translations = { .n = 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'p' && c != 't')
			return cli_usage(&registry_coverage_verb, "unknown option");
		if (!local_folders_add(c == 'p' ? &registries : &translations, optarg))
			return cli_usage(&registry_coverage_verb, "too many folders");
	}
	if (optind < argc)
		return cli_usage(&registry_coverage_verb, "'%s' is too much", argv[optind]);
	return print_coverage(cli, &registries, &translations);
}

const struct cli_verb registry_coverage_verb = {
	"registry", "coverage", "[--path DIR]… [--translations DIR]…",
	"how many messages of each registry can be said in each language\n"
	"  --path DIR          registries beside the shipped ones\n"
	"  --translations DIR  translations beside the shipped ones\n"
	"Needs no service. A key counts as translated when it has a message with the same\n"
	"placeholders, and a resolution if the registry gives one. The exit status is 1 when a\n"
	"shipped language lacks something of a shipped registry.\n",
	run_coverage
};
