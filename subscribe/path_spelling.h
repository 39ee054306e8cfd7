/* Path spelling: how a source really writes its folders.
 *
 * HPE's iLO names /redfish/v1/registrystore/… in one member and /redfish/v1/RegistryStore/… in the
 * next, and answers 404 to one of them. Folders of addresses that answered are remembered; an
 * address that did not is tried with their spelling. Pure. Thread: one owner.
 */
#ifndef SUBSCRIBE_PATH_SPELLING_H
#define SUBSCRIBE_PATH_SPELLING_H

#include <stdbool.h>

#include "base/str.h"

struct arena;
struct path_spelling;

struct path_spelling *path_spelling_new(struct arena *arena); /* lives in the arena's memory, too */
void path_spelling_free(struct path_spelling *spelling);      /* NULL is allowed */
/* `path` answered: remember each folder on its way, and the path as one. The first spelling stays.
 */
void path_spelling_learn(struct path_spelling *spelling, struct str path);
/* `path` with the longest remembered folder that differs from its own only in case. False when
 * there is none. */
bool path_spelling_fix(const struct path_spelling *spelling, struct str path, struct strbuf *out);

#endif
