#include "storage/loader_priv.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/source_set.h"
#include "storage/backfill.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/log.h"
#include "storage/migrate.h"
#include "storage/partitions.h"
#include "storage/repeats.h"
#include "storage/sources.h"

#define CONNECT_TIMEOUT_MS 1000
#define REPEATS_AT_ONCE    "20000"

/* --- sources
 * ------------------------------------------------------------------------------------------ */

void loader_refresh_sources(struct loader *loader)
{
	slot_refresh(loader->config.sources, &loader->sources, &loader->sources_version);
}

int loader_sync_sources(struct loader *loader, struct err *err)
{
	struct source_set *set;
	int r;

	loader_refresh_sources(loader);
	set = loader->sources;
	if (!set || set == loader->written)
		return 0;
	r = sources_write(loader->db, set, loader->written, &loader->load.sources, err);
	if (r < 0)
		return r;
	source_set_unref(loader->written);
	loader->written = source_set_ref(set);
	return 0;
}

/* --- repeats
 * ------------------------------------------------------------------------------------------ */

/* What the table holds up to `last_seq`, oldest first. */
static int read_repeats(struct loader *loader, int64_t last_seq, struct err *err)
{
	int64_t seq = 0;
	size_t n;

	repeats_clear(loader->load.repeats);
	do {
		char after[24], last[24];
		const struct db_param params[] = { db_i64(seq, after), db_i64(last_seq, last) };
		struct db_result *result;
		int r;

		r = db_query(loader->db,
			     "SELECT seq, source_id, hash, received FROM repeat"
			     " WHERE seq > $1::bigint AND seq <= $2::bigint"
			     " ORDER BY seq LIMIT " REPEATS_AT_ONCE,
			     params, 2, &result, err);
		if (r < 0)
			return r;
		n = db_rows(result);
		for (size_t i = 0; i < n; i++) {
			seq = db_int(result, i, 0);
			repeats_add(loader->load.repeats, db_get_uuid(result, i, 1),
				    db_get_uuid(result, i, 2), db_time_us(result, i, 3));
		}
		repeats_keep(loader->load.repeats, INT64_MIN);
		db_result_free(result);
	} while (n > 0);
	return 0;
}

/* Entries of sources' logs that a push may still come for, oldest first. */
static int read_backfill(struct loader *loader, int64_t last_seq, struct err *err)
{
	char last[24], most[24], keep[24];
	const struct db_param params[] = { db_i64(last_seq, last),
					   db_i64(BACKFILL_MAX_ENTRIES, most),
					   db_i64(BACKFILL_KEEP_US, keep) };
	struct db_result *result;
	int r;

	backfill_clear(loader->load.backfill);
	r = db_query(loader->db,
		     "SELECT source_id, moment, added FROM (SELECT * FROM backfilled"
		     " WHERE logged AND seq <= $1::bigint"
		     " AND added > now() - $3::bigint * interval '1 microsecond'"
		     " ORDER BY added DESC LIMIT $2::bigint) b ORDER BY added",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < db_rows(result); i++)
		backfill_add(loader->load.backfill, db_get_uuid(result, i, 0),
			     db_get_uuid(result, i, 1), db_time_us(result, i, 2));
	db_result_free(result);
	return 0;
}

/* --- identity
 * ----------------------------------------------------------------------------------------- */

/* The log is behind what this node saw of it: restored, or failed over to a server that had not
 * everything. Positions of readers mean something else now, so it gets another identity. Another
 * replica may be faster: one new epoch is enough. */
static int start_epoch(struct loader *loader, const struct log_bounds *bounds, struct err *err)
{
	char old[UUID_TEXT_BYTES], base[24];
	const struct db_param params[] = { db_uuid(bounds->epoch, old),
					   db_i64(bounds->last_seq, base) };

	return db_query(loader->db,
			"UPDATE meta SET epoch = gen_random_uuid(), created = now(),"
			" previous = epoch, base_seq = $2::bigint WHERE epoch = $1::uuid",
			params, ARRAY_LEN(params), NULL, err);
}

