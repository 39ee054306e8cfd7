/* rfevent account: who may use the service. */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/prompt.h"
#include "cli/table.h"

#define ACCOUNTS "/redfish/v1/AccountService/Accounts"

static char *path_of(const char *name)
{
	char *escaped = client_escape(name), *path = xasprintf(ACCOUNTS "/%s", escaped);

	free(escaped);
	return path;
}

/* --- list ----------------------------------------------------------------------------------------
 */

static struct str yes_or_no(const json_t *account, const char *name)
{
	return json_is_true(json_object_get(account, name)) ? STR("yes") : STR("no");
}

static int put_account(const struct cli *cli, struct table *table, const json_t *link)
{
	json_t *account;
	int r = client_get_json(cli, json_string_value(json_object_get(link, "@odata.id")), &account);

	if (r != CLI_OK)
		return r;
	table_put(table, client_text(account, "UserName"));
	table_put(table, client_text(account, "RoleId"));
	table_put(table, yes_or_no(account, "Enabled"));
	table_put(table, yes_or_no(account, "Locked"));
	json_decref(account);
	return CLI_OK;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	json_t *json, *link;
	struct table *table;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage(&account_list_verb, "'%s' is too much", argv[1]);
	r = client_get_json(cli, ACCOUNTS, &json);
	if (r != CLI_OK)
		return r;
	table = table_new("UserName,RoleId,Enabled,Locked");
	json_array_foreach(json_object_get(json, "Members"), i, link)
	{
		if (r == CLI_OK)
			r = put_account(cli, table, link);
	}
	if (r == CLI_OK)
		table_print(table, cli->output);
	table_free(table);
	json_decref(json);
	return r;
}

/* --- add, and what changes one -------------------------------------------------------------------
 */

/* Send `body` (taken); its text may hold a password. */
static int send(const struct cli *cli, const char *method, const char *path, const char *etag,
		json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct client_answer answer;
	int r;

	json_decref(body);
	if (!text)
		return cli_fail(CLI_REFUSED, "names and passwords must be UTF-8");
	r = client_change(cli, method, path, etag, str_of(text), &answer);
	client_answer_fini(&answer);
	prompt_forget(text);
	return r;
}

/* PATCH `body` (taken) onto the account as it is now. */
static int change(const struct cli *cli, const char *name, json_t *body)
{
	char *path = path_of(name);
	struct client_answer account;
	int r = client_get(cli, path, "application/json", NULL, &account);

	if (r == CLI_OK)
		r = send(cli, "PATCH", path, account.etag, body);
	else
		json_decref(body);
	client_answer_fini(&account);
	free(path);
	return r;
}

/* --password-file, and then `least` to `most` words at argv[optind]. NULL when it is fine. */
static const char *read_options(int argc, char **argv, int least, int most, const char **file)
{
	static const struct option known[] = { { "password-file", required_argument, NULL, 'p' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'p')
			return "unknown option";
		*file = optarg;
	}
	if (argc - optind < least)
		return "something is missing";
	return argc - optind > most ? "that is too much" : NULL;
}

static int run_add(const struct cli *cli, int argc, char **argv)
{
	const char *file = NULL, *fault = read_options(argc, argv, 2, 2, &file);
	char *password;
	int r = CLI_REFUSED;

	if (fault)
		return cli_usage(&account_add_verb, "%s", fault);
	password = prompt_password(file, "Password of the new account", true);
	if (password)
		r = send(cli, "POST", ACCOUNTS, NULL,
			 json_pack("{s:s,s:s,s:s}", "UserName", argv[optind], "RoleId",
				   argv[optind + 1], "Password", password));
	prompt_forget(password);
	return r;
}

static int run_passwd(const struct cli *cli, int argc, char **argv)
{
	const char *file = NULL, *fault = read_options(argc, argv, 0, 1, &file);
	char *password;
	int r = CLI_REFUSED;

	if (fault)
		return cli_usage(&account_passwd_verb, "%s", fault);
	password = prompt_password(file, "New password", true);
	if (password)
		r = change(cli, optind < argc ? argv[optind] : cli->user,
			   json_pack("{s:s}", "Password", password));
	prompt_forget(password);
	return r;
}

static int run_role(const struct cli *cli, int argc, char **argv)
{
	if (argc != 3)
		return cli_usage(&account_role_verb, "a name and a role are needed");
	return change(cli, argv[1], json_pack("{s:s}", "RoleId", argv[2]));
}

static int run_switch(const struct cli *cli, int argc, char **argv)
{
	const struct cli_verb *verb = strcmp(argv[0], "enable") == 0 ? &account_enable_verb :
				      strcmp(argv[0], "disable") == 0 ? &account_disable_verb :
									&account_unlock_verb;

	if (argc != 2)
		return cli_usage(verb, "a name is needed");
	if (verb == &account_unlock_verb)
		return change(cli, argv[1], json_pack("{s:b}", "Locked", 0));
	return change(cli, argv[1], json_pack("{s:b}", "Enabled", verb == &account_enable_verb));
}

static int run_remove(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&account_remove_verb, "a name is needed");
	path = path_of(argv[1]);
	r = client_send(cli, "DELETE", path, STR(""), &answer);
	client_answer_fini(&answer);
	free(path);
	return r;
}

const struct cli_verb account_list_verb = { "account", "list", "", "who may use the service\n",
					    run_list };
const struct cli_verb account_add_verb = {
	"account", "add", "NAME ROLE [--password-file F]",
	"make an account; ROLE is Administrator, Operator or ReadOnly\n"
	"  --password-file F  file with its password in the first line; else it is asked for\n",
	run_add
};
const struct cli_verb account_passwd_verb = {
	"account", "passwd", "[NAME] [--password-file F]",
	"give an account (your own) another password; its other sessions end\n"
	"  --password-file F  file with it in the first line; else it is asked for\n",
	run_passwd
};
const struct cli_verb account_role_verb = { "account", "role", "NAME ROLE",
					    "give an account another role\n", run_role };
const struct cli_verb account_enable_verb = { "account", "enable", "NAME",
					      "let an account be used again\n", run_switch };
const struct cli_verb account_disable_verb = { "account", "disable", "NAME",
					       "keep an account from being used; its sessions end\n",
					       run_switch };
const struct cli_verb account_unlock_verb = {
	"account", "unlock", "NAME", "lift the lock after too many wrong passwords\n", run_switch
};
const struct cli_verb account_remove_verb = { "account", "remove", "NAME",
					      "remove an account, its sessions and its tokens\n",
					      run_remove };
