#include "registries/resolve.h"

#include "base/mem.h"
#include "registries/holdings_priv.h"
#include "registries/message_id.h"
#include "registries/registry_priv.h"

/* What an id asks for. */
struct wish {
	struct str key;
	const struct bundle *own; /* registries of the sender itself; NULL: none known */
	bool has_version, has_patch;
	unsigned numbers[3];
	bool has_args;
	unsigned n_args;
};

/* How well a candidate fulfils it: compared from left to right, less is better. */
struct fit {
	bool other_case;  /* the key is spelled in other case */
	bool contradicts; /* it asks for another number of arguments */
	bool foreign;     /* the sender has registries of its own, and this is none */
	enum resolve_step step;
	unsigned distance; /* on the rung */
};

static unsigned gap(unsigned a, unsigned b)
{
	return a > b ? a - b : b - a;
}

static struct fit fit_of(const struct candidate *candidate, const struct wish *wish)
{
	const unsigned *has = candidate->numbers, *wants = wish->numbers;
	struct fit fit = {
		.contradicts = wish->has_args && candidate->n_args != wish->n_args,
		.foreign = wish->own && !bundle_has(wish->own, candidate->registry->number),
		.step = STEP_EXACT,
	};

	if (!wish->has_version)
		return fit;
	if (has[0] != wants[0])
		fit.step = STEP_OTHER_MAJOR;
	else if (has[1] == wants[1])
		fit.distance = wish->has_patch && has[2] != wants[2];
	else
		fit.step = has[1] > wants[1] ? STEP_NEWER_MINOR : STEP_OLDER_MINOR;
	if (fit.step == STEP_NEWER_MINOR || fit.step == STEP_OLDER_MINOR)
		fit.distance = gap(has[1], wants[1]);
	return fit;
}

static bool is_better(const struct fit *a, const struct fit *b)
{
	if (a->other_case != b->other_case)
		return b->other_case;
	if (a->contradicts != b->contradicts)
		return b->contradicts;
	if (a->foreign != b->foreign)
		return b->foreign;
	if (a->step != b->step)
		return a->step < b->step; /* the enum goes down the ladder */
	return a->distance < b->distance;
}

/* The best of the group; the group's own order decides between equals. */
static const struct candidate *choose(const struct candidate_group *group, const struct wish *wish,
				      struct fit *fit_out)
{
	bool other_case = !str_eq(group->candidates->message->key, wish->key);
	const struct candidate *best = NULL;

	for (uint32_t i = 0; i < group->n; i++) {
		const struct candidate *candidate = &group->candidates[i];
		struct fit fit = fit_of(candidate, wish);

		if (!group->one_spelling)
			other_case = !str_eq(candidate->message->key, wish->key);
		fit.other_case = other_case;
		if (best && !is_better(&fit, fit_out))
			continue;
		best = candidate;
		*fit_out = fit;
	}
	return best;
}

/* The one prefix that has the key: among the sender's own registries, else among all; as it is
 * spelled or, when none has it so, in other case. */
static const struct candidate *choose_by_key(const struct registry_set *set, struct wish wish)
{
	struct group_list list = registry_set_groups_of_key(set, wish.key);
	const struct candidate *found[4] = { NULL };
	size_t n_found[4] = { 0 };
	size_t way = 0;

	wish.has_version = false; /* a version of another prefix says nothing */
	for (size_t i = 0; i < list.n && n_found[0] < 2; i++) {
		struct fit fit = { 0 };
		const struct candidate *best = choose(&list.groups[i], &wish, &fit);

		way = fit.foreign * 2u + fit.other_case;
		found[way] = best;
		n_found[way]++;
	}
	for (way = 0; way < ARRAY_LEN(n_found) && n_found[way] == 0; way++)
		;
	return way < ARRAY_LEN(n_found) && n_found[way] == 1 ? found[way] : NULL;
}

struct match resolve_find(const struct registry_set *set, struct uuid source, struct str message_id,
			  bool has_args, unsigned n_args)
{
	struct message_id id = message_id_parse(message_id);
	struct wish wish = {
		.key = id.key,
		.has_version = id.has_version,
		.has_patch = id.form == MESSAGE_ID_PATCH,
		.numbers = { id.major, id.minor, id.patch },
		.has_args = has_args,
		.n_args = n_args,
		.own = set ? registry_set_bundle(set, source) : NULL,
	};
	const struct candidate_group *group;
	const struct candidate *best;
	struct match match = { .step = STEP_NONE };
	struct fit fit = { 0 };

	if (!set || !id.key.p)
		return match;
	group = registry_set_group(set, id.prefix, id.key);
	if (group) {
		best = choose(group, &wish, &fit);
		match.step = fit.step;
		match.prefix_case = !str_eq(best->registry->prefix, id.prefix);
	} else {
		best = choose_by_key(set, wish);
		if (!best && id.form == MESSAGE_ID_VERSIONLESS) {
			wish.key = str_trim(message_id); /* a key with a dot in it */
			best = choose_by_key(set, wish);
		}
		match.step = best ? STEP_BARE_KEY : STEP_NONE;
	}
	if (best) {
		match.registry = best->registry;
		match.message = best->message;
	}
	return match;
}
