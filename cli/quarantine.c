/* rfevent quarantine list, show, retry: what the service accepted and could not log. */
#include <getopt.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/table.h"

#define QUARANTINE "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine"
#define RETRY      "/Actions/Oem/Rfeventd.Retry"
#define LIST_TOP   1000

static const char *text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static int get_json(const struct cli *cli, const char *path, json_t **out)
{
	struct client_answer answer;
	int r = client_get(cli, path, "application/json", NULL, &answer);

	if (r == CLI_OK) {
		*out = json_loadb(answer.body.p, answer.body.len, 0, NULL);
		if (!*out)
			r = cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
	}
	client_answer_fini(&answer);
	return r;
}

static char *path_of(const char *id, const char *behind)
{
	char *escaped = client_escape(id), *path = xasprintf(QUARANTINE "/%s%s", escaped, behind);

	free(escaped);
	return path;
}

/* --- list ----------------------------------------------------------------------------------------
 */

/* Up to `most` rows, over as many pages as it takes; *out is new, an array. */
static int get_rows(const struct cli *cli, size_t most, json_t **out)
{
	char *next = xasprintf(QUARANTINE "?$top=%d", LIST_TOP);
	json_t *rows = json_array();
	int r = CLI_OK;

	while (r == CLI_OK && next && json_array_size(rows) < most) {
		json_t *page = NULL;

		r = get_json(cli, next, &page);
		free(next);
		next = NULL;
		if (r != CLI_OK)
			break;
		json_array_extend(rows, json_object_get(page, "Members"));
		if (json_object_get(page, "Members@odata.nextLink"))
			next = xstrdup(text_of(page, "Members@odata.nextLink"));
		json_decref(page);
	}
	free(next);
	if (r == CLI_OK)
		*out = rows;
	else
		json_decref(rows);
	return r;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "top", required_argument, NULL, 't' }, { 0 } };
	struct table *table;
	uint64_t top = LIST_TOP;
	json_t *rows, *row;
	size_t i;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (c != 't' || !str_to_u64(str_of(optarg), &top) || top == 0)
			return cli_usage(&quarantine_list_verb, "--top takes a number");
	if (optind < argc)
		return cli_usage(&quarantine_list_verb, "'%s' is too much", argv[optind]);
	r = get_rows(cli, top, &rows);
	if (r != CLI_OK)
		return r;
	table = table_new("Id,Created,Source,Peer,Reason,#Bytes,Retried,Detail");
	json_array_foreach(rows, i, row)
	{
		if (i >= top)
			break;
		table_put(table, str_of(text_of(row, "Id")));
		table_put(table, str_of(text_of(row, "Created")));
		table_put(table, str_of(text_of(row, "Source")));
		table_put(table, str_of(text_of(row, "Peer")));
		table_put(table, str_of(text_of(row, "Reason")));
		table_put_count(table,
				(size_t)json_integer_value(json_object_get(row, "Bytes")));
		table_put(table, str_of(text_of(row, "Retried")));
		table_put(table, str_of(text_of(row, "Detail")));
	}
	table_print(table, cli->output);
	table_free(table);
	json_decref(rows);
	return CLI_OK;
}

/* --- show ----------------------------------------------------------------------------------------
 */

/* The bytes as they came, to go into a file. */
static void write_raw(const json_t *row)
{
	const char *base64 = json_string_value(json_object_get(row, "BodyBase64"));
	const json_t *body = json_object_get(row, "Body");
	size_t n = base64 ? strlen(base64) : 0, n_bytes;
	unsigned char *bytes;

	if (!base64) {
		fwrite(text_of(row, "Body"), 1, json_string_length(body), stdout);
		return;
	}
	bytes = xmalloc(n / 4 * 3 + 1);
	n_bytes = (size_t)EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)n);
	for (size_t i = n; i > 0 && base64[i - 1] == '='; i--)
		n_bytes--;
	fwrite(bytes, 1, n_bytes, stdout);
	free(bytes);
}

