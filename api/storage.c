/* Storage of the log, as a resource: what it takes, how it grows, how long the disk will do. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/storage_status.h"

#define DAY_US (86400 * CLOCK_US_PER_S)

struct asking {
	struct api_job job;
	const char *data_dir;
	struct storage_status status;
	int64_t free_bytes;
	int result;
	struct err err;
};

static void run_status(struct query_job *query, struct db *db, const char *why)
{
	struct asking *asking = query->ctx;

	if (!db) {
		asking->result = err_set(&asking->err, -1, "The database cannot be reached: %s.", why);
		return;
	}
	asking->free_bytes = storage_free_bytes(asking->data_dir);
	asking->result = storage_status_read(db, &asking->status, &asking->err);
}

/* What nobody can tell is null. */
static void put_number(struct strbuf *out, const char *name, int64_t value)
{
	strbuf_putf(out, ",\"%s\":", name);
	if (value < 0)
		strbuf_put_text(out, "null");
	else
		strbuf_put_i64(out, value);
}

static void put_day(struct strbuf *out, const struct storage_day *day)
{
	strbuf_putf(out, "{\"Day\":\"%s\"", day->day);
	put_number(out, "Events", day->n_events);
	put_number(out, "FirstSeq", day->first_seq);
	put_number(out, "Bytes", day->bytes);
	put_number(out, "TextBytes", day->text_bytes);
	strbuf_putf(out, ",\"State\":\"%s\"}",
		    day->is_cared ? "Frozen" :
		    day->is_over  ? "Over" :
				    "Current");
}

static void put_status(struct strbuf *out, const struct asking *asking, int64_t keep_us)
{
	const struct storage_status *status = &asking->status;
	int64_t per_day = status->bytes_per_day;

	strbuf_put_text(out, "{\"@odata.id\":\"" STORAGE_PATH "\","
			     "\"@odata.type\":\"#RfeventdStorage.v1_0_0.RfeventdStorage\","
			     "\"Id\":\"Storage\",\"Name\":\"Storage of the log\"");
	put_number(out, "Events", status->last_seq - status->oldest_seq + 1);
	put_number(out, "OldestSeq", status->oldest_seq);
	put_number(out, "LastSeq", status->last_seq);
	put_number(out, "RetentionDays", keep_us / DAY_US);
	put_number(out, "DatabaseBytes", status->database_bytes);
	put_number(out, "LogBytes", status->log_bytes);
	put_number(out, "BytesPerDay", per_day);
	put_number(out, "ExpectedLogBytes", per_day < 0 ? -1 : per_day * (keep_us / DAY_US + 1));
	put_number(out, "FreeBytes", asking->free_bytes);
	put_number(out, "DaysLeft",
		   per_day > 0 && asking->free_bytes >= 0 ? asking->free_bytes / per_day : -1);
	put_number(out, "Quarantined", status->n_quarantined);
	put_number(out, "DaysAhead", status->days_ahead);
	strbuf_put_text(out, ",\"Days\":[");
	for (size_t i = 0; i < status->n_days; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		put_day(out, &status->days[i]);
	}
	strbuf_put_text(out, "]}");
}

static void answer_status(struct api *api, struct api_job *job)
{
	struct asking *asking = CONTAINER_OF(job, struct asking, job);
	struct strbuf body;

	if (asking->result < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = asking->err.text);
	} else {
		strbuf_init(&body, API_PAGE_MAX_BYTES);
		put_status(&body, asking, api->config.keep_events_us);
		reply_json(job->request, 200, NULL, strbuf_str(&body));
		strbuf_fini(&body);
	}
	storage_status_fini(&asking->status);
	free(asking);
}

void storage_get(struct api *api, const struct target *target)
{
	struct asking *asking = xcalloc(1, sizeof(*asking));

	asking->job = (struct api_job){ .query = { .run = run_status, .ctx = asking },
					.answer = answer_status,
					.request = target->request };
	asking->data_dir = api->config.data_dir;
	asking->free_bytes = -1;
	if (!api_submit(api, api->config.pool, &asking->job))
		free(asking);
}
