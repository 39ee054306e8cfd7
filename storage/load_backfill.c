/* What came by both roads: pushed by the source, and read from the log that it keeps.
 *
 * A row of the log stands for one push at most, and for one entry at most of each of the source's
 * logs. So a record is left out when a row tells of the same event (event/likeness.h) and its road
 * to that row is still free: two events that look the same are two rows, in whatever order and
 * however often they come. The table `backfilled` holds which entry went to which row; the counter
 * row, which the transaction holds, makes the answer final among replicas.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/likeness.h"
#include "event/quirks.h"
#include "storage/array_text.h"
#include "storage/backfill.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/load.h"
#include "storage/log_row.h"

/* An entry of a source's own log. */
struct own_entry {
	struct uuid log, id;
};

/* A road to a row that is taken. */
struct road {
	struct road *next;
	struct own_entry entry;
	bool logged;          /* the row was made of this entry … */
	struct uuid taken_by; /* … and this push came later; zero: none yet */
};

struct log_rows {
	struct arena *arena;
	struct entry *entries; /* ascending by seq */
	struct road **roads;   /* of each */
	size_t n;
};

static void rows_init(struct log_rows *rows)
{
	*rows = (struct log_rows){ .arena = arena_new(LOG_PAGE_MAX_BYTES) };
}

static void rows_fini(struct log_rows *rows)
{
	arena_free(rows->arena);
	free(rows->entries);
	free(rows->roads);
	*rows = (struct log_rows){ .arena = NULL };
}

void load_look_free(struct log_rows *rows)
{
	if (rows)
		rows_fini(rows);
	free(rows);
}

static int add_rows(struct log_rows *rows, const struct db_result *result, struct err *err)
{
	size_t n = rows->n + db_rows(result);

	rows->entries = xrealloc(rows->entries, (n + 1) * sizeof(rows->entries[0]));
	rows->roads = xrealloc(rows->roads, (n + 1) * sizeof(rows->roads[0]));
	for (size_t i = 0; i < db_rows(result); i++) {
		int r;

		rows->roads[rows->n] = NULL;
		rows->entries[rows->n] = (struct entry){ .seq = 0 };
		r = log_row_read(result, i, rows->arena, &rows->entries[rows->n]);
		if (r < 0)
			return err_set(err, -EINVAL,
				       "loader: too much to compare a source's log with");
		rows->n++;
	}
	return 0;
}

static int find_rows(struct load *load, struct log_rows *rows, const char *where,
		     const struct db_param *params, size_t n_params, struct err *err)
{
	struct db_result *result;
	struct strbuf sql;
	int r;

	strbuf_init(&sql, SIZE_MAX);
	strbuf_putf(&sql, "SELECT %s FROM event e WHERE %s ORDER BY e.seq", log_row_columns, where);
	r = db_query(load->db, sql.p, params, n_params, &result, err);
	strbuf_fini(&sql);
	if (r < 0)
		return r;
	r = add_rows(rows, result, err);
	db_result_free(result);
	return r;
}

