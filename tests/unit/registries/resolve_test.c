/* The ladder from a MessageId to a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registries/registry.h"
#include "registries/resolve.h"
#include "registry_fixture.h"

#define NO_SOURCE ((struct uuid){ { 0 } })

static void ladder(void **state)
{
	static const struct {
		const char *name, *id;
		int n_args; /* -1: none given */
		enum resolve_step step;
		const char *text; /* NULL: nobody */
	} cases[] = {
		{ "exact, newest errata", "Fans.1.0.Stopped", 1, STEP_EXACT, "F102 %1" },
		{ "exact, the errata named", "Fans.1.0.0.Stopped", 1, STEP_EXACT, "F100 %1" },
		{ "exact, errata not there", "Fans.1.0.7.Stopped", 1, STEP_EXACT, "F102 %1" },
		{ "exact, gone from the newest errata", "Fans.1.0.Old", 0, STEP_EXACT, "F100" },
		{ "exact, no arguments given", "Fans.1.10.Stopped", -1, STEP_EXACT, "F1100 %1 %2" },
		{ "newer minor: the smallest", "Fans.1.1.Stopped", 1, STEP_NEWER_MINOR, "F120 %1" },
		{ "newer minor for a key not there yet", "Fans.1.0.New", 0, STEP_NEWER_MINOR,
		  "F120" },
		{ "minors are numbers, not text", "Fans.1.3.Stopped", 2, STEP_NEWER_MINOR,
		  "F1100 %1 %2" },
		{ "older minor: the highest", "Fans.1.11.Stopped", 2, STEP_OLDER_MINOR,
		  "F1100 %1 %2" },
		{ "older minor for a key that vanished", "Fans.1.2.Old", 0, STEP_OLDER_MINOR,
		  "F100" },
		{ "other major", "Fans.3.0.Stopped", 1, STEP_OTHER_MAJOR, "F200 %1" },
		{ "other major, downwards", "Fans.2.0.New", 0, STEP_OTHER_MAJOR, "F120" },
		{ "arguments contradict: a lower rung fits", "Fans.1.10.Stopped", 1,
		  STEP_OLDER_MINOR, "F120 %1" },
		{ "arguments contradict: another major fits", "Fans.1.10.Exists", 0,
		  STEP_OTHER_MAJOR, "F200" },
		{ "arguments contradict everywhere", "Fans.1.10.Exists", 2, STEP_EXACT,
		  "F1100 %1 %2 %3" },
		{ "no version: the newest", "Fans.Stopped", 1, STEP_EXACT, "F200 %1" },
		{ "no version: the newest that has the key", "Fans.New", 0, STEP_EXACT, "F120" },
		{ "no version: arguments decide", "Fans.Stopped", 2, STEP_EXACT, "F1100 %1 %2" },
		{ "prefix in other case", "FANS.1.2.Stopped", 1, STEP_EXACT, "F120 %1" },
		{ "iDRAC10", "IDRAC.TMP0100", 1, STEP_EXACT, "D160 %1" },
		{ "key as it is spelled", "Cases.1.0.alpha", 0, STEP_EXACT, "C100 alpha" },
		{ "key as it is spelled, though elsewhere", "Cases.1.0.ALPHA", 0, STEP_NEWER_MINOR,
		  "C110 ALPHA" },
		{ "key in other case", "Fans.1.2.STOPPED", 1, STEP_EXACT, "F120 %1" },
		{ "twins: arguments decide", "Twin.2.3.Key", 1, STEP_EXACT, "one %1" },
		{ "twins: then size", "Twin.2.3.Key", 0, STEP_EXACT, "large" },
		{ "twins: size without evidence", "Twin.2.3.Key", -1, STEP_EXACT, "large" },
		{ "bare key", "TMP0100", 1, STEP_BARE_KEY, "D160 %1" },
		{ "bare key in other case", "tmp0100", 1, STEP_BARE_KEY, "D160 %1" },
		{ "bare key of one prefix, many versions", "Stopped", 1, STEP_BARE_KEY, "F200 %1" },
		{ "bare key of two prefixes", "Shared", 0, STEP_NONE, NULL },
		{ "bare key with a dot", "Some.Dotted", 0, STEP_BARE_KEY, "O310 dotted" },
		{ "unknown prefix, key known once (iLOResourceEvents)", "Blades.1.3.Stopped", 1,
		  STEP_BARE_KEY, "F200 %1" },
		{ "unknown prefix, key known twice", "Blades.1.3.Shared", 0, STEP_NONE, NULL },
		{ "known prefix without the key", "Fans.1.0.TMP0100", 1, STEP_BARE_KEY, "D160 %1" },
		{ "unknown key", "Fans.1.0.Nothing", 1, STEP_NONE, NULL },
		{ "unknown", "Contoso.1.0.Nothing", 1, STEP_NONE, NULL },
		{ "numbers", "35.1132", -1, STEP_NONE, NULL },
		{ "hex", "0x592A28", -1, STEP_NONE, NULL },
		{ "NULL", "NULL", -1, STEP_NONE, NULL },
		{ "empty", "", -1, STEP_NONE, NULL },
	};
	struct registry_set *set = fixture_set();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct match match = resolve_find(set, NO_SOURCE, str_of(cases[i].id),
						  cases[i].n_args >= 0, (unsigned)cases[i].n_args);

		print_message("%s: %s\n", cases[i].name, cases[i].id);
		assert_string_equal(resolve_step_name(match.step),
				    resolve_step_name(cases[i].step));
		assert_int_equal(match.message != NULL, cases[i].text != NULL);
		assert_int_equal(match.registry != NULL, cases[i].text != NULL);
		if (match.message)
			assert_true(str_eq(match.message->text, str_of(cases[i].text)));
	}
	assert_true(resolve_find(set, NO_SOURCE, STR("FANS.1.2.New"), false, 0).prefix_case);
	assert_false(resolve_find(set, NO_SOURCE, STR("Fans.1.2.NEW"), false, 0).prefix_case);
	assert_false(resolve_find(set, NO_SOURCE, STR("TMP0100"), false, 0).prefix_case);
	assert_null(resolve_find(NULL, NO_SOURCE, STR("TMP0100"), false, 0).registry);
	registry_set_unref(set);
}

