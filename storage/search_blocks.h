/* Search blocks: the log's texts once more, packed so that a day can be looked through for a word.
 *
 * A row of `search_block` holds the texts of SEARCH_BLOCK_SEQS seqs (migrations.c, version 10). They
 * are made behind the log's end by a thread of its own, in order; how far is in log_day. Of several
 * replicas one makes them at a time. What they find is a superset: the filter itself decides.
 */
#ifndef STORAGE_SEARCH_BLOCKS_H
#define STORAGE_SEARCH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct db;
struct err;
struct search;

/* Start making them, on the database at `url`. Thread: the owner's. */
int search_start(const char *url, struct search **out, struct err *err);
void search_stop(struct search *search); /* NULL is allowed */

/* Make up to SEARCH_TURN_SEQS seqs searchable, of the newest day that needs it. 1: done, and there may
 * be more; 0: nothing is left that is worth it (a day under way keeps SEARCH_TURN_MIN_SEQS back). */
int search_blocks_make(struct db *db, struct err *err);

struct search_question {
	struct str day;  /* "2026-11-21" */
	struct str text; /* not empty */
	int64_t first_seq, last_seq; /* all of them searchable */
	bool descending;
	size_t max_blocks; /* the first ones, in that order, that have the text */
};

struct search_found {
	size_t n_blocks;
	int64_t first_seq, last_seq; /* the ends of all these blocks */
	struct strbuf seqs;	     /* "{1,2,…}": whose text may contain it; the caller's */
};

/* Nothing is in *out when it fails. Thread: whoever owns the db. */
int search_blocks_find(struct db *db, const struct search_question *question,
		       struct search_found *out, struct err *err);

/* Where in a day's blocks the events lie that were received from from_us to to_us, both included
 * (INT64_MIN, INT64_MAX: any time): 1 with the ends, 0: in none of them. */
int search_blocks_span(struct db *db, struct str day, int64_t from_us, int64_t to_us,
		       int64_t *first_seq, int64_t *last_seq, struct err *err);

#endif
