/* What another rfeventd delivers: its log's seqs that we have, as ranges, moved in the transaction
 * that logs the events. However its batches are cut when it sends again, each event counts once.
 * The counter row, which the transaction holds, puts those of all replicas in order. */
#include <stdlib.h>

#include "base/mem.h"
#include "event/delivery.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/load.h"

struct place {
	char source[UUID_TEXT_BYTES], stream[UUID_TEXT_BYTES], after[24], through[24];
	struct db_param params[4];
};

static void find_place(const struct load_item *item, struct place *place)
{
	const struct upstream *upstream = &item->delivery->upstream;

	place->params[0] = db_uuid(item->source, place->source);
	place->params[1] = db_uuid(upstream->stream, place->stream);
	place->params[2] = db_i64(upstream->after, place->after);
	place->params[3] = db_i64(upstream->through, place->through);
}

/* Row `row` is the range [from, to) of what was logged before. */
static void mark(struct load_item *item, int64_t from, int64_t to)
{
	const struct delivery *delivery = item->delivery;

	for (uint32_t i = 0; i < delivery->n_events; i++) {
		int64_t seq = delivery->events[i].upstream_seq;

		if (seq < from || seq >= to || item->known[i])
			continue;
		item->known[i] = true;
		item->n_known++;
	}
}

static int find_known(struct load *load, struct load_item *item, struct place *place,
		      struct err *err)
{
	struct db_result *result;
	int r = db_query(load->db,
			 "SELECT lower(r), upper(r) FROM upstream_seen,"
			 " unnest(seqs * int8multirange(int8range($3::bigint, $4::bigint, '(]'))) r"
			 " WHERE source_id = $1::uuid AND stream = $2::uuid",
			 place->params, ARRAY_LEN(place->params), &result, err);

	if (r < 0)
		return r;
	if (!item->known)
		item->known = xcalloc(item->delivery->n_events, sizeof(item->known[0]));
	for (size_t i = 0; i < db_rows(result); i++)
		mark(item, db_int(result, i, 0), db_int(result, i, 1));
	db_result_free(result);
	/* Counted as one, when nothing of it is new. */
	item->is_repeat = item->n_known == item->delivery->n_events;
	return 0;
}

int load_upstream(struct load *load, struct load_item *item, struct err *err)
{
	struct place place;
	int r;

	if (!load_item_has_events(item) || uuid_is_zero(item->delivery->upstream.stream))
		return 0;
	find_place(item, &place);
	r = find_known(load, item, &place, err);
	if (r < 0)
		return r;
	return db_query(load->db,
			"INSERT INTO upstream_seen (source_id, stream, seqs) VALUES ($1::uuid,"
			" $2::uuid, int8multirange(int8range($3::bigint, $4::bigint, '(]')))"
			" ON CONFLICT (source_id, stream) DO UPDATE SET"
			" seqs = upstream_seen.seqs + excluded.seqs, changed = now()"
			" WHERE (SELECT count(*) FROM unnest(upstream_seen.seqs))"
			" < " UPSTREAM_MAX_RANGES_TEXT,
			place.params, ARRAY_LEN(place.params), NULL, err);
}
