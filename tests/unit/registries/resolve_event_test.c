/* Which words an event gets, and what else resolving tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/metrics.h"
#include "event/limits.h"
#include "event/quirks.h"
#include "registries/message_id.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "oracle_fixture.h"
#include "registry_fixture.h"

#define NO_SOURCE ((struct uuid){ { 0 } })

struct event_case {
	const char *name, *id, *message, *resolution;
	const char *args[4];
	bool no_array; /* no MessageArgs at all */
	enum severity severity;
	enum resolve_step step;
	const char *expect; /* exact text, or with a leading '~' a part of it */
	const char *expect_resolution, *language; /* NULL: absent */
	enum severity expect_severity;
	uint64_t quirks; /* that must be set, of those in `watched` */
};

#define WATCHED                                                                                    \
	(QUIRK_BIT(ARGS_MISSING) | QUIRK_BIT(MESSAGE_TEMPLATE) | QUIRK_BIT(PREFIX_CASE) |          \
	 QUIRK_BIT(TEXT_CUT))

static const struct event_case event_cases[] = {
	{ .name = "sender's text, registry known",
	  .id = "Fans.1.2.Stopped",
	  .message = "User: root - Fan 3 has stopped",
	  .args = { "Fan 3" },
	  .step = STEP_EXACT,
	  .expect = "User: root - Fan 3 has stopped",
	  .expect_resolution = "Look at Stopped.",
	  .expect_severity = SEVERITY_CRITICAL },
	{ .name = "sender's text, registry unknown",
	  .id = "Contoso.1.0.X",
	  .message = "It broke.",
	  .severity = SEVERITY_WARNING,
	  .step = STEP_SENDER,
	  .expect = "It broke.",
	  .expect_severity = SEVERITY_WARNING },
	{ .name = "no text (iLO)",
	  .id = "Fans.1.2.Stopped",
	  .args = { "Fan 3" },
	  .step = STEP_EXACT,
	  .expect = "F120 Fan 3",
	  .expect_resolution = "Look at Stopped.",
	  .language = "en",
	  .expect_severity = SEVERITY_CRITICAL },
	{ .name = "empty text (ODIM), sender's severity and resolution win",
	  .id = "Fans.1.2.Stopped",
	  .message = " ",
	  .resolution = "Call us.",
	  .args = { "Fan 3" },
	  .severity = SEVERITY_OK,
	  .step = STEP_EXACT,
	  .expect = "F120 Fan 3",
	  .expect_resolution = "Call us.",
	  .language = "en",
	  .expect_severity = SEVERITY_OK },
	{ .name = "template, registry known",
	  .id = "fans.1.2.Stopped",
	  .message = "Old words %1",
	  .args = { "Fan 3" },
	  .step = STEP_EXACT,
	  .expect = "F120 Fan 3",
	  .expect_resolution = "Look at Stopped.",
	  .language = "en",
	  .expect_severity = SEVERITY_CRITICAL,
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) | QUIRK_BIT(PREFIX_CASE) },
	{ .name = "template, registry unknown: its own arguments",
	  .id = "Contoso.1.0.X",
	  .message = "Fan %1 of %2",
	  .args = { "3", "7" },
	  .step = STEP_SENDER,
	  .expect = "Fan 3 of 7",
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) },
	{ .name = "template without MessageId",
	  .message = "Fan %1 of %2",
	  .args = { "3" },
	  .step = STEP_SENDER,
	  .expect = "Fan 3 of %2",
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) | QUIRK_BIT(ARGS_MISSING) },
	{ .name = "template without arguments and registry",
	  .id = "Contoso.1.0.X",
	  .message = "Fan %1",
	  .no_array = true,
	  .step = STEP_SENDER,
	  .expect = "Fan %1",
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) | QUIRK_BIT(ARGS_MISSING) },
	{ .name = "a percent-encoded URL is no template",
	  .id = "Contoso.1.0.X",
	  .message = "Image /a%20b loaded",
	  .args = { "/a b" },
	  .step = STEP_SENDER,
	  .expect = "Image /a%20b loaded" },
	{ .name = "a percent sign that an argument brought",
	  .id = "Fans.1.2.Stopped",
	  .message = "Image a%1Fb loaded",
	  .args = { "a%1Fb" },
	  .step = STEP_EXACT,
	  .expect = "Image a%1Fb loaded",
	  .expect_resolution = "Look at Stopped.",
	  .expect_severity = SEVERITY_CRITICAL },
	{ .name = "a percent sign where the registry has no argument",
	  .id = "Fans.1.2.New",
	  .message = "Power 50%1",
	  .step = STEP_EXACT,
	  .expect = "Power 50%1",
	  .expect_resolution = "Look at New.",
	  .expect_severity = SEVERITY_OK },
	{ .name = "template, the registry's message needs no argument",
	  .id = "Fans.1.2.New",
	  .message = "Fan %1 is new",
	  .args = { "3" },
	  .step = STEP_EXACT,
	  .expect = "F120",
	  .expect_resolution = "Look at New.",
	  .language = "en",
	  .expect_severity = SEVERITY_OK,
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) },
	{ .name = "too few arguments stay visible",
	  .id = "Fans.1.10.Exists",
	  .args = { "a", "b" },
	  .step = STEP_EXACT,
	  .expect = "F1100 a b %3",
	  .expect_resolution = "Look at Exists.",
	  .language = "en",
	  .expect_severity = SEVERITY_OK,
	  .quirks = QUIRK_BIT(ARGS_MISSING) },
	{ .name = "bare key",
	  .id = "TMP0100",
	  .args = { "40" },
	  .step = STEP_BARE_KEY,
	  .expect = "D160 40",
	  .expect_resolution = "Look at TMP0100.",
	  .language = "en",
	  .expect_severity = SEVERITY_OK },
	{ .name = "nobody: registry missing",
	  .id = "Contoso.1.7.X",
	  .step = STEP_NONE,
	  .expect = "~message registry 'Contoso' version 1.7 is not loaded",
	  .language = "en" },
	{ .name = "nobody: how to get it",
	  .id = "Contoso.1.7.X",
	  .step = STEP_NONE,
	  .expect = "~add the sender's message registry for 'Contoso' ('rfevent registry add "
		    "FILE'), or have it read from the sender ('rfevent registry fetch SOURCE')",
	  .language = "en" },
	{ .name = "nobody: no version",
	  .id = "Contoso.X",
	  .step = STEP_NONE,
	  .expect = "~message registry 'Contoso' is not loaded",
	  .language = "en" },
	{ .name = "nobody: prefix known",
	  .id = "FANS.1.0.Nothing",
	  .step = STEP_NONE,
	  .expect = "~no loaded version of message registry 'Fans' (newest: 2.0.0) has this key",
	  .language = "en" },
	{ .name = "nobody: bare key",
	  .id = "XYZ0001",
	  .step = STEP_NONE,
	  .expect = "~bare key that no loaded message registry has",
	  .language = "en" },
	{ .name = "nobody: class and code",
	  .id = "35.1132",
	  .step = STEP_NONE,
	  .expect = "~'35.1132' came without text: its MessageId is a class and code number",
	  .language = "en" },
	{ .name = "nobody: hex",
	  .id = "0x592A28",
	  .step = STEP_NONE,
	  .expect = "~raw SEL data",
	  .language = "en" },
	{ .name = "no MessageId, text",
	  .message = "Something happened",
	  .step = STEP_SENDER,
	  .expect = "Something happened" },
	{ .name = "no MessageId, no text",
	  .step = STEP_NONE,
	  .expect = "~without MessageId and text",
	  .language = "en" },
	{ .name = "no MessageId: what to know it by",
	  .step = STEP_NONE,
	  .expect = "~(EventType: Alert; origin: /redfish/v1/Systems/1)",
	  .language = "en" },
	{ .name = "a template of blanks only",
	  .id = "Contoso.1.0.X",
	  .message = "%1",
	  .args = { " " },
	  .step = STEP_NONE,
	  .expect = "~'Contoso.1.0.X' came without text",
	  .language = "en",
	  .quirks = QUIRK_BIT(MESSAGE_TEMPLATE) },
};

