#include "service/condition_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "event/delivery.h"
#include "event/source_set.h"
#include "http/tls.h"
#include "service/conditions.h"
#include "service/config.h"
#include "storage/journal.h"
#include "storage/loader.h"

#define LOOK_EVERY_US      (250 * INT64_C(1000))
#define AWAY_AFTER_US      (5 * CLOCK_US_PER_S)  /* a restart of the server is no condition */
#define UNREACHED_AFTER_US (30 * CLOCK_US_PER_S) /* at the start, when it may be starting, too */
#define QUIET_US           (10 * CLOCK_US_PER_S) /* without a refusal: the limit is no longer met */
#define FULL_QUIET_US      (2 * CLOCK_US_PER_S)
#define FULL_CLEAR_PERCENT 90 /* below, the journal takes more than a last segment */
#define KNOWN_AFTER_US                                                                             \
	(10 * CLOCK_US_PER_S) /* what the journal holds from before, without a database */
#define STEP_US               (60 * CLOCK_US_PER_S)
#define DAY_US                (86400 * CLOCK_US_PER_S)
#define CERTIFICATES_EVERY_US (3600 * CLOCK_US_PER_S)
#define SOON_DAYS             30
#define URGENT_DAYS           7

/* Answers of the receiver that refuse for one reason. */
struct refusals {
	const char *reason; /* label of METRIC_DELIVERIES_REJECTED */
	double seen;
	int64_t last_us; /* when one was seen; INT64_MIN / 2: never */
};

struct condition_watch {
	struct condition_watch_config config;
	struct loop_timer timer;
	struct refusals full, memory, sources_full;
	int64_t started_us;
	int64_t clock_offset_us; /* time minus monotonic */
	int64_t certificates_at_us;
	char **certificates; /* files; new */
	size_t n_certificates;
};

/* --- the journal ------------------------------------------------------------------------------ */

/* Whether some came since the last look. */
static bool look_at_refusals(struct refusals *refusals, int64_t now_us)
{
	double n = metric_read(METRIC_DELIVERIES_REJECTED, refusals->reason);
	bool came = n > refusals->seen;

	refusals->seen = n;
	if (came)
		refusals->last_us = now_us;
	return came;
}

static bool is_quiet(const struct refusals *refusals, int64_t quiet_us, int64_t now_us)
{
	return now_us - refusals->last_us >= quiet_us;
}

static void look_at_journal(struct condition_watch *watch, const struct loader_trouble *trouble,
			    int64_t now_us)
{
	const struct condition_watch_config *config = &watch->config;
	double percent = 100.0 * (double)journal_waiting_bytes(config->journal) /
			 (double)config->journal_room_bytes;
	bool refused = look_at_refusals(&watch->full, now_us);

	/* Until the database says so, what is loaded looks as if it were not. */
	if (!trouble->was_reached && now_us - watch->started_us < KNOWN_AFTER_US)
		return;
	percent = percent > 100 ? 100 : percent;
	conditions_level(config->conditions, CONDITION_JOURNAL_FILLING, percent);
	if (refused || journal_is_full(config->journal))
		conditions_raise(config->conditions, CONDITION_JOURNAL_FULL, STR(""), NULL, 0);
	else if (percent < FULL_CLEAR_PERCENT && is_quiet(&watch->full, FULL_QUIET_US, now_us))
		conditions_clear(config->conditions, CONDITION_JOURNAL_FULL, STR(""));
}

/* --- the database ----------------------------------------------------------------------------- */

/* By what the server says: each has a cure of its own. */
static enum condition_kind kind_of(const struct loader_trouble *trouble)
{
	if (strcmp(trouble->sqlstate, "53100") == 0)
		return CONDITION_DATABASE_DISK;
	if (strcmp(trouble->sqlstate, "25006") == 0)
		return CONDITION_DATABASE_READ_ONLY;
	return CONDITION_DATABASE_AWAY;
}

