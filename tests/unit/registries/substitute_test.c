/* Substitution: what is a placeholder, what stays, and that nothing is looked at twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registries/resolve.h"

#define MAX_ARGS 12

static size_t to_args(const char *const texts[MAX_ARGS], struct str args[MAX_ARGS])
{
	size_t n = 0;

	while (n < MAX_ARGS && texts[n]) {
		args[n] = str_of(texts[n]);
		n++;
	}
	return n;
}

static void cases_of_spec(void **state)
{
	static const struct {
		const char *name, *template;
		const char *args[MAX_ARGS];
		const char *expect;
		bool missing;
	} cases[] = {
		{ "plain", "Fan '%1' stopped.", { "Fan 3" }, "Fan 'Fan 3' stopped.", false },
		{ "two, out of order", "%2 of %1", { "a", "b" }, "b of a", false },
		{ "repeated (iDRAC)", "from %1 to %1", { "5", "6" }, "from 5 to 5", false },
		{ "adjacent", "%2%3", { "a", "b", "c" }, "bc", false },
		{ "%10 is not %1 and a zero",
		  "%10/%1",
		  { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" },
		  "j/a",
		  false },
		{ "an argument that holds a placeholder", "%1 %2", { "%2", "b" }, "%2 b", false },
		{ "an argument that completes one", "%1%12", { "%", "b" }, "%%12", true },
		{ "missing", "%1 and %2", { "a" }, "a and %2", true },
		{ "none given", "%1", { NULL }, "%1", true },
		{ "too many given", "%1", { "a", "b" }, "a", false },
		{ "empty argument", "[%1]", { "" }, "[]", false },
		{ "percent and blank (iDRAC)", "%1 %, ", { "80" }, "80 %, ", false },
		{ "percent in a sentence (iDRAC)",
		  "Log is 80% full",
		  { "x" },
		  "Log is 80% full",
		  false },
		{ "percent d (iLO)", "NIC %d", { "x" }, "NIC %d", false },
		{ "zero is literal", "%0 %00 %1", { "x" }, "%0 %00 x", false },
		{ "leading zero", "%01", { "x" }, "x", false },
		{ "two percent signs", "%%1", { "x" }, "%x", false },
		{ "at the end", "100%", { "x" }, "100%", false },
		{ "far too large",
		  "%99999999999999999999",
		  { "x" },
		  "%99999999999999999999",
		  true },
		{ "wraps to 1 in 32 bits", "%4294967297", { "x" }, "%4294967297", true },
		{ "empty template", "", { "x" }, "", false },
		{ "not ASCII", "Lüfter „%1“", { "größer" }, "Lüfter „größer“", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str args[MAX_ARGS];
		size_t n = to_args(cases[i].args, args);
		bool missing = !cases[i].missing;
		struct strbuf out;

		print_message("%s\n", cases[i].name);
		strbuf_init(&out, 4096);
		resolve_substitute(str_of(cases[i].template), args, n, &out, &missing);
		assert_false(out.failed);
		assert_int_equal(out.len, strlen(cases[i].expect));
		assert_true(str_eq(strbuf_str(&out), str_of(cases[i].expect)));
		assert_int_equal(missing, cases[i].missing);
		strbuf_fini(&out);
	}
}

static void placeholders(void **state)
{
	static const struct {
		const char *text;
		bool has;
	} cases[] = {
		{ "%1", true },    { "a %10 b", true }, { "%0", false }, { "80% full", false },
		{ "100%", false }, { "%d", false },     { "", false },   { "%%2", true },
		{ "$1", false },   { "%00 %3", true },  { "%", false },  { "%1000000", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("'%s'\n", cases[i].text);
		assert_int_equal(resolve_has_placeholder(str_of(cases[i].text)), cases[i].has);
	}
	assert_false(resolve_has_placeholder((struct str){ NULL, 0 }));
}

static void cap(void **state)
{
	struct str arg = STR("0123456789");
	struct strbuf out;

	strbuf_init(&out, 25);
	resolve_substitute(STR("%1%1"), &arg, 1, &out, NULL);
	assert_false(out.failed);
	resolve_substitute(STR("%1"), &arg, 1, &out, NULL);
	assert_true(out.failed);
	strbuf_fini(&out);
}

/* Random templates against a slow and plain second way of doing it. */
static void random_templates(void **state)
{
	static const char letters[] = "%%%0123a ";
	struct str args[3] = { STR("<%1>"), STR(""), STR("%") };
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		char template[16], expect[512];
		size_t len = 0, n = 0, i = 0;
		struct strbuf out;

		seed = seed * 1103515245u + 12345u;
		len = seed >> 16 & 15;
		for (size_t k = 0; k < len; k++) {
			seed = seed * 1103515245u + 12345u;
			template[k] = letters[(seed >> 16) % (sizeof(letters) - 1)];
		}
		while (i < len) {
			size_t end = i + 1;
			double number = 0;

			while (template[i] == '%' && end < len && template[end] >= '0' &&
			       template[end] <= '9')
				number = number * 10 + (template[end++] - '0');
			if (number >= 1 && number <= 3) {
				struct str arg = args[(int)number - 1];

				memcpy(expect + n, arg.p, arg.len);
				n += arg.len;
			} else {
				memcpy(expect + n, template + i, end - i);
				n += end - i;
			}
			i = end;
		}
		strbuf_init(&out, 4096);
		resolve_substitute((struct str){ template, len }, args, 3, &out, NULL);
		assert_int_equal(out.len, n);
		if (n > 0)
			assert_memory_equal(out.p, expect, n);
		strbuf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_of_spec),
		cmocka_unit_test(placeholders),
		cmocka_unit_test(cap),
		cmocka_unit_test(random_templates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
