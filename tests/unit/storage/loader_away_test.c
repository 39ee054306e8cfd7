/* The loader when something is missing: memory, the database, a day, the past. */
#include "tests/unit/storage/log_fixture.h"

/* --- overflow, restart, absence
 * --------------------------------------------------------------------------- */

static void test_what_the_queue_did_not_take_is_read_from_disk(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	for (int i = 0; i < 50; i++) {
		struct delivery *delivery;
		char *raw = xasprintf("1 lost%d", i);

		delivery = house_delivery(house, raw, 0, NULL);
		house_append(house, delivery);
		delivery_unref(delivery); /* never put: the overflow of loader_offer() */
		free(raw);
	}
	house_post(house, "1 z");
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 52);
	assert_int_equal(pg_int(house->db, "SELECT seq FROM event WHERE event_id = 'z-0'"), 52);
	expect_gap_free(house);
	expect_published(house, 52);
	assert_in_range(house->prepared_again, 50, 52);
}

static void test_an_unprepared_head_is_waited_for(void **state)
{
	struct house *house = *state;
	struct delivery *delivery;

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	delivery = house_delivery(house, "1 a", 0, NULL);
	house_append(house, delivery);
	house_put(house, delivery_ref(delivery));
	usleep(300000);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 0);
	fixture_decode(delivery);
	house_drain(house);
	expect_log(house, "a-0");
	assert_int_equal(house->prepared_again, 0);
	delivery_unref(delivery);
	/* One whose worker died is decoded again. */
	delivery = house_delivery(house, "1 b", 0, NULL);
	house_append(house, delivery);
	house_put(house, delivery);
	/* One that was left by its worker is finished here. */
	delivery = house_delivery(house, "1 c", 0, NULL);
	house_append(house, delivery);
	delivery_leave(delivery);
	house_put(house, delivery);
	house_drain(house);
	expect_log(house, "a-0 b-0 c-0");
}

static void test_a_skipped_one_is_read_back_at_once(void **state)
{
	struct house *house = *state;
	int64_t start_us;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	start_us = clock_monotonic_us();
	for (int i = 0; i < 3; i++) {
		static const char *const raw[] = { "1 b", "1 c", "1 d" };
		struct delivery *delivery = house_delivery(house, raw[i], 0, NULL);

		house_append(house, delivery);
		delivery_skip(delivery);
		house_put(house, delivery);
		house_drain(house);
	}
	/* One that its worker may yet decode is waited for, 2 s each. */
	assert_true(clock_monotonic_us() - start_us < 5 * CLOCK_US_PER_S);
	expect_log(house, "a-0 b-0 c-0 d-0");
	assert_int_equal(house->prepared_again, 3);
}

static void test_a_skipped_one_is_not_shown_and_holds_nobody_up(void **state)
{
	struct house *house = *state;
	struct delivery *delivery;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	db_close(house->db);
	house->db = NULL;
	pg_down("fast");
	/* Before it knows, it would read the skipped one back for its next batch. */
	WAIT_FOR(!loader_is_connected(house->loader));
	delivery = house_delivery(house, "1 b", 0, NULL);
	house_append(house, delivery);
	delivery_skip(delivery);
	house_put(house, delivery);
	house_post(house, "1 c");
	WAIT_FOR(count_provisional(house) == 1);
	assert_true(pg_up());
	house_drain(house);
	house_db(house);
	expect_log(house, "a-0 b-0 c-0");
	assert_int_equal(count_provisional(house), 1);
}

static void test_replay_after_restarts(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	for (int i = 0; i < 4; i++) {
		char *raw = xasprintf("2 run%d", i);

		house_start(house);
		house_post(house, raw);
		if (i == 1)
			house_drain(house);
		house_post(house, "1 same timeless");
		house_stop(house); /* at once: what is not loaded stays in the journal */
		free(raw);
	}
	house_start(house);
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 12);
	expect_gap_free(house);
	assert_int_equal(pg_int(house->db,
				"SELECT count(*) FROM (SELECT seq, received,"
				" max(received) OVER (ORDER BY seq) AS high FROM event) t"
				" WHERE received < high"),
			 0);
}