static void look_at_database(struct condition_watch *watch, const struct loader_trouble *trouble,
			     int64_t now_us)
{
	struct conditions *conditions = watch->config.conditions;
	int64_t after_us = trouble->was_reached ? AWAY_AFTER_US : UNREACHED_AFTER_US;
	const struct str words = str_of(trouble->words);

	if (trouble->since_us == 0) {
		conditions_clear(conditions, CONDITION_DATABASE_AWAY, STR(""));
		conditions_clear(conditions, CONDITION_DATABASE_DISK, STR(""));
		conditions_clear(conditions, CONDITION_DATABASE_READ_ONLY, STR(""));
	} else if (now_us - trouble->since_us >= after_us) {
		conditions_raise(conditions, kind_of(trouble), STR(""), &words, 1);
	}
}

/* --- the receiver's caps ---------------------------------------------------------------------- */

static void look_at_memory(struct condition_watch *watch, int64_t now_us)
{
	struct conditions *conditions = watch->config.conditions;

	if (look_at_refusals(&watch->memory, now_us))
		conditions_raise(conditions, CONDITION_MEMORY, STR(""), NULL, 0);
	else if (is_quiet(&watch->memory, QUIET_US, now_us) &&
		 deliveries_bytes() < watch->config.max_deliveries_bytes)
		conditions_clear(conditions, CONDITION_MEMORY, STR(""));
}

static void look_at_sources(struct condition_watch *watch, int64_t now_us)
{
	struct conditions *conditions = watch->config.conditions;
	struct source_set *set;
	char limit[24];
	struct str arg = { limit, 0 };

	if (look_at_refusals(&watch->sources_full, now_us)) {
		arg.len = (size_t)snprintf(limit, sizeof(limit), "%zu", watch->config.max_sources);
		conditions_raise(conditions, CONDITION_SOURCES_FULL, STR(""), &arg, 1);
		return;
	}
	if (!conditions_is_open(conditions, CONDITION_SOURCES_FULL, STR("")))
		return;
	set = slot_get(watch->config.sources);
	/* Our own is one of the set, and not counted. */
	if (source_set_count_live(set) <= watch->config.max_sources)
		conditions_clear(conditions, CONDITION_SOURCES_FULL, STR(""));
	source_set_unref(set);
}

/* --- the clock -------------------------------------------------------------------------------- */

static void look_at_clock(struct condition_watch *watch, int64_t now_us)
{
	int64_t offset_us = clock_time_us() - now_us;
	int64_t step_us = offset_us - watch->clock_offset_us;
	char seconds[24];
	struct str arg = { seconds, 0 };

	/* Followed always: a clock that is being slewed never makes a step. */
	watch->clock_offset_us = offset_us;
	if (step_us > -STEP_US && step_us < STEP_US)
		return;
	arg.len = (size_t)snprintf(seconds, sizeof(seconds), "%lld",
				   (long long)(step_us / CLOCK_US_PER_S));
	conditions_tell(watch->config.conditions, CONDITION_CLOCK_STEPPED, STR(""), &arg, 1);
}

/* --- certificates ----------------------------------------------------------------------------- */

/* CONDITION_COUNT: good for long. `days`: full ones that are left. */
static enum condition_kind stage_of(const char *file, int64_t *days)
{
	int64_t end_us, left_us;

	if (!tls_certificate_end(file, &end_us))
		return CONDITION_COUNT;
	left_us = end_us - clock_time_us();
	*days = left_us / DAY_US;
	if (left_us < 0)
		return CONDITION_CERTIFICATE_EXPIRED;
	if (*days < URGENT_DAYS)
		return CONDITION_CERTIFICATE_URGENT;
	return *days < SOON_DAYS ? CONDITION_CERTIFICATE_SOON : CONDITION_COUNT;
}

static void raise_certificate(struct condition_watch *watch, const char *file,
			      enum condition_kind stage, int64_t days)
{
	char text[24];
	const struct str args[] = { str_of(file),
				    { text, (size_t)snprintf(text, sizeof(text), "%lld",
							     (long long)days) } };

