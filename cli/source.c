/* rfevent source: the BMCs whose events the service takes. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/prompt.h"
#include "cli/show.h"
#include "cli/table.h"

#define SOURCES "/redfish/v1/AggregationService/AggregationSources"

static const json_t *oem_of(const json_t *source)
{
	return json_object_get(json_object_get(source, "Oem"), "Rfeventd");
}

static char *path_of(const char *name)
{
	char *escaped = client_escape(name), *path = xasprintf(SOURCES "/%s", escaped);

	free(escaped);
	return path;
}

/* --- list ----------------------------------------------------------------------------------------
 */

static void put_row(struct table *table, const json_t *source)
{
	const json_t *oem = oem_of(source);

	table_put(table, client_text(source, "Name"));
	table_put(table, client_text(oem, "State"));
	table_put(table, client_text(source, "HostName"));
	table_put(table, client_text(oem, "Address"));
	table_put(table, client_text(oem, "Site"));
	table_put(table, client_text(oem, "Rack"));
	table_put(table, client_text(oem, "Owner"));
	table_put(table, client_text(source, "Id"));
}

/* Page by page; *out is the next one's path, new, or NULL. */
static int put_page(const struct cli *cli, const char *path, struct table *table, char **out)
{
	json_t *page, *source;
	const char *next;
	size_t i;
	int r = client_get_json(cli, path, &page);

	*out = NULL;
	if (r != CLI_OK)
		return r;
	json_array_foreach(json_object_get(page, "Members"), i, source)
	{
		put_row(table, source);
	}
	next = json_string_value(json_object_get(page, "Members@odata.nextLink"));
	*out = next ? xstrdup(next) : NULL;
	json_decref(page);
	return CLI_OK;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "filter", required_argument, NULL, 'f' }, { 0 } };
	char *path = xstrdup(SOURCES "?$expand=.&$orderby=Name"), *next;
	struct table *table;
	int c, r = CLI_OK;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		char *escaped;

		if (c != 'f') {
			free(path);
			return cli_usage(&source_list_verb, "unknown option");
		}
		escaped = client_escape(optarg);
		free(path);
		path = xasprintf(SOURCES "?$expand=.&$orderby=Name&$filter=%s", escaped);
		free(escaped);
	}
	if (optind < argc) {
		free(path);
		return cli_usage(&source_list_verb, "'%s' is too much", argv[optind]);
	}
	table = table_new("Name,State,HostName,Address,Site,Rack,Owner,Id");
	while (r == CLI_OK && path) {
		r = put_page(cli, path, table, &next);
		free(path);
		path = next;
	}
	if (r == CLI_OK)
		table_print(table, cli->output);
	table_free(table);
	free(path);
	return r;
}

/* --- add -----------------------------------------------------------------------------------------
 */

/* What the command line says, on its way into a body. */
struct wish {
	json_t *body, *oem, *tags;
	const char *password_file;
	const char *fault; /* NULL: none */
};

static void wish_tag(struct wish *wish, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text) {
		wish->fault = "--tag takes NAME=VALUE";
		return;
	}
	json_object_setn_new(wish->tags, text, (size_t)(equals - text), json_string(equals + 1));
	json_object_set(wish->oem, "Tags", wish->tags);
}

static void read_options(int argc, char **argv, struct wish *wish)
{
	static const struct option known[] = {
		{ "username", required_argument, NULL, 'u' },
		{ "password-file", required_argument, NULL, 'p' },
		{ "site", required_argument, NULL, 's' },
		{ "rack", required_argument, NULL, 'r' },
		{ "owner", required_argument, NULL, 'o' },
		{ "address", required_argument, NULL, 'a' },
		{ "certificate", required_argument, NULL, 'c' },
		{ "tag", required_argument, NULL, 't' },
		{ "insecure", no_argument, NULL, 'k' },
		{ "no-subscribe", no_argument, NULL, 'n' },
		{ 0 }
	};
	int c;

	while (!wish->fault && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'u': json_object_set_new(wish->body, "UserName", json_string(optarg)); break;
		case 'p': wish->password_file = optarg; break;
		case 's': json_object_set_new(wish->oem, "Site", json_string(optarg)); break;
		case 'r': json_object_set_new(wish->oem, "Rack", json_string(optarg)); break;
		case 'o': json_object_set_new(wish->oem, "Owner", json_string(optarg)); break;
		case 'a': json_object_set_new(wish->oem, "Address", json_string(optarg)); break;
		case 'c': json_object_set_new(wish->oem, "Certificate", json_string(optarg)); break;
		case 't': wish_tag(wish, optarg); break;
		case 'k': json_object_set_new(wish->oem, "Insecure", json_true()); break;
		case 'n': json_object_set_new(wish->oem, "Subscribe", json_false()); break;
		default: wish->fault = "unknown option";
		}
	}
	if (!wish->fault && optind + 2 != argc)
		wish->fault = "a name and a URL or an address are needed";
}

