#include "storage/loader_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "event/quirks.h"
#include "event/source_set.h"
#include "storage/backfill.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/loader_ahead.h"
#include "storage/partitions.h"
#include "storage/repeats.h"

#define FIRST_PAUSE_US     (50 * INT64_C(1000))
#define MAX_PAUSE_US       CLOCK_US_PER_S
#define SHOW_AWAY_AFTER_US (250 * INT64_C(1000))
#define AWAY_WAIT_MS       20
#define AGAIN_MS           10
#define UNPREPARED_NS      50000
#define DURABLE_WAIT_MS    100
#define STOP_GRACE_US      CLOCK_US_PER_S
#define ATTACH_EVERY_US    (60 * CLOCK_US_PER_S)
#define ATTACH_SOON_US     CLOCK_US_PER_S /* when the last attached day has come */

static void *run(void *ctx);
static int wait_durable(void *ctx, const struct load_batch *batch, struct err *err);

/* --- public
 * -------------------------------------------------------------------------------------------- */

int loader_start(const struct loader_config *config, struct loader **out, struct err *err)
{
	struct loader *loader = xcalloc(1, sizeof(*loader));
	pthread_condattr_t monotonic;
	int r;

	loader->config = *config;
	loader->config.url = loader->url = xstrdup(config->url);
	loader->config.node = loader->node = xstrdup(config->node);
	loader->config.journal_dir = loader->journal_dir = xstrdup(config->journal_dir);
	loader_queue_init(&loader->queue);
	loader->queue.is_eager = config->alone;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&loader->mutex, NULL);
	pthread_cond_init(&loader->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	loader->reader = journal_reader_new(config->journal_dir);
	loader->ahead =
		loader_ahead_new(config->journal_dir, config->prepare, config->prepare_ctx);
	load_init(&loader->load, loader->config.node,
		  repeats_new(REPEAT_MAX_ENTRIES, config->repeat_window_us), backfill_new());
	loader->load.wait_durable = wait_durable;
	loader->load.wait_ctx = loader;
	loader->epoch = config->epoch;
	loader->last_seq = config->last_seq;
	loader->away_since_us = loader->trouble.since_us = clock_monotonic_us();
	loader->pause_us = FIRST_PAUSE_US;
	r = thread_start(&loader->thread, "loader", run, loader, err);
	if (r < 0) {
		loader_stop(loader);
		return r;
	}
	loader->started = true;
	*out = loader;
	return 0;
}

void loader_offer(struct loader *loader, struct delivery *first)
{
	loader_queue_put(&loader->queue, first);
}

void loader_durable(struct loader *loader, uint64_t segment_number, uint64_t end)
{
	loader_queue_durable(&loader->queue, segment_number, end);
}

static bool is_behind(struct place a, struct place b)
{
	return a.segment_number < b.segment_number ||
	       (a.segment_number == b.segment_number && a.position < b.position);
}

/* End of what is durable; {0, 0} when nothing is. */
static struct place durable_end(struct loader *loader)
{
	struct journal_segment *segments;
	struct place end = { 0, 0 };
	size_t n;

	journal_segments(loader->config.journal, &segments, &n);
	for (size_t i = 0; i < n; i++)
		if (segments[i].end > segments[i].first)
			end = (struct place){ segments[i].number, segments[i].end };
	free(segments);
	return end;
}

bool loader_drain(struct loader *loader, int timeout_ms)
{
	struct place end = durable_end(loader);
	struct timespec until = clock_monotonic_in(timeout_ms);
	bool done;
	int r = 0;

	loader_queue_wake(&loader->queue);
	pthread_mutex_lock(&loader->mutex);
	while (is_behind(loader->loaded, end) && r == 0)
		r = pthread_cond_timedwait(&loader->moved, &loader->mutex, &until);
	done = !is_behind(loader->loaded, end);
	pthread_mutex_unlock(&loader->mutex);
	return done;
}

