/* The loader with a real journal and a real PostgreSQL. */
#include "tests/unit/storage/log_fixture.h"

#include "base/metrics.h"

static void test_events_are_logged_in_order_and_published(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_post(house, "3 b");
	house_post(house, "0 empty");
	house_post(house, "2 c");
	house_drain(house);
	expect_log(house, "a-0 b-0 b-1 b-2 c-0 c-1");
	expect_gap_free(house);
	expect_published(house, 6);
	assert_true(loader_is_connected(house->loader));
	assert_int_equal(
		pg_int(house_db(house), "SELECT count(*) FROM source WHERE name = 'rack7-n12'"), 1);
	/* Raw bytes stand once, and are found from each event of the delivery. */
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM event WHERE raw IS NOT NULL"), 3);
}

static bool same(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_eq(a, b);
}

#define SAME(field)                                                                                \
	do {                                                                                       \
		if (!same(a->field, b->field))                                                     \
			fail_msg("%s: " #field " is '%.*s', was '%.*s'", name, STR_ARG(b->field),  \
				 STR_ARG(a->field));                                               \
	} while (0)

static void compare_events(const char *name, const struct event *a, const struct event *b)
{
	SAME(event_id);
	SAME(event_timestamp);
	SAME(event_type);
	SAME(message_id);
	SAME(origin);
	SAME(sender_severity);
	SAME(sender_message);
	SAME(sender_resolution);
	SAME(log_entry);
	SAME(message);
	SAME(resolution);
	SAME(language);
	SAME(resolved_by.registry);
	SAME(resolved_by.version);
	SAME(resolved_by.sha256);
	assert_int_equal(a->index, b->index);
	assert_int_equal(a->event_time_us, b->event_time_us);
	assert_int_equal(a->has_event_time, b->has_event_time);
	assert_int_equal(a->event_time_sane, b->event_time_sane);
	assert_int_equal(a->has_message_args, b->has_message_args);
	assert_int_equal(a->n_message_args, b->n_message_args);
	for (uint32_t i = 0; i < a->n_message_args; i++)
		SAME(message_args[i]);
	assert_int_equal(a->has_event_group_id, b->has_event_group_id);
	assert_int_equal(a->event_group_id, b->event_group_id);
	assert_int_equal(a->severity, b->severity);
	assert_int_equal(a->category, b->category);
	assert_int_equal(a->resolved_by.step, b->resolved_by.step);
	assert_int_equal(a->quirks, b->quirks);
}

static void test_every_field_comes_back(void **state)
{
	static const struct {
		const char *name, *raw;
	} cases[] = {
		{ "full", "1 full" },
		{ "absent facts", "1 sparse" },
		{ "empty args", "1 x empty_args" },
		{ "without a time", "1 x timeless" },
		{ "quirk of the envelope", "2 x bom" },
	};
	struct house *house = *state;
	struct log_query query = { .limit = 100 };
	struct entry_batch *batch;
	struct uuid ids[ARRAY_LEN(cases)];
	size_t at = 0;
	struct err err;

	PG_OR_SKIP();
	house_start(house);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ids[i] = house_post(house, cases[i].raw);
	house_drain(house);
	assert_int_equal(log_read(house_db(house), &query, &batch, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct delivery *d = house_delivery(house, cases[i].raw, 0, NULL);

		fixture_decode(d);
		for (uint32_t e = 0; e < d->n_events; e++) {
			d->events[e].quirks |= d->quirks;
			compare_events(cases[i].name, &d->events[e], &batch->entries[at].event);
			assert_true(uuid_eq(ids[i], batch->entries[at].delivery));
			assert_true(uuid_eq(house->source, batch->entries[at].source));
			assert_int_equal(batch->entries[at].seq, at + 1);
			assert_true(clock_time_us() - batch->entries[at].received_us < HOUR_US);
			at++;
		}
		delivery_unref(d);
	}
	assert_int_equal(batch->n, at);
	entry_batch_unref(batch);
}

static void test_what_is_not_an_event(void **state)
{
	struct house *house = *state;
	double reports = metric_read(METRIC_METRIC_REPORTS, NULL);
	double bad = metric_read(METRIC_QUARANTINED, "not_json");
	char *text;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "metric report");
	house_post(house, "garbage");
	house_post(house, "1 a badrecord");
	house_post(house, "metric report");
	house_drain(house);
	expect_log(house, "a-0");
	expect_gap_free(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM metric_report"
						 " WHERE raw = 'metric report'::bytea"),
			 2);
	text = pg_text(house->db,
		       "SELECT string_agg(idx || ' ' || reason || ' ' || detail || ' ' ||"
		       " convert_from(raw, 'UTF8'), ',' ORDER BY idx) FROM quarantine");
	assert_string_equal(text, "-1 not_json line 1: no garbage,9 not_a_record a number 17");
	free(text);
	assert_int_equal(metric_read(METRIC_METRIC_REPORTS, NULL) - reports, 2);
	assert_int_equal(metric_read(METRIC_QUARANTINED, "not_json") - bad, 1);
}

