#include "subscribe/registry_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/db.h"
#include "subscribe/registry_mirror.h"
#include "subscribe/registry_store.h"

#define CHANNEL_MAX_BYTES  256
#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS            100
#define RETRY_US           (1 * CLOCK_US_PER_S)
#define LOOK_US            (30 * CLOCK_US_PER_S)
/* After a change: a fleet that is read for the first time must not have all registries loaded again
 * for each of its BMCs. */
#define CALM_US (5 * CLOCK_US_PER_S)

struct registry_watch {
	char *url, *dir;
	registry_changed_fn *changed;
	void *ctx;
	pthread_t thread;
	struct mailbox *wake; /* never holds anything */
	atomic_bool stopping;
	/* the thread's */
	struct db *db; /* NULL: away */
	int64_t next_try_us, next_sync_us, calm_until_us;
	bool said_away;
};

static void *run(void *ctx);

int registry_watch_start(const char *url, const char *dir, registry_changed_fn *changed, void *ctx,
			 struct registry_watch **out, struct err *err)
{
	struct registry_watch *watch = xcalloc(1, sizeof(*watch));
	int r;

	watch->url = xstrdup(url);
	watch->dir = xstrdup(dir);
	watch->changed = changed;
	watch->ctx = ctx;
	watch->wake = mailbox_new(1);
	r = thread_start(&watch->thread, "registry-watch", run, watch, err);
	if (r == 0) {
		*out = watch;
		return 0;
	}
	mailbox_free(watch->wake);
	free(watch->url);
	free(watch->dir);
	free(watch);
	return r;
}

void registry_watch_stop(struct registry_watch *watch)
{
	if (!watch)
		return;
	atomic_store(&watch->stopping, true);
	mailbox_wake(watch->wake);
	pthread_join(watch->thread, NULL);
	mailbox_free(watch->wake);
	free(watch->url);
	free(watch->dir);
	free(watch);
}

/* --- the thread ----------------------------------------------------------------------------------
 */

static void lost(struct registry_watch *watch, const struct err *err)
{
	db_close(watch->db);
	watch->db = NULL;
	watch->next_try_us = clock_monotonic_us() + RETRY_US;
	/* At the first start the server, and then its tables, are still being made. */
	if (!watch->said_away)
		log_debug("subscribe", "registries stay as they are mirrored",
			  LOG_T("err", err->text));
	watch->said_away = true;
}

static void on_wait(void *ctx)
{
	struct registry_watch *watch = ctx;

	if (atomic_load(&watch->stopping))
		db_give_up(watch->db);
}

static void connect_if_due(struct registry_watch *watch)
{
	struct err err = { "" };
	int r;

	if (watch->db || clock_monotonic_us() < watch->next_try_us)
		return;
	r = db_open(watch->url, "rfeventd registries", CONNECT_TIMEOUT_MS, &watch->db, &err);
	if (r == 0) {
		db_on_wait(watch->db, on_wait, watch, HOOK_MS);
		r = db_exec(watch->db, "LISTEN " REGISTRY_CHANNEL, &err);
	}
	if (r < 0)
		lost(watch, &err);
	else
		watch->next_sync_us = 0;
}

static void take_notifications(struct registry_watch *watch)
{
	struct strbuf channel, payload;

	strbuf_init(&channel, CHANNEL_MAX_BYTES);
	strbuf_init(&payload, CHANNEL_MAX_BYTES);
	while (db_next_notification(watch->db, &channel, &payload))
		watch->next_sync_us = 0;
	strbuf_fini(&channel);
	strbuf_fini(&payload);
}

static void sync_mirror(struct registry_watch *watch)
{
	int64_t start_us = clock_monotonic_us();
	bool changed = false;
	struct err err;
	int r;

	watch->next_sync_us = start_us + LOOK_US;
	r = registry_mirror_sync(watch->db, watch->dir, &changed, &err);
	if (r < 0 && atomic_load(&watch->stopping))
		return;
	if (r == -EAGAIN) {
		watch->next_sync_us = start_us + RETRY_US;
		return;
	}
	if (changed) {
		watch->changed(watch->ctx);
		watch->calm_until_us = start_us + CALM_US;
	}
	if (r == 0) {
		watch->said_away = false;
		return;
	}
	if (r != -ENOTCONN && !watch->said_away)
		log_warn("subscribe", "cannot mirror the registries", LOG_T("err", err.text));
	lost(watch, &err);
}

static int wait_ms(const struct registry_watch *watch)
{
	int64_t now_us = clock_monotonic_us();
	int64_t due_us = watch->db ? watch->next_sync_us : watch->next_try_us;

	if (watch->db && due_us < watch->calm_until_us)
		due_us = watch->calm_until_us;
	return due_us > now_us ? (int)((due_us - now_us + 999) / 1000) : 0;
}

static void *run(void *ctx)
{
	struct registry_watch *watch = ctx;

	while (!atomic_load(&watch->stopping)) {
		struct pollfd fds[2] = { { .fd = mailbox_fd(watch->wake), .events = POLLIN },
					 { .fd = -1 } };

		if (watch->db)
			fds[1] = (struct pollfd){ .fd = db_fd(watch->db), .events = POLLIN };
		poll(fds, 2, wait_ms(watch));
		if (watch->db)
			take_notifications(watch);
		if (watch->db && !db_check(watch->db))
			lost(watch, &(struct err){ "the connection is gone" });
		connect_if_due(watch);
		if (watch->db && wait_ms(watch) == 0)
			sync_mirror(watch);
		/* What came while queries ran is read already: poll() would not tell of it. */
		if (watch->db)
			take_notifications(watch);
	}
	db_close(watch->db);
	return NULL;
}
