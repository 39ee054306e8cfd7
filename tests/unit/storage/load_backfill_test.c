/* A record that comes by push and from the source's own log is logged once, in whatever order, and
 * two events that look the same stay two. */
#include "tests/unit/storage/log_fixture.h"

#include "storage/quarantine.h"

#define HOUR "2026-11-20T09:"

/* One event: a second of the hour, an argument, an EventId or NULL. */
struct fact {
	unsigned second;
	const char *arg, *event_id;
};

static char *pushed_body(struct fact fact, const char *envelope_id)
{
	char *event_id =
		fact.event_id ? xasprintf("\"EventId\":\"%s\",", fact.event_id) : xstrdup("");
	char *body = xasprintf(
		"{\"@odata.type\":\"#Event.v1_4_0.Event\",\"Id\":\"%s\",\"Name\":\"e\","
		"\"Events\":[{%s\"EventTimestamp\":\"" HOUR "%02u:%02u.250Z\","
		"\"Message\":\"pushed %.1s\",\"MessageId\":\"Fan.1.0.Failed\","
		"\"MessageArgs\":[\"%s\"]}]}",
		envelope_id, event_id, fact.second / 60, fact.second % 60, fact.arg, fact.arg);

	free(event_id);
	return body;
}

/* Entry `id` of the log `log`. */
static char *entry_text(struct fact fact, const char *log, unsigned id)
{
	return xasprintf(
		"{\"@odata.id\":\"/redfish/v1/Managers/1/LogServices/%s/Entries/%u\","
		"\"@odata.type\":\"#LogEntry.v1_15_0.LogEntry\",\"Id\":\"%u\",\"Name\":\"e\","
		"\"EntryType\":\"Event\",\"Created\":\"" HOUR "%02u:%02uZ\",\"Message\":"
		"\"kept %.1s\",\"MessageId\":\"Fan.1.0.Failed\",\"MessageArgs\":[\"%s\"]}",
		log, id, id, fact.second / 60, fact.second % 60, fact.arg, fact.arg);
}

static void push(struct house *house, struct fact fact, const char *envelope_id)
{
	char *body = pushed_body(fact, envelope_id);

	house_post(house, body);
	free(body);
}

/* The members as one collection; frees them. */
static void import(struct house *house, char **members, size_t n)
{
	struct strbuf body;

	strbuf_init(&body, 1 << 20);
	strbuf_put_text(&body, "{\"@odata.type\":\"#LogEntryCollection.LogEntryCollection\","
			       "\"Members\":[");
	for (size_t i = 0; i < n; i++) {
		strbuf_putf(&body, "%s%s", i > 0 ? "," : "", members[i]);
		free(members[i]);
	}
	strbuf_put_text(&body, "]}");
	house_give(house, house_delivery(house, body.p, DELIVERY_BACKFILLED, NULL));
	strbuf_fini(&body);
}

static void import_one(struct house *house, struct fact fact, const char *log, unsigned id)
{
	char *entry = entry_text(fact, log, id);

	import(house, &entry, 1);
}

/* Messages of the log in order, joined by ", "; with a mark where a flag stands. */
static void expect_messages(struct house *house, const char *expected)
{
	char *log;

	house_drain(house);
	log = pg_text(house_db(house),
		      "SELECT string_agg(t.body || CASE WHEN 'possible_repeat' = ANY (quirks)"
		      " THEN '?' ELSE '' END, ', ' ORDER BY seq)"
		      " FROM event e JOIN message_text t ON t.id = e.text_id");
	if (strcmp(log, expected) != 0)
		fail_msg("log is '%s', expected '%s'", log, expected);
	free(log);
	expect_gap_free(house);
}

static const struct fact a = { 1, "a", NULL }, b = { 2, "b", NULL }, c = { 3, "c", NULL };

static void test_pushed_first(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	push(house, a, "1");
	push(house, c, "2");
	import(house,
	       (char *[]){ entry_text(a, "L", 1), entry_text(b, "L", 2), entry_text(c, "L", 3) },
	       3);
	push(house, (struct fact){ 9, "d", NULL }, "3");
	expect_messages(house, "pushed a, pushed c, kept b, pushed d");
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"
						 " WHERE 'backfilled' = ANY (quirks)"),
			 1);
	/* The bytes it came in are found from its own row. */
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event WHERE part = 0"
						 " AND convert_from(raw, 'UTF8') LIKE '%kept b%'"),
			 1);
	expect_published(house, 4);
	house_free(house);
}

static void test_backfilled_first(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	import(house, (char *[]){ entry_text(a, "L", 1), entry_text(b, "L", 2) }, 2);
	push(house, a, "1");
	push(house, a, "1"); /* tried again: the same bytes */
	push(house, c, "2");
	expect_messages(house, "kept a, kept b, pushed c");
	/* One more that looks the same is another event. */
	push(house, a, "7");
	expect_messages(house, "kept a, kept b, pushed c, pushed a");
	house_free(house);
}

