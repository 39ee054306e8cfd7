/* Arguments recovered from a text: filled into the template they give the text again. The first
 * line holds what was given, with '|' between; the second the template; the rest is the text. */
#include "fuzz.h"

#include "registries/recover.h"
#include "registries/resolve.h"

#define MAX_GIVEN 20

static struct str take_line(struct str *all)
{
	size_t end = str_find_char(*all, '\n'), next = end + (end < all->len);
	struct str line = { all->p, end };

	*all = (struct str){ all->p + next, all->len - next };
	return line;
}

static size_t split_given(struct str line, struct str given[MAX_GIVEN])
{
	size_t n = 0;

	while (line.len > 0 && n < MAX_GIVEN) {
		size_t bar = str_find_char(line, '|'), next = bar + (bar < line.len);

		given[n++] = (struct str){ line.p, bar };
		line = (struct str){ line.p + next, line.len - next };
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = fuzz_str(data, size), given[MAX_GIVEN];
	size_t n_given = split_given(take_line(&all), given);
	struct str template = take_line(&all);
	struct recovered found;
	struct strbuf out;

	if (!resolve_recover(template, all, given, n_given, &found))
		return 0;
	strbuf_init(&out, 1u << 20);
	strbuf_put(&out, found.before);
	resolve_substitute(template, found.args, found.n_args, &out, NULL);
	strbuf_put(&out, found.after);
	CHECK(str_eq(strbuf_str(&out), all));
	strbuf_fini(&out);
	return 0;
}
