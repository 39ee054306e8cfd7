/* Tasks: requests whose answer takes long (DSP0266, "Asynchronous operations"; Task.v1_7_4).
 *
 * The job goes on while its request is answered 202: at once when the client prefers so, or after
 * TASK_AFTER_US. Its answer then waits for who asks the task's monitor, which is the one who began
 * it, or an Administrator. Tasks are this node's own; a file keeps them over a restart, after which
 * those that had not ended have ended badly. API thread only.
 */
#ifndef API_TASKS_H
#define API_TASKS_H

#include "api/resources.h"

struct api;
struct api_job;
struct tasks;

#define TASK_SERVICE_PATH "/redfish/v1/TaskService"
#define TASKS_PATH	  TASK_SERVICE_PATH "/Tasks"
#define MONITORS_PATH	  TASK_SERVICE_PATH "/TaskMonitors"

/* `path` NULL: nothing is kept. */
struct tasks *tasks_new(struct api *api, const char *path);
void tasks_free(struct tasks *tasks); /* NULL is allowed; jobs that wait are dropped */

/* Whether the client wants 202 rather than to wait ("Prefer: respond-async"). */
bool task_is_preferred(const struct http_request *request);
/* A job was submitted, and its request may be answered before it ends. `name` is a literal. */
void task_begin(struct api *api, const struct target *target, struct api_job *job, const char *name);
/* The job is done. False: it is to answer its request. True: its request was answered before, and
 * the job is kept for the monitor. */
bool task_end(struct api *api, struct api_job *job);

resource_encode_fn task_service_encode, tasks_encode, task_encode;
resource_fn task_get_monitor;

#endif
