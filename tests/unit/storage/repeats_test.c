/* Repeats, and the id set beside it: pure tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "storage/id_set.h"
#include "storage/repeats.h"

#define WINDOW 1000

static struct uuid id_of(uint32_t n)
{
	struct uuid id = { { 0 } };

	/* Few different first bytes, so that places collide. */
	id.b[0] = (uint8_t)(n % 7);
	memcpy(id.b + 8, &n, sizeof(n));
	return id;
}

static const struct uuid source_a = { { 1 } }, source_b = { { 2 } };

static void test_the_window_reaches_both_ways(void **state)
{
	static const struct {
		const char *name;
		int64_t received_us;
		bool expected;
	} cases[] = {
		{ "at once", 5000, true },
		{ "at the end", 6000, true },
		{ "just behind the end", 6001, false },
		{ "before", 4500, true },
		{ "at the begin", 4000, true },
		{ "just before the begin", 3999, false },
	};
	struct repeats *repeats = repeats_new(100, WINDOW);

	repeats_add(repeats, source_a, id_of(1), 5000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (repeats_has(repeats, source_a, id_of(1), cases[i].received_us) !=
		    cases[i].expected)
			fail_msg("%s", cases[i].name);
	assert_false(repeats_has(repeats, source_b, id_of(1), 5000));
	assert_false(repeats_has(repeats, source_a, id_of(2), 5000));
	repeats_free(repeats);
}

static void test_undo_takes_back_what_was_not_kept(void **state)
{
	struct repeats *repeats = repeats_new(100, WINDOW);

	repeats_add(repeats, source_a, id_of(1), 5000);
	repeats_keep(repeats, 5000);
	repeats_add(repeats, source_a, id_of(1), 5900);
	repeats_add(repeats, source_a, id_of(2), 5900);
	repeats_add(repeats, source_a, id_of(2), 5950);
	assert_true(repeats_has(repeats, source_a, id_of(1), 6500));
	assert_true(repeats_has(repeats, source_a, id_of(2), 6950));
	repeats_undo(repeats);
	assert_false(repeats_has(repeats, source_a, id_of(1), 6500));
	assert_true(repeats_has(repeats, source_a, id_of(1), 6000));
	assert_false(repeats_has(repeats, source_a, id_of(2), 5900));
	assert_int_equal(repeats_count(repeats), 1);
	repeats_free(repeats);
}

/* Against a plain list: grow, keep, undo, forget by age and by number, over and over. */
static void test_like_a_list(void **state)
{
	enum { MAX = 3000 };
	struct repeats *repeats = repeats_new(MAX, WINDOW);
	static int64_t kept[20000], pending[20000];
	static uint32_t order[200000];
	uint32_t random = 1, n_order = 0, first = 0;

	memset(kept, -1, sizeof(kept));
	for (int round = 0; round < 300; round++) {
		int64_t now_us = 10000 + round * 37;

		memcpy(pending, kept, sizeof(kept));
		uint32_t n_before = n_order;

		for (int i = 0; i < 200; i++) {
			random = random * 1103515245 + 12345;
			uint32_t n = random >> 8 & 0x3fff;

			if (pending[n] < 0)
				order[n_order++] = n;
			pending[n] = now_us;
			repeats_add(repeats, source_a, id_of(n), now_us);
		}
		if (round % 5 == 3) {
			repeats_undo(repeats);
			n_order = n_before;
		} else {
			repeats_keep(repeats, now_us);
			memcpy(kept, pending, sizeof(kept));
			while (n_order - first > MAX ||
			       (n_order > first && kept[order[first]] < now_us - WINDOW))
				kept[order[first++]] = -1;
		}
		assert_int_equal(repeats_count(repeats), n_order - first);
		for (uint32_t n = 0; n < 0x4000; n += 13) {
			bool expected = kept[n] >= 0 && now_us - kept[n] <= WINDOW;

			if (repeats_has(repeats, source_a, id_of(n), now_us) != expected)
				fail_msg("round %d, id %u: not %d", round, n, expected);
		}
	}
	assert_true(first > 0);
	repeats_clear(repeats);
	assert_int_equal(repeats_count(repeats), 0);
	assert_false(repeats_has(repeats, source_a, id_of(order[n_order - 1]), 10000 + 299 * 37));
	repeats_free(repeats);
}

static void test_hashes_differ(void **state)
{
	assert_true(uuid_eq(repeats_hash(STR("a")), repeats_hash(STR("a"))));
	assert_false(uuid_eq(repeats_hash(STR("a")), repeats_hash(STR("b"))));
}

static void test_id_set(void **state)
{
	const struct uuid zero = { { 0 } };
	struct id_set set;

	id_set_init(&set, 0);
	for (uint32_t n = 1; n <= 5000; n++)
		id_set_add(&set, id_of(n));
	id_set_add(&set, id_of(7));
	id_set_add(&set, zero);
	assert_int_equal(set.n, 5000);
	for (uint32_t n = 1; n <= 5000; n++)
		assert_true(id_set_has(&set, id_of(n)));
	assert_false(id_set_has(&set, id_of(5001)));
	assert_false(id_set_has(&set, zero));
	id_set_clear(&set);
	assert_false(id_set_has(&set, id_of(7)));
	id_set_fini(&set);
	id_set_init(&set, 100);
	for (uint32_t n = 1; n <= 101; n++)
		id_set_add(&set, id_of(n));
	assert_int_equal(set.n, 1); /* the bound was reached: all is forgotten */
	assert_true(id_set_has(&set, id_of(101)));
	id_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_window_reaches_both_ways),
		cmocka_unit_test(test_undo_takes_back_what_was_not_kept),
		cmocka_unit_test(test_like_a_list),
		cmocka_unit_test(test_hashes_differ),
		cmocka_unit_test(test_id_set),
	};

	return cmocka_run_group_tests_name("storage/repeats", tests, NULL, NULL);
}
