/* Each filter through both: filter_match() on the entries in memory, and the SQL on the same log.
 */
#include "tests/unit/storage/log_fixture.h"

#include "event/filter.h"

static const char *const bodies[] = {
	"3 psu",      "2 Fan",         "1 sparse",      "1 thing timeless", "1 e empty_args",
	"2 p poison", "1 odd quote'd", "1 zero zeroid", "1 other timeless", "1 \xc3\x84rger",
};

/* Source: all are of the fixture's, but for the deliveries whose body says otherwise. */
static struct house *house;
static struct entry_batch *all;
static char source_id[UUID_TEXT_BYTES];

static int fill(void **state)
{
	struct log_query query = { .limit = 1000 };
	struct err err;

	if (!pg_is_there())
		return 0;
	house = house_new();
	uuid_format(house->source, source_id);
	house_start(house);
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct delivery *delivery = house_delivery(house, bodies[i], 0, NULL);

		if (has_word(delivery->raw, "zeroid"))
			delivery->source = (struct uuid){ { 0 } };
		if (has_word(delivery->raw, "other"))
			delivery->source = uuid_v4(); /* one without a row */
		house_give(house, delivery);
	}
	house_drain(house);
	/* Facts that the fixture cannot write. */
	pg_sql(house_db(house),
	       "UPDATE event SET origin = '/redfish/v1/Systems/1/' WHERE seq = 1;"
	       "UPDATE event SET origin = '///' WHERE seq = 2;"
	       "UPDATE event SET origin = '', severity = 2, category = 4 WHERE seq = 3;"
	       "UPDATE event SET registry = NULL, message_id = 'power' WHERE seq = 4;"
	       "UPDATE event SET registry = NULL, message_id = 'iDRAC.1.0.X' WHERE seq = 5;"
	       "UPDATE event SET text_id = NULL, sender_message = 'Only Sent' WHERE seq = 6");
	if (log_read(house->db, &query, &all, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int empty(void **state)
{
	if (!house)
		return 0;
	entry_batch_unref(all);
	house_free(house);
	return 0;
}

static const struct source *source_of(struct source_set *set, const struct entry *entry)
{
	return source_set_by_id(set, entry->source);
}

/* Seqs as one text, for words. */
static char *seqs_of(const struct entry_batch *batch)
{
	struct strbuf text;

	strbuf_init(&text, 10000);
	strbuf_put_text(&text, "");
	for (size_t i = 0; i < batch->n; i++)
		strbuf_putf(&text, "%lld ", (long long)batch->entries[i].seq);
	return text.p ? text.p : xstrdup("");
}

static char *matching(const struct filter *filter, size_t *n)
{
	struct source_set *set = slot_get(house->sources);
	struct strbuf text;

	*n = 0;
	strbuf_init(&text, 10000);
	for (size_t i = 0; i < all->n; i++) {
		if (!filter_match(filter, &all->entries[i], source_of(set, &all->entries[i])))
			continue;
		strbuf_putf(&text, "%lld ", (long long)all->entries[i].seq);
		(*n)++;
	}
	source_set_unref(set);
	return text.p ? text.p : xstrdup("");
}

/* Returns how many pass. */
static size_t compare(const char *text)
{
	struct log_query query = { .limit = 1000 };
	struct entry_batch *batch;
	struct filter *filter;
	struct err err;
	char *in_memory, *in_sql;
	int64_t count;
	bool exact;
	size_t n;

	if (filter_parse(str_of(text), &filter, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	query.filter = filter;
	if (log_read(house->db, &query, &batch, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	in_memory = matching(filter, &n);
	in_sql = seqs_of(batch);
	if (strcmp(in_memory, in_sql) != 0)
		fail_msg("%s: SQL passes '%s', memory '%s'", text, in_sql, in_memory);
	do /* on a busy machine the time may be over */
		assert_int_equal(log_count(house->db, filter, CLOCK_US_PER_S, &count, &exact, &err), 0);
	while (!exact);
	assert_int_equal(count, n);
	free(in_memory);
	free(in_sql);
	entry_batch_unref(batch);
	filter_free(filter);
	return n;
}

static const char *const comparisons[] = {
	"",
	"Severity eq 'Critical'",
	"Severity ne 'Critical'",
	"Severity gt 'OK'",
	"Severity le 'Warning'",
	"Severity eq null",
	"Severity ne null",
	"Severity in ('Warning', null)",
	"MessageId eq 'Poison.1.0.X'",
	"MessageId ne 'Poison.1.0.X'",
	"MessageId eq null",
	"MessageId lt 'Power'",
	"MessageId ge 'Power'",
	"startswith(MessageId, 'Power.1')",
	"endswith(MessageId, 'Failed')",
	"endswith(MessageId, '')",
	"contains(MessageId, '')",
	"contains(MessageId, 'power')",
	"MessageId in ('power', 'Poison.1.0.X')",
	"RegistryPrefix eq 'POWER'",
	"RegistryPrefix eq 'idrac'",
	"RegistryPrefix eq null",
	"RegistryPrefix ne 'power'",
	"RegistryPrefix gt 'J'",
	"contains(RegistryPrefix, 'RA')",
	"startswith(RegistryPrefix, 'po')",
	"Category eq 'alert'",
	"Category ne 'alert'",
	"Category in ('telemetry', 'other')",
	"EventType eq 'Alert'",
	"EventType eq null",
	"EventType ne null",
	"Source eq 'rack7-n12'",
	"Source ne 'rack7-n12'",
	"Source eq null",
	"Source ne null",
	"Source in ('x', 'rack7-n12')",
	"contains(Source, 'n1')",
	"startswith(Source, 'rack')",
	"endswith(Source, 'nothing')",
	"contains(Source, '-')",
	"Source gt '8'",
	"Source lt 'zzz'",
	"Source in (null, 'x')",
	"Site eq 'Ulm'",
	"Site ne 'Ulm'",
	"Site eq null",
	"Site ne null",
	"contains(Site, 'l')",
	"Site gt 'A'",
	"Rack eq '7'",
	"Rack in ('8', null)",
	"not (Rack eq '7')",
	"OriginOfCondition eq '/redfish/v1/Systems/1'",
	"OriginOfCondition eq '/redfish/v1/Systems/1/'",
	"OriginOfCondition eq '/'",
	"OriginOfCondition eq ''",
	"OriginOfCondition eq null",
	"startswith(OriginOfCondition, '/redfish/v1/Systems/1/')",
	"startswith(OriginOfCondition, '/redfish/v1/Systems/1')",
	"startswith(OriginOfCondition, '/redfish/v1/Systems/')",
	"startswith(OriginOfCondition, '/')",
	"endswith(OriginOfCondition, '/1')",
	"OriginOfCondition gt '/redfish'",
	"contains(OriginOfCondition, 'Chassis')",
	"Message eq 'PSU-1 FAILED \xe2\x9a\xa1 \"X\" \\ Y'",
	"contains(Message, 'FAILED')",
	"contains(Message, 'nothing')",
	"Message ne 'only sent'",
	"startswith(Message, 'ONLY')",
	"endswith(Message, '\\ y')",
	"contains(Message, '\xc3\xa4')",
	"contains(Message, '\xc3\x84')",
	"Message eq null",
	"Message gt 'o'",
	"contains(Message, '%')",
	"contains(Message, '_')",
	"Created gt 2020-01-01T00:00:00Z",
	"Created lt 2020-01-01T00:00:00Z",
	"Created ne null",
	"EventTimestamp eq 2026-11-20T09:12:44.5Z",
	"EventTimestamp eq null",
	"EventTimestamp ne 2026-11-20T09:12:44.5Z",
	"EventTimestamp ge 0001-01-01T00:00:00Z",
	"EventId eq 'psu-1'",
	"EventId in ('psu-1', 'Fan-0', 'it''s')",
	"contains(EventId, '''')",
	"EventGroupId eq -5",
	"EventGroupId eq null",
	"EventGroupId lt 0",
	"EventGroupId ne -5",
	"Id gt 3",
	"Id in (1, 2, 99)",
	"Id ne 1",
	"Id le 9223372036854775807",
};

static void test_each_comparison(void **state)
{
	size_t n_all = 0, n_none = 0, n_some = 0;

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(comparisons); i++) {
		size_t n = compare(comparisons[i]);

		n_all += n == all->n;
		n_none += n == 0;
		n_some += n > 0 && n < all->n;
	}
	/* The cases tell apart what passes: a filter that always says the same would be seen. */
	assert_true(n_some > ARRAY_LEN(comparisons) / 2);
	assert_true(n_none > 3 && n_all > 3);
}

static void test_each_comparison_negated(void **state)
{
	PG_OR_SKIP();
	for (size_t i = 1; i < ARRAY_LEN(comparisons); i++) {
		char *text = xasprintf("not (%s)", comparisons[i]);

		compare(text);
		free(text);
	}
}

static void test_connectives(void **state)
{
	static const char *const texts[] = { "%s and %s", "%s or %s", "not (%s or not (%s))",
					     "not (%s and %s) and Id gt 2" };

	PG_OR_SKIP();
	for (size_t i = 1; i < ARRAY_LEN(comparisons); i++) {
		const char *other = comparisons[1 + i * 7 % (ARRAY_LEN(comparisons) - 1)];
		const char *form = texts[i % ARRAY_LEN(texts)];
		struct strbuf text;
		bool second = false;

		strbuf_init(&text, 10000);
		for (const char *p = form; *p; p++) {
			if (p[0] == '%' && p[1] == 's') {
				strbuf_put_text(&text, second ? other : comparisons[i]);
				second = true;
				p++;
			} else {
				strbuf_put_char(&text, *p);
			}
		}
		compare(text.p);
		strbuf_fini(&text);
	}
}

static void test_source_by_id(void **state)
{
	static const char *const forms[] = { "Source eq '%s'", "Source ne '%s'", "Source ge '%s'",
					     "startswith(Source, '%.8s')",
					     "Source in ('%s', null)" };

	PG_OR_SKIP();
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct strbuf text;

		strbuf_init(&text, 1000);
		for (const char *p = forms[i]; *p; p++) {
			if (p[0] != '%') {
				strbuf_put_char(&text, *p);
				continue;
			}
			strbuf_put(&text, (struct str){ source_id, p[1] == '.' ? 8 : 36 });
			p += p[1] == '.' ? 3 : 1;
		}
		assert_true(compare(text.p) > 0);
		strbuf_fini(&text);
	}
	assert_int_equal(compare("Source eq '00000000-0000-0000-0000-000000000000'"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_comparison),
		cmocka_unit_test(test_each_comparison_negated),
		cmocka_unit_test(test_connectives),
		cmocka_unit_test(test_source_by_id),
	};

	return cmocka_run_group_tests_name("storage/filter_sql", tests, fill, empty);
}
