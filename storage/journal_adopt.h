/* Journal adoption: the segments of a replica that is gone for good, taken into our own journal.
 *
 * A segment keeps its id, and with it its position in the database: what is loaded already is not
 * loaded again, whoever loads the rest. Thread: whoever opened `journal`, before the first append.
 */
#ifndef STORAGE_JOURNAL_ADOPT_H
#define STORAGE_JOURNAL_ADOPT_H

#include <stddef.h>

struct err;
struct journal;

/* Copy every segment in `dir` that is not here yet, then remove it there. Returns how many were
 * taken; 0 when there is no such folder. -EBUSY: a running rfeventd holds it; -ENOSPC: our journal
 * has no room (raise storage.journal_max_bytes); what was taken before a failure stays taken. */
int journal_adopt(struct journal *journal, const char *dir, struct err *err);

#endif
