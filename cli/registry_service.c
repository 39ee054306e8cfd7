/* rfevent registry list, show, add, remove, fetch: the registries of the service. */
#include <dirent.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/table.h"
#include "registries/limits.h"

#define REGISTRIES  "/redfish/v1/Registries"
#define SOURCES     "/redfish/v1/AggregationService/AggregationSources"
#define JSON        "application/json"
#define WAIT_MS     15000 /* until what was added is loaded */
#define LOOK_MS     100
#define MAX_DEPTH   16 /* of folders that are added */
#define SHOWN_CHARS 12 /* of a hash in a table */

static const json_t *oem_of(const json_t *file)
{
	return json_object_get(json_object_get(file, "Oem"), "Rfeventd");
}

static void put_languages(struct table *table, const json_t *file)
{
	struct strbuf text;
	json_t *language;
	size_t i;

	strbuf_init(&text, 4096);
	json_array_foreach(json_object_get(file, "Languages"), i, language)
	{
		strbuf_put_text(&text, i > 0 ? " " : "");
		strbuf_put_text(&text, json_string_value(language));
	}
	table_put(table, strbuf_str(&text));
	strbuf_fini(&text);
}

static void put_number(struct table *table, const json_t *object, const char *name)
{
	table_put_count(table, (size_t)json_integer_value(json_object_get(object, name)));
}

/* --- list ----------------------------------------------------------------------------------------
 */

static int run_list(const struct cli *cli, int argc, char **argv)
{
	struct table *table;
	json_t *json, *file;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage(&registry_list_verb, "'%s' is too much", argv[1]);
	r = client_get_json(cli, REGISTRIES "?$expand=.", &json);
	if (r != CLI_OK)
		return r;
	table = table_new("Id,Languages,#Keys,#Findings,Origin,SHA256,Place");
	json_array_foreach(json_object_get(json, "Members"), i, file)
	{
		const json_t *oem = oem_of(file);
		struct str hash = client_text(oem, "SHA256");

		if (cli->output == OUTPUT_TABLE && hash.len > SHOWN_CHARS)
			hash.len = SHOWN_CHARS;
		table_put(table, client_text(file, "Id"));
		put_languages(table, file);
		put_number(table, oem, "Keys");
		put_number(table, oem, "Findings");
		table_put(table, client_text(oem, "Origin"));
		table_put(table, hash);
		table_put(table, client_text(oem, "Place"));
	}
	table_print(table, cli->output);
	table_free(table);
	json_decref(json);
	return CLI_OK;
}

/* --- show ----------------------------------------------------------------------------------------
 */

/* The path of the body in `language`; the registry's own when NULL. p NULL: there is none. */
static struct str find_location(const json_t *file, const char *language)
{
	json_t *location;
	size_t i;

	json_array_foreach(json_object_get(file, "Location"), i, location)
	{
		if (!language || str_eq_nocase(client_text(location, "Language"), str_of(language)))
			return client_text(location, "Uri");
	}
	return (struct str){ NULL, 0 };
}

static void print_messages(const json_t *registry, enum cli_output output)
{
	struct table *table = table_new("Key,Severity,#Args,Message,Resolution");
	json_t *message;
	const char *key;

	json_object_foreach(json_object_get(registry, "Messages"), key, message)
	{
		struct str severity = client_text(message, "MessageSeverity");

		table_put(table, str_of(key));
		table_put(table, severity.len > 0 ? severity : client_text(message, "Severity"));
		put_number(table, message, "NumberOfArgs");
		table_put(table, client_text(message, "Message"));
		table_put(table, client_text(message, "Resolution"));
	}
	table_print(table, output);
	table_free(table);
}

static int show_body(const struct cli *cli, const json_t *file, const char *id,
		     const char *language)
{
	struct str uri = find_location(file, language);
	struct client_answer answer;
	json_t *json;
	char *path;
	int r;

	if (!uri.p)
		return cli_fail(CLI_REFUSED, "'%s' is not there in '%s'", id, language);
	path = xstrndup(uri);
	r = client_get(cli, path, JSON, NULL, &answer);
	json = r == CLI_OK ? client_parse(&answer) : NULL;
	if (json && cli->output == OUTPUT_JSON)
		fwrite(answer.body.p, 1, answer.body.len, stdout);
	else if (json)
		print_messages(json, cli->output);
	r = r == CLI_OK && !json ? CLI_REFUSED : r;
	json_decref(json);
	client_answer_fini(&answer);
	free(path);
	return r;
}

