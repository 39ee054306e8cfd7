/* rfevent registry resolve: what a MessageId means, and why. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/registry_local.h"
#include "cli/show.h"
#include "cli/table.h"
#include "event/limits.h"
#include "registries/explain.h"
#include "registries/registry.h"
#include "translations/catalog.h"

#define ANSWER_MAX_BYTES (64u << 20)
#define RESOLVE_PATH     "/redfish/v1/Registries/Actions/Oem/Rfeventd.Resolve"
#define MAIN_COLUMNS     "MessageId,Message,Resolution,Severity,language,step,registry,version,args"

struct asking {
	struct question question;
	struct str args[DECODE_MAX_ARGS];
	struct local_folders paths, translations;
	const char *source;
};

/* --- showing -------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void put_fit(struct table *table, const json_t *candidate)
{
	static const struct {
		const char *name, *words;
	} misfits[] = { { "contradicts", "other number of arguments" },
			{ "other_case", "key in other case" },
			{ "foreign", "not of the source" } };
	struct strbuf text;

	strbuf_init(&text, 256);
	for (size_t i = 0; i < ARRAY_LEN(misfits); i++) {
		if (json_is_true(json_object_get(candidate, misfits[i].name)))
			strbuf_putf(&text, "%s%s", text.len > 0 ? ", " : "", misfits[i].words);
	}
	table_put(table, text.len > 0 ? strbuf_str(&text) : STR("-"));
	strbuf_fini(&text);
}

static void show_candidates(const json_t *candidates)
{
	struct table *table;
	json_t *candidate;
	size_t i;

	if (json_array_size(candidates) == 0)
		return;
	table = table_new("candidate,version,language,step,#args,misfit,place");
	json_array_foreach(candidates, i, candidate)
	{
		table_put(table, str_of(text_of(candidate, "registry")));
		table_put(table, str_of(text_of(candidate, "version")));
		table_put(table, str_of(text_of(candidate, "language")));
		table_put(table, str_of(text_of(candidate, "step")));
		table_put_count(table,
				(size_t)json_integer_value(json_object_get(candidate, "n_args")));
		put_fit(table, candidate);
		table_put(table, str_of(text_of(candidate, "place")));
	}
	putchar('\n');
	table_print(table, OUTPUT_TABLE);
	table_free(table);
}

static void show_facts(const json_t *answer)
{
	char *args = show_joined(json_object_get(answer, "args"));
	char *registry =
		xasprintf("%s %s", text_of(answer, "registry"), text_of(answer, "version"));
	json_t *reason;
	size_t i;

	show_fact("MessageId", text_of(answer, "MessageId"));
	show_fact("Form", text_of(answer, "form"));
	show_fact("Message", text_of(answer, "Message"));
	show_fact("Resolution", text_of(answer, "Resolution"));
	show_fact("Severity", text_of(answer, "Severity"));
	show_fact("Language", text_of(answer, "language"));
	show_fact("Arguments", args);
	show_fact("Registry", strcmp(registry, " ") != 0 ? registry : "");
	show_fact("Step", text_of(answer, "step"));
	json_array_foreach(json_object_get(answer, "why"), i, reason)
	{
		show_fact(i == 0 ? "Why" : "", json_string_value(reason));
	}
	show_candidates(json_object_get(answer, "candidates"));
	free(args);
	free(registry);
}

static void print_csv(const json_t *answer)
{
	static const char *const names[] = { "MessageId", "Message", "Resolution", "Severity",
					     "language",  "step",    "registry",   "version" };
	char *args = json_dumps(json_object_get(answer, "args"), JSON_COMPACT);
	struct table *table = table_new(MAIN_COLUMNS);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		table_put(table, str_of(text_of(answer, names[i])));
	table_put(table, str_of(args));
	table_print(table, OUTPUT_CSV);
	table_free(table);
	free(args);
}

/* The answer for people or programs; the exit status. */
static int print_answer(const json_t *answer, enum cli_output output)
{
	switch (output) {
	case OUTPUT_TABLE: show_facts(answer); break;
	case OUTPUT_CSV: print_csv(answer); break;
	default:
		json_dumpf(answer, stdout, output == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
		putchar('\n');
		break;
	}
	return json_is_string(json_object_get(answer, "registry")) ? CLI_OK : CLI_REFUSED;
}

/* --- asking what is on this machine --------------------------------------------------------------
 */

static int answer_from(const struct question *question, const struct registry_set *set,
		       const struct catalog_set *catalogs, enum cli_output output)
{
	struct strbuf text;
	json_t *answer;
	int r = CLI_REFUSED;

	strbuf_init(&text, ANSWER_MAX_BYTES);
	registry_explain(set, catalogs, question, &text);
	answer = text.failed ? NULL : json_loadb(text.p, text.len, 0, NULL);
	if (answer)
		r = print_answer(answer, output);
	else
		cli_fail(CLI_REFUSED, "the explanation is too long to be shown");
	json_decref(answer);
	strbuf_fini(&text);
	return r;
}

/* What lies in the folders named is what the source serves itself. */
static void hold_paths(const struct asking *asking, struct registry_set *set)
{
	struct registry_set *own = registry_set_load(asking->paths.dirs, asking->paths.n, NULL);
	size_t n = registry_set_count(own);
	const char **hashes = xcalloc(n, sizeof(*hashes));

	for (size_t i = 0; i < n; i++)
		hashes[i] = registry_sha256(registry_set_at(own, i)).p;
	registry_set_hold(set, asking->question.source, hashes, n);
	free(hashes);
	registry_set_unref(own);
}

static int ask_locally(struct asking *asking, enum cli_output output)
{
	struct registry_set *set = local_registries(&asking->paths);
	struct catalog_set *catalogs = set ? local_translations(&asking->translations) : NULL;
	int r = CLI_REFUSED;

	if (catalogs && asking->source) {
		asking->question.source =
			uuid_digest(STR("source by name"), str_of(asking->source));
		hold_paths(asking, set);
	}
	if (catalogs)
		r = answer_from(&asking->question, set, catalogs, output);
	registry_set_unref(set);
	catalog_set_unref(catalogs);
	return r;
}

/* --- asking the service --------------------------------------------------------------------------
 */

static json_t *text_json(struct str text)
{
	return text.p ? json_stringn(text.p, text.len) : NULL;
}

/* The question as the service's action takes it; new. */
static char *question_json(const struct asking *asking)
{
	const struct question *question = &asking->question;
	json_t *args = question->has_args ? json_array() : NULL;
	json_t *json = json_object();
	char *text;

	for (size_t i = 0; args && i < question->n_args; i++)
		json_array_append_new(args, text_json(question->args[i]));
	/* a member without a value is left out */
	json_object_set_new(json, "MessageId", text_json(question->message_id));
	json_object_set_new(json, "MessageArgs", args);
	json_object_set_new(json, "Message", text_json(question->text));
	json_object_set_new(json, "Language", text_json(question->language));
	if (asking->source)
		json_object_set_new(json, "Source", json_string(asking->source));
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static int ask_service(const struct cli *cli, const struct asking *asking)
{
	char *text = question_json(asking);
	struct client_answer answer;
	json_t *json;
	int r;

	r = client_send(cli, "POST", RESOLVE_PATH, str_of(text), &answer);
	if (r == CLI_OK) {
		json = json_loadb(answer.body.p ? answer.body.p : "", answer.body.len, 0, NULL);
		r = json ? print_answer(json, cli->output)
			 : cli_fail(CLI_REFUSED, "the service's answer is not what was expected");
		json_decref(json);
	}
	client_answer_fini(&answer);
	free(text);
	return r;
}

/* --- the command line ----------------------------------------------------------------------------
 */

static int read_options(struct asking *asking, int argc, char **argv)
{
	static const struct option known[] = { { "language", required_argument, NULL, 'l' },
					       { "text", required_argument, NULL, 't' },
					       { "path", required_argument, NULL, 'p' },
					       { "translations", required_argument, NULL, 'T' },
					       { "source", required_argument, NULL, 's' },
					       { 0 } };
	bool fits = true;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'l': asking->question.language = str_of(optarg); break;
		case 't': asking->question.text = str_of(optarg); break;
		case 'p': fits &= local_folders_add(&asking->paths, optarg); break;
		case 'T': fits &= local_folders_add(&asking->translations, optarg); break;
		case 's': asking->source = optarg; break;
		default: return cli_usage(&registry_resolve_verb, "unknown option");
		}
	}
	return fits ? CLI_OK : cli_usage(&registry_resolve_verb, "too many folders");
}

