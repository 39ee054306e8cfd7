/* Quarantine, tried again as a whole: oldest first, as it came, but for what ended the program once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/tasks.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/quarantine.h"

#define PAGE		 1000
#define ROWS_MAX	 1000000 /* of one go: 24 MB of ids; who has more asks again */
#define ANSWER_MAX_BYTES 4096

struct retrying {
	struct api_job job; /* first: see has_failed() */
	struct api *api;
	struct quarantine_id *ids; /* newest first */
	size_t n, size;
	size_t n_seen, n_left, n_kept; /* rows read; tried in vain; not tried */
	int64_t n_events;
	int result;
	struct err err;
};

/* --- on a pool thread ----------------------------------------------------------------------------
 */

static void take_row(void *ctx, const struct quarantined *row)
{
	struct retrying *retrying = ctx;

	retrying->n_seen++;
	if (str_eq(row->reason, STR("decode_crashed"))) {
		retrying->n_kept++;
		return;
	}
	if (retrying->n == retrying->size) {
		retrying->size = retrying->size ? 2 * retrying->size : PAGE;
		retrying->ids =
			xrealloc(retrying->ids, retrying->size * sizeof(retrying->ids[0]));
	}
	retrying->ids[retrying->n++] = row->id;
}

static int read_ids(struct retrying *retrying, struct db *db)
{
	size_t before;
	int64_t n_all;
	int r;

	do {
		before = retrying->n_seen;
		r = quarantine_list(db, before, PAGE, take_row, retrying, &n_all, &retrying->err);
	} while (r == 0 && retrying->n_seen > before && retrying->n_seen < ROWS_MAX);
	return r;
}

/* 0 to go on: a row that stays, or that another replica tried meanwhile, is no reason to stop. */
static int retry_one(struct retrying *retrying, struct db *db, struct quarantine_id id)
{
	const struct api_config *config = &retrying->api->config;
	int64_t n_logged = 0;
	int r = quarantine_retry(db, id, config->prepare, config->prepare_ctx, &n_logged,
				 &retrying->err);

	retrying->n_events += n_logged;
	retrying->n_left += r == -EINVAL;
	return r == -EINVAL || r == -ENOENT ? 0 : r;
}

static void run_retrying(struct query_job *query, struct db *db, const char *why)
{
	struct retrying *retrying = query->ctx;
	int r;

	if (!db) {
		retrying->result = err_set(&retrying->err, -ENOTCONN,
					   "The database cannot be reached: %s.", why);
		return;
	}
	r = read_ids(retrying, db);
	for (size_t i = retrying->n; i-- > 0 && r == 0;) {
		if (atomic_load(&retrying->api->draining))
			r = err_set(&retrying->err, -ECANCELED, "The service is stopping.");
		else
			r = retry_one(retrying, db, retrying->ids[i]);
		atomic_store(&retrying->job.percent,
			     (int)(100 * (retrying->n - i) / (retrying->n + 1)));
	}
	retrying->result = r;
}

/* --- on the API thread ---------------------------------------------------------------------------
 */

static void drop(struct api_job *job)
{
	struct retrying *retrying = CONTAINER_OF(job, struct retrying, job);

	free(retrying->ids);
	free(retrying);
}

static bool has_failed(const struct api_job *job, struct err *why)
{
	const struct retrying *retrying = (const struct retrying *)(const void *)job;

	*why = retrying->err;
	return retrying->result < 0;
}

static void ended(struct api *api)
{
	api->is_retrying = false;
}

static void answer(struct api *api, struct api_job *job)
{
	struct retrying *retrying = CONTAINER_OF(job, struct retrying, job);
	struct strbuf body;

	if (retrying->result < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = retrying->err.text);
		drop(job);
		return;
	}
	strbuf_init(&body, ANSWER_MAX_BYTES);
	strbuf_putf(&body, "{\"Tried\":%zu,\"Events\":%lld,\"Left\":%zu,\"NotTried\":%zu}",
		    retrying->n, (long long)retrying->n_events, retrying->n_left,
		    retrying->n_kept);
	reply_json(job->request, 200, NULL, strbuf_str(&body));
	strbuf_fini(&body);
	drop(job);
}

void quarantine_retry_all(struct api *api, const struct target *target)
{
	struct retrying *retrying;

	if (api->is_retrying) {
		reply_error(target->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = "The quarantine is being tried again already.");
		return;
	}
	retrying = xcalloc(1, sizeof(*retrying));
	retrying->job = (struct api_job){ .query = { .run = run_retrying, .ctx = retrying },
					  .answer = answer,
					  .request = target->request,
					  .drop = drop,
					  .ended = ended,
					  .failure = has_failed };
	retrying->api = api;
	api->is_retrying = api_submit(api, api->config.writes, &retrying->job);
	if (api->is_retrying)
		task_begin(api, target, &retrying->job, "Trying the quarantine again");
	else
		drop(&retrying->job);
}
