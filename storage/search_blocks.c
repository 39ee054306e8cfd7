#include "storage/search_blocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/chore.h"
#include "storage/db.h"
#include "storage/filter_sql.h"
#include "storage/limits.h"

#define IDLE_MS 1000
#define MORE_MS 100 /* while events come in: what is not packed yet is asked event by event */
#define BUSY_US (2 * CLOCK_US_PER_S)

/* Between the texts of a block. Where it stands in a text, or in what is looked for, is a blank. */
#define MARK              "E'\\x01'"
#define MARK_CHAR         '\x01'
#define SEQS_BYTES_OF_ONE 20

/* --- making them --------------------------------------------------------------------------------
 */

struct search {
	struct chore *chore;
	int64_t made_us; /* the last time that there were some to make */
};

static int turn(void *ctx, struct db *db, struct err *err)
{
	struct search *search = ctx;
	int r = search_blocks_make(db, err);

	if (r > 0)
		search->made_us = clock_monotonic_us();
	return r == 0 ? clock_monotonic_us() - search->made_us < BUSY_US : r;
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
		.table = "search_block",
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

/* $1: at most so many seqs, $2: at least, $3: in whole blocks of. A day that is over is finished.
 */
static const char next_sql[] =
	"SELECT to_char(day, 'YYYY-MM-DD'), from_seq,"
	" CASE WHEN n > $1::bigint THEN from_seq + $1::bigint"
	" WHEN is_over THEN from_seq + n"
	" ELSE from_seq + n - n % $3::bigint END"
	" FROM (SELECT day, is_over, from_seq, last_seq - from_seq AS n FROM ("
	"SELECT d.day, d.day < c.log_day AS is_over,"
	" greatest(d.searchable_seq, d.first_seq - 1) AS from_seq,"
	" COALESCE(lead(d.first_seq) OVER (ORDER BY d.day) - 1, c.seq) AS last_seq"
	" FROM log_day d, counter c) days) stretches"
	" WHERE n >= $2::bigint OR (is_over AND n > 0) ORDER BY day DESC LIMIT 1";

/* Of a stretch: $1 its day, $2 what it comes after, $3 its end. */
static const char claim_sql[] = "SELECT 1 FROM log_day WHERE day = $1::date"
				" AND greatest(searchable_seq, first_seq - 1) = $2::bigint"
				" FOR UPDATE SKIP LOCKED";

/* The same; $4: seqs of a block, $5: bytes of a text that is too long. A seq may be nobody's, after
 * a restore: its member is null. */
static const char insert_sql[] =
	"INSERT INTO search_block (log_day, first_seq, last_seq, first_received, last_received,"
	" has_long, texts, members)"
	" SELECT $1::date, min(seq), max(seq), min(received), max(received),"
	" COALESCE(bool_or(is_long), false),"
	" COALESCE(string_agg(DISTINCT text, " MARK " ORDER BY text), ''),"
	" array_agg(member ORDER BY seq) FROM ("
	"SELECT *, CASE WHEN is_long THEN 0 WHEN text IS NOT NULL THEN"
	" dense_rank() OVER (PARTITION BY block ORDER BY text) END::smallint AS member FROM ("
	"SELECT seq, received, (seq - 1 - $2::bigint) / $4::bigint AS block,"
	" octet_length(body) > $5::bigint AS is_long,"
	" CASE WHEN octet_length(body) <= $5::bigint"
	" THEN translate(lower(body COLLATE \"C\"), " MARK ", ' ') END COLLATE \"C\" AS text FROM ("
	"SELECT s.seq, e.received, COALESCE(t.body, e.sender_message) AS body"
	" FROM generate_series($2::bigint + 1, $3::bigint) s(seq)"
	" LEFT JOIN event e ON e.seq = s.seq AND e.log_day = $1::date"
	" AND e.seq > $2::bigint AND e.seq <= $3::bigint"
	" LEFT JOIN message_text t ON t.id = e.text_id AND t.log_day = $1::date"
	") bodies) texts) members GROUP BY block HAVING count(received) > 0";

static const char move_sql[] =
	"UPDATE log_day d SET searchable_seq = $3::bigint,"
	" first_received = least(d.first_received, b.first),"
	" last_received = greatest(d.last_received, b.last)"
	" FROM (SELECT min(first_received) AS first, max(last_received) AS last FROM search_block"
	" WHERE log_day = $1::date AND last_seq > $2::bigint AND last_seq <= $3::bigint) b"
	" WHERE d.day = $1::date";

/* 1, or 0: nothing needs it. */
static int next_stretch(struct db *db, struct stretch *out, struct err *err)
{
	char most[24], least[24], block[24];
	const struct db_param params[] = { db_i64(SEARCH_TURN_SEQS, most),
					   db_i64(SEARCH_TURN_MIN_SEQS, least),
					   db_i64(SEARCH_BLOCK_SEQS, block) };
	struct db_result *result;
	int r = db_query(db, next_sql, params, ARRAY_LEN(params), &result, err);

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

/* In a transaction: 1, or 0 when somebody else makes the day's blocks, or has made these. */
static int make_stretch(struct db *db, const struct stretch *stretch, struct err *err)
{
	char from[24], to[24], block[24], longest[24];
	const struct db_param params[] = { DB_STR(str_of(stretch->day)),
					   db_i64(stretch->from_seq, from),
					   db_i64(stretch->to_seq, to),
					   db_i64(SEARCH_BLOCK_SEQS, block),
					   db_i64(SEARCH_LONG_BYTES, longest) };
	struct db_result *result;
	int r = db_query(db, claim_sql, params, 2, &result, err);

	if (r < 0)
		return r;
	r = (int)db_rows(result);
	db_result_free(result);
	if (r == 0)
		return 0;
	r = db_query(db, insert_sql, params, ARRAY_LEN(params), NULL, err);
	if (r == 0)
		r = db_query(db, move_sql, params, 3, NULL, err);
	return r < 0 ? r : 1;
}

int search_blocks_make(struct db *db, struct err *err)
{
	struct stretch stretch;
	int r = next_stretch(db, &stretch, err), made = 0;

	if (r <= 0)
		return r;
	r = db_begin(db, err);
	if (r < 0)
		return r;
	made = make_stretch(db, &stretch, err);
	if (made > 0)
		r = db_commit(db, err);
	else
		db_rollback(db);
	return r < 0 ? r : made;
}

/* --- looking through them -----------------------------------------------------------------------
 */

/* Of the blocks that have the text, the first ones in the order asked. */
static void put_blocks(struct sql *sql, const struct search_question *question, struct str text)
{
	sql_put_table(sql, "search_block", question->day);
	strbuf_put_text(&sql->text, " b WHERE b.log_day = ");
	sql_put_text(sql, question->day);
	strbuf_put_text(&sql->text, "::date AND b.last_seq >= ");
	sql_put_i64(sql, question->first_seq);
	/* By the key, for the end of an index scan; and exactly. */
	strbuf_put_text(&sql->text, " AND b.last_seq < ");
	sql_put_i64(sql, question->last_seq + SEARCH_BLOCK_SEQS);
	strbuf_put_text(&sql->text, " AND b.first_seq <= ");
	sql_put_i64(sql, question->last_seq);
	strbuf_put_text(&sql->text, " AND (b.has_long OR strpos(b.texts, ");
	sql_put_text(sql, text);
	strbuf_put_text(&sql->text, " COLLATE \"C\") > 0)");
	strbuf_putf(&sql->text, " ORDER BY b.last_seq %s LIMIT ",
		    question->descending ? "DESC" : "ASC");
	sql_put_i64(sql, (int64_t)question->max_blocks);
}

static int run_question(struct db *db, const struct search_question *question, struct str text,
			struct db_result **out, struct err *err)
{
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "SELECT b.first_seq, b.last_seq, b.texts, b.members FROM ");
	put_blocks(&sql, question, text);
	r = sql.text.failed ? -ENOMEM
			    : db_query(db, sql.text.p, sql.params, sql.n_params, out, err);
	sql_fini(&sql);
	return r;
}

/* What a block's texts are folded to, in text that is looked for. */
static char *folded(struct str text)
{
	char *copy = xstrndup(text);

	for (size_t i = 0; i < text.len; i++) {
		if (copy[i] == MARK_CHAR)
			copy[i] = ' ';
		else
			copy[i] = char_lower(copy[i]);
	}
	return copy;
}

/* Which of a block's texts have it, by their place; place 0, which is long, may. */
static void look_into(struct str texts, struct str text, bool has[SEARCH_BLOCK_SEQS + 1])
{
	size_t n = 0;

	memset(has, 0, (SEARCH_BLOCK_SEQS + 1) * sizeof(has[0]));
	has[0] = true;
	while (n < SEARCH_BLOCK_SEQS) {
		size_t end = str_find_char(texts, MARK_CHAR);

		has[++n] = str_find((struct str){ texts.p, end }, text) < end;
		if (end == texts.len)
			return;
		texts = (struct str){ texts.p + end + 1, texts.len - end - 1 };
	}
}

/* The array's text: "{1,NULL,2}". */
static void take_members(struct str members, int64_t first_seq,
			 const bool has[SEARCH_BLOCK_SEQS + 1], struct strbuf *seqs)
{
	for (size_t i = 0; members.len > 1 && i < SEARCH_BLOCK_SEQS; i++) {
		struct str one = { members.p + 1, members.len - 1 }; /* behind a brace or a comma */
		uint64_t place;

		one.len = strcspn(one.p, ",}");
		members = (struct str){ one.p + one.len, members.len - 1 - one.len };
		if (!str_to_u64(one, &place) || place > SEARCH_BLOCK_SEQS || !has[place])
			continue;
		if (seqs->len > 1)
			strbuf_put_char(seqs, ',');
		strbuf_put_i64(seqs, first_seq + (int64_t)i);
	}
}

static void take_block(const struct db_result *result, size_t row, struct str text,
		       struct search_found *out)
{
	int64_t first_seq = db_int(result, row, 0), last_seq = db_int(result, row, 1);
	bool has[SEARCH_BLOCK_SEQS + 1];

	if (first_seq < out->first_seq)
		out->first_seq = first_seq;
	if (last_seq > out->last_seq)
		out->last_seq = last_seq;
	look_into(db_str(result, row, 2), text, has);
	take_members(db_str(result, row, 3), first_seq, has, &out->seqs);
}

int search_blocks_find(struct db *db, const struct search_question *question,
		       struct search_found *out, struct err *err)
{
	char *copy = folded(question->text);
	struct str text = { copy, question->text.len };
	struct db_result *result;
	int r = run_question(db, question, text, &result, err);

	if (r < 0)
		goto out;
	*out = (struct search_found){ .n_blocks = db_rows(result),
				      .first_seq = INT64_MAX,
				      .last_seq = INT64_MIN };
	strbuf_init(&out->seqs,
		    16 + SEARCH_MAX_BLOCKS * (size_t)SEARCH_BLOCK_SEQS * SEQS_BYTES_OF_ONE);
	strbuf_put_char(&out->seqs, '{');
	for (size_t i = 0; i < db_rows(result); i++)
		take_block(result, i, text, out);
	strbuf_put_char(&out->seqs, '}');
	db_result_free(result);
out:
	free(copy);
	return r;
}

int search_blocks_span(struct db *db, struct str day, int64_t from_us, int64_t to_us,
		       int64_t *first_seq, int64_t *last_seq, struct err *err)
{
	struct db_result *result;
	struct sql sql;
	int r;

	sql_init(&sql);
	strbuf_put_text(&sql.text, "SELECT min(first_seq), max(last_seq) FROM ");
	sql_put_table(&sql, "search_block", day);
	strbuf_put_text(&sql.text, " WHERE log_day = ");
	sql_put_text(&sql, day);
	strbuf_put_text(&sql.text, "::date");
	if (from_us > INT64_MIN) {
		strbuf_put_text(&sql.text, " AND last_received >= ");
		sql_put_time(&sql, from_us);
	}
	if (to_us < INT64_MAX) {
		strbuf_put_text(&sql.text, " AND first_received <= ");
		sql_put_time(&sql, to_us);
	}
	r = db_query(db, sql.text.p, sql.params, sql.n_params, &result, err);
	sql_fini(&sql);
	if (r < 0)
		return r;
	r = !db_is_null(result, 0, 0);
	if (r) {
		*first_seq = db_int(result, 0, 0);
		*last_seq = db_int(result, 0, 1);
	}
	db_result_free(result);
	return r;
}
