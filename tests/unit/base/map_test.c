#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define N_KEYS 5000

static void test_few(void **state)
{
	struct map *map = map_new(0);
	int one = 1, two = 2;

	assert_null(map_get(map, STR("a")));
	assert_null(map_put(map, STR("a"), &one));
	assert_ptr_equal(map_get(map, STR("a")), &one);
	assert_ptr_equal(map_put(map, STR("a"), &two), &one);
	assert_int_equal(map_count(map), 1);
	assert_null(map_get(map, STR("A")));
	assert_null(map_get(map, STR("")));
	assert_null(map_put(map, STR(""), &one));
	assert_ptr_equal(map_get(map, str_of(NULL)), &one);
	assert_ptr_equal(map_remove(map, STR("a")), &two);
	assert_null(map_remove(map, STR("a")));
	assert_int_equal(map_count(map), 1);
	map_free(map);
	map_free(NULL);
}

/* Random puts and removals against a plain array. */
static void test_against_array(void **state)
{
	static char keys[N_KEYS][16];
	static bool present[N_KEYS];
	struct map *map = map_new(10);
	size_t n = 0, cursor = 0, n_walked = 0;
	struct str key;
	void *value;

	for (int i = 0; i < N_KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
	srand(1);
	for (int step = 0; step < 100000; step++) {
		int i = rand() % N_KEYS;
		bool put = rand() % 5 < 3;
		void *before = put ? map_put(map, str_of(keys[i]), keys[i])
				   : map_remove(map, str_of(keys[i]));

		assert_ptr_equal(before, present[i] ? keys[i] : NULL);
		n += (size_t)(put && !present[i]);
		n -= (size_t)(!put && present[i]);
		present[i] = put;
		assert_int_equal(map_count(map), n);
	}
	for (int i = 0; i < N_KEYS; i++)
		assert_ptr_equal(map_get(map, str_of(keys[i])), present[i] ? keys[i] : NULL);
	while (map_next(map, &cursor, &key, &value)) {
		assert_ptr_equal(key.p, value);
		n_walked++;
	}
	assert_int_equal(n_walked, n);
	map_free(map);
}

static void test_hash(void **state)
{
	char text[64];

	memset(text, 'x', sizeof(text));
	assert_true(map_hash(STR("abc")) == map_hash((struct str){ "abcd", 3 }));
	/* Each length and each byte counts. */
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		uint64_t hash = map_hash((struct str){ text, n });

		assert_true(hash != map_hash((struct str){ text, n + 1 }));
		for (size_t i = 0; i < n; i++) {
			text[i] ^= 1;
			assert_true(hash != map_hash((struct str){ text, n }));
			text[i] ^= 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
