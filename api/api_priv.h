/* What the files of the operators' door share. Private to the room; API thread only. */
#ifndef API_API_PRIV_H
#define API_API_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "accounts/work_pool.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/reply.h"
#include "api/resources.h"
#include "api/visit.h"
#include "base/mailbox.h"
#include "storage/query_pool.h"

struct err;
struct task;

struct api {
	struct api_config config;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct http_shared *shared;
	struct http_server *server;
	struct auth auth;
	struct work_pool *noting;   /* syncs the Audit log's queue */
	size_t n_looking;           /* for sessions of other replicas */
	const struct identity *who; /* whose request is being served; NULL: nobody's, or none is */
	struct websocket *websocket;
	struct sse *sse;
	struct words *words;
	struct mailbox *answers; /* finished query jobs */
	struct mailbox *intakes; /* answered test events */
	size_t n_jobs;           /* under way, and intakes */
	struct export *exports;  /* answers under way that stream the log */
	size_t n_exports;
	void *sources;           /* own reference of struct source_set */
	uint64_t sources_version;
	void *registries; /* the same of struct registry_set */
	uint64_t registries_version;
	void *catalogs; /* and of struct catalog_set */
	uint64_t catalogs_version;
	atomic_bool draining;
	bool drain_begun;
	struct tasks *tasks;
	bool is_retrying; /* the whole quarantine: one at a time */
};

/* Something a pool's thread does for a request. `answer` runs on the API thread afterwards, answers
 * the request and frees what holds the job. */
struct api_job {
	struct query_job query;
	void (*answer)(struct api *api, struct api_job *job);
	struct http_request *request;
	/* Of those that may become a task (api/tasks.h): */
	struct task *task;
	void (*drop)(struct api_job *job); /* frees what holds it: nobody wants the answer */
	void (*ended)(struct api *api); /* it is done, whether answered or not; NULL: nobody cares */
	/* Whether the answer will be a failure, and its words. */
	bool (*failure)(const struct api_job *job, struct err *why);
	atomic_int percent; /* done so far */
};

/* False when too many wait: the request was answered so, and the job stays the caller's. */
bool api_submit(struct api *api, struct query_pool *pool, struct api_job *job);

/* dispatch.c: from a request's path to the code of its resource */
void dispatch_head(struct http_request *request, void *api);
void dispatch_request(struct http_request *request, void *api);
void dispatch_answer(struct http_request *request, int status, void *api);
/* The body that the target's encoder makes, as the answer to a GET. */
void dispatch_encoded(struct api *api, const struct target *target);
/* api.c */
resource_fn api_get_healthy, api_get_ready, api_get_metrics;
/* entries.c */
resource_fn entries_get;     /* the collection */
resource_fn entries_get_one; /* …/{seq} */
resource_fn entries_get_raw; /* …/{seq}/attachment */
/* registries.c */
#define REGISTRIES_PATH "/redfish/v1/Registries"
resource_encode_fn registries_encode; /* the collection */
resource_encode_fn registry_encode;   /* …/{Id} */
resource_fn registries_get_body;      /* …/{Id}/{file} */
resource_fn registries_add;
resource_fn registries_remove;
/* registry_resolve.c */
resource_fn registries_resolve;
/* source_import.c */
resource_fn sources_import_log;
/* storage.c */
#define STORAGE_PATH "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Storage"
resource_fn storage_get;
/* quarantine.c */
#define QUARANTINE_PATH "/redfish/v1/Managers/rfeventd/Oem/Rfeventd/Quarantine"
resource_fn quarantine_get;     /* the collection */
resource_fn quarantine_get_one; /* …/{Id} */
resource_fn quarantine_retry_one;
resource_fn quarantine_retry_all;
/* event_service.c */
#define EVENT_SERVICE_PATH "/redfish/v1/EventService"
resource_encode_fn event_service_encode;
resource_fn event_service_submit_test;
mailbox_fn event_service_on_intakes; /* ctx: the api */
void event_service_drop_intakes(struct mailbox_item *first); /* their requests are gone */
/* subscriptions.c */
#define SSE_PATH EVENT_SERVICE_PATH "/SSE"
#define SUBSCRIPTIONS_PATH EVENT_SERVICE_PATH "/Subscriptions"
resource_encode_fn subscriptions_encode, subscription_encode;
resource_fn subscriptions_add, subscription_patch, subscription_remove, subscription_suspend,
	subscription_resume;
/* stream_door.c */
resource_fn stream_get;

#endif
