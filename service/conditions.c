#include "service/conditions.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"

#define FILE_MAX_BYTES (1u << 20) /* CONDITIONS_MAX_OPEN and _WAITING with long texts */
#define TICK_MS        1000
#define AGAIN_MS       500 /* after the journal took nothing */

struct conditions {
	char *path;
	struct uuid source;
	struct conditions_door door;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	struct mailbox *replies;
	pthread_mutex_t mutex; /* the two below; never held while an event is delivered */
	struct condition_set *set;
	bool dirty;              /* the file is behind */
	pthread_mutex_t writing; /* one writer of the file; taken before `mutex` */
};

static void *run(void *ctx);

struct uuid condition_source_id(struct uuid node)
{
	char text[UUID_TEXT_BYTES];

	return uuid_digest(STR("rfeventd own conditions"), str_of(uuid_format(node, text)));
}

/* --- the file --------------------------------------------------------------------------------- */

static void load(struct conditions *conditions)
{
	char *content = NULL;
	struct err err = { "" };
	size_t n = 0;
	int r = file_read(conditions->path, FILE_MAX_BYTES, &content, &n, &err);

	if (r == 0)
		r = condition_set_load(conditions->set, (struct str){ content, n }, &err);
	if (r < 0 && r != -ENOENT)
		log_error("service", "conditions of the last run not known, they are raised anew",
			  LOG_T("file", conditions->path), LOG_T("err", err.text));
	free(content);
}

/* True when the file says what the set does. */
static bool save(struct conditions *conditions)
{
	struct strbuf text;
	struct err err;
	bool is_dirty;
	int r = 0;

	strbuf_init(&text, FILE_MAX_BYTES);
	pthread_mutex_lock(&conditions->writing);
	pthread_mutex_lock(&conditions->mutex);
	is_dirty = conditions->dirty;
	conditions->dirty = false;
	if (is_dirty)
		condition_set_save(conditions->set, &text);
	pthread_mutex_unlock(&conditions->mutex);
	if (is_dirty)
		r = text.failed ? err_set(&err, -EFBIG, "conditions: too many for their file")
				: file_replace(conditions->path, strbuf_str(&text), 0600, &err);
	if (r < 0) {
		log_error("service", "conditions not written", LOG_T("err", err.text));
		pthread_mutex_lock(&conditions->mutex);
		conditions->dirty = true;
		pthread_mutex_unlock(&conditions->mutex);
	}
	pthread_mutex_unlock(&conditions->writing);
	strbuf_fini(&text);
	return r == 0;
}

/* --- beginning and end ------------------------------------------------------------------------ */

void conditions_open(const struct conditions_config *config, struct conditions **out)
{
	struct conditions *conditions = xcalloc(1, sizeof(*conditions));

	conditions->path = xasprintf("%s/conditions", config->state_dir);
	conditions->source = config->source;
	conditions->set = condition_set_new();
	conditions->replies = mailbox_new(SIZE_MAX);
	pthread_mutex_init(&conditions->mutex, NULL);
	pthread_mutex_init(&conditions->writing, NULL);
	load(conditions);
	*out = conditions;
}

int conditions_start(struct conditions *conditions, const struct conditions_door *door,
		     struct err *err)
{
	int r;

	conditions->door = *door;
	r = thread_start(&conditions->thread, "conditions", run, conditions, err);
	conditions->started = r == 0;
	return r;
}

void conditions_stop(struct conditions *conditions)
{
	if (!conditions || !conditions->started)
		return;
	atomic_store(&conditions->stopping, true);
	mailbox_wake(conditions->replies);
	pthread_join(conditions->thread, NULL);
	conditions->started = false;
}

void conditions_close(struct conditions *conditions)
{
	if (!conditions)
		return;
	save(conditions);
	mailbox_free(conditions->replies);
	condition_set_free(conditions->set);
	pthread_mutex_destroy(&conditions->mutex);
	pthread_mutex_destroy(&conditions->writing);
	free(conditions->path);
	free(conditions);
}

/* --- told by the other threads ---------------------------------------------------------------- */

/* Around each change: the clock is read under the lock, so that events are in order of time. */
static int64_t begin(struct conditions *conditions)
{
	pthread_mutex_lock(&conditions->mutex);
	return clock_time_us();
}

static void end(struct conditions *conditions, bool changed)
{
	conditions->dirty |= changed;
	pthread_mutex_unlock(&conditions->mutex);
	if (changed)
		mailbox_wake(conditions->replies);
}

void conditions_raise(struct conditions *conditions, enum condition_kind kind, struct str object,
		      const struct str *args, size_t n_args)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_raise(conditions->set, kind, object, args, n_args, now_us));
}