static int run_resolve(const struct cli *cli, int argc, char **argv)
{
	struct asking asking = { .source = NULL };
	struct question *question = &asking.question;
	int r = read_options(&asking, argc, argv);

	if (r != CLI_OK)
		return r;
	if (optind == argc)
		return cli_usage(&registry_resolve_verb, "a MessageId is needed");
	if (argc - optind - 1 > DECODE_MAX_ARGS)
		return cli_usage(&registry_resolve_verb, "more than %d arguments", DECODE_MAX_ARGS);
	question->message_id = str_of(argv[optind]);
	question->n_args = (size_t)(argc - optind - 1);
	question->has_args = question->n_args > 0;
	question->args = asking.args;
	for (size_t i = 0; i < question->n_args; i++)
		asking.args[i] = str_of(argv[optind + 1 + (int)i]);
	if (asking.paths.n == 0 && asking.translations.n == 0 && (cli->password_file || cli->token))
		return ask_service(cli, &asking);
	if (asking.source && asking.paths.n == 0)
		return cli_usage(
			&registry_resolve_verb,
			"--source needs the service, or --path: what that source serves itself");
	return ask_locally(&asking, cli->output);
}

const struct cli_verb registry_resolve_verb = {
	"registry", "resolve",
	"ID [ARG…] [--language L] [--text TEXT] [--path DIR]… [--translations DIR]… [--source S]",
	"what a MessageId means: its words, which registry has them, and why that one\n"
	"  --language L        language of the words, as de or ja\n"
	"  --text TEXT         what the sender itself said: its arguments are recovered from it\n"
	"  --path DIR          registries beside the shipped ones; the last folder answers first\n"
	"  --translations DIR  translations beside the shipped ones\n"
	"  --source S          asked as this source would be; with --path: those folders hold what "
	"it serves\n"
	"The service is asked, with all it knows; with --path or --translations, and where there "
	"is none,\n"
	"the shipped files are. Put -- before arguments that begin with a dash. The exit status is "
	"1 when\n"
	"no registry knows the id.\n",
	run_resolve
};
