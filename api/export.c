/* Export: all that a question finds in the log, as JSON Lines or CSV, in one answer of no known
 * length.
 *
 * The log is read a piece at a time on the pool, each piece by a question of its own, and only when
 * the peer took what came before: memory is that of a piece, no transaction outlives it, and a
 * reader that stalls keeps nothing but its connection. A piece is encoded on the API thread, hence
 * its size. While many events come in, an export rests most of the time: what BMCs send goes before
 * what somebody reads. */
#include <errno.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/export.h"
#include "api/limits.h"
#include "api/log_entry.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/slot.h"
#include "event/entry.h"
#include "event/filter.h"
#include "event/source_set.h"
#include "storage/log.h"
#include "storage/query_pool.h"
#include "stream/words.h"

struct export
{
	struct api_job job;
	struct export *next, *prev; /* of the thread's */
	struct export_question question;
	bool begun;   /* the answer's head is out */
	bool reading; /* a pool thread has it */
	struct loop_timer rest;
	int64_t asked_us; /* when the piece was asked for, and how many events were logged then */
	double n_logged;
	/* the piece */
	int result;
	struct err err;
	struct entry_batch *batch;
	int64_t resume_seq;
};

static void answer(struct api *api, struct api_job *job);
static http_room_fn on_room;

static void export_free(struct api *api, struct export *export)
{
	if (export->prev)
		export->prev->next = export->next;
	else
		api->exports = export->next;
	if (export->next)
		export->next->prev = export->prev;
	api->n_exports--;
	loop_timer_cancel(api->loop, &export->rest);
	entry_batch_unref(export->batch);
	filter_free(export->question.filter);
	free(export);
}

/* --- on a pool thread ------------------------------------------------------------------------- */

/* Oldest first: up to where the log is now, or one that fills as fast would have no end. */
static int find_end(struct db *db, struct log_query *query, struct err *err)
{
	struct log_bounds bounds;
	int r;

	if (query->descending || query->before_seq > 0)
		return 0;
	r = log_bounds(db, &bounds, err);
	if (r == 0)
		query->before_seq = bounds.last_seq + 1;
	return r;
}

static void run_export(struct query_job *job, struct db *db, const char *why)
{
	struct export *export = job->ctx;
	struct log_query *query = &export->question.query;
	uint64_t n_left = export->question.n_left;

	query->limit = n_left < API_EXPORT_PIECE ? (size_t)n_left : API_EXPORT_PIECE;
	if (!db) {
		export->result =
			err_set(&export->err, -ENOTCONN,
				"The log cannot be reached: %s. Events are kept meanwhile.", why);
		return;
	}
	export->result = find_end(db, query, &export->err);
	if (export->result == 0)
		export->result =
			log_read_on(db, query, &export->batch, &export->resume_seq, &export->err);
}

/* --- on the API thread ---------------------------------------------------------------------------
 */

static void end(struct api *api, struct export *export, bool whole)
{
	http_stream_end(export->job.request, whole);
	export_free(api, export);
}

/* The next piece; false when it cannot be asked for. */
static bool read_on(struct api *api, struct export *export)
{
	export->job.query.reply_to = api->answers;
	if (atomic_load(&api->draining) ||
	    query_pool_submit(api->config.pool, &export->job.query) < 0)
		return false;
	export->reading = true;
	export->asked_us = clock_monotonic_us();
	export->n_logged = metric_read(METRIC_EVENTS_LOGGED, NULL);
	api->n_jobs++;
	return true;
}

static void on_rested(struct loop_timer *timer)
{
	struct export *export = CONTAINER_OF(timer, struct export, rest);
	struct api *api = reply_api();

	if (!read_on(api, export))
		end(api, export, false);
}

/* The next piece, at once or after a rest; false when it cannot be asked for. */
static bool go_on(struct api *api, struct export *export)
{
	int64_t took_us = clock_monotonic_us() - export->asked_us;
	int64_t rest_us = API_EXPORT_REST * took_us;
	double n = metric_read(METRIC_EVENTS_LOGGED, NULL) - export->n_logged;

	if (n * CLOCK_US_PER_S < (double)API_EXPORT_BUSY_EVENTS * (double)took_us)
		return read_on(api, export);
	export->rest.fn = on_rested;
	loop_timer_set(api->loop, &export->rest,
		       rest_us < API_EXPORT_MAX_REST_US ? rest_us : API_EXPORT_MAX_REST_US);
	return true;
}

