/* Load: one transaction that brings journal records into the log.
 *
 * take the seq range and move the segment's position, decide repeats, write texts and rows, set
 * aside what cannot be logged, commit. Private to storage/. Thread: the loader.
 */
#ifndef STORAGE_LOAD_H
#define STORAGE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"
#include "storage/id_set.h"

struct backfill;
struct db;
struct delivery;
struct entry_batch;
struct err;
struct event;
struct log_rows;
struct repeats;

#define LOAD_REFUSED "refused_by_database" /* a reason, and a metric's label */

/* One journal record on its way into the log. */
struct load_item {
	struct delivery *delivery; /* one reference; NULL: the record is damaged */
	uint64_t end;              /* position after the record */
	struct uuid id;            /* of the delivery; made up for a damaged record */
	struct uuid source;        /* decided when an unverified one was looked up */
	struct uuid hash;          /* of the body; zero: repeats do not matter */
	struct uuid *text_ids;     /* per event: its message in the dictionary, zero: none; owned */
	bool is_enrolled;          /* may need a row in the table of sources */
	const char *set_aside;     /* reason why all of it goes to quarantine, or NULL */
	char *words;               /* the same for people; owned, or NULL */

	/* decided by the transaction */
	bool is_repeat, may_be_repeat;
	bool *refused; /* per event: the database would not have it; owned, or NULL */
	uint32_t n_refused;
	bool *known; /* per event: in the log already, by another way; owned, or NULL */
	uint32_t n_known;
	bool *unsure;      /* per event: it may be; owned, or NULL */
	int64_t *row_seqs; /* of a backfilled delivery: the rows of known events; owned, or NULL */
	int64_t first_seq; /* of its logged events, which follow each other */
};

/* How hard to try, when the database refused the data before. */
enum load_way {
	LOAD_ALL,
	LOAD_ONE_BY_ONE, /* a single item: each event under a savepoint */
	LOAD_SET_ASIDE,  /* a single item: into quarantine as a whole */
	LOAD_PASS_OVER,  /* a single item: only the position moves */
};

/* A row of quarantine that is tried again. */
struct load_retry {
	struct uuid id; /* of the delivery */
	int64_t idx;
};

struct load_batch {
	struct uuid segment;
	uint64_t old_position; /* 0: the database does not know the segment */
	struct load_item *items;
	size_t n_items;
	enum load_way way;
	const struct load_retry *retry; /* of a single item that comes from quarantine, or NULL */
	bool is_early; /* some of it may not be on the journal's disk yet: see `wait_durable` */

	/* results */
	int64_t n_logged, last_seq; /* last_seq: of the log with this batch in it */
	bool committing;            /* the COMMIT was sent: after -ENOTCONN nobody knows */
};

/* What the loader knows of the database between transactions. */
struct load {
	struct db *db;
	const char *node;
	struct repeats *repeats;
	struct backfill *backfill; /* NULL: not known, the table is asked each time */
	struct log_rows *look;     /* of load_look() */
	int64_t repeats_seq;       /* the tables `repeat` and `backfilled` are known up to here */
	struct id_set texts;   /* in the dictionary of `day` */
	struct id_set sources; /* rows known to be in the table `source` */
	int32_t day;           /* current log day */
	int64_t days_ahead;    /* attached after it */
	/* Of an early batch: returns 0 once the journal has all of it on disk. */
	int (*wait_durable)(void *ctx, const struct load_batch *batch, struct err *err);
	void *wait_ctx;
	bool is_small_ready;   /* the server keeps the statements of a small transaction */
	struct strbuf rows;    /* of the table `event`, built before the transaction opens … */
	size_t *row_starts;    /* … and where they are in it, to put in what only it decides */
	size_t n_rows, rows_size;
	struct strbuf others;      /* rows of the other tables */
	struct strbuf ids, bodies; /* array texts being built */
};

/* Borrows both; `backfill` may be NULL. */
void load_init(struct load *load, const char *node, struct repeats *repeats,
	       struct backfill *backfill);
void load_fini(struct load *load);
/* Another connection: forget what was known through the last one. */
void load_reset(struct load *load, struct db *db, int64_t last_seq);

/* What each transaction of the usual way begins with: worth a db_prepare(). */
extern const char load_take_sql[];

