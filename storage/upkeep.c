#include "storage/upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/array_text.h"
#include "storage/db.h"
#include "storage/journal.h"
#include "storage/partitions.h"

#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS            100
#define EVERY_MS           60000 /* between turns when nothing is left to do */
#define AGAIN_MS           3000  /* when somebody was in the way */
#define AWAY_MS            1000  /* when the database was away */
#define MORE_MS            100   /* when there is more: others have their turn between */
/* Rows of `repeat` outlive the window: another replica may still have a backlog of that age. */
#define REPEAT_SLACK_US (3600 * CLOCK_US_PER_S)
#define LOCK            "8243124961888103014" /* advisory: one replica at a time */

/* Waits are short, for those behind us in the queue of a lock, and freezing a day is slowed down
 * like autovacuum, for those who use the disk. */
static const char settings[] = "SET lock_timeout = '1s'; SET vacuum_cost_delay = '2ms';"
			       "SET vacuum_cost_limit = 2000";

struct upkeep {
	struct upkeep_config config;
	char *url, *node; /* what its texts point at */
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
	struct db *db;     /* NULL: away */
	bool said_waiting; /* once until a turn goes well */
};

static void *run(void *ctx);

int upkeep_start(const struct upkeep_config *config, struct upkeep **out, struct err *err)
{
	struct upkeep *upkeep = xcalloc(1, sizeof(*upkeep));
	pthread_condattr_t monotonic;
	int r;

	upkeep->config = *config;
	upkeep->config.url = upkeep->url = xstrdup(config->url);
	upkeep->config.node = upkeep->node = xstrdup(config->node);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&upkeep->mutex, NULL);
	pthread_cond_init(&upkeep->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = thread_start(&upkeep->thread, "upkeep", run, upkeep, err);
	upkeep->started = r == 0;
	if (r < 0) {
		upkeep_stop(upkeep);
		return r;
	}
	*out = upkeep;
	return 0;
}

void upkeep_stop(struct upkeep *upkeep)
{
	if (!upkeep)
		return;
	pthread_mutex_lock(&upkeep->mutex);
	atomic_store(&upkeep->stopping, true);
	pthread_cond_signal(&upkeep->stopped);
	pthread_mutex_unlock(&upkeep->mutex);
	if (upkeep->started)
		pthread_join(upkeep->thread, NULL);
	db_close(upkeep->db);
	pthread_mutex_destroy(&upkeep->mutex);
	pthread_cond_destroy(&upkeep->stopped);
	free(upkeep->url);
	free(upkeep->node);
	free(upkeep);
}

/* --- on its thread ------------------------------------------------------------------------------
 */

static void on_wait(void *ctx)
{
	struct upkeep *upkeep = ctx;

	if (atomic_load(&upkeep->stopping))
		db_give_up(upkeep->db);
}

static int connect_if_away(struct upkeep *upkeep, struct err *err)
{
	int r;

	if (upkeep->db && db_check(upkeep->db))
		return 0;
	db_close(upkeep->db);
	upkeep->db = NULL;
	r = db_open(upkeep->config.url, "rfeventd upkeep", CONNECT_TIMEOUT_MS, &upkeep->db, err);
	if (r < 0) {
		upkeep->db = NULL;
		return r;
	}
	db_on_wait(upkeep->db, on_wait, upkeep, HOOK_MS);
	return db_exec(upkeep->db, settings, err);
}

