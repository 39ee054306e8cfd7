#include "storage/chore.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/db.h"

#define CONNECT_TIMEOUT_MS 1500
#define HOOK_MS            100
#define AGAIN_MS           3000 /* when somebody was in the way */
#define AWAY_MS            1000 /* when the database was away */

struct chore {
	struct chore_config config;
	char *url;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
	struct db *db;     /* NULL: away */
	bool has_tables;   /* seen over this connection */
	bool said_waiting; /* once until a turn goes well */
};

static void *run(void *ctx);

int chore_start(const struct chore_config *config, struct chore **out, struct err *err)
{
	struct chore *chore = xcalloc(1, sizeof(*chore));
	pthread_condattr_t monotonic;
	int r;

	chore->config = *config;
	chore->config.url = chore->url = xstrdup(config->url);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&chore->mutex, NULL);
	pthread_cond_init(&chore->stopped, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = thread_start(&chore->thread, config->thread, run, chore, err);
	chore->started = r == 0;
	if (r < 0) {
		chore_stop(chore);
		return r;
	}
	*out = chore;
	return 0;
}

void chore_stop(struct chore *chore)
{
	if (!chore)
		return;
	pthread_mutex_lock(&chore->mutex);
	atomic_store(&chore->stopping, true);
	pthread_cond_signal(&chore->stopped);
	pthread_mutex_unlock(&chore->mutex);
	if (chore->started)
		pthread_join(chore->thread, NULL);
	db_close(chore->db);
	pthread_mutex_destroy(&chore->mutex);
	pthread_cond_destroy(&chore->stopped);
	free(chore->url);
	free(chore);
}

/* --- on its thread ------------------------------------------------------------------------------
 */

static void on_wait(void *ctx)
{
	struct chore *chore = ctx;

	if (atomic_load(&chore->stopping))
		db_give_up(chore->db);
}

static int connect_if_away(struct chore *chore, struct err *err)
{
	const struct chore_config *config = &chore->config;
	int r;

	if (chore->db && db_check(chore->db))
		return 0;
	db_close(chore->db);
	chore->db = NULL;
	chore->has_tables = false;
	r = db_open(config->url, config->application, CONNECT_TIMEOUT_MS, &chore->db, err);
	if (r < 0) {
		chore->db = NULL;
		return r;
	}
	db_on_wait(chore->db, on_wait, chore, HOOK_MS);
	return db_exec(chore->db, config->settings, err);
}

static int look_for_tables(struct chore *chore, struct err *err)
{
	const struct db_param params[] = { DB_STR(str_of(chore->config.table)) };
	int64_t has_tables = 0;
	int r = 0;

	if (!chore->has_tables)
		r = db_query_int(chore->db, "SELECT (to_regclass($1) IS NOT NULL)::int", params, 1,
				 0, &has_tables, err);
	chore->has_tables |= has_tables == 1;
	if (r == 0 && !chore->has_tables)
		r = err_set(err, -ENOTCONN, "the tables are not there yet");
	return r;
}

static int turn(struct chore *chore, struct err *err)
{
	int r = connect_if_away(chore, err);

	if (r == 0)
		r = look_for_tables(chore, err);
	return r < 0 ? r : chore->config.turn(chore->config.ctx, chore->db, err);
}

static void say_failure(struct chore *chore, int r, const struct err *err)
{
	if (atomic_load(&chore->stopping) || chore->said_waiting)
		return;
	if (r == -ENOTCONN) { /* the loader says so */
		log_debug("storage", chore->config.waits, LOG_T("err", err->text));
		return;
	}
	chore->said_waiting = true;
	if (r == -EAGAIN)
		log_info("storage", chore->config.waits, LOG_T("err", err->text));
	else
		log_warn("storage", chore->config.fails, LOG_T("err", err->text));
}

static void wait_ms(struct chore *chore, int ms)
{
	struct timespec until = clock_monotonic_in(ms);
	int r = 0;

	pthread_mutex_lock(&chore->mutex);
	while (r == 0 && !atomic_load(&chore->stopping))
		r = pthread_cond_timedwait(&chore->stopped, &chore->mutex, &until);
	pthread_mutex_unlock(&chore->mutex);
}

static void *run(void *ctx)
{
	struct chore *chore = ctx;
	struct err err;

	while (!atomic_load(&chore->stopping)) {
		int r = turn(chore, &err);

		if (r < 0)
			say_failure(chore, r, &err);
		else
			chore->said_waiting = false;
		wait_ms(chore, r == -ENOTCONN ? AWAY_MS
			       : r < 0        ? AGAIN_MS
			       : r > 0        ? chore->config.more_ms
					      : chore->config.idle_ms);
	}
	return NULL;
}
