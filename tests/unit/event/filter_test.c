/* Filter: what passes, how sentences are grouped, and the words for mistakes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/filter.h"
#include "event/limits.h"
#include "event/source_set.h"

#define SOURCE_ID "7f0c0000-0000-4000-8000-000000000002"

static struct filter *parsed(const char *text)
{
	struct filter *filter = NULL;
	struct err err = { "" };

	if (filter_parse(str_of(text), &filter, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return filter;
}

static void sample(struct entry *entry, struct source *source)
{
	*source =
		(struct source){ .name = STR("rack7-n12"), .site = STR("Lyon"), .rack = STR("7") };
	assert_true(uuid_parse(STR(SOURCE_ID), &source->id));
	*entry = (struct entry){
		.seq = 4711,
		.source = source->id,
		.received_us = 1763629964000000ll, /* 2025-11-20T09:12:44Z */
		.event = { .message_id = STR("Power.1.2.PowerSupplyFailed"),
			   .event_type = STR("Alert"),
			   .event_id = STR("2162"),
			   .origin = STR("/redfish/v1/Systems/1/"),
			   .message = STR("Inlet's temperature is HIGH \xc3\x84"),
			   .has_event_time = true,
			   .event_time_us = 1763629964500000ll,
			   .severity = SEVERITY_WARNING,
			   .category = CATEGORY_ALERT },
	};
}

static void matches(void **state)
{
	static const struct {
		const char *filter;
		bool passes;
	} cases[] = {
		{ "", true },
		{ "  ", true },
		{ "Severity eq 'Warning'", true },
		{ "Severity eq 'warning'", true },
		{ "Severity eq 'Critical'", false },
		{ "Severity ne 'Critical'", true },
		{ "Severity ge 'Warning'", true },
		{ "Severity gt 'Warning'", false },
		{ "Severity gt 'OK'", true },
		{ "Severity lt 'Critical'", true },
		{ "Severity le 'OK'", false },
		{ "Severity in ('OK','Warning')", true },
		{ "Severity in ('OK')", false },
		{ "Severity eq null", false },
		{ "MessageId eq 'Power.1.2.PowerSupplyFailed'", true },
		{ "MessageId eq 'power.1.2.PowerSupplyFailed'", false },
		{ "startswith(MessageId,'Power.')", true },
		{ "endswith( MessageId , 'Failed' )", true },
		{ "endswith(MessageId,'failed')", false },
		{ "contains(MessageId,'')", true },
		{ "RegistryPrefix eq 'POWER'", true },
		{ "RegistryPrefix eq 'Pow'", false },
		{ "Category eq 'alert'", true },
		{ "Category in ('control','other')", false },
		{ "EventType eq 'Alert'", true },
		{ "Source eq 'rack7-n12'", true },
		{ "Source eq '" SOURCE_ID "'", true },
		{ "Source ne 'rack7-n12'", false },
		{ "Source ne 'rack7-n13'", true },
		{ "startswith(Source,'rack7-')", true },
		{ "Site eq 'Lyon' and Rack eq '7'", true },
		{ "Rack in ('6','8')", false },
		{ "OriginOfCondition eq '/redfish/v1/Systems/1'", true },
		{ "OriginOfCondition eq '/redfish/v1/Systems/1/'", true },
		{ "OriginOfCondition in ('/x','/redfish/v1/Systems/1//')", true },
		{ "OriginOfCondition eq '/redfish/v1/Systems'", false },
		{ "startswith(OriginOfCondition,'/redfish/v1/Systems/1/')", true },
		{ "startswith(OriginOfCondition,'/redfish/v1/Systems/')", true },
		{ "startswith(OriginOfCondition,'/redfish/v1/Systems/11')", false },
		{ "contains(Message,'TEMPERATURE is high')", true },
		{ "contains(Message,'inlet''s')", true },
		{ "contains(Message,'\xc3\x84')", true },
		{ "contains(Message,'\xc3\xa4')", false }, /* folding is ASCII's */
		{ "contains(Message,'cold')", false },
		{ "startswith(Message,'INLET')", true },
		{ "Created ge 2025-11-20T09:12:44Z", true },
		{ "Created gt '2025-11-20T09:12:44Z'", false },
		{ "Created lt 2025-11-20T10:12:44.5+01:00", true },
		{ "EventTimestamp gt 2025-11-20T09:12:44Z", true },
		{ "EventTimestamp eq 2025-11-20T09:12:44.5Z", true },
		{ "EventId eq '2162'", true },
		{ "EventId gt '2161'", true },
		{ "EventGroupId eq 0", false },
		{ "EventGroupId ne 0", true }, /* absent is not 0 */
		{ "EventGroupId eq null", true },
		{ "EventGroupId ne null", false },
		{ "EventGroupId lt 5", false },
		{ "EventGroupId in (1,null)", true },
		{ "Id eq 4711", true },
		{ "Id eq '4711'", true },
		{ "Id gt 4711 or Id lt -1", false },
		{ "not Id eq 4711", false },
		{ "not (Id eq 4711)", false },
		{ "not not Id eq 4711", true },
		/* or binds loosest, then and, then not */
		{ "Id eq 4711 or Id eq 1 and Id eq 2", true },
		{ "(Id eq 4711 or Id eq 1) and Id eq 2", false },
		{ "not Id eq 1 and Id eq 4711", true },
		{ "not (Id eq 1 and Id eq 4711)", true },
		{ "not Id eq 4711 or Id eq 4711", true },
		{ "Id eq 1 or Id eq 2 or Id eq 4711", true },
		{ "Id\teq\n4711", true },
	};
	struct entry entry;
	struct source source;

	sample(&entry, &source);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = parsed(cases[i].filter);

		if (filter_match(filter, &entry, &source) != cases[i].passes)
			fail_msg("%s", cases[i].filter);
		filter_free(filter);
	}
	assert_true(filter_match(NULL, &entry, NULL));
}

