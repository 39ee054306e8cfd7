/* Aggregation: sources as AggregationSources, and what operators do with them. API thread only.
 *
 * Reading needs no database: the node's own source set is shown. A change is one job on the pool of
 * writes, and is answered when this node's receiver knows it.
 */
#ifndef API_AGGREGATION_H
#define API_AGGREGATION_H

#include "api/resources.h"
#include "event/source_set.h"

#define AGGREGATION_PATH "/redfish/v1/AggregationService"
#define SOURCES_PATH	 AGGREGATION_PATH "/AggregationSources"

struct source_set;

/* By name, or by id; NULL when there is none, or it was removed. */
const struct source *sources_find(const struct source_set *set, struct str name);
/* The one that the path names; NULL: there is none, or it is the service itself. */
const struct source *sources_of_target(struct api *api, const struct target *target);
/* The body of one. `who` NULL: as nobody sees it. */
void sources_put(struct api *api, const struct source *source, const struct identity *who,
		 struct strbuf *out);

/* sources.c */
resource_encode_fn aggregation_service_encode, source_encode;
resource_fn sources_get; /* the collection */
resource_fn source_get_activity;
resource_fn sources_fetch_registries;
/* source_changes.c */
resource_fn sources_add, source_patch, source_remove, source_rotate_token;

#endif
