#include "storage/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/filter.h"
#include "storage/db.h"
#include "storage/filter_sql.h"
#include "storage/limits.h"
#include "storage/log_priv.h"
#include "storage/log_row.h"
#include "storage/search_blocks.h"

/* Bounds of a page. A seq is in exactly one log day, and days ascend with it: the bound on the day
 * is what keeps the server away from the other partitions. */
static void put_page_bounds(struct sql *sql, const struct log_query *query)
{
	if (query->after_seq > 0) {
		strbuf_put_text(&sql->text,
				" AND e.log_day >= COALESCE((SELECT max(day) FROM log_day"
				" WHERE first_seq <= ");
		sql_put_i64(sql, query->after_seq + 1);
		strbuf_put_text(&sql->text, "), '-infinity') AND e.seq > ");
		sql_put_i64(sql, query->after_seq);
	}
	if (query->before_seq > 0) {
		strbuf_put_text(&sql->text,
				" AND e.log_day <= COALESCE((SELECT max(day) FROM log_day"
				" WHERE first_seq < ");
		sql_put_i64(sql, query->before_seq);
		strbuf_put_text(&sql->text, "), '-infinity') AND e.seq < ");
		sql_put_i64(sql, query->before_seq);
	}
}

static size_t page_limit(const struct log_query *query)
{
	return query->limit < LOG_PAGE_MAX_EVENTS ? query->limit : LOG_PAGE_MAX_EVENTS;
}

/* Over all days at once: what is skipped has to be counted. */
static int read_skipping(struct db *db, const struct log_query *query, struct entry_batch **out,
			 struct err *err)
{
	const char *order = query->descending ? "DESC" : "ASC";
	struct sql sql;
	int r;

	sql_init(&sql);
	/* The page first, by the key alone; the texts then for its rows only. */
	strbuf_putf(&sql.text, "SELECT %s FROM (SELECT * FROM event e WHERE ", log_row_columns);
	sql_put_filter(&sql, query->filter);
	put_page_bounds(&sql, query);
	strbuf_putf(&sql.text, " ORDER BY e.log_day %s, e.seq %s LIMIT ", order, order);
	sql_put_i64(&sql, (int64_t)page_limit(query));
	strbuf_put_text(&sql.text, " OFFSET ");
	sql_put_i64(&sql, (int64_t)query->skip);
	strbuf_putf(&sql.text, ") e ORDER BY e.log_day %s, e.seq %s", order, order);
	r = log_run_read(db, &sql, out, err);
	sql_fini(&sql);
	return r;
}

/* --- day by day
 * ------------------------------------------------------------------------------------ */

/* The bounds that the query's own positions set to a day. */
static struct log_piece clip(struct log_piece piece, const struct log_query *query)
{
	if (piece.first_seq <= query->after_seq)
		piece.first_seq = query->after_seq + 1;
	if (query->before_seq > 0 && piece.last_seq >= query->before_seq)
		piece.last_seq = query->before_seq - 1;
	return piece;
}

/* The server's own guess at the rows of a piece; SIZE_MAX when there is none. */
static size_t guess_rows(struct log_naming *naming, const struct log_piece *piece,
			 const struct filter *filter)
{
	static const struct str name = { " rows=", 6 };
	struct db_result *result;
	uint64_t n = SIZE_MAX;
	struct err err;
	struct str line;
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "EXPLAIN SELECT 1");
	log_put_piece(&sql, naming, piece, filter, false);
	r = log_run(naming->db, &sql, &result, &err);
	sql_fini(&sql);
	if (r < 0)
		return SIZE_MAX;
	line = db_str(result, 0, 0);
	line = (struct str){ line.p + str_find(line, name), line.len - str_find(line, name) };
	if (line.len > name.len) {
		line = (struct str){ line.p + name.len, line.len - name.len };
		line.len = str_find_char(line, ' ');
		if (!str_to_u64(line, &n))
			n = SIZE_MAX;
	}
	db_result_free(result);
	return n;
}

/* The server believes that what passes is spread evenly, and would go through a day from its end to
 * find an hour of its beginning. When there is little of it in that time, or below that origin, it
 * is better found by that (event_received, event_origin) and sorted. */