static char *path_of(const char *id)
{
	char *escaped = client_escape(id), *path = xasprintf(REGISTRIES "/%s", escaped);

	free(escaped);
	return path;
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	static const struct option known[] = { { "language", required_argument, NULL, 'l' },
					       { 0 } };
	const char *language = NULL;
	json_t *file;
	char *path;
	int c, r;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'l')
			return cli_usage(&registry_show_verb, "unknown option");
		language = optarg;
	}
	if (optind + 1 != argc)
		return cli_usage(&registry_show_verb, "one Id is needed, as Power.1.2.0");
	path = path_of(argv[optind]);
	r = client_get_json(cli, path, &file);
	if (r == CLI_OK) {
		r = show_body(cli, file, argv[optind], language);
		json_decref(file);
	}
	free(path);
	return r;
}

/* --- add -----------------------------------------------------------------------------------------
 */

struct adding {
	const struct cli *cli;
	struct table *table;
	char last[65]; /* hash of the last one that was new */
	size_t n_new;
	int worst;
};

static void report_added(struct adding *adding, const char *path, const json_t *answer)
{
	json_t *one;
	size_t i;

	if (json_integer_value(json_object_get(answer, "Refused")) > 0)
		fprintf(stderr,
			"rfevent: %lld files of '%s' are no message registries; the first: %s\n",
			(long long)json_integer_value(json_object_get(answer, "Refused")), path,
			json_string_value(json_object_get(answer, "FirstRefusal")));
	json_array_foreach(json_object_get(answer, "Added"), i, one)
	{
		bool is_new = json_is_true(json_object_get(one, "New"));

		table_put(adding->table, client_text(one, "Registry"));
		table_put(adding->table, client_text(one, "Language"));
		put_number(adding->table, one, "Keys");
		put_number(adding->table, one, "Findings");
		table_put(adding->table, is_new ? STR("added") : STR("there already"));
		table_put(adding->table, str_of(path));
		if (!is_new)
			continue;
		adding->n_new++;
		snprintf(adding->last, sizeof(adding->last), "%.*s",
			 STR_ARG(client_text(one, "SHA256")));
	}
}

static void add_file(struct adding *adding, const char *path)
{
	struct client_answer answer;
	json_t *json = NULL;
	struct err err;
	char *bytes;
	size_t n;
	int r;

	if (file_read(path, REGISTRY_MAX_BYTES, &bytes, &n, &err) < 0) {
		adding->worst = cli_fail(CLI_REFUSED, "%s", err.text);
		return;
	}
	r = client_send(adding->cli, "POST", REGISTRIES, (struct str){ bytes, n }, &answer);
	if (r == CLI_OK)
		json = client_parse(&answer);
	else
		fprintf(stderr, "rfevent: '%s' was not added\n", path);
	if (json)
		report_added(adding, path, json);
	else
		adding->worst = r > adding->worst ? r : adding->worst;
	json_decref(json);
	client_answer_fini(&answer);
	free(bytes);
}

static bool is_wanted(struct str name)
{
	return str_ends_with(name, STR(".json")) || str_ends_with(name, STR(".zip")) ||
	       str_ends_with(name, STR(".gz"));
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_path(struct adding *adding, const char *path, int depth)
{
	struct dirent **entries;
	struct stat st;
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		add_file(adding, path);
		return;
	}
	n = depth < MAX_DEPTH ? scandir(path, &entries, NULL, compare_names) : -1;
	if (n < 0) {
		adding->worst = cli_fail(CLI_REFUSED, "cannot read the folder '%s'", path);
		return;
	}
	for (int i = 0; i < n; i++) {
		char *below = xasprintf("%s/%s", path, entries[i]->d_name);
		bool is_dir = stat(below, &st) == 0 && S_ISDIR(st.st_mode);

		if (entries[i]->d_name[0] != '.' && adding->worst < CLI_UNREACHABLE &&
		    (is_dir || is_wanted(str_of(entries[i]->d_name))))
			add_path(adding, below, depth + 1);
		free(below);
		free(entries[i]);
	}
	free(entries);
}

