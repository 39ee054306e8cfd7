/* Reading the log: pages, bounds, single events, raw bytes. */
#include "tests/unit/storage/log_fixture.h"

#include "event/filter.h"
#include "storage/partitions.h"

static struct house *house;
static struct db *db;

/* 30 events in four log days (1-6, 7-12, 13-24, 25-30), deliveries of two. The days are today and
 * those after it, which are attached already and which the loader does not enter by itself. */
static int fill(void **state)
{
	if (!pg_is_there())
		return 0;
	house = house_ready();
	db = house_db(house);
	for (int i = 1; i <= 15; i++) {
		char *raw = xasprintf("2 e%d", i);

		house_post(house, raw);
		house_drain(house);
		if (i == 3 || i == 6 || i == 12)
			pg_sql(db,
			       "UPDATE counter SET log_day = log_day + 1, day_first_seq = seq + 1;"
			       "INSERT INTO log_day SELECT log_day, day_first_seq FROM counter");
		free(raw);
	}
	return 0;
}

static int empty(void **state)
{
	if (house)
		house_free(house);
	return 0;
}

static struct entry_batch *read_page(struct log_query query)
{
	struct entry_batch *batch;
	struct err err;

	if (log_read(db, &query, &batch, &err) < 0)
		fail_msg("%s", err.text);
	return batch;
}

static void test_bounds(void **state)
{
	struct log_bounds bounds;
	struct err err;

	PG_OR_SKIP();
	assert_int_equal(log_bounds(db, &bounds, &err), 0);
	assert_int_equal(bounds.oldest_seq, 1);
	assert_int_equal(bounds.last_seq, 30);
	assert_true(uuid_eq(bounds.epoch, house->epoch));
}

static void test_pages(void **state)
{
	static const struct {
		const char *name;
		struct log_query query;
		int64_t first;
		size_t n;
	} cases[] = {
		{ "from the oldest", { .limit = 10 }, 1, 10 },
		{ "all", { .limit = 10000 }, 1, 30 },
		{ "after one", { .after_seq = 7, .limit = 10 }, 8, 10 },
		{ "across days", { .after_seq = 5, .limit = 100 }, 6, 25 },
		{ "after the last", { .after_seq = 30, .limit = 10 }, 0, 0 },
		{ "far beyond", { .after_seq = 1000, .limit = 10 }, 0, 0 },
		{ "skipping", { .after_seq = 2, .skip = 3, .limit = 2 }, 6, 2 },
		{ "none", { .limit = 0 }, 0, 0 },
		{ "newest first", { .descending = true, .limit = 4 }, 30, 4 },
		{ "before one", { .descending = true, .before_seq = 7, .limit = 100 }, 6, 6 },
		{ "before the first", { .descending = true, .before_seq = 1, .limit = 10 }, 0, 0 },
		{ "before and skipping",
		  { .descending = true, .before_seq = 25, .skip = 20, .limit = 9 },
		  4,
		  4 },
		{ "between", { .after_seq = 10, .before_seq = 14, .limit = 9 }, 11, 3 },
	};

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct entry_batch *batch = read_page(cases[i].query);
		int step = cases[i].query.descending ? -1 : 1;

		if (batch->n != cases[i].n)
			fail_msg("%s: %zu entries", cases[i].name, batch->n);
		for (size_t e = 0; e < batch->n; e++)
			if (batch->entries[e].seq != cases[i].first + step * (int64_t)e)
				fail_msg("%s: place %zu is %lld", cases[i].name, e,
					 (long long)batch->entries[e].seq);
		entry_batch_unref(batch);
	}
}

/* All of it in pieces, either way, with bounds that fall anywhere: each once, and then an end. */
static void test_reading_on(void **state)
{
	struct err err;

	PG_OR_SKIP();
	for (int64_t low = 0; low <= 30; low++) {
		for (int descending = 0; descending < 2; descending++) {
			struct log_query query = { .limit = 4,
						   .after_seq = low,
						   .before_seq = 28,
						   .descending = descending };
			int64_t resume = -1, expected = descending ? 27 : low + 1;

			for (int n = 0; resume != 0; n++) {
				struct entry_batch *batch;

				assert_true(n < 30);
				assert_int_equal(log_read_on(db, &query, &batch, &resume, &err), 0);
				for (size_t i = 0; i < batch->n; i++) {
					assert_int_equal(batch->entries[i].seq, expected);
					expected += descending ? -1 : 1;
				}
				entry_batch_unref(batch);
				*(descending ? &query.before_seq : &query.after_seq) = resume;
			}
			assert_int_equal(expected, low >= 27    ? (descending ? 27 : low + 1)
						   : descending ? low
								: 28);
		}
	}
}

