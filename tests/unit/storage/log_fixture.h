/* A journal, a loader and a database for tests, and deliveries whose events the test writes.
 *
 * Stands where service/pipeline.c stands: deliver() does what the journal thread does. A body is
 * "<n> <name> [word…]": n events whose facts are made of the name; words change them (see
 * fixture_prepare).
 */
#ifndef TESTS_UNIT_STORAGE_LOG_FIXTURE_H
#define TESTS_UNIT_STORAGE_LOG_FIXTURE_H

#include "tests/unit/storage/pg.h"

#include <errno.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/slot.h"
#include "event/decode.h"
#include "event/delivery.h"
#include "event/entry.h"
#include "event/quirks.h"
#include "event/source_set.h"
#include "storage/journal.h"
#include "storage/loader.h"
#include "storage/log.h"
#include "storage/migrate.h"

#define HOUR_US  (3600 * CLOCK_US_PER_S)
#define DRAIN_MS 20000

struct shown {
	int64_t seq;
	char event_id[64];
	bool provisional;
};

struct house {
	char dir[64];
	char *url, *loader_url; /* the loader's may go through a proxy */
	struct db *db;          /* the test's own look */
	struct slot *sources;
	struct journal *journal;
	struct loader *loader;
	struct uuid source;
	int64_t repeat_window_us;
	bool alone; /* no other replica reaches the database */
	unsigned prepared_again; /* by the loader */

	pthread_mutex_t mutex; /* what the loader published */
	struct shown *shown;
	size_t n_shown;
	struct uuid epoch;
	int64_t last_seq;
	unsigned n_connected;
};

static bool fixture_is_alone; /* of the houses that are made */

static inline struct str fixture_text(struct arena *arena, const char *format, const char *name,
				      unsigned i)
{
	char *text = NULL;
	struct str copy;

	if (strstr(format, "%u"))
		text = xasprintf("%s-%u%s", name, i, format + 2);
	else
		text = xasprintf("%s%s", name, format);
	copy = arena_copy(arena, str_of(text));
	free(text);
	return copy;
}

static inline bool has_word(struct str raw, const char *word)
{
	return str_find(raw, str_of(word)) < raw.len;
}

/* Every field set, from the name and the place. */
static inline void fixture_event(struct delivery *d, const char *name, unsigned i, struct event *e)
{
	struct arena *a = d->arena;

	*e = (struct event){
		.index = i,
		.event_id = fixture_text(a, "%u", name, i),
		.event_timestamp = STR("2026-11-20T09:12:44.5+00:00"),
		.event_time_us = 1795165964500000,
		.has_event_time = !has_word(d->raw, "timeless"),
		.event_time_sane = !has_word(d->raw, "timeless"),
		.event_type = STR("Alert"),
		.message_id = STR("Power.1.2.PowerSupplyFailed"),
		.origin = fixture_text(a, "/redfish/v1/Chassis/1/", "", i),
		.sender_severity = STR("critical"),
		.sender_message = fixture_text(a, "%u failed \xe2\x9a\xa1 \"x\" \\ y", name, i),
		.sender_resolution = STR("Replace it."),
		.log_entry = STR("/redfish/v1/Managers/1/LogServices/SEL/Entries/7"),
		.has_event_group_id = true,
		.event_group_id = -5,
		.severity = SEVERITY_CRITICAL,
		.category = CATEGORY_ALERT,
		.quirks = QUIRK_BIT(ORIGIN_STRING) | QUIRK_BIT(NOT_AN_EVENT),
		.resolution = STR("Replace it."),
		.language = STR("en"),
		.resolved_by = { .registry = STR("Power"),
				 .version = STR("1.2.0"),
				 .sha256 = STR("00ff"),
				 .step = STEP_NEWER_MINOR },
	};
	e->message = e->sender_message;
	e->n_message_args = 4;
	e->has_message_args = true;
	e->message_args = arena_alloc(a, 4 * sizeof(e->message_args[0]));
	e->message_args[0] = STR("PSU 2");
	e->message_args[1] = STR("");
	e->message_args[2] = STR("a,b}\"\\{NULL");
	e->message_args[3] = STR("NULL");
	if (!has_word(d->raw, "timeless"))
		return;
	e->event_timestamp = STR("never");
	e->event_time_us = 0;
}

