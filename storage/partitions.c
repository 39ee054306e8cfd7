#include "storage/partitions.h"

#include <errno.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/db.h"
#include "storage/limits.h"

#define DELETE_BATCH   "10000"
#define DROP_MAX_BYTES 256
#define CARE_MAX_BYTES 512
/* A segment's position may go when its directory no longer has it: a day later, at the earliest. */
#define FORGET_SEGMENT_AFTER "interval '1 day'"

/* --- attaching
 * ------------------------------------------------------------------------------------- */

int partitions_attach(struct db *db, struct err *err)
{
	char ahead[24];
	const struct db_param params[] = { db_i64(LOG_DAYS_AHEAD, ahead) };
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT day::date FROM counter c, generate_series("
		     "COALESCE(c.attached_until + 1, c.log_day), c.log_day + $1::int, '1 day') day"
		     " ORDER BY day",
		     params, 1, &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < db_rows(result) && r == 0; i++) {
		const struct db_param day[] = { DB_STR(db_str(result, i, 0)) };

		r = db_query(db, "SELECT rfeventd_attach($1::date)", day, 1, NULL, err);
	}
	db_result_free(result);
	return r;
}

int partitions_step(struct db *db, struct err *err)
{
	return db_query(
		db,
		"WITH c AS (UPDATE counter SET log_day = log_day + 1, day_first_seq = seq + 1"
		" WHERE id = 1 AND log_day < (clock_timestamp() AT TIME ZONE 'UTC')::date"
		" AND log_day < attached_until RETURNING log_day, day_first_seq)"
		" INSERT INTO log_day SELECT * FROM c ON CONFLICT DO NOTHING",
		NULL, 0, NULL, err);
}

/* --- dropping days
 * ----------------------------------------------------------------------------------- */

/* First day that stays: $1 is how long events are kept. */
#define FIRST_KEPT                                                                                 \
	"LEAST((SELECT log_day FROM counter),"                                                     \
	" ((now() - $1::bigint * interval '1 microsecond') AT TIME ZONE 'UTC')::date)"

static const char old_partitions_sql[] =
	"SELECT split_part(c.relname, '_2', 1), c.relname, i.inhrelid IS NOT NULL,"
	" COALESCE(i.inhdetachpending, false)"
	" FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid"
	" WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
	" AND c.relname ~ '^(event|message_text|search_block)_2[0-9]{7}$'"
	" AND to_date(right(c.relname, 8), 'YYYYMMDD') < " FIRST_KEPT
	/* Of a parent's partitions only one can be half detached: it goes first. */
	" ORDER BY COALESCE(i.inhdetachpending, false) DESC, right(c.relname, 8)";

static bool is_true(const struct db_result *result, size_t row, int column)
{
	return str_eq(db_str(result, row, column), STR("t"));
}

/* The names come from the catalogue, by a pattern that leaves nothing to quote. */
static int drop_partition(struct db *db, const struct db_result *result, size_t row,
			  struct err *err)
{
	struct str parent = db_str(result, row, 0), name = db_str(result, row, 1);
	struct strbuf sql;
	int r = 0;

	strbuf_init(&sql, DROP_MAX_BYTES);
	if (is_true(result, row, 2)) {
		strbuf_putf(&sql, "ALTER TABLE %.*s DETACH PARTITION %.*s %s", STR_ARG(parent),
			    STR_ARG(name), is_true(result, row, 3) ? "FINALIZE" : "CONCURRENTLY");
		r = db_exec(db, sql.p, err);
		strbuf_reset(&sql);
	}
	if (r == 0) {
		strbuf_putf(&sql, "DROP TABLE %.*s", STR_ARG(name));
		r = db_exec(db, sql.p, err);
	}
	strbuf_fini(&sql);
	if (r == 0)
		log_info("storage", "log day dropped", LOG_S("table", name));
	return r;
}

static int drop_days(struct db *db, int64_t keep_us, struct err *err)
{
	char keep[24];
	const struct db_param params[] = { db_i64(keep_us, keep) };
	struct db_result *result;
	int r;

	r = db_query(db, old_partitions_sql, params, 1, &result, err);
	if (r < 0)
		return r;
	/* First it is no longer spoken of, then it goes: readers see the bounds move before rows.
	 */
	if (db_rows(result) > 0)
		r = db_query(db, "DELETE FROM log_day WHERE day < " FIRST_KEPT, params, 1, NULL,
			     err);
	for (size_t i = 0; i < db_rows(result) && r == 0; i++)
		r = drop_partition(db, result, i, err);
	db_result_free(result);
	return r;
}

/* --- deleting rows
 * ------------------------------------------------------------------------------------ */

