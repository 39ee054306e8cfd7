/* Words looked for in the log: each question is asked while no text is searchable, and then while
 * all are, some are, and none of the newest are. The answers must be the same. */
#include "tests/unit/storage/log_fixture.h"

#include "event/filter.h"
#include "storage/limits.h"
#include "storage/partitions.h"
#include "storage/search_blocks.h"

#define FIRST_DAY 1503 /* events; no multiple of anything */
#define N_EVENTS  6000
/* Made of the second day: a turn, and of what is left no turn. */
#define DAY_UNDER_WAY SEARCH_TURN_SEQS
#define GAP_BEGIN     250 /* seqs that are nobody's, as after a restore */
#define GAP_END       780
#define LONG_SEQ      100
#define MARKED_SEQ    1201
#define SENT_SEQ      3000 /* has a sender's text alone */

static struct house *house;
static struct db *db;

/* Two days, their events a second apart: texts that come again, that differ, that have capitals and
 * other letters, that are long, empty, or not there. */
static int fill(void **state)
{
	struct err err;
	char sql[4096];

	if (!pg_is_there())
		return 0;
	house = house_ready();
	db = house_db(house);
	snprintf(sql, sizeof(sql),
		 "UPDATE log_day SET day = day - 1; UPDATE counter SET log_day = log_day - 1,"
		 " attached_until = NULL");
	pg_sql(db, sql);
	if (partitions_attach(db, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE made AS SELECT seq, c.log_day + (seq > %d)::int AS day,"
		 " CASE WHEN seq = %d THEN repeat('long and ', 1000) || 'weary'"
		 "      WHEN seq = %d THEN E'marked \\x01 Place'"
		 "      WHEN seq %% 500 = 3 THEN ''"
		 "      WHEN seq %% 3 = 0 THEN 'Link of port ' || seq %% 7 || ' is DOWN'"
		 "      WHEN seq %% 3 = 1 THEN 'Drive ' || seq || ' \xc3\x84RGER; serial ' || "
		 "md5(seq::text)"
		 "      ELSE 'Input ' || seq %% 997 || ' V' END AS body"
		 " FROM generate_series(1, %d) seq, (SELECT log_day FROM counter) c"
		 " WHERE seq NOT BETWEEN %d AND %d AND seq %% 400 <> 17 AND seq <> %d",
		 FIRST_DAY, LONG_SEQ, MARKED_SEQ, N_EVENTS, GAP_BEGIN, GAP_END, SENT_SEQ);
	pg_sql(db, sql);
	pg_sql(db, "INSERT INTO message_text SELECT DISTINCT day, md5(body)::uuid, body FROM made");
	snprintf(sql, sizeof(sql),
		 "INSERT INTO event (log_day, seq, source_id, received, delivery, idx, part, "
		 "category,"
		 " severity, step, facts, text_id, sender_message, message_id)"
		 " SELECT c.log_day + (seq > %d)::int, seq, md5('s' || seq %% 50)::uuid,"
		 " timestamptz '2026-11-20 10:00Z' + seq * interval '1 second', gen_random_uuid(), "
		 "0, 0,"
		 " 0, seq %% 4, 0, 0, md5(body)::uuid, CASE WHEN seq = %d THEN 'Only SENT' END,"
		 " 'Plant.1.0.K' || seq %% 10"
		 " FROM generate_series(1, %d) seq LEFT JOIN made m USING (seq), (SELECT log_day "
		 "FROM counter) c"
		 " WHERE seq NOT BETWEEN %d AND %d",
		 FIRST_DAY, SENT_SEQ, N_EVENTS, GAP_BEGIN, GAP_END);
	pg_sql(db, sql);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO log_day (day, first_seq) SELECT log_day + 1, %d FROM counter;"
		 "UPDATE counter SET seq = %d, log_day = log_day + 1, day_first_seq = %d;"
		 "ANALYZE event; ANALYZE message_text",
		 FIRST_DAY + 1, N_EVENTS, FIRST_DAY + 1);
	pg_sql(db, sql);
	return 0;
}

static int empty(void **state)
{
	if (house)
		house_free(house);
	return 0;
}

static void forget_blocks(void)
{
	pg_sql(db, "TRUNCATE search_block; UPDATE log_day SET searchable_seq = 0");
}

static void make_blocks(struct db *on)
{
	struct err err;
	int r, n = 0;

	while ((r = search_blocks_make(on, &err)) > 0)
		assert_true(++n < 100);
	if (r < 0)
		fail_msg("%s", err.text);
}

