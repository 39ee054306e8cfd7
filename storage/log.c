#include "storage/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/filter.h"
#include "storage/db.h"
#include "storage/filter_sql.h"
#include "storage/limits.h"
#include "storage/log_row.h"

int log_bounds(struct db *db, struct log_bounds *out, struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT m.epoch, (SELECT min(first_seq) FROM log_day), c.seq"
		     " FROM meta m, counter c",
		     NULL, 0, &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 1) {
		out->epoch = db_get_uuid(result, 0, 0);
		out->oldest_seq = db_int(result, 0, 1);
		out->last_seq = db_int(result, 0, 2);
	} else {
		r = err_set(err, -EIO, "log: its identity or its counter is missing");
	}
	db_result_free(result);
	return r;
}

/* --- pages
 * ------------------------------------------------------------------------------------------ */

/* Rows of log_row_columns, of several questions, into a batch of their own. */
static int take_rows(struct db_result *const *results, size_t n_results, struct entry_batch **out,
		     struct err *err)
{
	struct entry_batch *batch;
	size_t n = 0, at = 0;
	int r = 0;

	for (size_t i = 0; i < n_results; i++)
		n += db_rows(results[i]);
	batch = entry_batch_new(n);
	batch->arena = arena_new(LOG_PAGE_MAX_BYTES);
	for (size_t i = 0; i < n_results; i++)
		for (size_t row = 0; row < db_rows(results[i]) && r == 0; row++)
			r = log_row_read(results[i], row, batch->arena, &batch->entries[at++]);
	if (r < 0) {
		entry_batch_unref(batch);
		return err_set(err, r, "log: the page takes more than %u MiB: ask for less",
			       LOG_PAGE_MAX_BYTES >> 20);
	}
	*out = batch;
	return 0;
}

static int run(struct db *db, const struct sql *sql, struct db_result **out, struct err *err)
{
	if (sql->text.failed)
		return err_set(err, -E2BIG, "log: the filter is too large");
	return db_query(db, sql->text.p, sql->params, sql->n_params, out, err);
}

static int run_read(struct db *db, const struct sql *sql, struct entry_batch **out, struct err *err)
{
	struct db_result *result;
	int r = run(db, sql, &result, err);

	if (r < 0)
		return r;
	r = take_rows(&result, 1, out, err);
	db_result_free(result);
	return r;
}

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
	r = run_read(db, &sql, out, err);
	sql_fini(&sql);
	return r;
}

/* --- day by day
 * ------------------------------------------------------------------------------------ */

/* A log day, or a piece of one: its seqs are first_seq <= seq <= last_seq. */
struct piece {
	struct str day; /* "2026-11-21", of the result it was read from */
	int64_t first_seq, last_seq;
};

/* The log's days, in the query's order, those alone that its bounds allow. */
static int read_days(struct db *db, const struct log_query *query, struct db_result **out,
		     struct err *err)
{
	char after[24], before[24];
	const struct db_param params[] = {
		db_i64(query->after_seq, after),
		db_i64(query->before_seq > 0 ? query->before_seq : INT64_MAX, before)
	};
	struct strbuf sql;
	int r;

	strbuf_init(&sql, 1024);
	strbuf_putf(&sql,
		    "SELECT to_char(day, 'YYYY-MM-DD'), first_seq, last_seq FROM (SELECT day, "
		    "first_seq,"
		    " lead(first_seq - 1, 1, (SELECT greatest(seq, first_seq) FROM counter))"
		    " OVER (ORDER BY day) AS last_seq FROM log_day) d"
		    " WHERE last_seq > $1::bigint AND first_seq < $2::bigint ORDER BY day %s",
		    query->descending ? "DESC" : "ASC");
	r = db_query(db, sql.p, params, ARRAY_LEN(params), out, err);
	strbuf_fini(&sql);
	return r;
}

