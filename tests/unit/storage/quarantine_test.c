/* What was set aside, tried again. */
#include "tests/unit/storage/log_fixture.h"

#include "storage/quarantine.h"

static struct house *house;
static struct db *db;

static int start(void **state)
{
	if (!pg_is_there())
		return 0;
	house = house_ready();
	db = house_db(house);
	return 0;
}

static int stop(void **state)
{
	if (house)
		house_free(house);
	house = NULL;
	return 0;
}

struct list {
	struct quarantine_id ids[16];
	char reasons[16][64];
	size_t n;
	int64_t n_all;
};

static void take(void *ctx, const struct quarantined *row)
{
	struct list *list = ctx;

	assert_true(list->n < ARRAY_LEN(list->ids));
	snprintf(list->reasons[list->n], sizeof(list->reasons[0]), "%.*s", STR_ARG(row->reason));
	list->ids[list->n++] = row->id;
}

static struct list read_list(void)
{
	struct list list = { .n = 0 };
	struct err err;

	if (quarantine_list(db, 0, 16, take, &list, &list.n_all, &err) < 0)
		fail_msg("%s", err.text);
	return list;
}

static int retry(struct quarantine_id id, int64_t *n_logged, struct err *err)
{
	return quarantine_retry(db, id, fixture_prepare, house, n_logged, err);
}

static void forbid(void)
{
	pg_sql(db, "ALTER TABLE event ADD CONSTRAINT no_poison CHECK (message_id <> 'Poison.1.0.X')");
}

static void allow(void)
{
	pg_sql(db, "ALTER TABLE event DROP CONSTRAINT no_poison");
}

static void post(const char *raw)
{
	house_post(house, raw);
	house_drain(house);
}

static void test_ids(void **state)
{
	static const char *const bad[] = { "", "x", "019ad5c2-0000-7000-8000-00000000000",
					   "019ad5c2-0000-7000-8000-000000000001-",
					   "019ad5c2-0000-7000-8000-000000000001-x",
					   "019ad5c2-0000-7000-8000-000000000001-99999999999",
					   "019ad5c2-0000-7000-8000-0000000000012" };
	static const char *const good[] = { "019ad5c2-0000-7000-8000-000000000001",
					    "019ad5c2-0000-7000-8000-000000000001-0",
					    "019ad5c2-0000-7000-8000-000000000001-20000" };
	char text[QUARANTINE_ID_BYTES];
	struct quarantine_id id;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(quarantine_id_parse(str_of(bad[i]), &id));
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(quarantine_id_parse(str_of(good[i]), &id));
		assert_string_equal(quarantine_id_format(id, text), good[i]);
	}
}

/* The second of three events is refused; later it is not. */
static void test_a_refused_event_is_logged_once(void **state)
{
	struct list list;
	struct err err;
	int64_t n;

	PG_OR_SKIP();
	forbid();
	post("3 one poison");
	list = read_list();
	assert_int_equal(list.n, 1);
	assert_int_equal(list.ids[0].idx, 1);
	assert_int_equal(retry(list.ids[0], &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no_poison"));
	assert_int_equal(pg_int(db, "SELECT count(*) FROM quarantine WHERE retried IS NOT NULL"), 1);
	assert_int_equal(pg_int(db, "SELECT seq FROM counter"), 2);
	allow();
	assert_int_equal(retry(list.ids[0], &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM quarantine"), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event WHERE seq = 3 AND idx = 1"
				    " AND message_id = 'Poison.1.0.X' AND text_id IS NOT NULL"),
			 1);
	assert_int_equal(retry(list.ids[0], &n, &err), -ENOENT);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event"), 3);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM journal_segment WHERE node = 'quarantine'"),
			 0);
}

/* A delivery that was set aside whole, of which the database will have all but one event. */
static void test_of_a_whole_delivery_the_good_ones_are_logged(void **state)
{
	struct list list;
	struct err err;
	int64_t n;

	PG_OR_SKIP();
	post("1 garbage");
	pg_sql(db, "UPDATE quarantine SET raw = '3 two poison'::bytea");
	forbid();
	list = read_list();
	assert_int_equal(list.n, 1);
	assert_int_equal(retry(list.ids[0], &n, &err), 0);
	assert_int_equal(n, 2);
	list = read_list();
	assert_int_equal(list.n, 1);
	assert_int_equal(list.ids[0].idx, 1);
	assert_string_equal(list.reasons[0], "refused_by_database");
	allow();
	assert_int_equal(retry(list.ids[0], &n, &err), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event"), 3);
	assert_int_equal(pg_int(db, "SELECT max(seq) FROM event"), 3);
	assert_int_equal(pg_int(db, "SELECT seq FROM counter"), 3);
}

static void test_what_stays(void **state)
{
	struct list list;
	struct err err;
	int64_t n;

	PG_OR_SKIP();
	post("1 garbage");
	list = read_list();
	assert_int_equal(retry(list.ids[0], &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 1"));
	pg_sql(db, "UPDATE quarantine SET reason = 'unverified'");
	assert_int_equal(retry(list.ids[0], &n, &err), -EINVAL);
	pg_sql(db, "UPDATE quarantine SET reason = 'journal_damaged', raw = NULL");
	assert_int_equal(retry(list.ids[0], &n, &err), -EINVAL);
	assert_int_equal(read_list().n_all, 1);
	assert_int_equal(pg_int(db, "SELECT seq FROM counter"), 0);
	/* A metric report becomes one. */
	pg_sql(db, "UPDATE quarantine SET reason = 'too_deep', raw = '1 metric'::bytea");
	assert_int_equal(retry(list.ids[0], &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM metric_report"), 1);
	assert_int_equal(read_list().n_all, 0);
}

/* The loader goes on behind it: its own numbers still hold. */
static void test_the_loader_goes_on(void **state)
{
	struct list list;
	struct err err;
	int64_t n;

	PG_OR_SKIP();
	post("2 first");
	forbid();
	post("2 x poison");
	allow();
	list = read_list();
	assert_int_equal(list.n, 1);
	post("2 second");
	assert_int_equal(retry(list.ids[0], &n, &err), 0);
	post("2 third");
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event"), 8);
	assert_int_equal(pg_int(db, "SELECT max(seq) FROM event"), 8);
	assert_int_equal(pg_int(db, "SELECT seq FROM event WHERE message_id = 'Poison.1.0.X'"), 6);
}

int main(void)
{
#define EACH(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		EACH(test_a_refused_event_is_logged_once),
		EACH(test_of_a_whole_delivery_the_good_ones_are_logged),
		EACH(test_what_stays),
		EACH(test_the_loader_goes_on),
	};

	log_set(LOG_ERROR, LOG_LOGFMT);
	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
