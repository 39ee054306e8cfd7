#include "api/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts/limits.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/resource_json.h"
#include "api/service_root.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"

#define KEEP_US	       (TASK_KEEP_MINUTES * 60 * CLOCK_US_PER_S)
#define TARGET_MAX     512
#define NAME_MAX_CHARS 64

enum state { RUNNING, COMPLETED, EXCEPTION };

struct task {
	struct task *next;
	struct api *api;
	char id[UUID_TEXT_BYTES], user[ACCOUNT_NAME_MAX_BYTES + 1];
	char name[NAME_MAX_CHARS], method[16], target[TARGET_MAX];
	enum state state;
	int64_t start_us, end_us;
	struct err why;	       /* of an exception */
	struct api_job *job;   /* NULL: answered, or of a former process */
	bool shown;	       /* its request was answered 202 */
	struct loop_timer due; /* until then its request waits */
};

struct tasks {
	struct api *api;
	char *path;
	struct task *first; /* newest first */
	size_t n;
};

static void drop(struct tasks *tasks, struct task *task)
{
	struct task **at = &tasks->first;

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	tasks->n--;
	if (tasks->api->loop)
		loop_timer_cancel(tasks->api->loop, &task->due);
	if (task->job && task->state != RUNNING)
		task->job->drop(task->job);
	free(task);
}

/* --- over a restart ------------------------------------------------------------------------------
 */

static const char *const state_names[] = { [RUNNING] = "Running",
					   [COMPLETED] = "Completed",
					   [EXCEPTION] = "Exception" };

/* Written beside and renamed, but not synced: it is to outlive the process, and tells of nothing
 * that a power failure would leave undone. */
static void save(struct tasks *tasks)
{
	json_t *list = json_array();
	char *beside = tasks->path ? xasprintf("%s.new", tasks->path) : NULL;
	int fd = -1;

	for (const struct task *task = tasks->first; task && beside; task = task->next) {
		if (task->shown)
			json_array_append_new(
				list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:s}", "id",
						task->id, "user", task->user, "name", task->name,
						"method", task->method, "target", task->target,
						"state", (int)task->state, "start",
						(json_int_t)task->start_us, "end",
						(json_int_t)task->end_us, "why", task->why.text));
	}
	if (beside)
		fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (beside && (fd < 0 || json_dumpfd(list, fd, JSON_COMPACT) < 0 ||
		       rename(beside, tasks->path) < 0))
		log_warn("api", "tasks are not kept over a restart", LOG_T("err", strerror(errno)));
	if (fd >= 0)
		close(fd);
	free(beside);
	json_decref(list);
}

static void copy_text(char *out, size_t size, const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	snprintf(out, size, "%s", text ? text : "");
}

static void add_former(struct tasks *tasks, const json_t *from)
{
	struct task *task = xcalloc(1, sizeof(*task)), **end = &tasks->first;
	json_int_t state = json_integer_value(json_object_get(from, "state"));

	copy_text(task->id, sizeof(task->id), from, "id");
	copy_text(task->user, sizeof(task->user), from, "user");
	copy_text(task->name, sizeof(task->name), from, "name");
	copy_text(task->method, sizeof(task->method), from, "method");
	copy_text(task->target, sizeof(task->target), from, "target");
	copy_text(task->why.text, sizeof(task->why.text), from, "why");
	task->api = tasks->api;
	task->start_us = json_integer_value(json_object_get(from, "start"));
	task->end_us = json_integer_value(json_object_get(from, "end"));
	task->state = state == COMPLETED ? COMPLETED : EXCEPTION;
	task->shown = true;
	if (state == RUNNING) {
		task->end_us = clock_time_us();
		err_set(&task->why, 0, "The service ended before the task did.");
	}
	while (*end)
		end = &(*end)->next;
	*end = task;
	tasks->n++;
}

static void load(struct tasks *tasks)
{
	char *text = NULL;
	json_t *list, *one;
	size_t n = 0, i;

	if (file_read(tasks->path, TASKS_FILE_MAX_BYTES, &text, &n, NULL) < 0)
		return;
	list = json_loadb(text, n, 0, NULL);
	json_array_foreach(list, i, one)
	{
		if (tasks->n < TASKS_MAX && json_is_object(one))
			add_former(tasks, one);
	}
	json_decref(list);
	free(text);
	save(tasks);
}

