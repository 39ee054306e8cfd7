/* rfevent event import: the log that a source keeps itself, into the service's. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

#define IMPORT         "/redfish/v1/AggregationService/AggregationSources/%s/Actions/Oem/Rfeventd.ImportLog"
#define FILE_MAX_BYTES (64u << 20)

static void put_count(struct table *table, const json_t *answer, const char *name)
{
	table_put_count(table, (size_t)json_integer_value(json_object_get(answer, name)));
}

static int import_file(const struct cli *cli, const char *path, const char *file,
		       struct table *table)
{
	const char *name = strcmp(file, "-") == 0 ? "/dev/stdin" : file;
	struct client_answer answer;
	struct err err;
	char *text;
	size_t n;
	int r;

	if (file_read(name, FILE_MAX_BYTES, &text, &n, &err) < 0)
		return cli_fail(CLI_REFUSED, "%s", err.text);
	r = client_send(cli, "POST", path, (struct str){ text, n }, &answer);
	if (r == CLI_OK) {
		json_t *json = client_parse(&answer);

		table_put(table, str_of(file));
		table_put(table, client_text(json, "Delivery"));
		put_count(table, json, "Entries");
		put_count(table, json, "SetAside");
		json_decref(json);
	}
	client_answer_fini(&answer);
	free(text);
	return r;
}

static int run_import(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "source", required_argument, NULL, 's' }, { 0 } };
	const char *source = NULL;
	struct table *table;
	char *escaped, *path;
	int c, worst = CLI_OK;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 's')
			return cli_usage(&event_import_verb, "unknown option");
		source = optarg;
	}
	if (!source)
		return cli_usage(&event_import_verb, "whose log? --source is needed");
	if (optind == argc)
		return cli_usage(&event_import_verb,
				 "at least one file is needed, or - for standard input");
	escaped = client_escape(source);
	path = xasprintf(IMPORT, escaped);
	table = table_new("File,Delivery,#Entries,#SetAside");
	for (int i = optind; i < argc && worst < CLI_UNREACHABLE; i++) {
		int r = import_file(cli, path, argv[i], table);

		worst = r > worst ? r : worst;
	}
	table_print(table, cli->output);
	table_free(table);
	free(path);
	free(escaped);
	return worst;
}

const struct cli_verb event_import_verb = {
	"event", "import", "--source S FILE…|-",
	"log what a source kept in its own log, where it was not logged already\n"
	"  --source S  whose log it is: its name, or its id\n"
	"Each file is a LogEntryCollection with its members, an array of LogEntries, or one: as "
	"read\n"
	"from …/LogServices/<log>/Entries of the source, one log in a file.\n",
	run_import
};
