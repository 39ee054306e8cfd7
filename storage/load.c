#include "storage/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "storage/backfill.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/log_row.h"
#include "storage/repeats.h"

#define STATE_STALE_POSITION "RF001"
#define KEEP_BUFFER_BYTES    (64u << 20) /* a larger one is given back after its batch */

void load_init(struct load *load, const char *node, struct repeats *repeats,
	       struct backfill *backfill)
{
	*load = (struct load){ .node = node, .repeats = repeats, .backfill = backfill };
	id_set_init(&load->texts, TEXT_CACHE_MAX);
	id_set_init(&load->sources, 0);
	/* Bounded by the batch's bytes, and for a single delivery by its arena. */
	strbuf_init(&load->rows, SIZE_MAX);
	strbuf_init(&load->others, SIZE_MAX);
	strbuf_init(&load->ids, SIZE_MAX);
	strbuf_init(&load->bodies, SIZE_MAX);
}

void load_fini(struct load *load)
{
	id_set_fini(&load->texts);
	id_set_fini(&load->sources);
	strbuf_fini(&load->rows);
	free(load->row_starts);
	strbuf_fini(&load->others);
	strbuf_fini(&load->ids);
	strbuf_fini(&load->bodies);
	load_look_free(load->look);
	load->look = NULL;
}

void load_reset(struct load *load, struct db *db, int64_t last_seq)
{
	load->db = db;
	load->repeats_seq = last_seq;
	load->day = INT32_MIN;
	load->days_ahead = 1; /* until a transaction says otherwise */
	id_set_clear(&load->texts);
	id_set_clear(&load->sources);
}

/* --- items
 * ----------------------------------------------------------------------------------------- */

static uint32_t n_left_out(const struct load_item *item)
{
	return item->n_refused + item->n_known;
}

bool load_item_skips(const struct load_item *item, uint32_t i)
{
	return (item->refused && item->refused[i]) || (item->known && item->known[i]);
}

bool load_item_has_events(const struct load_item *item)
{
	return item->delivery && !item->set_aside && !item->is_repeat &&
	       item->delivery->kind == DELIVERY_EVENTS &&
	       item->delivery->n_events > n_left_out(item);
}

uint32_t load_n_logged(const struct load_item *item)
{
	return load_item_has_events(item) ? item->delivery->n_events - n_left_out(item) : 0;
}

/* Hashing is done here, outside the transaction: the counter row is held shorter. */
void load_item_init(struct load_item *item, struct delivery *delivery, struct uuid source)
{
	*item = (struct load_item){ .delivery = delivery,
				    .end = delivery->end,
				    .id = delivery->id,
				    .source = source,
				    .is_enrolled = delivery->flags & DELIVERY_ENROLLED };
	if (!load_item_has_events(item))
		return;
	/* Entries, and events of another rfeventd, are known one by one, however they come together. */
	if (!load_is_backfill(item) && uuid_is_zero(delivery->upstream.stream))
		item->hash = repeats_hash(delivery->raw);
	item->text_ids = xcalloc(delivery->n_events, sizeof(item->text_ids[0]));
	for (uint32_t i = 0; i < delivery->n_events; i++)
		if (delivery->events[i].message.p)
			item->text_ids[i] = log_text_id(delivery->events[i].message);
}

void load_item_forget(struct load_item *item)
{
	free(item->refused);
	free(item->known);
	free(item->unsure);
	free(item->row_seqs);
	item->refused = item->known = item->unsure = NULL;
	item->row_seqs = NULL;
	item->n_refused = item->n_known = 0;
	item->is_repeat = item->may_be_repeat = false;
}

void load_item_fini(struct load_item *item)
{
	load_item_forget(item);
	delivery_unref(item->delivery);
	free(item->text_ids);
	free(item->words);
	*item = (struct load_item){ 0 };
}

static bool all_times_are_sane(const struct delivery *delivery)
{
	for (uint32_t i = 0; i < delivery->n_events; i++)
		if (!delivery->events[i].event_time_sane)
			return false;
	return true;
}

/* --- begin, and the range of seqs
 * -------------------------------------------------------------------- */

static int64_t n_events_of(const struct load_batch *batch)
{
	int64_t n = 0;

	for (size_t i = 0; i < batch->n_items; i++)
		n += load_n_logged(&batch->items[i]);
	return n;
}

const char load_take_sql[] =
	"SELECT seq_before, day, days_ahead FROM rfeventd_take($1, $2, $3, $4, $5)";

