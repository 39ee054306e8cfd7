#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "base/err.h"
#include "base/thread.h"

struct seen {
	char name[16];
	sigset_t blocked;
};

static void *look(void *ctx)
{
	struct seen *seen = ctx;

	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
	return seen;
}

static void test_start(void **state)
{
	struct seen seen;
	sigset_t before, after;
	pthread_t thread;
	struct err err;
	void *result;

	pthread_sigmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(thread_start(&thread, "a-name-of-nineteen!", look, &seen, &err), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, &seen);
	assert_string_equal(seen.name, "a-name-of-ninet");
	assert_true(sigismember(&seen.blocked, SIGTERM));
	assert_true(sigismember(&seen.blocked, SIGHUP));
	assert_true(sigismember(&seen.blocked, SIGPIPE));
	assert_false(sigismember(&seen.blocked, SIGSEGV));
	/* The starter's own mask is as it was. */
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void *wait_for_flag(void *ctx)
{
	while (!atomic_load((atomic_bool *)ctx))
		sched_yield();
	return NULL;
}

static void test_join_within_gives_up_and_can_be_asked_again(void **state)
{
	atomic_bool flag = false;
	pthread_t thread;

	assert_int_equal(thread_start(&thread, "test", wait_for_flag, &flag, NULL), 0);
	assert_false(thread_join_within(thread, 20));
	atomic_store(&flag, true);
	assert_true(thread_join_within(thread, 10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join_within_gives_up_and_can_be_asked_again), cmocka_unit_test(test_start) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
