/* Quarantine, as a collection: what could not be logged, and the action that tries it again. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "storage/quarantine.h"

#define RETRY_ACTION "/Actions/Oem/Rfeventd.Retry"

enum asking_kind { ASK_LIST, ASK_ONE, ASK_RETRY };

struct asking {
	struct api_job job;
	enum asking_kind kind;
	struct quarantine_id id;
	size_t skip, top;
	prepare_fn *prepare;
	void *prepare_ctx;
	/* the answer */
	struct strbuf body;
	size_t n;
	int64_t n_all, n_logged;
	int result;
	struct err err;
};

/* --- on a pool thread ------------------------------------------------------------------------- */

static void put_text(struct strbuf *out, const char *name, struct str text)
{
	if (text.len == 0)
		return;
	strbuf_putf(out, ",\"%s\":", name);
	strbuf_put_json(out, text);
}

static void put_time(struct strbuf *out, const char *name, int64_t time_us)
{
	char text[CLOCK_TEXT_BYTES];

	put_text(out, name, str_of(clock_format(time_us, text)));
}

/* Bytes that are no text as they are. */
static void put_raw(struct strbuf *out, struct str raw)
{
	size_t n = (raw.len + 2) / 3 * 4;
	char *p;

	if (str_is_utf8(raw)) {
		put_text(out, "Body", raw);
		return;
	}
	strbuf_put_text(out, ",\"BodyBase64\":\"");
	p = strbuf_reserve(out, n + 1);
	if (!p)
		return;
	EVP_EncodeBlock((unsigned char *)p, (const unsigned char *)raw.p, (int)raw.len);
	strbuf_commit(out, n);
	strbuf_put_char(out, '"');
}

static void put_row(void *ctx, const struct quarantined *row)
{
	struct asking *asking = ctx;
	struct strbuf *out = &asking->body;
	char id[QUARANTINE_ID_BYTES], source[UUID_TEXT_BYTES];

	quarantine_id_format(row->id, id);
	strbuf_put_text(out, asking->n++ > 0 ? "," : "");
	strbuf_putf(out,
		    "{\"@odata.id\":\"" QUARANTINE_PATH "/%s\",\"@odata.type\":"
		    "\"#RfeventdQuarantined.v1_0_0.RfeventdQuarantined\",\"Id\":\"%s\","
		    "\"Name\":\"Set aside\",\"Bytes\":%lld",
		    id, id, (long long)row->n_bytes);
	put_time(out, "Created", row->received_us);
	if (row->retried_us > 0)
		put_time(out, "Retried", row->retried_us);
	if (!uuid_is_zero(row->source))
		put_text(out, "Source", str_of(uuid_format(row->source, source)));
	put_text(out, "Peer", row->peer);
	put_text(out, "Reason", row->reason);
	put_text(out, "Detail", row->detail);
	put_raw(out, row->raw);
	strbuf_putf(out,
		    ",\"Actions\":{\"Oem\":{\"#Rfeventd.Retry\":{\"target\":\"" QUARANTINE_PATH
		    "/%s" RETRY_ACTION "\"}}}}",
		    id);
}

static void run_asking(struct query_job *query, struct db *db, const char *why)
{
	struct asking *asking = query->ctx;
	struct err *err = &asking->err;

	if (!db)
		asking->result = err_set(err, -ENOTCONN, "The database cannot be reached: %s.", why);
	else if (asking->kind == ASK_LIST)
		asking->result = quarantine_list(db, asking->skip, asking->top, put_row, asking,
						 &asking->n_all, err);
	else if (asking->kind == ASK_ONE)
		asking->result = quarantine_read(db, asking->id, put_row, asking, err);
	else
		asking->result = quarantine_retry(db, asking->id, asking->prepare,
						  asking->prepare_ctx, &asking->n_logged, err);
}

/* --- on the API thread ------------------------------------------------------------------------ */

