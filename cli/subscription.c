/* rfevent subscription: who gets our events. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/table.h"

#define SUBSCRIPTIONS         "/redfish/v1/EventService/Subscriptions"
#define HEADER_FILE_MAX_BYTES (64u << 10)

static char *path_of(const char *id, const char *behind)
{
	char *escaped = client_escape(id),
	     *path = xasprintf(SUBSCRIPTIONS "/%s%s", escaped, behind);

	free(escaped);
	return path;
}

/* --- list and show ------------------------------------------------------------------------------
 */

static void put_row(struct table *table, const json_t *row)
{
	const json_t *status = json_object_get(row, "Status");
	const json_t *oem = json_object_get(json_object_get(row, "Oem"), "Rfeventd");

	table_put(table, client_text(row, "Id"));
	table_put(table, client_text(row, "Destination"));
	table_put(table, client_text(row, "Context"));
	table_put(table, client_text(status, "State"));
	table_put(table, client_text(status, "Health"));
	table_put(table, client_text(oem, "LastError"));
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	struct table *table;
	json_t *all, *row;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage(&subscription_list_verb, "'%s' is too much", argv[1]);
	r = client_get_json(cli, SUBSCRIPTIONS "?$expand=.", &all);
	if (r != CLI_OK)
		return r;
	table = table_new("Id,Destination,Context,State,Health,LastError");
	json_array_foreach(json_object_get(all, "Members"), i, row)
	{
		put_row(table, row);
	}
	table_print(table, cli->output);
	table_free(table);
	json_decref(all);
	return CLI_OK;
}

static void show_list(const json_t *row, const char *name)
{
	char *joined = show_joined(json_object_get(row, name));

	show_fact(name, joined);
	free(joined);
}

static void print_row(const json_t *row)
{
	static const char *const texts[] = { "Id", "Destination", "Context",
					     "DeliveryRetryPolicy" };
	static const char *const lists[] = {
		"RegistryPrefixes",  "MessageIds", "ExcludeRegistryPrefixes",
		"ExcludeMessageIds", "Severities", "ResourceTypes"
	};
	static const char *const oem[] = { "Created", "FailingSince", "LastError" };
	const json_t *ours = json_object_get(json_object_get(row, "Oem"), "Rfeventd");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		show_fact(texts[i], client_text(row, texts[i]).p);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		show_list(row, lists[i]);
	show_fact("State", client_text(json_object_get(row, "Status"), "State").p);
	show_fact("Health", client_text(json_object_get(row, "Status"), "Health").p);
	for (size_t i = 0; i < ARRAY_LEN(oem); i++)
		show_fact(oem[i], client_text(ours, oem[i]).p);
}

static void print_json(const struct cli *cli, const json_t *row)
{
	if (cli->output == OUTPUT_TABLE)
		print_row(row);
	else if (json_dumpf(row, stdout, JSON_COMPACT) == 0)
		putchar('\n');
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	json_t *row;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&subscription_show_verb, "one Id is needed, of subscription list");
	path = path_of(argv[1], "");
	r = client_get_json(cli, path, &row);
	free(path);
	if (r != CLI_OK)
		return r;
	print_json(cli, row);
	json_decref(row);
	return CLI_OK;
}

/* --- add -----------------------------------------------------------------------------------------
 */

static void append(json_t *body, const char *name, json_t *value)
{
	json_t *list = json_object_get(body, name);

	if (!list) {
		list = json_array();
		json_object_set_new(body, name, list);
	}
	json_array_append_new(list, value);
}

/* "Name: value" lines, so that secrets stand in no command line. */
static int read_headers(const char *path, json_t *body)
{
	struct err err;
	struct str rest;
	char *content;
	size_t n;

	if (file_read(path, HEADER_FILE_MAX_BYTES, &content, &n, &err) < 0)
		return cli_fail(CLI_USAGE, "%s", err.text);
	rest = (struct str){ content, n };
	while (rest.len > 0) {
		size_t end = str_find_char(rest, '\n'), colon;
		struct str line = str_trim((struct str){ rest.p, end }), value;
		char *name;

		end += end < rest.len;
		rest = (struct str){ rest.p + end, rest.len - end };
		colon = str_find_char(line, ':');
		if (colon == line.len)
			continue;
		value = str_trim((struct str){ line.p + colon + 1, line.len - colon - 1 });
		name = xstrndup((struct str){ line.p, colon });
		append(body, "HttpHeaders", json_pack("{s:s%}", name, value.p, value.len));
		free(name);
	}
	free(content);
	return CLI_OK;
}

static int take_option(int c, json_t *body)
{
	uint64_t minutes;

	switch (c) {
	case 'c': json_object_set_new(body, "Context", json_string(optarg)); break;
	case 's': append(body, "Severities", json_string(optarg)); break;
	case 'r': append(body, "RegistryPrefixes", json_string(optarg)); break;
	case 'm': append(body, "MessageIds", json_string(optarg)); break;
	case 'o':
		append(body, "OriginResources", json_pack("{s:s}", "@odata.id", optarg));
		json_object_set_new(body, "SubordinateResources", json_true());
		break;
	case 'p': json_object_set_new(body, "DeliveryRetryPolicy", json_string(optarg)); break;
	case 'v': json_object_set_new(body, "VerifyCertificate", json_true()); break;
	case 'f': return read_headers(optarg, body);
	case 'b':
		if (!str_to_u64(str_of(optarg), &minutes))
			return cli_usage(&subscription_add_verb, "--heartbeat takes minutes");
		json_object_set_new(body, "SendHeartbeat", json_true());
		json_object_set_new(body, "HeartbeatIntervalMinutes",
				    json_integer((json_int_t)minutes));
		break;
	default: return cli_usage(&subscription_add_verb, "unknown option");
	}
	return CLI_OK;
}

