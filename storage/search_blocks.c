#include "storage/search_blocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "storage/chore.h"
#include "storage/db.h"
#include "storage/filter_sql.h"
#include "storage/limits.h"

#define IDLE_MS 1000
#define MORE_MS 50 /* others have their turn between */

#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* Between the texts of a block. Where it stands in a text, or in what is looked for, is a blank. */
#define MARK              "E'\\x01'"
#define FOLD_BEGIN        "translate(lower(("
#define FOLD_END          ") COLLATE \"C\"), " MARK ", ' ')"
#define SEQS_BYTES_OF_ONE 20

/* --- making them --------------------------------------------------------------------------------
 */

struct search {
	struct chore *chore;
};

static int turn(void *ctx, struct db *db, struct err *err)
{
	struct db_result *result;
	int r;

	(void)ctx;
	/* The loader makes the tables. */
	r = db_query(db, "SELECT to_regclass('search_block') IS NOT NULL", NULL, 0, &result, err);
	if (r < 0)
		return r;
	if (!str_eq(db_str(result, 0, 0), STR("t")))
		r = err_set(err, -ENOTCONN, "the tables are not there yet");
	db_result_free(result);
	return r < 0 ? r : search_blocks_make(db, err);
}

int search_start(const char *url, struct search **out, struct err *err)
{
	struct search *search = xcalloc(1, sizeof(*search));
	const struct chore_config chore = {
		.thread = "search",
		.application = "rfeventd search",
		.url = url,
		/* What a crash of the server takes of them is made again. */
		.settings = "SET lock_timeout = '1s'; SET synchronous_commit = off",
		.turn = turn,
		.ctx = search,
		.idle_ms = IDLE_MS,
		.more_ms = MORE_MS,
		.waits = "the log's texts wait for others to be made searchable",
		.fails = "the log's texts could not be made searchable, searches take longer",
	};
	int r = chore_start(&chore, &search->chore, err);

	if (r < 0) {
		free(search);
		return r;
	}
	*out = search;
	return 0;
}

void search_stop(struct search *search)
{
	if (!search)
		return;
	chore_stop(search->chore);
	free(search);
}

/* Seqs of a day, after from_seq. */
struct stretch {
	char day[16];
	int64_t from_seq, to_seq;
};

/* 1, or 0: nothing needs it. A day that is over is finished; of one under way a turn's worth must be
 * there, in whole blocks. */
static int next_stretch(struct db *db, struct stretch *out, struct err *err)
{
	struct db_result *result;
	int r;

	r = db_query(db,
		     "SELECT to_char(day, 'YYYY-MM-DD'), from_seq,"
		     " least(last_seq, from_seq + " TEXT_OF((SEARCH_TURN_SEQS)) ") FROM ("
		     "SELECT d.day, greatest(d.searchable_seq, d.first_seq - 1) AS from_seq,"
		     " d.day < c.log_day AS is_over,"
		     " COALESCE(lead(d.first_seq) OVER (ORDER BY d.day) - 1, c.seq) AS last_seq"
		     " FROM log_day d, counter c) s"
		     " WHERE (is_over AND last_seq > from_seq)"
		     " OR last_seq - from_seq >= " TEXT_OF((SEARCH_TURN_SEQS))
		     " ORDER BY day DESC LIMIT 1",
		     NULL, 0, &result, err);
	if (r < 0)
		return r;
	r = db_rows(result) == 1;
	if (r) {
		snprintf(out->day, sizeof(out->day), "%.*s", STR_ARG(db_str(result, 0, 0)));
		out->from_seq = db_int(result, 0, 1);
		out->to_seq = db_int(result, 0, 2);
	}
	db_result_free(result);
	return r;
}

/* The day's row, unless somebody else makes its blocks, or has made these. */
static int claim(struct db *db, const struct stretch *stretch, struct err *err)
{
	struct db_result *result;
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "SELECT 1 FROM log_day WHERE day = ");
	sql_put_text(&sql, str_of(stretch->day));
	strbuf_put_text(&sql.text, "::date AND greatest(searchable_seq, first_seq - 1) = ");
	sql_put_i64(&sql, stretch->from_seq);
	strbuf_put_text(&sql.text, " FOR UPDATE SKIP LOCKED");
	r = db_query(db, sql.text.p, sql.params, sql.n_params, &result, err);
	sql_fini(&sql);
	if (r < 0)
		return r;
	r = (int)db_rows(result);
	db_result_free(result);
	return r;
}

