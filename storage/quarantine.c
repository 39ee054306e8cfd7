#include "storage/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "storage/db.h"
#include "storage/load.h"
#include "storage/repeats.h"

#define ID_CHARS     (UUID_TEXT_BYTES - 1)
#define NODE         "quarantine"
#define TRIES        3
#define RAW_MAX      (80u << 20) /* of a delivery, in a record's wrapping */
#define WRAP_BEFORE  "{\"@odata.type\":\"#Event.v1_9_0.Event\",\"Name\":\"quarantine\",\"Events\":["
#define WRAP_BEHIND  "]}"
#define LOG_BEFORE   "["
#define LOG_BEHIND   "]"
#define COLUMNS                                                                                    \
	"q.id, q.idx, q.source_id, q.received, q.retried, q.peer, q.reason, q.detail,"             \
	" COALESCE(octet_length(q.raw), 0), q.backfilled"

char *quarantine_id_format(struct quarantine_id id, char out[QUARANTINE_ID_BYTES])
{
	char delivery[UUID_TEXT_BYTES];

	uuid_format(id.delivery, delivery);
	if (id.idx < 0)
		snprintf(out, QUARANTINE_ID_BYTES, "%s", delivery);
	else
		snprintf(out, QUARANTINE_ID_BYTES, "%s-%lld", delivery, (long long)id.idx);
	return out;
}

bool quarantine_id_parse(struct str text, struct quarantine_id *out)
{
	uint64_t idx;

	if (text.len < ID_CHARS || !uuid_parse((struct str){ text.p, ID_CHARS }, &out->delivery))
		return false;
	out->idx = -1;
	if (text.len == ID_CHARS)
		return true;
	if (text.p[ID_CHARS] != '-' ||
	    !str_to_u64((struct str){ text.p + ID_CHARS + 1, text.len - ID_CHARS - 1 }, &idx) ||
	    idx > INT32_MAX)
		return false;
	out->idx = (int64_t)idx;
	return true;
}

/* --- looking ------------------------------------------------------------------------------------
 */

static struct quarantined row_at(const struct db_result *result, size_t row)
{
	const struct uuid none = { { 0 } };

	return (struct quarantined){
		.id = { db_get_uuid(result, row, 0), db_int(result, row, 1) },
		.source = db_is_null(result, row, 2) ? none : db_get_uuid(result, row, 2),
		.received_us = db_time_us(result, row, 3),
		.retried_us = db_is_null(result, row, 4) ? 0 : db_time_us(result, row, 4),
		.peer = db_str(result, row, 5),
		.reason = db_str(result, row, 6),
		.detail = db_str(result, row, 7),
		.n_bytes = db_int(result, row, 8),
		.is_backfilled = str_eq(db_str(result, row, 9), STR("t")),
	};
}

int quarantine_list(struct db *db, size_t skip, size_t limit, quarantined_fn *fn, void *ctx,
		    int64_t *n_all, struct err *err)
{
	char offset[24], rows[24];
	const struct db_param params[] = { db_i64((int64_t)skip, offset),
					   db_i64((int64_t)limit, rows) };
	struct db_result *result;
	int r = db_query_int(db, "SELECT count(*) FROM quarantine", NULL, 0, 0, n_all, err);

	if (r == 0)
		r = db_query(db,
			     "SELECT " COLUMNS " FROM quarantine q"
			     " ORDER BY q.received DESC, q.id DESC, q.idx DESC"
			     " OFFSET $1::bigint LIMIT $2::bigint",
			     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < db_rows(result); i++) {
		const struct quarantined row = row_at(result, i);

		fn(ctx, &row);
	}
	db_result_free(result);
	return 0;
}

typedef int visit_fn(void *ctx, const struct quarantined *row, struct err *err);

/* With the bytes it was set aside for: its own, or those that it shares with another refused event
 * of its delivery. */
static int visit_row(struct db *db, struct quarantine_id id, visit_fn *fn, void *ctx,
		     struct err *err)
{
	char delivery[UUID_TEXT_BYTES], idx[24];
	const struct db_param params[] = { db_uuid(id.delivery, delivery), db_i64(id.idx, idx),
					   DB_STR(STR(LOAD_REFUSED)) };
	struct db_result *result;
	struct quarantined row;
	struct strbuf raw;
	int r;

