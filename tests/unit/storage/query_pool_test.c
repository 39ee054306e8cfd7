#include "tests/unit/storage/pg.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mailbox.h"
#include "storage/limits.h"
#include "storage/query_pool.h"

struct job {
	struct query_job job;
	const char *sql;
	int64_t value;
	bool had_db;
	int result;
	char why[200];
};

static void run_sql(struct query_job *query_job, struct db *db, const char *why)
{
	struct job *job = query_job->ctx;
	struct db_result *result;
	struct err err;

	job->had_db = db != NULL;
	if (!db) {
		snprintf(job->why, sizeof(job->why), "%s", why);
		return;
	}
	job->result = db_query(db, job->sql, NULL, 0, &result, &err);
	if (job->result < 0)
		return;
	job->value = db_int(result, 0, 0);
	db_result_free(result);
}

static void prepare(struct job *job, const char *sql, struct mailbox *box)
{
	*job = (struct job){ .job = { .run = run_sql, .reply_to = box, .ctx = job }, .sql = sql };
}

static void wait_for_answers(struct mailbox *box, size_t n)
{
	for (int i = 0; i < 2000 && mailbox_count(box) < n; i++)
		usleep(5000);
	assert_int_equal(mailbox_count(box), n);
	mailbox_take(box);
}

static void test_jobs_come_back(void **state)
{
	struct mailbox *box = mailbox_new(100);
	struct query_pool *pool;
	struct job jobs[20];
	char *url;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	assert_int_equal(query_pool_start(url, 2, &pool, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		prepare(&jobs[i], i % 2 ? "SELECT 42" : "SELECT 1/0", box);
		assert_int_equal(query_pool_submit(pool, &jobs[i].job), 0);
	}
	wait_for_answers(box, ARRAY_LEN(jobs));
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		assert_true(jobs[i].had_db);
		assert_int_equal(jobs[i].result, i % 2 ? 0 : -EINVAL);
		assert_int_equal(jobs[i].value, i % 2 ? 42 : 0);
	}
	query_pool_stop(pool);
	mailbox_free(box);
	free(url);
}

static void test_a_server_that_restarted_is_reached_again(void **state)
{
	struct mailbox *box = mailbox_new(100);
	struct query_pool *pool;
	struct job job;
	char *url;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	assert_int_equal(query_pool_start(url, 1, &pool, &err), 0);
	prepare(&job, "SELECT 1", box);
	assert_int_equal(query_pool_submit(pool, &job.job), 0);
	wait_for_answers(box, 1);
	assert_true(job.had_db);
	pg_down("fast");
	prepare(&job, "SELECT 2", box);
	assert_int_equal(query_pool_submit(pool, &job.job), 0);
	wait_for_answers(box, 1);
	assert_false(job.had_db);
	assert_non_null(strstr(job.why, "connect"));
	assert_true(pg_up());
	usleep(600000); /* attempts have a pause between them */
	prepare(&job, "SELECT 3", box);
	assert_int_equal(query_pool_submit(pool, &job.job), 0);
	wait_for_answers(box, 1);
	assert_int_equal(job.value, 3);
	query_pool_stop(pool);
	mailbox_free(box);
	free(url);
}

static void test_too_many_are_refused_and_a_stop_returns_all(void **state)
{
	struct mailbox *box = mailbox_new(QUERY_MAX_JOBS + 10);
	struct job *jobs = xcalloc(QUERY_MAX_JOBS + 2, sizeof(jobs[0]));
	struct query_pool *pool;
	int64_t start_us;
	char *url;
	struct err err;

	PG_OR_SKIP();
	url = pg_new_database();
	assert_int_equal(query_pool_start(url, 1, &pool, &err), 0);
	prepare(&jobs[0], "SELECT pg_sleep(60)", box);
	assert_int_equal(query_pool_submit(pool, &jobs[0].job), 0);
	usleep(300000); /* it runs */
	for (size_t i = 1; i <= QUERY_MAX_JOBS; i++) {
		prepare(&jobs[i], "SELECT 1", box);
		assert_int_equal(query_pool_submit(pool, &jobs[i].job), 0);
	}
	prepare(&jobs[QUERY_MAX_JOBS + 1], "SELECT 1", box);
	assert_int_equal(query_pool_submit(pool, &jobs[QUERY_MAX_JOBS + 1].job), -EAGAIN);
	start_us = clock_monotonic_us();
	query_pool_stop(pool);
	assert_true(clock_monotonic_us() - start_us < 3 * CLOCK_US_PER_S);
	assert_int_equal(mailbox_count(box), QUERY_MAX_JOBS + 1);
	assert_int_equal(jobs[0].result, -ENOTCONN);
	assert_false(jobs[1].had_db);
	mailbox_take(box);
	mailbox_free(box);
	free(jobs);
	free(url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jobs_come_back),
		cmocka_unit_test(test_a_server_that_restarted_is_reached_again),
		cmocka_unit_test(test_too_many_are_refused_and_a_stop_returns_all),
	};

	return cmocka_run_group_tests_name("storage/query_pool", tests, NULL, NULL);
}
