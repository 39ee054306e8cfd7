#include "storage/loader_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/source_set.h"
#include "storage/db.h"
#include "storage/limits.h"
#include "storage/loader_ahead.h"
#include "storage/sources.h"

/* A worker decodes while the journal syncs; one that takes longer than this is not waited for. */
#define DECODE_WAIT_US (2 * CLOCK_US_PER_S)
#define IDLE_MS        500

/* --- items
 * -------------------------------------------------------------------------------------------- */

static bool is_full(const struct loader *loader)
{
	return loader->n_events >= LOADER_BATCH_MAX_EVENTS ||
	       loader->n_items >= LOADER_BATCH_MAX_EVENTS ||
	       loader->n_bytes >= LOADER_BATCH_MAX_BYTES ||
	       loader->n_memory >= LOADER_BATCH_MAX_MEMORY;
}

static struct load_item *add_item(struct loader *loader)
{
	if (loader->n_items == loader->items_size) {
		loader->items_size = loader->items_size ? 2 * loader->items_size : 256;
		loader->items =
			xrealloc(loader->items, loader->items_size * sizeof(loader->items[0]));
	}
	return &loader->items[loader->n_items++];
}

void loader_no_items(struct loader *loader)
{
	loader->n_items = loader->n_events = loader->n_bytes = loader->n_memory = 0;
	loader->is_early = false;
}

void loader_drop_items(struct loader *loader)
{
	for (size_t i = 0; i < loader->n_items; i++)
		load_item_fini(&loader->items[i]);
	loader_no_items(loader);
	loader->cursor = loader->position;
	loader->unprepared_since_us = 0;
}

/* Who sent it: 1 with *source, 0 when nobody we know did. */
static int verify(struct loader *loader, const struct delivery *delivery, struct uuid *source,
		  bool *enrolled, struct err *err)
{
	const struct source_set *set;
	const struct source *known;

	loader_refresh_sources(loader);
	set = loader->sources;
	known = set ? source_set_by_token(set, delivery->token) : NULL;
	if (known) {
		*source = known->id;
		return 1;
	}
	if (set && source_set_is_enrolment_token(set, delivery->token)) {
		known = source_set_by_address(set, delivery->peer);
		*source =
			known ? known->id
			      : source_enrolled_id(source_set_enrolment_token(set), delivery->peer);
		*enrolled = true;
		return 1;
	}
	/* Another replica may have made it. */
	return sources_find_token(loader->db, delivery->token, source, err);
}

static int add_delivery(struct loader *loader, struct delivery *delivery, struct err *err)
{
	struct uuid source = delivery->source;
	bool known = true, enrolled = false;
	struct load_item *item;

	if (delivery->flags & DELIVERY_UNVERIFIED) {
		int r = verify(loader, delivery, &source, &enrolled, err);

		if (r < 0)
			return r;
		known = r > 0;
	}
	item = add_item(loader);
	load_item_init(item, delivery, source);
	item->is_enrolled |= enrolled;
	if (!known) {
		item->set_aside = "unverified";
		item->words = xstrdup("its token belongs to no source");
	}
	loader->cursor = delivery->end;
	loader->n_bytes += delivery->raw.len;
	loader->n_memory += delivery_bytes(delivery);
	if (load_item_has_events(item))
		loader->n_events += delivery->n_events;
	return 1;
}

/* A record that cannot be read keeps its place: nothing behind it waits for it. */
static int add_damaged(struct loader *loader, uint64_t next, const char *words)
{
	struct load_item *item = add_item(loader);
	char segment[UUID_TEXT_BYTES], start[24];

	db_i64((int64_t)loader->cursor, start);
	*item = (struct load_item){ .end = next,
				    .set_aside = "journal_damaged",
				    .words = xstrdup(words) };
	item->id = uuid_digest(str_of(uuid_format(loader->segment.id, segment)), str_of(start));
	log_error("storage", "damaged journal record set aside", LOG_T("err", words));
	loader->cursor = next;
	return 1;
}

/* --- from memory
 * ------------------------------------------------------------------------------------- */

static void drop_loaded(struct loader *loader)
{
	struct delivery *head;

	while ((head = loader_queue_head(&loader->queue)) &&
	       loader_queue_is_before(head, loader->segment.number, loader->cursor))
		delivery_unref(loader_queue_pop(&loader->queue));
}