static bool is_loaded(const struct cli *cli, const char *sha256)
{
	bool found = false;
	json_t *json, *file, *hash;
	size_t i, k;

	if (client_get_json(cli, REGISTRIES "?$expand=.", &json) != CLI_OK)
		return true; /* said already */
	json_array_foreach(json_object_get(json, "Members"), i, file)
	{
		json_array_foreach(json_object_get(oem_of(file), "Contents"), k, hash) found |=
			str_eq(str_of(json_string_value(hash)), str_of(sha256));
	}
	json_decref(json);
	return found;
}

/* A script's next command shall see what this one did. */
static void wait_loaded(const struct adding *adding)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000L };

	for (int waited = 0; waited < WAIT_MS && !is_loaded(adding->cli, adding->last);
	     waited += LOOK_MS)
		nanosleep(&pause, NULL);
}

static int run_add(const struct cli *cli, int argc, char **argv)
{
	struct adding adding = { .cli = cli };

	if (argc < 2)
		return cli_usage(&registry_add_verb, "a file, a folder or a zip is needed");
	adding.table = table_new("Registry,Language,#Keys,#Findings,Result,File");
	for (int i = 1; i < argc && adding.worst < CLI_UNREACHABLE; i++)
		add_path(&adding, argv[i], 0);
	if (adding.n_new > 0)
		wait_loaded(&adding);
	table_print(adding.table, cli->output);
	table_free(adding.table);
	return adding.worst;
}

/* --- remove, fetch -------------------------------------------------------------------------------
 */

static int run_remove(const struct cli *cli, int argc, char **argv)
{
	int worst = CLI_OK;

	if (argc < 2)
		return cli_usage(&registry_remove_verb, "an Id is needed, as Contoso.1.0.0");
	for (int i = 1; i < argc; i++) {
		char *path = path_of(argv[i]);
		struct client_answer answer;
		int r = client_send(cli, "DELETE", path, STR(""), &answer);

		worst = r > worst ? r : worst;
		client_answer_fini(&answer);
		free(path);
	}
	return worst;
}

static int run_fetch(const struct cli *cli, int argc, char **argv)
{
	struct client_answer answer;
	char *escaped, *path;
	int r;

	if (argc != 2)
		return cli_usage(&registry_fetch_verb, "one source is needed, by its name");
	escaped = client_escape(argv[1]);
	path = xasprintf(SOURCES "/%s/Actions/Oem/Rfeventd.FetchRegistries", escaped);
	r = client_send(cli, "POST", path, STR("{}"), &answer);
	if (r == CLI_OK) {
		struct table *table = table_new("#Fetched,#New,#Unchanged,#Failed,Why");
		json_t *json = client_parse(&answer);

		put_number(table, json, "Fetched");
		put_number(table, json, "New");
		put_number(table, json, "Unchanged");
		put_number(table, json, "Failed");
		table_put(table, client_text(json, "Why"));
		table_print(table, cli->output);
		if (json_integer_value(json_object_get(json, "Failed")) > 0)
			r = CLI_REFUSED;
		table_free(table);
		json_decref(json);
	}
	client_answer_fini(&answer);
	free(path);
	free(escaped);
	return r;
}

const struct cli_verb registry_list_verb = { "registry", "list", "",
					     "the message registries the service knows\n",
					     run_list };

const struct cli_verb registry_show_verb = {
	"registry", "show", "ID [--language L]",
	"the messages of one registry\n"
	"  --language L  in this language, as de or ja; else its own\n"
	"With -o json: the registry itself, as a MessageRegistry.\n",
	run_show
};

const struct cli_verb registry_add_verb = {
	"registry", "add", "FILE|DIR|ZIP…",
	"give the service registries: files, folders, or the publisher's bundle as it is\n"
	"They are kept in the database, loaded without a restart, and shared by all replicas.\n",
	run_add
};

const struct cli_verb registry_remove_verb = {
	"registry", "remove", "ID…",
	"take registries away that were added, or read from a source\n", run_remove
};

const struct cli_verb registry_fetch_verb = {
	"registry", "fetch", "SOURCE",
	"read the registries of a source (it needs a user name and a password)\n", run_fetch
};
