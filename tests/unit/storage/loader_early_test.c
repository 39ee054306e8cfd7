/* Deliveries that the loader hears of before they are on disk, and transactions in one trip. */
#include "tests/unit/storage/log_fixture.h"

#include "storage/limits.h"

/* Whether the loader holds the counter row. */
static const char has_begun[] =
	"SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
	" WHERE a.application_name = 'rfeventd loader' AND l.relation = 'counter'::regclass"
	" AND l.mode = 'RowExclusiveLock' AND a.datname = current_database()";

static const char n_events[] = "SELECT count(*) FROM event";

/* A house whose log has begun: the first transaction is never a small one. */
static void start(struct house *house)
{
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), n_events), 1);
}

/* Written to the journal, and told of as if it were on its way. */
static struct journal_place offer(struct house *house, const char *raw)
{
	struct delivery *delivery = house_delivery(house, raw, 0, NULL);
	struct journal_place place;

	house_append(house, delivery);
	fixture_decode(delivery);
	place = (struct journal_place){ .segment_number = delivery->segment_number,
					.end = delivery->end };
	house_offer(house, delivery);
	return place;
}

static void test_nothing_is_committed_before_it_is_on_disk(void **state)
{
	struct house *house = *state;
	struct journal_place place;

	PG_OR_SKIP();
	start(house);
	place = offer(house, "2 b");
	if (house->alone)
		WAIT_FOR(pg_int(house->db, has_begun) == 1);
	usleep(300000);
	assert_int_equal(pg_int(house->db, has_begun), house->alone);
	assert_int_equal(pg_int(house->db, n_events), 1);
	expect_published(house, 1);
	loader_durable(house->loader, place.segment_number, place.end - 1); /* all but its end */
	usleep(300000);
	assert_int_equal(pg_int(house->db, n_events), 1);
	loader_durable(house->loader, place.segment_number, place.end);
	house_drain(house);
	expect_log(house, "a-0 b-0 b-1");
	expect_gap_free(house);
	expect_published(house, 3);
	assert_int_equal(house->prepared_again, 0);
}

static void test_what_is_set_aside_waits_for_the_disk_too(void **state)
{
	struct house *house = *state;
	struct journal_place place;

	PG_OR_SKIP();
	start(house);
	place = offer(house, "garbage");
	usleep(300000);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM quarantine"), 0);
	loader_durable(house->loader, place.segment_number, place.end);
	house_drain(house);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM quarantine"), 1);
}

/* Where much is on its way one transaction of all of it costs less than an early start saves. */
static void test_a_large_group_is_waited_for(void **state)
{
	struct house *house = *state;
	struct delivery *first = NULL, *last = NULL;
	uint64_t number = 0, end = 0;

	PG_OR_SKIP();
	start(house);
	for (int i = 0; i <= LOAD_SMALL_MAX_EVENTS; i++) {
		char *raw = xasprintf("1 g%d", i);
		struct delivery *delivery = house_delivery(house, raw, 0, NULL);

		house_append(house, delivery);
		fixture_decode(delivery);
		number = delivery->segment_number;
		end = delivery->end;
		delivery->item.next = NULL;
		if (last)
			last->item.next = &delivery->item;
		else
			first = delivery;
		last = delivery;
		free(raw);
	}
	loader_offer(house->loader, first);
	usleep(300000);
	assert_int_equal(pg_int(house->db, has_begun), 0);
	loader_durable(house->loader, number, end);
	house_drain(house);
	expect_log(house, "a-0 g0-0 g1-0 g2-0 g3-0 g4-0 g5-0 g6-0 g7-0 g8-0");
	expect_gap_free(house);
	expect_published(house, 10);
}