static struct piece day_at(const struct db_result *days, size_t row)
{
	return (struct piece){ db_str(days, row, 0), db_int(days, row, 1), db_int(days, row, 2) };
}

/* The bounds that the query's own positions set to a day. */
static struct piece clip(struct piece piece, const struct log_query *query)
{
	if (piece.first_seq <= query->after_seq)
		piece.first_seq = query->after_seq + 1;
	if (query->before_seq > 0 && piece.last_seq >= query->before_seq)
		piece.last_seq = query->before_seq - 1;
	return piece;
}

/* Which source a name is; remembered over the days of one page. */
struct naming {
	struct db *db;
	struct str name;
	unsigned n;
	struct uuid id;
};

static unsigned sources_named(void *ctx, struct str name, struct uuid *out)
{
	struct naming *naming = ctx;
	const struct db_param params[] = { DB_STR(name) };
	struct db_result *result;
	struct err err;

	if (!naming->name.p || !str_eq(naming->name, name)) {
		if (db_query(naming->db, "SELECT id FROM source WHERE name = $1 LIMIT 2", params, 1,
			     &result, &err) < 0)
			return 2; /* the statement will say what is wrong */
		naming->name = name;
		naming->n = (unsigned)db_rows(result);
		if (naming->n > 0)
			naming->id = db_get_uuid(result, 0, 0);
		db_result_free(result);
	}
	*out = naming->id;
	return naming->n;
}

/* What passes of a piece. The day's own tables, so that the others are not even thought of. Asked
 * without its day, which is the same, an index may answer alone; with it, the key gives the order.
 */
static void put_piece(struct sql *sql, struct naming *naming, const struct piece *piece,
		      const struct filter *filter, bool ordered)
{
	sql->sources_named = sources_named;
	sql->ctx = naming;
	sql->day = piece->day;
	strbuf_put_text(&sql->text, " FROM ");
	sql_put_table(sql, "event", piece->day);
	strbuf_put_text(&sql->text, " e WHERE ");
	if (ordered) {
		strbuf_put_text(&sql->text, "e.log_day = ");
		sql_put_text(sql, piece->day);
		strbuf_put_text(&sql->text, "::date AND ");
	}
	strbuf_put_text(&sql->text, "e.seq >= ");
	sql_put_i64(sql, piece->first_seq);
	strbuf_put_text(&sql->text, " AND e.seq <= ");
	sql_put_i64(sql, piece->last_seq);
	strbuf_put_text(&sql->text, " AND ");
	sql_put_filter(sql, filter);
}

