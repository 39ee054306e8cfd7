/* rfevent event list, event show: reading the log. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/event_question.h"
#include "cli/show.h"

#define ENTRIES "/redfish/v1/Managers/rfeventd/LogServices/Events/Entries"
#define NDJSON "application/x-ndjson"
#define DEFAULT_TOP 50

/* Each line of an ndjson answer as an Entry; stops at `fn`'s first false. */
static int each_entry(const struct client_answer *answer, void (*fn)(json_t *entry, void *ctx),
		      void *ctx)
{
	struct str text = strbuf_str(&answer->body);

	while (text.len > 0) {
		size_t end = str_find_char(text, '\n');
		json_t *entry = json_loadb(text.p, end, 0, NULL);

		if (!entry)
			return cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
		fn(entry, ctx);
		json_decref(entry);
		end = end < text.len ? end + 1 : end;
		text = (struct str){ text.p + end, text.len - end };
	}
	return CLI_OK;
}

static void print_one(json_t *entry, void *ctx)
{
	const enum cli_output *output = ctx;

	show_entry(entry, *output);
}

static void collect(json_t *entry, void *ctx)
{
	json_array_append(ctx, entry);
}

static int print_answer(const struct client_answer *answer, enum cli_output output)
{
	json_t *all;
	int r;

	if (output == OUTPUT_CSV) {
		fwrite(answer->body.p, 1, answer->body.len, stdout);
		return CLI_OK;
	}
	if (output != OUTPUT_JSON) {
		if (output == OUTPUT_TABLE)
			show_header();
		return each_entry(answer, print_one, &output);
	}
	all = json_array();
	r = each_entry(answer, collect, all);
	if (r == CLI_OK) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(all);
	return r;
}

struct listing {
	struct event_question question;
	enum cli_output output;
	uint64_t top;
};

static bool take_format(struct listing *listing, const char *name)
{
	static const char *const names[] = { "table", "json", "jsonl", "csv" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0) {
			listing->output = (enum cli_output)i;
			return true;
		}
	}
	return false;
}

static bool take_option(struct listing *listing, int option, const char *value, const char **why)
{
	switch (option) {
	case 't':
		*why = "--top takes a number from 1";
		return str_to_u64(str_of(value), &listing->top) && listing->top > 0;
	case 'F': *why = "--format takes table, json, jsonl or csv"; return take_format(listing, value);
	default: return event_question_take(&listing->question, option, value, why) == 0;
	}
}

static int list(const struct cli *cli, const struct listing *listing)
{
	bool csv = listing->output == OUTPUT_CSV;
	char *filter = event_question_query(&listing->question);
	char *path = xasprintf("%s?$top=%llu%s", ENTRIES, (unsigned long long)listing->top, filter);
	struct client_answer answer;
	int r = client_get(cli, path, csv ? "text/csv" : NDJSON, listing->question.language, &answer);

	if (r == CLI_OK)
		r = print_answer(&answer, listing->output);
	client_answer_fini(&answer);
	free(path);
	free(filter);
	return r;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { EVENT_QUESTION_OPTIONS,
					       { "top", required_argument, NULL, 't' },
					       { "format", required_argument, NULL, 'F' },
					       { 0 } };
	struct listing listing = { .output = cli->output, .top = DEFAULT_TOP };
	const char *why = "unknown option";
	bool good = true;
	int c, r;

	while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1)
		good = take_option(&listing, c, optarg, &why);
	if (!good)
		r = cli_usage(&event_list_verb, "%s", why);
	else if (optind < argc)
		r = cli_usage(&event_list_verb, "'%s' is too much", argv[optind]);
	else
		r = list(cli, &listing);
	event_question_fini(&listing.question);
	return r;
}

static void print_whole(json_t *entry, void *ctx)
{
	const enum cli_output *output = ctx;

	if (*output == OUTPUT_TABLE) {
		show_whole(entry);
	} else {
		json_dumpf(entry, stdout, *output == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
		putchar('\n');
	}
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "language", required_argument, NULL, 'l' }, { 0 } };
	enum cli_output output = cli->output;
	const char *language = NULL;
	struct client_answer answer;
	uint64_t seq;
	char *path;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'l')
			return cli_usage(&event_show_verb, "unknown option");
		language = optarg;
	}
	if (optind + 1 != argc || !str_to_u64(str_of(argv[optind]), &seq))
		return cli_usage(&event_show_verb, "one sequence number is needed");
	path = xasprintf("%s/%llu", ENTRIES, (unsigned long long)seq);
	r = client_get(cli, path, output == OUTPUT_CSV ? "text/csv" : NDJSON, language, &answer);
	if (r == CLI_OK && output == OUTPUT_CSV)
		fwrite(answer.body.p, 1, answer.body.len, stdout);
	else if (r == CLI_OK)
		r = each_entry(&answer, print_whole, &output);
	client_answer_fini(&answer);
	free(path);
	return r;
}

const struct cli_verb event_list_verb = {
	"event", "list", "[--top N] [--format table|json|jsonl|csv]\n  " EVENT_QUESTION_ARGUMENTS,
	"the newest events of the log, newest first\n"
	"  --top N       how many (50)\n"
	"  --format F    table, json, jsonl or csv\n" EVENT_QUESTION_HELP,
	run_list
};

const struct cli_verb event_show_verb = { "event", "show", "SEQ [--language L]",
					  "one event, fact by fact\n", run_show };
