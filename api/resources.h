/* Resources: what the operators' door serves, who may do what with it, and which code does it.
 *
 * One table (resources.c) of paths; it is also the authorisation matrix (role x resource x method),
 * the Allow header, the lists of fixed members, the links of the service root and the document
 * docs/api/redfish.md.
 *
 * To add a resource: write an encoder (the body, at once) or a handler (answers by itself, now or
 * later) in a file of its own, declare it in api_priv.h, and give it a row. An encoder's resource
 * has HEAD, ETag, If-None-Match, $select, $expand, $top, $skip, `only`, Link and Allow for nothing,
 * and shows where it is expanded; a handler that answers by reply_json() has all but the last.
 * Pure, but for the functions it names. Thread: any.
 */
#ifndef API_RESOURCES_H
#define API_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "http/server.h"

struct api;
struct identity;
struct resource;

/* Who may use a method of a resource; each of the last three may what the ones before it may. */
enum route_access {
	ACCESS_OPEN,    /* everybody */
	ACCESS_STREAM,  /* everybody; the resource looks at who it is */
	ACCESS_METRICS, /* as READ, unless api.metrics_public */
	ACCESS_READ,    /* who is logged in */
	ACCESS_ASK,     /* the same, of a POST that changes nothing */
	ACCESS_SELF,    /* the same; the resource decides by what it is asked */
	ACCESS_OPERATE, /* Operators */
	ACCESS_ADMINISTER
};

#define RESOURCE_MAX_IDS 3 /* "{…}" of one path */

/* A path, taken apart. The views are the path's. */
struct place {
	const struct resource *resource;  /* NULL: nothing there */
	struct str ids[RESOURCE_MAX_IDS]; /* what stands for each "{…}", still percent-encoded */
	struct str rest;                  /* from the first of them to the end */
};

/* A request's target. */
struct target {
	struct http_request *request;
	const struct resource *resource;
	struct str ids[RESOURCE_MAX_IDS];
	struct str rest;
	struct str query;
	const struct identity *who; /* until the handler returns; NULL where nobody logged in */
};

/* Answers the request: now, or later from a job. */
typedef void resource_fn(struct api *api, const struct target *target);
/* Puts the body, a JSON object that begins with its "@odata.id". False: there is no such resource.
 * It is also asked for what is shown inside others: `request` may be for another path. */
typedef bool resource_encode_fn(struct api *api, const struct target *target, struct strbuf *out);

struct resource_method {
	enum route_access access;
	resource_fn *fn; /* NULL: not taken; GET: the encoder's */
};

enum resource_flags {
	RESOURCE_PLAIN = 1 << 0, /* no Redfish resource: none of DSP0266's headers and queries */
	RESOURCE_ANY_ACCEPT = 1 << 1, /* has other forms than JSON, and chooses itself */
	RESOURCE_ANY_BODY = 1 << 2,   /* takes other bodies than JSON */
};

struct resource {
	const char *path; /* "{Id}" stands for one segment; no slash at the end */
	const char *type; /* of the schema: "Manager.v1_24_0"; collections have no version; NULL:
			     none */
	resource_encode_fn *encode;
	struct resource_method get, post, patch, delete;
	unsigned flags;        /* enum resource_flags */
	unsigned queries;      /* enum query_option that its handler takes care of itself */
	size_t max_body_bytes; /* 0: API_MAX_BODY_BYTES */
};

/* Which queries (enum query_option) it takes; what an encoder shows can be filtered and sorted. */
unsigned resource_queries(const struct resource *resource);
size_t resource_count(void);
const struct resource *resource_at(size_t i);
/* A slash at the end of `path` does not matter. */
struct place resource_find(struct str path);
/* NULL: this method is not taken. HEAD is GET. */
const struct resource_method *resource_method(const struct resource *resource,
					      enum http_method method);
/* "GET, HEAD, POST" */
void resource_put_allow(const struct resource *resource, struct strbuf *out);
/* The i-th of the fixed resources right below `path` (no slash at its end); NULL at the end. */
const struct resource *resource_child(struct str path, size_t i);

#endif