static void test_nothing_is_shown_before_it_is_on_disk(void **state)
{
	struct house *house = *state;
	struct journal_place place;

	PG_OR_SKIP();
	start(house);
	db_close(house->db);
	house->db = NULL;
	pg_down("fast");
	WAIT_FOR(!loader_is_connected(house->loader));
	place = offer(house, "1 b");
	usleep(700000);
	assert_int_equal(count_provisional(house), 0);
	loader_durable(house->loader, place.segment_number, place.end);
	WAIT_FOR(count_provisional(house) == 1);
	assert_true(pg_up());
	house_drain(house);
	expect_log(house, "a-0 b-0");
}

/* The process ends while the disk is at work: what it began is not there, and not lost. */
static void test_an_end_before_the_disk_is_done(void **state)
{
	struct house *house = *state;
	int64_t start_us;

	PG_OR_SKIP();
	start(house);
	offer(house, "1 b");
	if (house->alone)
		WAIT_FOR(pg_int(house->db, has_begun) == 1);
	start_us = clock_monotonic_us();
	house_stop(house);
	assert_true(clock_monotonic_us() - start_us < 3 * CLOCK_US_PER_S);
	assert_int_equal(pg_int(house->db, n_events), 1);
	assert_int_equal(pg_int(house->db, "SELECT seq FROM counter"), 1);
	house_start(house);
	house_drain(house);
	expect_log(house, "a-0 b-0");
	expect_gap_free(house);
}

/* The same delivery in one trip gives the same row, text and key as the usual way. */
static void test_one_trip_writes_what_the_usual_way_does(void **state)
{
	static const char *const bodies[] = { "2 b", "1 c sparse", "1 d timeless", "2 e empty_args bom" };
	struct house *house = *state;

	PG_OR_SKIP();
	house->repeat_window_us = 1;
	for (size_t i = 0; i < 2 * ARRAY_LEN(bodies); i++) {
		house->alone = !house->alone;
		house_start(house);
		house_post(house, "1 a"); /* the first of a segment goes the usual way */
		house_drain(house);
		house_post(house, bodies[i / 2]);
		house_drain(house);
		house_stop(house);
	}
	assert_int_equal(pg_int(house_db(house), n_events), 8 + 2 * 6);
	/* Each row has a twin but for what is its own. */
	assert_int_equal(pg_int(house->db,
				"SELECT count(*) FROM (SELECT FROM (SELECT to_jsonb(e) - 'seq' -"
				" 'delivery' - 'received' AS j FROM event e) t GROUP BY j"
				" HAVING count(*) NOT IN (2, 8)) t"),
			 0);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM repeat r FULL JOIN (SELECT min(seq)"
					   " AS seq FROM event GROUP BY delivery) e USING (seq)"
					   " WHERE r.hash IS NULL OR e.seq IS NULL"),
			 0);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM event e LEFT JOIN message_text t ON"
					   " t.log_day = e.log_day AND t.id = e.text_id"
					   " WHERE t.body IS NULL"),
			 0);
	expect_gap_free(house);
}

/* What a node knows of the log's end was moved by another hand: the usual way asks for it. */
static void test_a_wrong_guess_changes_nothing(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	start(house);
	pg_sql(house->db, "UPDATE counter SET seq = seq + 5");
	house_post(house, "1 b");
	house_drain(house);
	assert_int_equal(pg_int(house->db, "SELECT max(seq) FROM event"), 7);
	assert_int_equal(pg_int(house->db, "SELECT seq FROM counter"), 7);
	house_post(house, "1 c");
	house_drain(house);
	assert_int_equal(pg_int(house->db, "SELECT max(seq) FROM event"), 8);
	expect_log(house, "a-0 b-0 c-0");
	assert_int_equal(pg_int(house->db, "SELECT seq FROM journal_segment"), 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_house, drop_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_committed_before_it_is_on_disk),
		TEST(test_what_is_set_aside_waits_for_the_disk_too),
		TEST(test_a_large_group_is_waited_for),
		TEST(test_nothing_is_shown_before_it_is_on_disk),
		TEST(test_an_end_before_the_disk_is_done),
		TEST(test_one_trip_writes_what_the_usual_way_does),
		TEST(test_a_wrong_guess_changes_nothing),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
