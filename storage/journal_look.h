/* Journal, looked at: what a directory holds, without opening it as its owner.
 *
 * Takes no lock and changes nothing, so that a running service is not disturbed and a dead one's
 * journal is left as it was. Thread: any.
 */
#ifndef STORAGE_JOURNAL_LOOK_H
#define STORAGE_JOURNAL_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storage/journal.h"

struct journal_look {
	struct journal_segment view; /* of an unsealed one: `end` is that of the last whole record */
	uint64_t size;               /* of the file, room for more records included */
	bool is_known;               /* its header is sound, or was never written */
	char name[80];               /* of the file */
};

/* The segments, oldest first; *out is new (free()). Unsealed ones are read for their end. Files
 * that are no segments are passed over. -ENOENT when there is no such directory. */
int journal_look(const char *dir, struct journal_look **out, size_t *n_out, struct err *err);

/* The process that says it uses the directory and is there; 0 when none does. */
pid_t journal_look_owner(const char *dir);

struct journal_damage {
	uint64_t from, to; /* offsets in the file: no whole record begins in between */
	bool is_tail;      /* behind the last whole record: recovery cuts it off */
};
typedef void journal_damage_fn(void *ctx, const struct journal_look *segment,
			       const struct journal_damage *damage);

/* Read every record of a segment and check its sums. *n_records: those that are whole. What a
 * running service is just writing is given a moment. 0 also when there is damage: `fn` heard of
 * it; negative errno when the disk fails. */
int journal_look_verify(const char *dir, const struct journal_look *segment, journal_damage_fn *fn,
			void *ctx, uint64_t *n_records, struct err *err);

#endif
