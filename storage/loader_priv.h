/* Loader, inside.
 *
 *   loader.c          thread, turns, batches and what becomes of them
 *   loader_collect.c  the next journal records, from memory or from disk
 *   loader_ahead.c    reading a backlog back and decoding it, on a thread of its own
 *   loader_connect.c  reaching the database, and finding out where its log stands
 *   loader_show.c     provisional events while the database is away or slow
 *   loader_trouble.c  why it is not written, and what was set aside, for those who ask
 *   loader_queue.c    what the journal thread put
 *   load*.c           one transaction
 *
 * Private to storage/. Thread: the loader's, but for what is marked.
 */
#ifndef STORAGE_LOADER_PRIV_H
#define STORAGE_LOADER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "storage/journal.h"
#include "storage/load.h"
#include "storage/loader.h"
#include "storage/loader_queue.h"

struct loader_ahead;
struct source_set;

#define LOADER_HOOK_MS       100              /* between looks while a statement runs */
#define LOADER_SHOW_AFTER_US INT64_C(1000000) /* a statement that takes longer hangs */

/* A place in the journal: segments ascend by number. */
struct place {
	uint64_t segment_number, position;
};

struct loader {
	struct loader_config config;
	char *url, *node, *journal_dir; /* what its texts point at */
	pthread_t thread;
	bool started;
	struct loader_queue queue;       /* filled from any thread */
	atomic_bool stopping, connected; /* any thread */
	_Atomic int64_t stop_by_us;      /* any thread: a statement is given up then */
	pthread_mutex_t mutex;           /* those up to `trouble` */
	pthread_cond_t moved;
	struct uuid saw_epoch; /* of the log, by others' word, and how far it went */
	int64_t saw_seq;
	struct place loaded; /* all before it is in the log */
	struct loader_trouble trouble;

	struct db *db;                 /* NULL: away */
	int64_t next_try_us, pause_us; /* connecting again */
	int64_t away_since_us;         /* when it last worked; 0: it works */
	bool said_away, was_connected;
	struct uuid epoch;
	int64_t last_seq;                  /* highest one known to be committed */
	int64_t busy_since_us;             /* the statements that run now; 0: none */
	int64_t attached_us;               /* when partitions were looked after */

	/* sources: the snapshot in use, and the one that the table was brought to */
	void *sources;
	uint64_t sources_version;
	struct source_set *written;

	/* where the log stands in the journal */
	struct journal_reader *reader;
	struct loader_ahead *ahead; /* reads a backlog back while the loader writes */
	bool is_ahead;              /* the last record came from it, and more will */
	struct journal_segment *segments; /* on disk, at the last look */
	size_t n_segments;
	struct journal_segment segment; /* being loaded; number 0: none yet */
	uint64_t position;              /* all before it is in the log */
	bool is_known;                  /* the database has a row for the segment … */
	int64_t known_seq;              /* … moved when the log ended here */

	/* the records from `position` on that were collected and are not in the log yet */
	struct load_item *items;
	size_t n_items, items_size, n_events, n_bytes, n_memory;
	uint64_t cursor;             /* behind the last of them */
	int64_t unprepared_since_us; /* the head of the queue is being decoded; 0: not so */
	bool is_early;               /* some may not be on disk yet; all were in memory */

	struct load load;
	struct load_batch batch; /* the transaction that runs, or whose outcome nobody knows: */
	bool unsure;

	struct place shown; /* events up to here were published, provisional or not */
};

/* loader_collect.c: collect what can be loaded now. Returns how many items there are; negative
 * errno when the database or the disk fails. */
int loader_collect(struct loader *loader, struct err *err);
/* How long nothing can change but by a put: 0 for "look again at once". */
int loader_idle_ms(const struct loader *loader);
/* Forget what was collected; it is collected again. */
void loader_drop_items(struct loader *loader);
void loader_no_items(struct loader *loader); /* they are gone: count from nothing */
void loader_look_at_segments(struct loader *loader);
/* The segment to load from, by the database's positions; drops what no longer fits. */
int loader_find_position(struct loader *loader, struct err *err);

/* loader_connect.c */
int loader_connect(struct loader *loader, struct err *err);
int loader_sync_sources(struct loader *loader, struct err *err);
void loader_refresh_sources(struct loader *loader);

/* loader_show.c: publish as provisional what was not shown yet and is prepared. */
void loader_show(struct loader *loader);

/* loader_trouble.c: what loader_trouble() tells. */
void loader_set_trouble(struct loader *loader, const char *sqlstate, const char *words);
void loader_clear_trouble(struct loader *loader);
/* Connected: for the first time, the time of the start is over. */
void loader_note_reached(struct loader *loader);
/* A statement has been running for longer than anyone should wait. */
void loader_note_hang(struct loader *loader);
/* Tell of what the items set aside. */
void loader_tell_set_aside(struct loader *loader, const struct load_item *items, size_t n);

/* loader.c: the items of `batch` are in the log. */
void loader_committed(struct loader *loader);

#endif
