/* Compress: bodies as gzip (RFC 1952). Pure; thread: any. */
#ifndef API_COMPRESS_H
#define API_COMPRESS_H

#include <stdbool.h>

#include "base/str.h"

/* `body` as gzip, into `out`. False when it would not be shorter. */
bool compress_gzip(struct str body, struct strbuf *out);

#endif
