#include "event/tree.h"

#include "base/map.h"

#define FEW_MEMBERS 32 /* are looked for one by one */

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h ^ h >> 32;
}

uint64_t tree_hash(const struct tree *tree)
{
	uint64_t h = mix((uint64_t)tree->kind + 1);

	switch ((enum tree_kind)tree->kind) {
	case TREE_OBJECT: /* in any order */
		for (const struct tree *member = tree->first; member; member = member->next)
			h += mix(map_hash(member->key) ^ mix(tree_hash(member)));
		return h;
	case TREE_ARRAY:
		for (const struct tree *item = tree->first; item; item = item->next)
			h = mix(h + tree_hash(item));
		return h;
	case TREE_STRING: return h ^ map_hash(tree->text);
	case TREE_INTEGER:
		return h ^ (tree->fits ? mix((uint64_t)tree->number) : map_hash(tree->place));
	case TREE_REAL: return h ^ map_hash(tree->place);
	default: return h;
	}
}

const struct tree *tree_member(const struct tree *object, struct str key)
{
	if (!tree_is(object, TREE_OBJECT))
		return NULL;
	for (const struct tree *member = object->first; member; member = member->next) {
		if (str_eq(member->key, key))
			return member;
	}
	return NULL;
}

static struct map *index_of(struct tree *object)
{
	struct map *index = map_new(object->n);

	for (struct tree *member = object->first; member; member = member->next)
		map_put(index, member->key, member);
	return index;
}

/* `other_order`: of b, made when it is needed and b is large. */
static bool same_members(const struct tree *a, struct tree *b, struct map **other_order)
{
	const struct tree *guess = b->first; /* mostly they stand in the same order */

	for (const struct tree *member = a->first; member; member = member->next) {
		const struct tree *other = guess;

		if (!other || !str_eq(other->key, member->key)) {
			if (!*other_order && b->n > FEW_MEMBERS)
				*other_order = index_of(b);
			other = *other_order ? map_get(*other_order, member->key)
					     : tree_member(b, member->key);
		}
		if (!other || !tree_same(member, other))
			return false;
		guess = other->next;
	}
	return true;
}

static bool same_objects(const struct tree *a, const struct tree *b)
{
	struct map *other_order = NULL;
	bool same = same_members(a, (struct tree *)(uintptr_t)b, &other_order);

	map_free(other_order);
	return same;
}

static bool same_items(const struct tree *a, const struct tree *b)
{
	for (a = a->first, b = b->first; a; a = a->next, b = b->next) {
		if (!tree_same(a, b))
			return false;
	}
	return true;
}

bool tree_same(const struct tree *a, const struct tree *b)
{
	if (a->kind != b->kind || a->n != b->n)
		return false;
	switch ((enum tree_kind)a->kind) {
	case TREE_OBJECT: return same_objects(a, b);
	case TREE_ARRAY: return same_items(a, b);
	case TREE_STRING: return str_eq(a->text, b->text);
	case TREE_INTEGER:
		if (a->fits && b->fits)
			return a->number == b->number;
		return str_eq(a->place, b->place);
	case TREE_REAL: return str_eq(a->place, b->place);
	default: return true;
	}
}
