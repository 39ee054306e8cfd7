/* What the commands of rfevent share: options, exit statuses, one table of verbs. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "base/str.h"

enum { CLI_OK = 0, CLI_REFUSED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3 };
enum cli_output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_CSV };

struct cli {
	/* where the service is: all new or NULL */
	char *url, *user, *password_file, *cacert;
	char *events_url, *events_token_file;
	char *state_dir; /* of a service on this machine */
	char *token, *session; /* of rfevent login: the session's token and path */
	bool insecure;
	enum cli_output output;
};

struct cli_verb {
	const char *noun, *verb; /* verb "": the noun stands alone */
	const char *arguments; /* as shown in the help */
	const char *help;      /* one line, then more lines */
	int (*run)(const struct cli *cli, int argc, char **argv); /* argv[0] is the verb */
};

extern const struct cli_verb event_tail_verb, event_list_verb, event_show_verb,
	event_export_verb, event_send_verb;
extern const struct cli_verb event_import_verb;
extern const struct cli_verb registry_list_verb, registry_show_verb, registry_add_verb,
	registry_remove_verb, registry_fetch_verb, registry_lint_verb,
	registry_diff_verb, registry_coverage_verb, registry_resolve_verb;

extern const struct cli_verb journal_status_verb, journal_verify_verb, journal_export_verb;
extern const struct cli_verb storage_status_verb;
extern const struct cli_verb subscription_list_verb, subscription_add_verb, subscription_show_verb,
	subscription_suspend_verb, subscription_resume_verb, subscription_remove_verb;
extern const struct cli_verb quarantine_list_verb, quarantine_show_verb, quarantine_retry_verb;
extern const struct cli_verb login_verb, logout_verb, account_list_verb, account_add_verb,
	account_passwd_verb, account_role_verb, account_enable_verb, account_disable_verb,
	account_unlock_verb, account_remove_verb, token_list_verb, token_add_verb,
	token_remove_verb;
extern const struct cli_verb source_list_verb, source_add_verb, source_show_verb,
	source_remove_verb;
extern const struct cli_verb task_list_verb, task_show_verb, task_wait_verb;

/* "rfevent: …" on standard error; returns `status`. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Wrong arguments of a verb: says what, shows its usage; returns CLI_USAGE. */
int cli_usage(const struct cli_verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
