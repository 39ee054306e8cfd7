#include "tests/unit/storage/pg.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"

static char *url;

static int connect_to_new(void **state)
{
	if (!pg_is_there())
		return 0;
	if (!url)
		url = pg_new_database();
	*state = pg_connect(url);
	return 0;
}

static int disconnect(void **state)
{
	db_close(*state);
	return 0;
}

static void test_columns_come_back_as_they_went(void **state)
{
	struct uuid id = uuid_v4();
	char number[24], id_text[UUID_TEXT_BYTES];
	const struct db_param params[] = {
		db_i64(INT64_MIN, number),
		DB_STR(STR("\xc3\xa4 'quoted' \\ \"")),
		DB_NULL,
		db_uuid(id, id_text),
		DB_BYTES(STR("\0\1\xff")),
	};
	struct db_result *result;
	struct strbuf bytes;
	struct err err;

	PG_OR_SKIP();
	assert_int_equal(db_query(*state,
				  "SELECT $1::bigint, $2::text, $3::text, $4::uuid, $5, "
				  "timestamptz '2026-11-20 10:12:44.120931+01'",
				  params, 5, &result, &err),
			 0);
	assert_int_equal(db_rows(result), 1);
	assert_true(db_int(result, 0, 0) == INT64_MIN);
	assert_true(str_eq(db_str(result, 0, 1), params[1].value));
	assert_true(db_is_null(result, 0, 2));
	assert_null(db_str(result, 0, 2).p);
	assert_int_equal(db_int(result, 0, 2), 0);
	assert_true(uuid_eq(db_get_uuid(result, 0, 3), id));
	strbuf_init(&bytes, 100);
	db_bytes(result, 0, 4, &bytes);
	assert_true(str_eq(strbuf_str(&bytes), STR("\0\1\xff")));
	strbuf_fini(&bytes);
	assert_int_equal(db_time_us(result, 0, 5), 1795165964120931);
	db_result_free(result);
}

static void test_times(void **state)
{
	static const struct {
		const char *name, *sql;
		int64_t time_us;
	} cases[] = {
		{ "no fraction", "timestamptz '2026-11-20 09:12:44Z'", 1795165964000000 },
		{ "short fraction", "timestamptz '2026-11-20 09:12:44.5Z'", 1795165964500000 },
		{ "before 1970", "timestamptz '1969-12-31 23:59:59.999999Z'", -1 },
		{ "year 1", "timestamptz '0001-01-01 00:00:00Z'", -62135596800000000 },
		{ "no time at all", "timestamptz 'infinity'", 0 },
		{ "null", "NULL::timestamptz", 0 },
	};

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *sql = xasprintf("SELECT %s", cases[i].sql);
		struct db_result *result;
		struct err err;

		assert_int_equal(db_query(*state, sql, NULL, 0, &result, &err), 0);
		if (db_time_us(result, 0, 0) != cases[i].time_us)
			fail_msg("%s: %lld", cases[i].name, (long long)db_time_us(result, 0, 0));
		db_result_free(result);
		free(sql);
	}
}

static void test_failures_have_codes(void **state)
{
	static const struct {
		const char *name, *sql;
		int code;
		const char *state;
	} cases[] = {
		{ "bad number", "SELECT 'x'::int", -EINVAL, "22P02" },
		{ "null where none may be", "INSERT INTO t VALUES (NULL)", -EINVAL, "23502" },
		{ "check", "INSERT INTO t VALUES (7)", -EINVAL, "23514" },
		{ "no partition", "INSERT INTO parts VALUES (7)", -EIO, "23514" },
		{ "what a trigger raises", "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$", -EINVAL,
		  "P0001" },
		{ "lock", "SELECT * FROM t FOR UPDATE NOWAIT", -EAGAIN, "55P03" },
		{ "no such table", "SELECT * FROM nowhere", -EIO, "42P01" },
	};
	struct db *db = *state, *other;
	struct err err;

	PG_OR_SKIP();
	other = pg_connect(url);
	pg_sql(db, "CREATE TABLE t (i int NOT NULL CHECK (i < 7)); INSERT INTO t VALUES (1);"
		   "CREATE TABLE parts (i int) PARTITION BY RANGE (i)");
	pg_sql(other, "BEGIN; SELECT * FROM t FOR UPDATE");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int r = db_exec(db, cases[i].sql, &err);

		if (r != cases[i].code || strcmp(db_sqlstate(db), cases[i].state) != 0)
			fail_msg("%s: %d %s %s", cases[i].name, r, db_sqlstate(db), err.text);
		assert_true(db_is_alive(db));
	}
	assert_int_equal(db_exec(db, "SELECT 1", &err), 0);
	assert_string_equal(db_sqlstate(db), "");
	db_close(other);
}

