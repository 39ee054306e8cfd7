/* The JSON reader, held against jansson. */
#include "fuzz.h"

#include "base/arena.h"
#include "event/tree.h"
#include "tests/unit/tree_reference.h"

static void check_places(const struct tree *tree, struct str outer)
{
	CHECK(tree->place.len > 0 && tree->place.p >= outer.p &&
	      tree->place.p + tree->place.len <= outer.p + outer.len);
	for (const struct tree *child = tree_first(tree); child; child = child->next) {
		check_places(child, tree->place);
		CHECK(!child->key.p || str_is_utf8(child->key));
	}
	if (tree->kind == TREE_STRING)
		CHECK(str_is_utf8(tree->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = fuzz_str(data, size);
	struct arena *arena = arena_new(64u << 20);
	struct tree_fault fault;
	uint64_t quirks = 0;
	struct tree *tree;

	if (!str_is_utf8(text)) {
		arena_free(arena);
		return 0;
	}
	tree = tree_read(arena, text, &quirks, &fault);
	CHECK((tree == NULL) == (fault.refusal != TREE_FINE));
	if (tree) {
		check_places(tree, text);
		CHECK(tree_same(tree, tree));
		tree_hash(tree);
	} else {
		CHECK(fault.at <= text.len);
	}
	tree_check_reference(text);
	arena_free(arena);
	return 0;
}
