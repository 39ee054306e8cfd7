#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/slot.h"

#define N_READERS 3
#define N_PUTS    20000

struct value {
	atomic_int refs;
	int number;
};

static atomic_int n_alive;

static struct value *new_value(int number)
{
	struct value *value = xcalloc(1, sizeof(*value));

	atomic_init(&value->refs, 1);
	value->number = number;
	n_alive++;
	return value;
}

static void *ref(void *ctx)
{
	struct value *value = ctx;

	atomic_fetch_add(&value->refs, 1);
	return value;
}

static void unref(void *ctx)
{
	struct value *value = ctx;

	if (atomic_fetch_sub(&value->refs, 1) > 1)
		return;
	free(value);
	n_alive--;
}

static void test_one_thread(void **state)
{
	struct slot *slot = slot_new(NULL, ref, unref);
	uint64_t version = 0, before;
	void *mine = NULL, *got;

	assert_null(slot_get(slot));
	slot_refresh(slot, &mine, &version);
	assert_null(mine);
	assert_true(version == slot_version(slot));
	before = version;
	slot_put(slot, new_value(1));
	assert_true(slot_version(slot) > before);
	slot_refresh(slot, &mine, &version);
	assert_int_equal(((struct value *)mine)->number, 1);
	got = mine;
	slot_refresh(slot, &mine, &version); /* nothing new */
	assert_ptr_equal(mine, got);
	assert_int_equal(atomic_load(&((struct value *)mine)->refs), 2);
	slot_put(slot, new_value(2));
	assert_int_equal(((struct value *)mine)->number, 1); /* still ours */
	got = slot_get(slot);
	assert_int_equal(((struct value *)got)->number, 2);
	unref(got);
	slot_put(slot, NULL);
	slot_refresh(slot, &mine, &version);
	assert_null(mine);
	assert_int_equal(n_alive, 0);
	slot_free(slot);
	slot = slot_new(new_value(3), ref, unref);
	version = 0;
	slot_refresh(slot, &mine, &version); /* a reader's 0 is behind from the start */
	assert_int_equal(((struct value *)mine)->number, 3);
	slot_free(slot);
	unref(mine);
	assert_int_equal(n_alive, 0);
	slot_free(NULL);
}

static void *follow(void *ctx)
{
	struct slot *slot = ctx;
	uint64_t version = 0;
	void *mine = NULL;
	int last = -1;

	while (last < N_PUTS) {
		struct value *value;

		slot_refresh(slot, &mine, &version);
		value = mine;
		if (value->number < last)
			abort(); /* never back */
		last = value->number;
	}
	unref(mine);
	return NULL;
}

static void test_threads(void **state)
{
	struct slot *slot = slot_new(new_value(0), ref, unref);
	pthread_t readers[N_READERS];

	for (int i = 0; i < N_READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, follow, slot), 0);
	for (int i = 1; i <= N_PUTS; i++)
		slot_put(slot, new_value(i));
	for (int i = 0; i < N_READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(n_alive, 1);
	slot_free(slot);
	assert_int_equal(n_alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