static int send_new(const struct cli *cli, const json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct client_answer answer;
	int r = client_send(cli, "POST", SUBSCRIPTIONS, str_of(text), &answer);

	if (r == CLI_OK) {
		json_t *made = client_parse(&answer);

		if (!made)
			r = CLI_REFUSED;
		else if (cli->output == OUTPUT_TABLE)
			printf("%s\n", client_text(made, "Id").p);
		else
			print_json(cli, made);
		json_decref(made);
	}
	client_answer_fini(&answer);
	free(text);
	return r;
}

static int run_add(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "context", required_argument, NULL, 'c' },
					       { "severity", required_argument, NULL, 's' },
					       { "registry", required_argument, NULL, 'r' },
					       { "message", required_argument, NULL, 'm' },
					       { "origin", required_argument, NULL, 'o' },
					       { "policy", required_argument, NULL, 'p' },
					       { "verify", no_argument, NULL, 'v' },
					       { "header-file", required_argument, NULL, 'f' },
					       { "heartbeat", required_argument, NULL, 'b' },
					       { 0 } };
	json_t *body = json_pack("{s:s}", "Protocol", "Redfish");
	int c, r = CLI_OK;

	while (r == CLI_OK && (c = getopt_long(argc, argv, "", known, NULL)) != -1)
		r = take_option(c, body);
	if (r == CLI_OK && optind + 1 != argc)
		r = cli_usage(&subscription_add_verb, "one URL is needed");
	if (r == CLI_OK) {
		json_object_set_new(body, "Destination", json_string(argv[optind]));
		r = send_new(cli, body);
	}
	json_decref(body);
	return r;
}

/* --- suspend, resume, remove ---------------------------------------------------------------------
 */

static int each(const struct cli *cli, const struct cli_verb *verb, char **ids, const char *method,
		const char *behind, struct str body)
{
	int worst = CLI_OK;

	if (!*ids)
		return cli_usage(verb, "Ids are needed, of subscription list");
	for (; *ids && worst < CLI_UNREACHABLE; ids++) {
		char *path = path_of(*ids, behind);
		struct client_answer answer;
		int r = client_send(cli, method, path, body, &answer);

		client_answer_fini(&answer);
		free(path);
		worst = r > worst ? r : worst;
	}
	return worst;
}

static int run_suspend(const struct cli *cli, int argc, char **argv)
{
	return each(cli, &subscription_suspend_verb, argv + 1, "POST",
		    "/Actions/EventDestination.SuspendSubscription", STR("{}"));
}

static int run_resume(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "skip", no_argument, NULL, 's' }, { 0 } };
	bool skip = false;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 's')
			return cli_usage(&subscription_resume_verb, "unknown option");
		skip = true;
	}
	return each(cli, &subscription_resume_verb, argv + optind, "POST",
		    "/Actions/EventDestination.ResumeSubscription",
		    skip ? STR("{\"DeliverBufferedEventDuration\":\"PT0S\"}") : STR("{}"));
}

static int run_remove(const struct cli *cli, int argc, char **argv)
{
	return each(cli, &subscription_remove_verb, argv + 1, "DELETE", "", STR(""));
}

const struct cli_verb subscription_list_verb = {
	"subscription", "list", "", "who gets our events, and whether they take them\n", run_list
};

const struct cli_verb subscription_add_verb = {
	"subscription", "add",
	"URL [--context C] [--severity S]… [--registry PREFIX]… [--message PREFIX.KEY]…\n"
	"       [--origin URI]… [--policy P] [--heartbeat MINUTES] [--verify] [--header-file F]",
	"deliver events that are logged from now on to URL; prints the subscription's Id\n"
	"  --context C       comes back with each delivery\n"
	"  --severity S      OK, Warning or Critical; all options with … may be said again\n"
	"  --registry, --message  events that one of them names\n"
	"  --origin URI      of this resource and those below it\n"
	"  --policy P        RetryForeverWithBackoff, RetryForever, SuspendRetries,\n"
	"                    TerminateAfterRetries\n"
	"  --verify          check the certificate of URL\n"
	"  --header-file F   lines \"Name: value\", sent with each delivery and shown to nobody\n",
	run_add
};

const struct cli_verb subscription_show_verb = { "subscription", "show", "ID",
						 "one subscription, and its last error\n",
						 run_show };

const struct cli_verb subscription_suspend_verb = { "subscription", "suspend", "ID…",
						    "deliver no more; events wait in the log\n",
						    run_suspend };

const struct cli_verb subscription_resume_verb = { "subscription", "resume", "ID… [--skip]",
						   "go on with all that waited\n"
						   "  --skip  leave out what waited\n",
						   run_resume };

const struct cli_verb subscription_remove_verb = { "subscription", "remove", "ID…",
						   "end subscriptions\n", run_remove };
