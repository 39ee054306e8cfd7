/* Registry links: what a source's own resources say about its registries (spec section 6).
 *
 * Service root -> collection of MessageRegistryFiles -> Locations. Tolerant: names in any case,
 * links as an object or a string, iLO 4's "extref" and "href", a byte order mark. Pure; results
 * live in the arena, all texts are capped (FETCH_MAX_TEXT_BYTES, addresses FETCH_MAX_URI_BYTES;
 * longer ones count as absent). Errors: -EBADMSG when it is not a JSON object, -EFBIG beyond
 * FETCH_MAX_DOCUMENT_BYTES, -ENOMEM when the arena is full; with words. Thread: any.
 */
#ifndef SUBSCRIBE_REGISTRY_LINKS_H
#define SUBSCRIBE_REGISTRY_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct arena;
struct err;

struct links_root { /* p NULL: not there */
	struct str registries;
	struct str sessions;
};

struct links_page {
	struct str *members; /* addresses, FETCH_MAX_MEMBERS at most */
	size_t n_members;
	struct str next; /* Members@odata.nextLink */
};

struct links_location { /* PublicationUri lies elsewhere and is left alone */
	struct str language;
	struct str uri;
	struct str archive_uri, archive_file;
};

struct links_file {
	struct str registry;              /* "iLOEvents.2.3.0" */
	struct links_location *locations; /* FETCH_MAX_LOCATIONS at most */
	size_t n_locations;
	bool is_registry; /* the resource is no MessageRegistryFile: it has the messages itself */
};

int links_root_parse(struct str json, struct arena *arena, struct links_root *out, struct err *err);
int links_page_parse(struct str json, struct arena *arena, struct links_page *out, struct err *err);
int links_file_parse(struct str json, struct arena *arena, struct links_file *out, struct err *err);

/* Whether a registry of this name or address holds no messages for certain: BIOS and manager
 * attributes, privileges. */
bool links_name_is_other(struct str name);
/* The same of a body, by its @odata.type. A body that says nothing is not taken for another. */
bool links_body_is_other(struct str body);

#endif