/* Where the log's epoch began: 1 with *base when the one before it was ours. */
static int epoch_base(struct loader *loader, int64_t *base, struct err *err)
{
	char ours[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(loader->epoch, ours) };
	struct db_result *result;
	int r = db_query(loader->db, "SELECT base_seq FROM meta WHERE previous = $1::uuid", params,
			 1, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1;
	if (r == 1)
		*base = db_int(result, 0, 0);
	db_result_free(result);
	return r;
}

/* Seqs (base, gone] were given to events of ours whose segments were deleted since: as many seqs of
 * the new epoch stay empty, so that every reader is told. Events of other replicas among them are
 * loaded again by those, hence "up to". */
static int leave_gap(struct loader *loader, int64_t base, int64_t gone, struct err *err)
{
	char lost[24];
	const struct db_param params[] = { db_i64(gone - base, lost),
					   DB_STR(str_of(loader->config.node)) };

	log_error("storage", "events of the restored log are gone from the journal too: a gap",
		  LOG_I("events_up_to", gone - base));
	return db_query(loader->db,
			"WITH c AS (UPDATE counter SET seq = seq + $1::bigint WHERE NOT EXISTS"
			"  (SELECT FROM log_gap g, meta m WHERE g.epoch = m.epoch AND g.node = $2)"
			"  RETURNING seq)"
			" INSERT INTO log_gap (from_seq, to_seq, epoch, node)"
			" SELECT c.seq - $1::bigint + 1, c.seq, m.epoch, $2 FROM c, meta m",
			params, ARRAY_LEN(params), NULL, err);
}

/* The log has another epoch than the one we knew: what we have of it is loaded again from where its
 * positions are. */
static int enter_epoch(struct loader *loader, struct log_bounds *bounds, int64_t seen,
		       struct err *err)
{
	int64_t base = 0, gone = journal_gone_seq(loader->config.journal);
	char epoch[UUID_TEXT_BYTES];
	int r = epoch_base(loader, &base, err);

	if (r == 1 && gone > base)
		r = leave_gap(loader, base, gone, err);
	if (r >= 0)
		r = log_bounds(loader->db, bounds, err);
	if (r < 0)
		return r;
	journal_forget_loaded(loader->config.journal);
	log_error("storage", "epoch changed: the log was restored to an earlier point, or is another",
		  LOG_T("epoch", uuid_format(bounds->epoch, epoch)),
		  LOG_I("last_seq", bounds->last_seq), LOG_I("seen_seq", seen));
	if (loader->config.on_new_epoch)
		loader->config.on_new_epoch(loader->config.on_ctx, loader->epoch, bounds->epoch);
	return 0;
}

static int64_t seen_seq(struct loader *loader)
{
	int64_t seen = loader->last_seq;

	pthread_mutex_lock(&loader->mutex);
	if (uuid_eq(loader->saw_epoch, loader->epoch) && loader->saw_seq > seen)
		seen = loader->saw_seq;
	pthread_mutex_unlock(&loader->mutex);
	return seen;
}

static int read_bounds(struct loader *loader, struct log_bounds *bounds, struct err *err)
{
	int64_t seen = seen_seq(loader);
	int r = log_bounds(loader->db, bounds, err);

	if (r == 0 && uuid_eq(bounds->epoch, loader->epoch) && bounds->last_seq < seen) {
		r = start_epoch(loader, bounds, err);
		if (r == 0)
			r = log_bounds(loader->db, bounds, err);
	}
	if (r == 0 && !uuid_is_zero(loader->epoch) && !uuid_eq(bounds->epoch, loader->epoch))
		r = enter_epoch(loader, bounds, seen, err);
	if (r < 0)
		return r;
	loader->epoch = bounds->epoch;
	loader->last_seq = bounds->last_seq;
	return 0;
}

/* --- connecting
 * --------------------------------------------------------------------------------------- */

/* Whether the COMMIT that the last connection died in was done. */
static int settle_unsure(struct loader *loader, struct err *err)
{
	const struct load_batch *batch = &loader->batch;
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(batch->segment, id) };
	struct db_result *result;
	uint64_t position = 0;
	int r;

	if (!loader->unsure)
		return 0;
	r = db_query(loader->db, "SELECT position FROM journal_segment WHERE segment = $1::uuid",
		     params, 1, &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 1)
		position = (uint64_t)db_int(result, 0, 0);
	db_result_free(result);
	loader->unsure = false;
	if (position >= batch->items[batch->n_items - 1].end) {
		log_info("storage", "commit in doubt was done", LOG_I("last_seq", batch->last_seq));
		loader_committed(loader);
		return 0;
	}
	log_info("storage", "commit in doubt was not done, loading again");
	for (size_t i = 0; i < loader->n_items; i++)
		load_item_forget(&loader->items[i]);
	return 0;
}

/* The database is our own: nobody hears of commits, and no pooler changes the session. */
static int be_alone(struct loader *loader, struct err *err)
{
	int r = db_exec(loader->db, "SET rfeventd.alone = on", err);

	if (r == 0)
		r = db_prepare(loader->db, load_take_sql, err);
	return r == 0 ? load_small_prepare(&loader->load, loader->db, err) : r;
}

static int settle(struct loader *loader, struct log_bounds *bounds, struct err *err)
{
	int r = db_exec(loader->db, "SET lock_timeout = '1s'", err);

	if (r == 0)
		r = migrate(loader->db, err);
	if (r == 0 && loader->config.alone)
		r = be_alone(loader, err);
	if (r == 0)
		r = partitions_attach(loader->db, err);
	if (r == 0)
		r = settle_unsure(loader, err);
	if (r == 0)
		r = read_bounds(loader, bounds, err);
	if (r < 0)
		return r;
	load_reset(&loader->load, loader->db, bounds->last_seq);
	r = read_repeats(loader, bounds->last_seq, err);
	if (r == 0)
		r = read_backfill(loader, bounds->last_seq, err);
	source_set_unref(loader->written);
	loader->written = NULL;
	if (r == 0)
		r = loader_sync_sources(loader, err);
	if (r == 0)
		r = loader_find_position(loader, err);
	return r;
}

static void on_wait(void *ctx);

int loader_connect(struct loader *loader, struct err *err)
{
	struct log_bounds bounds;
	int r;

	r = db_open(loader->config.url, "rfeventd loader", CONNECT_TIMEOUT_MS, &loader->db, err);
	if (r < 0) {
		loader->db = NULL;
		return r;
	}
	db_on_wait(loader->db, on_wait, loader, LOADER_HOOK_MS);
	loader->busy_since_us = clock_monotonic_us();
	r = settle(loader, &bounds, err);
	loader->busy_since_us = 0;
	if (r < 0)
		return r;
	loader->config.on_connected(loader->config.on_connected_ctx, bounds.epoch,
				    bounds.oldest_seq, bounds.last_seq);
	return 0;
}

/* While a statement runs: it may be the database that hangs. */
static void on_wait(void *ctx)
{
	struct loader *loader = ctx;
	int64_t now_us = clock_monotonic_us();

	if (atomic_load(&loader->stopping) && now_us > atomic_load(&loader->stop_by_us)) {
		db_give_up(loader->db);
		return;
	}
	loader_note_hang(loader);
	if (loader->busy_since_us > 0 && now_us - loader->busy_since_us >= LOADER_SHOW_AFTER_US)
		loader_show(loader);
}
