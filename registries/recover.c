#include "registries/recover.h"

#include <string.h>

#include "registries/limits.h"
#include "registries/placeholder_priv.h"

/* A placeholder and the words before it. */
struct slot {
	struct str words;
	unsigned n;
};

/* One way to look for the template. */
struct reading {
	bool within;  /* as a part of the text, instead of all of it */
	bool guessed; /* arguments that were not given may be read */
};

struct search {
	struct slot slots[RECOVER_MAX_SLOTS];
	size_t n_slots;
	struct str tail; /* words behind the last placeholder */
	struct str text;
	const struct str *given;
	size_t n_given;
	struct reading reading;
	uint8_t n_uses[DECODE_MAX_ARGS]; /* of each given argument on the path */
	struct recovered *out;
	size_t budget; /* bytes that may still be compared */
};

static bool read_slots(struct search *search, size_t at, size_t i);

static struct str rest_of(struct str s, size_t at)
{
	return (struct str){ s.p + at, s.len - at };
}

static bool spend(struct search *search, size_t n)
{
	bool enough = search->budget > n;

	search->budget -= enough ? n : search->budget;
	return enough;
}

static bool stands_at(struct search *search, size_t at, struct str words)
{
	return spend(search, words.len + 1) && words.len <= search->text.len - at &&
	       memcmp(search->text.p + at, words.p, words.len) == 0;
}

/* Where `words` stand at or behind `from`; the text's length + 1 when nowhere. */
static size_t find_words(struct search *search, size_t from, struct str words)
{
	struct str rest;
	size_t at;

	if (from > search->text.len)
		return search->text.len + 1;
	rest = rest_of(search->text, from);
	at = str_find(rest, words);
	if (!spend(search, (at < rest.len ? at : rest.len) + words.len + 1))
		return search->text.len + 1;
	return at < rest.len || words.len == 0 ? from + at : search->text.len + 1;
}

/* --- the template ------------------------------------------------------------------------------
 */

static bool split(struct search *search, struct str template)
{
	struct placeholder at = { 0 };
	size_t done = 0;

	while (placeholder_next(template, done, &at)) {
		if (search->n_slots == RECOVER_MAX_SLOTS || at.n > DECODE_MAX_ARGS)
			return false;
		search->slots[search->n_slots++] =
			(struct slot){ { template.p + done, at.start - done }, at.n };
		if (at.n > search->out->n_args)
			search->out->n_args = at.n;
		done = at.end;
	}
	search->tail = rest_of(template, done);
	return true;
}

