#include "base/thread.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

struct start {
	char name[16]; /* the kernel's limit, with the NUL */
	thread_fn *fn;
	void *ctx;
};

static void *begin(void *ctx)
{
	struct start start = *(struct start *)ctx;

	free(ctx);
	pthread_setname_np(pthread_self(), start.name);
	return start.fn(start.ctx);
}

/* All signals but those a thread raises by its own fault. */
static void blocked_signals(sigset_t *out)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };

	sigfillset(out);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(out, faults[i]);
}

int thread_start(pthread_t *out, const char *name, thread_fn *fn, void *ctx, struct err *err)
{
	struct start *start = xcalloc(1, sizeof(*start));
	sigset_t blocked, before;
	pthread_t thread;
	int r;

	start->fn = fn;
	start->ctx = ctx;
	memcpy(start->name, name, strnlen(name, sizeof(start->name) - 1));
	blocked_signals(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, &before); /* a new thread inherits the mask */
	r = pthread_create(&thread, NULL, begin, start);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		free(start);
		return err_set(err, -r, "cannot start thread '%s': %s", name, strerror(r));
	}
	*out = thread;
	return 0;
}

bool thread_join_within(pthread_t thread, int timeout_ms)
{
	static const struct timespec moment = { .tv_nsec = 5 * 1000000L };
	int64_t until_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;

	/* Asked again and again, since ThreadSanitizer knows no join with a monotonic deadline. */
	while (pthread_tryjoin_np(thread, NULL) != 0) {
		if (clock_monotonic_us() >= until_us)
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}