static int64_t row_of(const struct log_rows *rows, int64_t seq)
{
	size_t low = 0, high = rows->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rows->entries[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < rows->n && rows->entries[low].seq == seq ? (int64_t)low : -1;
}

static int add_road(struct log_rows *rows, int64_t row, struct road road, struct err *err)
{
	struct road *added = arena_alloc(rows->arena, sizeof(*added));

	if (!added)
		return err_set(err, -EINVAL, "loader: too much to compare a source's log with");
	*added = road;
	added->next = rows->roads[row];
	rows->roads[row] = added;
	return 0;
}

/* Which roads to the rows are taken: final inside the transaction. */
static int find_roads(struct load *load, struct log_rows *rows, struct err *err)
{
	const struct uuid none = { { 0 } };
	struct db_result *result;
	int r = 0;

	if (rows->n == 0)
		return 0;
	array_text_begin(&load->ids);
	for (size_t i = 0; i < rows->n; i++)
		array_text_put_i64(&load->ids, rows->entries[i].seq);
	array_text_end(&load->ids);
	const struct db_param params[] = { DB_STR(strbuf_str(&load->ids)) };

	r = db_query(load->db,
		     "SELECT seq, log, entry, logged, taken_by FROM backfilled"
		     " WHERE seq = ANY ($1::bigint[])",
		     params, 1, &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < db_rows(result) && r == 0; i++) {
		const struct road road = {
			.entry = { db_get_uuid(result, i, 1), db_get_uuid(result, i, 2) },
			.logged = str_eq(db_str(result, i, 3), STR("t")),
			.taken_by = db_is_null(result, i, 4) ? none : db_get_uuid(result, i, 4),
		};

		r = add_road(rows, row_of(rows, db_int(result, i, 0)), road, err);
	}
	db_result_free(result);
	return r;
}

/* --- what becomes of an event -------------------------------------------------------------------
 */

static void leave_out(struct load_item *item, uint32_t i)
{
	if (!item->known)
		item->known = xcalloc(item->delivery->n_events, sizeof(item->known[0]));
	item->n_known += !item->known[i];
	item->known[i] = true;
}

static void doubt(struct load_item *item, uint32_t i)
{
	if (!item->unsure)
		item->unsure = xcalloc(item->delivery->n_events, sizeof(item->unsure[0]));
	item->unsure[i] = true;
}

/* Whether the row may tell of the event: what is looked at first, as it costs nothing. */
static enum likeness compare(const struct log_rows *rows, size_t row, const struct event *event)
{
	const struct event *other = &rows->entries[row].event;

	if (!other->event_time_sane ||
	    other->event_time_us / CLOCK_US_PER_S != event->event_time_us / CLOCK_US_PER_S)
		return LIKENESS_NONE;
	return likeness_of(other, event);
}

/* --- an entry of the source's log ---------------------------------------------------------------
 */

bool load_is_backfill(const struct load_item *item)
{
	return item->delivery && item->delivery->flags & DELIVERY_BACKFILLED;
}

/* Its log is what stands before the last part of its URI. An Id is used again once a log was
 * cleared, hence the time. */
static struct own_entry own_entry_of(const struct event *event)
{
	struct str uri = event->log_entry, time = event->event_timestamp;
	char text[1024];
	size_t at;

	while (uri.len > 1 && uri.p[uri.len - 1] == '/')
		uri.len--;
	for (at = uri.len; at > 0 && uri.p[at - 1] != '/';)
		at--;
	snprintf(text, sizeof(text), "%.*s %.*s", STR_ARG(time), (int)(uri.len - at),
		 uri.p ? uri.p + at : "");
	return (struct own_entry){
		.log = uuid_digest(STR("log"), (struct str){ uri.p, at }),
		.id = uuid_digest(STR("entry"), str_of(text)),
	};
}

static const struct road *road_from(const struct log_rows *rows, size_t row, struct uuid log)
{
	const struct road *road = rows->roads[row];

	while (road && !uuid_eq(road->entry.log, log))
		road = road->next;
	return road;
}

/* It was read before: its row is there. */
static bool was_read(const struct log_rows *rows, const struct event *event, struct own_entry own)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct road *road;

		if (compare(rows, i, event) == LIKENESS_NONE)
			continue;
		road = road_from(rows, i, own.log);
		if (road && uuid_eq(road->entry.id, own.id))
			return true;
	}
	return false;
}

/* A row of the same event that no other entry of that log stands for: its place, or -1. *doubtful
 * when there is one that may be. */
static int64_t free_row(const struct log_rows *rows, const struct event *event,
			struct own_entry own, bool *doubtful)
{
	int64_t found = -1;

	*doubtful = false;
	for (size_t i = 0; i < rows->n && found < 0; i++) {
		enum likeness likeness = compare(rows, i, event);

		if (likeness == LIKENESS_NONE || road_from(rows, i, own.log))
			continue;
		if (likeness == LIKENESS_SAME)
			found = (int64_t)i;
		else
			*doubtful = true;
	}
	return found;
}

static int decide_entry(struct load_item *item, struct log_rows *rows, uint32_t i, struct err *err)
{
	const struct event *event = &item->delivery->events[i];
	struct own_entry own = own_entry_of(event);
	bool doubtful;
	int64_t row;

	if (!event->event_time_sane) {
		doubt(item, i);
		return 0;
	}
	row = free_row(rows, event, own, &doubtful);
	if (row >= 0) {
		leave_out(item, i);
		item->row_seqs[i] = rows->entries[row].seq;
		return add_road(rows, row, (struct road){ .entry = own }, err);
	}
	if (doubtful)
		doubt(item, i);
	return 0;
}

/* Those read before first: what is left of the rows is for the others. */
static int decide_entries(struct load_item *item, struct log_rows *rows, struct err *err)
{
	const struct delivery *delivery = item->delivery;
	int r = 0;

	free(item->row_seqs);
	item->row_seqs = xcalloc(delivery->n_events, sizeof(item->row_seqs[0]));
	for (uint32_t i = 0; i < delivery->n_events; i++) {
		const struct event *event = &delivery->events[i];

		if (event->event_time_sane && was_read(rows, event, own_entry_of(event)))
			leave_out(item, i);
	}
	for (uint32_t i = 0; i < delivery->n_events && r == 0; i++) {
		if (!item->known || !item->known[i])
			r = decide_entry(item, rows, i, err);
	}
	return r;
}

