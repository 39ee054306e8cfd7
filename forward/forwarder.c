#include "forward/forwarder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "base/thread.h"
#include "event/entry.h"
#include "event/source_set.h"
#include "forward/destination_store.h"
#include "forward/forwarder_priv.h"
#include "storage/db.h"

#define TICK_US   (1 * CLOCK_US_PER_S)
#define MINUTE_US (60 * CLOCK_US_PER_S)
#define PAGES_MAX (FORWARD_MAX_DESTINATIONS + 64) /* one a lane, and what replaces it */
#define REVISION_SQL                                                                               \
	"SELECT count(*) || ' ' || coalesce(sum(version), 0) || ' ' ||"                            \
	" coalesce(max(created)::text, '') || ' ' || count(error) FROM subscription"

static void *run(void *ctx);

int forwarder_start(const struct forwarder_config *config, struct forwarder **out, struct err *err)
{
	struct forwarder *forwarder = xcalloc(1, sizeof(*forwarder));
	int r;

	forwarder->config = *config;
	if (!config->heartbeat_us)
		forwarder->config.heartbeat_us = MINUTE_US;
	forwarder->url = xstrdup(config->url);
	forwarder->owner = uuid_v4();
	pthread_mutex_init(&forwarder->reading, NULL);
	forwarder->destinations = slot_new(NULL, destination_set_ref, destination_set_unref);
	forwarder->inbox = mailbox_new(PAGES_MAX);
	r = outbound_new(config->ca_file, &forwarder->outbound, err);
	if (r == 0)
		r = thread_start(&forwarder->thread, "forward", run, forwarder, err);
	forwarder->started = r == 0;
	if (r < 0) {
		forwarder_stop(forwarder);
		return r;
	}
	*out = forwarder;
	return 0;
}

void forwarder_halt(struct forwarder *forwarder)
{
	if (!forwarder || !forwarder->started)
		return;
	atomic_store(&forwarder->stopping, true);
	mailbox_wake(forwarder->inbox);
	pthread_join(forwarder->thread, NULL);
	forwarder->started = false;
}

void forwarder_stop(struct forwarder *forwarder)
{
	if (!forwarder)
		return;
	forwarder_halt(forwarder);
	outbound_free(forwarder->outbound);
	mailbox_free(forwarder->inbox);
	slot_free(forwarder->destinations);
	pthread_mutex_destroy(&forwarder->reading);
	destination_set_unref(forwarder->set);
	source_set_unref(forwarder->sources);
	free(forwarder->revision);
	free(forwarder->url);
	free(forwarder);
}

struct slot *forwarder_destinations(struct forwarder *forwarder)
{
	return forwarder->destinations;
}

const struct seal_key *forwarder_key(const struct forwarder *forwarder)
{
	return forwarder->config.key;
}

struct retry_rules forwarder_rules(const struct forwarder *forwarder)
{
	return forwarder->config.rules;
}

/* --- the table ---------------------------------------------------------------------------------
 */

/* Whoever reads later publishes later. */
static int read_table(struct forwarder *forwarder, struct db *db, struct err *err)
{
	struct destination_set *set;
	int r;

	pthread_mutex_lock(&forwarder->reading);
	r = destination_store_read(db, &set, err);
	if (r == 0)
		slot_put(forwarder->destinations, set);
	pthread_mutex_unlock(&forwarder->reading);
	return r;
}

int forwarder_refresh(struct forwarder *forwarder, struct db *db, struct err *err)
{
	int r = read_table(forwarder, db, err);

	mailbox_wake(forwarder->inbox);
	return r;
}

static int read_if_changed(struct forwarder *forwarder, struct err *err)
{
	struct db_result *result;
	char *revision;
	int r = db_query(forwarder->db, REVISION_SQL, NULL, 0, &result, err);

	if (r < 0)
		return r;
	revision = xstrndup(db_str(result, 0, 0));
	db_result_free(result);
	if (!forwarder->revision || strcmp(revision, forwarder->revision) != 0)
		r = read_table(forwarder, forwarder->db, err);
	if (r == 0) {
		free(forwarder->revision);
		forwarder->revision = revision;
		revision = NULL;
	}
	free(revision);
	return r;
}

/* --- lanes -------------------------------------------------------------------------------------
 */

static struct lane *find_lane(struct forwarder *forwarder, struct uuid id)
{
	struct lane *lane = forwarder->lanes;

	while (lane && !uuid_eq(lane->id, id))
		lane = lane->next;
	return lane;
}

/* One for each destination of the newest set. */
static void match_lanes(struct forwarder *forwarder)
{
	void *before = forwarder->set;
	struct lane **at = &forwarder->lanes;

	/* Kept while the lanes still look at it. */
	if (before)
		destination_set_ref(before);
	slot_refresh(forwarder->destinations, (void **)&forwarder->set, &forwarder->set_version);
	while (*at) {
		struct lane *lane = *at;

		lane->destination = destination_set_find(forwarder->set, lane->id);
		if (lane->destination) {
			at = &lane->next;
			continue;
		}
		*at = lane->next;
		if (forwarder->config.on_well)
			forwarder->config.on_well(forwarder->config.on_ctx, str_of(lane->name));
		lane_free(lane);
	}
	destination_set_unref(before);
	for (size_t i = 0; forwarder->set && i < forwarder->set->n; i++) {
		struct lane *lane;

		if (find_lane(forwarder, forwarder->set->items[i]->id))
			continue;
		lane = lane_new(forwarder, forwarder->set->items[i]);
		lane->next = forwarder->lanes;
		forwarder->lanes = lane;
	}
}

