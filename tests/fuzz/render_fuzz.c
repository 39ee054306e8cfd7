/* Rendering: %n substitution against a reference that goes byte by byte. The first line holds the
 * arguments, with '|' between them; the rest is the template. */
#include "fuzz.h"

#include "event/limits.h"
#include "registries/resolve.h"

#define MAX_ARGS 20

/* Value of the digits at `at`, 0 for none or for all zeros; no more than any argument's number. */
static size_t number_at(struct str text, size_t at, size_t *end)
{
	size_t n = 0;

	for (*end = at; *end < text.len; ++*end) {
		if (text.p[*end] < '0' || text.p[*end] > '9')
			break;
		n = n * 10 + (size_t)(text.p[*end] - '0');
		n = n < 100000 ? n : 100000;
	}
	return n;
}

static void reference(struct str template, const struct str *args, size_t n_args,
		      struct strbuf *out, bool *missing, bool *some)
{
	*missing = *some = false;
	for (size_t i = 0; i < template.len;) {
		size_t end = i + 1, n = 0;

		if (template.p[i] == '%')
			n = number_at(template, i + 1, &end);
		*some = *some || (n > 0 && n <= DECODE_MAX_ARGS);
		*missing = *missing || n > n_args;
		if (n > 0 && n <= n_args)
			strbuf_put(out, args[n - 1]);
		else
			strbuf_put(out, (struct str){ template.p + i, end - i });
		i = end;
	}
}

static size_t split_args(struct str line, struct str args[MAX_ARGS])
{
	size_t n = 0;

	while (line.len > 0 && n < MAX_ARGS) {
		size_t bar = str_find_char(line, '|');

		args[n++] = (struct str){ line.p, bar };
		bar += bar < line.len;
		line = (struct str){ line.p + bar, line.len - bar };
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str args[MAX_ARGS], all = fuzz_str(data, size), template;
	size_t line = str_find_char(all, '\n'), rest = line < all.len ? line + 1 : line;
	size_t n_args = split_args((struct str){ all.p, line }, args);
	struct strbuf expected, found, small;
	bool missing, found_missing, some;

	template = (struct str){ all.p + rest, all.len - rest };
	strbuf_init(&expected, 64u << 20);
	strbuf_init(&found, 64u << 20);
	reference(template, args, n_args, &expected, &missing, &some);
	resolve_substitute(template, args, n_args, &found, &found_missing);
	CHECK(!found.failed && missing == found_missing);
	CHECK(str_eq(strbuf_str(&expected), strbuf_str(&found)));
	CHECK(some == resolve_has_placeholder(template));
	if (found.len > 0) {
		/* One byte less than it takes: nothing at all. */
		strbuf_init(&small, found.len - 1);
		resolve_substitute(template, args, n_args, &small, NULL);
		CHECK(small.failed && small.len == 0);
		strbuf_fini(&small);
	}
	strbuf_fini(&expected);
	strbuf_fini(&found);
	return 0;
}
