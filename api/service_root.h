/* Service root: the fixed resources of the tree, those without a state of their own, and the ways
 * in (DSP0266, "Service root request", "OData service document", "OData metadata").
 *
 * Lists and links are taken from the table of resources: what has a row there is linked here.
 */
#ifndef API_SERVICE_ROOT_H
#define API_SERVICE_ROOT_H

#include "api/resources.h"

resource_encode_fn service_root_encode_versions; /* /redfish */
resource_encode_fn service_root_encode;
resource_encode_fn service_root_encode_odata;
resource_fn service_root_get_metadata;
resource_fn service_root_moved; /* /rest/v1 */
resource_encode_fn managers_encode;
resource_encode_fn manager_encode;
resource_encode_fn log_services_encode;
resource_encode_fn log_service_events_encode;

/* `"@odata.id":"<path>","@odata.type":"#<type>","Id":…,"Name":…`, behind a "{". `id` NULL: none,
 * as collections have it. */
void resource_put_head(const struct resource *resource, struct str path, const char *id,
		       const char *name, struct strbuf *out);

#endif