struct tasks *tasks_new(struct api *api, const char *path)
{
	struct tasks *tasks = xcalloc(1, sizeof(*tasks));

	tasks->api = api;
	tasks->path = path ? xstrdup(path) : NULL;
	if (path)
		load(tasks);
	return tasks;
}

void tasks_free(struct tasks *tasks)
{
	if (!tasks)
		return;
	while (tasks->first)
		drop(tasks, tasks->first);
	free(tasks->path);
	free(tasks);
}

/* --- begin and end -------------------------------------------------------------------------------
 */

bool task_is_preferred(const struct http_request *request)
{
	struct str prefer = http_request_header(request, "Prefer");

	return str_find(prefer, STR("respond-async")) < prefer.len;
}

/* Ended ones that are old, or in the way: the oldest first. */
static void make_room(struct tasks *tasks)
{
	int64_t now_us = clock_time_us();
	struct task *task, *oldest, *next;

	for (task = tasks->first; task; task = next) {
		next = task->next;
		if (task->state != RUNNING && now_us - task->end_us > KEEP_US)
			drop(tasks, task);
	}
	while (tasks->n >= TASKS_MAX) {
		oldest = NULL;
		for (task = tasks->first; task; task = task->next)
			oldest = task->state != RUNNING ? task : oldest;
		if (!oldest)
			return;
		drop(tasks, oldest);
	}
}

static void put_task(struct http_request *request, const struct task *task, struct strbuf *out);

/* 202: the request is answered, the job goes on. */
static void show(struct task *task)
{
	struct api_job *job = task->job;
	char *monitor = xasprintf(MONITORS_PATH "/%s", task->id);
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	task->shown = true;
	put_task(job->request, task, &body);
	reply_json_with(job->request, 202, "Location", str_of(monitor), strbuf_str(&body));
	job->request = NULL;
	strbuf_fini(&body);
	free(monitor);
	save(task->api->tasks);
}

static void on_due(struct loop_timer *timer)
{
	show(timer->ctx);
}

void task_begin(struct api *api, const struct target *target, struct api_job *job, const char *name)
{
	struct tasks *tasks = api->tasks;
	struct task *task;

	make_room(tasks);
	if (tasks->n >= TASKS_MAX)
		return; /* then it is waited for */
	task = xcalloc(1, sizeof(*task));
	*task = (struct task){ .next = tasks->first,
			       .api = api,
			       .start_us = clock_time_us(),
			       .job = job,
			       .due = { .fn = on_due, .ctx = task } };
	uuid_format(uuid_v4(), task->id);
	snprintf(task->user, sizeof(task->user), "%s", target->who->user);
	snprintf(task->name, sizeof(task->name), "%s", name);
	snprintf(task->method, sizeof(task->method), "POST"); /* nothing else takes long */
	snprintf(task->target, sizeof(task->target), "%.*s",
		 STR_ARG(str_cut(http_request_path(target->request), TARGET_MAX - 1)));
	tasks->first = task;
	tasks->n++;
	job->task = task;
	if (task_is_preferred(target->request))
		show(task);
	else
		loop_timer_set(api->loop, &task->due, TASK_AFTER_US);
}

bool task_end(struct api *api, struct api_job *job)
{
	struct task *task = job->task;

	if (!task)
		return false;
	job->task = NULL;
	loop_timer_cancel(api->loop, &task->due);
	if (!task->shown) {
		task->job = NULL;
		drop(api->tasks, task);
		return false;
	}
	task->end_us = clock_time_us();
	task->state = job->failure && job->failure(job, &task->why) ? EXCEPTION : COMPLETED;
	save(api->tasks);
	return true;
}

/* --- resources -----------------------------------------------------------------------------------
 */

static bool may_see(const struct target *target, const struct task *task)
{
	return task->shown && target->who &&
	       (identity_is_administrator(target->who) ||
		str_eq(str_of(task->user), str_of(target->who->user)));
}

