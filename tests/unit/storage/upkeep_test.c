/* The background of the log: several replicas at once, readers in the way, an end at any time. */
#include "tests/unit/storage/log_fixture.h"

#include "storage/partitions.h"
#include "storage/upkeep.h"

#define DAY_US     (24 * HOUR_US)
#define N_REPLICAS 3

static struct house *house;
static struct db *db;

/* A log of ten days, nothing in it. */
static int start(void **state)
{
	struct err err;

	if (!pg_is_there())
		return 0;
	house = house_ready();
	db = house_db(house);
	pg_sql(db, "UPDATE counter SET log_day = log_day - 10, attached_until = NULL;"
		   "UPDATE log_day SET day = day - 10");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(partitions_attach(db, &err), 0);
		for (int j = 0; j < 3; j++)
			assert_int_equal(partitions_step(db, &err), 0);
	}
	return 0;
}

static int stop(void **state)
{
	if (house)
		house_free(house);
	house = NULL;
	return 0;
}

static struct upkeep *begin(void)
{
	const struct upkeep_config config = { .url = house->url,
					      .node = "node-1",
					      .journal = house->journal,
					      .keep_events_us = 3 * DAY_US,
					      .keep_metric_reports_us = DAY_US,
					      .repeat_window_us = HOUR_US };
	struct upkeep *upkeep = NULL;
	struct err err;

	if (upkeep_start(&config, &upkeep, &err) < 0)
		fail_msg("%s", err.text);
	return upkeep;
}

static int64_t n_old_tables(void)
{
	return pg_int(db, "SELECT count(*) FROM pg_class WHERE relkind = 'r'"
			  " AND relname ~ '^(event|message_text)_2[0-9]+$'"
			  " AND to_date(right(relname, 8), 'YYYYMMDD') < current_date - 3");
}

static int64_t n_uncared(void)
{
	return pg_int(db, "SELECT count(*) FROM log_day l, counter c"
			  " WHERE l.day < c.log_day AND l.cared IS NULL");
}

static void test_replicas_do_it_once(void **state)
{
	struct upkeep *upkeeps[N_REPLICAS];

	PG_OR_SKIP();
	assert_true(n_old_tables() > 0);
	for (int i = 0; i < N_REPLICAS; i++)
		upkeeps[i] = begin();
	WAIT_FOR(n_old_tables() == 0 && n_uncared() == 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day"), 4);
	for (int i = 0; i < N_REPLICAS; i++)
		upkeep_stop(upkeeps[i]);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
}

/* A reader of the oldest day: no loader waits, other days are cared for, and it ends at once. */
static void test_a_reader_in_the_way(void **state)
{
	struct db *reader;
	struct upkeep *upkeep;
	int64_t start_us;

	PG_OR_SKIP();
	reader = pg_connect(house->url);
	pg_sql(reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM event");
	upkeep = begin();
	WAIT_FOR(pg_int(db, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 1);
	start_us = clock_monotonic_us();
	house_post(house, "2 meanwhile");
	house_drain(house);
	assert_true(clock_monotonic_us() - start_us < 2 * CLOCK_US_PER_S);
	WAIT_FOR(n_uncared() == 0);
	assert_true(n_old_tables() > 0);
	start_us = clock_monotonic_us();
	upkeep_stop(upkeep);
	assert_true(clock_monotonic_us() - start_us < CLOCK_US_PER_S);
	pg_sql(reader, "COMMIT");
	db_close(reader);
	upkeep = begin();
	WAIT_FOR(n_old_tables() == 0);
	upkeep_stop(upkeep);
}

int main(void)
{
#define EACH(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		EACH(test_replicas_do_it_once),
		EACH(test_a_reader_in_the_way),
	};

	return cmocka_run_group_tests_name("storage/upkeep", tests, NULL, NULL);
}