static void long_ids(void **state)
{
	struct registry_set *set = fixture_set();
	char id[5000];

	memset(id, 'a', sizeof(id));
	assert_int_equal(
		resolve_find(set, NO_SOURCE, (struct str){ id, sizeof(id) }, false, 0).step,
		STEP_NONE);
	memcpy(id, "Fans.1.0.", 9);
	assert_int_equal(
		resolve_find(set, NO_SOURCE, (struct str){ id, sizeof(id) }, false, 0).step,
		STEP_NONE);
	id[4000] = '.';
	memset(id, 'b', 4000);
	assert_int_equal(
		resolve_find(set, NO_SOURCE, (struct str){ id, sizeof(id) }, false, 0).step,
		STEP_NONE);
	registry_set_unref(set);
}

/* Which registry of the set says "`prefix` `version`", the n-th of them. */
static const char *hash_of(const struct registry_set *set, const char *prefix, const char *version,
			   size_t nth)
{
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);

		if (str_eq(registry_prefix(registry), str_of(prefix)) &&
		    str_eq(registry_version(registry), str_of(version)) && nth-- == 0)
			return registry_sha256(registry).p;
	}
	fail_msg("no %s %s", prefix, version);
	return NULL;
}

/* Spec 5.3: what the sender serves itself comes first. */
static void ladder_of_a_source(void **state)
{
	static const struct {
		const char *name, *id;
		int n_args;
		enum resolve_step step;
		const char *text;
	} cases[] = {
		{ "own, exact", "Fans.1.0.Stopped", 1, STEP_EXACT, "F100 %1" },
		{ "own errata though another is named", "Fans.1.0.2.Stopped", 1, STEP_EXACT,
		  "F100 %1" },
		{ "own other version before others' exact one", "Fans.1.2.Stopped", 1,
		  STEP_OLDER_MINOR, "F100 %1" },
		{ "own other major before others' exact one", "Fans.2.0.Stopped", 1,
		  STEP_OTHER_MAJOR, "F100 %1" },
		{ "not in the own one: the ladder of all", "Fans.1.2.New", 0, STEP_EXACT, "F120" },
		{ "own one contradicts the arguments", "Fans.1.10.Stopped", 2, STEP_EXACT,
		  "F1100 %1 %2" },
		{ "own one contradicts, as all do", "Fans.1.0.Stopped", 7, STEP_EXACT, "F100 %1" },
		{ "bare key: two have it, one is the sender's", "Shared", 0, STEP_BARE_KEY,
		  "O310" },
		{ "unknown prefix, the same", "Blades.1.3.Shared", 0, STEP_BARE_KEY, "O310" },
		{ "bare key of others", "TMP0100", 1, STEP_BARE_KEY, "D160 %1" },
		{ "own twin though another is larger", "Twin.2.3.Key", 0, STEP_EXACT, "small" },
		{ "nothing", "Contoso.1.0.Nothing", 1, STEP_NONE, NULL },
	};
	const struct uuid mine = { { 1 } }, other = { { 2 } };
	struct registry_set *set = fixture_set();
	const char *held[4] = { hash_of(set, "Fans", "1.0.0", 0), hash_of(set, "Other", "3.1.0", 0),
				"", "not in the set" };

	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct message *key = registry_find(registry_set_at(set, i), STR("Key"));

		if (key && str_eq(key->text, STR("small")))
			held[2] = registry_sha256(registry_set_at(set, i)).p;
	}
	registry_set_hold(set, mine, held, 4);
	assert_int_equal(registry_set_n_sources(set), 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct match match = resolve_find(set, mine, str_of(cases[i].id), true,
						  (unsigned)cases[i].n_args);

		print_message("%s: %s\n", cases[i].name, cases[i].id);
		assert_string_equal(resolve_step_name(match.step),
				    resolve_step_name(cases[i].step));
		assert_int_equal(match.message != NULL, cases[i].text != NULL);
		if (match.message)
			assert_true(str_eq(match.message->text, str_of(cases[i].text)));
	}
	assert_int_equal(resolve_find(set, other, STR("Fans.1.2.Stopped"), true, 1).step,
			 STEP_EXACT);
	registry_set_unref(set);
}

