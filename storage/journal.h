/* Journal: accepted deliveries on local disk, until PostgreSQL holds them.
 *
 * A directory of pre-allocated segments of length-prefixed, CRC32C-checksummed records. Bytes in,
 * bytes out: knows nothing of Redfish or SQL. Appended by the journal thread; read by the
 * loader (and the command line) through journal_reader.
 */
#ifndef STORAGE_JOURNAL_H
#define STORAGE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct err;
struct journal;
struct journal_reader;

struct journal_config {
	const char *dir;
	uint64_t max_bytes;	/* of the whole directory; smallest 64 MiB */
	uint64_t reserve_bytes; /* of it only for own events (journal_append's `reserved`) */
	int64_t keep_us;	/* loaded segments stay this long */
};

/* Where a record is. */
struct journal_place {
	struct uuid segment;
	uint64_t segment_number;
	uint64_t start, end; /* end is the position that says "this one is loaded" */
};

/* One segment on disk. */
struct journal_segment {
	struct uuid id;
	uint64_t number;    /* ascending: the order of replay */
	uint64_t end;	    /* after the last whole record */
	uint64_t first;	    /* position of the first record */
	int64_t created_us;
	bool sealed;	    /* not being appended to */
};

/* Open the directory (created if absent) and take its flock. Reads no record, however much there
 * is. What is appended goes to a new segment with a random id, made by the first append.
 * -EBUSY when another process holds it, with words. */
int journal_open(const struct journal_config *config, struct journal **out, struct err *err);
void journal_close(struct journal *journal); /* NULL is allowed */

/* --- journal thread only --- */
/* Queue one record for the next sync (copied). Returns 0 and the place it will have; -ENOSPC when
 * max_bytes would be passed (or the file system is full) and no loaded segment can be given up;
 * -E2BIG over JOURNAL_MAX_RECORD; -EINVAL when empty. */
int journal_append(struct journal *journal, struct str record, bool reserved,
		   struct journal_place *place, struct err *err);
/* Write what was appended and fdatasync it: 0 when all of it is on disk. Any failure is fatal for
 * what it promised: the caller must not answer, and ends the process. */
int journal_sync(struct journal *journal, struct err *err);
/* Delete loaded segments that are older than keep_us (or when room is needed). */
void journal_expire(struct journal *journal);

/* --- any thread --- */
/* Loaded up to `position`, when the log ended at `seq`: what is whole and loaded may expire. */
void journal_set_loaded(struct journal *journal, struct uuid segment, uint64_t position,
			int64_t seq);
/* The log may have been written out of segments that were deleted up to this seq. */
int64_t journal_gone_seq(struct journal *journal);
void journal_set_gone_seq(struct journal *journal, int64_t seq); /* from an earlier process */
/* Another log, whose positions are not known yet: nothing counts as loaded, nothing as gone. */
void journal_forget_loaded(struct journal *journal);
/* The segments, oldest first, with the durable end of each; *out new (free()). The first call
 * scans what a kill left unsealed, and drops its torn tail. */
void journal_segments(struct journal *journal, struct journal_segment **out, size_t *n_out);
uint64_t journal_bytes(struct journal *journal); /* on disk, pre-allocated room included */
/* The same of segments that hold something which is not in the log, as far as is known yet. */
uint64_t journal_waiting_bytes(struct journal *journal);
bool journal_is_full(struct journal *journal);	  /* the last append found no room */

/* --- reading: one reader per thread --- */
struct journal_reader *journal_reader_new(const char *dir);
void journal_reader_free(struct journal_reader *reader);
/* The record at `position` (0: the first) of a segment whose durable end is `end`. Returns 1 with
 * *record
 * (borrowed until the next call) and *next; 0 when position == end; -EBADMSG for a damaged
 * record, with *next the following whole record or `end`; another negative errno. */
int journal_read(struct journal_reader *reader, const struct journal_segment *segment,
		 uint64_t position, struct str *record, uint64_t *next, struct err *err);

#endif
