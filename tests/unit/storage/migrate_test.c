#include "tests/unit/storage/pg.h"

#include <errno.h>
#include <pthread.h>

#include "base/log.h"
#include "base/thread.h"
#include "storage/migrate.h"
#include "storage/migrations.h"
#include "storage/partitions.h"

#define N_AT_ONCE 4

static void test_twice_is_once(void **state)
{
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	db = pg_connect(url);
	assert_int_equal(migrate(db, &err), 0);
	pg_sql(db, "INSERT INTO source (id, name, state, created)"
		   " VALUES (gen_random_uuid(), 'kept', 1, now())");
	assert_int_equal(migrate(db, &err), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM source"), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM schema_version"), n_migrations);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM meta"), 1);
	db_close(db);
	free(url);
}

static void *migrate_once(void *ctx)
{
	struct db *db = pg_connect(ctx);
	struct err err;
	int r = migrate(db, &err);

	if (r < 0)
		print_message("%s\n", err.text);
	db_close(db);
	return (void *)(intptr_t)r;
}

static void test_replicas_at_the_same_time(void **state)
{
	pthread_t threads[N_AT_ONCE];
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	for (int i = 0; i < N_AT_ONCE; i++)
		assert_int_equal(thread_start(&threads[i], "migrate", migrate_once, url, &err), 0);
	for (int i = 0; i < N_AT_ONCE; i++) {
		void *result;

		pthread_join(threads[i], &result);
		assert_int_equal((intptr_t)result, 0);
	}
	db = pg_connect(url);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM schema_version"), n_migrations);
	db_close(db);
	free(url);
}

static void test_a_newer_schema_is_refused(void **state)
{
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	db = pg_connect(url);
	assert_int_equal(migrate(db, &err), 0);
	pg_sql(db, "INSERT INTO schema_version VALUES (999, now())");
	assert_int_equal(migrate(db, &err), -EPROTO);
	assert_non_null(strstr(err.text, "999"));
	db_close(db);
	free(url);
}

static void test_a_half_done_migration_leaves_nothing(void **state)
{
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	db = pg_connect(url);
	pg_sql(db, "CREATE TABLE repeat (i int)"); /* in the way of the last tables */
	assert_true(migrate(db, &err) < 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_class WHERE relname = 'meta'"), 0);
	pg_sql(db, "DROP TABLE repeat");
	assert_int_equal(migrate(db, &err), 0);
	db_close(db);
	free(url);
}

/* --- partitions
 * -------------------------------------------------------------------------------------- */

static struct db *new_schema(char **url)
{
	struct db *db;
	struct err err;

	*url = pg_new_database();
	db = pg_connect(*url);
	assert_int_equal(migrate(db, &err), 0);
	pg_sql(db, "SET lock_timeout = '1s'");
	return db;
}

static void test_days_are_attached_ahead(void **state)
{
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	db = new_schema(&url);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(partitions_attach(db, &err), 0);
		assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_inherits"
					    " WHERE inhparent = 'event'::regclass"),
				 4);
		assert_int_equal(pg_int(db, "SELECT attached_until - log_day FROM counter"), 3);
	}
	/* A crash between making and attaching. */
	pg_sql(db, "CREATE TABLE made (LIKE event INCLUDING ALL);"
		   "UPDATE counter SET log_day = log_day + 1;"
		   "DO $$ BEGIN EXECUTE 'ALTER TABLE made RENAME TO event_' ||"
		   " to_char((SELECT attached_until + 1 FROM counter), 'YYYYMMDD'); END $$");
	assert_int_equal(partitions_attach(db, &err), 0);
	assert_int_equal(pg_int(db, "SELECT attached_until - log_day FROM counter"), 3);
	assert_int_equal(
		pg_int(db, "SELECT count(*) FROM pg_inherits"
			   " WHERE inhparent IN ('event'::regclass, 'message_text'::regclass)"),
		2 * 5 + 0);
	db_close(db);
	free(url);
}

static void test_the_raw_column_is_compressed_well(void **state)
{
	char *url, *method;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	db = new_schema(&url);
	assert_int_equal(partitions_attach(db, &err), 0);
	if (pg_int(db, "SELECT count(*) FROM pg_settings WHERE name = 'default_toast_compression'"
		       " AND 'lz4' = ANY (enumvals)") == 0) {
		print_message("skipped: a server without lz4\n");
		skip();
	}
	method = pg_text(db,
			 "SELECT string_agg(DISTINCT attcompression::text, '') FROM pg_attribute a"
			 " JOIN pg_class c ON c.oid = attrelid WHERE attname = 'raw' AND"
			 " relkind IN ('r', 'p') AND relname ~ '^event'");
	assert_string_equal(method, "l");
	free(method);
	db_close(db);
	free(url);
}