/* One small batch; 1 when it was full. */
static int delete_older(struct db *db, const char *sql, int64_t keep_us, struct err *err)
{
	char keep[24];
	const struct db_param params[] = { db_i64(keep_us, keep) };
	struct db_result *result;
	int r = db_query(db, sql, params, 1, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1 && is_true(result, 0, 0);
	db_result_free(result);
	return r;
}

#define DELETE_OLDER(table)                                                                        \
	"WITH gone AS (DELETE FROM " table " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " table      \
	" WHERE received < now() - $1::bigint * interval '1 microsecond' LIMIT " DELETE_BATCH      \
	")) RETURNING 1) SELECT count(*) = " DELETE_BATCH " FROM gone"

int partitions_forget_segments(struct db *db, const char *node, const char *segments,
			       struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(node)), DB_STR(str_of(segments)) };

	return db_query(
		db,
		"DELETE FROM journal_segment WHERE node = $1 AND segment <> ALL ($2::uuid[])"
		" AND changed < now() - " FORGET_SEGMENT_AFTER,
		params, 2, NULL, err);
}

/* Of days that are gone. 1 when there may be more. */
static int forget_backfilled(struct db *db, struct err *err)
{
	struct db_result *result;
	int r = db_query(db,
			 "WITH gone AS (DELETE FROM backfilled WHERE seq IN (SELECT seq FROM backfilled"
			 " WHERE seq < (SELECT min(first_seq) FROM log_day) LIMIT " DELETE_BATCH
			 ") RETURNING 1) SELECT count(*) >= " DELETE_BATCH " FROM gone",
			 NULL, 0, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1 && is_true(result, 0, 0);
	db_result_free(result);
	return r;
}

int partitions_expire(struct db *db, const struct retention *retention, struct err *err)
{
	struct err later;
	int more = delete_older(db, DELETE_OLDER("metric_report"), retention->metric_reports_us,
				err),
	    r;

	if (more < 0)
		return more;
	r = delete_older(db, DELETE_OLDER("repeat"), retention->repeats_us, err);
	if (r < 0)
		return r;
	more |= r;
	r = forget_backfilled(db, err);
	if (r < 0)
		return r;
	more |= r;
	r = drop_days(db, retention->events_us, &later);
	return r < 0 ? err_set(err, r, "%s", later.text) : more;
}

int partitions_summarise(struct db *db, struct err *err)
{
	return db_exec(db,
		       "SELECT brin_summarize_new_values(x.indexrelid) FROM pg_index x"
		       " JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am a ON a.oid = c.relam"
		       " WHERE a.amname = 'brin' AND x.indrelid ="
		       " to_regclass('event_' || (SELECT to_char(log_day, 'YYYYMMDD') FROM counter))",
		       err);
}

/* --- days that are over
 * ------------------------------------------------------------------------------- */

/* Once nobody writes to a table any more, one pass over it spares every later one: all of it is
 * frozen, known to the planner, and in its BRIN indexes up to the last page. */
static int care_for_table(struct db *db, const char *parent, struct str day, struct err *err)
{
	struct strbuf sql;
	int r;

	strbuf_init(&sql, CARE_MAX_BYTES);
	strbuf_putf(&sql, "VACUUM (FREEZE, ANALYZE) %s_%.*s", parent, STR_ARG(day));
	r = db_exec(db, sql.p, err);
	strbuf_reset(&sql);
	strbuf_putf(&sql,
		    "SELECT brin_summarize_new_values(x.indexrelid) FROM pg_index x"
		    " JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am a ON a.oid = c.relam"
		    " WHERE a.amname = 'brin' AND x.indrelid = to_regclass('%s_%.*s')",
		    parent, STR_ARG(day));
	if (r == 0)
		r = db_exec(db, sql.p, err);
	strbuf_fini(&sql);
	return r;
}

static int care_for_day(struct db *db, struct str date, struct str day, struct err *err)
{
	const struct db_param params[] = { DB_STR(date) };
	int r = care_for_table(db, "event", day, err);

	if (r == 0)
		r = care_for_table(db, "message_text", day, err);
	if (r == 0)
		r = care_for_table(db, "search_block", day, err);
	if (r == 0)
		r = db_query(db, "UPDATE log_day SET cared = now() WHERE day = $1::date", params, 1,
			     NULL, err);
	if (r == 0)
		log_info("storage", "log day is over, its tables are frozen", LOG_S("day", date));
	return r;
}

int partitions_care(struct db *db, struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT l.day, to_char(l.day, 'YYYYMMDD') FROM log_day l, counter c"
		     " WHERE l.cared IS NULL AND l.day < c.log_day"
		     " AND to_regclass('event_' || to_char(l.day, 'YYYYMMDD')) IS NOT NULL"
		     " AND to_regclass('message_text_' || to_char(l.day, 'YYYYMMDD')) IS NOT NULL"
		     " ORDER BY l.day LIMIT 1",
		     NULL, 0, &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 1) {
		r = care_for_day(db, db_str(result, 0, 0), db_str(result, 0, 1), err);
		r = r < 0 ? r : 1;
	}
	db_result_free(result);
	return r;
}
