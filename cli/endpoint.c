#include "cli/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"

#define ENV_MAX_BYTES (64u << 10)
#define SECRET_MAX_BYTES 4096

static void take(char **value, struct str given)
{
	if (!*value)
		*value = xstrndup(given);
}

static void read_line(struct cli *cli, struct str line)
{
	size_t equals = str_find_char(line, '=');
	struct str name = str_trim((struct str){ line.p, equals }), value;

	if (equals == line.len || line.p[0] == '#')
		return;
	value = str_trim((struct str){ line.p + equals + 1, line.len - equals - 1 });
	if (str_eq(name, STR("RFEVENT_URL")))
		take(&cli->url, value);
	else if (str_eq(name, STR("RFEVENT_USER")))
		take(&cli->user, value);
	else if (str_eq(name, STR("RFEVENT_PASSWORD_FILE")))
		take(&cli->password_file, value);
	else if (str_eq(name, STR("RFEVENT_CACERT")) && !cli->insecure)
		take(&cli->cacert, value);
	else if (str_eq(name, STR("RFEVENT_STATE_DIR")))
		take(&cli->state_dir, value);
	else if (str_eq(name, STR("RFEVENT_EVENTS_URL")))
		take(&cli->events_url, value);
	else if (str_eq(name, STR("RFEVENT_EVENTS_TOKEN_FILE")))
		take(&cli->events_token_file, value);
	else if (str_eq(name, STR("RFEVENT_TOKEN")))
		take(&cli->token, value);
	else if (str_eq(name, STR("RFEVENT_SESSION")))
		take(&cli->session, value);
}

static void read_env(struct cli *cli, struct str text)
{
	while (text.len > 0) {
		size_t end = str_find_char(text, '\n');

		read_line(cli, (struct str){ text.p, end });
		end = end < text.len ? end + 1 : end;
		text = (struct str){ text.p + end, text.len - end };
	}
}

/* A session is of one user at one service: not for whom the options named. */
static void drop_foreign_token(struct cli *cli, bool named_user, const char *named_url,
			       const char *file_url)
{
	if (!named_user && (!named_url || (file_url && strcmp(named_url, file_url) == 0)))
		return;
	free(cli->token);
	free(cli->session);
	cli->token = cli->session = NULL;
}

void endpoint_find(struct cli *cli)
{
	bool named_user = cli->user || cli->password_file;
	char *named_url = cli->url;
	const char *home = getenv("HOME");
	char *places[] = { xstrdup(getenv("RFEVENT_CONFIG") ? getenv("RFEVENT_CONFIG") : ""),
			   xstrdup("./var/rfevent.env"),
			   xasprintf("%s/.config/rfevent/env", home ? home : ""),
			   xstrdup("/etc/rfeventd/rfevent.env") };
	char *text = NULL;
	size_t n;

	cli->url = NULL; /* what the file says is looked at, even where an option goes before it */
	for (size_t i = 0; i < ARRAY_LEN(places) && !text; i++)
		if (places[i][0] && file_read(places[i], ENV_MAX_BYTES, &text, &n, NULL) == 0)
			read_env(cli, (struct str){ text, n });
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		free(places[i]);
	free(text);
	drop_foreign_token(cli, named_user, named_url, cli->url);
	if (named_url) {
		free(cli->url);
		cli->url = named_url;
	}
	take(&cli->url, STR("https://localhost:9443"));
	take(&cli->user, STR("admin"));
}

char *endpoint_secret(const char *path, const char *what)
{
	struct err err;
	char *text, *line;
	struct str first;
	size_t n;

	if (file_read(path, SECRET_MAX_BYTES, &text, &n, &err) < 0) {
		cli_fail(CLI_REFUSED, "%s: %s", what, err.text);
		return NULL;
	}
	first = (struct str){ text, str_find_char((struct str){ text, n }, '\n') };
	line = xstrndup(str_trim(first));
	free(text);
	return line;
}

char *endpoint_password(const struct cli *cli)
{
	if (!cli->password_file) {
		cli_fail(CLI_REFUSED, "no service was found: log in with rfevent login, give --url, --user "
				      "and --password-file, or name its rfevent.env in RFEVENT_CONFIG");
		return NULL;
	}
	return endpoint_secret(cli->password_file, "password file");
}