/* Asked for only where a user name makes it needed. */
static int add_password(struct wish *wish)
{
	const char *user = json_string_value(json_object_get(wish->body, "UserName"));
	char *password;

	if (!user && !wish->password_file)
		return CLI_OK;
	password = prompt_password(wish->password_file, "Password of the source's account", false);
	if (!password)
		return CLI_REFUSED;
	json_object_set_new(wish->body, "Password", json_string(password));
	prompt_forget(password);
	return CLI_OK;
}

static int print_made(const struct cli *cli, const struct client_answer *answer)
{
	json_t *source = client_parse(answer);
	struct str uri = client_text(oem_of(source), "EventUri");

	if (!source)
		return CLI_REFUSED;
	if (cli->output == OUTPUT_TABLE)
		printf("%.*s\n", STR_ARG(uri));
	else
		printf("%s\n", answer->body.p);
	json_decref(source);
	return CLI_OK;
}

static int send_wish(const struct cli *cli, const struct wish *wish)
{
	struct client_answer answer;
	char *text;
	int r;

	text = json_dumps(wish->body, JSON_COMPACT);
	if (!text)
		return cli_fail(CLI_REFUSED, "names and passwords must be UTF-8");
	r = client_send(cli, "POST", SOURCES, str_of(text), &answer);
	if (r == CLI_OK)
		r = print_made(cli, &answer);
	client_answer_fini(&answer);
	prompt_forget(text);
	return r;
}

static int run_add(const struct cli *cli, int argc, char **argv)
{
	struct wish wish = { .body = json_object(), .oem = json_object(), .tags = json_object() };
	int r;

	read_options(argc, argv, &wish);
	if (wish.fault) {
		r = cli_usage(&source_add_verb, "%s", wish.fault);
	} else {
		json_object_set_new(wish.body, "Name", json_string(argv[optind]));
		json_object_set_new(wish.body, "HostName", json_string(argv[optind + 1]));
		json_object_set_new(wish.body, "Oem", json_pack("{s:O}", "Rfeventd", wish.oem));
		r = add_password(&wish);
		if (r == CLI_OK)
			r = send_wish(cli, &wish);
	}
	json_decref(wish.body);
	json_decref(wish.oem);
	json_decref(wish.tags);
	return r;
}

/* --- show, remove --------------------------------------------------------------------------------
 */

static void print_fact(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	show_fact(name, value ? value : "");
}

static void print_tags(json_t *tags)
{
	const char *name;
	json_t *value;

	json_object_foreach(tags, name, value)
	{
		char *line = xasprintf("%s=%s", name, json_string_value(value));

		show_fact("Tag", line);
		free(line);
	}
}

static void print_source(const json_t *source, const json_t *activity)
{
	static const char *const names[] = { "Name", "Id", "HostName", "UserName" };
	static const char *const ours[] = { "State", "EventUri",    "Address", "Site",
					    "Rack",  "Owner",	    "Certificate", "Created" };
	const json_t *oem = oem_of(source);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		print_fact(source, names[i]);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		print_fact(oem, ours[i]);
	print_tags(json_object_get(oem, "Tags"));
	print_fact(activity, "LastSeen");
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	json_t *source, *activity = NULL;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&source_show_verb, "a name or an Id is needed");
	path = path_of(argv[1]);
	r = client_get_json(cli, path, &source);
	free(path);
	if (r != CLI_OK)
		return r;
	if (cli->output == OUTPUT_TABLE) {
		const json_t *link = json_object_get(oem_of(source), "Activity");

		r = client_get_json(cli, json_string_value(json_object_get(link, "@odata.id")),
				    &activity);
		print_source(source, r == CLI_OK ? activity : NULL);
		if (r == CLI_OK)
			json_decref(activity);
	} else if (json_dumpf(source, stdout, JSON_COMPACT) == 0) {
		putchar('\n');
	}
	json_decref(source);
	return r;
}

static int run_remove(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&source_remove_verb, "a name or an Id is needed");
	path = path_of(argv[1]);
	r = client_send(cli, "DELETE", path, STR(""), &answer);
	client_answer_fini(&answer);
	free(path);
	return r;
}

const struct cli_verb source_list_verb = {
	"source", "list", "[--filter F]",
	"the sources the service knows\n"
	"  --filter F  as \"Oem/Rfeventd/Site eq 'Bonn' and contains(Name,'rack7')\"\n",
	run_list
};
const struct cli_verb source_add_verb = {
	"source", "add", "NAME URL [OPTIONS]",
	"make a source and print the URL that its events go to\n"
	"  --username U       an account of the source that may read\n"
	"  --password-file F  file with its password in the first line (- for standard input);\n"
	"                     else it is asked for\n"
	"  --site S --rack R --owner O --tag NAME=VALUE\n"
	"  --address A        where its deliveries come from\n"
	"  --certificate C    its client certificate: sha256:… or a name in it\n"
	"  --insecure         its own certificate is not checked\n"
	"  --no-subscribe     make no subscription on it (none is made so far)\n",
	run_add
};
const struct cli_verb source_show_verb = { "source", "show", "NAME|ID",
					   "one source, with the URL that its events go to\n",
					   run_show };
const struct cli_verb source_remove_verb = {
	"source", "remove", "NAME|ID",
	"remove a source: its token ends, its past events stay\n", run_remove
};
