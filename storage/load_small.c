/* A few plain events in one trip to the server.
 *
 * The usual way asks where the log stands, and goes on with the answer: five trips, which at light
 * load take longer than the work. Here the answer is guessed, from what the last transaction left,
 * and the server refuses a wrong guess.
 */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/load.h"
#include "storage/log_row.h"
#include "storage/repeats.h"

/* What rfeventd_take() does on a day that has begun and goes on, when the log ends at $1 of day $2. */
static const char take_sql[] =
	"WITH c AS (UPDATE counter SET seq = seq + $3 WHERE id = 1 AND seq = $1"
	"  AND log_day = DATE '2000-01-01' + $2::int AND day_first_seq <= $1"
	"  AND log_day >= least((clock_timestamp() AT TIME ZONE 'UTC')::date, attached_until)"
	"  RETURNING seq, attached_until - log_day AS days_ahead),"
	" s AS (UPDATE journal_segment j SET position = $6, node = $7, changed = now(), seq = c.seq"
	"  FROM c WHERE j.segment = $4 AND j.position = $5 RETURNING c.days_ahead)"
	" SELECT coalesce((SELECT days_ahead FROM s), rfeventd_wrong_guess())";

/* What it sees to for each transaction. */
static const char session_sql[] = "SET synchronous_commit = on";

int load_small_prepare(struct load *load, struct db *db, struct err *err)
{
	const char *const kept[] = { take_sql, load_text_sql, log_row_insert_sql, repeat_insert_sql };
	int r = db_exec(db, session_sql, err);

	for (size_t i = 0; i < ARRAY_LEN(kept) && r == 0; i++)
		r = db_prepare(db, kept[i], err);
	load->is_small_ready = r == 0;
	return r;
}

/* Nothing of it needs more than a row, a text and a key among the repeats. */
static bool is_plain(struct load *load, const struct load_item *item)
{
	const struct delivery *delivery = item->delivery;

	return load_item_has_events(item) && delivery->n_quarantined == 0 &&
	       !load_is_backfill(item) && uuid_is_zero(delivery->upstream.stream) &&
	       (!item->is_enrolled || id_set_has(&load->sources, item->source)) &&
	       !load_is_compared(load, item);
}

bool load_is_small(struct load *load, const struct load_batch *batch)
{
	size_t n_events = 0, n_bytes = 0;

	if (!load->is_small_ready || load->day == INT32_MIN || batch->old_position == 0 ||
	    batch->way != LOAD_ALL || batch->retry)
		return false;
	for (size_t i = 0; i < batch->n_items; i++) {
		if (!is_plain(load, &batch->items[i]))
			return false;
		n_events += batch->items[i].delivery->n_events;
		n_bytes += batch->items[i].delivery->raw.len;
		if (n_events > LOAD_SMALL_MAX_EVENTS || n_bytes > LOAD_SMALL_MAX_BYTES)
			return false;
	}
	return true;
}

static bool has_repeats(struct load *load, const struct load_batch *batch)
{
	for (size_t i = 0; i < batch->n_items; i++) {
		if (load_decide_repeat(load, &batch->items[i]))
			continue;
		repeats_undo(load->repeats);
		for (size_t n = 0; n <= i; n++)
			load_item_forget(&batch->items[n]);
		return true;
	}
	return false;
}

static int put_take(struct load *load, const struct load_batch *batch, struct err *err)
{
	char after[24], day[24], count[24], segment[UUID_TEXT_BYTES], old[24], new[24];
	const struct db_param params[] = {
		db_i64(load->repeats_seq, after),
		db_i64(load->day, day),
		db_i64((int64_t)load->n_rows, count),
		db_uuid(batch->segment, segment),
		db_i64((int64_t)batch->old_position, old),
		db_i64((int64_t)batch->items[batch->n_items - 1].end, new),
		DB_STR(str_of(load->node)),
	};

	return db_pipeline_put(load->db, take_sql, params, ARRAY_LEN(params), err);
}

static int put_rows(struct load *load, const struct strbuf *rows, size_t n_rows, const char *sql,
		    struct err *err)
{
	struct db_param params[COPY_MAX_COLUMNS];
	size_t at = copy_first(strbuf_str(rows)), n;
	int r = rows->failed ? err_set(err, -ENOMEM, "loader: no memory for the rows of a batch")
			     : 0;

	for (size_t i = 0; i < n_rows && r == 0; i++) {
		at = copy_params(strbuf_str(rows), at, params, &n);
		r = db_pipeline_put(load->db, sql, params, n, err);
	}
	return r;
}

static int put_all(struct load *load, const struct load_batch *batch, struct err *err)
{
	int r = put_take(load, batch, err);

	if (r == 0)
		r = load_texts_put(load, batch->items, batch->n_items, err);
	if (r == 0)
		r = put_rows(load, &load->rows, load->n_rows, log_row_insert_sql, err);
	if (r == 0)
		r = put_rows(load, &load->others, load_build_repeats(load, batch),
			     repeat_insert_sql, err);
	return r;
}

int load_small(struct load *load, struct load_batch *batch, struct err *err)
{
	struct db_result *result;
	int r;

	if (has_repeats(load, batch))
		return 1;
	load_build_rows(load, batch, load->repeats_seq);
	r = db_pipeline_begin(load->db, err);
	if (r == 0)
		r = put_all(load, batch, err);
	if (r == 0 && batch->is_early)
		r = db_pipeline_start(load->db, err);
	if (r == 0)
		r = load_wait_durable(load, batch, err);
	if (r < 0)
		return r;
	batch->n_logged = (int64_t)load->n_rows;
	batch->last_seq = load->repeats_seq + batch->n_logged;
	batch->committing = true;
	r = db_pipeline_commit(load->db, &result, err);
	if (r < 0)
		return r;
	load->days_ahead = db_int(result, 0, 0);
	db_result_free(result);
	return 0;
}
