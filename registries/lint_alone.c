/* What shows in one registry file beside what parsing notes: its name, and placeholders that a
 * reader of the texts would stumble over. */
#include <string.h>

#include "base/mem.h"
#include "registries/limits.h"
#include "registries/lint_priv.h"
#include "registries/placeholder_priv.h"
#include "registries/registry_priv.h"
#include "translations/language.h"

#define NO_KEY ((struct str){ NULL, 0 })

static struct str after(struct str text, size_t n)
{
	n = n < text.len ? n : text.len;
	return (struct str){ text.p + n, text.len - n };
}

static size_t n_digits(struct str text)
{
	size_t n = 0;

	while (n < text.len && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return n;
}

/* "1.2.0.json", "v1_2_0.x.json": the numbers in front, at most three, and how many there are. */
static int read_numbers(struct str *text, unsigned out[3])
{
	struct str rest = *text;
	int n = 0;

	if (rest.len > 0 && rest.p[0] == 'v')
		rest = after(rest, 1);
	while (n < 3) {
		size_t len = n_digits(rest);
		uint64_t number;

		if (len == 0 || len > 9 || !str_to_u64((struct str){ rest.p, len }, &number) ||
		    (len < rest.len && !strchr("._", rest.p[len])))
			break;
		out[n++] = (unsigned)number;
		rest = after(rest, len + 1);
	}
	*text = rest;
	return n;
}

static void check_version(struct lint *lint, const struct registry *registry,
			  const unsigned *numbers, int n)
{
	for (int i = 0; i < n; i++) {
		if (numbers[i] == registry->numbers[i])
			continue;
		lint_note(lint, "version_differs_from_file", registry_place(registry), NO_KEY,
			  n == 3 ? "RegistryVersion is %.*s, the file's name says %u.%u.%u"
				 : "RegistryVersion is %.*s, the file's name says %u.%u",
			  STR_ARG(registry->version), numbers[0], numbers[1], numbers[2]);
		return;
	}
}

/* The part of a name that is a tag: "ja", "zh-Hans", "pt-BR"; not "ibm", "EX4252", "as-served". */
static bool is_tag(struct str part, char out[LANGUAGE_MAX_BYTES])
{
	size_t n = 0; /* of the present subtag */

	if (part.len != 2 && (part.len < 5 || !strchr("-_", part.p[2])))
		return false;
	for (size_t i = 0; i < part.len; i++) {
		n = strchr("-_", part.p[i]) ? 0 : n + 1;
		if (n > 4)
			return false;
	}
	return language_tidy(part, out);
}

static void check_language(struct lint *lint, const struct registry *registry, struct str rest)
{
	char tag[LANGUAGE_MAX_BYTES];

	while (rest.len > 0) {
		size_t dot = str_find_char(rest, '.');
		struct str part = { rest.p, dot };

		rest = after(rest, dot + 1);
		if (!is_tag(part, tag) || strncasecmp(tag, registry->language.p, 2) == 0)
			continue;
		lint_note(lint, "language_differs_from_file", registry_place(registry), NO_KEY,
			  "Language is taken for '%.*s', the file's name says '%.*s'",
			  STR_ARG(registry->language), STR_ARG(part));
	}
}

static void check_name(struct lint *lint, const struct registry *registry)
{
	const char *slash = strrchr(registry->place.p, '/');
	struct str name = str_of(slash ? slash + 1 : registry->place.p);
	struct str front = { name.p, registry->prefix.len }, rest;
	unsigned numbers[3] = { 0 };
	int n;

	if (name.len <= front.len + 1 || !str_eq_nocase(front, registry->prefix))
		return; /* noted when it was parsed */
	rest = after(name, front.len + 1);
	n = read_numbers(&rest, numbers);
	if (n >= 2)
		check_version(lint, registry, numbers, n);
	check_language(lint, registry, rest);
}

/* "%2%3": nobody can say where one ends in a sender's text. */
static bool has_neighbours(struct str text)
{
	struct placeholder at = { 0 };
	size_t end = 0;

	while (placeholder_next(text, end, &at)) {
		if (end > 0 && at.start == end)
			return true;
		end = at.end;
	}
	return false;
}

static bool has_placeholder(struct str text, unsigned n)
{
	struct placeholder at = { 0 };

	while (placeholder_next(text, at.end, &at)) {
		if (at.n == n)
			return true;
	}
	return false;
}

/* The first argument that the text leaves out though it uses a later one; 0 when there is none. */
static unsigned skipped(const struct message *message)
{
	for (unsigned n = 1; n < message->n_args; n++) {
		if (!has_placeholder(message->text, n))
			return n;
	}
	return 0;
}

static void check_message(struct lint *lint, const struct registry *registry,
			  const struct message *message)
{
	unsigned n = skipped(message);

	if (n > 0)
		lint_note(lint, "placeholder_skipped", registry_place(registry), message->key,
			  "the text has no %%%u, but a %%%u", n, message->n_args);
	if (has_neighbours(message->text))
		lint_note(lint, "placeholders_adjacent", registry_place(registry), message->key,
			  "nothing stands between two placeholders");
}

void lint_registry_alone(struct lint *lint, const struct registry *registry)
{
	check_name(lint, registry);
	for (size_t i = 0; i < registry->n_messages; i++)
		check_message(lint, registry, &registry->messages[i]);
}