/* "$n::bigint" of a stretch's end. */
static void put_from(struct sql *sql, const struct stretch *stretch)
{
	sql_put_i64(sql, stretch->from_seq);
}

static int insert_blocks(struct db *db, const struct stretch *stretch, struct err *err)
{
	struct str day = str_of(stretch->day);
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "INSERT INTO ");
	sql_put_table(&sql, "search_block", day);
	strbuf_put_text(&sql.text, " (log_day, first_seq, last_seq, first_received, last_received,"
				   " has_long, texts, members) SELECT ");
	sql_put_text(&sql, day);
	strbuf_put_text(&sql.text,
			"::date, min(seq), max(seq), min(received), max(received),"
			" COALESCE(bool_or(is_long), false),"
			" COALESCE(string_agg(DISTINCT text, " MARK " ORDER BY text), ''),"
			" array_agg(member ORDER BY seq) FROM (SELECT *,"
			" CASE WHEN is_long THEN 0 WHEN text IS NOT NULL THEN"
			" dense_rank() OVER (PARTITION BY block ORDER BY text) END::smallint AS member"
			" FROM (SELECT s.seq, e.received, (s.seq - 1 - ");
	put_from(&sql, stretch);
	strbuf_put_text(&sql.text, ") / " TEXT_OF(SEARCH_BLOCK_SEQS) " AS block,"
				   " octet_length(m.body) > " TEXT_OF(SEARCH_LONG_BYTES) " AS is_long,"
				   " CASE WHEN octet_length(m.body) <= " TEXT_OF(SEARCH_LONG_BYTES)
				   " THEN " FOLD_BEGIN "m.body" FOLD_END " END COLLATE \"C\" AS text"
				   " FROM generate_series(1 + ");
	put_from(&sql, stretch);
	strbuf_put_text(&sql.text, ", ");
	sql_put_i64(&sql, stretch->to_seq);
	/* A seq may be nobody's, after a restore: its member is null. */
	strbuf_put_text(&sql.text, ") s(seq) LEFT JOIN ");
	sql_put_table(&sql, "event", day);
	strbuf_put_text(&sql.text, " e ON e.seq = s.seq AND e.log_day = ");
	sql_put_text(&sql, day);
	strbuf_put_text(&sql.text, "::date AND e.seq > ");
	put_from(&sql, stretch);
	strbuf_put_text(&sql.text, " AND e.seq <= ");
	sql_put_i64(&sql, stretch->to_seq);
	strbuf_put_text(&sql.text, " LEFT JOIN ");
	sql_put_table(&sql, "message_text", day);
	strbuf_put_text(&sql.text, " t ON t.id = e.text_id AND t.log_day = ");
	sql_put_text(&sql, day);
	strbuf_put_text(&sql.text,
			"::date, LATERAL (SELECT COALESCE(t.body, e.sender_message) AS body) m) x) y"
			" GROUP BY block HAVING count(received) > 0");
	r = sql.text.failed ? -ENOMEM : db_query(db, sql.text.p, sql.params, sql.n_params, NULL, err);
	sql_fini(&sql);
	return r;
}

static int move_on(struct db *db, const struct stretch *stretch, struct err *err)
{
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "UPDATE log_day SET searchable_seq = ");
	sql_put_i64(&sql, stretch->to_seq);
	strbuf_put_text(&sql.text, " WHERE day = ");
	sql_put_text(&sql, str_of(stretch->day));
	strbuf_put_text(&sql.text, "::date");
	r = db_query(db, sql.text.p, sql.params, sql.n_params, NULL, err);
	sql_fini(&sql);
	return r;
}

int search_blocks_make(struct db *db, struct err *err)
{
	struct stretch stretch;
	int r = next_stretch(db, &stretch, err), claimed;

	if (r <= 0)
		return r;
	r = db_begin(db, err);
	if (r < 0)
		return r;
	claimed = r = claim(db, &stretch, err);
	if (r > 0)
		r = insert_blocks(db, &stretch, err);
	if (r == 0 && claimed > 0)
		r = move_on(db, &stretch, err);
	if (r == 0 && claimed > 0)
		r = db_commit(db, err);
	else
		db_rollback(db);
	return r < 0 ? r : claimed;
}