/* "sparse": what can be absent is. "poison": the second event has the id that a test forbids. */
static inline void fixture_words(struct delivery *d, unsigned i, struct event *e)
{
	if (has_word(d->raw, "sparse"))
		*e = (struct event){ .index = i,
				     .event_id = e->event_id,
				     .message = STR("nothing but a text"),
				     .sender_message = STR("another text"),
				     .sender_resolution = { NULL, 0 } };
	if (has_word(d->raw, "empty_args")) {
		e->n_message_args = 0;
		e->has_message_args = true;
	}
	if (has_word(d->raw, "poison_all") || (has_word(d->raw, "poison") && i == 1))
		e->message_id = STR("Poison.1.0.X");
}

static inline void fixture_quarantined(struct delivery *d)
{
	d->n_quarantined = 1;
	d->quarantined = arena_alloc(d->arena, sizeof(d->quarantined[0]));
	d->quarantined[0] = (struct quarantined_record){
		.index = 9, .reason = "not_a_record", .detail = STR("a number"), .raw = STR("17")
	};
}

/* A body that is JSON is read as such. */
static inline void fixture_read(struct delivery *d)
{
	decode_delivery(d);
	for (uint32_t i = 0; i < d->n_events; i++)
		d->events[i].message = d->events[i].sender_message;
	delivery_set_prepared(d);
}

/* "upA7": of stream A of another rfeventd's log, whose seqs from 8 on these are. */
static inline void fixture_upstream(struct delivery *d, const char *raw)
{
	const char *word = strstr(raw, " up");
	long long after;
	char stream;

	if (!word || sscanf(word, " up%c%lld", &stream, &after) != 2)
		return;
	d->upstream = (struct upstream){ .stream = { { (uint8_t)stream } },
					 .after = after,
					 .through = after + d->n_events };
	for (uint32_t i = 0; i < d->n_events; i++)
		d->events[i].upstream_seq = after + 1 + i;
}

static inline void fixture_decode(struct delivery *d)
{
	char *raw, name[40] = "";
	unsigned n = 0;

	if (d->raw.len > 0 && (d->raw.p[0] == '{' || d->raw.p[0] == '[')) {
		fixture_read(d);
		return;
	}
	raw = xstrndup(d->raw);
	d->kind = DELIVERY_EVENTS;
	if (has_word(d->raw, "metric"))
		d->kind = DELIVERY_METRIC_REPORT;
	else if (has_word(d->raw, "garbage")) {
		d->kind = DELIVERY_NOT_JSON;
		d->reason = "not_json";
		d->detail = STR("line 1: no");
	} else if (sscanf(raw, "%u %39s", &n, name) == 2) {
		d->n_events = n;
		d->events = arena_alloc(d->arena, n * sizeof(d->events[0]) + 1);
		for (unsigned i = 0; i < n; i++) {
			fixture_event(d, name, i, &d->events[i]);
			fixture_words(d, i, &d->events[i]);
		}
		d->quirks = has_word(d->raw, "bom") ? QUIRK_BIT(BYTE_ORDER_MARK) : 0;
		if (has_word(d->raw, "badrecord"))
			fixture_quarantined(d);
		fixture_upstream(d, raw);
	}
	free(raw);
	delivery_set_prepared(d);
}

/* The prepare_fn. */
static inline void fixture_prepare(void *ctx, struct delivery *d)
{
	struct house *house = ctx;

	pthread_mutex_lock(&house->mutex);
	house->prepared_again++;
	pthread_mutex_unlock(&house->mutex);
	fixture_decode(d);
}

static inline void fixture_publish(void *ctx, struct entry_batch *batch, bool provisional)
{
	struct house *house = ctx;

	pthread_mutex_lock(&house->mutex);
	house->shown =
		xrealloc(house->shown, (house->n_shown + batch->n) * sizeof(house->shown[0]));
	for (size_t i = 0; i < batch->n; i++) {
		struct shown *shown = &house->shown[house->n_shown++];

		shown->seq = batch->entries[i].seq;
		shown->provisional = provisional;
		snprintf(shown->event_id, sizeof(shown->event_id), "%.*s",
			 STR_ARG(batch->entries[i].event.event_id));
	}
	pthread_mutex_unlock(&house->mutex);
	entry_batch_unref(batch);
}

