/* Archive: the files of a zip, a tar or a tar.gz, or what a .gz holds (libarchive).
 *
 * Publishers and BMCs hand registries over packed: DMTF's bundle DSP8011 is a zip of some 200
 * files, an ArchiveUri names a zip or a gz. Nothing is written anywhere, archives within archives
 * are not opened, and what comes out is bounded whatever goes in (limits.h). Thread: any.
 */
#ifndef REGISTRIES_ARCHIVE_H
#define REGISTRIES_ARCHIVE_H

#include "base/str.h"

struct err;

/* One file. `name` is what the archive says (it may hold '/', "..", any bytes: never a path to
 * open); of a .gz and of plain bytes it is the last part of the place. Both live during the call.
 * Returns 0 to go on, or a negative errno, which ends the walk and is what archive_each returns. */
typedef int archive_file_fn(void *ctx, struct str name, struct str bytes);

/* Call `fn` for each regular file in the order of the archive; folders and links are passed over.
 * Bytes that are no archive are given as they are, once. `place` names the archive in errors.
 * -EFBIG when a cap is reached, -EBADMSG when the archive is damaged, encrypted, or packed in a way
 * that is not read here, both with words; files before that place have been given by then. */
int archive_each(struct str bytes, const char *place, archive_file_fn *fn, void *ctx,
		 struct err *err);

#endif