void export_start(struct api *api, struct http_request *request,
		  const struct export_question *question)
{
	struct export *export;

	if (api->n_exports >= API_MAX_EXPORTS) {
		filter_free(question->filter);
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = "Too many exports are under way; try again later.");
		return;
	}
	export = xcalloc(1, sizeof(*export));
	export->job = (struct api_job){ .query = { .run = run_export, .ctx = export },
					.answer = answer,
					.request = request };
	export->question = *question;
	export->question.query.filter = question->filter;
	export->next = api->exports;
	if (export->next)
		export->next->prev = export;
	api->exports = export;
	api->n_exports++;
	if (read_on(api, export))
		return;
	reply_error(request, 503, "ServiceTemporarilyUnavailable",
		    .args = { STR(API_RETRY_AFTER_TEXT) });
	export_free(api, export);
}

/* The first piece could not be had: nothing is said yet. */
static void refuse(struct api *api, struct export *export)
{
	if (export->result == -ENOTCONN)
		reply_error(export->job.request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = export->err.text);
	else
		reply_error(export->job.request, 500, "InternalError",
			    .resolution = export->err.text);
	export_free(api, export);
}

static void begin(struct export *export)
{
	const struct http_header headers[] = {
		{ STR("Content-Type"), export->question.csv
					       ? STR("text/csv;charset=utf-8")
					       : STR("application/x-ndjson;charset=utf-8") },
		{ STR("OData-Version"), STR("4.0") },
		{ STR("Allow"), STR("GET, HEAD") },
		{ STR("Cache-Control"), STR("no-store") },
		{ STR("Vary"), STR("Accept, Accept-Language, Authorization") },
	};

	http_stream_begin(export->job.request, 200, headers, ARRAY_LEN(headers), on_room, export);
	export->begun = true;
}

static void encode(struct api *api, const struct export *export, struct strbuf *out)
{
	for (size_t i = 0; i < export->batch->n; i++) {
		const struct entry *entry = &export->batch->entries[i];
		const struct source *source = source_set_by_id(api->sources, entry->source);
		struct wording wording = words_of(api->words, entry, export->question.language);

		if (export->question.csv) {
			log_entry_csv(out, entry, source, &wording);
		} else {
			entry_encode(out, entry, source, &wording);
			strbuf_put_char(out, '\n');
		}
	}
}

/* Say the piece that was read; true while the peer has room. */
static bool say(struct api *api, struct export *export, bool first)
{
	struct export_question *question = &export->question;
	struct strbuf text;
	bool room;

	strbuf_init(&text, API_PAGE_MAX_BYTES);
	if (first && question->csv)
		log_entry_csv_header(&text);
	slot_refresh(api->config.sources, &api->sources, &api->sources_version);
	encode(api, export, &text);
	question->n_left -= export->batch->n;
	*(question->query.descending ? &question->query.before_seq : &question->query.after_seq) =
		export->resume_seq;
	entry_batch_unref(export->batch);
	export->batch = NULL;
	room = http_stream_write(export->job.request, strbuf_str(&text));
	if (text.failed)
		export->result = -E2BIG;
	strbuf_fini(&text);
	return room;
}

static void answer(struct api *api, struct api_job *job)
{
	struct export *export = CONTAINER_OF(job, struct export, job);
	bool first = !export->begun, room;

	export->reading = false;
	if (first && export->result < 0) {
		refuse(api, export);
		return;
	}
	if (first)
		begin(export);
	room = export->result == 0 && say(api, export, first);
	if (export->result < 0) {
		log_warn("api", "an export breaks off", LOG_T("err", export->err.text));
		end(api, export, false);
	} else if (export->resume_seq == 0 || export->question.n_left == 0 ||
		   http_request_method(job->request) == HTTP_HEAD) {
		end(api, export, true);
	} else if (http_request_is_gone(job->request) || (room && !go_on(api, export))) {
		end(api, export, false);
	}
}

static void on_room(struct http_request *request, void *ctx)
{
	struct export *export = ctx;
	struct api *api = reply_api();

	if (http_request_is_gone(request) || !read_on(api, export))
		end(api, export, false);
}

void exports_drain(struct api *api)
{
	struct export *next;

	for (struct export *export = api->exports; export; export = next) {
		next = export->next;
		if (!export->reading)
			end(api, export, false);
	}
}

void exports_free(struct api *api)
{
	while (api->exports)
		export_free(api, api->exports);
}
