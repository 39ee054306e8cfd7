/* One destination: whose it is, what is sent next, and what became of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/seal.h"
#include "base/secrets.h"
#include "forward/destination_store.h"
#include "forward/forwarder_priv.h"
#include "storage/db.h"

#define HEADERS_MAX_BYTES (FORWARD_MAX_HEADERS * (size_t)(2 * FORWARD_MAX_TEXT_BYTES + 4))

struct lane *lane_new(struct forwarder *forwarder, const struct destination *destination)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));

	lane->forwarder = forwarder;
	lane->id = destination->id;
	lane->destination = destination;
	uuid_format(lane->id, lane->name);
	destination_cursor(lane->id, lane->cursor_name);
	lane->call = outbound_call_new(forwarder->outbound, lane);
	lane->max_events = FORWARD_BATCH_EVENTS;
	strbuf_init(&lane->body, FORWARD_BODY_MAX_BYTES);
	return lane;
}

static void drop_body(struct lane *lane)
{
	if (lane->body.size > FORWARD_BATCH_BYTES * 2) {
		strbuf_fini(&lane->body);
		strbuf_init(&lane->body, FORWARD_BODY_MAX_BYTES);
	}
	strbuf_reset(&lane->body);
	lane->n_events = 0;
}

void lane_let_go(struct lane *lane)
{
	if (lane->busy) {
		outbound_call_free(lane->call);
		lane->call = outbound_call_new(lane->forwarder->outbound, lane);
		lane->busy = false;
	}
	drop_body(lane);
	lane->owned = false;
	lane->ticket = 0;
}

static void release(struct lane *lane)
{
	struct err err;

	if (lane->owned && lane->forwarder->db)
		cursor_release(lane->forwarder->db, &lane->cursor, &err);
	lane_let_go(lane);
}

void lane_free(struct lane *lane)
{
	release(lane);
	outbound_call_free(lane->call);
	strbuf_fini(&lane->body);
	free(lane);
}

/* --- whose it is -------------------------------------------------------------------------------
 */

/* 0, or: it is not ours (any more). */
static int move(struct lane *lane, struct uuid epoch, int64_t seq)
{
	struct err err;
	int r = cursor_move(lane->forwarder->db, &lane->cursor, epoch, seq, &err);

	if (r == 0) {
		lane->renewed_us = clock_monotonic_us();
		return 0;
	}
	log_debug("forward", "cursor not moved", LOG_T("name", lane->name), LOG_T("err", err.text));
	lane_let_go(lane);
	return r;
}

/* The log may be another one by now, and what was taken further than the row says. */
static int find_place(struct lane *lane)
{
	struct uuid epoch;
	struct err err;
	int64_t seq;
	int r = cursor_translate(lane->forwarder->db, lane->cursor.epoch, lane->cursor.seq, &epoch,
				 &seq, &err);

	if (r < 0)
		return r;
	if (uuid_eq(lane->taken_epoch, epoch) && uuid_eq(lane->cursor.epoch, epoch) &&
	    lane->taken_seq > seq)
		seq = lane->taken_seq;
	if (!uuid_eq(epoch, lane->cursor.epoch) || seq != lane->cursor.seq)
		return move(lane, epoch, seq);
	return 0;
}

static void claim(struct lane *lane)
{
	struct forwarder *forwarder = lane->forwarder;
	struct feed_bounds bounds = feed_bounds(forwarder->config.feed);
	struct err err;

	if (cursor_claim(forwarder->db, lane->cursor_name, forwarder->owner, bounds.epoch,
			 bounds.last_seq, &lane->cursor, &err) != 1)
		return;
	lane->owned = true;
	lane->renewed_us = clock_monotonic_us();
	if (find_place(lane) < 0) {
		lane_let_go(lane);
		return;
	}
	lane->at = lane->cursor.seq;
}

static void renew(struct lane *lane)
{
	struct err err;

	/* What was looked at and not wanted is done with, too. */
	if (lane->at > lane->cursor.seq && lane->body.len == 0)
		move(lane, lane->cursor.epoch, lane->at);
	else if (cursor_renew(lane->forwarder->db, &lane->cursor, &err) < 0)
		lane_let_go(lane);
	else
		lane->renewed_us = clock_monotonic_us();
}