static void test_the_database_goes_and_comes_back(void **state)
{
	struct house *house = *state;
	int n = 0;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 before");
	house_drain(house);
	for (int round = 0; round < 2; round++) {
		db_close(house->db);
		house->db = NULL;
		pg_down(round == 0 ? "fast" : "immediate");
		for (int i = 0; i < 30; i++) {
			char *raw = xasprintf("1 away%d", n++);

			house_post(house, raw);
			free(raw);
		}
		WAIT_FOR(count_provisional(house) == (size_t)n);
		assert_false(loader_is_connected(house->loader));
		assert_true(pg_up());
		house_drain(house);
	}
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 61);
	expect_gap_free(house);
	expect_published(house, 61);
	assert_int_equal(count_provisional(house), 60);
	assert_int_equal(house->prepared_again, 0); /* all of it was still in memory */
	assert_int_equal(count_connected(house), 3);
}

static void test_a_start_without_the_database_shows_what_comes_and_not_the_backlog(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	pg_down("fast");
	house_start(house);
	house_post(house, "1 old");
	WAIT_FOR(count_provisional(house) == 1);
	house_stop(house);
	house_start(house);
	house_post(house, "2 new");
	WAIT_FOR(count_provisional(house) == 3);
	assert_true(pg_up());
	house_drain(house);
	expect_log(house, "old-0 new-0 new-1");
	assert_int_equal(count_provisional(house), 3);
	expect_published(house, 3);
}

static void test_a_statement_that_hangs_does_not_stop_the_stream(void **state)
{
	struct house *house = *state;
	struct db *db;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	db = house_db(house);
	pg_sql(db, "BEGIN; LOCK TABLE journal_segment");
	house_post(house, "1 b");
	house_post(house, "1 c");
	WAIT_FOR(count_provisional(house) == 2);
	house_post(house, "1 d");
	WAIT_FOR(count_provisional(house) == 3);
	pg_sql(db, "COMMIT");
	house_drain(house);
	expect_log(house, "a-0 b-0 c-0 d-0");
	expect_published(house, 4);
	assert_int_equal(count_provisional(house), 3);
}

static void test_a_frozen_holder_of_the_counter_is_ended(void **state)
{
	struct house *house = *state;
	struct db *frozen;
	struct err err;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	frozen = pg_connect(house->url);
	pg_sql(frozen, "BEGIN; UPDATE counter SET seq = seq + 7");
	house_post(house, "1 b");
	house_drain(house);
	expect_log(house, "a-0 b-0");
	expect_gap_free(house);
	assert_true(db_exec(frozen, "COMMIT", &err) < 0);
	db_close(frozen);
}

/* --- days
 * -------------------------------------------------------------------------------------------------
 */

static void test_the_log_day_goes_on_by_one(void **state)
{
	struct house *house = *state;
	struct db *db;

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	house_stop(house);
	db = house_db(house);
	/* As if it had last run five days ago. */
	pg_sql(db, "UPDATE counter SET log_day = log_day - 5, attached_until = NULL;"
		   "UPDATE log_day SET day = day - 5");
	house_start(house);
	for (int i = 0; i < 8; i++) {
		char *raw = xasprintf("1 d%d", i);

		house_post(house, raw);
		house_drain(house);
		if (i >= 2)
			usleep(1200000 /
			       4); /* attaching further days is looked after each second */
		free(raw);
	}
	expect_log(house, "d0-0 d1-0 d2-0 d3-0 d4-0 d5-0 d6-0 d7-0");
	expect_gap_free(house);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event WHERE log_day > current_date"), 0);
	assert_true(pg_int(db, "SELECT count(DISTINCT log_day) FROM event") >= 4);
	/* Each day's first seq is where it says. */
	assert_int_equal(
		pg_int(db, "SELECT count(*) FROM (SELECT log_day, min(seq) m FROM event GROUP BY 1)"
			   " e JOIN log_day d ON d.day = e.log_day WHERE d.first_seq <> e.m"),
		0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM (SELECT log_day, seq,"
				    " max(log_day) OVER (ORDER BY seq) AS high FROM event) t"
				    " WHERE log_day < high"),
			 0);
}