static void print_row(const json_t *row)
{
	static const char *const names[] = { "Id",   "Created", "Source", "Peer",
					     "Reason", "Detail", "Retried", "Body", "BodyBase64" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		show_fact(names[i], text_of(row, names[i]));
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "raw", no_argument, NULL, 'r' }, { 0 } };
	bool raw = false;
	json_t *row;
	char *path;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'r')
			return cli_usage(&quarantine_show_verb, "unknown option");
		raw = true;
	}
	if (optind + 1 != argc)
		return cli_usage(&quarantine_show_verb, "one Id is needed, of quarantine list");
	path = path_of(argv[optind], "");
	r = get_json(cli, path, &row);
	free(path);
	if (r != CLI_OK)
		return r;
	if (raw)
		write_raw(row);
	else if (cli->output == OUTPUT_TABLE)
		print_row(row);
	else if (json_dumpf(row, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	json_decref(row);
	return CLI_OK;
}

/* --- retry ---------------------------------------------------------------------------------------
 */

static int retry_one(const struct cli *cli, const char *id, struct table *table)
{
	char *path = path_of(id, RETRY);
	struct client_answer answer;
	int r = client_send(cli, "POST", path, STR("{}"), &answer);

	if (r == CLI_OK) {
		json_t *json = json_loadb(answer.body.p, answer.body.len, 0, NULL);

		table_put(table, str_of(id));
		table_put(table, str_of(text_of(json, "Result")));
		table_put_count(table,
				(size_t)json_integer_value(json_object_get(json, "Events")));
		json_decref(json);
	}
	client_answer_fini(&answer);
	free(path);
	return r;
}

/* What ended the program is only tried when it is named. */
static bool is_harmless(const json_t *row)
{
	return strcmp(text_of(row, "Reason"), "decode_crashed") != 0;
}

static int retry_all(const struct cli *cli, struct table *table)
{
	int worst = CLI_OK, r;
	json_t *rows, *row;
	size_t i;

	r = get_rows(cli, SIZE_MAX, &rows);
	if (r != CLI_OK)
		return r;
	/* Oldest first, as they came. */
	for (i = json_array_size(rows); i-- > 0 && worst < CLI_UNREACHABLE;) {
		row = json_array_get(rows, i);
		r = is_harmless(row) ? retry_one(cli, text_of(row, "Id"), table) : CLI_REFUSED;
		worst = r > worst ? r : worst;
	}
	json_decref(rows);
	return worst;
}

static int run_retry(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "all", no_argument, NULL, 'a' }, { 0 } };
	struct table *table;
	bool all = false;
	int c, worst = CLI_OK;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'a')
			return cli_usage(&quarantine_retry_verb, "unknown option");
		all = true;
	}
	if (all == (optind < argc))
		return cli_usage(&quarantine_retry_verb, "Ids are needed, or --all");
	table = table_new("Id,Result,#Events");
	if (all)
		worst = retry_all(cli, table);
	for (int i = optind; i < argc && worst < CLI_UNREACHABLE; i++) {
		int r = retry_one(cli, argv[i], table);

		worst = r > worst ? r : worst;
	}
	table_print(table, cli->output);
	table_free(table);
	return worst;
}

const struct cli_verb quarantine_list_verb = {
	"quarantine", "list", "[--top N]",
	"what was accepted and could not be logged, newest first\n"
	"  --top N  so many of them (1000)\n",
	run_list
};

const struct cli_verb quarantine_show_verb = {
	"quarantine", "show", "ID [--raw]",
	"one of them, with its reason and its bytes\n"
	"  --raw  the bytes alone, as they came\n",
	run_show
};

const struct cli_verb quarantine_retry_verb = {
	"quarantine", "retry", "ID…|--all",
	"read them again, and log what can be logged now\n"
	"  --all  everything, but what ended the program when it was read\n"
	"What is logged leaves quarantine; what is not stays, and the exit status is 1.\n",
	run_retry
};