/* The tries of one push reach the service before and after it ended. */
static void test_tried_again_after_a_restart(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	import_one(house, a, "L", 1);
	push(house, a, "1");
	house_drain(house);
	house_stop(house);
	house_start(house);
	push(house, a, "1");
	push(house, b, "2");
	expect_messages(house, "kept a, pushed b");
	house_free(house);
}

/* Of two events that look the same one was pushed; their entries are read one by one. */
static void test_two_alike_stay_two(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	push(house, a, "1");
	import_one(house, a, "L", 2);
	expect_messages(house, "pushed a");
	import_one(house, a, "L", 1);
	expect_messages(house, "pushed a, kept a");
	/* Both together, and each alone, again. */
	import(house, (char *[]){ entry_text(a, "L", 1), entry_text(a, "L", 2) }, 2);
	import_one(house, a, "L", 2);
	import_one(house, a, "L", 1);
	expect_messages(house, "pushed a, kept a");
	/* The push of the second one comes late. */
	push(house, a, "2");
	expect_messages(house, "pushed a, kept a");
	push(house, a, "3");
	expect_messages(house, "pushed a, kept a, pushed a");
	house_free(house);
}

static void test_read_again(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	import(house, (char *[]){ entry_text(a, "L", 1), entry_text(b, "L", 2) }, 2);
	house_drain(house);
	house_stop(house);
	house_start(house);
	import(house,
	       (char *[]){ entry_text(c, "L", 3), entry_text(b, "L", 2), entry_text(a, "L", 1) },
	       3);
	expect_messages(house, "kept a, kept b, kept c");
	house_free(house);
}

/* Both logs of one controller tell of an event. */
static void test_two_logs(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	import_one(house, a, "L", 1);
	import_one(house, a, "SEL", 40);
	push(house, a, "1");
	expect_messages(house, "kept a");
	import_one(house, a, "SEL", 41);
	expect_messages(house, "kept a, kept a");
	house_free(house);
}

static void test_unsure_is_logged_and_flagged(void **state)
{
	struct house *house;
	char *entry =
		xstrdup("{\"Id\":\"8\",\"Created\":\"1970-01-01T00:00:08Z\",\"Message\":\"unset\","
			"\"MessageId\":\"Fan.1.0.Failed\"}");

	PG_OR_SKIP();
	house = house_ready();
	push(house, (struct fact){ 1, "a\",\"b", NULL }, "1");
	import_one(house, (struct fact){ 1, "b\",\"a", NULL }, "L", 1);
	import(house, &entry, 1);
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 3);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event WHERE"
						 " 'possible_repeat' = ANY (quirks)"),
			 2);
	/* The other way round it is the push that nobody can tell of. */
	import_one(house, (struct fact){ 5, "x\",\"y", NULL }, "L", 2);
	push(house, (struct fact){ 5, "y\",\"x", NULL }, "2");
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event WHERE"
						 " 'possible_repeat' = ANY (quirks)"),
			 3);
	house_free(house);
}

/* Another source's events are others. */
static void test_sources_are_apart(void **state)
{
	struct house *house;
	struct uuid first;

	PG_OR_SKIP();
	house = house_ready();
	first = house->source;
	push(house, a, "1");
	house->source = uuid_v4();
	import_one(house, a, "L", 1);
	house->source = first;
	push(house, b, "2");
	house->source = uuid_v4();
	push(house, a, "3");
	expect_messages(house, "pushed a, kept a, pushed b, pushed a");
	house_free(house);
}

/* Two replicas: what one reads, the other learns with its next transaction. */
static void test_replicas(void **state)
{
	struct house *one, *two;

	PG_OR_SKIP();
	one = house_ready();
	two = house_new();
	free(two->url);
	two->url = xstrdup(one->url);
	two->source = one->source;
	house_start(two);
	push(two, c, "0");
	house_drain(two);
	import_one(one, a, "L", 1);
	house_drain(one);
	push(two, a, "1");
	house_drain(two);
	import_one(two, b, "L", 2);
	house_drain(two);
	push(one, b, "2");
	push(one, a, "1");
	house_drain(one);
	import(two,
	       (char *[]){ entry_text(a, "L", 1), entry_text(b, "L", 2), entry_text(c, "L", 3) },
	       3);
	house_drain(two);
	expect_messages(one, "pushed c, kept a, kept b");
	house_free(two);
	house_free(one);
}

/* One refused entry costs its neighbours nothing, and they are known when they come again. */
static void test_refused_entry(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	push(house, a, "1");
	house_drain(house);
	pg_sql(house_db(house), "ALTER TABLE event ADD CHECK (message_args[1] <> 'poison')");
	for (int i = 0; i < 2; i++)
		import(house,
		       (char *[]){ entry_text(a, "L", 1),
				   entry_text((struct fact){ 4, "poison", NULL }, "L", 2),
				   entry_text(c, "L", 3) },
		       3);
	push(house, c, "2");
	push(house, b, "3");
	expect_messages(house, "pushed a, kept c, pushed b");
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM quarantine"), 2);
	house_free(house);
}

