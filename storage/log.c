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
#include "storage/log_priv.h"
#include "storage/log_row.h"
#include "storage/search_blocks.h"

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

/* --- what pages and counts share
 * ------------------------------------------------------------------------------------ */

int log_take_rows(struct db_result *const *results, size_t n_results, struct entry_batch **out,
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

int log_run(struct db *db, const struct sql *sql, struct db_result **out, struct err *err)
{
	if (sql->text.failed)
		return err_set(err, -E2BIG, "log: the filter is too large");
	return db_query(db, sql->text.p, sql->params, sql->n_params, out, err);
}

int log_run_read(struct db *db, const struct sql *sql, struct entry_batch **out, struct err *err)
{
	struct db_result *result;
	int r = log_run(db, sql, &result, err);

	if (r < 0)
		return r;
	r = log_take_rows(&result, 1, out, err);
	db_result_free(result);
	return r;
}

int log_days(struct db *db, const struct log_query *query, struct db_result **out, struct err *err)
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
		    "SELECT to_char(day, 'YYYY-MM-DD'), first_seq, last_seq, searchable_seq,"
		    " first_received, last_received FROM (SELECT *,"
		    " lead(first_seq - 1, 1, (SELECT greatest(seq, first_seq) FROM counter))"
		    " OVER (ORDER BY day) AS last_seq FROM log_day) d"
		    " WHERE last_seq > $1::bigint AND first_seq < $2::bigint ORDER BY day %s",
		    query->descending ? "DESC" : "ASC");
	r = db_query(db, sql.p, params, ARRAY_LEN(params), out, err);
	strbuf_fini(&sql);
	return r;
}

struct log_piece log_day_at(const struct db_result *days, size_t row)
{
	bool is_known = !db_is_null(days, row, 4);

	return (struct log_piece){ .day = db_str(days, row, 0),
				   .first_seq = db_int(days, row, 1),
				   .last_seq = db_int(days, row, 2),
				   .searchable_seq = db_int(days, row, 3),
				   .first_us = is_known ? db_time_us(days, row, 4) : INT64_MAX,
				   .last_us = is_known ? db_time_us(days, row, 5) : INT64_MIN };
}

/* Cut a part to where its blocks say that the time lies: 1, or 0 when nothing is left. */
static int narrow(struct db *db, int64_t from_us, int64_t to_us, struct log_piece *piece,
		  struct err *err)
{
	int64_t first, last;
	int r;

	if (piece->last_us < from_us || piece->first_us > to_us)
		return 0;
	if (piece->first_us >= from_us && piece->last_us <= to_us)
		return 1;
	r = search_blocks_span(db, piece->day, from_us, to_us, &first, &last, err);
	if (r <= 0)
		return r < 0 && log_day_is_gone(db) ? 0 : r;
	if (first > piece->first_seq)
		piece->first_seq = first;
	if (last < piece->last_seq)
		piece->last_seq = last;
	return piece->first_seq <= piece->last_seq;
}

int log_parts(struct db *db, const struct filter *filter, const struct log_piece *piece,
	      bool descending, struct log_part out[LOG_MAX_PARTS], struct err *err)
{
	struct log_part known = { .piece = *piece, .is_searchable = true },
			fresh = { .piece = *piece };
	int64_t from_us, to_us;
	int r = 1, n = 0;

	if (piece->first_seq > piece->last_seq)
		return 0;
	filter_range(filter, FILTER_CREATED, &from_us, &to_us);
	known.is_narrow = from_us > INT64_MIN || to_us < INT64_MAX;
	if (piece->searchable_seq < piece->first_seq ||
	    (!known.is_narrow && filter_part(filter, FILTER_MESSAGE).len == 0)) {
		out[0] = fresh;
		return 1;
	}
	if (piece->searchable_seq < piece->last_seq) {
		known.piece.last_seq = piece->searchable_seq;
		fresh.piece.first_seq = piece->searchable_seq + 1;
		out[n++] = fresh;
	}
	if (known.is_narrow)
		r = narrow(db, from_us, to_us, &known.piece, err);
	if (r <= 0)
		return r < 0 ? r : n;
	out[n++] = known;
	if (n == 2 && !descending) {
		out[0] = known;
		out[1] = fresh;
	}
	return n;
}

static unsigned sources_named(void *ctx, struct str name, struct uuid *out)
{
	struct log_naming *naming = ctx;
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
void log_put_piece(struct sql *sql, struct log_naming *naming, const struct log_piece *piece,
		   const struct filter *filter, bool with_day)
{
	sql->sources_named = sources_named;
	sql->ctx = naming;
	sql->day = piece->day;
	strbuf_put_text(&sql->text, " FROM ");
	sql_put_table(sql, "event", piece->day);
	strbuf_put_text(&sql->text, " e WHERE ");
	if (with_day) {
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

bool log_day_is_gone(const struct db *db)
{
	return strcmp(db_sqlstate(db), "42P01") == 0;
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
	return strcmp(db_sqlstate(db), "57014") == 0 || log_day_is_gone(db);
}

static int count_piece(struct log_naming *naming, const struct filter *filter,
		       const struct log_piece *piece, int64_t *n, struct err *err)
{
	struct db_result *result;
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "SELECT count(*)");
	log_put_piece(&sql, naming, piece, filter, false);
	r = log_run(naming->db, &sql, &result, err);
	sql_fini(&sql);
	if (r < 0)
		return r;
	*n += db_int(result, 0, 0);
	db_result_free(result);
	return 0;
}

static int count_day(struct log_naming *naming, const struct filter *filter,
		     const struct log_piece *day, int64_t *n, struct err *err)
{
	struct log_part parts[LOG_MAX_PARTS];
	int n_parts = log_parts(naming->db, filter, day, true, parts, err), r = 0;

	for (int i = 0; i < n_parts && r == 0; i++)
		r = count_piece(naming, filter, &parts[i].piece, n, err);
	return n_parts < 0 ? n_parts : r;
}

/* The newest days first: they are looked at anyway. */
static int count_days(struct log_naming *naming, const struct filter *filter,
		      const struct db_result *days, int64_t max_us, int64_t *n, bool *exact,
		      struct err *err)
{
	int64_t end_us = clock_monotonic_us() + max_us;

	for (size_t i = 0; i < db_rows(days); i++) {
		struct log_piece day = log_day_at(days, i);
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

int log_count(struct db *db, const struct filter *filter, int64_t max_us, int64_t *out, bool *exact,
	      struct err *err)
{
	const struct log_query all = { .descending = true };
	struct log_naming naming = { .db = db };
	struct db_result *days;
	struct err ignored;
	int64_t n = 0;
	int r;

	*exact = true;
	if (!filter || !filter->root)
		return count_all(db, out, err);
	r = log_days(db, &all, &days, err);
	if (r < 0)
		return r;
	r = db_begin(db, err);
	if (r == 0)
		r = count_days(&naming, filter, days, max_us, &n, exact, err);
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
	r = log_run_read(db, &sql, &batch, err);
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
