/* rfevent task: what the service is at for long. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/table.h"

#define TASKS	"/redfish/v1/TaskService/Tasks"
#define LOOK_US 300000 /* between two looks at a task that is waited for */

static char *path_of(const char *id)
{
	char *escaped = client_escape(id), *path = xasprintf(TASKS "/%s", escaped);

	free(escaped);
	return path;
}

static int run_list(const struct cli *cli, int argc, char **argv)
{
	json_t *page, *task;
	struct table *table;
	size_t i;
	int r;

	if (argc > 1)
		return cli_usage(&task_list_verb, "'%s' is too much", argv[1]);
	r = client_get_json(cli, TASKS "?$expand=.&$orderby=StartTime", &page);
	if (r != CLI_OK)
		return r;
	table = table_new("Id,Name,TaskState,#PercentComplete,StartTime,EndTime");
	json_array_foreach(json_object_get(page, "Members"), i, task)
	{
		table_put(table, client_text(task, "Id"));
		table_put(table, client_text(task, "Name"));
		table_put(table, client_text(task, "TaskState"));
		table_put_count(table, (size_t)json_integer_value(
					       json_object_get(task, "PercentComplete")));
		table_put(table, client_text(task, "StartTime"));
		table_put(table, client_text(task, "EndTime"));
	}
	table_print(table, cli->output);
	table_free(table);
	json_decref(page);
	return CLI_OK;
}

static void print_task(const struct cli *cli, const json_t *task)
{
	static const char *const names[] = { "Id", "Name", "TaskState", "StartTime", "EndTime" };
	json_t *message;
	size_t i;

	if (cli->output != OUTPUT_TABLE) {
		json_dumpf(task, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	for (i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = json_string_value(json_object_get(task, names[i]));

		show_fact(names[i], value ? value : "");
	}
	json_array_foreach(json_object_get(task, "Messages"), i, message)
	{
		const char *words = json_string_value(json_object_get(message, "Resolution"));

		if (!str_eq(client_text(task, "TaskState"), STR("Completed")))
			show_fact("Why", words ? words : "");
	}
}

static int run_show(const struct cli *cli, int argc, char **argv)
{
	json_t *task;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&task_show_verb, "an Id is needed, of task list");
	path = path_of(argv[1]);
	r = client_get_json(cli, path, &task);
	free(path);
	if (r != CLI_OK)
		return r;
	print_task(cli, task);
	json_decref(task);
	return CLI_OK;
}

static int run_wait(const struct cli *cli, int argc, char **argv)
{
	json_t *task = NULL;
	char *path;
	int r;

	if (argc != 2)
		return cli_usage(&task_wait_verb, "an Id is needed, of task list");
	path = path_of(argv[1]);
	for (;;) {
		r = client_get_json(cli, path, &task);
		if (r != CLI_OK || !str_eq(client_text(task, "TaskState"), STR("Running")))
			break;
		json_decref(task);
		usleep(LOOK_US);
	}
	free(path);
	if (r != CLI_OK)
		return r;
	print_task(cli, task);
	r = str_eq(client_text(task, "TaskState"), STR("Completed")) ? CLI_OK : CLI_REFUSED;
	json_decref(task);
	return r;
}

const struct cli_verb task_list_verb = { "task", "list", "", "what was begun and takes long\n",
					 run_list };
const struct cli_verb task_show_verb = { "task", "show", "ID", "one task\n", run_show };
const struct cli_verb task_wait_verb = { "task", "wait", "ID",
					 "wait for a task; status 1 when it did not end well\n",
					 run_wait };