	r = db_query(db,
		     "SELECT " COLUMNS ", COALESCE(q.raw, (SELECT s.raw FROM quarantine s"
		     " WHERE s.id = q.id AND s.reason = $3 AND s.raw IS NOT NULL LIMIT 1))"
		     " FROM quarantine q WHERE q.id = $1::uuid AND q.idx = $2::int",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	strbuf_init(&raw, RAW_MAX);
	if (db_rows(result) == 0)
		r = err_set(err, -ENOENT, "quarantine: there is no such row");
	else if (!db_is_null(result, 0, 10))
		db_bytes(result, 0, 10, &raw);
	if (raw.failed)
		r = err_set(err, -EIO, "quarantine: the delivery is too large");
	if (r == 0) {
		row = row_at(result, 0);
		row.raw = strbuf_str(&raw);
		r = fn(ctx, &row, err);
	}
	strbuf_fini(&raw);
	db_result_free(result);
	return r;
}

struct reading {
	quarantined_fn *fn;
	void *ctx;
};

static int show_row(void *ctx, const struct quarantined *row, struct err *err)
{
	const struct reading *reading = ctx;

	reading->fn(reading->ctx, row);
	return 0;
}

int quarantine_read(struct db *db, struct quarantine_id id, quarantined_fn *fn, void *ctx,
		    struct err *err)
{
	struct reading reading = { fn, ctx };

	return visit_row(db, id, show_row, &reading, err);
}

/* --- trying again -------------------------------------------------------------------------------
 */

/* A row that is a record's own text, not a whole delivery's. */
static bool is_record(const struct quarantined *row)
{
	return row->id.idx >= 0 && !str_eq(row->reason, STR(LOAD_REFUSED));
}

/* The record's text, to stand in an array. Records that were too many reach to the end of theirs. */
static struct str record_text(const struct quarantined *row)
{
	struct str text = str_trim(row->raw);

	if (str_eq(row->reason, STR("too_many_records")) && str_ends_with(text, STR("]")))
		text.len--;
	return text;
}

/* The delivery as it came, decoded and resolved as of today; NULL when it is too large. */
static struct delivery *make_delivery(const struct quarantined *row, prepare_fn *prepare, void *ctx)
{
	uint32_t flags = row->is_backfilled ? DELIVERY_BACKFILLED : 0;
	struct delivery *delivery;
	struct strbuf body;

	strbuf_init(&body, RAW_MAX);
	if (is_record(row)) {
		strbuf_put_text(&body, row->is_backfilled ? LOG_BEFORE : WRAP_BEFORE);
		strbuf_put(&body, record_text(row));
		strbuf_put_text(&body, row->is_backfilled ? LOG_BEHIND : WRAP_BEHIND);
	} else {
		strbuf_put(&body, row->raw);
	}
	/* Under an id of its own: what crashed the decoder before is not refused for it. */
	delivery = body.failed ? NULL :
				 delivery_new(uuid_v7(clock_time_us()), row->source, row->received_us,
					      flags, row->peer, STR(""), STR(NODE), strbuf_str(&body));
	strbuf_fini(&body);
	if (!delivery)
		return NULL;
	prepare(ctx, delivery);
	delivery->id = row->id.delivery;
	return delivery;
}

/* Of a delivery whose event was refused, that event alone. */
static bool keep_one(struct delivery *delivery, int64_t idx)
{
	delivery->n_quarantined = 0;
	for (uint32_t i = 0; i < delivery->n_events; i++) {
		if (delivery->events[i].index != idx)
			continue;
		delivery->events = &delivery->events[i];
		delivery->n_events = 1;
		return true;
	}
	return false;
}

/* A row may hold several records: those that were too many. Their places go on behind its own, so
 * that what is set aside anew is no row that is there. */
static void renumber(struct delivery *delivery, uint32_t idx)
{
	for (uint32_t i = 0; i < delivery->n_events; i++)
		delivery->events[i].index += idx;
	for (uint32_t i = 0; i < delivery->n_quarantined; i++)
		delivery->quarantined[i].index += idx + 1;
}

/* A refusal: 0, or -EINVAL with the new reason (a literal) and words in `err`. */
static int judge(const struct quarantined *row, struct delivery *delivery, const char **reason,
		 struct err *err)
{
	bool refused = row->id.idx >= 0 && !is_record(row);