/* Begins the transaction. */
static int take_seqs(struct load *load, const struct load_batch *batch, int64_t n,
		     int64_t *seq_before, struct err *err)
{
	char count[24], segment[UUID_TEXT_BYTES], old[24], new[24];
	const struct db_param params[] = {
		db_i64(n, count),
		db_uuid(batch->segment, segment),
		db_i64((int64_t)batch->old_position, old),
		db_i64((int64_t)batch->items[batch->n_items - 1].end, new),
		DB_STR(str_of(load->node)),
	};
	struct db_result *result;
	int32_t day;
	int r;

	r = db_begin_query(load->db, load_take_sql, params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return strcmp(db_sqlstate(load->db), STATE_STALE_POSITION) == 0 ? -ESTALE : r;
	*seq_before = db_int(result, 0, 0);
	day = (int32_t)db_int(result, 0, 1);
	load->days_ahead = db_int(result, 0, 2);
	db_result_free(result);
	if (day != load->day)
		id_set_clear(&load->texts);
	load->day = day;
	return 0;
}

/* --- repeats
 * ------------------------------------------------------------------------------------------ */

static void learn_row(struct load *load, const struct db_result *result, size_t row)
{
	struct uuid source = db_get_uuid(result, row, 1), id = db_get_uuid(result, row, 2);
	int64_t time_us = db_time_us(result, row, 3);

	if (str_eq(db_str(result, row, 4), STR("f")))
		repeats_add(load->repeats, source, id, time_us);
	else if (load->backfill)
		backfill_add(load->backfill, source, id, time_us);
}

/* Bodies, and entries of sources' logs, that other replicas logged since our last commit: the
 * counter row, which we hold now, says that there are some, and makes the answer final. */
static int learn_repeats(struct load *load, int64_t seq_before, struct err *err)
{
	char after[24], last[24];
	const struct db_param params[] = { db_i64(load->repeats_seq, after),
					   db_i64(seq_before, last) };
	struct db_result *result;
	int r;

	if (seq_before == load->repeats_seq)
		return 0;
	r = db_query(load->db,
		     "SELECT seq, source_id, hash, received, false FROM repeat"
		     " WHERE seq > $1::bigint AND seq <= $2::bigint"
		     " UNION ALL SELECT seq, source_id, moment, added, true FROM backfilled"
		     " WHERE seq > $1::bigint AND seq <= $2::bigint AND logged ORDER BY 1",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < db_rows(result); i++)
		learn_row(load, result, i);
	db_result_free(result);
	return 0;
}

bool load_decide_repeat(struct load *load, struct load_item *item)
{
	item->is_repeat = item->may_be_repeat = false;
	if (uuid_is_zero(item->hash) || !load_item_has_events(item))
		return true;
	if (repeats_has(load->repeats, item->source, item->hash, item->delivery->received_us)) {
		/* A real second event is never swallowed: without times nobody can tell. */
		if (all_times_are_sane(item->delivery)) {
			item->is_repeat = true;
			return false;
		}
		item->may_be_repeat = true;
	}
	repeats_add(load->repeats, item->source, item->hash, item->delivery->received_us);
	return !item->may_be_repeat;
}

/* --- rows
 * ------------------------------------------------------------------------------------------- */

static int copy(struct load *load, struct strbuf *rows, const char *sql, struct err *err)
{
	int r;

	copy_end(rows);
	if (rows->failed)
		return err_set(err, -ENOMEM, "loader: no memory for the rows of a batch");
	r = db_copy_begin(load->db, sql, err);
	if (r == 0)
		r = db_copy_put(load->db, strbuf_str(rows), err);
	if (r == 0)
		r = db_copy_end(load->db, NULL, err);
	return r;
}

static int save_metric_reports(struct load *load, const struct load_batch *batch, struct err *err)
{
	size_t n = 0;

	strbuf_reset(&load->others);
	copy_begin(&load->others);
	for (size_t i = 0; i < batch->n_items; i++) {
		const struct load_item *item = &batch->items[i];

		if (!item->delivery || item->set_aside ||
		    item->delivery->kind != DELIVERY_METRIC_REPORT)
			continue;
		copy_metric_report(&load->others, item->delivery, item->source);
		n++;
	}
	return n > 0 ? copy(load, &load->others, metric_report_copy_sql, err) : 0;
}

/* --- one by one
 * --------------------------------------------------------------------------------------- */

static int try_event(struct load *load, struct load_item *item, uint32_t i, uint32_t part,
		     struct err *err)
{
	int r = load_text_of(load, item, i, err);

	if (r < 0)
		return r;
	load_begin_rows(load);
	load_put_event(load, item, i, part);
	return copy(load, &load->rows, log_row_copy_sql, err);
}

/* One event under a savepoint: 1 when it is in, 0 when it was refused (and set aside). */
static int save_event_or_set_aside(struct load *load, struct load_item *item, uint32_t i,
				   uint32_t part, struct err *err)
{
	struct err why;
	int r = db_exec(load->db, "SAVEPOINT one", err);

	if (r < 0)
		return r;
	r = try_event(load, item, i, part, &why);
	if (r == 0) {
		r = db_exec(load->db, "RELEASE one", err);
		return r < 0 ? r : 1;
	}
	if (r != -EINVAL)
		return err_set(err, r, "%s", why.text);
	id_set_clear(&load->texts);
	r = db_exec(load->db, "ROLLBACK TO one", err);
	if (r == 0)
		r = load_refused_event(load, item, i, why.text, err);
	return r;
}

static int save_one_by_one(struct load *load, struct load_batch *batch, int64_t seq_before,
			   struct err *err)
{
	struct load_item *item = &batch->items[0];
	uint32_t n, part = 0;

	item->first_seq = seq_before + 1;
	batch->n_logged = 0;
	if (!load_item_has_events(item))
		return 0;
	n = item->delivery->n_events;
	item->refused = xcalloc(n, sizeof(item->refused[0]));
	for (uint32_t i = 0; i < n; i++) {
		int r;

		if (load_item_skips(item, i))
			continue;
		r = save_event_or_set_aside(load, item, i, part, err);
		if (r < 0)
			return r;
		part += (uint32_t)r;
		item->refused[i] = r == 0;
		item->n_refused += r == 0;
	}
	batch->n_logged = part;
	return 0;
}

/* --- the transaction
 * --------------------------------------------------------------------------------- */

/* What repeats and refused rows left over goes back, so that seqs have no gap. */
static int give_back(struct load *load, int64_t n_surplus, struct err *err)
{
	char surplus[24];
	const struct db_param params[] = { db_i64(n_surplus, surplus) };

	if (n_surplus == 0)
		return 0;
	return db_query(load->db, "UPDATE counter SET seq = seq - $1::bigint WHERE id = 1", params,
			1, NULL, err);
}

/* Events, repeats and COMMIT wait for the server twice, not five times: at light load that is a
 * good part of what an event needs to reach the stream. */
static int commit_rows(struct load *load, struct load_batch *batch, struct err *err)
{
	int r;

	copy_end(&load->rows);
	copy_end(&load->others);
	if (load->rows.failed || load->others.failed)
		return err_set(err, -ENOMEM, "loader: no memory for the rows of a batch");
	r = db_copy_begin(load->db, log_commit_sql, err);
	if (r == 0)
		r = db_copy_put(load->db, strbuf_str(&load->rows), err);
	if (r == 0)
		r = db_copy_next(load->db, err);
	if (r == 0)
		r = db_copy_put(load->db, strbuf_str(&load->others), err);
	if (r < 0)
		return r;
	batch->committing = true;
	return db_copy_commit(load->db, err);
}

/* The last rows of the transaction, and its end. */
static int save_rows(struct load *load, struct load_batch *batch, struct err *err)
{
	bool has_events = batch->way != LOAD_ONE_BY_ONE && load->n_rows > 0;
	size_t n_repeats = load_build_repeats(load, batch);
	int r = 0;

	if (has_events && n_repeats > 0)
		return commit_rows(load, batch, err);
	if (has_events)
		r = copy(load, &load->rows, log_row_copy_sql, err);
	if (r == 0 && n_repeats > 0)
		r = copy(load, &load->others, repeat_copy_sql, err);
	if (r < 0)
		return r;
	batch->committing = true;
	return db_commit(load->db, err);
}

/* What is logged of the items. *as_built: all of it, as if nobody had looked. */
static int decide(struct load *load, struct load_batch *batch, int64_t seq_before, bool *as_built,
		  struct err *err)
{
	int r = 0;

	*as_built = true;
	for (size_t i = 0; i < batch->n_items && r == 0; i++) {
		struct load_item *item = &batch->items[i];

		*as_built &= load_decide_repeat(load, item);
		if (!batch->retry)
			r = load_upstream(load, item, err);
		if (r == 0)
			r = load_compare(load, item, seq_before, err);
		*as_built &= item->n_known == 0 && !item->unsure;
	}
	return r;
}

/* The usual way: what the server says decides how it goes on. Whether an event needs a step that is
 * added here has to be asked of is_plain() (load_small.c), too. */
static int save(struct load *load, struct load_batch *batch, struct err *err)
{
	int64_t n = n_events_of(batch), seq_before;
	bool as_built;
	int r = take_seqs(load, batch, n, &seq_before, err);

	if (r == 0)
		r = learn_repeats(load, seq_before, err);
	if (r == 0)
		r = decide(load, batch, seq_before, &as_built, err);
	if (r < 0)
		return r;
	r = load_enrolled(load, batch->items, batch->n_items, err);
	if (r < 0)
		return r;
	if (batch->way == LOAD_ONE_BY_ONE) {
		r = save_one_by_one(load, batch, seq_before, err);
	} else {
		r = load_texts(load, batch->items, batch->n_items, err);
		load_number_rows(load, batch, as_built, seq_before);
	}
	if (r == 0)
		r = save_metric_reports(load, batch, err);
	if (r == 0)
		r = load_entry_rows(load, batch, err);
	if (r == 0)
		r = load_quarantine(load, batch, err);
	if (r == 0 && batch->retry)
		r = load_leave_quarantine(load, batch, err);
	if (r == 0)
		r = give_back(load, n - batch->n_logged, err);
	batch->last_seq = seq_before + batch->n_logged;
	return r == 0 ? save_rows(load, batch, err) : r;
}

/* What a failed transaction said of the items no longer holds. */
static void forget_decisions(struct load *load, struct load_batch *batch)
{
	repeats_undo(load->repeats);
	id_set_clear(&load->texts);
	id_set_clear(&load->sources);
	for (size_t i = 0; i < batch->n_items; i++)
		load_item_forget(&batch->items[i]);
}

static int64_t newest_of(const struct load_batch *batch)
{
	int64_t newest_us = INT64_MIN;

	for (size_t i = 0; i < batch->n_items; i++) {
		const struct delivery *delivery = batch->items[i].delivery;

		if (delivery && delivery->received_us > newest_us)
			newest_us = delivery->received_us;
	}
	return newest_us;
}

static void limit_buffer(struct strbuf *buffer)
{
	if (buffer->size > KEEP_BUFFER_BYTES)
		strbuf_fini(buffer);
}

int load_wait_durable(struct load *load, const struct load_batch *batch, struct err *err)
{
	return batch->is_early ? load->wait_durable(load->wait_ctx, batch, err) : 0;
}

/* The usual way, from its beginning. */
static int run(struct load *load, struct load_batch *batch, struct err *err)
{
	int r;

	batch->committing = false;
	r = load_wait_durable(load, batch, err);
	if (r < 0)
		return r;
	load_build_rows(load, batch, 0);
	r = load_look(load, batch, err);
	return r == 0 ? save(load, batch, err) : r;
}

int load_run(struct load *load, struct load_batch *batch, struct err *err)
{
	int r = 1;

	batch->committing = false;
	if (load_is_small(load, batch))
		r = load_small(load, batch, err);
	if (r < 0 && r != -ENOTCONN) {
		/* Whatever it was: the usual way finds out what to do about it. */
		log_debug("storage", "small transaction tried again", LOG_T("err", err->text));
		db_rollback(load->db);
		forget_decisions(load, batch);
	}
	if (r != 0 && r != -ENOTCONN)
		r = run(load, batch, err);
	limit_buffer(&load->rows);
	limit_buffer(&load->others);
	limit_buffer(&load->bodies);
	if (r == -ENOTCONN && batch->committing) {
		repeats_undo(load->repeats); /* read again at the next connection, if it was done */
		return r;
	}
	if (r < 0) {
		if (r != -ENOTCONN)
			db_rollback(load->db);
		forget_decisions(load, batch);
		return r;
	}
	if (newest_of(batch) != INT64_MIN)
		repeats_keep(load->repeats, newest_of(batch));
	load->repeats_seq = batch->last_seq;
	return 0;
}

/* --- entries
 * ------------------------------------------------------------------------------------------ */

static size_t fill_entries(const struct load_item *item, bool provisional, struct entry *entries)
{
	const struct delivery *delivery = item->delivery;
	size_t n = 0;

	for (uint32_t i = 0; i < delivery->n_events; i++) {
		struct entry *entry = &entries[n];

		if (load_item_skips(item, i))
			continue;
		*entry = (struct entry){ .seq = provisional ? 0 : item->first_seq + (int64_t)n,
					 .delivery = delivery->id,
					 .source = item->source,
					 .received_us = delivery->received_us,
					 .peer = delivery->peer,
					 .event = delivery->events[i] };
		entry->event.quirks = load_quirks_of(item, &delivery->events[i]);
		n++;
	}
	return n;
}

struct entry_batch *load_entries(const struct load_item *items, size_t n_items, bool provisional)
{
	struct entry_batch *batch;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < n_items; i++)
		n += load_n_logged(&items[i]);
	batch = entry_batch_new(n);
	batch->held = xcalloc(n_items + 1, sizeof(batch->held[0]));
	for (size_t i = 0; i < n_items; i++) {
		if (!load_item_has_events(&items[i]))
			continue;
		at += fill_entries(&items[i], provisional, &batch->entries[at]);
		batch->held[batch->n_held++] = delivery_ref(items[i].delivery);
	}
	return batch;
}