/* The server's own guess at the rows of a piece; SIZE_MAX when there is none. */
static size_t guess_rows(struct naming *naming, const struct piece *piece,
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
	put_piece(&sql, naming, piece, filter, false);
	r = run(naming->db, &sql, &result, &err);
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
static bool sorts(struct naming *naming, const struct piece *piece, const struct filter *filter)
{
	return (filter_bounds(filter, FILTER_CREATED) || filter_bounds(filter, FILTER_ORIGIN)) &&
	       guess_rows(naming, piece, filter) <= LOG_SORT_ROWS;
}

/* The day's time of keeping ended since its name was read. */
static bool is_gone(const struct db *db)
{
	return strcmp(db_sqlstate(db), "42P01") == 0;
}

/* The seqs first, which an index can often say by itself; then the rows of these alone. 1 and
 * nothing in *out when the day is gone. */
static int read_piece(struct naming *naming, const struct log_query *query,
		      const struct piece *piece, size_t limit, struct db_result **out,
		      struct err *err)
{
	const char *order = query->descending ? "DESC" : "ASC";
	bool ordered = !sorts(naming, piece, query->filter);
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
	put_piece(&sql, naming, piece, query->filter, ordered);
	strbuf_putf(&sql.text, " ORDER BY %s %s LIMIT ", ordered ? "e.seq" : "e.seq + 0", order);
	sql_put_i64(&sql, (int64_t)limit);
	strbuf_putf(&sql.text, ")) ORDER BY e.seq %s", order);
	r = run(naming->db, &sql, out, err);
	sql_fini(&sql);
	return r < 0 && is_gone(naming->db) ? 1 : r;
}

int log_read(struct db *db, const struct log_query *query, struct entry_batch **out,
	     struct err *err)
{
	struct naming naming = { .db = db };
	struct db_result *days, **results;
	size_t limit = page_limit(query), n_results = 0;
	int r;

	if (query->skip > 0)
		return read_skipping(db, query, out, err);
	r = read_days(db, query, &days, err);
	if (r < 0)
		return r;
	results = xcalloc(db_rows(days) + 1, sizeof(*results));
	for (size_t i = 0; i < db_rows(days) && limit > 0 && r == 0; i++) {
		struct piece piece = clip(day_at(days, i), query);

		r = read_piece(&naming, query, &piece, limit, &results[n_results], err);
		if (r == 0)
			limit -= db_rows(results[n_results++]);
		else if (r > 0)
			r = 0;
	}
	if (r == 0)
		r = take_rows(results, n_results, out, err);
	while (n_results > 0)
		db_result_free(results[--n_results]);
	free(results);
	db_result_free(days);
	return r;
}

/* Cut it to what one question may look at; where to go on behind it. */
static int64_t cut(struct piece *piece, bool descending)
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
	struct naming naming = { .db = db };
	struct db_result *days, *result = NULL;
	size_t limit = page_limit(query);
	struct entry_batch *batch = NULL;
	int64_t resume = 0;
	int r;

	r = read_days(db, query, &days, err);
	if (r < 0)
		return r;
	if (db_rows(days) > 0) {
		struct piece piece = clip(day_at(days, 0), query);

		/* Between the bounds nothing may be left of the day that they meet in. */
		if (piece.first_seq <= piece.last_seq) {
			resume = cut(&piece, query->descending);
			r = read_piece(&naming, query, &piece, limit, &result, err);
		}
	}
	if (r >= 0)
		r = take_rows(&result, result ? 1 : 0, &batch, err);
	if (r == 0) {
		if (batch->n > 0 && batch->n == limit)
			resume = batch->entries[batch->n - 1].seq;
		*resume_out = resume;
		*out = batch;
	}
	db_result_free(result);
	db_result_free(days);
	return r;
}

/* --- counts
 * ------------------------------------------------------------------------------------------ */

/* Seqs from `oldest_seq` on that a restored database left empty. */
static int count_gaps(struct db *db, int64_t oldest_seq, int64_t *out, struct err *err)
{
	char oldest[24];
	const struct db_param params[] = { db_i64(oldest_seq, oldest) };

	return db_query_int(
		db,
		"SELECT COALESCE(sum(to_seq - greatest(from_seq, $1::bigint) + 1), 0)::bigint"
		" FROM log_gap WHERE to_seq >= $1::bigint",
		params, 1, 0, out, err);
}

static int count_all(struct db *db, int64_t *out, struct err *err)
{
	struct log_bounds bounds;
	int64_t gaps = 0;
	int r;

	/* Without gaps the numbers are the count. */
	r = log_bounds(db, &bounds, err);
	if (r == 0)
		r = count_gaps(db, bounds.oldest_seq, &gaps, err);
	if (r == 0)
		*out = bounds.last_seq - bounds.oldest_seq + 1 - gaps;
	return r;
}

/* No statement of the transaction under way runs longer from here on. */
static int limit_statements(struct db *db, int64_t ms, struct err *err)
{
	char text[24];
	const struct db_param params[] = { db_i64(ms, text) };

	return db_query(db, "SELECT set_config('statement_timeout', $1, true)", params, 1, NULL,
			err);
}

/* Whether a statement failed because its time was over, or that of keeping the day. */
static bool ran_out(const struct db *db)
{
	return strcmp(db_sqlstate(db), "57014") == 0 || is_gone(db);
}

