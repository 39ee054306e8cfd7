/* A source's own log, imported: LogEntries that an operator saved from it, or that somebody read
 * there. They go through the journal like what is pushed, and what the log has already is left out
 * (storage/load_backfill.c). */
#include <errno.h>
#include <stdlib.h>

#include "api/aggregation.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mailbox.h"
#include "base/mem.h"
#include "event/decode.h"
#include "event/limits.h"
#include "event/source_set.h"

#define ANSWER_MAX_BYTES 1024

struct importing {
	struct api_job job;
	struct delivery *delivery;
	deliver_fn *deliver;
	void *deliver_ctx;
	prepare_fn *prepare;
	void *prepare_ctx;
	/* the answer */
	uint32_t n_entries, n_set_aside;
	int result; /* 0: in the journal. -EINVAL: it holds no entries */
	struct err err;
};

/* --- on a pool thread ------------------------------------------------------------------------- */

/* What holds nothing is not taken: it is most likely another file. */
static int look_inside(struct importing *importing)
{
	const struct delivery *given = importing->delivery;
	struct delivery *copy =
		delivery_new(given->id, given->source, given->received_us, given->flags,
			     given->peer, given->token, given->protocol, given->raw);
	int r = 0;

	if (!copy)
		return err_set(&importing->err, -EINVAL, "The body is too large.");
	decode_delivery(copy);
	importing->n_entries = copy->n_events;
	importing->n_set_aside = copy->n_quarantined;
	if (copy->kind != DELIVERY_EVENTS)
		r = err_set(&importing->err, -EINVAL, "%.*s", STR_ARG(copy->detail));
	else if (copy->n_events + copy->n_quarantined > DECODE_MAX_EVENTS)
		r = err_set(&importing->err, -EINVAL,
			    "There are more than %u entries in it: give it in parts.",
			    DECODE_MAX_EVENTS);
	else if (copy->n_events == 0)
		r = err_set(&importing->err, -EINVAL,
			    "There is no LogEntry in it: give a LogEntryCollection with its "
			    "members, an array of LogEntries, or one.");
	delivery_unref(copy);
	return r;
}

/* The journal thread answers whatever it took, also when it ends: this never waits for ever. */
static int wait_for_answer(struct mailbox *replies)
{
	struct mailbox_item *item;

	do
		mailbox_wait(replies, -1);
	while (!(item = mailbox_take(replies)));
	return CONTAINER_OF(item, struct intake, item)->result;
}

static int deliver(struct importing *importing)
{
	struct mailbox *replies = mailbox_new(1);
	struct intake intake = { .delivery = delivery_ref(importing->delivery),
				 .reply_to = replies };
	int r = importing->deliver(importing->deliver_ctx, &intake);

	if (r < 0) {
		delivery_unref(intake.delivery);
	} else {
		importing->prepare(importing->prepare_ctx, importing->delivery);
		r = wait_for_answer(replies);
	}
	mailbox_free(replies);
	if (r < 0)
		return err_set(&importing->err, r, "The journal does not take it now.");
	return 0;
}

/* The database is not asked: the journal is enough. */
static void run_importing(struct query_job *query, struct db *db, const char *why)
{
	struct importing *importing = query->ctx;

	(void)db;
	(void)why;
	importing->result = look_inside(importing);
	if (importing->result == 0)
		importing->result = deliver(importing);
}

/* --- on the API thread ------------------------------------------------------------------------ */

static void answer_taken(struct http_request *request, const struct importing *importing)
{
	char id[UUID_TEXT_BYTES];
	struct strbuf body;

	strbuf_init(&body, ANSWER_MAX_BYTES);
	strbuf_putf(&body, "{\"Delivery\":\"%s\",\"Entries\":%u,\"SetAside\":%u}",
		    uuid_format(importing->delivery->id, id), importing->n_entries,
		    importing->n_set_aside);
	reply_json(request, 200, NULL, strbuf_str(&body));
	strbuf_fini(&body);
}

static void free_importing(struct importing *importing)
{
	delivery_unref(importing->delivery);
	free(importing);
}

static void answer_importing(struct api *api, struct api_job *job)
{
	struct importing *importing = CONTAINER_OF(job, struct importing, job);

	if (importing->result == 0)
		answer_taken(job->request, importing);
	else if (importing->result == -EINVAL)
		reply_error(job->request, 400, "UnrecognizedRequestBody",
			    .resolution = importing->err.text);
	else
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = importing->err.text);
	free_importing(importing);
}

static struct delivery *delivery_of(const struct source *source, struct str body)
{
	int64_t now_us = clock_time_us();

	return delivery_new(uuid_v7(now_us), source->id, now_us, DELIVERY_BACKFILLED,
			    source->address.p ? source->address : STR(""), STR(""), STR("import"),
			    body);
}

static void import(struct api *api, struct http_request *request, const struct source *source)
{
	struct importing *importing = xcalloc(1, sizeof(*importing));

	importing->job = (struct api_job){ .query = { .run = run_importing, .ctx = importing },
					   .answer = answer_importing,
					   .request = request };
	importing->delivery = delivery_of(source, http_request_body(request));
	importing->deliver = api->config.deliver;
	importing->deliver_ctx = api->config.deliver_ctx;
	importing->prepare = api->config.prepare_delivered;
	importing->prepare_ctx = api->config.prepare_ctx;
	if (!importing->delivery)
		reply_error(request, 413, "PayloadTooLarge");
	else if (api_submit(api, api->config.writes, &importing->job))
		return;
	free_importing(importing);
}

void sources_import_log(struct api *api, const struct target *target)
{
	const struct source *source = sources_of_target(api, target);

	if (source)
		import(api, target->request, source);
	else
		reply_error(target->request, 404, "ResourceNotFound",
			    .args = { STR("AggregationSource"), target->ids[0] });
}
