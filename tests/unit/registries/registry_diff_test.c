/* What changed from one registry to another, and the words for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "registries/registry_diff.h"
#include "registry_fixture.h"

#define BODY(severity, text, resolution, rest)                                                     \
	"\"Stopped\":{\"Description\":\"d\",\"Message\":\"" text                                   \
	"\",\"MessageSeverity\":\"" severity "\",\"NumberOfArgs\":1,\"Resolution\":\"" resolution  \
	"\"" rest "}"
#define CLEARS(keys)                                                                               \
	",\"ClearingLogic\":{\"ClearsIf\":\"SameOriginOfCondition\",\"ClearsMessage\":[" keys "]}"
#define PLAIN BODY("OK", "Fan %1.", "None.", "")

struct diff_case {
	const char *name, *before, *after;
	const char *changes[4]; /* "kind key words" in their order */
};

static const struct diff_case cases[] = {
	{ "equal", PLAIN, PLAIN, { NULL } },
	{ "a key comes",
	  PLAIN,
	  PLAIN "," FIXTURE_MESSAGE("Spinning", 0, "OK", "It spins."),
	  { "added Spinning 'It spins.'" } },
	{ "a key goes",
	  FIXTURE_MESSAGE("Zeal", 0, "OK", "Eager.") "," PLAIN,
	  PLAIN,
	  { "removed Zeal 'Eager.'" } },
	{ "other words",
	  PLAIN,
	  BODY("OK", "Cooler %1.", "None.", ""),
	  { "text Stopped was 'Fan %1.', now 'Cooler %1.'" } },
	{ "one argument more",
	  PLAIN,
	  BODY("OK", "Fan %1 of %2.", "None.", ""),
	  { "text Stopped was 'Fan %1.', now 'Fan %1 of %2.'",
	    "args Stopped asked for 1 argument, now for 2 arguments" } },
	{ "an argument becomes a number",
	  PLAIN,
	  BODY("OK", "Fan %1.", "None.", ",\"ParamTypes\":[\"number\"]"),
	  { "args Stopped asked for 1 argument, now for 1 argument, numbers: %1" } },
	{ "worse",
	  PLAIN,
	  BODY("Critical", "Fan %1.", "None.", ""),
	  { "severity Stopped was OK, now Critical" } },
	{ "advice is given",
	  BODY("OK", "Fan %1.", "", ""),
	  PLAIN,
	  { "resolution Stopped was nothing, now 'None.'" } },
	{ "it clears",
	  PLAIN,
	  BODY("OK", "Fan %1.", "None.", CLEARS("\"Slow\",\"Hot\"")),
	  { "clearing Stopped cleared nothing, now clears Slow, Hot of the same origin" } },
	{ "the order of cleared keys says nothing",
	  BODY("OK", "Fan %1.", "None.", CLEARS("\"Hot\",\"Slow\"")),
	  BODY("OK", "Fan %1.", "None.", CLEARS("\"Slow\",\"Hot\"")),
	  { NULL } },
	{ "one key less is cleared",
	  BODY("OK", "Fan %1.", "None.", CLEARS("\"Hot\",\"Slow\"")),
	  BODY("OK", "Fan %1.", "None.", CLEARS("\"Slow\"")),
	  { "clearing Stopped cleared Hot, Slow of the same origin, now clears Slow of the same "
	    "origin" } },
	{ "everything at once is cleared",
	  PLAIN,
	  BODY("OK", "Fan %1.", "None.", ",\"ClearingLogic\":{\"ClearsAll\":true}"),
	  { "clearing Stopped cleared nothing, now clears all messages" } },
	{ "several",
	  BODY("Warning", "Fan %1.", "Wait.", "") "," FIXTURE_MESSAGE("Old", 0, "OK", "o"),
	  FIXTURE_MESSAGE("Abc", 0, "OK", "a") "," BODY("OK", "Fan %1.", "None.", ""),
	  { "added Abc 'a'", "removed Old 'o'", "severity Stopped was Warning, now OK",
	    "resolution Stopped was 'Wait.', now 'None.'" } },
};

struct said {
	struct strbuf lines;
};

static void say(void *ctx, const struct registry_change *change)
{
	struct said *said = ctx;

	strbuf_putf(&said->lines, "%s %.*s ", registry_change_name(change->kind),
		    STR_ARG(change->key));
	registry_change_words(change, &said->lines);
	strbuf_put_char(&said->lines, '\n');
}

static void changes_and_words(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct registry *before = fixture_registry("Fans", "1.0.0", cases[i].before);
		struct registry *after = fixture_registry("Fans", "1.1.0", cases[i].after);
		struct said said;
		struct strbuf expected;
		size_t n = 0;

		strbuf_init(&said.lines, 1 << 16);
		strbuf_init(&expected, 1 << 16);
		strbuf_put_text(&said.lines, "");
		for (; n < 4 && cases[i].changes[n]; n++)
			strbuf_putf(&expected, "%s\n", cases[i].changes[n]);
		print_message("%s\n", cases[i].name);
		assert_int_equal(registry_diff(before, after, say, &said), n);
		assert_int_equal(registry_diff(before, after, NULL, NULL), n);
		assert_string_equal(n > 0 ? said.lines.p : "", n > 0 ? expected.p : "");
		assert_int_equal(said.lines.len, expected.len);
		strbuf_fini(&said.lines);
		strbuf_fini(&expected);
		registry_unref(before);
		registry_unref(after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
