/* rfevent login, logout: a session, kept in ~/.config/rfevent/env. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/endpoint.h"
#include "cli/prompt.h"

#define SESSIONS      "/redfish/v1/SessionService/Sessions"
#define ENV_MAX_BYTES 65536

static char *env_path(void)
{
	const char *home = getenv("HOME");

	return home && home[0] ? xasprintf("%s/.config/rfevent/env", home) : NULL;
}

/* Mode 0600, in a folder that is nobody else's. */
static int write_env(const char *path, struct str text)
{
	char *dir = xstrdup(path);
	struct err err;
	int r;

	*strrchr(dir, '/') = '\0';
	r = file_make_dirs(dir, 0700, &err);
	if (r == 0)
		r = file_replace(path, text, 0600, &err);
	free(dir);
	return r == 0 ? CLI_OK : cli_fail(CLI_REFUSED, "%s", err.text);
}

static int keep(const struct cli *cli, const struct client_answer *answer)
{
	char *path = env_path(), *cacert = cli->cacert ? realpath(cli->cacert, NULL) : NULL;
	struct strbuf text;
	int r;

	if (!path)
		return cli_fail(CLI_REFUSED, "HOME is not set: there is no place to keep the session");
	strbuf_init(&text, ENV_MAX_BYTES);
	strbuf_putf(&text, "RFEVENT_URL=%s\nRFEVENT_USER=%s\n", cli->url, cli->user);
	if (cacert)
		strbuf_putf(&text, "RFEVENT_CACERT=%s\n", cacert);
	strbuf_putf(&text, "RFEVENT_TOKEN=%s\nRFEVENT_SESSION=%s\n", answer->token,
		    answer->location ? answer->location : "");
	r = write_env(path, strbuf_str(&text));
	if (r == CLI_OK)
		printf("Logged in to %s as %s; kept in %s.\n", cli->url, cli->user, path);
	secrets_wipe(text.p, text.size);
	strbuf_fini(&text);
	free(cacert);
	free(path);
	return r;
}

static int open_session(const struct cli *cli, const char *password)
{
	char *url = xasprintf("%s" SESSIONS, cli->url), *text;
	json_t *body = json_pack("{s:s,s:s}", "UserName", cli->user, "Password", password);
	struct client_answer answer;
	int r;

	text = json_dumps(body, JSON_COMPACT);
	r = text ? client_post(cli, url, str_of(text), &answer) :
		   cli_fail(CLI_REFUSED, "name and password must be UTF-8");
	if (r == CLI_OK && !answer.token)
		r = cli_fail(CLI_REFUSED, "%s gave no token", url);
	if (r == CLI_OK)
		r = keep(cli, &answer);
	if (text)
		client_answer_fini(&answer);
	prompt_forget(text);
	json_decref(body);
	free(url);
	return r;
}

static int run_login(const struct cli *given, int argc, char **argv)
{
	static const struct option known[] = { { "user", required_argument, NULL, 'n' },
					       { "password-file", required_argument, NULL, 'p' },
					       { 0 } };
	struct cli cli = *given;
	char *password, *url = NULL;
	int c, r;

	/* What a file found names is of no use here but the URL, the user and the CA. */
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'n')
			cli.user = optarg;
		else if (c == 'p')
			cli.password_file = optarg;
		else
			return cli_usage(&login_verb, "unknown option");
	}
	if (optind + 1 < argc)
		return cli_usage(&login_verb, "'%s' is too much", argv[optind + 1]);
	if (optind < argc) {
		struct str text = str_of(argv[optind]);

		while (text.len > 0 && text.p[text.len - 1] == '/')
			text.len--;
		cli.url = url = xstrndup(text);
	}
	password = prompt_password(cli.password_file, "Password", false);
	r = password ? open_session(&cli, password) : CLI_REFUSED;
	prompt_forget(password);
	free(url);
	return r;
}

static int run_logout(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	char *path = env_path();
	int r;

	if (!cli->token || !cli->session || !path) {
		free(path);
		return cli_fail(CLI_REFUSED, "nobody is logged in");
	}
	r = client_send(cli, "DELETE", cli->session, STR(""), &answer);
	if (r == CLI_OK || answer.status == 401) { /* it may have timed out before */
		unlink(path);
		r = CLI_OK;
	}
	client_answer_fini(&answer);
	free(path);
	return r;
}

const struct cli_verb login_verb = {
	"login", "", "[URL] [--user NAME] [--password-file F]",
	"open a session, and keep it in ~/.config/rfevent/env (mode 0600)\n"
	"  --user NAME        who (admin)\n"
	"  --password-file F  file with the password in its first line; else it is asked for\n"
	"Later commands use it, unless $RFEVENT_CONFIG or ./var/rfevent.env name a service.\n",
	run_login
};

const struct cli_verb logout_verb = { "logout", "", "",
				      "end the session that rfevent login opened\n", run_logout };