static void test_unverified_deliveries_are_decided_at_load(void **state)
{
	struct house *house = *state;
	struct db *db;

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	db = house_db(house);
	pg_sql(db,
	       "INSERT INTO source (id, name, token, state, created) VALUES"
	       " ('11111111-1111-4111-8111-111111111111', 'elsewhere', 'othertoken', 1, now())");
	house_give(house, house_delivery(house, "1 known", DELIVERY_UNVERIFIED, "TokenTokenToken"));
	house_give(house, house_delivery(house, "1 replica", DELIVERY_UNVERIFIED, "othertoken"));
	house_give(house, house_delivery(house, "1 wrong", DELIVERY_UNVERIFIED, "nonsense"));
	house_give(house, house_delivery(house, "1 new", DELIVERY_UNVERIFIED, "enrolenrolenrol"));
	house_drain(house);
	expect_log(house, "known-0 replica-0 new-0");
	assert_int_equal(pg_int(db, "SELECT count(*) FROM event JOIN source ON id = source_id"
				    " WHERE (event_id, name) IN (('known-0', 'rack7-n12'),"
				    " ('replica-0', 'elsewhere'), ('new-0', '10.1.2.3'))"),
			 3);
	assert_int_equal(pg_int(db, "SELECT count(*) FROM quarantine WHERE reason = 'unverified'"
				    " AND raw = '1 wrong' AND source_id IS NULL"),
			 1);
}

static void test_enrolled_sources_get_a_row(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house->source = uuid_v4();
	house_give(house, house_delivery(house, "1 a", DELIVERY_ENROLLED, NULL));
	house_give(house, house_delivery(house, "1 b", DELIVERY_ENROLLED, NULL));
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM source WHERE state = 0"
						 " AND address = '10.1.2.3' AND token IS NULL"),
			 1);
}

/* --- repeats
 * ------------------------------------------------------------------------------------------ */

static void test_a_repeat_with_times_is_logged_once(void **state)
{
	struct house *house = *state;
	double repeats = metric_read(METRIC_REPEATS, NULL);

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "2 a");
	house_post(house, "2 a");
	house_post(house, "1 b");
	house_drain(house);
	house_post(house, "2 a");
	house_post(house, "metric");
	house_post(house, "metric");
	house_drain(house);
	expect_log(house, "a-0 a-1 b-0");
	expect_gap_free(house);
	expect_published(house, 3);
	assert_int_equal(metric_read(METRIC_REPEATS, NULL) - repeats, 2);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM metric_report"), 2);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM repeat"), 2);
}

static void test_a_repeat_without_times_is_logged_with_a_quirk(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a timeless");
	house_post(house, "1 a timeless");
	house_drain(house);
	expect_log(house, "a-0 a-0");
	assert_int_equal(pg_int(house->db, "SELECT max(seq) FROM event"
					   " WHERE 'possible_repeat' = ANY (quirks)"),
			 2);
	assert_int_equal(pg_int(house->db, "SELECT count(*) FROM event"
					   " WHERE 'possible_repeat' = ANY (quirks)"),
			 1);
}

static void test_repeats_are_known_after_a_restart_and_end_with_the_window(void **state)
{
	struct house *house = *state;
	struct delivery *late;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	house_stop(house);
	house_start(house);
	house_post(house, "1 a");
	house_drain(house);
	expect_log(house, "a-0");
	late = house_delivery(house, "1 a", 0, NULL);
	late->received_us += house->repeat_window_us + CLOCK_US_PER_S;
	house_give(house, late);
	house_drain(house);
	expect_log(house, "a-0 a-0");
}

static void test_repeats_of_another_replica(void **state)
{
	struct house *house = *state;
	struct house *other;

	PG_OR_SKIP();
	other = house_new();
	free(other->url);
	other->url = xstrdup(house->url);
	other->source = house->source;
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	house_start(other);
	WAIT_FOR(loader_is_connected(other->loader));
	house_post(house, "1 a");
	house_drain(house);
	house_post(other, "1 a");
	house_post(other, "1 b");
	house_drain(other);
	house_post(house, "1 b");
	house_post(house, "1 c");
	house_drain(house);
	expect_log(house, "a-0 b-0 c-0");
	expect_gap_free(house);
	house_free(other);
}

/* A loader that has the database to itself tells nobody, and logs as others do: also after a
 * transaction whose statements, which the server keeps, failed. */