void loader_saw(struct loader *loader, struct uuid epoch, int64_t last_seq)
{
	pthread_mutex_lock(&loader->mutex);
	loader->saw_epoch = epoch;
	loader->saw_seq = last_seq;
	pthread_mutex_unlock(&loader->mutex);
}

bool loader_is_connected(const struct loader *loader)
{
	return atomic_load(&loader->connected);
}

void loader_stop(struct loader *loader)
{
	if (!loader)
		return;
	atomic_store(&loader->stop_by_us, clock_monotonic_us() + STOP_GRACE_US);
	atomic_store(&loader->stopping, true);
	loader_queue_wake(&loader->queue);
	if (loader->started)
		pthread_join(loader->thread, NULL);
	db_close(loader->db);
	loader_drop_items(loader);
	free(loader->items);
	free(loader->segments);
	repeats_free(loader->load.repeats);
	backfill_free(loader->load.backfill);
	load_fini(&loader->load);
	source_set_unref(loader->sources);
	source_set_unref(loader->written);
	loader_ahead_free(loader->ahead);
	journal_reader_free(loader->reader);
	loader_queue_fini(&loader->queue);
	pthread_mutex_destroy(&loader->mutex);
	pthread_cond_destroy(&loader->moved);
	free(loader->url);
	free(loader->node);
	free(loader->journal_dir);
	free(loader);
}

/* --- after a commit
 * ------------------------------------------------------------------------------------ */

static void count_quirks(uint64_t quirks)
{
	for (; quirks; quirks &= quirks - 1)
		metric_add(METRIC_QUIRKS, quirk_name((enum quirk)__builtin_ctzll(quirks)), 1);
}

static void count_quarantined(const struct load_item *item)
{
	const struct delivery *delivery = item->delivery;

	if (item->set_aside) {
		metric_add(METRIC_QUARANTINED, item->set_aside, 1);
		return;
	}
	if (delivery->kind == DELIVERY_NOT_JSON || delivery->kind == DELIVERY_QUARANTINED)
		metric_add(METRIC_QUARANTINED, delivery->reason ? delivery->reason : "not_json", 1);
	else
		for (uint32_t i = 0; i < delivery->n_quarantined; i++)
			metric_add(METRIC_QUARANTINED, delivery->quarantined[i].reason, 1);
	if (item->n_refused > 0)
		metric_add(METRIC_QUARANTINED, LOAD_REFUSED, item->n_refused);
}

static void count_item(const struct load_item *item)
{
	if (item->is_repeat) {
		metric_add(METRIC_REPEATS, NULL, 1);
		return;
	}
	count_quarantined(item);
	if (!item->delivery || item->set_aside)
		return;
	if (item->n_known > 0)
		metric_add(METRIC_REPEATS, NULL, item->n_known);
	count_quirks(item->delivery->quirks);
	if (item->may_be_repeat)
		count_quirks(QUIRK_BIT(POSSIBLE_REPEAT));
	for (uint32_t i = 0; i < item->delivery->n_events; i++)
		count_quirks(item->delivery->events[i].quirks);
	if (item->delivery->kind == DELIVERY_METRIC_REPORT)
		metric_add(METRIC_METRIC_REPORTS, NULL, 1);
}

/* Items [0, n) leave: the others move up. */
static void shift_items(struct loader *loader, size_t n)
{
	for (size_t i = 0; i < n; i++)
		load_item_fini(&loader->items[i]);
	loader->n_items -= n;
	memmove(loader->items, loader->items + n, loader->n_items * sizeof(loader->items[0]));
	if (loader->n_items == 0)
		loader_no_items(loader);
}

static void tell_moved(struct loader *loader)
{
	struct place place = { loader->segment.number, loader->position };

	journal_set_loaded(loader->config.journal, loader->segment.id, loader->position,
			   loader->last_seq);
	loader_queue_answer(&loader->queue, place.segment_number, place.position);
	if (is_behind(loader->shown, place))
		loader->shown = place;
	pthread_mutex_lock(&loader->mutex);
	loader->loaded = place;
	pthread_cond_broadcast(&loader->moved);
	pthread_mutex_unlock(&loader->mutex);
}