static void take_pages(struct forwarder *forwarder)
{
	struct mailbox_item *item = mailbox_take(forwarder->inbox);

	while (item) {
		struct feed_item *page = CONTAINER_OF(item, struct feed_item, item);

		item = item->next;
		for (struct lane *lane = forwarder->lanes; lane && page->kind == FEED_PAGE;
		     lane = lane->next) {
			if (lane->ticket != page->ticket || lane->ticket == 0)
				continue;
			lane_take_page(lane, page->batch);
			break;
		}
		feed_item_free(page);
	}
}

static void measure(struct forwarder *forwarder)
{
	int64_t last_seq = feed_bounds(forwarder->config.feed).last_seq, lag = 0;
	size_t n_suspended = 0, n_failing = 0, n = forwarder->set ? forwarder->set->n : 0;

	for (const struct lane *lane = forwarder->lanes; lane; lane = lane->next) {
		n_suspended += lane->destination->suspended;
		n_failing += !lane->destination->suspended && lane->destination->failing_us > 0;
		if (lane->owned && last_seq - lane->cursor.seq > lag)
			lag = last_seq - lane->cursor.seq;
	}
	metric_set(METRIC_SUBSCRIPTIONS, "suspended", (double)n_suspended);
	metric_set(METRIC_SUBSCRIPTIONS, "failing", (double)n_failing);
	metric_set(METRIC_SUBSCRIPTIONS, "well", (double)(n - n_suspended - n_failing));
	metric_set(METRIC_FORWARD_LAG, NULL, (double)lag);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void connect_if_away(struct forwarder *forwarder)
{
	struct err err;

	if (forwarder->db && db_check(forwarder->db))
		return;
	db_close(forwarder->db);
	forwarder->db = NULL;
	/* Before the loader was there the tables may not be, either. */
	if (feed_bounds(forwarder->config.feed).connected &&
	    db_open(forwarder->url, "rfeventd forward", FORWARD_DB_TIMEOUT_MS, &forwarder->db,
		    &err) < 0)
		forwarder->db = NULL;
}

static void tick(struct forwarder *forwarder)
{
	struct err err;

	connect_if_away(forwarder);
	if (!forwarder->db)
		return;
	if (read_if_changed(forwarder, &err) < 0) {
		log_warn("forward", "subscriptions not read", LOG_T("err", err.text));
		return;
	}
	match_lanes(forwarder);
	for (struct lane *lane = forwarder->lanes; lane; lane = lane->next)
		lane_tick(lane);
	measure(forwarder);
}

/* Another log: each cursor is claimed and translated again. */
static void follow_log(struct forwarder *forwarder)
{
	struct feed_bounds bounds = feed_bounds(forwarder->config.feed);

	if (bounds.generation == forwarder->generation)
		return;
	forwarder->generation = bounds.generation;
	forwarder->tick_us = 0;
	for (struct lane *lane = forwarder->lanes; lane; lane = lane->next)
		lane_let_go(lane);
}

static int wait_ms(const struct forwarder *forwarder)
{
	int64_t now_us = clock_monotonic_us(), until_us = forwarder->tick_us + TICK_US;

	for (const struct lane *lane = forwarder->lanes; lane; lane = lane->next)
		if (lane_due_us(lane) < until_us)
			until_us = lane_due_us(lane);
	return until_us <= now_us ? 0 : (int)((until_us - now_us) / 1000 + 1);
}

static void turn(struct forwarder *forwarder)
{
	struct lane *lane;

	follow_log(forwarder);
	if (clock_monotonic_us() - forwarder->tick_us >= TICK_US ||
	    slot_version(forwarder->destinations) != forwarder->set_version) {
		forwarder->tick_us = clock_monotonic_us();
		tick(forwarder);
	}
	take_pages(forwarder);
	for (lane = forwarder->lanes; lane; lane = lane->next)
		lane_step(lane);
	outbound_wait(forwarder->outbound, mailbox_fd(forwarder->inbox), wait_ms(forwarder));
	while ((lane = outbound_ended(forwarder->outbound)))
		lane_ended(lane);
}

static void *run(void *ctx)
{
	struct forwarder *forwarder = ctx;
	struct mailbox_item *item;

	forwarder->follower = follower_open(forwarder->config.feed, forwarder->inbox);
	while (!atomic_load(&forwarder->stopping))
		turn(forwarder);
	while (forwarder->lanes) {
		struct lane *lane = forwarder->lanes;

		forwarder->lanes = lane->next;
		lane_free(lane);
	}
	follower_close(forwarder->follower);
	for (item = mailbox_take(forwarder->inbox); item;) {
		struct mailbox_item *next = item->next;

		feed_item_free(CONTAINER_OF(item, struct feed_item, item));
		item = next;
	}
	db_close(forwarder->db);
	return NULL;
}