/* A page reads the partitions that it needs, and no other: the point of the log day. */
static void test_a_page_leaves_other_days_alone(void **state)
{
	struct db_result *result;
	struct err err;
	size_t n_scanned = 0;

	PG_OR_SKIP();
	assert_int_equal(pg_int(db, "SELECT count(DISTINCT log_day) FROM event"), 4);
	assert_int_equal(db_query(db,
				  "EXPLAIN (ANALYZE, COSTS off) SELECT * FROM event e WHERE true"
				  " AND e.log_day >= COALESCE((SELECT max(day) FROM log_day WHERE"
				  " first_seq <= 26), '-infinity') AND e.seq > 25"
				  " ORDER BY e.log_day ASC, e.seq ASC LIMIT 3",
				  NULL, 0, &result, &err),
			 0);
	for (size_t i = 0; i < db_rows(result); i++) {
		struct str line = db_str(result, i, 0);

		n_scanned += has_word(line, "Scan") && has_word(line, " on event_") &&
			     !has_word(line, "never executed");
	}
	db_result_free(result);
	assert_int_equal(n_scanned, 1);
}

static void test_counts(void **state)
{
	struct filter *filter;
	struct err err;
	bool exact;
	int64_t n;

	PG_OR_SKIP();
	assert_int_equal(log_count(db, NULL, 0, &n, &exact, &err), 0);
	assert_int_equal(n, 30);
	assert_int_equal(filter_parse(STR("startswith(EventId, 'e1-')"), &filter, &err), 0);
	do /* on a busy machine the time may be over */
		assert_int_equal(log_count(db, filter, CLOCK_US_PER_S, &n, &exact, &err), 0);
	while (!exact);
	assert_int_equal(n, 2);
	filter_free(filter);
}

static void test_one_event(void **state)
{
	static const int64_t seqs[] = { 1, 6, 7, 12, 13, 30 };
	struct entry_batch *batch;
	struct err err;

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(seqs); i++) {
		assert_int_equal(log_get(db, seqs[i], &batch, &err), 0);
		assert_non_null(batch);
		assert_int_equal(batch->n, 1);
		assert_int_equal(batch->entries[0].seq, seqs[i]);
		entry_batch_unref(batch);
	}
	assert_int_equal(log_get(db, 31, &batch, &err), 0);
	assert_null(batch);
	assert_int_equal(log_get(db, 0, &batch, &err), 0);
	assert_null(batch);
}

static void test_raw_bytes(void **state)
{
	struct strbuf raw;
	struct err err;

	PG_OR_SKIP();
	strbuf_init(&raw, 1000);
	assert_int_equal(log_raw(db, 29, &raw, &err), 0);
	assert_string_equal(raw.p, "2 e15");
	strbuf_reset(&raw);
	assert_int_equal(log_raw(db, 30, &raw, &err), 0);
	assert_string_equal(raw.p, "2 e15");
	strbuf_reset(&raw);
	assert_int_equal(log_raw(db, 31, &raw, &err), -ENOENT);
	strbuf_fini(&raw);
	strbuf_init(&raw, 3);
	assert_int_equal(log_raw(db, 1, &raw, &err), -E2BIG);
	strbuf_fini(&raw);
}

/* Last: it drops what the others read. */
static void test_what_retention_dropped(void **state)
{
	/* All before the day after tomorrow. */
	const struct retention retention = { .events_us = -2 * INT64_C(86400000000),
					     .metric_reports_us = 1,
					     .repeats_us = 1 };
	struct log_bounds bounds;
	struct entry_batch *batch;
	struct strbuf raw;
	struct err err;
	bool exact;
	int64_t n;

	PG_OR_SKIP();
	if (partitions_expire(db, &retention, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(log_bounds(db, &bounds, &err), 0);
	assert_int_equal(bounds.oldest_seq, 13);
	assert_int_equal(bounds.last_seq, 30);
	batch = read_page((struct log_query){ .after_seq = 3, .limit = 2 });
	assert_int_equal(batch->n, 2);
	assert_int_equal(batch->entries[0].seq, 13);
	entry_batch_unref(batch);
	assert_int_equal(log_get(db, 3, &batch, &err), 0);
	assert_null(batch);
	strbuf_init(&raw, 1000);
	assert_int_equal(log_raw(db, 3, &raw, &err), -ENOENT);
	strbuf_fini(&raw);
	assert_int_equal(log_count(db, NULL, 0, &n, &exact, &err), 0);
	assert_int_equal(n, 18);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_reading_on),
		cmocka_unit_test(test_a_page_leaves_other_days_alone),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_one_event),
		cmocka_unit_test(test_raw_bytes),
		cmocka_unit_test(test_what_retention_dropped),
	};

	return cmocka_run_group_tests_name("storage/log", tests, fill, empty);
}