void loader_committed(struct loader *loader)
{
	struct load_batch *batch = &loader->batch;
	struct entry_batch *entries = load_entries(batch->items, batch->n_items, false);

	for (size_t i = 0; i < batch->n_items; i++)
		count_item(&batch->items[i]);
	metric_add(METRIC_EVENTS_LOGGED, NULL, (uint64_t)batch->n_logged);
	metric_observe(METRIC_LOADER_BATCH, (double)batch->n_logged);
	metric_set(METRIC_LOG_LAST_SEQ, NULL, (double)batch->last_seq);
	loader->last_seq = batch->last_seq;
	loader->position = batch->items[batch->n_items - 1].end;
	loader->is_known = true;
	if (entries->n > 0)
		loader->config.publish(loader->config.publish_ctx, entries, false);
	else
		entry_batch_unref(entries);
	tell_moved(loader);
	loader_tell_set_aside(loader, batch->items, batch->n_items);
	shift_items(loader, batch->n_items);
}

/* --- one transaction, and what its failure leads to
 * ------------------------------------------------------ */

/* A replica that froze, or a person who forgot a transaction, holds the counter row: it is not at
 * work when its backend waits for its client. What it did is rolled back, and positions tell it. */
static void free_counter(struct loader *loader)
{
	struct db_result *result;
	struct err err;

	if (db_query(loader->db,
		     "SELECT pg_terminate_backend(a.pid), a.pid FROM pg_locks l"
		     " JOIN pg_stat_activity a ON a.pid = l.pid"
		     " WHERE l.relation = 'counter'::regclass AND l.granted"
		     " AND l.database = (SELECT oid FROM pg_database WHERE datname = "
		     "current_database())"
		     " AND l.mode IN ('RowExclusiveLock', 'RowShareLock', 'ExclusiveLock',"
		     "                'AccessExclusiveLock')"
		     " AND a.pid <> pg_backend_pid()"
		     " AND (a.state LIKE 'idle in transaction%' OR a.wait_event = 'ClientRead')"
		     " AND greatest(a.state_change, a.query_start) < clock_timestamp() - interval "
		     "'2 s'",
		     NULL, 0, &result, &err) < 0) {
		log_warn("storage", "cannot free the counter row", LOG_T("err", err.text));
		return;
	}
	for (size_t i = 0; i < db_rows(result); i++)
		log_warn("storage", "ended a backend that held the counter row and did nothing",
			 LOG_I("pid", db_int(result, i, 1)));
	db_result_free(result);
}

/* A single item that was refused is tried in a less hopeful way. */
static void lower_hopes(struct loader *loader, const struct err *err)
{
	struct load_batch *batch = &loader->batch;
	struct load_item *item = &batch->items[0];
	char id[UUID_TEXT_BYTES];

	batch->way++;
	if (batch->way == LOAD_ONE_BY_ONE && !load_item_has_events(item))
		batch->way++;
	if (batch->way == LOAD_ONE_BY_ONE)
		return;
	if (batch->way == LOAD_SET_ASIDE) {
		free(item->words);
		item->words = xstrdup(err->text);
		item->set_aside = LOAD_REFUSED;
		return;
	}
	batch->way = LOAD_PASS_OVER;
	log_error("storage",
		  "a delivery cannot even be set aside: only the journal has it, for a while",
		  LOG_T("delivery", uuid_format(item->id, id)), LOG_T("err", err->text));
}

/* Refused data: halve the batch until the culprit is alone. */
static void bisect(struct loader *loader, const struct err *err)
{
	struct load_batch *batch = &loader->batch;

	if (batch->n_items > 1)
		batch->n_items /= 2;
	else
		lower_hopes(loader, err);
}

/* A refusal that the data is not to blame for: the key is our own number. */
static bool is_our_fault(struct loader *loader)
{
	return strcmp(db_sqlstate(loader->db), "23505") == 0;
}