static const char *const filters[] = {
	"contains(Message,'down')",
	"contains(Message,'PORT 3 is')",
	"contains(Message,'input 501 v')",
	"contains(Message,'501')",
	"contains(Message,'v')",
	"contains(Message,'\xc3\x84rger; SERIAL 0')",
	"contains(Message,'weary')",
	"contains(Message,'long and long')",
	"contains(Message,'\x01')",
	"contains(Message,'marked   place')", /* as its block has it */
	"contains(Message,'only sent')",
	"contains(Message,'nobody wrote this')",
	"contains(Message,'')",
	"Message eq 'input 3 v'",
	"Message eq ''",
	"startswith(Message,'drive 5')",
	"endswith(Message,'down')",
	"contains(Message,'down') and contains(Message,'port 5')",
	"contains(Message,'down') and Severity eq 'Critical'",
	("contains(Message,'drive') and Created ge 2026-11-20T11:00:00Z"
	 " and Created lt 2026-11-20T11:10:00Z"),
	"contains(Message,'drive') and Created eq 2026-11-20T11:00:01Z",
	"contains(Message,'input') and Id gt 900 and Id le 3100",
	"contains(Message,'input 7') and MessageId eq 'Plant.1.0.K4'",
	"contains(Message,'drive 51') or contains(Message,'input 51')",
	"not contains(Message,'drive') and contains(Message,'a')",
	"Message ne 'input 3 v' and startswith(Message,'INPUT 3')",
	"Message in ('input 3 v','input 4 v')",
};

static const struct log_query bounds[] = {
	{ .limit = 10000, .descending = true },
	{ .limit = 10000 },
	{ .limit = 7, .descending = true },
	{ .limit = 7 },
	{ .limit = 1000, .descending = true, .before_seq = 2000, .after_seq = 770 },
	{ .limit = 1000, .after_seq = 1499, .before_seq = 5700 },
	{ .limit = 100, .descending = true, .before_seq = 5990, .after_seq = 5700 },
};

#define N_QUESTIONS (ARRAY_LEN(filters) * ARRAY_LEN(bounds))

struct answer {
	int64_t *seqs;
	size_t n;
};

static void note(struct answer *answer, const struct entry_batch *batch)
{
	answer->seqs = xrealloc(answer->seqs, (answer->n + batch->n + 1) * sizeof(int64_t));
	for (size_t i = 0; i < batch->n; i++)
		answer->seqs[answer->n++] = batch->entries[i].seq;
}

static struct log_query question(const struct filter *filter, size_t i)
{
	struct log_query query = bounds[i];

	query.filter = filter;
	return query;
}

/* One page. */
static void ask(const struct filter *filter, size_t i, struct answer *out)
{
	struct log_query query = question(filter, i);
	struct entry_batch *batch;
	struct err err;

	if (log_read(db, &query, &batch, &err) < 0)
		fail_msg("%s", err.text);
	note(out, batch);
	entry_batch_unref(batch);
}

/* All of it, piece after piece, as exports read. */
static void ask_on(const struct filter *filter, size_t i, struct answer *out)
{
	struct log_query query = question(filter, i);
	struct entry_batch *batch;
	int64_t resume;
	struct err err;

	if (i < 2) /* the same as the page */
		return;
	if (query.limit < 100)
		query.limit = 100;
	do {
		if (log_read_on(db, &query, &batch, &resume, &err) < 0)
			fail_msg("%s", err.text);
		note(out, batch);
		entry_batch_unref(batch);
		*(query.descending ? &query.before_seq : &query.after_seq) = resume;
	} while (resume > 0);
}

typedef void ask_fn(const struct filter *filter, size_t i, struct answer *out);

static struct answer *ask_all(ask_fn *how)
{
	struct answer *answers = xcalloc(N_QUESTIONS, sizeof(*answers));
	struct err err;

	for (size_t f = 0; f < ARRAY_LEN(filters); f++) {
		struct filter *filter;

		if (filter_parse(str_of(filters[f]), &filter, &err) < 0)
			fail_msg("%s: %s", filters[f], err.text);
		for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
			how(filter, i, &answers[f * ARRAY_LEN(bounds) + i]);
		filter_free(filter);
	}
	return answers;
}

static void free_answers(struct answer *answers)
{
	for (size_t i = 0; i < N_QUESTIONS; i++)
		free(answers[i].seqs);
	free(answers);
}

static bool is_same(const struct answer *a, const struct answer *b)
{
	return a->n == b->n &&
	       (a->n == 0 || memcmp(a->seqs, b->seqs, a->n * sizeof(a->seqs[0])) == 0);
}

static void compare(const struct answer *expected, ask_fn *how, const char *when)
{
	struct answer *now = ask_all(how);

	for (size_t i = 0; i < N_QUESTIONS; i++)
		if (!is_same(&now[i], &expected[i]))
			fail_msg("%s, %s, bounds %zu: %zu events, not %zu", when,
				 filters[i / ARRAY_LEN(bounds)], i % ARRAY_LEN(bounds), now[i].n,
				 expected[i].n);
	free_answers(now);
}

static void check_same(ask_fn *how)
{
	struct answer *expected;

	forget_blocks();
	expected = ask_all(how);
	make_blocks(db);
	compare(expected, how, "all searchable");
	pg_sql(db,
	       "UPDATE log_day SET searchable_seq = 0 WHERE day = (SELECT max(day) FROM log_day)");
	compare(expected, how, "the first day searchable");
	free_answers(expected);
}

static void test_pages_are_the_same(void **state)
{
	PG_OR_SKIP();
	check_same(ask);
}