/* As many as a site has; each finds its own again, and equal lists cost one bundle. */
static void many_sources(void **state)
{
	struct registry_set *set = fixture_set();
	const char *old[] = { hash_of(set, "Fans", "1.0.0", 0) };
	const char *newer[] = { hash_of(set, "Fans", "1.2.0", 0) };

	for (uint32_t i = 1; i <= 20000; i++) {
		struct uuid source = { { 0 } };

		memcpy(source.b, &i, sizeof(i));
		registry_set_hold(set, source, i % 2 ? old : newer, 1);
	}
	assert_int_equal(registry_set_n_sources(set), 20000);
	for (uint32_t i = 1; i <= 20000; i++) {
		struct uuid source = { { 0 } };
		struct match match;

		memcpy(source.b, &i, sizeof(i));
		match = resolve_find(set, source, STR("Fans.2.0.Stopped"), true, 1);
		assert_true(str_eq(match.message->text, i % 2 ? STR("F100 %1") : STR("F120 %1")));
	}
	registry_set_unref(set);
}

/* Candidates of an id: "version step fit" of each, the best one first. */
static void list_candidates(const struct registry_set *set, struct uuid source, const char *id,
			    int n_args, struct strbuf *out)
{
	struct candidate_fit *fits;
	size_t n =
		resolve_candidates(set, source, str_of(id), n_args >= 0, (unsigned)n_args, &fits);

	strbuf_reset(out);
	strbuf_put_text(out, "");
	for (size_t i = 0; i < n; i++)
		strbuf_putf(out, "%s%.*s %.*s %s%s%s%s", i > 0 ? "; " : "",
			    STR_ARG(registry_prefix(fits[i].registry)),
			    STR_ARG(registry_version(fits[i].registry)),
			    resolve_step_name(fits[i].step), fits[i].other_case ? " case" : "",
			    fits[i].contradicts ? " args" : "", fits[i].foreign ? " foreign" : "");
	free(fits);
}