static void answer_failure(const struct asking *asking)
{
	struct http_request *request = asking->job.request;
	char id[QUARANTINE_ID_BYTES];

	quarantine_id_format(asking->id, id);
	if (asking->result == -ENOENT)
		reply_error(request, 404, "ResourceNotFound",
			    .args = { STR("Quarantined"), str_of(id) });
	else if (asking->result == -EINVAL)
		reply_error(request, 409, "OperationFailed", .resolution = asking->err.text);
	else
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = asking->err.text);
}

static void answer_list(const struct asking *asking)
{
	size_t behind = asking->skip + asking->n;
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	strbuf_putf(&body,
		    "{\"@odata.id\":\"" QUARANTINE_PATH "\",\"@odata.type\":"
		    "\"#RfeventdQuarantinedCollection.RfeventdQuarantinedCollection\","
		    "\"Name\":\"Quarantine\",\"Members@odata.count\":%lld,\"Members\":[",
		    (long long)asking->n_all);
	strbuf_put(&body, strbuf_str(&asking->body));
	strbuf_put_char(&body, ']');
	if (asking->n > 0 && asking->n == asking->top && (int64_t)behind < asking->n_all)
		strbuf_putf(&body,
			    ",\"Members@odata.nextLink\":\"" QUARANTINE_PATH
			    "?$skip=%zu&$top=%zu\"",
			    behind, asking->top);
	strbuf_put_char(&body, '}');
	reply_json(asking->job.request, 200, NULL, strbuf_str(&body));
	strbuf_fini(&body);
}

static void answer_retry(struct asking *asking)
{
	strbuf_putf(&asking->body, "{\"Result\":\"Logged\",\"Events\":%lld}",
		    (long long)asking->n_logged);
	reply_json(asking->job.request, 200, NULL, strbuf_str(&asking->body));
}

static void answer_asking(struct api *api, struct api_job *job)
{
	struct asking *asking = CONTAINER_OF(job, struct asking, job);

	if (asking->result < 0)
		answer_failure(asking);
	else if (asking->body.failed)
		reply_error(job->request, 500, "InternalError", .resolution = "The answer is too large.");
	else if (asking->kind == ASK_LIST)
		answer_list(asking);
	else if (asking->kind == ASK_ONE)
		reply_json(job->request, 200, NULL, strbuf_str(&asking->body));
	else
		answer_retry(asking);
	strbuf_fini(&asking->body);
	free(asking);
}

static void ask(struct api *api, const struct target *target, struct asking what,
		struct query_pool *pool)
{
	struct asking *asking = xmalloc(sizeof(*asking));

	*asking = what;
	asking->job = (struct api_job){ .query = { .run = run_asking, .ctx = asking },
					.answer = answer_asking,
					.request = target->request };
	asking->prepare = api->config.prepare;
	asking->prepare_ctx = api->config.prepare_ctx;
	strbuf_init(&asking->body, API_PAGE_MAX_BYTES);
	if (api_submit(api, pool, &asking->job))
		return;
	strbuf_fini(&asking->body);
	free(asking);
}

void quarantine_get(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_LIST, .top = API_PAGE_DEFAULT };
	struct query_options options;
	struct query_fault fault;

	if (query_options_parse(target->query, QUERY_COMMON | target->resource->queries, &options,
				&fault) < 0) {
		reply_query_fault(target->request, &fault);
		return;
	}
	what.skip = options.given & QUERY_SKIP ? options.skip : 0;
	if (options.given & QUERY_TOP)
		what.top = options.top < API_PAGE_MAX ? options.top : API_PAGE_MAX;
	query_options_fini(&options);
	ask(api, target, what, api->config.pool);
}

/* The row that the path names; refused when it can be none. */
static bool take_id(const struct target *target, struct quarantine_id *id)
{
	if (quarantine_id_parse(target->ids[0], id))
		return true;
	reply_error(target->request, 404, "ResourceNotFound",
		    .args = { STR("Quarantined"), target->ids[0] });
	return false;
}

void quarantine_get_one(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_ONE };

	if (take_id(target, &what.id))
		ask(api, target, what, api->config.pool);
}

void quarantine_retry_one(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_RETRY };

	if (take_id(target, &what.id))
		ask(api, target, what, api->config.writes);
}