static void test_who_is_told(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	for (int alone = 0; alone < 2; alone++) {
		struct strbuf channel, payload;
		int n_told = 0;

		strbuf_init(&channel, 1000);
		strbuf_init(&payload, 1000);
		house->alone = alone;
		house_start(house);
		WAIT_FOR(loader_is_connected(house->loader));
		pg_sql(house_db(house), "LISTEN rfeventd_log; ALTER TABLE event DROP CONSTRAINT IF"
					" EXISTS no_poison, ADD CONSTRAINT no_poison CHECK"
					" (message_id <> 'Poison.1.0.X')");
		house_post(house, alone ? "1 c" : "1 a");
		house_post(house, "1 b poison_all");
		house_drain(house);
		house_post(house, alone ? "1 d" : "1 b");
		house_drain(house);
		expect_log(house, alone ? "a-0 b-0 c-0 d-0" : "a-0 b-0");
		expect_gap_free(house);
		while (db_next_notification(house_db(house), &channel, &payload))
			n_told++;
		assert_int_equal(n_told > 0, !alone);
		strbuf_fini(&channel);
		strbuf_fini(&payload);
		house_stop(house);
	}
}

/* --- refused rows
 * --------------------------------------------------------------------------------------- */

static void test_a_refused_row_costs_nobody_else(void **state)
{
	struct house *house = *state;
	double refused = metric_read(METRIC_QUARANTINED, "refused_by_database");
	char *text;

	PG_OR_SKIP();
	house_start(house);
	house_post(house, "1 first");
	house_drain(house);
	pg_sql(house_db(house), "ALTER TABLE event ADD CONSTRAINT no_poison"
				" CHECK (message_id <> 'Poison.1.0.X')");
	for (int i = 0; i < 20; i++) {
		char *raw = xasprintf(i == 7    ? "3 d%d poison"
				      : i == 12 ? "1 d%d poison_all"
						: "1 d%d",
				      i);

		house_post(house, raw);
		free(raw);
	}
	house_drain(house);
	expect_log(house,
		   "first-0 d0-0 d1-0 d2-0 d3-0 d4-0 d5-0 d6-0 d7-0 d7-2 d8-0 d9-0 d10-0 d11-0"
		   " d13-0 d14-0 d15-0 d16-0 d17-0 d18-0 d19-0");
	expect_gap_free(house);
	expect_published(house, 21);
	text = pg_text(house->db,
		       "SELECT string_agg(reason || idx, ' ' ORDER BY idx) FROM quarantine"
		       " WHERE detail LIKE '%no_poison%' AND raw IS NOT NULL");
	assert_string_equal(text, "refused_by_database0 refused_by_database1");
	free(text);
	assert_int_equal(metric_read(METRIC_QUARANTINED, "refused_by_database") - refused, 2);
	/* The raw bytes are found behind the event that came after the refused one. */
	assert_int_equal(pg_int(house->db, "SELECT part FROM event WHERE event_id = 'd7-2'"), 1);
}

static void test_a_first_event_that_is_refused_leaves_its_raw_to_the_next(void **state)
{
	struct house *house = *state;
	struct strbuf raw;
	struct err err;

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	pg_sql(house_db(house), "ALTER TABLE event ADD CHECK (event_id <> 'a-0')");
	house_post(house, "3 a");
	house_drain(house);
	expect_log(house, "a-1 a-2");
	strbuf_init(&raw, 1000);
	assert_int_equal(log_raw(house->db, 2, &raw, &err), 0);
	assert_string_equal(raw.p, "3 a");
	strbuf_fini(&raw);
}

static void test_what_cannot_even_be_set_aside_is_passed_over(void **state)
{
	struct house *house = *state;

	PG_OR_SKIP();
	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	pg_sql(house_db(house),
	       "ALTER TABLE event ADD CHECK (message_id <> 'Poison.1.0.X');"
	       "ALTER TABLE quarantine ADD CHECK (reason <> 'refused_by_database');"
	       "ALTER TABLE metric_report ADD CHECK (raw <> 'metric x')");
	house_post(house, "1 a");
	house_post(house, "1 b poison_all");
	house_post(house, "metric x");
	house_post(house, "1 c");
	house_drain(house);
	expect_log(house, "a-0 c-0");
	expect_gap_free(house);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_house, drop_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events_are_logged_in_order_and_published),
		TEST(test_every_field_comes_back),
		TEST(test_what_is_not_an_event),
		TEST(test_unverified_deliveries_are_decided_at_load),
		TEST(test_enrolled_sources_get_a_row),
		TEST(test_a_repeat_with_times_is_logged_once),
		TEST(test_a_repeat_without_times_is_logged_with_a_quirk),
		TEST(test_repeats_are_known_after_a_restart_and_end_with_the_window),
		TEST(test_repeats_of_another_replica),
		TEST(test_who_is_told),
		TEST(test_a_refused_row_costs_nobody_else),
		TEST(test_a_first_event_that_is_refused_leaves_its_raw_to_the_next),
		TEST(test_what_cannot_even_be_set_aside_is_passed_over),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