static void candidates_best_first(void **state)
{
	static const struct {
		const char *id;
		int n_args;
		const char *expected;
	} cases[] = {
		{ "Fans.1.2.Stopped", 1,
		  "Fans 1.2.0 exact; Fans 1.0.2 older_minor; Fans 1.0.0 older_minor; Fans 2.0.0 "
		  "other_major; Fans 1.10.0 newer_minor args" },
		{ "Fans.1.3.Stopped", 2,
		  "Fans 1.10.0 newer_minor; Fans 1.2.0 older_minor args; Fans 1.0.2 older_minor "
		  "args; Fans 1.0.0 older_minor args; Fans 2.0.0 other_major args" },
		{ "Fans.Old", -1, "Fans 1.0.0 exact" },
		{ "Cases.1.0.alpha", -1,
		  "Cases 1.0.0 exact; Cases 1.0.0 exact case; Cases 1.1.0 newer_minor case" },
		/* two prefixes have it: nobody is found, both are shown */
		{ "Shared", -1, "iDRAC 1.6.0 bare_key; Other 3.1.0 bare_key" },
		{ "Some.Dotted", 0, "Other 3.1.0 bare_key" },
		{ "Nobody.1.0.Knows", 0, "" },
		{ "", 0, "" },
	};
	struct registry_set *set = fixture_set();
	struct strbuf found;

	strbuf_init(&found, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		list_candidates(set, NO_SOURCE, cases[i].id, cases[i].n_args, &found);
		assert_string_equal(found.len > 0 ? found.p : "", cases[i].expected);
	}
	list_candidates(NULL, NO_SOURCE, "Fans.1.2.Stopped", 1, &found);
	assert_int_equal(found.len, 0);
	strbuf_fini(&found);
	registry_set_unref(set);
}

/* What the source serves itself comes first, and so does what is found. */
static void candidates_of_a_source(void **state)
{
	const struct uuid source = { { 7 } };
	struct registry_set *set = fixture_set();
	const char *held = NULL;
	struct strbuf found;

	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);

		if (str_eq(registry_prefix(registry), STR("Fans")) &&
		    str_eq(registry_version(registry), STR("1.0.2")))
			held = registry_sha256(registry).p;
	}
	registry_set_hold(set, source, &held, 1);
	strbuf_init(&found, 4096);
	list_candidates(set, source, "Fans.1.2.Stopped", 1, &found);
	assert_true(str_starts_with(strbuf_str(&found),
				    STR("Fans 1.0.2 older_minor; Fans 1.2.0 exact foreign; ")));
	strbuf_fini(&found);
	registry_set_unref(set);
}

/* Of a bare key the sender's own registry means it even where another one's arguments fit better:
 * what is found goes before what fits. */
static void what_is_found_is_the_first(void **state)
{
	const struct uuid source = { { 7 } };
	struct registry *registries[] = {
		fixture_registry("Fitting", "1.0.0", FIXTURE_MESSAGE("Both", 1, "OK", "Fits %1.")),
		fixture_registry("Own", "1.0.0", FIXTURE_MESSAGE("Both", 0, "OK", "Own.")),
	};
	struct registry_set *set = registry_set_new(registries, 2);
	const char *held = registry_sha256(registry_set_at(set, 1)).p;
	struct strbuf found;

	registry_set_hold(set, source, &held, 1);
	strbuf_init(&found, 4096);
	assert_true(
		str_eq(registry_prefix(resolve_find(set, source, STR("Both"), true, 1).registry),
		       STR("Own")));
	list_candidates(set, source, "Both", 1, &found);
	assert_string_equal(found.p, "Own 1.0.0 bare_key args; Fitting 1.0.0 bare_key foreign");
	strbuf_fini(&found);
	registry_set_unref(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ladder),
		cmocka_unit_test(long_ids),
		cmocka_unit_test(ladder_of_a_source),
		cmocka_unit_test(many_sources),
		cmocka_unit_test(candidates_best_first),
		cmocka_unit_test(candidates_of_a_source),
		cmocka_unit_test(what_is_found_is_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