void lane_tick(struct lane *lane)
{
	if (lane->destination->suspended)
		release(lane);
	else if (!lane->owned)
		claim(lane);
	else if (clock_monotonic_us() - lane->renewed_us >= CURSOR_RENEW_US)
		renew(lane);
}

/* --- sending -----------------------------------------------------------------------------------
 */

/* HttpHeaders as lines. False when they were sealed with another key. */
static bool open_headers(const struct lane *lane, struct strbuf *out)
{
	const struct destination *destination = lane->destination;

	strbuf_init(out, HEADERS_MAX_BYTES);
	return !destination->sealed || (lane->forwarder->config.key &&
					seal_open(lane->forwarder->config.key, str_of(lane->name),
						  str_of(destination->sealed), out));
}

static void failed(struct lane *lane, const char *why, long retry_after_s);

static void send(struct lane *lane)
{
	const struct destination *destination = lane->destination;
	struct strbuf headers;

	if (open_headers(lane, &headers)) {
		const struct outbound_request request = { .url = destination->url,
							  .headers = strbuf_str(&headers),
							  .body = strbuf_str(&lane->body),
							  .verify = destination->verify };

		outbound_call_start(lane->call, &request);
		lane->busy = true;
	} else {
		failed(lane, "its HttpHeaders were encrypted with another key: secrets.key_file",
		       0);
	}
	if (headers.p)
		secrets_wipe(headers.p, headers.size);
	strbuf_fini(&headers);
}

/* Whether the cursor is still ours for sure, and of the log that can be read. */
static bool may_send(const struct lane *lane)
{
	struct feed_bounds bounds = feed_bounds(lane->forwarder->config.feed);
	int64_t owned_us = clock_monotonic_us() - lane->renewed_us;

	return lane->owned && !lane->busy && !lane->destination->suspended &&
	       owned_us < CURSOR_LEASE_US - CURSOR_RENEW_US && bounds.connected &&
	       uuid_eq(bounds.epoch, lane->cursor.epoch);
}

static int64_t heartbeat_us(const struct lane *lane)
{
	return lane->destination->heartbeat_minutes * lane->forwarder->config.heartbeat_us;
}

void lane_step(struct lane *lane)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us < lane->due_us || !may_send(lane))
		return;
	if (lane->body.len == 0 && lane->ticket == 0)
		lane_compose(lane, NULL);
	if (lane->body.len == 0 && heartbeat_us(lane) > 0 && now_us >= lane->heartbeat_at_us) {
		lane->heartbeat_at_us = now_us + heartbeat_us(lane);
		lane_compose_heartbeat(lane);
	}
	if (lane->body.len > 0)
		send(lane);
}

int64_t lane_due_us(const struct lane *lane)
{
	int64_t due_us = INT64_MAX;

	if (!may_send(lane))
		return INT64_MAX;
	if (lane->body.len > 0)
		return lane->due_us;
	if (heartbeat_us(lane) > 0)
		due_us = lane->heartbeat_at_us;
	return lane->due_us > clock_monotonic_us() && lane->due_us < due_us ? lane->due_us : due_us;
}

void lane_take_page(struct lane *lane, struct entry_batch *page)
{
	lane->ticket = 0;
	if (lane->body.len > 0 || !may_send(lane))
		return;
	if (page && page->n > 0)
		lane_compose(lane, page);
	else if (page && lane->asked_last_seq > lane->at)
		lane->at = lane->asked_last_seq; /* nobody has those any more */
	else
		lane->due_us = clock_monotonic_us() + CLOCK_US_PER_S;
}

/* --- what became of it -------------------------------------------------------------------------
 */

static void note(struct lane *lane, const char *error)
{
	struct err err;

	if (lane->forwarder->db &&
	    destination_store_note(lane->forwarder->db, lane->id, error, &err) < 0)
		log_debug("forward", "not noted", LOG_T("err", err.text));
}