/* Rows of the source from the same seconds as the entries, in (after, last]. */
static int find_rows_of_entries(struct load *load, const struct load_item *item,
				struct log_rows *rows, int64_t after, int64_t last, struct err *err)
{
	const struct delivery *delivery = item->delivery;
	char source[UUID_TEXT_BYTES], from[24], to[24];
	size_t n = 0;

	array_text_begin(&load->ids);
	for (uint32_t i = 0; i < delivery->n_events; i++) {
		if (!delivery->events[i].event_time_sane)
			continue;
		array_text_put_i64(&load->ids, delivery->events[i].event_time_us / CLOCK_US_PER_S);
		n++;
	}
	array_text_end(&load->ids);
	const struct db_param params[] = { db_uuid(item->source, source), db_i64(after, from),
					   db_i64(last, to), DB_STR(strbuf_str(&load->ids)) };

	if (n == 0)
		return 0;
	/* A seq is in exactly one log day, and days ascend with it. */
	return find_rows(load, rows,
			 "e.source_id = $1::uuid AND e.seq > $2::bigint AND e.seq <= $3::bigint"
			 " AND e.log_day >= COALESCE((SELECT max(day) FROM log_day"
			 " WHERE first_seq <= $2::bigint + 1), '-infinity')"
			 " AND floor(extract(epoch FROM e.event_time))::bigint"
			 " = ANY ($4::bigint[])",
			 params, ARRAY_LEN(params), err);
}

/* The long part of it, while nobody waits for us: what is committed up to here does not change. */
int load_look(struct load *load, const struct load_batch *batch, struct err *err)
{
	const struct load_item *item = &batch->items[0];

	load_look_free(load->look);
	load->look = NULL;
	if (!load_is_backfill(item) || !load_item_has_events(item))
		return 0;
	load->look = xmalloc(sizeof(*load->look));
	rows_init(load->look);
	return find_rows_of_entries(load, item, load->look, 0, load->repeats_seq, err);
}

static int compare_entries(struct load *load, struct load_item *item, int64_t seq_before,
			   struct err *err)
{
	struct log_rows *rows = load->look;
	int r = 0;

	if (seq_before > load->repeats_seq)
		r = find_rows_of_entries(load, item, rows, load->repeats_seq, seq_before, err);
	if (r == 0)
		r = find_roads(load, rows, err);
	if (r == 0)
		r = decide_entries(item, rows, err);
	return r;
}

/* --- a push -------------------------------------------------------------------------------------
 */

/* The push of one record, the same whenever and wherever it comes again. */
static struct uuid push_of(const struct load_item *item, uint32_t i)
{
	char text[UUID_TEXT_BYTES], idx[24];
	struct uuid body = uuid_is_zero(item->hash) ? item->id : item->hash;

	snprintf(idx, sizeof(idx), "%u", item->delivery->events[i].index);
	return uuid_digest(str_of(uuid_format(body, text)), str_of(idx));
}

static int take_row(struct load *load, struct log_rows *rows, size_t row, struct uuid push,
		    struct err *err)
{
	char seq[24], by[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_i64(rows->entries[row].seq, seq), db_uuid(push, by) };

	for (struct road *road = rows->roads[row]; road; road = road->next)
		if (road->logged)
			road->taken_by = push;
	return db_query(load->db,
			"UPDATE backfilled SET taken_by = $2::uuid WHERE seq = $1::bigint"
			" AND logged",
			params, ARRAY_LEN(params), NULL, err);
}

/* Whether no other push stands for the row. */
static bool is_free_for(const struct log_rows *rows, size_t row, struct uuid push)
{
	for (const struct road *road = rows->roads[row]; road; road = road->next)
		if (road->logged)
			return uuid_is_zero(road->taken_by) || uuid_eq(road->taken_by, push);
	return false;
}

static int decide_push(struct load *load, struct load_item *item, struct log_rows *rows, uint32_t i,
		       struct err *err)
{
	const struct event *event = &item->delivery->events[i];
	struct uuid push = push_of(item, i);

	for (size_t row = 0; row < rows->n; row++) {
		enum likeness likeness = compare(rows, row, event);

		if (likeness == LIKENESS_NONE || !is_free_for(rows, row, push))
			continue;
		if (likeness == LIKENESS_SAME) {
			leave_out(item, i);
			return take_row(load, rows, row, push, err);
		}
		doubt(item, i);
	}
	return 0;
}

