/* Decode guard: remembers across a crash which delivery was being decoded.
 *
 * A small file mapped shared, one slot per thread. The crash handler (SIGSEGV, SIGBUS, SIGABRT,
 * SIGFPE, SIGILL; never SIGKILL) marks the slot of the thread that died; the next start counts
 * it. A delivery whose decode crashed twice is quarantined instead of decoded. Thread: any.
 */
#ifndef EVENT_GUARD_H
#define EVENT_GUARD_H

#include <stdbool.h>

#include "base/uuid.h"

struct err;

/* Map `path` (created if absent), count the crashes it tells of, install the handler. One per
 * process. */
int guard_open(const char *path, struct err *err);
void guard_close(void);
/* Around the decode of one delivery, on the thread that does it. Without guard_open: no-ops. */
void guard_enter(struct uuid delivery);
void guard_leave(void);
unsigned guard_crashes(struct uuid delivery); /* how often its decode crashed before */

#endif