/* NULL: there is none, or it is another's. */
static struct task *find(struct api *api, const struct target *target)
{
	struct task *task;

	make_room(api->tasks);
	for (task = api->tasks->first; task; task = task->next) {
		if (str_eq(str_of(task->id), target->ids[0]))
			return may_see(target, task) ? task : NULL;
	}
	return NULL;
}

static json_t *messages_of(struct http_request *request, const struct task *task)
{
	const struct fault ended = { .key = "Success" };
	const struct fault failed = { .key = "OperationFailed", .resolution = task->why.text };
	struct strbuf text;
	json_t *messages;

	strbuf_init(&text, API_ERROR_MAX_BYTES);
	if (task->state != RUNNING)
		reply_put_faults(request, task->state == COMPLETED ? &ended : &failed, 1, &text);
	messages = text.len > 0 ? json_loadb(text.p, text.len, 0, NULL) : NULL;
	strbuf_fini(&text);
	return messages ? messages : json_array();
}

static int percent_of(const struct task *task)
{
	return task->state == COMPLETED ? 100 : task->job ? atomic_load(&task->job->percent) : 0;
}

static void put_task(struct http_request *request, const struct task *task, struct strbuf *out)
{
	char *path = xasprintf(TASKS_PATH "/%s", task->id);
	char *monitor = xasprintf(MONITORS_PATH "/%s", task->id);
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:i,s:{s:s,s:s},s:o}", "@odata.id",
				 path, "@odata.type", "#Task.v1_7_4.Task", "Id", task->id, "Name",
				 task->name, "TaskState", state_names[task->state], "TaskStatus",
				 task->state == EXCEPTION ? "Critical" : "OK", "StartTime",
				 resource_time(task->start_us), "PercentComplete", percent_of(task),
				 "Payload", "HttpOperation", task->method, "TargetUri", task->target,
				 "Messages", messages_of(request, task));

	if (task->state != RUNNING)
		json_object_set_new(json, "EndTime", resource_time(task->end_us));
	if (task->job)
		json_object_set_new(json, "TaskMonitor", json_string(monitor));
	resource_put_json(out, json);
	free(path);
	free(monitor);
}

bool task_service_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	strbuf_put_char(out, '{');
	resource_put_head(target->resource, STR(TASK_SERVICE_PATH), "TaskService", "Tasks", out);
	strbuf_putf(out,
		    ",\"ServiceEnabled\":true,\"CompletedTaskOverWritePolicy\":\"Oldest\","
		    "\"LifeCycleEventOnTaskStateChange\":false,"
		    "\"TaskAutoDeleteTimeoutMinutes\":%d,"
		    "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
		    "\"Tasks\":{\"@odata.id\":\"" TASKS_PATH "\"}}",
		    TASK_KEEP_MINUTES);
	return true;
}

bool tasks_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct members members;

	make_room(api->tasks);
	members_begin(&members, TASKS_PATH, target->resource->type, "Tasks", out);
	for (const struct task *task = api->tasks->first; task; task = task->next) {
		if (may_see(target, task))
			members_put(&members, str_of(task->id));
	}
	members_end(&members);
	return true;
}

bool task_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	const struct task *task = find(api, target);

	if (task)
		put_task(target->request, task, out);
	return task != NULL;
}

/* 202 until it is done; then, once, what the request would have been answered. */
void task_get_monitor(struct api *api, const struct target *target)
{
	struct task *task = find(api, target);
	struct api_job *job = task ? task->job : NULL;
	char *monitor;
	struct strbuf body;

	if (job && task->state != RUNNING && http_request_method(target->request) != HTTP_HEAD) {
		task->job = NULL;
		job->request = target->request;
		job->answer(api, job);
		return;
	}
	if (!task || (!job && task->state == COMPLETED)) {
		reply_missing(target->request);
		return;
	}
	if (!job) {
		reply_error(target->request, 500, "OperationFailed", .resolution = task->why.text);
		return;
	}
	monitor = xasprintf(MONITORS_PATH "/%s", task->id);
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	put_task(target->request, task, &body);
	reply_json_with(target->request, 202, "Location", str_of(monitor), strbuf_str(&body));
	strbuf_fini(&body);
	free(monitor);
}