	if (delivery->kind == DELIVERY_NOT_JSON || delivery->kind == DELIVERY_QUARANTINED) {
		*reason = delivery->reason ? delivery->reason : "not_json";
		return err_set(err, -EINVAL, "%.*s", STR_ARG(delivery->detail));
	}
	if (is_record(row) && delivery->n_events == 0 && delivery->n_quarantined > 0) {
		*reason = delivery->quarantined[0].reason;
		return err_set(err, -EINVAL, "%.*s", STR_ARG(delivery->quarantined[0].detail));
	}
	if (refused && !keep_one(delivery, row->id.idx)) {
		*reason = "not_an_event";
		return err_set(err, -EINVAL, "the delivery has no such event any more");
	}
	if (is_record(row))
		renumber(delivery, (uint32_t)row->id.idx);
	return 0;
}

/* The transaction, less hopeful when the database refuses data. */
static int load_again(struct load *load, struct load_item *item, const struct load_retry *retry,
		      int64_t *n_logged, struct err *err)
{
	char text[UUID_TEXT_BYTES];
	struct load_batch batch = { .segment = uuid_digest(str_of(uuid_format(retry->id, text)),
							   STR(NODE)),
				    .items = item,
				    .n_items = 1,
				    .retry = retry };
	struct err why;
	int r = -EAGAIN, first = 0;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		r = load_run(load, &batch, batch.way == LOAD_ALL ? err : &why);
		if (r == -EINVAL && batch.way == LOAD_ALL && item->delivery->n_events > 1) {
			batch.way = LOAD_ONE_BY_ONE;
			first = r;
			r = -EAGAIN;
		}
	}
	/* What the database said first is what it has against the delivery. */
	if (r < 0 && first < 0)
		return r == -EINVAL ? r : err_set(err, r, "%s", why.text);
	*n_logged = batch.n_logged;
	return r;
}

/* Whether it is a repeat was decided when it came: no body is asked for. What of a source's log came in
 * by push meanwhile is looked up: as of now, and the transaction adds what came since. */
static int begin_load(struct load *load, struct repeats *repeats, struct db *db, bool is_backfilled,
		      struct err *err)
{
	int64_t last_seq = INT64_MAX;
	int r = 0;

	if (is_backfilled)
		r = db_query_int(db, "SELECT seq FROM counter", NULL, 0, 0, &last_seq, err);
	load_init(load, NODE, repeats, NULL);
	load_reset(load, db, last_seq);
	return r;
}

static int log_it(struct db *db, const struct quarantined *row, struct delivery *delivery,
		  int64_t *n_logged, struct err *err)
{
	const struct load_retry retry = { row->id.delivery, row->id.idx };
	struct repeats *repeats = repeats_new(1, 0);
	struct load_item item;
	struct load load;
	int r;

	r = begin_load(&load, repeats, db, row->is_backfilled, err);
	load_item_init(&item, delivery_ref(delivery), row->source);
	item.hash = (struct uuid){ { 0 } };
	item.end = 1;
	if (r == 0)
		r = load_again(&load, &item, &retry, n_logged, err);
	if (r == 0)
		metric_add(METRIC_EVENTS_LOGGED, NULL, (uint64_t)*n_logged);
	load_item_fini(&item);
	load_fini(&load);
	repeats_free(repeats);
	return r;
}

static int note_failure(struct db *db, struct quarantine_id id, const char *reason, const char *words,
			struct err *err)
{
	char delivery[UUID_TEXT_BYTES], idx[24];
	struct str detail = str_of(words);
	const struct db_param params[] = {
		db_uuid(id.delivery, delivery), db_i64(id.idx, idx), DB_STR(str_of(reason)),
		DB_STR(str_is_utf8(detail) ? detail : STR("(not text)"))
	};

	return db_query(db,
			"UPDATE quarantine SET reason = $3, detail = $4, retried = now()"
			" WHERE id = $1::uuid AND idx = $2::int",
			params, ARRAY_LEN(params), NULL, err);
}

/* What can't be tried at all keeps its reason. */
static const char *hopeless(const struct quarantined *row)
{
	if (row->raw.len == 0)
		return "nothing was kept of it";
	if (str_eq(row->reason, STR("unverified")))
		return "its sender could not be verified: let it send again";
	return NULL;
}

struct retry {
	struct db *db;
	prepare_fn *prepare;
	void *ctx;
	int64_t n_logged;
};

static int retry_row(void *ctx, const struct quarantined *row, struct err *err)
{
	struct retry *retry = ctx;
	const char *why = hopeless(row), *reason = LOAD_REFUSED;
	struct delivery *delivery;
	struct err ignored;
	int r;

	if (why)
		return err_set(err, -EINVAL, "%s", why);
	delivery = make_delivery(row, retry->prepare, retry->ctx);
	if (!delivery)
		return err_set(err, -EINVAL, "it is too large");
	r = judge(row, delivery, &reason, err);
	if (r == 0)
		r = log_it(retry->db, row, delivery, &retry->n_logged, err);
	if (r == -EINVAL && note_failure(retry->db, row->id, reason, err->text, &ignored) < 0)
		r = err_set(err, -EIO, "%s", ignored.text);
	delivery_unref(delivery);
	return r == -ESTALE ? -ENOENT : r;
}

int quarantine_retry(struct db *db, struct quarantine_id id, prepare_fn *prepare, void *ctx,
		     int64_t *n_logged, struct err *err)
{
	struct retry retry = { .db = db, .prepare = prepare, .ctx = ctx };
	int r = visit_row(db, id, retry_row, &retry, err);

	*n_logged = retry.n_logged;
	return r;
}