/* Whether a question has the answer "t". */
static int is_so(struct upkeep *upkeep, const char *sql, struct err *err)
{
	struct db_result *result;
	int r = db_query(upkeep->db, sql, NULL, 0, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1 && str_eq(db_str(result, 0, 0), STR("t"));
	db_result_free(result);
	return r;
}

/* Every replica for itself. */
static int forget_segments(struct upkeep *upkeep, struct err *err)
{
	struct journal_segment *segments;
	struct strbuf ids;
	size_t n;
	int r;

	journal_segments(upkeep->config.journal, &segments, &n);
	strbuf_init(&ids, SIZE_MAX);
	array_text_begin(&ids);
	for (size_t i = 0; i < n; i++)
		array_text_put_uuid(&ids, segments[i].id);
	array_text_end(&ids);
	free(segments);
	r = partitions_forget_segments(upkeep->db, upkeep->config.node, ids.p, err);
	strbuf_fini(&ids);
	return r;
}

/* 1 when there is more to do. A day that cannot go yet keeps no other from being cared for. */
static int look_after_log(struct upkeep *upkeep, struct err *err)
{
	const struct retention retention = {
		.events_us = upkeep->config.keep_events_us,
		.metric_reports_us = upkeep->config.keep_metric_reports_us,
		.repeats_us = upkeep->config.repeat_window_us + REPEAT_SLACK_US,
	};
	struct err ignored;
	int expired = partitions_expire(upkeep->db, &retention, err), cared;

	if (expired < 0 && expired != -EAGAIN)
		return expired;
	cared = partitions_summarise(upkeep->db, &ignored);
	if (cared < 0 && cared != -EAGAIN) /* another turn will do */
		return err_set(err, cared, "%s", ignored.text);
	cared = partitions_care(upkeep->db, expired < 0 ? &ignored : err);
	if (expired < 0 || cared < 0)
		return expired < 0 ? expired : cared;
	return expired > 0 || cared > 0;
}

static int turn(struct upkeep *upkeep, struct err *err)
{
	struct err ignored;
	int r = connect_if_away(upkeep, err), locked;

	/* The loader makes the tables. */
	if (r == 0)
		r = is_so(upkeep,
			  "SELECT count(*) = 1 FROM pg_attribute WHERE attname = 'cared'"
			  " AND attrelid = to_regclass('log_day')",
			  err);
	if (r <= 0)
		return r < 0 ? r : err_set(err, -ENOTCONN, "the tables are not there yet");
	r = forget_segments(upkeep, err);
	if (r < 0)
		return r;
	locked = is_so(upkeep, "SELECT pg_try_advisory_lock(" LOCK ")", err);
	if (locked <= 0)
		return locked;
	r = look_after_log(upkeep, err);
	/* With the connection the lock goes, too. */
	is_so(upkeep, "SELECT pg_advisory_unlock(" LOCK ")", &ignored);
	return r;
}

static void say_failure(struct upkeep *upkeep, int r, const struct err *err)
{
	if (atomic_load(&upkeep->stopping) || upkeep->said_waiting)
		return;
	if (r == -ENOTCONN) { /* the loader says so */
		log_debug("storage", "upkeep of the log waits", LOG_T("err", err->text));
		return;
	}
	upkeep->said_waiting = true;
	if (r == -EAGAIN)
		log_info("storage", "upkeep of the log waits for others, and is tried again",
			 LOG_T("err", err->text));
	else
		log_warn("storage", "the log could not be looked after", LOG_T("err", err->text));
}

static void wait_ms(struct upkeep *upkeep, int ms)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * 1000000L;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&upkeep->mutex);
	while (r == 0 && !atomic_load(&upkeep->stopping))
		r = pthread_cond_timedwait(&upkeep->stopped, &upkeep->mutex, &until);
	pthread_mutex_unlock(&upkeep->mutex);
}

static void *run(void *ctx)
{
	struct upkeep *upkeep = ctx;
	struct err err;

	while (!atomic_load(&upkeep->stopping)) {
		int r = turn(upkeep, &err);

		if (r < 0)
			say_failure(upkeep, r, &err);
		else
			upkeep->said_waiting = false;
		wait_ms(upkeep, r == -ENOTCONN ? AWAY_MS :
				r < 0	       ? AGAIN_MS :
				r > 0	       ? MORE_MS :
						 EVERY_MS);
	}
	return NULL;
}