/* The transaction. 0: committed. -ESTALE: the segment's position is another one than
 * old_position. -EINVAL: the database refused the data. -EAGAIN: try again. -ENOTCONN: connection
 * lost (see `committing`). Rolled back on every failure. */
int load_run(struct load *load, struct load_batch *batch, struct err *err);

/* The entries of a committed batch, or of items not yet committed (seq 0); new, n may be 0. */
struct entry_batch *load_entries(const struct load_item *items, size_t n_items, bool provisional);

/* `delivery` (its reference is taken) is prepared; `source` is its source, verified. */
void load_item_init(struct load_item *item, struct delivery *delivery, struct uuid source);
bool load_item_has_events(const struct load_item *item); /* something of it goes to the log */
/* What a transaction that failed decided no longer holds. */
void load_item_forget(struct load_item *item);
void load_item_fini(struct load_item *item);

int load_wait_durable(struct load *load, const struct load_batch *batch, struct err *err);
uint32_t load_n_logged(const struct load_item *item); /* events of it that are */
/* True when the item is logged as if it had not been looked at. */
bool load_decide_repeat(struct load *load, struct load_item *item);
/* load_small.c: a few plain events, at light load most of what there is. Whether the batch is that,
 * and its transaction, in one trip: the guess where the log stands is the server's to check. 1: one
 * of them is no plain event after all, nothing was done. Negative: as load_run(), not rolled back. */
bool load_is_small(struct load *load, const struct load_batch *batch);
int load_small(struct load *load, struct load_batch *batch, struct err *err);
/* Have the server keep its statements; without that no batch is small. */
int load_small_prepare(struct load *load, struct db *db, struct err *err);
/* load_rows.c: `rows` with all events of the batch, with seqs from `seq_before` on. */
void load_build_rows(struct load *load, struct load_batch *batch, int64_t seq_before);
/* Those that were built with seqs from 1 on get theirs; other ones than all are built anew. */
void load_number_rows(struct load *load, struct load_batch *batch, bool as_built,
		      int64_t seq_before);
void load_begin_rows(struct load *load);
void load_put_event(struct load *load, const struct load_item *item, uint32_t i, uint32_t part);
/* Rows of the table `repeat` into `others`; how many there are. */
size_t load_build_repeats(struct load *load, const struct load_batch *batch);
uint64_t load_quirks_of(const struct load_item *item, const struct event *event);
/* load_texts.c: the dictionary of the day. Texts not known to be in it are inserted; one by one, by
 * the statement below, in a small transaction. */
int load_texts(struct load *load, const struct load_item *items, size_t n_items, struct err *err);
int load_texts_put(struct load *load, const struct load_item *items, size_t n_items, struct err *err);
extern const char load_text_sql[];
int load_text_of(struct load *load, const struct load_item *item, uint32_t event, struct err *err);
/* load_backfill.c: what came by push and from the source's own log, too. A backfilled delivery is
 * alone in its batch. Before the transaction, in it, and once its rows have their seqs: */
bool load_is_backfill(const struct load_item *item);
int load_look(struct load *load, const struct load_batch *batch, struct err *err);
int load_compare(struct load *load, struct load_item *item, int64_t seq_before, struct err *err);
/* Of a push: whether load_compare() asks for entries that its events may be. Leaves their moments in
 * load->ids. */
bool load_is_compared(struct load *load, const struct load_item *item);
int load_entry_rows(struct load *load, const struct load_batch *batch, struct err *err);
void load_look_free(struct log_rows *look); /* NULL is allowed */
/* load_upstream.c: which events of an item another delivery of the same rfeventd brought before, and
 * that this one brings the rest. Inside the transaction. */
int load_upstream(struct load *load, struct load_item *item, struct err *err);
bool load_item_skips(const struct load_item *item, uint32_t event); /* known, or refused */
/* load_sources.c: rows for enrolled sources that have none yet. */
int load_enrolled(struct load *load, const struct load_item *items, size_t n_items,
		  struct err *err);
/* load_quarantine.c: what is set aside, whole deliveries and single records. */
int load_quarantine(struct load *load, const struct load_batch *batch, struct err *err);
/* What the batch logs leaves quarantine with it. -ESTALE when it is not there any more, -EINVAL
 * when nothing of it was taken. */
int load_leave_quarantine(struct load *load, const struct load_batch *batch, struct err *err);
int load_refused_event(struct load *load, const struct load_item *item, uint32_t event,
		       const char *words, struct err *err);

#endif