/* Words by which a part of the text is known to be this template. */
static size_t n_words_bytes(const struct search *search)
{
	size_t n = search->tail.len;

	for (size_t i = 0; i < search->n_slots; i++)
		n += search->slots[i].words.len;
	return n;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool read_end(struct search *search, size_t at)
{
	if (!stands_at(search, at, search->tail))
		return false;
	at += search->tail.len;
	if (!search->reading.within && at < search->text.len)
		return false;
	search->out->after = rest_of(search->text, at);
	return true;
}

static bool read_on(struct search *search, size_t at, size_t i)
{
	if (i == search->n_slots)
		return read_end(search, at);
	return stands_at(search, at, search->slots[i].words) &&
	       read_slots(search, at + search->slots[i].words.len, i);
}

/* Take the `n` bytes at `at` for the argument of slot `i`, and read on behind them. */
static bool read_as(struct search *search, size_t at, size_t i, size_t n)
{
	struct str *arg = &search->out->args[search->slots[i].n - 1], saved = *arg;

	*arg = (struct str){ search->text.p + at, n };
	if (read_on(search, at + n, i + 1))
		return true;
	*arg = saved;
	return false;
}

static bool read_given(struct search *search, size_t at, size_t i, size_t g)
{
	struct str given = search->given[g];

	if (!stands_at(search, at, given))
		return false;
	search->n_uses[g]++;
	if (read_as(search, at, i, given.len))
		return true;
	search->n_uses[g]--;
	return false;
}

/* The one that was given for this place first, then those that stand nowhere yet, then the rest. */
static bool read_any_given(struct search *search, size_t at, size_t i)
{
	size_t own = search->slots[i].n - 1;

	if (own < search->n_given && search->n_uses[own] == 0 && read_given(search, at, i, own))
		return true;
	for (size_t g = 0; g < search->n_given; g++)
		if (g != own && search->n_uses[g] == 0 && read_given(search, at, i, g))
			return true;
	for (size_t g = 0; g < search->n_given; g++)
		if (search->n_uses[g] == 1 && read_given(search, at, i, g))
			return true;
	return false;
}

/* What was not given ends before the next words; neighbours without words between them are never
 * guessed. */
static bool read_guessed(struct search *search, size_t at, size_t i)
{
	bool last = i + 1 == search->n_slots;
	struct str next = last ? search->tail : search->slots[i + 1].words;
	size_t end;

	if (last && !search->reading.within) {
		if (search->text.len - at < next.len)
			return false;
		return read_as(search, at, i, search->text.len - next.len - at);
	}
	if (next.len == 0)
		return last && read_as(search, at, i, search->text.len - at);
	for (end = find_words(search, at, next); end <= search->text.len;
	     end = find_words(search, end + 1, next))
		if (read_as(search, at, i, end - at))
			return true;
	return false;
}

static bool read_slots(struct search *search, size_t at, size_t i)
{
	const struct str *bound = &search->out->args[search->slots[i].n - 1];

	if (bound->p)
		return stands_at(search, at, *bound) && read_on(search, at + bound->len, i + 1);
	if (read_any_given(search, at, i))
		return true;
	return search->reading.guessed && read_guessed(search, at, i);
}

static bool begin_at(struct search *search, size_t at)
{
	memset(search->n_uses, 0, sizeof(search->n_uses));
	memset(search->out->args, 0, sizeof(search->out->args));
	search->out->before = (struct str){ search->text.p, at };
	return read_on(search, at, 0);
}

/* A template that begins with an argument can begin only where one that was given stands. */
static bool begin_with_given(struct search *search)
{
	for (size_t g = 0; g < search->n_given; g++) {
		struct str given = search->given[g];

		if (given.len == 0)
			continue;
		for (size_t at = find_words(search, 0, given); at <= search->text.len;
		     at = find_words(search, at + 1, given))
			if (begin_at(search, at))
				return true;
	}
	return false;
}

static bool read_text(struct search *search, struct reading reading)
{
	struct str first = search->n_slots > 0 ? search->slots[0].words : search->tail;

	search->reading = reading;
	if (!reading.within)
		return begin_at(search, 0);
	if (reading.guessed && n_words_bytes(search) < RECOVER_MIN_WORDS_BYTES)
		return false;
	if (first.len == 0)
		return begin_with_given(search);
	for (size_t at = find_words(search, 0, first); at <= search->text.len;
	     at = find_words(search, at + 1, first))
		if (begin_at(search, at))
			return true;
	return false;
}

static bool is_as_given(const struct search *search)
{
	for (size_t i = 0; i < search->out->n_args; i++) {
		struct str arg = search->out->args[i];

		if (arg.p && (i >= search->n_given || !str_eq(arg, search->given[i])))
			return false;
	}
	return true;
}

bool resolve_recover(struct str template, struct str text, const struct str *given, size_t n_given,
		     struct recovered *out)
{
	static const struct reading readings[] = {
		{ false, false }, { true, false }, { false, true }, { true, true }
	};
	struct search search = {
		.text = text,
		.given = given,
		.n_given = n_given < DECODE_MAX_ARGS ? n_given : DECODE_MAX_ARGS,
		.out = out,
	};

	*out = (struct recovered){ 0 };
	if (template.len == 0 || !text.p || !split(&search, template))
		return false;
	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++) {
		search.budget = RECOVER_BYTES_PER_BYTE * (template.len + text.len);
		if (read_text(&search, readings[i])) {
			out->as_given = is_as_given(&search);
			return true;
		}
	}
	*out = (struct recovered){ 0 };
	return false;
}