static void test_a_nul_in_a_text_is_refused_not_cut(void **state)
{
	const struct db_param params[] = { DB_STR(STR("a\0b")) };
	struct err err;

	PG_OR_SKIP();
	assert_int_equal(db_query(*state, "SELECT $1::text", params, 1, NULL, &err), -EINVAL);
	assert_int_equal(db_exec(*state, "SELECT 1", &err), 0);
}

/* More than a socket buffer holds, and more than the other side sends back at once. */
static void test_large_values_both_ways(void **state)
{
	size_t n = 20u << 20;
	char *body = xmalloc(n);
	const struct db_param params[] = { DB_BYTES(((struct str){ body, n })) };
	struct db_result *result;
	struct strbuf back;
	struct err err;

	PG_OR_SKIP();
	for (size_t i = 0; i < n; i++)
		body[i] = (char)(i * 7 + i / 251);
	assert_int_equal(db_query(*state, "SELECT $1", params, 1, &result, &err), 0);
	strbuf_init(&back, n);
	db_bytes(result, 0, 0, &back);
	assert_true(str_eq(strbuf_str(&back), params[0].value));
	strbuf_fini(&back);
	db_result_free(result);
	free(body);
}

static void test_copy(void **state)
{
	/* Head, one row of one int, end. */
	static const char good[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
				   "\0\1\0\0\0\4\0\0\0\5"
				   "\377\377";
	static const char bad[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
				  "\0\2\0\0\0\4\0\0\0\5";
	struct db *db = *state;
	int64_t rows = 0;
	struct err err;

	PG_OR_SKIP();
	pg_sql(db, "CREATE TABLE c (i int)");
	assert_int_equal(db_copy_begin(db, "COPY c FROM STDIN (FORMAT binary)", &err), 0);
	assert_int_equal(db_copy_put(db, (struct str){ good, sizeof(good) - 1 }, &err), 0);
	assert_int_equal(db_copy_end(db, &rows, &err), 0);
	assert_int_equal(rows, 1);
	assert_int_equal(pg_int(db, "SELECT i FROM c"), 5);
	assert_int_equal(db_copy_begin(db, "COPY c FROM STDIN (FORMAT binary)", &err), 0);
	assert_int_equal(db_copy_put(db, (struct str){ bad, sizeof(bad) - 1 }, &err), 0);
	assert_int_equal(db_copy_end(db, &rows, &err), -EINVAL);
	assert_int_equal(db_copy_begin(db, "COPY c FROM STDIN (FORMAT binary)", &err), 0);
	db_rollback(db); /* in the middle of a COPY */
	assert_int_equal(pg_int(db, "SELECT count(*) FROM c"), 1);
}

static void test_commit_of_a_failed_transaction_is_a_failure(void **state)
{
	struct err err;

	PG_OR_SKIP();
	assert_int_equal(db_begin(*state, &err), 0);
	assert_int_equal(db_exec(*state, "SELECT 1/0", &err), -EINVAL);
	assert_int_equal(db_commit(*state, &err), -EIO);
	assert_int_equal(db_exec(*state, "SELECT 1", &err), 0);
}

#define ONE_INT(value) "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4\0\0\0" value "\377\377"

/* Two COPYs and COMMIT that go out as one text: what the first and the second are given. */
static int copy_twice(struct db *db, struct str one, struct str two, struct err *err)
{
	static const char sql[] = "COPY a FROM STDIN (FORMAT binary);"
				  "COPY b FROM STDIN (FORMAT binary); COMMIT";
	int r = db_copy_begin(db, sql, err);

	if (r == 0)
		r = db_copy_put(db, one, err);
	if (r == 0)
		r = db_copy_next(db, err);
	if (r == 0)
		r = db_copy_put(db, two, err);
	return r == 0 ? db_copy_commit(db, err) : r;
}

static const char kept[] = "SELECT 7 + $1::int";

static void check_what_goes_out_together(struct db *db)
{
	const struct str good = { ONE_INT("\5"), sizeof(ONE_INT("\5")) - 1 };
	const struct str bad = { good.p, good.len - 8 };
	static const struct {
		bool one, two;
		const char *sql; /* beside BEGIN */
		int begin, r;
		int64_t n_rows; /* in each table afterwards */
	} cases[] = {
		{ true, true, "SELECT 7 + $1::int", 0, 0, 1 },
		{ false, true, "SELECT 7 + $1::int", 0, -EINVAL, 1 },
		{ true, false, "SELECT 7 + $1::int", 0, -EINVAL, 1 },
		{ true, true, "SELECT 7 / ($1::int - 1)", -EINVAL, 0, 1 },
		{ true, true, "SELECT 7 + $1::int", 0, 0, 2 },
	};
	const struct db_param one = DB_STR(STR("1"));
	struct err err;

	pg_sql(db, "DROP TABLE IF EXISTS a, b; CREATE TABLE a (i int); CREATE TABLE b (i int)");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct db_result *result = NULL;
		bool is_kept = strcmp(cases[i].sql, kept) == 0;

		assert_int_equal(db_begin_query(db, is_kept ? kept : cases[i].sql, &one, 1,
						&result, &err),
				 cases[i].begin);
		if (cases[i].begin == 0) {
			assert_int_equal(db_int(result, 0, 0), 8);
			assert_int_equal(copy_twice(db, cases[i].one ? good : bad,
						    cases[i].two ? good : bad, &err),
					 cases[i].r);
		}
		db_result_free(result);
		db_rollback(db);
		assert_int_equal(pg_int(db, "SELECT count(*) FROM a"), cases[i].n_rows);
		assert_int_equal(pg_int(db, "SELECT count(*) FROM b"), cases[i].n_rows);
	}
}

static void test_what_goes_out_together_fails_together(void **state)
{
	PG_OR_SKIP();
	check_what_goes_out_together(*state);
}

/* The same when the server keeps the statement, one of which fails now and then. */
static void test_prepared(void **state)
{
	const struct db_param one = DB_STR(STR("1"));
	struct db *db = *state;
	struct err err;
	int64_t n = 0;

	PG_OR_SKIP();
	assert_int_equal(db_prepare(db, kept, &err), 0);
	check_what_goes_out_together(db);
	assert_int_equal(db_query_int(db, kept, &one, 1, 0, &n, &err), 0);
	assert_int_equal(n, 8);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM pg_prepared_statements WHERE"
				    " generic_plans + custom_plans > 0"),
			 2);
	assert_int_equal(db_prepare(db, kept, &err), 0); /* there already */
	assert_int_equal(db_prepare(db, "no SQL", &err), -EIO);
	for (size_t i = 0; i < DB_MAX_PREPARED - 3; i++)
		assert_int_equal(db_prepare(db, &"       SELECT 2"[i], &err), 0);
	assert_int_equal(db_prepare(db, "SELECT 1", &err), -E2BIG);
}

