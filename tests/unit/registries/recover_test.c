/* Arguments recovered from the sender's text: made-up texts for each rule, and real log entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "registries/limits.h"
#include "registries/message_id.h"
#include "registries/recover.h"
#include "registries/registry.h"
#include "registries/resolve.h"
#include "oracle_fixture.h"
#include "registry_fixture.h"

struct recover_case {
	const char *name, *template, *text;
	const char *given[5];
	const char *expect[5]; /* none: it is not found */
	const char *before, *after;
	bool as_given;
};

static const struct recover_case cases[] = {
	{ .name = "as given",
	  .template = "Fan %1 in bay %2 stopped.",
	  .text = "Fan A in bay 7 stopped.",
	  .given = { "A", "7" },
	  .expect = { "A", "7" },
	  .as_given = true },
	{ .name = "reversed (spec 5.5)",
	  .template = "Power of %1 is now %2.",
	  .text = "Power of node 4 is now Off.",
	  .given = { "Off", "node 4" },
	  .expect = { "node 4", "Off" } },
	{ .name = "permuted, one given once and standing twice",
	  .template = "Link %1 failed from %2 to %3: %4.",
	  .text = "Link j1 failed from 20:06 to 20:06: DOWN.",
	  .given = { "20:06", "DOWN", "j1" },
	  .expect = { "j1", "20:06", "20:06", "DOWN" } },
	{ .name = "a damaged number",
	  .template = "Sensor %1 reads %2.",
	  .text = "Sensor VDR reads 1.116.",
	  .given = { "-1348490916", "VDR" },
	  .expect = { "VDR", "1.116" } },
	{ .name = "more arguments than the template takes",
	  .template = "Created %1.",
	  .text = "Created /a.",
	  .given = { "/a", "/b" },
	  .expect = { "/a" },
	  .as_given = true },
	{ .name = "words before it (AMI)",
	  .template = "The resource %1 was made here.",
	  .text = "User: root, IP: ::1 - The resource /a was made here.",
	  .given = { "/a" },
	  .expect = { "/a" },
	  .before = "User: root, IP: ::1 - ",
	  .as_given = true },
	{ .name = "words behind it",
	  .template = "Drive %1 failed.",
	  .text = "Drive sda failed. See the manual.",
	  .given = { "sda" },
	  .expect = { "sda" },
	  .after = " See the manual.",
	  .as_given = true },
	{ .name = "words before a template that begins with its argument",
	  .template = "%1 has failed.",
	  .text = "By root: sda has failed.",
	  .given = { "sda" },
	  .expect = { "sda" },
	  .before = "By root: ",
	  .as_given = true },
	{ .name = "the same, not given: all of it is read",
	  .template = "%1 has failed.",
	  .text = "By root: sda has failed.",
	  .expect = { "By root: sda" } },
	{ .name = "the template's words within an argument, told apart by what was given",
	  .template = "Moved %1 to %2.",
	  .text = "Moved a to b to c.",
	  .given = { "c", "a to b" },
	  .expect = { "a to b", "c" } },
	{ .name = "the same, not given: the first place",
	  .template = "Moved %1 to %2.",
	  .text = "Moved a to b to c.",
	  .expect = { "a", "b to c" } },
	{ .name = "an argument that begins like another",
	  .template = "%1-%2",
	  .text = "a-b-a",
	  .given = { "a", "a-b" },
	  .expect = { "a-b", "a" } },
	{ .name = "neighbours, given",
	  .template = "At %1%2.",
	  .text = "At 5GHz.",
	  .given = { "GHz", "5" },
	  .expect = { "5", "GHz" } },
	{ .name = "neighbours, not given", .template = "At %1%2.", .text = "At 5GHz." },
	{ .name = "a repeated placeholder",
	  .template = "From %1 to %1 by %2.",
	  .text = "From x to x by y.",
	  .expect = { "x", "y" } },
	{ .name = "a repeated placeholder with two values",
	  .template = "From %1 to %1.",
	  .text = "From x to y." },
	{ .name = "an empty argument",
	  .template = "Slot '%1' of %2.",
	  .text = "Slot '' of 9.",
	  .given = { "", "9" },
	  .expect = { "", "9" },
	  .as_given = true },
	{ .name = "order of the template differs from its numbers",
	  .template = "%2 of %1.",
	  .text = "b of a.",
	  .given = { "b", "a" },
	  .expect = { "a", "b" } },
	{ .name = "ten is not one and a zero",
	  .template = "%10 and %1",
	  .text = "x and y",
	  .expect = { "y" } },
	{ .name = "a percent sign of its own",
	  .template = "At %1 %, hot.",
	  .text = "At 80 %, hot.",
	  .given = { "80" },
	  .expect = { "80" },
	  .as_given = true },
	{ .name = "another text", .template = "Fan %1 stopped.", .text = "Pump 3 stopped." },
	{ .name = "another language", .template = "Fan %1 failed.", .text = "Der Fan steht." },
	{ .name = "too few words to be known by",
	  .template = "is %1 C",
	  .text = "It is 5 Celsius" },
	{ .name = "no text", .template = "Fan %1 stopped.", .text = "" },
	{ .name = "a text cut short", .template = "Fan %1 stopped now.", .text = "Fan 3 stop" },
};

