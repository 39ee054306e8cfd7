#include "registries/registry_diff.h"

#include "base/map.h"
#include "registries/registry_priv.h"

struct diff {
	registry_change_fn *fn;
	void *ctx;
	size_t n;
};

static void change(struct diff *diff, enum registry_change_kind kind, struct str key,
		   const struct message *before, const struct message *after)
{
	const struct registry_change found = { kind, key, before, after };

	diff->n++;
	if (diff->fn)
		diff->fn(diff->ctx, &found);
}

/* Whether `message` clears every key that `other` clears. */
static bool clears_all_of(const struct message *message, const struct message *other)
{
	struct map *keys = map_new(message->n_clears);
	bool all = true;

	for (size_t i = 0; i < message->n_clears; i++)
		map_put(keys, message->clears[i], message->clears);
	for (size_t i = 0; all && i < other->n_clears; i++)
		all = map_get(keys, other->clears[i]) != NULL;
	map_free(keys);
	return all;
}

/* In whatever order the keys are named. */
static bool clear_the_same(const struct message *a, const struct message *b)
{
	return a->clears_all == b->clears_all && a->clears_same_origin == b->clears_same_origin &&
	       (a->n_clears + b->n_clears == 0 || (clears_all_of(a, b) && clears_all_of(b, a)));
}

static void compare(struct diff *diff, const struct message *a, const struct message *b)
{
	if (!str_eq(a->text, b->text))
		change(diff, CHANGE_TEXT, a->key, a, b);
	if (a->n_args != b->n_args || a->number_args != b->number_args)
		change(diff, CHANGE_ARGS, a->key, a, b);
	if (a->severity != b->severity)
		change(diff, CHANGE_SEVERITY, a->key, a, b);
	if (!str_eq(a->resolution, b->resolution))
		change(diff, CHANGE_RESOLUTION, a->key, a, b);
	if (!str_eq(a->description, b->description))
		change(diff, CHANGE_DESCRIPTION, a->key, a, b);
	if (!clear_the_same(a, b))
		change(diff, CHANGE_CLEARING, a->key, a, b);
}

size_t registry_diff(const struct registry *before, const struct registry *after,
		     registry_change_fn *fn, void *ctx)
{
	struct diff diff = { fn, ctx, 0 };
	size_t i = 0, k = 0;

	while (i < before->n_messages || k < after->n_messages) {
		const struct message *a = registry_message_at(before, i);
		const struct message *b = registry_message_at(after, k);
		int order = !a ? 1 : !b ? -1 : str_cmp(a->key, b->key);

		if (order < 0)
			change(&diff, CHANGE_REMOVED, a->key, a, NULL);
		else if (order > 0)
			change(&diff, CHANGE_ADDED, b->key, NULL, b);
		else
			compare(&diff, a, b);
		i += order <= 0;
		k += order >= 0;
	}
	return diff.n;
}

const char *registry_change_name(enum registry_change_kind kind)
{
	static const char *const names[] = {
		[CHANGE_ADDED] = "added",
		[CHANGE_REMOVED] = "removed",
		[CHANGE_TEXT] = "text",
		[CHANGE_ARGS] = "args",
		[CHANGE_SEVERITY] = "severity",
		[CHANGE_RESOLUTION] = "resolution",
		[CHANGE_DESCRIPTION] = "description",
		[CHANGE_CLEARING] = "clearing",
	};

	return names[kind];
}

/* --- in words ------------------------------------------------------------------------------------
 */

/* "2 arguments, numbers: %2" */
static void put_args(struct strbuf *out, const struct message *message)
{
	const char *word = ", numbers: ";

	strbuf_putf(out, "%u argument%s", message->n_args, message->n_args == 1 ? "" : "s");
	for (unsigned i = 0; i < 64; i++) {
		if (!(message->number_args >> i & 1))
			continue;
		strbuf_putf(out, "%s%%%u", word, i + 1);
		word = " ";
	}
}

/* "Failed, Degraded of the same origin" */
static void put_clearing(struct strbuf *out, const struct message *message)
{
	if (!message->clears_all && message->n_clears == 0)
		return;
	if (message->clears_all)
		strbuf_put_text(out, "all messages");
	for (size_t i = 0; i < message->n_clears; i++) {
		strbuf_put_text(out, i > 0 || message->clears_all ? ", " : "");
		strbuf_put(out, message->clears[i]);
	}
	if (message->clears_same_origin)
		strbuf_put_text(out, " of the same origin");
}

void registry_change_value(enum registry_change_kind kind, const struct message *message,
			   struct strbuf *out)
{
	if (!message)
		return;
	switch (kind) {
	case CHANGE_ADDED:
	case CHANGE_REMOVED:
	case CHANGE_TEXT: strbuf_put(out, message->text); break;
	case CHANGE_ARGS: put_args(out, message); break;
	case CHANGE_SEVERITY: strbuf_put_text(out, severity_name(message->severity)); break;
	case CHANGE_RESOLUTION: strbuf_put(out, message->resolution); break;
	case CHANGE_DESCRIPTION: strbuf_put(out, message->description); break;
	case CHANGE_CLEARING: put_clearing(out, message); break;
	}
}

/* Texts in quotes. */
static void put_value(struct strbuf *out, enum registry_change_kind kind,
		      const struct message *message)
{
	bool is_text = kind != CHANGE_ARGS && kind != CHANGE_SEVERITY && kind != CHANGE_CLEARING;
	size_t start = out->len;

	strbuf_put_text(out, is_text ? "'" : "");
	registry_change_value(kind, message, out);
	if (out->len == start + is_text) {
		out->len = start;
		strbuf_put_text(out, "nothing");
	} else if (is_text) {
		strbuf_put_char(out, '\'');
	}
}

void registry_change_words(const struct registry_change *change, struct strbuf *out)
{
	static const char *const was[] = {
		[CHANGE_ARGS] = "asked for ", [CHANGE_CLEARING] = "cleared "
	};
	static const char *const is[] = {
		[CHANGE_ARGS] = ", now for ", [CHANGE_CLEARING] = ", now clears "
	};
	enum registry_change_kind kind = change->kind;

	if (!change->before || !change->after) {
		put_value(out, kind, change->before ? change->before : change->after);
		return;
	}
	strbuf_put_text(out, was[kind] ? was[kind] : "was ");
	put_value(out, kind, change->before);
	strbuf_put_text(out, is[kind] ? is[kind] : ", now ");
	put_value(out, kind, change->after);
}
