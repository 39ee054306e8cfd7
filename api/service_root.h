/* Service root: the fixed resources of the tree, those without a state of their own. Pure. */
#ifndef API_SERVICE_ROOT_H
#define API_SERVICE_ROOT_H

#include <stdbool.h>

#include "base/str.h"

/* The body of the resource at `path` (no slash at its end). False when it is none of ours. */
bool service_root_encode(struct strbuf *out, struct str path);

#endif