static void absent_facts(void **state)
{
	/* Nothing known, source unknown, provisional. */
	static const struct {
		const char *filter;
		bool passes;
	} cases[] = {
		{ "Severity eq 'OK'", false },
		{ "Severity ne 'OK'", true },
		{ "Severity ge 'OK'", false },
		{ "Severity eq null", true },
		{ "not Severity eq 'OK'", true },
		{ "Source ne 'x'", true },
		{ "Source eq null", true },
		{ "startswith(Source,'')", false },
		{ "Site eq null and Rack eq null", true },
		{ "Id eq null", true },
		{ "Id ne 5", true },
		{ "Id lt 5", false },
		{ "contains(Message,'')", false },
		{ "RegistryPrefix eq null", true },
		{ "EventTimestamp lt 2030-01-01T00:00:00Z", false },
		{ "MessageId in ('a')", false },
		{ "Category eq 'other'", true },
	};
	struct entry entry = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = parsed(cases[i].filter);

		if (filter_match(filter, &entry, NULL) != cases[i].passes)
			fail_msg("%s", cases[i].filter);
		filter_free(filter);
	}
}

static void prefix_of_what_answered(void **state)
{
	struct filter *filter = parsed("RegistryPrefix eq 'iDRAC'");
	struct entry entry = { .event = { .message_id = STR("TMP0100") } };

	assert_false(filter_match(filter, &entry, NULL));
	entry.event.resolved_by.registry = STR("IDRAC");
	assert_true(filter_match(filter, &entry, NULL));
	filter_free(filter);
}

