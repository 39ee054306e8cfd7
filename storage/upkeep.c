#include "storage/upkeep.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/array_text.h"
#include "storage/chore.h"
#include "storage/db.h"
#include "storage/journal.h"
#include "storage/partitions.h"

#define EVERY_MS 60000 /* between turns when nothing is left to do */
#define MORE_MS  100   /* when there is more: others have their turn between */
/* Rows of `repeat` outlive the window: another replica may still have a backlog of that age. */
#define REPEAT_SLACK_US (3600 * CLOCK_US_PER_S)
#define LOCK            "8243124961888103014" /* advisory: one replica at a time */

/* Waits are short, for those behind us in the queue of a lock, and freezing a day is slowed down
 * like autovacuum, for those who use the disk. */
static const char settings[] = "SET lock_timeout = '1s'; SET vacuum_cost_delay = '2ms';"
			       "SET vacuum_cost_limit = 2000";

struct upkeep {
	struct upkeep_config config;
	char *node; /* what its text points at */
	struct chore *chore;
};

static int turn(void *ctx, struct db *db, struct err *err);

int upkeep_start(const struct upkeep_config *config, struct upkeep **out, struct err *err)
{
	struct upkeep *upkeep = xcalloc(1, sizeof(*upkeep));
	const struct chore_config chore = {
		.thread = "upkeep",
		.application = "rfeventd upkeep",
		.url = config->url,
		.settings = settings,
		.table = "search_block",
		.turn = turn,
		.ctx = upkeep,
		.idle_ms = EVERY_MS,
		.more_ms = MORE_MS,
		.waits = "upkeep of the log waits for others, and is tried again",
		.fails = "the log could not be looked after",
	};
	int r;

	upkeep->config = *config;
	upkeep->config.node = upkeep->node = xstrdup(config->node);
	r = chore_start(&chore, &upkeep->chore, err);
	if (r < 0) {
		upkeep_stop(upkeep);
		return r;
	}
	*out = upkeep;
	return 0;
}

void upkeep_stop(struct upkeep *upkeep)
{
	if (!upkeep)
		return;
	chore_stop(upkeep->chore);
	free(upkeep->node);
	free(upkeep);
}

/* --- on its thread ------------------------------------------------------------------------------
 */

/* Whether a question has the answer "t". */
static int is_so(struct db *db, const char *sql, struct err *err)
{
	struct db_result *result;
	int r = db_query(db, sql, NULL, 0, &result, err);

	if (r < 0)
		return r;
	r = db_rows(result) == 1 && str_eq(db_str(result, 0, 0), STR("t"));
	db_result_free(result);
	return r;
}

/* Every replica for itself. */
static int forget_segments(struct upkeep *upkeep, struct db *db, struct err *err)
{
	struct journal_segment *segments;
	struct strbuf ids;
	size_t n;
	int r;

	journal_segments(upkeep->config.journal, &segments, &n);
	strbuf_init(&ids, SIZE_MAX);
	array_text_begin(&ids);
	for (size_t i = 0; i < n; i++)
		array_text_put_uuid(&ids, segments[i].id);
	array_text_end(&ids);
	free(segments);
	r = partitions_forget_segments(db, upkeep->config.node, ids.p, err);
	strbuf_fini(&ids);
	return r;
}

/* 1 when there is more to do. A day that cannot go yet keeps no other from being cared for. */
static int look_after_log(struct upkeep *upkeep, struct db *db, struct err *err)
{
	const struct retention retention = {
		.events_us = upkeep->config.keep_events_us,
		.metric_reports_us = upkeep->config.keep_metric_reports_us,
		.repeats_us = upkeep->config.repeat_window_us + REPEAT_SLACK_US,
	};
	struct err ignored;
	int expired = partitions_expire(db, &retention, err), cared;

	if (expired < 0 && expired != -EAGAIN)
		return expired;
	cared = partitions_summarise(db, &ignored);
	if (cared < 0 && cared != -EAGAIN) /* another turn will do */
		return err_set(err, cared, "%s", ignored.text);
	cared = partitions_care(db, expired < 0 ? &ignored : err);
	if (expired < 0 || cared < 0)
		return expired < 0 ? expired : cared;
	return expired > 0 || cared > 0;
}

static int turn(void *ctx, struct db *db, struct err *err)
{
	struct upkeep *upkeep = ctx;
	struct err ignored;
	int r, locked;

	r = forget_segments(upkeep, db, err);
	if (r < 0)
		return r;
	locked = is_so(db, "SELECT pg_try_advisory_lock(" LOCK ")", err);
	if (locked <= 0)
		return locked;
	r = look_after_log(upkeep, db, err);
	/* With the connection the lock goes, too. */
	is_so(db, "SELECT pg_advisory_unlock(" LOCK ")", &ignored);
	return r;
}