/* Moments of its events for which entries were logged; how many, in load->ids. */
static size_t moments_of(struct load *load, const struct load_item *item)
{
	size_t n = 0;

	array_text_begin(&load->ids);
	for (uint32_t i = 0; i < item->delivery->n_events; i++) {
		struct uuid moment = likeness_moment(item->source, &item->delivery->events[i]);

		if (uuid_is_zero(moment) ||
		    (load->backfill && !backfill_has(load->backfill, moment)))
			continue;
		array_text_put_uuid(&load->ids, moment);
		n++;
	}
	array_text_end(&load->ids);
	return n;
}

bool load_is_compared(struct load *load, const struct load_item *item)
{
	if (load->backfill &&
	    (backfill_is_empty(load->backfill) || !backfill_has(load->backfill, item->source)))
		return false;
	return moments_of(load, item) > 0;
}

static int compare_push(struct load *load, struct load_item *item, struct err *err)
{
	char source[UUID_TEXT_BYTES];
	struct log_rows rows;
	int r;

	if (!load_is_compared(load, item))
		return 0;
	const struct db_param params[] = { db_uuid(item->source, source),
					   DB_STR(strbuf_str(&load->ids)) };

	rows_init(&rows);
	r = find_rows(load, &rows,
		      "(e.log_day, e.seq) IN (SELECT b.log_day, b.seq FROM backfilled b"
		      " WHERE b.source_id = $1::uuid AND b.moment = ANY ($2::uuid[]) AND b.logged)",
		      params, ARRAY_LEN(params), err);
	if (r == 0)
		r = find_roads(load, &rows, err);
	for (uint32_t i = 0; i < item->delivery->n_events && r == 0 && rows.n > 0; i++)
		if (item->delivery->events[i].event_time_sane && !load_item_skips(item, i))
			r = decide_push(load, item, &rows, i, err);
	rows_fini(&rows);
	return r;
}

/* --- the transaction's ---------------------------------------------------------------------------
 */

int load_compare(struct load *load, struct load_item *item, int64_t seq_before, struct err *err)
{
	if (!load_item_has_events(item))
		return 0;
	return load_is_backfill(item) ? compare_entries(load, item, seq_before, err)
				      : compare_push(load, item, err);
}

/* Which row the event went to: its own, or the one that was there; 0 when it went to none. */
static int64_t row_seq_of(const struct load_item *item, uint32_t i, int64_t *next)
{
	if (item->known && item->known[i])
		return item->row_seqs[i];
	if (item->refused && item->refused[i])
		return 0;
	return (*next)++;
}

static void put_entry_row(struct load *load, const struct load_item *item, uint32_t i, int64_t seq,
			  int64_t now_us)
{
	const struct event *event = &item->delivery->events[i];
	bool logged = !item->known || !item->known[i];
	struct own_entry own = own_entry_of(event);
	struct uuid moment = likeness_moment(item->source, event);

	array_text_put_i64(&load->ids, seq);
	array_text_put_uuid(&load->bodies, moment);
	array_text_put_uuid(&load->bodies, own.log);
	array_text_put_uuid(&load->bodies, own.id);
	array_text_put_i64(&load->others, logged);
	if (logged && load->backfill)
		backfill_add(load->backfill, item->source, moment, now_us);
}

int load_entry_rows(struct load *load, const struct load_batch *batch, struct err *err)
{
	const struct load_item *item = &batch->items[0];
	char source[UUID_TEXT_BYTES];
	int64_t next = item->first_seq;

	if (!load_is_backfill(item) || !item->row_seqs)
		return 0;
	array_text_begin(&load->ids);
	array_text_begin(&load->bodies);
	array_text_begin(&load->others);
	for (uint32_t i = 0; i < item->delivery->n_events; i++) {
		int64_t seq = row_seq_of(item, i, &next);

		if (seq > 0 && item->delivery->events[i].event_time_sane)
			put_entry_row(load, item, i, seq, item->delivery->received_us);
	}
	array_text_end(&load->ids);
	array_text_end(&load->bodies);
	array_text_end(&load->others);
	const struct db_param params[] = { db_uuid(item->source, source),
					   DB_STR(strbuf_str(&load->ids)),
					   DB_STR(strbuf_str(&load->bodies)),
					   DB_STR(strbuf_str(&load->others)) };

	/* Three ids of each entry, one after the other. */
	return db_query(
		load->db,
		"INSERT INTO backfilled (source_id, seq, moment, log, entry, logged, log_day)"
		" SELECT $1::uuid, s.seq, ids[3 * n - 2], ids[3 * n - 1], ids[3 * n],"
		" flags[n] = 1, (SELECT max(day) FROM log_day WHERE first_seq <= s.seq)"
		" FROM (SELECT $3::uuid[] ids, $4::bigint[] flags) a,"
		" unnest($2::bigint[]) WITH ORDINALITY s (seq, n)"
		" ON CONFLICT DO NOTHING",
		params, ARRAY_LEN(params), NULL, err);
}