static void mistakes(void **state)
{
	static const struct {
		const char *filter, *words;
	} cases[] = {
		{ "Severity is 'OK'",
		  "column 10: expected one of eq ne gt ge lt le in, found 'is'" },
		{ "  Severity is 'OK'", "column 12: expected one of eq" },
		{ "Severity", "column 9: expected one of eq ne gt ge lt le in, found the end" },
		{ "Severity EQ 'OK'", "column 10: operators are lower case: eq, not 'EQ'" },
		{ "Severety eq 'OK'",
		  "column 1: there is no name 'Severety': did you mean Severity?" },
		{ "severity eq 'OK'",
		  "column 1: there is no name 'severity': did you mean Severity?" },
		{ "Colour eq 'x'",
		  "column 1: there is no name 'Colour'; names are Severity MessageId" },
		{ "Severity eq OK", "column 13: expected a string in single quotes, found 'OK'" },
		{ "Severity eq 'Bad'",
		  "column 13: expected 'OK', 'Warning' or 'Critical', found ''Bad''" },
		{ "Severity eq \"OK\"", "column 13: strings stand in single quotes" },
		{ "Category eq 'Alert'", "column 13: expected 'alert', 'lifecycle'" },
		{ "Category gt 'alert'", "column 10: expected one of eq ne in" },
		{ "Message eq 'abc",
		  "column 12: the string that starts here has no closing quote" },
		{ "Message eq '\xc3\xa4' x",
		  "column 16: expected 'and', 'or' or the end, found 'x'" },
		{ "Id eq 4x", "column 7: expected a whole number, found '4x'" },
		{ "Id eq 99999999999999999999", "column 7: expected a whole number" },
		{ "Created gt yesterday", "column 12: expected a time such as" },
		{ "Created gt null",
		  "column 12: expected a value (null has no order), found 'null'" },
		{ "EventId eq 5", "column 12: expected a string in single quotes, found '5'" },
		{ "Id in 5", "column 7: expected '(', found '5'" },
		{ "Id in ()", "column 8: expected a whole number, found ')'" },
		{ "Id in (1 2)", "column 10: expected ',' or ')', found '2'" },
		{ "Id in (1,2", "column 11: expected ',' or ')', found the end" },
		{ "(Id eq 1", "column 9: expected 'and', 'or' or ')', found the end" },
		{ "Id eq 1)", "column 8: expected 'and', 'or' or the end, found ')'" },
		{ "Id eq 1 and",
		  "column 12: expected a name, 'not', a function or '(', found the end" },
		{ "and", "column 1: there is no name 'and'" },
		{ "contains(Id,'1')",
		  "column 10: expected a name whose value is a text, found 'Id'" },
		{ "contains(Message)", "column 17: expected ',', found ')'" },
		{ "contains(Message,x)",
		  "column 18: expected a string in single quotes, found 'x'" },
		{ "contains(Message,null)", "column 18: expected a string in single quotes" },
		{ "contains Message", "column 10: expected '('" },
		{ "Message eq '\xff'", "column 1: the filter is not UTF-8" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = NULL;
		struct err err = { "" };

		assert_int_equal(filter_parse(str_of(cases[i].filter), &filter, &err), -EINVAL);
		if (!strstr(err.text, cases[i].words))
			fail_msg("%s: '%s'", cases[i].filter, err.text);
		assert_null(filter);
	}
}

/* `part` n times between `first` and `last`; whether it parses. */
static bool accepts(const char *first, const char *part, size_t n, const char *last)
{
	struct filter *filter = NULL;
	struct strbuf text;
	struct err err = { "" };
	int r;

	strbuf_init(&text, 1 << 20);
	strbuf_put_text(&text, first);
	for (size_t i = 0; i < n; i++)
		strbuf_put_text(&text, part);
	strbuf_put_text(&text, last);
	r = filter_parse(strbuf_str(&text), &filter, &err);
	assert_true(r == 0 || strstr(err.text, "column "));
	filter_free(filter);
	strbuf_fini(&text);
	return r == 0;
}

static void caps_hold(void **state)
{
	assert_true(accepts("", "not ", FILTER_MAX_DEPTH, "Id eq 1"));
	assert_false(accepts("", "not ", FILTER_MAX_DEPTH + 1, "Id eq 1"));
	assert_false(accepts("", "(", FILTER_MAX_DEPTH + 1, ""));
	assert_true(accepts("Id eq 1", " or Id eq 1", FILTER_MAX_NODES / 2 - 1, ""));
	assert_false(accepts("Id eq 1", " or Id eq 1", FILTER_MAX_NODES / 2, ""));
	assert_true(accepts("Id in (1", ",1", FILTER_MAX_NODES - 1, ")"));
	assert_false(accepts("Id in (1", ",1", FILTER_MAX_NODES, ")"));
	assert_true(accepts("Message eq '", "a", FILTER_MAX_BYTES - 13, "'"));
	assert_false(accepts("Message eq '", "a", FILTER_MAX_BYTES - 12, "'"));
}

/* Words in any order: each either parses and can be asked, or is refused with a column. */
static void random_sentences(void **state)
{
	static const char *const words[] = {
		"Id",       "Severity",
		"Message",  "Created",
		"Category", "OriginOfCondition",
		"eq",       "ne",
		"ge",       "in",
		"and",      "or",
		"not",      "(",
		")",        ",",
		"null",     "'OK'",
		"'alert'",  "'it''s'",
		"4711",     "2025-11-20T09:12:44Z",
		"contains", "''",
		"'",        "\"",
		"\xc3\xa4",
	};
	uint32_t seed = 20251120;
	size_t n_parsed = 0;
	struct entry entry;
	struct source source;
	struct strbuf text;

	sample(&entry, &source);
	strbuf_init(&text, 4096);
	for (int i = 0; i < 50000; i++) {
		struct filter *filter = NULL;
		struct err err = { "" };

		strbuf_reset(&text);
		for (int n = i % 9; n >= 0; n--) {
			seed = seed * 1664525 + 1013904223;
			strbuf_putf(&text, "%s ", words[(seed >> 16) % ARRAY_LEN(words)]);
		}
		if (filter_parse(strbuf_str(&text), &filter, &err) < 0) {
			assert_int_equal(strncmp(err.text, "column ", 7), 0);
			continue;
		}
		n_parsed++;
		filter_match(filter, &entry, &source);
		filter_free(filter);
	}
	assert_true(n_parsed > 0);
	strbuf_fini(&text);
}

static void the_tree_is_open(void **state)
{
	struct filter *filter =
		parsed(" Severity in ('critical',null) and Created gt 2025-11-20T09:12:44Z ");
	const struct filter_node *root = filter->root;

	assert_true(
		str_eq(filter->text,
		       STR("Severity in ('critical',null) and Created gt 2025-11-20T09:12:44Z")));
	assert_int_equal(root->op, FILTER_AND);
	assert_int_equal(root->a->op, FILTER_IN);
	assert_int_equal(root->a->n_values, 2);
	assert_true(str_eq(root->a->values[0].text, STR("Critical")));
	assert_int_equal(root->a->values[0].number, SEVERITY_CRITICAL);
	assert_int_equal(root->a->values[1].kind, FILTER_IS_NULL);
	assert_int_equal(root->b->name, FILTER_CREATED);
	assert_int_equal(root->b->values[0].kind, FILTER_IS_TIME);
	assert_true(root->b->values[0].number == 1763629964000000ll);
	filter_free(filter);
	filter_free(NULL);
}

/* What a reader of many may take for granted of all that passes. */
static void what_passing_takes(void **state)
{
	static const struct {
		const char *filter, *part; /* NULL: none */
		int64_t low, high;	   /* of Id */
	} cases[] = {
		{ "contains(Message,'psu')", "psu", INT64_MIN, INT64_MAX },
		{ "startswith(Message,'a') and endswith(Message,'long')", "long", INT64_MIN, INT64_MAX },
		{ "Message eq 'all of it' and Id ge 3", "all of it", 3, INT64_MAX },
		{ "Id gt 3 and (Id lt 9 and contains(Message,'x'))", "x", 3, 9 },
		{ "Id eq 7", NULL, 7, 7 },
		{ "Id ge 3 and Id ge 5 and Id le 8 and Id le 11", NULL, 5, 8 },
		/* Not what each that passes has. */
		{ "contains(Message,'a') or Id gt 3", NULL, INT64_MIN, INT64_MAX },
		{ "not contains(Message,'a') and not (Id gt 3)", NULL, INT64_MIN, INT64_MAX },
		{ "Message ne 'a' and Id ne 3", NULL, INT64_MIN, INT64_MAX },
		{ "Message in ('a','b') and Id in (3,4)", NULL, INT64_MIN, INT64_MAX },
		{ "Message eq null and Id eq null", NULL, INT64_MIN, INT64_MAX },
		{ "contains(Message,'') and contains(EventId,'e')", NULL, INT64_MIN, INT64_MAX },
		{ "", NULL, INT64_MIN, INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct filter *filter = parsed(cases[i].filter);
		struct str part = filter_part(filter, FILTER_MESSAGE);
		int64_t low, high;

		filter_range(filter, FILTER_ID, &low, &high);
		if (!str_eq(part, str_of(cases[i].part)) || low != cases[i].low || high != cases[i].high)
			fail_msg("%s: '%.*s', %lld to %lld", cases[i].filter, STR_ARG(part),
				 (long long)low, (long long)high);
		filter_free(filter);
	}
	assert_int_equal(filter_part(NULL, FILTER_MESSAGE).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(absent_facts),
		cmocka_unit_test(prefix_of_what_answered),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(random_sentences),
		cmocka_unit_test(caps_hold),
		cmocka_unit_test(the_tree_is_open),
		cmocka_unit_test(what_passing_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
