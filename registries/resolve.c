#include "registries/resolve.h"

#include <stdlib.h>

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

/* How badly a candidate fulfils it, in one number: the first of these counts most, then the step,
 * then the distance on its rung. */
#define MISFIT_CASE        (UINT64_C(1) << 42) /* the key is spelled in other case */
#define MISFIT_CONTRADICTS (UINT64_C(1) << 41) /* it asks for another number of arguments */
#define MISFIT_FOREIGN     (UINT64_C(1) << 40) /* the sender has registries, and this is none */
#define MISFIT_STEP_SHIFT  32

static uint64_t misfit_of_step(enum resolve_step step, unsigned distance)
{
	return (uint64_t)step << MISFIT_STEP_SHIFT | distance;
}

static enum resolve_step step_of(uint64_t misfit)
{
	return (enum resolve_step)(misfit >> MISFIT_STEP_SHIFT & 0xff);
}

static uint64_t misfit_of_version(const unsigned *has, const struct wish *wish)
{
	const unsigned *wants = wish->numbers;

	if (has[0] != wants[0])
		return misfit_of_step(STEP_OTHER_MAJOR, 0);
	if (has[1] > wants[1])
		return misfit_of_step(STEP_NEWER_MINOR, has[1] - wants[1]);
	if (has[1] < wants[1])
		return misfit_of_step(STEP_OLDER_MINOR, wants[1] - has[1]);
	return misfit_of_step(STEP_EXACT, wish->has_patch && has[2] != wants[2]);
}

/* All but the case of the key. */
static uint64_t misfit_of(const struct candidate *candidate, const struct wish *wish)
{
	uint64_t misfit = misfit_of_step(STEP_EXACT, 0);

	if (wish->has_version)
		misfit = misfit_of_version(candidate->numbers, wish);
	if (wish->has_args && candidate->n_args != wish->n_args)
		misfit |= MISFIT_CONTRADICTS;
	if (wish->own && !bundle_has(wish->own, candidate->registry->number))
		misfit |= MISFIT_FOREIGN;
	return misfit;
}

#define NO_MISFIT misfit_of_step(STEP_EXACT, 0)

/* The first one of the version that is all that is wished for, or NULL. A group stands newest
 * first, and may hold the versions of ten years. */
static const struct candidate *choose_exact(const struct candidate_group *group,
					    const struct wish *wish)
{
	const unsigned *wants = wish->numbers;
	uint32_t from = 0, to = group->n;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		const unsigned *has = group->candidates[middle].numbers;

		if (has[0] > wants[0] || (has[0] == wants[0] && has[1] > wants[1]))
			from = middle + 1;
		else
			to = middle;
	}
	for (; from < group->n; from++) {
		const struct candidate *candidate = &group->candidates[from];

		if (candidate->numbers[0] != wants[0] || candidate->numbers[1] != wants[1])
			break;
		if (misfit_of(candidate, wish) == NO_MISFIT &&
		    str_eq(candidate->message->key, wish->key))
			return candidate;
	}
	return NULL;
}

/* The best of the group; the group's own order decides between equals. */
static const struct candidate *choose(const struct candidate_group *group, const struct wish *wish,
				      uint64_t *misfit_out)
{
	bool other_case = !str_eq(group->candidates->message->key, wish->key);
	const struct candidate *best = NULL;
	uint64_t least = UINT64_MAX;

	*misfit_out = NO_MISFIT;
	if (wish->has_version)
		best = choose_exact(group, wish);
	if (best)
		return best;
	for (uint32_t i = 0; i < group->n && least > NO_MISFIT; i++) {
		const struct candidate *candidate = &group->candidates[i];
		uint64_t misfit = misfit_of(candidate, wish);

		if (!group->one_spelling)
			other_case = !str_eq(candidate->message->key, wish->key);
		if (other_case)
			misfit |= MISFIT_CASE;
		if (misfit >= least)
			continue;
		best = candidate;
		least = misfit;
	}
	*misfit_out = least;
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
		uint64_t misfit;
		const struct candidate *best = choose(&list.groups[i], &wish, &misfit);

		way = (misfit & MISFIT_FOREIGN ? 2 : 0) + (misfit & MISFIT_CASE ? 1 : 0);
		found[way] = best;
		n_found[way]++;
	}
	for (way = 0; way < ARRAY_LEN(n_found) && n_found[way] == 0; way++)
		;
	return way < ARRAY_LEN(n_found) && n_found[way] == 1 ? found[way] : NULL;
}

