/* API: the operators' door on :9443, never shared with BMC deliveries.
 *
 * One worker thread with the same HTTP engine: authentication, routing, Redfish resources,
 * metrics; /stream is handed to websocket.c. Reads go to the query pool and come back by mailbox.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/delivery.h"
#include "http/server.h"

struct accounts;
struct api;
struct err;
struct feed;
struct forwarder;
struct query_pool;
struct registry_fetcher;
struct seal_key;
struct slot;

struct api_config {
	const struct http_address *addresses;
	size_t n_addresses;
	struct uuid uuid; /* of this installation, shown to clients */
	bool metrics_public;
	char *const
		*origins; /* of pages that may open the stream besides ours: "https://host:port" */
	size_t n_origins;
	struct accounts *accounts;
	struct slot *sources;    /* of struct source_set */
	size_t max_sources;
	const char *sources_file; /* where declared sources are changed instead, in words */
	const struct seal_key *seal_key; /* NULL: passwords of sources cannot be kept */
	const char *public_url;          /* of the receiver, as BMCs reach it; NULL: not known */
	struct slot *registries; /* of struct registry_set */
	struct slot *catalogs;   /* of struct catalog_set */
	const char *default_language;
	struct feed *feed;
	struct query_pool *pool;   /* reads */
	struct query_pool *writes; /* on the server that takes them */
	struct registry_fetcher *fetcher;
	const char *data_dir;   /* of the private PostgreSQL; NULL: an external one */
	int64_t keep_events_us; /* storage.retention.events, to be told */
	struct forwarder *forwarder; /* of subscriptions */
	bool allow_http;             /* their Destinations */
	deliver_fn *deliver; /* into the journal as all others: test events, and what is imported */
	void *deliver_ctx;
	struct uuid own_source;
	prepare_fn *prepare;    /* decode and resolve, for what is tried again */
	prepare_fn *prepare_delivered; /* the same for what is delivered */
	void *prepare_ctx;	       /* of both */
	const char *tasks_path;      /* file that keeps tasks over a restart */
	const char *registry_mirror; /* folder of the registries kept in the database */
	bool (*is_ready)(void *ctx); /* log reachable: /-/ready */
	void *is_ready_ctx;
};

int api_start(const struct api_config *config, struct api **out, struct err *err);
void api_stop(struct api *api, int timeout_ms); /* tells stream clients goodbye; NULL is allowed */

#endif