static void test_old_days_go_and_the_current_one_stays(void **state)
{
	const struct retention retention = { .events_us = 3 * INT64_C(86400000000),
					     .metric_reports_us = INT64_C(3600000000),
					     .repeats_us = INT64_C(3600000000) };
	const struct retention shortest = { 1, 1, 1 };
	char *url;
	struct db *db, *reader;
	struct err err;
	int r;

	PG_OR_SKIP();
	db = new_schema(&url);
	pg_sql(db, "UPDATE counter SET log_day = log_day - 10;"
		   "UPDATE log_day SET day = day - 10");
	for (int i = 0; i < 4; i++) { /* attach, go as far as that, attach … */
		assert_int_equal(partitions_attach(db, &err), 0);
		for (int j = 0; j < 3; j++)
			assert_int_equal(partitions_step(db, &err), 0);
	}
	assert_int_equal(pg_int(db, "SELECT current_date - log_day FROM counter"), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day"), 11);
	pg_sql(db,
	       "INSERT INTO metric_report SELECT now() - interval '2 h', gen_random_uuid(),"
	       " gen_random_uuid(), '' FROM generate_series(1, 10001);"
	       "INSERT INTO metric_report VALUES (now(), gen_random_uuid(), gen_random_uuid(), '');"
	       "INSERT INTO repeat VALUES (1, gen_random_uuid(), gen_random_uuid(), now() - "
	       "interval '2 h'),"
	       " (2, gen_random_uuid(), gen_random_uuid(), now());"
	       "INSERT INTO journal_segment VALUES (gen_random_uuid(), 'n', 1, now() - interval '2 "
	       "days'),"
	       " (gen_random_uuid(), 'm', 1, now() - interval '2 days'),"
	       " (gen_random_uuid(), 'n', 1, now())");
	assert_int_equal(partitions_expire(db, &retention, &err), 1);
	assert_int_equal(partitions_expire(db, &retention, &err), 0);
	assert_int_equal(partitions_forget_segments(db, "n", "{}", &err), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM metric_report"), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM repeat"), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM journal_segment"), 2);
	/* Three whole days, and today. */
	assert_int_equal(pg_int(db, "SELECT current_date - min(day) FROM log_day"), 3);
	assert_int_equal(
		pg_int(db, "SELECT count(*) FROM pg_class WHERE relname ~ '^event_2[0-9]+$'"),
		3 + 1 + pg_int(db, "SELECT attached_until - log_day FROM counter"));

	/* A reader in the way: given up for now, done at the next call. */
	reader = pg_connect(url);
	pg_sql(db, "UPDATE counter SET log_day = log_day + 1, attached_until = NULL");
	assert_int_equal(partitions_attach(db, &err), 0);
	pg_sql(reader, "BEGIN; SELECT count(*) FROM event");
	pg_sql(db, "UPDATE log_day SET day = day - 1 WHERE day = (SELECT min(day) FROM log_day)");
	r = partitions_expire(db, &shortest, &err);
	assert_int_equal(r, -EAGAIN);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"), 1);
	pg_sql(reader, "COMMIT");
	r = partitions_expire(db, &shortest, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day WHERE day < current_date"), 0);
	assert_int_equal(pg_int(db,
				"SELECT count(*) FROM pg_class WHERE relname ~ '^event_2[0-9]+$'"
				" AND right(relname, 8) < to_char(current_date, 'YYYYMMDD')"),
			 0);
	db_close(reader);
	db_close(db);
	free(url);
}

/* Days that are over are frozen, one a call, oldest first; the one that is written to is not. */
static void test_days_that_are_over_are_cared_for_once(void **state)
{
	char *url;
	struct db *db;
	struct err err;

	PG_OR_SKIP();
	db = new_schema(&url);
	assert_int_equal(partitions_attach(db, &err), 0);
	pg_sql(db, "INSERT INTO event (log_day, seq, source_id, received, delivery, idx, part,"
		   " category, severity, step, facts) SELECT log_day, n, gen_random_uuid(), now(),"
		   " gen_random_uuid(), 0, 0, 0, 0, 0, 0 FROM counter, generate_series(1, 5000) n;"
		   "INSERT INTO log_day SELECT log_day + i, 5000 + i FROM counter,"
		   " generate_series(1, 2) i;"
		   "UPDATE counter SET log_day = log_day + 2, seq = 5002");
	assert_int_equal(partitions_care(db, &err), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day WHERE cared IS NOT NULL"), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('event_'"
				    " || to_char((SELECT min(day) FROM log_day), 'YYYYMMDD'))"
				    " AND relallvisible = relpages AND relpages > 0"
				    " AND reltuples = 5000 AND age(relfrozenxid) < 10"),
			 1);
	assert_int_equal(partitions_care(db, &err), 1);
	assert_int_equal(partitions_care(db, &err), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day WHERE cared IS NULL"), 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM log_day l, counter c"
				    " WHERE l.day = c.log_day AND l.cared IS NULL"),
			 1);
	db_close(db);
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twice_is_once),
		cmocka_unit_test(test_replicas_at_the_same_time),
		cmocka_unit_test(test_a_newer_schema_is_refused),
		cmocka_unit_test(test_a_half_done_migration_leaves_nothing),
		cmocka_unit_test(test_days_are_attached_ahead),
		cmocka_unit_test(test_the_raw_column_is_compressed_well),
		cmocka_unit_test(test_old_days_go_and_the_current_one_stays),
		cmocka_unit_test(test_days_that_are_over_are_cared_for_once),
	};

	log_set(LOG_ERROR, LOG_LOGFMT);
	return cmocka_run_group_tests_name("storage/migrate", tests, NULL, NULL);
}