static void check_event(const struct registry_set *set, const struct event_case *c)
{
	enum resolve_step step = c->step;
	struct arena *arena = arena_new(1 << 20);
	struct str args[4];
	struct event event = {
		.message_id = str_of(c->id),
		.sender_message = str_of(c->message),
		.sender_resolution = str_of(c->resolution),
		.severity = c->severity,
		.message_args = args,
		.has_message_args = !c->no_array,
		.event_type = STR("Alert"),
		.origin = STR("/redfish/v1/Systems/1"),
		.quirks = QUIRK_BIT(MESSAGE_TEMPLATE), /* a wrong guess by decode */
	};
	const char *counted = resolve_step_name(step);
	double before = metric_read(METRIC_RESOLVE, counted);

	while (event.n_message_args < 4 && c->args[event.n_message_args]) {
		args[event.n_message_args] = str_of(c->args[event.n_message_args]);
		event.n_message_args++;
	}
	resolve_event(set, NO_SOURCE, &event, arena);
	print_message("%s\n  %.*s\n", c->name, STR_ARG(event.message));
	assert_string_equal(resolve_step_name(event.resolved_by.step), resolve_step_name(step));
	assert_true(event.message.len > 0);
	if (c->expect[0] == '~')
		assert_true(str_find(event.message, str_of(c->expect + 1)) < event.message.len);
	else
		assert_true(str_eq(event.message, str_of(c->expect)));
	assert_int_equal(event.resolution.p != NULL, c->expect_resolution != NULL);
	assert_true(str_eq(event.resolution, str_of(c->expect_resolution)));
	assert_int_equal(event.language.p != NULL, c->language != NULL);
	assert_true(str_eq(event.language, str_of(c->language)));
	assert_int_equal(event.severity, c->expect_severity);
	assert_int_equal(event.quirks & WATCHED, c->quirks);
	assert_int_equal(event.category, CATEGORY_ALERT);
	assert_int_equal(event.resolved_by.registry.p != NULL, step > STEP_SENDER);
	assert_int_equal(event.resolved_by.sha256.len, step > STEP_SENDER ? 64 : 0);
	assert_int_equal((int)(metric_read(METRIC_RESOLVE, counted) - before), 1);
	arena_free(arena);
}