static void test_pieces_are_the_same(void **state)
{
	PG_OR_SKIP();
	check_same(ask_on);
}

/* The questions above find something, or they would say nothing. */
static void test_the_questions_find_something(void **state)
{
	struct answer *answers;
	size_t n = 0;

	PG_OR_SKIP();
	answers = ask_all(ask);
	for (size_t f = 0; f < ARRAY_LEN(filters); f++)
		n += answers[f * ARRAY_LEN(bounds)].n == 0;
	assert_int_equal(n, 2); /* what nobody wrote */
	free_answers(answers);
}

static void test_how_far_they_are_made(void **state)
{
	PG_OR_SKIP();
	forget_blocks();
	make_blocks(db);
	/* The day that is over to its end, the one under way in whole blocks. */
	assert_int_equal(pg_int(db, "SELECT searchable_seq FROM log_day ORDER BY day LIMIT 1"),
			 FIRST_DAY);
	assert_int_equal(pg_int(db, "SELECT searchable_seq FROM log_day ORDER BY day DESC LIMIT 1"),
			 FIRST_DAY + DAY_UNDER_WAY);
	/* No seq in two blocks, none left out but those that are nobody's. */
	assert_int_equal(pg_int(db, "SELECT count(*) FROM search_block a JOIN search_block b"
				    " ON a.first_seq < b.first_seq AND a.last_seq >= b.first_seq"),
			 0);
	assert_int_equal(pg_int(db,
				"SELECT count(*) FROM event e JOIN log_day d ON d.day = e.log_day"
				" WHERE e.seq <= d.searchable_seq AND NOT EXISTS (SELECT FROM"
				" search_block b WHERE b.log_day = e.log_day"
				" AND e.seq BETWEEN b.first_seq AND b.last_seq)"),
			 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM search_block"
				    " WHERE cardinality(members) <> last_seq - first_seq + 1"
				    " OR cardinality(members) > 256"),
			 0);
	/* A text that came often stands once in each. */
	assert_int_equal(pg_int(db, "SELECT count(*) FROM search_block WHERE"
				    " length(texts) - length(replace(texts, 'port 3 is', '')) > 9"),
			 0);
}

/* A word that one event has is found by looking at that one. */
static void test_a_rare_word_points_at_its_event(void **state)
{
	struct search_question question = { .text = STR("DRIVE 1000 "),
					    .first_seq = 1,
					    .last_seq = FIRST_DAY,
					    .descending = true,
					    .max_blocks = 4 };
	struct search_found found;
	struct err err;
	char *day;

	PG_OR_SKIP();
	forget_blocks();
	make_blocks(db);
	day = pg_text(db, "SELECT min(day) FROM log_day");
	question.day = str_of(day);
	assert_int_equal(search_blocks_find(db, &question, &found, &err), 0);
	assert_int_equal(found.n_blocks, 2); /* the other one has a long text */
	assert_string_equal(found.seqs.p, "{1000,100}");
	strbuf_fini(&found.seqs);
	free(day);
}

static void test_one_at_a_time(void **state)
{
	struct db *other;
	struct err err;

	PG_OR_SKIP();
	forget_blocks();
	other = pg_connect(house->url);
	pg_sql(other, "BEGIN; SELECT FROM log_day FOR UPDATE");
	assert_int_equal(search_blocks_make(db, &err), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM search_block"), 0);
	pg_sql(other, "COMMIT");
	db_close(other);
	make_blocks(db);
	assert_true(pg_int(db, "SELECT count(*) FROM search_block") >= 20);
}

static void test_in_the_background(void **state)
{
	struct search *search = NULL;
	struct err err;

	PG_OR_SKIP();
	forget_blocks();
	if (search_start(house->url, &search, &err) < 0)
		fail_msg("%s", err.text);
	WAIT_FOR(pg_int(db, "SELECT max(searchable_seq) FROM log_day") ==
		 FIRST_DAY + DAY_UNDER_WAY);
	search_stop(search);
}

/* A day goes with its blocks. */
static void test_the_life_of_a_day(void **state)
{
	const struct retention none = { .events_us = 0,
					.metric_reports_us = HOUR_US,
					.repeats_us = HOUR_US };
	struct err err;

	PG_OR_SKIP();
	forget_blocks();
	make_blocks(db);
	assert_int_equal(partitions_care(db, &err), 1);
	assert_int_equal(partitions_care(db, &err), 0);
	while (partitions_expire(db, &none, &err) > 0)
		;
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname"
				    " ~ '^search_block_2' AND right(relname, 8) <"
				    " (SELECT to_char(log_day, 'YYYYMMDD') FROM counter)"),
			 0);
	assert_true(pg_int(db, "SELECT count(*) FROM search_block") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_are_the_same),
		cmocka_unit_test(test_pieces_are_the_same),
		cmocka_unit_test(test_the_questions_find_something),
		cmocka_unit_test(test_how_far_they_are_made),
		cmocka_unit_test(test_a_rare_word_points_at_its_event),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_in_the_background),
		cmocka_unit_test(test_the_life_of_a_day),
	};

	return cmocka_run_group_tests(tests, fill, empty);
}
