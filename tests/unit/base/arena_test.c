#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void test_alignment_and_zero(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	for (size_t n = 0; n < 300; n++) {
		char *p = arena_alloc(arena, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n); /* a neighbour that overlaps would not be zero */
	}
	arena_free(arena);
}

static void test_cap(void **state)
{
	struct arena *arena = arena_new(10000);
	size_t n = 0;

	while (arena_alloc(arena, 100))
		n++;
	assert_in_range(n, 10000 / 112, 10000 / 100);
	assert_true(arena_used(arena) <= 10000);
	assert_null(arena_alloc(arena, SIZE_MAX));
	assert_null(arena_alloc(arena, SIZE_MAX - 64));
	assert_null(arena_copy(arena, (struct str){ "x", SIZE_MAX }).p);
	assert_null(arena_putf(arena, "%200d", 1).p);
	arena_free(arena);
}

static void test_large_piece(void **state)
{
	struct arena *arena = arena_new(8 << 20);
	char *large = arena_alloc(arena, 4 << 20);
	char *small = arena_alloc(arena, 10);

	assert_non_null(large);
	assert_non_null(small);
	large[(4 << 20) - 1] = 1;
	assert_int_equal(small[0], 0);
	assert_true(arena_used(arena) >= (4 << 20) + 10);
	arena_free(arena);
}

static void test_text(void **state)
{
	struct arena *arena = arena_new(4096);
	struct str copy = arena_copy(arena, STR("a\0b"));
	struct str built = arena_putf(arena, "%s/%d", "x", 42);

	assert_true(str_eq(copy, STR("a\0b")));
	assert_int_equal(copy.p[3], '\0');
	assert_string_equal(built.p, "x/42");
	assert_int_equal(built.len, 4);
	assert_string_equal(arena_copy(arena, (struct str){ NULL, 0 }).p, "");
	arena_free(arena);
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alignment_and_zero),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_large_piece),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