static size_t count(const char *const texts[5])
{
	size_t n = 0;

	while (n < 5 && texts[n])
		n++;
	return n;
}

static struct str text_of(const char *text)
{
	return text ? str_of(text) : STR("");
}

static void finds_arguments(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct recover_case *c = &cases[i];
		struct str given[5] = { { 0 } };
		struct recovered found;
		bool ok;

		print_message("%s\n", c->name);
		for (size_t k = 0; k < count(c->given); k++)
			given[k] = str_of(c->given[k]);
		ok = resolve_recover(str_of(c->template), str_of(c->text), given, count(c->given),
				     &found);
		assert_int_equal(ok, c->expect[0] != NULL);
		if (!ok)
			continue;
		for (size_t k = 0; k < count(c->expect); k++)
			assert_true(str_eq(found.args[k], str_of(c->expect[k])));
		assert_true(str_eq(found.before, text_of(c->before)));
		assert_true(str_eq(found.after, text_of(c->after)));
		assert_int_equal(found.as_given, c->as_given);
	}
}

/* Texts made to be read in a great many ways cost no more than their length allows. */
static void is_bounded(void **state)
{
	char template[3 * RECOVER_MAX_SLOTS + 8], text[8192];
	struct str given[] = { STR("a"), STR("aa"), STR("aaa"), STR("aaaa") };
	struct recovered found;
	size_t n = 0;

	(void)state;
	for (unsigned i = 0; i + 1 < RECOVER_MAX_SLOTS && i < 9; i++)
		n += (size_t)snprintf(template + n, sizeof(template) - n, "%%%ua", i + 1);
	snprintf(template + n, sizeof(template) - n, "b");
	memset(text, 'a', sizeof(text));
	assert_false(resolve_recover(str_of(template), (struct str){ text, sizeof(text) }, given,
				     ARRAY_LEN(given), &found));
}

/* --- real ones -------------------------------------------------------------------------------- */

struct tally {
	size_t n_known, n_plain, n_same, n_multiset, n_second;
};

