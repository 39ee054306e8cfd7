/* rfevent: the command line. Options, help, and the table of verbs. */
#include <curl/curl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/endpoint.h"

static const struct cli_verb *const verbs[] = {
	&event_tail_verb,   &event_list_verb,      &event_show_verb,
	&event_export_verb, &event_send_verb,      &event_import_verb,
	&registry_list_verb,   &registry_show_verb,
	&registry_add_verb, &registry_remove_verb, &registry_fetch_verb,
	&registry_lint_verb,  &registry_diff_verb,   &registry_coverage_verb,
	&registry_resolve_verb, &storage_status_verb,
	&journal_status_verb, &journal_verify_verb, &journal_export_verb,
	&quarantine_list_verb, &quarantine_show_verb, &quarantine_retry_verb,
	&login_verb,        &logout_verb,          &account_list_verb,
	&account_add_verb,  &account_passwd_verb,  &account_role_verb,
	&account_enable_verb, &account_disable_verb, &account_unlock_verb,
	&account_remove_verb, &token_list_verb,    &token_add_verb,
	&token_remove_verb, &source_list_verb,    &source_add_verb,
	&source_show_verb,  &source_remove_verb, &task_list_verb,
	&task_show_verb,    &task_wait_verb,
	&subscription_list_verb, &subscription_add_verb,
	&subscription_show_verb, &subscription_suspend_verb, &subscription_resume_verb,
	&subscription_remove_verb,
};

static const char usage[] =
	"Usage: rfevent [OPTIONS] NOUN VERB [ARGUMENTS]\n"
	"\n"
	"  --url URL            the service, as https://host:9443\n"
	"  --user NAME          who asks (admin)\n"
	"  --password-file F    file with the password in its first line\n"
	"  --cacert F           certificate authority of the service\n"
	"  --insecure           do not check the service's certificate\n"
	"  -o FORMAT            table, json, jsonl or csv\n"
	"  --version, --help\n"
	"\n"
	"Without them the service is found through $RFEVENT_CONFIG, ./var/rfevent.env,\n"
	"~/.config/rfevent/env or /etc/rfeventd/rfevent.env.\n"
	"\n";

int cli_fail(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("rfevent: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

int cli_usage(const struct cli_verb *verb, const char *format, ...)
{
	va_list args;

	fputs("rfevent: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nUsage: rfevent %s%s%s %s\n", verb->noun, verb->verb[0] ? " " : "",
		verb->verb, verb->arguments);
	return CLI_USAGE;
}

static void print_help(const char *noun)
{
	if (!noun)
		fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!noun || strcmp(verbs[i]->noun, noun) == 0)
			printf("rfevent %s%s%s %s\n  %.*s\n", verbs[i]->noun,
			       verbs[i]->verb[0] ? " " : "", verbs[i]->verb, verbs[i]->arguments,
			       (int)strcspn(verbs[i]->help, "\n"),
			       verbs[i]->help);
	puts("\nExit status: 0 good, 1 refused or found wanting, 2 usage, 3 cannot reach.");
}

static bool is_help(const char *text)
{
	return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

static void replace(char **value, const char *given)
{
	free(*value);
	*value = xstrdup(given);
}

/* -1: go on; otherwise the exit status. */
static int parse_options(struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "url", required_argument, NULL, 'u' },
					       { "user", required_argument, NULL, 'n' },
					       { "password-file", required_argument, NULL, 'p' },
					       { "cacert", required_argument, NULL, 'c' },
					       { "insecure", no_argument, NULL, 'k' },
					       { "output", required_argument, NULL, 'o' },
					       { "version", no_argument, NULL, 'V' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	static const char *const outputs[] = { "table", "json", "jsonl", "csv" };
	int c;

	while ((c = getopt_long(argc, argv, "+o:h", known, NULL)) != -1) {
		switch (c) {
		case 'u': replace(&cli->url, optarg); break;
		case 'n': replace(&cli->user, optarg); break;
		case 'p': replace(&cli->password_file, optarg); break;
		case 'c': replace(&cli->cacert, optarg); break;
		case 'k': cli->insecure = true; break;
		case 'V': puts("rfevent " RFEVENTD_VERSION); return CLI_OK;
		case 'h': print_help(NULL); return CLI_OK;
		case 'o':
			for (c = 0; c < (int)ARRAY_LEN(outputs) && strcmp(outputs[c], optarg) != 0;
			     c++)
				;
			if (c == (int)ARRAY_LEN(outputs))
				return cli_fail(CLI_USAGE,
						"-o takes table, json, jsonl or csv, not '%s'",
						optarg);
			cli->output = (enum cli_output)c;
			break;
		default: fputs("Try rfevent --help.\n", stderr); return CLI_USAGE;
		}
	}
	if (cli->url && strlen(cli->url) > 0 && cli->url[strlen(cli->url) - 1] == '/')
		cli->url[strlen(cli->url) - 1] = '\0';
	return -1;
}

static int run_verb(struct cli *cli, int argc, char **argv)
{
	const char *noun = argv[0];
	bool noun_known = false;
	int n_words;

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct cli_verb *verb = verbs[i];

		if (strcmp(verb->noun, noun) != 0)
			continue;
		noun_known = true;
		n_words = verb->verb[0] ? 2 : 1;
		if (argc < n_words || (n_words == 2 && strcmp(verb->verb, argv[1]) != 0))
			continue;
		if (argc > n_words && (strcmp(argv[n_words], "--help") == 0 ||
				       strcmp(argv[n_words], "-h") == 0)) {
			printf("Usage: rfevent %s%s%s %s\n\n%s", verb->noun,
			       n_words == 2 ? " " : "", verb->verb, verb->arguments, verb->help);
			return CLI_OK;
		}
		endpoint_find(cli);
		optind = 0; /* getopt begins anew, past the verb */
		return verb->run(cli, argc - n_words + 1, argv + n_words - 1);
	}
	if (noun_known && argc > 1 && is_help(argv[1])) {
		print_help(noun);
		return CLI_OK;
	}
	if (noun_known)
		return cli_fail(CLI_USAGE, "'%s' can't '%s'. Try rfevent %s --help.", noun,
				argc > 1 ? argv[1] : "", noun);
	return cli_fail(CLI_USAGE, "'%s' is no noun of rfevent. Try rfevent --help.", noun);
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int status = parse_options(&cli, argc, argv);

	if (status < 0 && optind == argc) {
		fputs(usage, stderr);
		status = CLI_USAGE;
	} else if (status < 0) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		status = run_verb(&cli, argc - optind, argv + optind);
		curl_global_cleanup();
	}
	free(cli.url);
	free(cli.user);
	free(cli.password_file);
	free(cli.cacert);
	free(cli.events_url);
	free(cli.events_token_file);
	free(cli.state_dir);
	free(cli.token);
	free(cli.session);
	return status;
}