static int count_day(struct naming *naming, const struct filter *filter, const struct piece *day,
		     int64_t *n, struct err *err)
{
	struct db_result *result;
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "SELECT count(*)");
	put_piece(&sql, naming, day, filter, false);
	r = run(naming->db, &sql, &result, err);
	sql_fini(&sql);
	if (r < 0)
		return r;
	*n += db_int(result, 0, 0);
	db_result_free(result);
	return 0;
}

/* The newest days first: they are looked at anyway. */
static int count_days(struct naming *naming, const struct filter *filter,
		      const struct db_result *days, int64_t *n, bool *exact, struct err *err)
{
	int64_t end_us = clock_monotonic_us() + LOG_COUNT_US;

	for (size_t i = 0; i < db_rows(days); i++) {
		struct piece day = day_at(days, i);
		int64_t left_us = end_us - clock_monotonic_us();
		int r = 0;

		*exact = left_us >= 1000;
		if (*exact)
			r = limit_statements(naming->db, left_us / 1000, err);
		if (*exact && r == 0)
			r = count_day(naming, filter, &day, n, err);
		if (r < 0) {
			*exact = false;
			return ran_out(naming->db) ? 0 : r;
		}
		if (!*exact)
			break;
	}
	return 0;
}

int log_count(struct db *db, const struct filter *filter, int64_t *out, bool *exact,
	      struct err *err)
{
	const struct log_query all = { .descending = true };
	struct naming naming = { .db = db };
	struct db_result *days;
	struct err ignored;
	int64_t n = 0;
	int r;

	*exact = true;
	if (!filter || !filter->root)
		return count_all(db, out, err);
	r = read_days(db, &all, &days, err);
	if (r < 0)
		return r;
	r = db_begin(db, err);
	if (r == 0)
		r = count_days(&naming, filter, days, &n, exact, err);
	limit_statements(db, 0, &ignored); /* or it might hit the end of the transaction */
	db_rollback(db);                   /* nothing was changed; what was set goes with it */
	db_result_free(days);
	if (r == 0)
		*out = n;
	return r;
}

/* --- one event
 * --------------------------------------------------------------------------------------- */

#define AT_SEQ                                                                                     \
	" WHERE e.log_day = (SELECT max(day) FROM log_day WHERE first_seq <= $1::bigint)"          \
	" AND e.seq = $1::bigint"

int log_get(struct db *db, int64_t seq, struct entry_batch **out, struct err *err)
{
	struct entry_batch *batch = NULL;
	char number[24];
	struct sql sql;
	int r;

	sql_init(&sql);
	sql.params = xcalloc(1, sizeof(sql.params[0]));
	sql.params[sql.n_params++] = db_i64(seq, number);
	strbuf_putf(&sql.text, "SELECT %s FROM event e" AT_SEQ, log_row_columns);
	r = run_read(db, &sql, &batch, err);
	sql_fini(&sql);
	if (r < 0)
		return r;
	if (batch->n == 0) {
		entry_batch_unref(batch);
		batch = NULL;
	}
	*out = batch;
	return 0;
}

int log_raw(struct db *db, int64_t seq, struct strbuf *out, struct err *err)
{
	char number[24];
	const struct db_param params[] = { db_i64(seq, number) };
	struct db_result *result;
	int r;

	/* All events of a delivery are in one transaction, so in one log day. */
	r = db_query(db,
		     "SELECT w.raw FROM event e JOIN event w"
		     " ON w.log_day = e.log_day AND w.seq = e.seq - e.part" AT_SEQ,
		     params, 1, &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 0)
		r = err_set(err, -ENOENT, "log: there is no event %lld", (long long)seq);
	else
		db_bytes(result, 0, 0, out);
	if (r == 0 && out->failed)
		r = err_set(err, -E2BIG, "log: the delivery is larger than the answer may be");
	db_result_free(result);
	return r;
}
