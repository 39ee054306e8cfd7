/* rfevent event send: post deliveries to the receiver, as a BMC would. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/endpoint.h"

#define SEND_MAX_BYTES (64u << 20)

static int send_file(const struct cli *cli, const char *url, const char *path)
{
	const char *name = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
	struct client_answer answer;
	struct err err;
	char *text;
	size_t n;
	int r;

	if (file_read(name, SEND_MAX_BYTES, &text, &n, &err) < 0)
		return cli_fail(CLI_REFUSED, "%s", err.text);
	r = client_post(cli, url, (struct str){ text, n }, &answer);
	if (r == CLI_OK && cli->output == OUTPUT_TABLE)
		printf("%s: %ld %.*s\n", path, answer.status, STR_ARG(strbuf_str(&answer.body)));
	client_answer_fini(&answer);
	free(text);
	return r;
}

/* The URL that takes events: given, or that of the service with its enrolment token. New. */
static char *events_url(const struct cli *cli, const char *given)
{
	char *token, *url;

	if (given)
		return xstrdup(given);
	if (!cli->events_url || !cli->events_token_file) {
		cli_fail(CLI_REFUSED, "where to? Give --to URL (https://host:8443/events/<token>)");
		return NULL;
	}
	token = endpoint_secret(cli->events_token_file, "enrolment token");
	if (!token)
		return NULL;
	url = xasprintf("%s/events/%s", cli->events_url, token);
	free(token);
	return url;
}

static int run_send(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "to", required_argument, NULL, 't' }, { 0 } };
	const char *given = NULL;
	int c, worst = CLI_OK;
	char *url;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 't')
			return cli_usage(&event_send_verb, "unknown option");
		given = optarg;
	}
	if (optind == argc)
		return cli_usage(&event_send_verb, "at least one file is needed, or - for standard input");
	url = events_url(cli, given);
	if (!url)
		return CLI_REFUSED;
	for (int i = optind; i < argc; i++) {
		int r = send_file(cli, url, argv[i]);

		if (r > worst)
			worst = r;
	}
	free(url);
	return worst;
}

const struct cli_verb event_send_verb = {
	"event", "send", "[--to URL] FILE...|-",
	"post files to the receiver, each as one delivery\n"
	"  --to URL      the events URL with its token; without it, the local service's\n",
	run_send
};