static bool is_next(const struct loader *loader, const struct delivery *delivery)
{
	return delivery && delivery->segment_number == loader->segment.number &&
	       delivery->start == loader->cursor;
}

/* Whether to begin with the head while the disk is at work on it: where few are on their way, what
 * the server does meanwhile need not be waited for afterwards. */
static bool is_worth_beginning(struct loader *loader)
{
	return loader->load.is_small_ready && (loader->n_items == 0 || loader->is_early) &&
	       loader_queue_count(&loader->queue) + loader->n_items <= LOAD_SMALL_MAX_EVENTS;
}

/* Whether the head can be taken: 1, or 0 to wait for its worker; -1 when that is no use. */
static int is_ready(struct loader *loader, struct delivery *head)
{
	int64_t now_us = clock_monotonic_us();

	if (!delivery_is_prepared(head) && delivery_is_left(head))
		loader->config.prepare(loader->config.prepare_ctx, head);
	if (delivery_is_prepared(head)) {
		loader->unprepared_since_us = 0;
		return 1;
	}
	if (delivery_is_skipped(head)) {
		loader->unprepared_since_us = 0;
		return -1;
	}
	if (loader->unprepared_since_us == 0)
		loader->unprepared_since_us = now_us;
	if (now_us - loader->unprepared_since_us < DECODE_WAIT_US)
		return 0;
	loader->unprepared_since_us = 0;
	return -1;
}

/* --- from disk
 * ---------------------------------------------------------------------------------------- */

void loader_look_at_segments(struct loader *loader)
{
	free(loader->segments);
	journal_segments(loader->config.journal, &loader->segments, &loader->n_segments);
	for (size_t i = 0; i < loader->n_segments; i++)
		if (loader->segments[i].number == loader->segment.number)
			loader->segment = loader->segments[i];
}

/* The record at the cursor, decoded: a backlog's by the thread that reads ahead. */
static int next_record(struct loader *loader, struct ahead_record *out, struct err *err)
{
	const struct journal_segment *segment = &loader->segment;
	int r;

	if (loader->is_ahead || segment->end - loader->cursor >= AHEAD_MIN_BYTES) {
		r = loader_ahead_take(loader->ahead, segment, loader->cursor, out, err);
		loader->is_ahead = r == 0 && out->next < segment->end;
		return r;
	}
	ahead_read(loader->reader, segment, loader->cursor, out);
	if (out->delivery)
		loader->config.prepare(loader->config.prepare_ctx, out->delivery);
	return 0;
}

static int read_record(struct loader *loader, struct err *err)
{
	struct ahead_record record;
	int r = next_record(loader, &record, err);

	if (r < 0)
		return r;
	r = record.result;
	if (r == -EBADMSG)
		r = add_damaged(loader, record.next, record.words);
	else if (r < 0)
		err_set(err, r, "%s", record.words);
	free(record.words);
	if (!record.delivery)
		return r;
	r = add_delivery(loader, record.delivery, err);
	if (r < 0)
		delivery_unref(record.delivery);
	return r;
}

static bool is_on_disk(struct loader *loader)
{
	if (loader->cursor >= loader->segment.end)
		loader_look_at_segments(loader);
	return loader->cursor < loader->segment.end;
}

/* --- the next record
 * ---------------------------------------------------------------------------------- */

static int collect_one(struct loader *loader, struct err *err)
{
	struct delivery *head;
	bool is_early;
	int r;

	drop_loaded(loader);
	head = loader_queue_head(&loader->queue);
	if (!is_next(loader, head)) {
		if (loader->is_early || !is_on_disk(loader))
			return 0;
		/* It was put before it was on disk: there was no room for it, or both came just now. */
		head = loader_queue_head(&loader->queue);
		if (!is_next(loader, head))
			return read_record(loader, err);
	}
	is_early = !loader_queue_is_durable(&loader->queue, head->segment_number, head->end);
	if (is_early && !is_worth_beginning(loader))
		return 0;
	r = is_ready(loader, head);
	if (r == 0)
		return 0;
	if (r < 0) { /* its worker may still write to it: a copy from disk is ours alone */
		if (!delivery_is_skipped(head))
			log_warn("storage", "decoding takes long, read back from the journal");
		delivery_unref(loader_queue_pop(&loader->queue));
		return is_on_disk(loader) ? read_record(loader, err) : 0;
	}
	if (loader->is_ahead) {
		loader_ahead_drop(loader->ahead);
		loader->is_ahead = false;
	}
	/* Out of the queue first: while the database is asked, the queue may be made emptier. */
	loader_queue_pop(&loader->queue);
	r = add_delivery(loader, head, err);
	if (r < 0) {
		delivery_unref(head); /* the journal has it */
		return r;
	}
	loader->is_early |= is_early;
	return 1;
}

