/* What is set aside goes to the table `quarantine`, in the transaction that moves the position. */
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "storage/db.h"
#include "storage/load.h"

#define WHOLE_DELIVERY (-1)

struct set_aside {
	const struct load_item *item;
	int64_t idx;
	const char *reason;
	struct str detail, raw;
};

/* Words that PostgreSQL takes: detail may quote what a peer sent. */
static struct str clean(struct str text)
{
	if (text.p && (!str_is_utf8(text) || str_find_char(text, '\0') != text.len))
		return STR("(not text)");
	return text;
}

static int insert(struct load *load, const struct set_aside *row, struct err *err)
{
	const struct delivery *delivery = row->item->delivery;
	char id[UUID_TEXT_BYTES], source[UUID_TEXT_BYTES], idx[24], received[24];
	const struct db_param params[] = {
		db_uuid(row->item->id, id),
		db_i64(row->idx, idx),
		uuid_is_zero(row->item->source) ? DB_NULL : db_uuid(row->item->source, source),
		delivery ? db_i64(delivery->received_us, received) : DB_NULL,
		DB_STR(delivery ? clean(delivery->peer) : (struct str){ 0 }),
		DB_STR(str_of(row->reason)),
		DB_STR(clean(row->detail)),
		DB_BYTES(row->raw),
		DB_STR(load_is_backfill(row->item) ? STR("t") : STR("f")),
	};

	return db_query(
		load->db,
		"INSERT INTO quarantine (id, idx, source_id, received, peer, reason, detail, raw,"
		" backfilled)"
		" VALUES ($1::uuid, $2::int, $3::uuid,"
		" COALESCE(timestamptz 'epoch' + $4::bigint * interval '1 microsecond', now()),"
		" $5, $6, $7, $8, $9::boolean) ON CONFLICT DO NOTHING",
		params, ARRAY_LEN(params), NULL, err);
}

static int insert_whole(struct load *load, const struct load_item *item, const char *reason,
			struct str detail, struct err *err)
{
	const struct set_aside row = { .item = item,
				       .idx = WHOLE_DELIVERY,
				       .reason = reason,
				       .detail = detail,
				       .raw = item->delivery ? item->delivery->raw
							     : (struct str){ 0 } };

	return insert(load, &row, err);
}

static int insert_records(struct load *load, const struct load_item *item, struct err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < item->delivery->n_quarantined && r == 0; i++) {
		const struct quarantined_record *record = &item->delivery->quarantined[i];
		const struct set_aside row = { .item = item,
					       .idx = record->index,
					       .reason = record->reason,
					       .detail = record->detail,
					       .raw = record->raw };

		r = insert(load, &row, err);
	}
	return r;
}

static int insert_item(struct load *load, const struct load_item *item, struct err *err)
{
	const struct delivery *delivery = item->delivery;

	if (item->set_aside)
		return insert_whole(load, item, item->set_aside, str_of(item->words), err);
	if (item->is_repeat)
		return 0;
	if (delivery->kind == DELIVERY_NOT_JSON || delivery->kind == DELIVERY_QUARANTINED)
		return insert_whole(load, item, delivery->reason ? delivery->reason : "not_json",
				    delivery->detail, err);
	return insert_records(load, item, err);
}

int load_quarantine(struct load *load, const struct load_batch *batch, struct err *err)
{
	int r = 0;

	if (batch->way == LOAD_PASS_OVER)
		return 0;
	for (size_t i = 0; i < batch->n_items && r == 0; i++)
		r = insert_item(load, &batch->items[i], err);
	return r;
}

int load_refused_event(struct load *load, const struct load_item *item, uint32_t event,
		       const char *words, struct err *err)
{
	const struct set_aside row = { .item = item,
				       .idx = item->delivery->events[event].index,
				       .reason = LOAD_REFUSED,
				       .detail = str_of(words),
				       /* Once is enough: the rows share the delivery's id. */
				       .raw = item->n_refused == 0 ? item->delivery->raw
								   : (struct str){ 0 } };

	return insert(load, &row, err);
}

/* --- leaving it
 * --------------------------------------------------------------------------------------- */

/* The raw bytes that stand at one of a delivery's refused events serve the others, too. */
static int hand_raw_on(struct load *load, const struct load_retry *retry, struct err *err)
{
	char id[UUID_TEXT_BYTES], idx[24];
	const struct db_param params[] = { db_uuid(retry->id, id), db_i64(retry->idx, idx),
					   DB_STR(STR(LOAD_REFUSED)) };

	return db_query(load->db,
			"UPDATE quarantine q SET raw = gone.raw FROM quarantine gone"
			" WHERE gone.id = $1::uuid AND gone.idx = $2::int AND gone.raw IS NOT NULL"
			" AND gone.reason = $3 AND q.id = $1::uuid AND q.idx = (SELECT min(idx)"
			" FROM quarantine WHERE id = $1::uuid AND idx > -1 AND idx <> $2::int"
			" AND raw IS NULL AND reason = $3)",
			params, ARRAY_LEN(params), NULL, err);
}

static int delete_row(struct load *load, const struct load_retry *retry, struct err *err)
{
	char id[UUID_TEXT_BYTES], idx[24];
	const struct db_param params[] = { db_uuid(retry->id, id), db_i64(retry->idx, idx) };
	struct db_result *result;
	int r;

	r = db_query(load->db,
		     "DELETE FROM quarantine WHERE id = $1::uuid AND idx = $2::int RETURNING 1",
		     params, ARRAY_LEN(params), &result, err);
	if (r < 0)
		return r;
	if (db_rows(result) == 0)
		r = err_set(err, -ESTALE, "it left quarantine meanwhile");
	db_result_free(result);
	return r;
}

int load_leave_quarantine(struct load *load, const struct load_batch *batch, struct err *err)
{
	const struct delivery *delivery = batch->items[0].delivery;
	char segment[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(batch->segment, segment) };
	int r;

	if (batch->n_logged == 0 && batch->items[0].n_known == 0 &&
	    delivery->kind != DELIVERY_METRIC_REPORT && delivery->n_quarantined == 0)
		return err_set(err, -EINVAL, "nothing of it was taken");
	r = batch->retry->idx < 0 ? 0 : hand_raw_on(load, batch->retry, err);
	if (r == 0)
		r = delete_row(load, batch->retry, err);
	/* The position was only there for the take: no journal has this segment. */
	if (r == 0)
		r = db_query(load->db, "DELETE FROM journal_segment WHERE segment = $1::uuid",
			     params, 1, NULL, err);
	return r;
}