void conditions_clear(struct conditions *conditions, enum condition_kind kind, struct str object)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_clear(conditions->set, kind, object, now_us));
}

void conditions_level(struct conditions *conditions, enum condition_kind kind, double percent)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_level(conditions->set, kind, percent, now_us));
}

void conditions_keep(struct conditions *conditions, enum condition_kind kind,
		     const struct str *objects, size_t n_objects)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_keep(conditions->set, kind, objects, n_objects, now_us));
}

void conditions_tell(struct conditions *conditions, enum condition_kind kind, struct str object,
		     const struct str *args, size_t n_args)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_tell(conditions->set, kind, object, args, n_args, now_us));
}

void conditions_report(struct conditions *conditions, enum condition_kind kind, struct str object,
		       struct str reason)
{
	int64_t now_us = begin(conditions);

	/* Only counted: the file follows with the next event. */
	end(conditions, condition_set_report(conditions->set, kind, object, reason, now_us));
}

bool conditions_is_open(struct conditions *conditions, enum condition_kind kind, struct str object)
{
	bool is_open;

	begin(conditions);
	is_open = condition_set_is_open(conditions->set, kind, object);
	end(conditions, false);
	return is_open;
}

size_t conditions_count(struct conditions *conditions)
{
	size_t n;

	begin(conditions);
	n = condition_set_count(conditions->set);
	end(conditions, false);
	return n;
}

void conditions_last_words(struct conditions *conditions, enum condition_kind kind,
			   struct str reason)
{
	conditions_raise(conditions, kind, STR(""), &reason, 1);
	save(conditions);
}

/* --- delivering ------------------------------------------------------------------------------- */

/* The oldest event as a delivery; NULL when none waits. */
static struct delivery *first_delivery(struct conditions *conditions)
{
	const struct own_event *event;
	struct delivery *delivery = NULL;

	begin(conditions);
	event = condition_set_first(conditions->set);
	if (event)
		delivery = delivery_new(event->id, conditions->source, event->time_us,
					DELIVERY_ENROLLED, STR(CONDITIONS_SOURCE_NAME),
					(struct str){ NULL, 0 }, STR("own"), event->body);
	end(conditions, false);
	return delivery;
}

/* The journal thread answers whatever it took, also when it ends: this never waits for ever. */
static int wait_for_answer(struct conditions *conditions)
{
	struct mailbox_item *item;

	do
		mailbox_wait(conditions->replies, -1);
	while (!(item = mailbox_take(conditions->replies)));
	return CONTAINER_OF(item, struct intake, item)->result;
}

/* Into the journal: 0 when it is on disk there. */
static int deliver(struct conditions *conditions, struct delivery *delivery)
{
	const struct conditions_door *door = &conditions->door;
	struct intake intake = { .delivery = delivery_ref(delivery),
				 .reply_to = conditions->replies,
				 .is_own = true };
	int r = door->deliver(door->deliver_ctx, &intake);

	if (r < 0) {
		delivery_unref(intake.delivery);
		return r;
	}
	door->prepare(door->prepare_ctx, delivery);
	return wait_for_answer(conditions);
}

static void done(struct conditions *conditions)
{
	begin(conditions);
	condition_set_done(conditions->set);
	end(conditions, true);
	/* Whatever was wrong with the journal, it has just taken this. */
	conditions_clear(conditions, CONDITION_JOURNAL_WRITE, STR(""));
}

/* All that waits. False when the journal took one not. */
static bool deliver_all(struct conditions *conditions)
{
	struct delivery *delivery;
	int r = 0;

	while (r == 0 && (delivery = first_delivery(conditions))) {
		r = deliver(conditions, delivery);
		delivery_unref(delivery);
		if (r == 0)
			done(conditions);
		else
			log_warn("service", "an own event is not in the journal yet",
				 LOG_I("errno", -r));
	}
	return r == 0;
}

static void tick(struct conditions *conditions)
{
	int64_t now_us = begin(conditions);

	end(conditions, condition_set_tick(conditions->set, now_us));
}

static void *run(void *ctx)
{
	struct conditions *conditions = ctx;
	bool well = true;

	for (;;) {
		bool is_last = atomic_load(&conditions->stopping);

		tick(conditions);
		/* First to disk, then on its way: what a kill finds on its way is told again with
		 * the same bytes, and logged once. A disk that takes no file may take an event. */
		save(conditions);
		metric_set(METRIC_CONDITIONS, NULL, (double)conditions_count(conditions));
		well = deliver_all(conditions);
		save(conditions);
		if (is_last)
			return NULL;
		mailbox_wait(conditions->replies, well ? TICK_MS : AGAIN_MS);
	}
}
