/* The journal's own state, shared by its two files: journal.c (appending, bounds) and
 * journal_recover.c (what earlier processes left). Private to the journal. */
#ifndef STORAGE_JOURNAL_PRIV_H
#define STORAGE_JOURNAL_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "storage/journal_segment_priv.h"

struct segment {
	struct journal_segment view;
	uint64_t size;   /* of the file */
	uint64_t loaded; /* position up to which the database holds it */
	int64_t seq; /* where the log ended when it was loaded up to `loaded` */
	int64_t sealed_us;
	bool is_resolved; /* view.end is known */
	bool is_known, was_refused;
};

struct journal {
	char *dir;
	uint64_t max_bytes, reserve_bytes, segment_bytes;
	int64_t keep_us;
	int dir_fd, lock_fd;
	pthread_mutex_t resolving; /* one scan at a time; taken before `lock` */
	pthread_mutex_t lock;      /* guards the rest up to live_fd */
	struct segment *segments;  /* ascending number; the live one is the last */
	size_t n_segments, n_room;
	uint64_t bytes;	  /* sizes of all segments */
	int64_t gone_seq; /* the highest `seq` of those that were deleted */
	atomic_bool is_full;
	/* journal thread only */
	int live_fd; /* -1: none yet */
	struct journal_segment live;
	uint64_t live_size;
	uint64_t next_number;
	uint32_t live_seed;
	struct strbuf pending; /* file bytes from live.end on, not yet written */
	int failed;            /* sticky: what was promised may be lost */
	struct err why;
};

/* --- journal.c: the list; under `lock`, but while the journal is opened --- */
void journal_list_add(struct journal *journal, const struct segment *segment);
struct segment *journal_list_find(struct journal *journal, struct uuid id); /* NULL: not there */
void journal_list_remove(struct journal *journal, struct segment *segment);
void journal_list_resize(struct journal *journal, struct segment *segment, uint64_t size);

/* --- journal_recover.c --- */
/* Make the directory, and its name in each folder above it last. */
int journal_make_dir(const char *dir, struct err *err);
int journal_lock_dir(struct journal *journal, struct err *err);
/* Fill the list from the directory, reading no more than each file's front. */
int journal_find_segments(struct journal *journal, struct err *err);
/* Find the end of every segment that was not sealed, and seal it. Any thread, without `lock`. */
void journal_resolve_all(struct journal *journal);

#endif