static void events(void **state)
{
	struct registry_set *set = fixture_set();

	for (size_t i = 0; i < sizeof(event_cases) / sizeof(event_cases[0]); i++)
		check_event(set, &event_cases[i]);
	registry_set_unref(set);
}

static void what_answered_outlives_the_set(void **state)
{
	struct registry_set *set = fixture_set();
	struct arena *arena = arena_new(1 << 20);
	struct event event = { .message_id = STR("FANS.1.2.New") };

	resolve_event(set, NO_SOURCE, &event, arena);
	registry_set_unref(set); /* whatever borrowed from it is seen by ASan below */
	assert_true(str_eq(event.message, STR("F120")));
	assert_true(str_eq(event.resolution, STR("Look at New.")));
	assert_true(str_eq(event.language, STR("en")));
	assert_true(str_eq(event.resolved_by.registry, STR("Fans")));
	assert_true(str_eq(event.resolved_by.version, STR("1.2.0")));
	arena_free(arena);
}

static void no_set_yet(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct event event = { .message_id = STR("Fans.1.2.Stopped") };

	resolve_event(NULL, NO_SOURCE, &event, arena);
	assert_int_equal(event.resolved_by.step, STEP_NONE);
	assert_true(str_find(event.message, STR("'Fans'")) < event.message.len);
	arena_free(arena);
}

static void category_with_severity(void **state)
{
	struct registry_set *set = fixture_set();
	struct arena *arena = arena_new(1 << 20);
	struct event event = { .message_id = STR("Fans.1.2.Stopped") };

	resolve_event(set, NO_SOURCE, &event, arena);
	assert_int_equal(event.category, CATEGORY_ALERT); /* Critical, by the registry alone */
	event = (struct event){ .message_id = STR("Fans.1.2.New") };
	resolve_event(set, NO_SOURCE, &event, arena);
	assert_int_equal(event.category, CATEGORY_OTHER);
	arena_free(arena);
	registry_set_unref(set);
}

/* A bare key tells its registry only once it is found. */
static void category_of_a_bare_key(void **state)
{
	struct registry *registry = fixture_registry(
		"HeartbeatEvent", "1.0.0", FIXTURE_MESSAGE("ServiceFunctional", 0, "OK", "Alive."));
	struct registry_set *set = registry_set_new(&registry, 1);
	struct arena *arena = arena_new(1 << 20);
	struct event event = { .message_id = STR("ServiceFunctional") };

	resolve_event(set, NO_SOURCE, &event, arena);
	assert_int_equal(event.category, CATEGORY_CONTROL);
	arena_free(arena);
	registry_set_unref(set);
}

static void registry_without_words(void **state)
{
	struct registry *registry = fixture_registry(
		"Bare", "1.0.0",
		"\"Described\":{\"Description\":\"What it means.\",\"MessageSeverity\":\"OK\"},"
		"\"Nothing\":{\"Message\":\"\"}");
	struct registry_set *set = registry_set_new(&registry, 1);
	struct arena *arena = arena_new(1 << 20);
	struct event event = { .message_id = STR("Bare.1.0.Described") };

	resolve_event(set, NO_SOURCE, &event, arena);
	assert_true(str_eq(event.message, STR("What it means.")));
	assert_null(event.resolution.p);
	event = (struct event){ .message_id = STR("Bare.1.0.Nothing") };
	resolve_event(set, NO_SOURCE, &event, arena);
	assert_int_equal(event.resolved_by.step, STEP_EXACT);
	assert_true(str_find(event.message, STR("has no words for it")) < event.message.len);
	arena_free(arena);
	registry_set_unref(set);
}

