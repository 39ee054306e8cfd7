/* Registry body: a registry as a complete MessageRegistry file in another language.
 *
 * Made of the file itself, so that whatever its publisher wrote stays; only Language, Id, and the
 * messages and resolutions that are translated change. Pure; jansson inside. Thread: any.
 */
#ifndef REGISTRIES_REGISTRY_BODY_H
#define REGISTRIES_REGISTRY_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct catalog_set;
struct err;
struct registry;

/* Whether any of the registry's messages has a text of this language that fits it. */
bool registry_is_translated(const struct registry *registry,
				 const struct catalog_set *catalogs, size_t language);
/* `file` holds the bytes that `registry` was parsed from. -EBADMSG when it does not any more; -EFBIG
 * when `out` cannot hold the result. */
int registry_body_translate(const struct registry *registry, struct str file,
			    const struct catalog_set *catalogs, size_t language,
			    struct strbuf *out, struct err *err);

#endif
