/* What another rfeventd delivers, in whatever batches, is logged once. */
#include "tests/unit/storage/log_fixture.h"

static int64_t n_ranges(struct house *house)
{
	return pg_int(house_db(house), "SELECT count(*) FROM upstream_seen, unnest(seqs)");
}

static void test_what_was_there_is_left_out(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "3 a upA0"); /* 1 to 3 */
	house_drain(house);
	house_post(house, "5 b upA1");       /* 2 to 6: the first two are known */
	house_post(house, "3 a upA0 again"); /* nothing new */
	house_post(house, "2 c upA8");       /* 9, 10, before … */
	house_post(house, "5 d upA5");       /* … 6 to 10: 7 and 8 are new */
	house_drain(house);
	expect_log(house, "a-0 a-1 a-2 b-2 b-3 b-4 c-0 c-1 d-1 d-2");
	expect_gap_free(house);
	expect_published(house, 10);
	assert_int_equal(n_ranges(house), 1);
}

/* Replicas of the centre may log in another order than was sent: what comes late is no repeat. */
static void test_what_comes_late_is_logged(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 late upA5");
	house_post(house, "2 early upA0");
	house_drain(house);
	assert_int_equal(n_ranges(house), 2);
	house_post(house, "3 middle upA2");
	house_drain(house);
	expect_log(house, "late-0 early-0 early-1 middle-0 middle-1 middle-2");
	assert_int_equal(n_ranges(house), 1);
}

static void test_streams_do_not_mix(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "2 a upA0");
	house_post(house, "2 b upB0");
	house_drain(house);
	expect_log(house, "a-0 a-1 b-0 b-1");
}

/* Also where a row that the database refuses makes it go one by one. */
static void test_one_by_one(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a upA0");
	house_drain(house);
	pg_sql(house_db(house), "ALTER TABLE event ADD CONSTRAINT no_poison"
				" CHECK (message_id NOT LIKE 'Poison%')");
	house_post(house, "4 b upA0 poison"); /* the first is known, the second refused */
	house_drain(house);
	expect_log(house, "a-0 b-2 b-3");
	expect_gap_free(house);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM quarantine"), 1);
}

/* A stream that leaves holes everywhere is followed no further, and loses nothing. */
static void test_too_many_ranges(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a upA0");
	house_drain(house);
	pg_sql(house_db(house),
	       "UPDATE upstream_seen SET seqs = (SELECT range_agg(int8range(2 * i, 2 * i + 1))"
	       " FROM generate_series(1, 1000) i)");
	house_post(house, "1 b upA5000");
	house_post(house, "1 b upA5000 again");
	house_drain(house);
	expect_log(house, "a-0 b-0 b-0");
	assert_int_equal(n_ranges(house), 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_house, drop_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_there_is_left_out),
		TEST(test_what_comes_late_is_logged),
		TEST(test_streams_do_not_mix),
		TEST(test_one_by_one),
		TEST(test_too_many_ranges),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
