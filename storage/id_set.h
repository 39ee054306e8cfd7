/* Id set: which 128-bit ids were seen. Open addressing, no removal of one.
 *
 * Thread: one.
 */
#ifndef STORAGE_ID_SET_H
#define STORAGE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/uuid.h"

struct id_set {
	struct uuid *places; /* zero: free; the zero id itself is never held */
	size_t size, n;
	size_t max; /* adding beyond forgets all: 0 is no bound */
};

void id_set_init(struct id_set *set, size_t max);
void id_set_fini(struct id_set *set);
void id_set_clear(struct id_set *set);
bool id_set_has(const struct id_set *set, struct uuid id);
void id_set_add(struct id_set *set, struct uuid id);

#endif