static const char insert[] = "INSERT INTO piped VALUES ($1::int)";
static const char look[] = "SELECT count(*) FROM piped";

/* A whole transaction that waits once: all of it, or nothing. */
static void test_a_transaction_as_a_pipeline(void **state)
{
	static const struct {
		const char *value;
		bool is_kept;
		int put, r, n_rows; /* n_rows: afterwards */
	} cases[] = {
		{ "1", false, 0, 0, 2 },        { "x", false, 0, -EINVAL, 2 },
		{ "1", true, 0, 0, 4 },         { "7", true, 0, -EINVAL, 4 },
		{ "a\0b", true, -EINVAL, 0, 4 }, { "2", true, 0, 0, 6 },
	};
	const struct db_param zero = DB_STR(STR("0"));
	struct db *db = *state;
	struct db_result *result;
	struct err err;

	PG_OR_SKIP();
	pg_sql(db, "CREATE TABLE piped (i int CHECK (i <> 7))");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct db_param value = DB_STR(((struct str){
			cases[i].value, cases[i].put < 0 ? 3 : strlen(cases[i].value) }));
		int r;

		if (cases[i].is_kept) {
			assert_int_equal(db_prepare(db, insert, &err), 0);
			assert_int_equal(db_prepare(db, look, &err), 0);
		}
		assert_int_equal(db_pipeline_begin(db, &err), 0);
		assert_int_equal(db_pipeline_put(db, insert, &zero, 1, &err), 0);
		assert_int_equal(db_pipeline_start(db, &err), 0);
		assert_int_equal(db_pipeline_put(db, insert, &value, 1, &err), cases[i].put);
		if (cases[i].put == 0) {
			assert_int_equal(db_pipeline_put(db, look, NULL, 0, &err), 0);
			r = db_pipeline_commit(db, &result, &err);
			assert_int_equal(r, cases[i].r);
			if (r == 0) {
				assert_int_equal(db_int(result, 0, 0), cases[i].n_rows);
				db_result_free(result);
			}
		}
		db_rollback(db);
		assert_int_equal(pg_int(db, "SELECT count(*) FROM piped"), cases[i].n_rows);
	}
}

static const char is_locked[] = "SELECT count(*) FROM pg_locks WHERE relation = 'held'::regclass"
				" AND mode = 'AccessExclusiveLock'";

