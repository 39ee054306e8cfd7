/* Addresses on a source: what its resources say, held to the source itself.
 *
 * A source says where its registries lie; it is never followed to another host, scheme or port.
 * Pure. Thread: any.
 */
#ifndef SUBSCRIBE_SOURCE_URL_H
#define SUBSCRIBE_SOURCE_URL_H

#include "base/str.h"

struct err;

/* "https://10.1.2.3:8443" of a URL (http or https; path and query are dropped): scheme and host in
 * lower case, without the scheme's own port. Puts it into `out`. -EINVAL with words when it is no
 * such URL, or holds a user or characters that no host has. */
int source_url_origin(struct str url, struct strbuf *out, struct err *err);

/* Path and query of `reference`, which stands in the resource at the path `from`: absolute, from
 * the root, or relative. Bytes that no address may hold are escaped, a fragment is dropped.
 * -EXDEV when it leads away from `origin`, -EINVAL when it is empty or no address, -ENAMETOOLONG
 * beyond FETCH_MAX_URI_BYTES; all with words. */
int source_url_path(struct str origin, struct str from, struct str reference, struct strbuf *out,
		    struct err *err);

#endif