static bool sorts(struct log_naming *naming, const struct log_part *part,
		  const struct filter *filter)
{
	return part->piece.last_seq - part->piece.first_seq >= LOG_FEW_SEQS &&
	       ((filter_bounds(filter, FILTER_CREATED) && !part->is_narrow) ||
		filter_bounds(filter, FILTER_ORIGIN)) &&
	       guess_rows(naming, &part->piece, filter) <= LOG_SORT_ROWS;
}

/* What was read of a page so far, in the query's order. */
struct page {
	struct log_naming naming;
	const struct log_query *query;
	struct str text; /* what `Message` has to contain; len 0: nothing */
	struct db_result **results;
	size_t n_results, size, limit; /* limit: rows that may still come */
};

static void page_init(struct page *page, struct db *db, const struct log_query *query)
{
	*page = (struct page){ .naming = { .db = db },
			       .query = query,
			       .text = filter_part(query->filter, FILTER_MESSAGE),
			       .limit = page_limit(query) };
}

static void page_fini(struct page *page)
{
	while (page->n_results > 0)
		db_result_free(page->results[--page->n_results]);
	free(page->results);
}

static void page_add(struct page *page, struct db_result *result)
{
	if (page->n_results == page->size) {
		page->size = page->size ? 2 * page->size : 16;
		page->results = xrealloc(page->results, page->size * sizeof(page->results[0]));
	}
	page->results[page->n_results++] = result;
	page->limit -= db_rows(result);
}

/* A day whose time of keeping ended since its name was read has nothing any more. */
static int unless_gone(const struct page *page, int r)
{
	return r < 0 && log_day_is_gone(page->naming.db) ? 0 : r;
}

/* What passes of a part, or of these seqs of it ("{1,2}"; NULL: all). The seqs first, which an
 * index can often say by itself; then the rows of these alone. */
static int read_part(struct page *page, const struct log_part *part, const char *seqs,
		     struct err *err)
{
	const struct log_piece *piece = &part->piece;
	const struct log_query *query = page->query;
	const char *order = query->descending ? "DESC" : "ASC";
	bool by_seq = seqs || !sorts(&page->naming, part, query->filter);
	struct db_result *result;
	struct sql sql;
	int r;

	sql_init(&sql);
	sql.day = piece->day;
	strbuf_putf(&sql.text, "SELECT %s, ", log_row_facts);
	sql_put_day_text(&sql);
	strbuf_put_text(&sql.text, " FROM ");
	sql_put_table(&sql, "event", piece->day);
	strbuf_put_text(&sql.text, " e WHERE e.log_day = ");
	sql_put_text(&sql, piece->day);
	strbuf_put_text(&sql.text, "::date AND e.seq = ANY (ARRAY(SELECT e.seq");
	log_put_piece(&sql, &page->naming, piece, query->filter, by_seq);
	if (seqs) {
		strbuf_put_text(&sql.text, " AND e.seq = ANY (");
		sql_put_text(&sql, str_of(seqs));
		strbuf_put_text(&sql.text, "::bigint[])");
	}
	strbuf_putf(&sql.text, " ORDER BY %s %s LIMIT ", by_seq && !seqs ? "e.seq" : "e.seq + 0",
		    order);
	sql_put_i64(&sql, (int64_t)page->limit);
	strbuf_putf(&sql.text, ")) ORDER BY e.seq %s", order);
	r = log_run(page->naming.db, &sql, &result, err);
	sql_fini(&sql);
	if (r == 0)
		page_add(page, result);
	return unless_gone(page, r);
}

/* --- by words of the text
 * ------------------------------------------------------------------------------------ */

/* Whether what else the filter says finds few rows by an index of its own. */
static bool has_better_index(struct page *page, const struct log_piece *piece)
{
	const struct filter *filter = page->query->filter;

	return (filter_bounds(filter, FILTER_SOURCE) || filter_bounds(filter, FILTER_ORIGIN) ||
		filter_bounds(filter, FILTER_MESSAGE_ID)) &&
	       guess_rows(&page->naming, piece, filter) <= LOG_SEARCH_ROWS;
}

/* How many blocks with the text to look into next: few at first, which is enough when it is
 * frequent; when it is rare, each has one event of it. */
