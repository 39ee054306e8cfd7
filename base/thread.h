/* Threads, named, with signals blocked (only main handles them). pthreads: gcc 12's TSan breaks on
 * C11 threads. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>

#include <stdbool.h>

struct err;

typedef void *thread_fn(void *ctx);
/* `name` of at most 15 bytes shows in top and gdb. 0 or negative errno. */
int thread_start(pthread_t *out, const char *name, thread_fn *fn, void *ctx, struct err *err);
/* Wait for its end, `timeout_ms` at most. False when it still runs: it is to be joined later. */
bool thread_join_within(pthread_t thread, int timeout_ms);

#endif