static struct wish wish_of(const struct registry_set *set, struct uuid source,
			   const struct message_id *id, bool has_args, unsigned n_args)
{
	return (struct wish){
		.key = id->key,
		.own = set ? registry_set_bundle(set, source) : NULL,
		.has_version = id->has_version,
		.has_patch = id->form == MESSAGE_ID_PATCH,
		.numbers = { id->major, id->minor, id->patch },
		.has_args = has_args,
		.n_args = n_args,
	};
}

struct match resolve_find(const struct registry_set *set, struct uuid source, struct str message_id,
			  bool has_args, unsigned n_args)
{
	struct message_id id = message_id_parse(message_id);
	struct wish wish = wish_of(set, source, &id, has_args, n_args);
	const struct candidate_group *group;
	const struct candidate *best;
	struct match match = { .step = STEP_NONE };
	uint64_t misfit;

	if (!set || !id.key.p)
		return match;
	group = registry_set_group(set, id.prefix, id.key);
	if (group) {
		best = choose(group, &wish, &misfit);
		match.step = step_of(misfit);
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

/* --- all of them ---------------------------------------------------------------------------------
 */

struct ranked {
	struct candidate_fit fit;
	uint64_t misfit;
	size_t at; /* order of the groups, which decides between equals */
};

struct ranking {
	struct ranked *rows;
	size_t n;
};

static void rank_group(struct ranking *ranking, const struct candidate_group *group,
		       const struct wish *wish, bool is_bare)
{
	ranking->rows = xrealloc(ranking->rows, (ranking->n + group->n) * sizeof(*ranking->rows));
	for (uint32_t i = 0; i < group->n; i++) {
		const struct candidate *candidate = &group->candidates[i];
		bool other_case = !str_eq(candidate->message->key, wish->key);
		uint64_t misfit = misfit_of(candidate, wish) | (other_case ? MISFIT_CASE : 0);

		ranking->rows[ranking->n] = (struct ranked){
			.fit = { .registry = candidate->registry,
				 .message = candidate->message,
				 .step = is_bare ? STEP_BARE_KEY : step_of(misfit),
				 .other_case = other_case,
				 .contradicts = (misfit & MISFIT_CONTRADICTS) != 0,
				 .foreign = (misfit & MISFIT_FOREIGN) != 0 },
			.misfit = misfit,
			.at = ranking->n,
		};
		ranking->n++;
	}
}

static void rank_by_key(struct ranking *ranking, const struct registry_set *set, struct wish wish,
			struct str key)
{
	struct group_list list = registry_set_groups_of_key(set, key);

	wish.key = key;
	wish.has_version = false;
	for (size_t i = 0; i < list.n; i++)
		rank_group(ranking, &list.groups[i], &wish, true);
}

static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;

	if (a->misfit != b->misfit)
		return a->misfit < b->misfit ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* The one that is found goes before all others. */
static void sort_ranking(struct ranking *ranking, const struct match *match)
{
	for (size_t i = 0; i < ranking->n; i++) {
		struct ranked *row = &ranking->rows[i];

		if (row->fit.registry == match->registry && row->fit.message == match->message)
			row->misfit = 0;
	}
	if (ranking->n > 0)
		qsort(ranking->rows, ranking->n, sizeof(*ranking->rows), compare_ranked);
}

size_t resolve_candidates(const struct registry_set *set, struct uuid source, struct str message_id,
			  bool has_args, unsigned n_args, struct candidate_fit **out)
{
	struct message_id id = message_id_parse(message_id);
	struct wish wish = wish_of(set, source, &id, has_args, n_args);
	struct match match = resolve_find(set, source, message_id, has_args, n_args);
	const struct candidate_group *group = NULL;
	struct ranking ranking = { 0 };

	if (set && id.key.p) {
		group = registry_set_group(set, id.prefix, id.key);
		if (group)
			rank_group(&ranking, group, &wish, false);
		else
			rank_by_key(&ranking, set, wish, id.key);
		if (!group && id.form == MESSAGE_ID_VERSIONLESS)
			rank_by_key(&ranking, set, wish, str_trim(message_id));
	}
	sort_ranking(&ranking, &match);
	*out = xcalloc(ranking.n, sizeof(**out));
	for (size_t i = 0; i < ranking.n; i++)
		(*out)[i] = ranking.rows[i].fit;
	free(ranking.rows);
	return ranking.n;
}
