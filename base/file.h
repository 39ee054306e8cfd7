/* Whole files, and writing them so that a crash leaves the old or the new. Thread: any. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/str.h"

struct err;

/* Read a whole file of at most `max_bytes`: *out is new (free()), NUL-terminated.
 * Returns 0, -EFBIG, or another negative errno with words. */
int file_read(const char *path, size_t max_bytes, char **out, size_t *n_out, struct err *err);
/* Write beside `path`, fsync, rename over it, fsync the directory. */
int file_replace(const char *path, struct str content, mode_t mode, struct err *err);
/* mkdir -p; existing directories keep their mode. */
int file_make_dirs(const char *path, mode_t mode, struct err *err);
/* fsync a directory, so that names created or removed in it last. */
int file_sync_dir(const char *path, struct err *err);

#endif
