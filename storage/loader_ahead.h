/* Read ahead: the next records of a segment, read back and decoded while the loader writes.
 *
 * For a backlog: the loader's thread makes rows and waits for PostgreSQL, this one reads, decodes
 * and resolves what comes next. Order is the journal's. What nobody asked for is dropped.
 * Thread: one of its own; asked by the loader alone.
 */
#ifndef STORAGE_LOADER_AHEAD_H
#define STORAGE_LOADER_AHEAD_H

#include <stdint.h>

#include "event/delivery.h"
#include "storage/journal.h"

struct err;
struct loader_ahead;

/* A record as it was read. */
struct ahead_record {
	int result;                /* 1, 0 (the end), -EBADMSG, other negative errno */
	struct delivery *delivery; /* 1: one reference, decoded, with its place */
	uint64_t start, next;      /* positions; 1 and -EBADMSG */
	char *words;               /* negative: why; new */
};

/* Starts no thread before it is asked. `journal_dir` is copied. New, never NULL. */
struct loader_ahead *loader_ahead_new(const char *journal_dir, prepare_fn *prepare,
				      void *prepare_ctx);
void loader_ahead_free(struct loader_ahead *ahead); /* NULL is allowed */
/* The record at `position` of `segment`, as journal_read() and delivery_unpack() give it; waits for
 * it. Another place than the one behind the last answer starts anew. */
int loader_ahead_take(struct loader_ahead *ahead, const struct journal_segment *segment,
		      uint64_t position, struct ahead_record *out, struct err *err);
/* Forget what was read; nothing is read until the next take. */
void loader_ahead_drop(struct loader_ahead *ahead);
/* One record read here and now, by `reader`. */
void ahead_read(struct journal_reader *reader, const struct journal_segment *segment,
		uint64_t position, struct ahead_record *out);

#endif