static inline void fixture_connected(void *ctx, struct uuid epoch, int64_t oldest_seq,
				     int64_t last_seq)
{
	struct house *house = ctx;

	pthread_mutex_lock(&house->mutex);
	house->epoch = epoch;
	house->last_seq = last_seq;
	house->n_connected++;
	pthread_mutex_unlock(&house->mutex);
}

static inline void house_start(struct house *house)
{
	struct journal_config journal = { .dir = house->dir,
					  .max_bytes = 64ull << 20,
					  .reserve_bytes = 1 << 20,
					  .keep_us = HOUR_US };
	struct loader_config loader = {
		.url = house->loader_url ? house->loader_url : house->url,
		.node = "node-1",
		.journal_dir = house->dir,
		.sources = house->sources,
		.prepare = fixture_prepare,
		.prepare_ctx = house,
		.publish = fixture_publish,
		.publish_ctx = house,
		.on_connected = fixture_connected,
		.on_connected_ctx = house,
		.repeat_window_us = house->repeat_window_us,
		.alone = house->alone,
	};
	struct err err;

	if (journal_open(&journal, &house->journal, &err) < 0)
		fail_msg("%s", err.text);
	loader.journal = house->journal;
	if (loader_start(&loader, &house->loader, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void house_stop(struct house *house)
{
	loader_stop(house->loader);
	house->loader = NULL;
	journal_close(house->journal);
	house->journal = NULL;
}

static inline struct house *house_new(void)
{
	struct house *house = xcalloc(1, sizeof(*house));
	struct source source = { .name = STR("rack7-n12"),
				 .token = STR("tokentokentoken"),
				 .site = STR("Ulm"),
				 .rack = STR("7"),
				 .state = SOURCE_CONFIGURED };

	log_set(LOG_ERROR, LOG_LOGFMT);
	strncpy(house->dir, "/tmp/rfeventd-journal-XXXXXX", sizeof(house->dir) - 1);
	assert_non_null(mkdtemp(house->dir));
	pthread_mutex_init(&house->mutex, NULL);
	house->url = pg_new_database();
	house->source = source.id = uuid_v4();
	house->sources = slot_new(source_set_new(&source, 1, STR("enrolenrolenrol"), true),
				  source_set_slot_ref, source_set_slot_unref);
	house->repeat_window_us = 600 * CLOCK_US_PER_S;
	house->alone = fixture_is_alone;
	return house;
}

static inline void house_free(struct house *house)
{
	char *command = xasprintf("rm -rf %s", house->dir);

	if (house->loader)
		house_stop(house);
	db_close(house->db);
	slot_free(house->sources);
	pthread_mutex_destroy(&house->mutex);
	if (system(command) != 0)
		print_message("left behind: %s\n", house->dir);
	free(command);
	free(house->url);
	free(house->loader_url);
	free(house->shown);
	free(house);
}

/* Set-up and teardown of a test. */
static inline int make_house(void **state)
{
	if (pg_is_there())
		*state = house_new();
	return 0;
}

static inline int drop_house(void **state)
{
	if (*state)
		house_free(*state);
	return 0;
}

/* A delivery as the receiver makes it; `flags` UNVERIFIED: with `token` instead of the source. */
static inline struct delivery *house_delivery(struct house *house, const char *raw, uint32_t flags,
					      const char *token)
{
	int64_t now_us = clock_time_us();
	bool unverified = flags & DELIVERY_UNVERIFIED;

	return delivery_new(uuid_v7(now_us), unverified ? (struct uuid){ { 0 } } : house->source,
			    now_us, flags, STR("10.1.2.3"), str_of(token), STR("http/1.1"),
			    str_of(raw));
}

/* Into the journal, as the journal thread does it; the loader does not know of it yet. */
static inline void house_append(struct house *house, struct delivery *delivery)
{
	struct journal_place place;
	struct strbuf record;
	struct err err;

	strbuf_init(&record, 1 << 20);
	delivery_pack(delivery, &record);
	if (journal_append(house->journal, strbuf_str(&record), false, &place, &err) < 0 ||
	    journal_sync(house->journal, &err) < 0)
		fail_msg("%s", err.text);
	strbuf_fini(&record);
	delivery->segment = place.segment;
	delivery->segment_number = place.segment_number;
	delivery->start = place.start;
	delivery->end = place.end;
}

/* To the loader, as what is on its way to the disk, … */
static inline void house_offer(struct house *house, struct delivery *delivery)
{
	delivery->item.next = NULL;
	loader_offer(house->loader, delivery);
}

/* … and as what is there. */
static inline void house_put(struct house *house, struct delivery *delivery)
{
	uint64_t number = delivery->segment_number, end = delivery->end;

	house_offer(house, delivery);
	loader_durable(house->loader, number, end);
}

static inline void house_give(struct house *house, struct delivery *delivery)
{
	house_append(house, delivery);
	fixture_decode(delivery);
	house_put(house, delivery);
}

/* A verified, prepared delivery; returns its id. */
static inline struct uuid house_post(struct house *house, const char *raw)
{
	struct delivery *delivery = house_delivery(house, raw, 0, NULL);
	struct uuid id = delivery->id;

	house_give(house, delivery);
	return id;
}

static inline void house_drain(struct house *house)
{
	if (!loader_drain(house->loader, DRAIN_MS))
		fail_msg("not drained");
}

static inline struct db *house_db(struct house *house)
{
	if (!house->db)
		house->db = pg_connect(house->url);
	return house->db;
}

/* Event ids of the log in seq order, joined by blanks; free() it. */
static inline char *house_log(struct house *house)
{
	return pg_text(house_db(house), "SELECT string_agg(event_id, ' ' ORDER BY seq) FROM event");
}

static inline void expect_log(struct house *house, const char *expected)
{
	char *log = house_log(house);

	if (strcmp(log, expected) != 0)
		fail_msg("log is '%s', expected '%s'", log, expected);
	free(log);
}

/* Seqs are 1…n without a gap, and the counter is n. */
static inline void expect_gap_free(struct house *house)
{
	struct db *db = house_db(house);

	assert_int_equal(pg_int(db, "SELECT count(*) FROM event"),
			 pg_int(db, "SELECT seq FROM counter"));
	assert_int_equal(pg_int(db, "SELECT COALESCE(max(seq) - count(*), 0) FROM event"), 0);
	assert_int_equal(pg_int(db, "SELECT count(*) - count(DISTINCT seq) FROM event"), 0);
}

/* Committed entries were published once each, in seq order, 1…n. */
static inline void expect_published(struct house *house, int64_t n)
{
	int64_t seq = 0;

	pthread_mutex_lock(&house->mutex);
	for (size_t i = 0; i < house->n_shown; i++)
		if (!house->shown[i].provisional && house->shown[i].seq != ++seq)
			fail_msg("published seq %lld, expected %lld",
				 (long long)house->shown[i].seq, (long long)seq);
	pthread_mutex_unlock(&house->mutex);
	assert_int_equal(seq, n);
}

static inline size_t count_provisional(struct house *house)
{
	size_t n = 0;

	pthread_mutex_lock(&house->mutex);
	for (size_t i = 0; i < house->n_shown; i++)
		n += house->shown[i].provisional;
	pthread_mutex_unlock(&house->mutex);
	return n;
}

static inline unsigned count_connected(struct house *house)
{
	unsigned n;

	pthread_mutex_lock(&house->mutex);
	n = house->n_connected;
	pthread_mutex_unlock(&house->mutex);
	return n;
}

#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		int waited_ = 0;                                                                   \
		while (!(condition)) {                                                             \
			if (waited_++ > 2000)                                                      \
				fail_msg("never: " #condition);                                    \
			usleep(10000);                                                             \
		}                                                                                  \
	} while (0)

/* A new one whose loader has reached the database. */
static inline struct house *house_ready(void)
{
	struct house *house = house_new();

	house_start(house);
	WAIT_FOR(loader_is_connected(house->loader));
	return house;
}

/* Every test with a loader that shares its database, and with one that has it to itself. */
static inline int run_shared_and_alone(const struct CMUnitTest *tests, size_t n)
{
	int r = _cmocka_run_group_tests("shared database", tests, n, NULL, NULL);

	fixture_is_alone = true;
	return r + _cmocka_run_group_tests("alone with it", tests, n, NULL, NULL);
}

#endif