/* What is left to do for a failed transaction: 0 to try again, or the failure. */
static int after_failure(struct loader *loader, int r, struct err *err)
{
	switch (r) {
	case -EINVAL:
		if (is_our_fault(loader))
			return -EIO;
		bisect(loader, err);
		return 0;
	case -EAGAIN:
		log_debug("storage", "transaction tried again", LOG_T("err", err->text));
		if (strcmp(db_sqlstate(loader->db), "55P03") == 0)
			free_counter(loader);
		else
			loader_queue_wait(&loader->queue, AGAIN_MS);
		return 0;
	case -ESTALE:
		/* Another daemon took the segment over, or the database is not the one it was. */
		log_warn("storage", "position of a journal segment moved", LOG_T("err", err->text));
		loader_drop_items(loader);
		return loader_find_position(loader, err);
	case -ENOTCONN: loader->unsure = loader->batch.committing; return r;
	default: return r;
	}
}

/* Entries of a source's own log are compared with what the log holds: alone in their batch, after
 * all that came before them. */
static size_t batch_size(const struct loader *loader)
{
	size_t n = 1;

	if (load_is_backfill(&loader->items[0]))
		return n;
	while (n < loader->n_items && !load_is_backfill(&loader->items[n]))
		n++;
	return n;
}

static void begin_batch(struct loader *loader)
{
	loader->batch = (struct load_batch){
		.segment = loader->segment.id,
		.old_position = loader->is_known ? loader->position : 0,
		.items = loader->items,
		.n_items = batch_size(loader),
		.is_early = loader->is_early,
	};
}

/* The batch is on disk: nothing that only memory holds is ever committed. */
static int wait_durable(void *ctx, const struct load_batch *batch, struct err *err)
{
	struct loader *loader = ctx;
	uint64_t end = batch->items[batch->n_items - 1].end;

	while (!loader_queue_wait_durable(&loader->queue, loader->segment.number, end,
					  DURABLE_WAIT_MS))
		if (atomic_load(&loader->stopping))
			return err_set(err, -ECANCELED, "loader: stopping, the journal is not on disk yet");
	return 0;
}

/* Everything collected, in as many transactions as it takes. */
static int load_items(struct loader *loader, struct err *err)
{
	while (loader->n_items > 0 && !atomic_load(&loader->stopping)) {
		int r = 0;

		begin_batch(loader);
		while (!atomic_load(&loader->stopping)) {
			int64_t start_us = clock_monotonic_us();

			loader->busy_since_us = start_us;
			r = load_run(&loader->load, &loader->batch, err);
			loader->busy_since_us = 0;
			if (r == 0) {
				metric_observe(METRIC_LOADER_COMMIT,
					       (double)(clock_monotonic_us() - start_us) /
						       CLOCK_US_PER_S);
				loader_committed(loader);
				break;
			}
			r = after_failure(loader, r, err);
			if (r < 0)
				return r;
			if (loader->n_items == 0)
				return 0;
		}
	}
	return 0;
}

/* --- looking after the tables
 * ------------------------------------------------------------------------------ */

/* Between batches, and never a reason to stop loading: what fails now is tried again later. */
static int look_after_tables(struct loader *loader, struct err *err)
{
	int64_t now_us = clock_monotonic_us();
	int r = 0;

	if (now_us - loader->attached_us >=
	    (loader->load.days_ahead > 0 ? ATTACH_EVERY_US : ATTACH_SOON_US)) {
		loader->attached_us = now_us;
		r = partitions_attach(loader->db, err);
		if (r == 0)
			r = partitions_step(loader->db, err);
	}
	if (r < 0 && r != -ENOTCONN) {
		log_warn("storage", "partitions could not be looked after",
			 LOG_T("err", err->text));
		return 0;
	}
	return r;
}

/* --- connection
 * -------------------------------------------------------------------------------------------- */

