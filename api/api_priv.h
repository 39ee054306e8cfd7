/* What the files of the operators' door share. Private to the room; API thread only. */
#ifndef API_API_PRIV_H
#define API_API_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "accounts/work_pool.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/visit.h"
#include "base/mailbox.h"
#include "storage/query_pool.h"

struct api {
	struct api_config config;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct http_shared *shared;
	struct http_server *server;
	struct auth auth;
	struct work_pool *noting; /* syncs the Audit log's queue */
	size_t n_looking;	  /* for sessions of other replicas */
	struct websocket *websocket;
	struct words *words;
	struct mailbox *answers; /* finished query jobs */
	size_t n_jobs;		 /* under way */
	void *sources;		 /* own reference of struct source_set */
	uint64_t sources_version;
	void *registries; /* the same of struct registry_set */
	uint64_t registries_version;
	void *catalogs; /* and of struct catalog_set */
	uint64_t catalogs_version;
	atomic_bool draining;
	bool drain_begun;
};

/* Something a pool's thread does for a request. `answer` runs on the API thread afterwards, answers
 * the request and frees what holds the job. */
struct api_job {
	struct query_job query;
	void (*answer)(struct api *api, struct api_job *job);
	struct http_request *request;
};

/* False when too many wait: the request was answered so, and the job stays the caller's. */
bool api_submit(struct api *api, struct query_pool *pool, struct api_job *job);

/* A request's target, taken apart. */
struct target {
	struct http_request *request;
	struct str rest; /* of the path, behind the route's prefix; no slash at the ends */
	struct str query;
	const struct identity *who; /* until the handler returns; NULL on an open route */
};

/* entries.c */
void entries_get(struct api *api, const struct target *target);	   /* the collection */
void entries_get_one(struct api *api, const struct target *target); /* …/{seq} and …/{seq}/attachment */
/* registries.c */
#define REGISTRIES_PATH "/redfish/v1/Registries"
void registries_get(struct api *api, const struct target *target);     /* the collection */
void registries_get_one(struct api *api, const struct target *target); /* …/{Id} and its files */
void registries_add(struct api *api, const struct target *target);
void registries_remove(struct api *api, const struct target *target);
/* registry_resolve.c */
void registries_resolve(struct api *api, const struct target *target);
/* sources.c */
struct source;
struct source_set;
/* By name, or by id; NULL when there is none. */
const struct source *sources_find(const struct source_set *set, struct str name);
void sources_act(struct api *api, const struct target *target); /* …/{source}/Actions/… */
/* stream_door.c */
void stream_get(struct api *api, const struct target *target);

#endif