	conditions_raise(watch->config.conditions, stage, str_of(file), args,
			 stage == CONDITION_CERTIFICATE_EXPIRED ? 1 : 2);
}

static void look_at_certificates(struct condition_watch *watch)
{
	struct str *objects = xcalloc(watch->n_certificates + 1, sizeof(*objects));
	enum condition_kind kind = CONDITION_CERTIFICATE_SOON;

	/* First what is over: a renewed one, and one that is no longer configured. */
	for (; kind <= CONDITION_CERTIFICATE_EXPIRED; kind++) {
		size_t n = 0;
		int64_t days;

		for (size_t i = 0; i < watch->n_certificates; i++) {
			enum condition_kind stage = stage_of(watch->certificates[i], &days);

			if (stage != CONDITION_COUNT && stage >= kind)
				objects[n++] = str_of(watch->certificates[i]);
		}
		conditions_keep(watch->config.conditions, kind, objects, n);
	}
	for (size_t i = 0; i < watch->n_certificates; i++) {
		int64_t days;
		enum condition_kind stage = stage_of(watch->certificates[i], &days);

		if (stage != CONDITION_COUNT)
			raise_certificate(watch, watch->certificates[i], stage, days);
	}
	free(objects);
}

static void add_certificates(struct condition_watch *watch, const struct config_maps *configured)
{
	const struct config_certificate *pairs = configured->items;

	for (size_t i = 0; i < configured->n; i++)
		watch->certificates[watch->n_certificates++] = xstrdup(pairs[i].certificate);
}

static void forget_certificates(struct condition_watch *watch)
{
	for (size_t i = 0; i < watch->n_certificates; i++)
		free(watch->certificates[i]);
	free(watch->certificates);
	watch->n_certificates = 0;
}

void condition_watch_reconfigure(struct condition_watch *watch, const struct config *settings)
{
	forget_certificates(watch);
	watch->certificates =
		xcalloc(settings->receiver_certificates.n + settings->api_certificates.n + 1,
			sizeof(*watch->certificates));
	add_certificates(watch, &settings->receiver_certificates);
	add_certificates(watch, &settings->api_certificates);
	watch->certificates_at_us = 0;
}

/* --- the timer -------------------------------------------------------------------------------- */

static void on_look(struct loop_timer *timer)
{
	struct condition_watch *watch = timer->ctx;
	const struct loader_trouble trouble = loader_trouble(watch->config.loader);
	int64_t now_us = clock_monotonic_us();

	look_at_clock(watch, now_us);
	look_at_journal(watch, &trouble, now_us);
	look_at_database(watch, &trouble, now_us);
	look_at_memory(watch, now_us);
	look_at_sources(watch, now_us);
	if (now_us >= watch->certificates_at_us) {
		look_at_certificates(watch);
		watch->certificates_at_us = now_us + CERTIFICATES_EVERY_US;
	}
	loop_timer_set(watch->config.loop, timer, LOOK_EVERY_US);
}

static struct refusals refusals_of(const char *reason)
{
	return (struct refusals){ reason, metric_read(METRIC_DELIVERIES_REJECTED, reason),
				  INT64_MIN / 2 };
}

void condition_watch_start(const struct condition_watch_config *config,
			   const struct config *settings, struct condition_watch **out)
{
	struct condition_watch *watch = xcalloc(1, sizeof(*watch));

	watch->config = *config;
	watch->full = refusals_of("journal_full");
	watch->memory = refusals_of("memory");
	watch->sources_full = refusals_of("max_sources");
	watch->started_us = clock_monotonic_us();
	watch->clock_offset_us = clock_time_us() - watch->started_us;
	watch->timer = (struct loop_timer){ .fn = on_look, .ctx = watch };
	condition_watch_reconfigure(watch, settings);
	loop_timer_set(config->loop, &watch->timer, LOOK_EVERY_US);
	*out = watch;
}

void condition_watch_stop(struct condition_watch *watch)
{
	if (!watch)
		return;
	loop_timer_cancel(watch->config.loop, &watch->timer);
	forget_certificates(watch);
	free(watch);
}
