/* Decode guard: children that die inside a decode, and what the next start knows of them. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/guard.h"

static const struct uuid victim = { { 1, 2, 3 } }, other = { { 4, 5, 6 } };
static char path[64];

static int make_place(void **state)
{
	snprintf(path, sizeof(path), "/tmp/guard_test.%d", (int)getpid());
	unlink(path);
	return 0;
}

static int remove_place(void **state)
{
	guard_close();
	unlink(path);
	return 0;
}

static void reopen(void)
{
	struct err err = { "" };

	guard_close();
	if (guard_open(path, &err) < 0)
		fail_msg("%s", err.text);
}

typedef void act_fn(void);

static void exit_with_7(int signal)
{
	_exit(7);
}

static void handle_signals(void (*handler)(int))
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		signal(signals[i], handler);
}

/* What `act` did to a child. `handler` has the signals before the guard does (the test runner's own
 * would go on with the tests). */
static int status_of_child(act_fn *act, void (*handler)(int))
{
	struct rlimit no_core = { 0, 0 };
	int status;
	pid_t child;

	guard_close();
	fflush(NULL);
	child = fork();
	if (child == 0) {
		struct err err = { "" };

		setrlimit(RLIMIT_CORE, &no_core);
		handle_signals(handler);
		if (guard_open(path, &err) < 0)
			_exit(99);
		act();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	reopen();
	return status;
}

static void raise_segv(void)
{
	guard_enter(victim);
	raise(SIGSEGV);
}

static void real_fault(void)
{
	volatile int *volatile nowhere = NULL;

	guard_enter(victim);
	*nowhere = 1;
}

static void call_abort(void)
{
	guard_enter(victim);
	abort();
}

static void be_killed(void)
{
	guard_enter(victim);
	raise(SIGKILL);
}

static void crash_outside(void)
{
	guard_enter(victim);
	guard_leave();
	raise(SIGSEGV);
}

static void *stay_inside(void *ctx)
{
	int *pipe_ends = ctx;

	guard_enter(other);
	if (write(pipe_ends[1], "x", 1) != 1)
		_exit(98);
	pause();
	return NULL;
}

/* Another thread is decoding when this one dies: only ours is to blame. */
static void crash_beside(void)
{
	int pipe_ends[2];
	pthread_t thread;
	char byte;

	if (pipe(pipe_ends) < 0 ||
	    thread_start(&thread, "beside", stay_inside, pipe_ends, NULL) < 0 ||
	    read(pipe_ends[0], &byte, 1) != 1)
		_exit(98);
	guard_enter(victim);
	raise(SIGBUS);
}

static void crashes_are_counted(void **state)
{
	static const struct {
		const char *name;
		act_fn *act;
		int signal;
		unsigned victim, other; /* counts afterwards */
	} cases[] = {
		{ "sent SIGSEGV", raise_segv, SIGSEGV, 1, 0 },
		{ "a real fault", real_fault, SIGSEGV, 2, 0 },
		{ "abort", call_abort, SIGABRT, 3, 0 },
		{ "SIGKILL does not count", be_killed, SIGKILL, 3, 0 },
		{ "after the decode does not count", crash_outside, SIGSEGV, 3, 0 },
		{ "another thread's does not count", crash_beside, SIGBUS, 4, 0 },
	};

	reopen();
	assert_int_equal(guard_crashes(victim), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = status_of_child(cases[i].act, SIG_DFL);

		print_message("%s\n", cases[i].name);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), cases[i].signal);
		assert_int_equal(guard_crashes(victim), cases[i].victim);
		assert_int_equal(guard_crashes(other), cases[i].other);
		reopen(); /* counted once only */
		assert_int_equal(guard_crashes(victim), cases[i].victim);
	}
}

static void an_earlier_handler_gets_it_too(void **state)
{
	static act_fn *const acts[] = { raise_segv, real_fault, call_abort };

	unlink(path);
	for (unsigned i = 0; i < ARRAY_LEN(acts); i++) {
		int status = status_of_child(acts[i], exit_with_7);

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 7);
		assert_int_equal(guard_crashes(victim), i + 1);
	}
}

static void decoded_after_one_crash_quarantined_after_two(void **state)
{
	struct delivery *delivery = delivery_new(victim, other, 0, 0, STR(""), STR(""), STR(""),
						 STR("{\"Events\":[{\"EventId\":\"1\"}]}"));

	unlink(path);
	status_of_child(raise_segv, SIG_DFL);
	decode_delivery(delivery);
	assert_int_equal(delivery->kind, DELIVERY_EVENTS);
	assert_int_equal(delivery->n_events, 1);
	status_of_child(call_abort, SIG_DFL);
	decode_delivery(delivery);
	assert_int_equal(delivery->kind, DELIVERY_QUARANTINED);
	assert_string_equal(delivery->reason, "decode_crashed");
	assert_int_equal(delivery->n_events, 0);
	guard_close();
	decode_delivery(delivery); /* without a guard: as ever */
	assert_int_equal(delivery->kind, DELIVERY_EVENTS);
	delivery_unref(delivery);
}

static void a_foreign_file_is_started_anew(void **state)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < 40000; i++)
		fputc(0xff, file);
	fclose(file);
	reopen();
	assert_int_equal(guard_crashes(victim), 0);
	status_of_child(raise_segv, SIG_DFL);
	assert_int_equal(guard_crashes(victim), 1);
}

static void no_place_is_said(void **state)
{
	struct err err = { "" };

	guard_close();
	assert_int_equal(guard_open("/no/such/folder/guard", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no/such/folder/guard"));
	guard_enter(victim); /* no-ops without it */
	guard_leave();
	assert_int_equal(guard_crashes(victim), 0);
	guard_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crashes_are_counted),
		cmocka_unit_test(an_earlier_handler_gets_it_too),
		cmocka_unit_test(decoded_after_one_crash_quarantined_after_two),
		cmocka_unit_test(a_foreign_file_is_started_anew),
		cmocka_unit_test(no_place_is_said),
	};

	return cmocka_run_group_tests(tests, make_place, remove_place);
}