/* Whatever room the arena has left, the event gets a text. */
static void arena_exhausted(void **state)
{
	struct registry_set *set = fixture_set();
	struct str arg = STR("Fan 3");

	for (size_t room = 0; room < 600; room += 8) {
		struct arena *arena = arena_new(room);
		struct event event = { .message_id = STR("Fans.1.2.Stopped"),
				       .message_args = &arg,
				       .n_message_args = 1 };
		struct event unknown = { .message_id = STR("Contoso.1.2.Stopping") };

		resolve_event(set, NO_SOURCE, &event, arena);
		assert_true(event.message.len > 0);
		resolve_event(set, NO_SOURCE, &unknown, arena);
		assert_true(unknown.message.len > 0);
		arena_free(arena);
	}
	registry_set_unref(set);
}

static void text_that_fits_no_column(void **state)
{
	struct registry_set *set = fixture_set();
	struct arena *arena = arena_new(1 << 24);
	size_t n = DECODE_MAX_TEXT_BYTES;
	char *large = xmalloc(n);
	struct str arg = { large, n };
	struct event event = { .message_id = STR("Fans.1.2.Stopped"),
			       .message_args = &arg,
			       .n_message_args = 1 };

	memset(large, 'x', n);
	resolve_event(set, NO_SOURCE, &event, arena);
	assert_true(event.message.len > 0 && event.message.len <= DECODE_MAX_TEXT_BYTES);
	assert_true(event.quirks & QUIRK_BIT(TEXT_CUT));
	free(large);
	arena_free(arena);
	registry_set_unref(set);
}

/* One set, many readers, each with a reference of its own; the last one frees it. */
static void *resolve_many(void *set)
{
	for (int i = 0; i < 2000; i++) {
		struct arena *arena = arena_new(1 << 16);
		struct event event = { .message_id = STR("Fans.1.2.New") };

		resolve_event(set, NO_SOURCE, &event, arena);
		if (!str_eq(event.message, STR("F120")))
			abort();
		arena_free(arena);
	}
	registry_set_unref(set);
	return NULL;
}

static void many_threads(void **state)
{
	struct registry_set *set = fixture_set();
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, resolve_many, registry_set_ref(set)), 0);
	registry_set_unref(set);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* --- real ones -------------------------------------------------------------------------------- */

/* Whether any version of the prefix makes the sender's own words of these arguments: firmware of
 * that time did not know the newest wording. */
static bool any_version_says(const struct registry_set *set, const struct event *event,
			     struct str words)
{
	struct message_id id = message_id_parse(event->message_id);
	bool same = false;

	for (size_t i = 0; i < registry_set_count(set) && !same; i++) {
		const struct registry *registry = registry_set_at(set, i);
		const struct message *message = registry_find(registry, id.key);
		struct strbuf out;

		if (!message || !str_eq_nocase(registry_prefix(registry), id.prefix))
			continue;
		strbuf_init(&out, 1 << 16);
		resolve_substitute(message->text, event->message_args, event->n_message_args, &out,
				   NULL);
		same = str_eq(strbuf_str(&out), words);
		strbuf_fini(&out);
	}
	return same;
}

struct tally {
	size_t n_entries, n_known, n_same;
};

static void resolve_entry(const struct registry_set *set, json_t *entry, void *data)
{
	struct tally *tally = data;
	struct str args[DECODE_MAX_ARGS];
	struct arena *arena = arena_new(1 << 20);
	struct event event = {
		.message_id = fixture_json_str(json_object_get(entry, "MessageId")),
		.message_args = args,
		.n_message_args = fixture_entry_args(entry, args),
	};

	event.has_message_args = event.n_message_args > 0;
	resolve_event(set, NO_SOURCE, &event, arena);
	assert_true(event.message.len > 0);
	tally->n_entries++;
	tally->n_known += event.resolved_by.step > STEP_SENDER;
	tally->n_same +=
		any_version_says(set, &event, fixture_json_str(json_object_get(entry, "Message")));
	arena_free(arena);
}

/* Real log entries with the sender's own words: resolve without them, and compare. */
static void real_log_entries(void **state)
{
	struct tally tally = { 0 };

	if (!fixture_each_entry(resolve_entry, &tally))
		skip();
	print_message("%zu entries, %zu known, %zu as some version words it\n", tally.n_entries,
		      tally.n_known, tally.n_same);
	assert_true(tally.n_known >= 133);
	assert_true(tally.n_same >= 38);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events),
		cmocka_unit_test(what_answered_outlives_the_set),
		cmocka_unit_test(no_set_yet),
		cmocka_unit_test(category_with_severity),
		cmocka_unit_test(category_of_a_bare_key),
		cmocka_unit_test(registry_without_words),
		cmocka_unit_test(arena_exhausted),
		cmocka_unit_test(text_that_fits_no_column),
		cmocka_unit_test(many_threads),
		cmocka_unit_test(real_log_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