/* `r`: what failed. Once until it works again. */
static void say_away(struct loader *loader, int r, const struct err *err)
{
	int64_t away_us = clock_monotonic_us() - loader->away_since_us;

	if (loader->said_away || atomic_load(&loader->stopping) ||
	    (!loader->was_connected && away_us < loader->config.start_grace_us))
		return;
	loader->said_away = true;
	if (r == -ENOTCONN)
		log_warn("storage", "postgres away, journal growing", LOG_T("err", err->text));
	else
		log_error("storage", "the log cannot be written, journal growing",
			  LOG_T("err", err->text));
}

static void went_away(struct loader *loader, int r, const struct err *err)
{
	int64_t now_us = clock_monotonic_us();

	loader_set_trouble(loader, loader->db ? db_sqlstate(loader->db) : "", err->text);
	db_close(loader->db);
	loader->db = NULL;
	atomic_store(&loader->connected, false);
	metric_set(METRIC_DATABASE_UP, NULL, 0);
	if (loader->away_since_us == 0)
		loader->away_since_us = now_us;
	loader->next_try_us = now_us + loader->pause_us;
	loader->pause_us =
		2 * loader->pause_us < MAX_PAUSE_US ? 2 * loader->pause_us : MAX_PAUSE_US;
	say_away(loader, r, err);
}

static void came_back(struct loader *loader)
{
	loader->was_connected = true;
	loader_note_reached(loader);
	loader->attached_us = clock_monotonic_us();
	metric_set(METRIC_DATABASE_UP, NULL, 1);
	atomic_store(&loader->connected, true);
}

/* A turn went well: only now is it sure that the log can be written. */
static void works(struct loader *loader)
{
	loader_clear_trouble(loader);
	if (loader->away_since_us == 0)
		return;
	log_info("storage", loader->said_away ? "postgres back" : "postgres reached",
		 LOG_I("last_seq", loader->last_seq));
	loader->said_away = false;
	loader->away_since_us = 0;
	loader->pause_us = FIRST_PAUSE_US;
}

static void wait_away(struct loader *loader)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us - loader->away_since_us >= SHOW_AWAY_AFTER_US)
		loader_show(loader);
	if (now_us < loader->next_try_us)
		loader_queue_wait(&loader->queue, AWAY_WAIT_MS);
}

/* --- turns
 * ---------------------------------------------------------------------------------------------------
 */

static void wait_idle(const struct loader *loader, struct loader_queue *queue)
{
	static const struct timespec moment = { .tv_nsec = UNPREPARED_NS };
	int wait_ms = loader_idle_ms(loader);

	if (wait_ms == 0)
		nanosleep(&moment, NULL);
	else
		loader_queue_wait(queue, wait_ms);
}

static int turn(struct loader *loader, struct err *err)
{
	int r;

	loader->busy_since_us = clock_monotonic_us();
	r = loader_sync_sources(loader, err);
	if (r == 0)
		r = loader_collect(loader, err);
	if (r > 0)
		r = load_items(loader, err);
	else if (r == 0)
		wait_idle(loader, &loader->queue);
	loader->busy_since_us = clock_monotonic_us();
	if (r == 0 && !db_check(loader->db))
		r = err_set(err, -ENOTCONN, "database: the server closed the connection");
	if (r == 0)
		r = look_after_tables(loader, err);
	loader->busy_since_us = 0;
	return r;
}

static void *run(void *ctx)
{
	struct loader *loader = ctx;
	struct err err;
	int r;

	while (!atomic_load(&loader->stopping)) {
		if (!loader->db && clock_monotonic_us() >= loader->next_try_us) {
			r = loader_connect(loader, &err);
			if (r == 0)
				came_back(loader);
			else
				went_away(loader, r, &err);
		}
		if (!loader->db) {
			wait_away(loader);
			continue;
		}
		r = turn(loader, &err);
		if (r < 0)
			went_away(loader, r, &err);
		else
			works(loader);
	}
	return NULL;
}