static int compare_str(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool same_multiset(const struct str *a, size_t n_a, const struct str *b, size_t n_b)
{
	struct str x[DECODE_MAX_ARGS], y[DECODE_MAX_ARGS];

	if (n_a != n_b)
		return false;
	memcpy(x, a, n_a * sizeof(*a));
	memcpy(y, b, n_b * sizeof(*b));
	qsort(x, n_a, sizeof(*x), compare_str);
	qsort(y, n_b, sizeof(*y), compare_str);
	for (size_t i = 0; i < n_a; i++)
		if (!str_eq(x[i], y[i]))
			return false;
	return true;
}

static bool fills_to(struct str template, const struct str *args, size_t n_args, struct str before,
		     struct str after, struct str expect)
{
	struct strbuf out;
	bool same;

	strbuf_init(&out, 1 << 20);
	strbuf_put(&out, before);
	resolve_substitute(template, args, n_args, &out, NULL);
	strbuf_put(&out, after);
	same = str_eq(strbuf_str(&out), expect);
	strbuf_fini(&out);
	return same;
}

/* The arguments in a language that wants them the other way round: each behind its own number. */
static bool second_language_is_right(const struct recovered *found)
{
	struct strbuf template, expect;
	bool same;

	strbuf_init(&template, 1 << 16);
	strbuf_init(&expect, 1 << 20);
	for (size_t i = found->n_args; i > 0; i--) {
		strbuf_putf(&template, "[%zu=%%%zu]", i, i);
		strbuf_putf(&expect, "[%zu=%.*s]", i, STR_ARG(found->args[i - 1]));
	}
	same = fills_to(strbuf_str(&template), found->args, found->n_args, STR(""), STR(""),
			strbuf_str(&expect));
	strbuf_fini(&template);
	strbuf_fini(&expect);
	return same;
}

/* By any version of the registry: firmware of that time did not know the newest wording. */
static bool recover_by_any(const struct registry_set *set, struct message_id id, struct str text,
			   const struct str *given, size_t n_given, struct recovered *out,
			   struct str *template_out)
{
	for (size_t i = 0; i < registry_set_count(set); i++) {
		const struct registry *registry = registry_set_at(set, i);
		const struct message *message = registry_find(registry, id.key);

		if (!message || !str_eq_nocase(registry_prefix(registry), id.prefix))
			continue;
		*template_out = message->text;
		if (resolve_recover(message->text, text, given, n_given, out))
			return true;
	}
	return false;
}

static void count_entry(const struct registry_set *set, json_t *entry, void *data)
{
	struct tally *tally = data;
	struct str text = fixture_json_str(json_object_get(entry, "Message")), template = STR("");
	struct str given[DECODE_MAX_ARGS];
	size_t n_given = fixture_entry_args(entry, given);
	struct message_id id =
		message_id_parse(fixture_json_str(json_object_get(entry, "MessageId")));
	struct recovered found;
	bool ok;

	if (!text.p || n_given == 0 || !id.key.p)
		return;
	ok = recover_by_any(set, id, text, given, n_given, &found, &template);
	if (!ok && template.len == 0)
		return; /* nobody knows the key */
	tally->n_known++;
	if (!ok) {
		print_message("not found: '%.*s' in '%.*s'\n", STR_ARG(template), STR_ARG(text));
		return;
	}
	tally->n_plain += fills_to(template, given, n_given, STR(""), STR(""), text);
	tally->n_same +=
		fills_to(template, found.args, found.n_args, found.before, found.after, text);
	tally->n_multiset += same_multiset(found.args, found.n_args, given, n_given);
	tally->n_second += second_language_is_right(&found);
}

/* The sender's own words (spec 5.5) come out of the recovered arguments. */
static void real_log_entries(void **state)
{
	struct tally tally = { 0 };

	(void)state;
	if (!fixture_each_entry(count_entry, &tally))
		skip();
	print_message("%zu entries with text, arguments and a known key: plain substitution says "
		      "the sender's words for %zu, recovered arguments for %zu; %zu are the given "
		      "ones in some order\n",
		      tally.n_known, tally.n_plain, tally.n_same, tally.n_multiset);
	assert_true(tally.n_known >= 133);
	assert_true(tally.n_same * 100 >= tally.n_known * 99);
	assert_int_equal(tally.n_second, tally.n_same);
	assert_true(tally.n_multiset > 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_arguments),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(real_log_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
