#include "storage/journal_thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "base/thread.h"
#include "storage/journal.h"
#include "storage/limits.h"

#define EXPIRE_EVERY_US (5 * CLOCK_US_PER_S)
#define EXIT_JOURNAL_LOST 70 /* EX_SOFTWARE: a promise could not be kept */

struct journal_thread {
	struct journal_thread_config config;
	pthread_t thread;
	struct mailbox *inbox;
	atomic_bool stopping;
	struct strbuf record;
	bool refuses; /* said so: no room, or no segment can be made */
};

static void *run(void *ctx);

int journal_thread_start(const struct journal_thread_config *config, struct journal_thread **out,
			 struct err *err)
{
	struct journal_thread *thread = xcalloc(1, sizeof(*thread));
	int r;

	thread->config = *config;
	thread->inbox = mailbox_new(INTAKE_MAX_ITEMS);
	strbuf_init(&thread->record, JOURNAL_MAX_RECORD);
	r = thread_start(&thread->thread, "journal", run, thread, err);
	if (r < 0) {
		mailbox_free(thread->inbox);
		free(thread);
		return r;
	}
	*out = thread;
	return 0;
}

int journal_thread_deliver(void *ctx, struct intake *intake)
{
	struct journal_thread *thread = ctx;

	return mailbox_put(thread->inbox, &intake->item) ? 0 : -EAGAIN;
}

void journal_thread_stop(struct journal_thread *thread)
{
	if (!thread)
		return;
	atomic_store(&thread->stopping, true);
	mailbox_wake(thread->inbox);
	pthread_join(thread->thread, NULL);
	mailbox_free(thread->inbox);
	strbuf_fini(&thread->record);
	free(thread);
}

static void reply(struct intake *intake, int result)
{
	intake->result = result;
	/* The reply mailboxes have no bound: each intake is in one place only. */
	mailbox_put(intake->reply_to, &intake->item);
}

static void refuse(struct journal_thread *thread, struct intake *intake, int result,
		   const struct err *err)
{
	if (result != -E2BIG && result != -EINVAL && !thread->refuses && !intake->is_own) {
		thread->refuses = true;
		log_error("storage",
			  result == -ENOSPC ? "journal full, deliveries are answered 503"
					    : "journal cannot grow, deliveries are answered 503",
			  LOG_T("err", err->text));
	}
	delivery_unref(intake->delivery);
	intake->delivery = NULL;
	reply(intake, result);
}

/* Append one intake's delivery; false when it was refused (and answered). */
static bool append(struct journal_thread *thread, struct intake *intake)
{
	struct delivery *delivery = intake->delivery;
	struct journal_place place;
	struct err err = { "" };
	int r;

	strbuf_reset(&thread->record);
	delivery_pack(delivery, &thread->record);
	if (thread->record.failed)
		r = err_set(&err, -E2BIG, "journal: a delivery of %zu bytes is too large",
			    delivery->raw.len);
	else
		r = journal_append(thread->config.journal, strbuf_str(&thread->record),
				   intake->is_own, &place, &err);
	if (r < 0) {
		refuse(thread, intake, r, &err);
		return false;
	}
	if (thread->refuses && !intake->is_own) {
		thread->refuses = false;
		log_info("storage", "journal takes deliveries again");
	}
	delivery->segment = place.segment;
	delivery->segment_number = place.segment_number;
	delivery->start = place.start;
	delivery->end = place.end;
	return true;
}

static void sync_group(struct journal_thread *thread)
{
	struct err err;

	if (journal_sync(thread->config.journal, &err) == 0)
		return;
	log_error("storage", "journal cannot be written: ending, nothing more is answered",
		  LOG_T("err", err.text));
	if (thread->config.lost)
		thread->config.lost(thread->config.lost_ctx, err.text);
	_exit(EXIT_JOURNAL_LOST);
}

/* Linked by their items, oldest first. */
struct list {
	struct mailbox_item *first, **end;
};

static void put(struct list *list, struct mailbox_item *item)
{
	if (!list->first)
		list->end = &list->first;
	item->next = NULL;
	*list->end = item;
	list->end = &item->next;
}

/* The group that was appended, up to this place. To the loader first, so that no answer precedes its
 * event there: it may begin with it while the disk is at work, and may not commit. */
static void commit(struct journal_thread *thread, const struct list *deliveries,
		   const struct list *answers, uint64_t segment_number, uint64_t end)
{
	struct mailbox_item *next;

	thread->config.offer(thread->config.loader_ctx,
			     CONTAINER_OF(deliveries->first, struct delivery, item));
	sync_group(thread);
	thread->config.durable(thread->config.loader_ctx, segment_number, end);
	for (struct mailbox_item *item = answers->first; item; item = next) {
		next = item->next;
		reply(CONTAINER_OF(item, struct intake, item), 0);
	}
}

/* One group: as many of the waiting intakes as its bytes allow. Returns those left over. */
static struct mailbox_item *commit_group(struct journal_thread *thread, struct mailbox_item *waiting)
{
	struct list deliveries = { 0 }, answers = { 0 };
	uint64_t segment_number = 0, end = 0;
	size_t n_bytes = 0;

	while (waiting && n_bytes < JOURNAL_GROUP_MAX_BYTES) {
		struct intake *intake = CONTAINER_OF(waiting, struct intake, item);
		struct delivery *delivery = intake->delivery;

		waiting = waiting->next;
		n_bytes += delivery->raw.len;
		if (!append(thread, intake))
			continue;
		segment_number = delivery->segment_number;
		end = delivery->end;
		intake->delivery = NULL;
		put(&deliveries, &delivery->item);
		if (thread->config.acknowledge_database && !intake->is_own)
			delivery->intake = intake; /* the loader answers */
		else
			put(&answers, &intake->item);
	}
	if (deliveries.first)
		commit(thread, &deliveries, &answers, segment_number, end);
	return waiting;
}

static void *run(void *ctx)
{
	struct journal_thread *thread = ctx;
	int64_t expire_at_us = 0;

	for (;;) {
		struct mailbox_item *waiting;

		mailbox_wait(thread->inbox, EXPIRE_EVERY_US / 1000);
		waiting = mailbox_take(thread->inbox);
		if (!waiting && atomic_load(&thread->stopping))
			return NULL;
		while (waiting)
			waiting = commit_group(thread, waiting);
		if (clock_monotonic_us() >= expire_at_us) {
			journal_expire(thread->config.journal);
			expire_at_us = clock_monotonic_us() + EXPIRE_EVERY_US;
		}
	}
}
