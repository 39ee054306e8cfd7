/* rfevent token: API tokens, for programs. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"

#define TOKENS	    "/redfish/v1/AccountService/Oem/Rfeventd/Tokens"
#define DAYS_MAX    366
#define DAY_US	    (86400 * CLOCK_US_PER_S)
#define LEEWAY_US   (60 * CLOCK_US_PER_S) /* of the longest: clocks differ */

/* All of them, in full; *out is new. */
static int read_all(const struct cli *cli, json_t **out)
{
	json_t *json, *link, *token, *all = json_array();
	size_t i;
	int r = client_get_json(cli, TOKENS, &json);

	if (r != CLI_OK) {
		json_decref(all);
		return r;
	}
	json_array_foreach(json_object_get(json, "Members"), i, link)
	{
		const char *path = json_string_value(json_object_get(link, "@odata.id"));

		if (r == CLI_OK)
			r = client_get_json(cli, path, &token);
		if (r == CLI_OK)
			json_array_append_new(all, token);
	}
	json_decref(json);
	if (r == CLI_OK)
		*out = all;
	else
		json_decref(all);
	return r;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	json_t *all, *token;
	struct table *table;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage(&token_list_verb, "'%s' is too much", argv[1]);
	r = read_all(cli, &all);
	if (r != CLI_OK)
		return r;
	table = table_new("Id,Name,UserName,RoleId,Expires,LastUsed");
	json_array_foreach(all, i, token)
	{
		table_put(table, client_text(token, "Id"));
		table_put(table, client_text(token, "Name"));
		table_put(table, client_text(token, "UserName"));
		table_put(table, client_text(token, "RoleId"));
		table_put(table, client_text(token, "Expires"));
		table_put(table, client_text(token, "LastUsed"));
	}
	table_print(table, cli->output);
	table_free(table);
	json_decref(all);
	return CLI_OK;
}

/* --- add -----------------------------------------------------------------------------------------
 */

static int print_made(const struct cli *cli, const struct client_answer *answer)
{
	json_t *json = json_loadb(answer->body.p ? answer->body.p : "", answer->body.len, 0, NULL);
	const char *token = json_string_value(json_object_get(json, "Token"));
	int r = CLI_OK;

	if (!token)
		r = cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
	else if (cli->output == OUTPUT_JSON)
		printf("%s\n", answer->body.p);
	else
		printf("%s\n", token);
	json_decref(json);
	return r;
}

static int run_add(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "role", required_argument, NULL, 'r' },
					       { "days", required_argument, NULL, 'd' },
					       { 0 } };
	json_t *body = json_object();
	struct client_answer answer;
	char until[CLOCK_TEXT_BYTES], *text;
	uint64_t days = 0;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'r') {
			json_object_set_new(body, "RoleId", json_string(optarg));
		} else if (c != 'd' || !str_to_u64(str_of(optarg), &days) || days < 1 ||
			   days > DAYS_MAX) {
			json_decref(body);
			return cli_usage(&token_add_verb, "--days takes 1 to %d", DAYS_MAX);
		}
	}
	if (optind + 1 != argc) {
		json_decref(body);
		return cli_usage(&token_add_verb, "one name is needed");
	}
	json_object_set_new(body, "Name", json_string(argv[optind]));
	if (days > 0)
		json_object_set_new(body, "Expires",
				    json_string(clock_format(clock_time_us() + (int64_t)days * DAY_US -
								     (days == DAYS_MAX ? LEEWAY_US : 0),
							     until)));
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	r = client_send(cli, "POST", TOKENS, str_of(text), &answer);
	if (r == CLI_OK)
		r = print_made(cli, &answer);
	client_answer_fini(&answer);
	free(text);
	return r;
}

/* --- remove --------------------------------------------------------------------------------------
 */

/* By Id, or by a name that only one has. */
static const json_t *find(const json_t *all, const char *given)
{
	const json_t *found = NULL, *token;
	size_t i, n = 0;

	json_array_foreach(all, i, token)
	{
		if (str_eq(client_text(token, "Id"), str_of(given)))
			return token;
		if (!str_eq(client_text(token, "Name"), str_of(given)))
			continue;
		found = token;
		n++;
	}
	if (n > 1)
		cli_fail(CLI_REFUSED, "several tokens are named '%s': give the Id", given);
	else if (n == 0)
		cli_fail(CLI_REFUSED, "there is no token '%s'", given);
	return n == 1 ? found : NULL;
}

static int run_remove(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	const json_t *token;
	json_t *all;
	int r;

	if (argc != 2)
		return cli_usage(&token_remove_verb, "an Id or a name is needed");
	r = read_all(cli, &all);
	if (r != CLI_OK)
		return r;
	token = find(all, argv[1]);
	if (token) {
		r = client_send(cli, "DELETE", json_string_value(json_object_get(token, "@odata.id")),
				STR(""), &answer);
		client_answer_fini(&answer);
	}
	json_decref(all);
	return token ? r : CLI_REFUSED;
}

const struct cli_verb token_list_verb = { "token", "list", "",
					  "API tokens: your own, or (Administrator) all\n", run_list };
const struct cli_verb token_add_verb = {
	"token", "add", "NAME [--role ROLE] [--days N]",
	"make an API token and print it; it is not shown again\n"
	"  --role ROLE  Administrator, Operator or ReadOnly; yours when absent, and at most\n"
	"  --days N     until it expires: 1 to 366 (90)\n",
	run_add
};
const struct cli_verb token_remove_verb = { "token", "remove", "ID|NAME",
					    "revoke an API token\n", run_remove };
