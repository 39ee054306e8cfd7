/* rfevent storage status: what the log takes, and how long the disk will do. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

#define STORAGE "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Storage"
#define GIB     (1024.0 * 1024 * 1024)
#define MIB     (1024.0 * 1024)

static bool is_known(const json_t *status, const char *name)
{
	return json_is_integer(json_object_get(status, name));
}

static long long number_of(const json_t *status, const char *name)
{
	return json_integer_value(json_object_get(status, name));
}

/* "Free          12.3 GiB", or that nobody can tell. */
static void print_bytes(const json_t *status, const char *words, const char *name)
{
	double bytes = (double)number_of(status, name);

	if (!is_known(status, name))
		printf("%-14s unknown\n", words);
	else if (bytes >= GIB)
		printf("%-14s %.1f GiB\n", words, bytes / GIB);
	else
		printf("%-14s %.1f MiB\n", words, bytes / MIB);
}

static void print_summary(const json_t *status)
{
	const json_t *days = json_object_get(status, "Days");
	size_t n = json_array_size(days);

	printf("%-14s %lld, seq %lld to %lld\n", "Events", number_of(status, "Events"),
	       number_of(status, "OldestSeq"), number_of(status, "LastSeq"));
	if (n > 0)
		printf("%-14s %s to %s, %zu days of %lld\n", "Days",
		       json_string_value(json_object_get(json_array_get(days, 0), "Day")),
		       json_string_value(json_object_get(json_array_get(days, n - 1), "Day")), n,
		       number_of(status, "RetentionDays"));
	print_bytes(status, "Log", "LogBytes");
	print_bytes(status, "Database", "DatabaseBytes");
	print_bytes(status, "Growth a day", "BytesPerDay");
	print_bytes(status, "Log when full", "ExpectedLogBytes");
	print_bytes(status, "Disk free", "FreeBytes");
	if (is_known(status, "DaysLeft"))
		printf("%-14s %lld\n", "Days left", number_of(status, "DaysLeft"));
	else
		printf("%-14s unknown\n", "Days left");
	printf("%-14s %lld\n\n", "Quarantined", number_of(status, "Quarantined"));
}

static void print_days(const json_t *status, enum cli_output output)
{
	static const char *const numbers[] = { "Events", "FirstSeq", "Bytes", "TextBytes" };
	struct table *table = table_new("Day,#Events,#FirstSeq,#Bytes,#TextBytes,State");
	json_t *day;
	size_t i;

	json_array_foreach(json_object_get(status, "Days"), i, day)
	{
		table_put(table, str_of(json_string_value(json_object_get(day, "Day"))));
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++)
			table_put_count(table, (size_t)number_of(day, numbers[k]));
		table_put(table, str_of(json_string_value(json_object_get(day, "State"))));
	}
	table_print(table, output);
	table_free(table);
}

static int run_status(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	json_t *status = NULL;
	int r;

	if (argc > 1)
		return cli_usage(&storage_status_verb, "'%s' is too much", argv[1]);
	r = client_get(cli, STORAGE, "application/json", NULL, &answer);
	if (r == CLI_OK)
		status = json_loadb(answer.body.p, answer.body.len, 0, NULL);
	if (r == CLI_OK && !status)
		r = cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
	if (r == CLI_OK && cli->output == OUTPUT_JSON) {
		fwrite(answer.body.p, 1, answer.body.len, stdout);
		putchar('\n');
	} else if (r == CLI_OK) {
		if (cli->output == OUTPUT_TABLE)
			print_summary(status);
		print_days(status, cli->output);
	}
	json_decref(status);
	client_answer_fini(&answer);
	return r;
}

const struct cli_verb storage_status_verb = {
	"storage", "status", "",
	"how large the log is, how it grows, and how many days the disk will do\n"
	"The disk is known when the service runs its own PostgreSQL; else days left are unknown.\n"
	"With -o json: all of it as one object. With csv or jsonl: the days.\n",
	run_status
};