/* What was put is at work before the transaction is asked for its end. */
static void test_a_pipeline_runs_before_its_end(void **state)
{
	struct db *db = *state, *other;
	struct db_result *result;
	struct err err;

	PG_OR_SKIP();
	other = pg_connect(url);
	pg_sql(db, "CREATE TABLE held (i int)");
	assert_int_equal(db_pipeline_begin(db, &err), 0);
	assert_int_equal(db_pipeline_put(db, "LOCK TABLE held IN ACCESS EXCLUSIVE MODE", NULL, 0, &err),
			 0);
	assert_int_equal(db_pipeline_start(db, &err), 0);
	for (int i = 0; i < 500 && pg_int(other, is_locked) == 0; i++)
		usleep(10000);
	assert_int_equal(pg_int(other, is_locked), 1);
	assert_int_equal(db_pipeline_put(db, "SELECT 3", NULL, 0, &err), 0);
	assert_int_equal(db_pipeline_commit(db, &result, &err), 0);
	assert_int_equal(db_int(result, 0, 0), 3);
	db_result_free(result);
	assert_int_equal(pg_int(other, is_locked), 0);
	db_close(other);
}

static void count_wait(void *ctx)
{
	(*(int *)ctx)++;
}

static void give_up(void *ctx)
{
	db_give_up(ctx);
}

static void test_the_hook_runs_while_the_server_takes_its_time(void **state)
{
	struct db *db = *state;
	struct err err;
	int n = 0;

	PG_OR_SKIP();
	db_on_wait(db, count_wait, &n, 20);
	assert_int_equal(db_exec(db, "SELECT pg_sleep(0.3)", &err), 0);
	assert_in_range(n, 3, 16);
	db_on_wait(db, give_up, db, 20);
	assert_int_equal(db_exec(db, "SELECT pg_sleep(30)", &err), -ENOTCONN);
	assert_false(db_is_alive(db));
	assert_int_equal(db_exec(db, "SELECT 1", &err), -ENOTCONN);
}

static void test_a_lost_connection_is_seen(void **state)
{
	struct db *db = *state, *killer;
	char *sql;
	struct err err;

	PG_OR_SKIP();
	killer = pg_connect(url);
	assert_true(db_check(db));
	sql = xasprintf("SELECT pg_terminate_backend(%lld)",
			(long long)pg_int(db, "SELECT pg_backend_pid()"));
	pg_sql(killer, sql);
	for (int i = 0; i < 100 && db_check(db); i++)
		usleep(10000);
	assert_false(db_check(db));
	assert_int_equal(db_exec(db, "SELECT 1", &err), -ENOTCONN);
	free(sql);
	db_close(killer);
}

static void test_nobody_there(void **state)
{
	struct db *db;
	struct err err;
	int64_t start_us = clock_monotonic_us();

	assert_int_equal(db_open("host=/nowhere dbname=x", "test", 1000, &db, &err), -ENOTCONN);
	assert_true(clock_monotonic_us() - start_us < 900000);
	assert_non_null(strstr(err.text, "/nowhere"));
}

static void test_notifications(void **state)
{
	struct db *db = *state, *other;
	struct strbuf channel, payload;
	bool got = false;

	PG_OR_SKIP();
	other = pg_connect(url);
	strbuf_init(&channel, 100);
	strbuf_init(&payload, 100);
	pg_sql(db, "LISTEN news");
	pg_sql(other, "NOTIFY news, 'hello'");
	for (int i = 0; i < 100 && !got; i++) {
		got = db_next_notification(db, &channel, &payload);
		usleep(10000);
	}
	assert_true(got);
	assert_string_equal(channel.p, "news");
	assert_string_equal(payload.p, "hello");
	assert_false(db_next_notification(db, &channel, &payload));
	strbuf_fini(&channel);
	strbuf_fini(&payload);
	db_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, connect_to_new, disconnect)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_columns_come_back_as_they_went),
		TEST(test_times),
		TEST(test_failures_have_codes),
		TEST(test_a_nul_in_a_text_is_refused_not_cut),
		TEST(test_large_values_both_ways),
		TEST(test_copy),
		TEST(test_what_goes_out_together_fails_together),
		TEST(test_prepared),
		TEST(test_a_transaction_as_a_pipeline),
		TEST(test_a_pipeline_runs_before_its_end),
		TEST(test_commit_of_a_failed_transaction_is_a_failure),
		TEST(test_the_hook_runs_while_the_server_takes_its_time),
		TEST(test_a_lost_connection_is_seen),
		cmocka_unit_test(test_nobody_there),
		TEST(test_notifications),
	};
	int failed = cmocka_run_group_tests_name("storage/db", tests, NULL, NULL);

	free(url);
	return failed;
}