/* --- looking through them -----------------------------------------------------------------------
 */

static void put_time(struct sql *sql, const char *comparison, int64_t us)
{
	strbuf_put_text(&sql->text, comparison);
	strbuf_put_text(&sql->text, "timestamptz 'epoch' + ");
	sql_put_i64(sql, us);
	strbuf_put_text(&sql->text, " * interval '1 microsecond'");
}

/* The blocks that have the text, the first ones in the order asked. */
static void put_blocks(struct sql *sql, const struct search_question *question)
{
	strbuf_put_text(&sql->text, "SELECT b.* FROM ");
	sql_put_table(sql, "search_block", question->day);
	strbuf_put_text(&sql->text, " b WHERE b.log_day = ");
	sql_put_text(sql, question->day);
	strbuf_put_text(&sql->text, "::date AND b.last_seq >= ");
	sql_put_i64(sql, question->first_seq);
	/* By the key, for the end of an index scan; and exactly. */
	strbuf_put_text(&sql->text, " AND b.last_seq < " TEXT_OF(SEARCH_BLOCK_SEQS) " + ");
	sql_put_i64(sql, question->last_seq);
	strbuf_put_text(&sql->text, " AND b.first_seq <= ");
	sql_put_i64(sql, question->last_seq);
	if (question->from_us > INT64_MIN)
		put_time(sql, " AND b.last_received >= ", question->from_us);
	if (question->to_us < INT64_MAX)
		put_time(sql, " AND b.first_received <= ", question->to_us);
	strbuf_put_text(&sql->text, " AND (b.has_long OR strpos(b.texts, q.text) > 0)");
	strbuf_putf(&sql->text, " ORDER BY b.last_seq %s LIMIT ", question->descending ? "DESC" : "ASC");
	sql_put_i64(sql, (int64_t)question->max_blocks);
}

static int run_question(struct db *db, const struct search_question *question,
			struct db_result **out, struct err *err)
{
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text,
			"SELECT h.first_seq, h.last_seq, array_to_string(ARRAY("
			"SELECT h.first_seq - 1 + m.at FROM unnest(h.members) WITH ORDINALITY m(n, at)"
			" WHERE m.n = 0 OR m.n = ANY (ARRAY(SELECT t.n FROM"
			" unnest(string_to_array(h.texts, " MARK ")) WITH ORDINALITY t(text, n)"
			" WHERE strpos(t.text COLLATE \"C\", q.text) > 0))), ',')"
			" FROM (SELECT " FOLD_BEGIN);
	sql_put_text(&sql, question->text);
	strbuf_put_text(&sql.text, FOLD_END " AS text) q, LATERAL (");
	put_blocks(&sql, question);
	strbuf_put_text(&sql.text, ") h");
	r = sql.text.failed ? -ENOMEM : db_query(db, sql.text.p, sql.params, sql.n_params, out, err);
	sql_fini(&sql);
	return r;
}

int search_blocks_find(struct db *db, const struct search_question *question,
		       struct search_found *out, struct err *err)
{
	struct db_result *result;
	int r = run_question(db, question, &result, err);

	if (r < 0)
		return r;
	*out = (struct search_found){ .n_blocks = db_rows(result),
				      .first_seq = INT64_MAX,
				      .last_seq = INT64_MIN };
	strbuf_init(&out->seqs,
		    16 + SEARCH_MAX_BLOCKS * (size_t)SEARCH_BLOCK_SEQS * SEQS_BYTES_OF_ONE);
	strbuf_put_text(&out->seqs, "{");
	for (size_t i = 0; i < db_rows(result); i++) {
		struct str seqs = db_str(result, i, 2);

		if (db_int(result, i, 0) < out->first_seq)
			out->first_seq = db_int(result, i, 0);
		if (db_int(result, i, 1) > out->last_seq)
			out->last_seq = db_int(result, i, 1);
		if (seqs.len > 0 && out->seqs.len > 1)
			strbuf_put_text(&out->seqs, ",");
		strbuf_put(&out->seqs, seqs);
	}
	strbuf_put_text(&out->seqs, "}");
	db_result_free(result);
	return 0;
}