static void well(struct lane *lane)
{
	const struct forwarder_config *config = &lane->forwarder->config;

	if (lane->failures > 0 || lane->destination->failing_us > 0) {
		log_info("forward", "a subscriber takes events again", LOG_T("id", lane->name));
		note(lane, NULL);
	}
	if ((lane->told || !lane->was_well) && config->on_well)
		config->on_well(config->on_ctx, str_of(lane->name));
	lane->was_well = true;
	lane->told = false;
	lane->failures = 0;
	lane->due_us = 0;
}

static void taken(struct lane *lane)
{
	bool was_heartbeat = lane->n_events == 0;

	metric_add(METRIC_FORWARD, "delivered", 1);
	well(lane);
	drop_body(lane);
	if (was_heartbeat)
		return;
	lane->taken_epoch = lane->cursor.epoch;
	lane->taken_seq = lane->at;
	if (lane->forwarder->db)
		move(lane, lane->cursor.epoch, lane->at);
	else
		lane_let_go(lane);
}

/* The policy's end. */
static void give_up(struct lane *lane, const char *why)
{
	const struct forwarder_config *config = &lane->forwarder->config;
	bool ends = lane->destination->policy == RETRY_TERMINATE;
	struct err err = { "" };
	int r = -ENOTCONN;

	if (lane->forwarder->db)
		r = ends ? destination_store_remove(lane->forwarder->db, lane->id, &err)
			 : destination_store_suspend(lane->forwarder->db, lane->id, true, false,
						     why, &err);
	if (r < 0 && r != -ENOENT) {
		lane->due_us = clock_monotonic_us() + config->rules.interval_us;
		return;
	}
	log_warn("forward",
		 ends ? "subscription ended by its policy" : "subscription suspended by its policy",
		 LOG_T("id", lane->name), LOG_T("why", why));
	lane->failures = 0;
	lane->due_us = clock_monotonic_us() + CLOCK_US_PER_S; /* until the table is read */
	lane->forwarder->tick_us = 0;
	drop_body(lane);
	lane->at = lane->cursor.seq;
	if (ends && config->on_ended)
		config->on_ended(config->on_ctx, str_of(lane->name), str_of(why));
}

static void tell(struct lane *lane, const char *why)
{
	const struct forwarder_config *config = &lane->forwarder->config;

	if (lane->failures == 1) {
		log_warn("forward", "a subscriber took no events", LOG_T("id", lane->name),
			 LOG_T("why", why));
		note(lane, why);
	}
	/* One try that failed is no condition. */
	if (lane->told ||
	    lane->failures < (config->rules.attempts > 1 ? config->rules.attempts : 2))
		return;
	lane->told = true;
	if (config->on_failing)
		config->on_failing(config->on_ctx, str_of(lane->name), str_of(why));
}

static void failed(struct lane *lane, const char *why, long retry_after_s)
{
	const struct forwarder_config *config = &lane->forwarder->config;
	int64_t wait_us;

	lane->failures += lane->failures < UINT32_MAX;
	wait_us = retry_wait_us(lane->destination->policy, &config->rules, lane->failures,
				retry_after_s);
	tell(lane, why);
	if (wait_us == RETRY_NO_MORE)
		give_up(lane, why);
	else
		lane->due_us = clock_monotonic_us() + wait_us;
}

void lane_ended(struct lane *lane)
{
	const struct outbound_answer *answer = outbound_call_answer(lane->call);
	char words[64];

	lane->busy = false;
	if (answer->status >= 200 && answer->status < 300) {
		taken(lane);
	} else if (answer->status == 413 && lane->n_events > 1) {
		lane->max_events = lane->n_events / 2;
		drop_body(lane);
		lane->at = lane->cursor.seq;
	} else if (answer->status > 0) {
		metric_add(METRIC_FORWARD, "refused", 1);
		snprintf(words, sizeof(words), "it answers %ld", answer->status);
		failed(lane, words, answer->retry_after_s);
	} else {
		metric_add(METRIC_FORWARD, "unreachable", 1);
		failed(lane, answer->why.text, 0);
	}
}
