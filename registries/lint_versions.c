/* Registries of one prefix and language beside each other: versions in ascending order, each of
 * them perhaps with several contents. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "registries/lint_priv.h"
#include "registries/registry_diff.h"
#include "registries/registry_priv.h"

#define NO_KEY ((struct str){ NULL, 0 })

/* The contents of one version. */
struct version {
	struct registry **registries; /* n of them, at least one */
	size_t n;
};

static int compare_nocase(struct str a, struct str b)
{
	int order = strncasecmp(a.p, b.p, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_lines(const struct registry *a, const struct registry *b)
{
	int order = compare_nocase(a->prefix, b->prefix);

	return order != 0 ? order : compare_nocase(a->language, b->language);
}

static int compare_versions(const struct registry *a, const struct registry *b)
{
	for (int i = 0; i < 3; i++) {
		if (a->numbers[i] != b->numbers[i])
			return a->numbers[i] < b->numbers[i] ? -1 : 1;
	}
	return 0;
}

static int compare_registries(const void *left, const void *right)
{
	const struct registry *a = *(struct registry *const *)left;
	const struct registry *b = *(struct registry *const *)right;
	int order = compare_lines(a, b);

	if (order == 0)
		order = compare_versions(a, b);
	return order != 0 ? order : strcmp(a->place.p, b->place.p);
}

/* --- one version ---------------------------------------------------------------------------------
 */

struct counts {
	size_t n_added, n_removed, n_changed;
	struct str last; /* key that changed last: changes of one message come together */
};

static void count_change(void *ctx, const struct registry_change *change)
{
	struct counts *counts = ctx;

	if (change->kind == CHANGE_ADDED)
		counts->n_added++;
	else if (change->kind == CHANGE_REMOVED)
		counts->n_removed++;
	else if (!str_eq(counts->last, change->key))
		counts->n_changed++;
	counts->last = change->key;
}

static void compare_twins(struct lint *lint, const struct registry *first,
			  const struct registry *second)
{
	struct counts counts = { 0 };

	if (strcmp(first->sha256, second->sha256) == 0)
		return;
	if (registry_diff(first, second, count_change, &counts) == 0)
		lint_note(lint, "same_version_bytes", second->place.p, NO_KEY,
			  "the version %.*s of '%s' too, with the same messages in other bytes",
			  STR_ARG(second->version), first->place.p);
	else
		lint_note(lint, "same_version_differs", second->place.p, NO_KEY,
			  "the version %.*s of '%s' too, with other content: %zu keys more, %zu "
			  "less, %zu changed",
			  STR_ARG(second->version), first->place.p, counts.n_added,
			  counts.n_removed, counts.n_changed);
}

static const struct message *find_in(const struct version *version, struct str key)
{
	const struct message *found = NULL;

	for (size_t i = 0; i < version->n && !found; i++)
		found = registry_find(version->registries[i], key);
	return found;
}

/* --- one version and those before ----------------------------------------------------------------
 */

static void check_vanished(struct lint *lint, const struct version *before,
			   const struct version *now)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct registry *registry = before->registries[i];
		const struct version seen = { before->registries, i };

		for (size_t k = 0; k < registry->n_messages; k++) {
			struct str key = registry->messages[k].key;

			if (find_in(now, key) || find_in(&seen, key))
				continue;
			lint_note(lint, "key_vanished", now->registries[0]->place.p, key,
				  "version %.*s has this key, %.*s has it no more",
				  STR_ARG(registry->version), STR_ARG(now->registries[0]->version));
		}
	}
}

/* Whether one of the contents says the same as `message`. */
static bool is_agreed(const struct version *before, const struct message *message, bool args)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct message *other = registry_find(before->registries[i], message->key);

		if (!other)
			continue;
		if (args ? other->n_args == message->n_args
			 : other->severity == SEVERITY_NONE || other->severity == message->severity)
			return true;
	}
	return false;
}

static void check_changed(struct lint *lint, const struct version *before,
			  const struct registry *registry, const struct message *message)
{
	const struct message *other = find_in(before, message->key);
	struct str version = before->registries[0]->version;

	if (!is_agreed(before, message, true))
		lint_note(lint, "args_changed", registry->place.p, message->key,
			  "arguments: %u here, %u in version %.*s", message->n_args, other->n_args,
			  STR_ARG(version));
	if (message->severity != SEVERITY_NONE && !is_agreed(before, message, false))
		lint_note(lint, "severity_changed", registry->place.p, message->key,
			  "%s here, %s in version %.*s", severity_name(message->severity),
			  severity_name(other->severity), STR_ARG(version));
}

/* `latest`: from a key to the last version that had it. */
static void compare_with_latest(struct lint *lint, struct map *latest, struct version *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct registry *registry = now->registries[i];

		for (size_t k = 0; k < registry->n_messages; k++) {
			const struct message *message = &registry->messages[k];
			const struct version *before = map_get(latest, message->key);

			if (before)
				check_changed(lint, before, registry, message);
		}
	}
	for (size_t i = 0; i < now->n; i++) {
		for (size_t k = 0; k < now->registries[i]->n_messages; k++)
			map_put(latest, now->registries[i]->messages[k].key, now);
	}
}

/* versions[0..n) of one major version. */
static void check_major(struct lint *lint, struct version *versions, size_t n)
{
	struct map *latest = map_new(256);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 1; k < versions[i].n; k++)
			compare_twins(lint, versions[i].registries[0], versions[i].registries[k]);
		if (i > 0)
			check_vanished(lint, &versions[i - 1], &versions[i]);
		compare_with_latest(lint, latest, &versions[i]);
	}
	map_free(latest);
}

static bool is_same_major(const struct version *a, const struct version *b)
{
	return compare_lines(a->registries[0], b->registries[0]) == 0 &&
	       a->registries[0]->numbers[0] == b->registries[0]->numbers[0];
}

static size_t judged(const struct lint *lint, struct registry **out)
{
	size_t n = 0;

	for (size_t i = 0; i < lint->n_registries; i++) {
		if (lint->registries[i].use == LINT_JUDGE)
			out[n++] = lint->registries[i].registry;
	}
	if (n > 0)
		qsort(out, n, sizeof(*out), compare_registries);
	return n;
}

static size_t form_versions(struct registry **registries, size_t n, struct version *out)
{
	size_t n_out = 0;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || compare_lines(registries[i - 1], registries[i]) != 0 ||
		    compare_versions(registries[i - 1], registries[i]) != 0)
			out[n_out++].registries = registries + i;
		out[n_out - 1].n++;
	}
	return n_out;
}

void lint_versions(struct lint *lint)
{
	struct registry **registries = xcalloc(lint->n_registries, sizeof(struct registry *));
	struct version *versions = xcalloc(lint->n_registries, sizeof(*versions));
	size_t n = form_versions(registries, judged(lint, registries), versions);

	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && is_same_major(&versions[i], &versions[next]); next++)
			;
		check_major(lint, versions + i, next - i);
	}
	free(versions);
	free(registries);
}