/* --- answers after the commit
 * ------------------------------------------------------------------------------- */

static void test_intakes_are_answered_after_the_commit(void **state)
{
	struct house *house = *state;
	struct mailbox *replies = mailbox_new(100);
	struct intake intakes[3] = { { .result = 1 }, { .result = 1 }, { .result = 1 } };

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	pg_sql(house_db(house), "BEGIN; LOCK TABLE journal_segment");
	for (int i = 0; i < 3; i++) {
		struct delivery *delivery = house_delivery(house, "1 a timeless", 0, NULL);

		intakes[i].reply_to = replies;
		delivery->intake = &intakes[i];
		house_give(house, delivery);
	}
	usleep(300000);
	assert_int_equal(mailbox_count(replies), 0);
	pg_sql(house->db, "COMMIT");
	WAIT_FOR(mailbox_count(replies) == 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(intakes[i].result, 0);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM event"), 3);
	mailbox_take(replies);
	mailbox_free(replies);
}

/* --- restored
 * -----------------------------------------------------------------------------------------------
 */

static void test_a_restored_database_is_refilled_and_gets_a_new_epoch(void **state)
{
	struct house *house = *state;
	struct uuid epoch;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	pg_sql(house_db(house), "CREATE TABLE saved_event AS TABLE event;"
				"CREATE TABLE saved_counter AS TABLE counter;"
				"CREATE TABLE saved_segment AS TABLE journal_segment");
	house_post(house, "1 b");
	house_post(house, "1 c");
	house_drain(house);
	epoch = house->epoch;
	/* Back to where it was, under a loader that has seen more. */
	pg_sql(house->db,
	       "BEGIN; DELETE FROM event WHERE seq > 1; DELETE FROM repeat WHERE seq > 1;"
	       "UPDATE counter SET seq = 1; DELETE FROM journal_segment;"
	       "INSERT INTO journal_segment TABLE saved_segment; COMMIT;"
	       "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
	       " WHERE application_name = 'rfeventd loader' AND datname = current_database()");
	WAIT_FOR(count_connected(house) == 2);
	house_drain(house);
	expect_log(house, "a-0 b-0 c-0");
	expect_gap_free(house);
	assert_false(uuid_eq(house->epoch, epoch));
}

/* --- another daemon
 * ----------------------------------------------------------------------------------------- */

static void test_a_position_that_another_daemon_moved_is_followed(void **state)
{
	struct house *house = *state;
	struct delivery *delivery;
	char *sql;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	pg_sql(house_db(house), "BEGIN; LOCK TABLE journal_segment");
	delivery = house_delivery(house, "1 b", 0, NULL);
	house_append(house, delivery);
	fixture_decode(delivery);
	sql = xasprintf("UPDATE journal_segment SET position = %llu; COMMIT",
			(unsigned long long)delivery->end);
	house_put(house, delivery);
	usleep(200000);
	pg_sql(house->db, sql);
	free(sql);
	house_post(house, "1 c");
	house_drain(house);
	expect_log(house, "a-0 c-0"); /* b is in the other daemon's log */
	expect_gap_free(house);
	assert_true(loader_is_connected(house->loader));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_house, drop_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_queue_did_not_take_is_read_from_disk),
		TEST(test_an_unprepared_head_is_waited_for),
		TEST(test_a_skipped_one_is_read_back_at_once),
		TEST(test_a_skipped_one_is_not_shown_and_holds_nobody_up),
		TEST(test_replay_after_restarts),
		TEST(test_the_database_goes_and_comes_back),
		TEST(test_a_start_without_the_database_shows_what_comes_and_not_the_backlog),
		TEST(test_a_statement_that_hangs_does_not_stop_the_stream),
		TEST(test_a_frozen_holder_of_the_counter_is_ended),
		TEST(test_the_log_day_goes_on_by_one),
		TEST(test_intakes_are_answered_after_the_commit),
		TEST(test_a_restored_database_is_refilled_and_gets_a_new_epoch),
		TEST(test_a_position_that_another_daemon_moved_is_followed),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