/* The lost answer of a COMMIT, a restart: what is loaded again is decided again. */
static void test_backlog_with_both(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_new();
	house_start(house);
	house_drain(house);
	loader_stop(house->loader);
	house->loader = NULL;
	for (unsigned i = 0; i < 50; i++) {
		struct fact fact = { i, "x", NULL };
		char *body = pushed_body(fact, "1"), *entry = entry_text(fact, "L", i);
		bool pushed_first = i % 3 == 0;
		struct delivery *first, *second;

		first = house_delivery(house, pushed_first ? body : entry,
				       pushed_first ? 0 : DELIVERY_BACKFILLED, NULL);
		second = house_delivery(house, pushed_first ? entry : body,
					pushed_first ? DELIVERY_BACKFILLED : 0, NULL);
		house_append(house, first);
		if (i % 5 != 0)
			house_append(house, second);
		delivery_unref(first);
		delivery_unref(second);
		free(body);
		free(entry);
	}
	journal_close(house->journal);
	house_start(house);
	house_drain(house);
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"), 50);
	assert_int_equal(pg_int(house_db(house),
				"SELECT count(DISTINCT event_time::timestamp(0)) FROM event"),
			 50);
	expect_gap_free(house);
	expect_published(house, 50);
	house_free(house);
}

static void take_id(void *ctx, const struct quarantined *row)
{
	*(struct quarantine_id *)ctx = row->id;
}

static int64_t retry_one(struct house *house)
{
	struct quarantine_id id;
	int64_t n_all, n_logged;
	struct err err;

	if (quarantine_list(house_db(house), 0, 1, take_id, &id, &n_all, &err) < 0 || n_all == 0)
		fail_msg("nothing in quarantine");
	if (quarantine_retry(house_db(house), id, fixture_prepare, house, &n_logged, &err) < 0)
		fail_msg("%s", err.text);
	return n_logged;
}

/* What was set aside of an imported log is still that when it is tried again: one entry that the
 * database refused, a delivery that was set aside whole, a record that could not be read. */
static void test_tried_again_from_quarantine(void **state)
{
	static const char all_sql[] = "UPDATE quarantine SET idx = -1, reason = 'too_deep'";
	static const char record_sql[] =
		"UPDATE quarantine SET reason = 'not_a_record', raw = convert_to((SELECT (m->0)::text"
		" FROM (SELECT convert_from(raw, 'UTF8')::json->'Members' AS m) x), 'UTF8')";
	static const char *const ways[] = { "SELECT 1", all_sql, record_sql };

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct house *house = house_ready();

		pg_sql(house_db(house), "ALTER TABLE event ADD CONSTRAINT no_fan CHECK"
					" (message_id <> 'Fan.1.0.Failed')");
		import_one(house, a, "L", 1);
		house_drain(house);
		pg_sql(house_db(house), ways[i]);
		pg_sql(house_db(house), "ALTER TABLE event DROP CONSTRAINT no_fan");
		assert_int_equal(retry_one(house), 1);
		assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM event"
							 " WHERE 'backfilled' = ANY (quirks)"),
				 1);
		push(house, a, "1");
		import_one(house, a, "L", 1);
		expect_messages(house, "kept a");
		house_free(house);
	}
}

/* Its events came in by push while it was set aside: then there is nothing to log, and it leaves. */
static void test_known_when_tried_again(void **state)
{
	struct house *house;

	PG_OR_SKIP();
	house = house_ready();
	pg_sql(house_db(house),
	       "ALTER TABLE event ADD CONSTRAINT no_fan CHECK (NOT 'backfilled' = ANY (quirks))");
	import_one(house, a, "L", 1);
	house_drain(house);
	push(house, a, "1");
	house_drain(house);
	assert_int_equal(retry_one(house), 0);
	expect_messages(house, "pushed a");
	assert_int_equal(pg_int(house_db(house), "SELECT count(*) FROM quarantine"), 0);
	house_free(house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pushed_first),
		cmocka_unit_test(test_backfilled_first),
		cmocka_unit_test(test_tried_again_after_a_restart),
		cmocka_unit_test(test_two_alike_stay_two),
		cmocka_unit_test(test_read_again),
		cmocka_unit_test(test_two_logs),
		cmocka_unit_test(test_unsure_is_logged_and_flagged),
		cmocka_unit_test(test_sources_are_apart),
		cmocka_unit_test(test_replicas),
		cmocka_unit_test(test_refused_entry),
		cmocka_unit_test(test_tried_again_from_quarantine),
		cmocka_unit_test(test_known_when_tried_again),
		cmocka_unit_test(test_backlog_with_both),
	};

	return run_shared_and_alone(tests, ARRAY_LEN(tests));
}