static size_t next_blocks(const struct page *page, size_t n)
{
	size_t most = page->limit < SEARCH_MAX_BLOCKS ? page->limit : SEARCH_MAX_BLOCKS;

	if (n == 0 || most < SEARCH_FIRST_BLOCKS)
		return SEARCH_FIRST_BLOCKS;
	return 4 * n < most ? 4 * n : most;
}

/* A part that search_block knows all of. */
static int search_part(struct page *page, struct log_part part, struct err *err)
{
	struct log_piece *piece = &part.piece;
	struct search_question question = { .day = piece->day,
					    .text = page->text,
					    .descending = page->query->descending };
	int r = 0;

	while (page->limit > 0 && piece->first_seq <= piece->last_seq) {
		struct search_found found;

		question.max_blocks = next_blocks(page, question.max_blocks);
		question.first_seq = piece->first_seq;
		question.last_seq = piece->last_seq;
		r = search_blocks_find(page->naming.db, &question, &found, err);
		if (r < 0)
			break;
		if (found.n_blocks > 0)
			r = read_part(page, &part, found.seqs.p, err);
		strbuf_fini(&found.seqs);
		if (r < 0 || found.n_blocks < question.max_blocks)
			break;
		if (question.descending)
			piece->last_seq = found.first_seq - 1;
		else
			piece->first_seq = found.last_seq + 1;
	}
	return unless_gone(page, r);
}

/* A day, or a piece of it. */
static int read_day(struct page *page, const struct log_piece *piece, struct err *err)
{
	const struct log_query *query = page->query;
	struct log_part parts[LOG_MAX_PARTS];
	int n = log_parts(page->naming.db, query->filter, piece, query->descending, parts, err),
	    r = 0;

	for (int i = 0; i < n && r == 0 && page->limit > 0; i++) {
		bool by_text = page->text.len > 0 && parts[i].is_searchable &&
			       !has_better_index(page, &parts[i].piece);

		r = by_text ? search_part(page, parts[i], err)
			    : read_part(page, &parts[i], NULL, err);
	}
	return n < 0 ? n : r;
}

/* --- pages
 * ------------------------------------------------------------------------------------ */

int log_read(struct db *db, const struct log_query *query, struct entry_batch **out,
	     struct err *err)
{
	struct db_result *days;
	struct page page;
	int r;

	if (query->skip > 0)
		return read_skipping(db, query, out, err);
	r = log_days(db, query, &days, err);
	if (r < 0)
		return r;
	page_init(&page, db, query);
	for (size_t i = 0; i < db_rows(days) && page.limit > 0 && r == 0; i++) {
		struct log_piece piece = clip(log_day_at(days, i), query);

		r = read_day(&page, &piece, err);
	}
	if (r == 0)
		r = log_take_rows(page.results, page.n_results, out, err);
	page_fini(&page);
	db_result_free(days);
	return r;
}

/* Cut it to what one question may look at; where to go on behind it. */
static int64_t cut(struct log_piece *piece, bool descending)
{
	if (piece->last_seq - piece->first_seq >= LOG_PIECE_SEQS) {
		if (descending)
			piece->first_seq = piece->last_seq - LOG_PIECE_SEQS + 1;
		else
			piece->last_seq = piece->first_seq + LOG_PIECE_SEQS - 1;
	}
	return descending ? piece->first_seq : piece->last_seq;
}

int log_read_on(struct db *db, const struct log_query *query, struct entry_batch **out,
		int64_t *resume_out, struct err *err)
{
	struct entry_batch *batch = NULL;
	struct db_result *days;
	int64_t resume = 0;
	struct page page;
	int r;

	r = log_days(db, query, &days, err);
	if (r < 0)
		return r;
	page_init(&page, db, query);
	if (db_rows(days) > 0) {
		struct log_piece piece = clip(log_day_at(days, 0), query);

		/* Between the bounds nothing may be left of the day that they meet in. */
		if (piece.first_seq <= piece.last_seq) {
			resume = cut(&piece, query->descending);
			r = read_day(&page, &piece, err);
		}
	}
	if (r == 0)
		r = log_take_rows(page.results, page.n_results, &batch, err);
	if (r == 0) {
		if (batch->n > 0 && page.limit == 0)
			resume = batch->entries[batch->n - 1].seq;
		*resume_out = resume;
		*out = batch;
	}
	page_fini(&page);
	db_result_free(days);
	return r;
}