/* --- segments
 * ----------------------------------------------------------------------------------------- */

/* Position of the segment in the database, or its first. */
static int read_position(struct loader *loader, struct err *err)
{
	char id[UUID_TEXT_BYTES];
	const struct db_param params[] = { db_uuid(loader->segment.id, id) };
	struct db_result *result;
	int r;

	r = db_query(loader->db, "SELECT position, seq FROM journal_segment WHERE segment = $1::uuid",
		     params, 1, &result, err);
	if (r < 0)
		return r;
	loader->is_known = db_rows(result) == 1;
	loader->position =
		loader->is_known ? (uint64_t)db_int(result, 0, 0) : loader->segment.first;
	loader->known_seq = loader->is_known ? db_int(result, 0, 1) : 0;
	db_result_free(result);
	loader->cursor = loader->position;
	return 0;
}

static void tell_loaded(struct loader *loader)
{
	pthread_mutex_lock(&loader->mutex);
	loader->loaded = (struct place){ loader->segment.number, loader->position };
	pthread_cond_broadcast(&loader->moved);
	pthread_mutex_unlock(&loader->mutex);
	if (loader->is_known)
		journal_set_loaded(loader->config.journal, loader->segment.id, loader->position,
				   loader->known_seq);
	loader_queue_answer(&loader->queue, loader->segment.number, loader->position);
}

/* On to the next segment when this one is sealed and done. 1: moved. */
static int next_segment(struct loader *loader, struct err *err)
{
	const struct journal_segment *next = NULL;
	int r;

	loader_look_at_segments(loader);
	if (loader->segment.number > 0 &&
	    (!loader->segment.sealed || loader->position < loader->segment.end))
		return 0;
	for (size_t i = 0; i < loader->n_segments && !next; i++)
		if (loader->segments[i].number > loader->segment.number)
			next = &loader->segments[i];
	if (!next)
		return 0;
	if (loader->position == loader->segment.first && loader->segment.number > 0)
		journal_set_loaded(loader->config.journal, loader->segment.id, loader->position, 0);
	loader->segment = *next;
	r = read_position(loader, err);
	if (r < 0) {
		loader->segment =
			(struct journal_segment){ 0 }; /* found again at the next connection */
		return r;
	}
	tell_loaded(loader);
	return 1;
}

int loader_find_position(struct loader *loader, struct err *err)
{
	uint64_t start = loader->position, number = loader->segment.number;
	int r = 0;

	if (number == 0) {
		loader_drop_items(loader);
		while ((r = next_segment(loader, err)) > 0)
			;
		return r;
	}
	/* A database restored to an earlier point has earlier positions, in earlier segments too.
	 */
	loader_look_at_segments(loader);
	for (size_t i = 0; i < loader->n_segments && r == 0; i++) {
		loader->segment = loader->segments[i];
		r = read_position(loader, err);
		if (r == 0 && (loader->position < loader->segment.end || !loader->segment.sealed))
			break;
		if (r == 0)
			tell_loaded(loader);
	}
	if (r < 0)
		return r;
	if (loader->segment.number != number || loader->position != start)
		loader_drop_items(loader);
	else if (loader->n_items > 0)
		loader->cursor = loader->items[loader->n_items - 1].end;
	tell_loaded(loader);
	return 0;
}

int loader_collect(struct loader *loader, struct err *err)
{
	int r = 0;

	while (!is_full(loader)) {
		r = loader->segment.number > 0 ? collect_one(loader, err) : 0;
		if (r == 0 && loader->n_items == 0 && loader->unprepared_since_us == 0)
			r = next_segment(loader, err);
		if (r <= 0)
			break;
	}
	return r < 0 ? r : (int)loader->n_items;
}

int loader_idle_ms(const struct loader *loader)
{
	return loader->unprepared_since_us > 0 ? 0 : IDLE_MS;
}
