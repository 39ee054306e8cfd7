/* What the files of the operators' door share. Private to the room; API thread only. */
#ifndef API_API_PRIV_H
#define API_API_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "base/mailbox.h"

struct api {
	struct api_config config;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct http_shared *shared;
	struct http_server *server;
	struct auth *auth;
	struct websocket *websocket;
	struct words *words;
	struct mailbox *answers; /* finished query jobs */
	size_t n_jobs;		 /* under way */
	void *sources;		 /* own reference of struct source_set */
	uint64_t sources_version;
	atomic_bool draining;
	bool drain_begun;
};

/* A request's target, taken apart. */
struct target {
	struct http_request *request;
	struct str rest; /* of the path, behind the route's prefix; no slash at the ends */
	struct str query;
};

/* entries.c */
void entries_get(struct api *api, const struct target *target);	   /* the collection */
void entries_get_one(struct api *api, const struct target *target); /* …/{seq} and …/{seq}/attachment */
void entries_answer(struct api *api, struct mailbox_item *item);	   /* a finished job */
/* stream_door.c */
void stream_get(struct api *api, const struct target *target);

#endif
