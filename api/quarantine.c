/* Quarantine, as a collection: what could not be logged, and the action that tries it again. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
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

	if (asking->result == -ENOENT)
		reply_error(request, 404, "ResourceMissingAtURI", NULL,
			    "Quarantine has no such row (any more).");
	else if (asking->result == -EINVAL)
		reply_error(request, 409, "GeneralError", NULL, "It stays in quarantine: %s.",
			    asking->err.text);
	else
		reply_error(request, 503, "ServiceTemporarilyUnavailable", NULL, "%s",
			    asking->err.text);
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
	if (asking->n == asking->top && (int64_t)behind < asking->n_all)
		strbuf_putf(&body,
			    ",\"Members@odata.nextLink\":\"" QUARANTINE_PATH
			    "?$skip=%zu&$top=%zu\"",
			    behind, asking->top);
	strbuf_put_char(&body, '}');
	reply_json(asking->job.request, 200, "GET, HEAD", strbuf_str(&body));
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
		reply_error(job->request, 500, "InternalError", NULL, "The answer is too large.");
	else if (asking->kind == ASK_LIST)
		answer_list(asking);
	else if (asking->kind == ASK_ONE)
		reply_json(job->request, 200, "GET, HEAD", strbuf_str(&asking->body));
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

static bool take_number(struct str query, const char *name, uint64_t least, uint64_t most,
			size_t *out)
{
	struct str text;
	uint64_t value;

	if (!http_query_get(query, name, &text))
		return true;
	if (!str_to_u64(text, &value) || value < least || value > most)
		return false;
	*out = (size_t)value;
	return true;
}

void quarantine_get(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_LIST, .top = API_PAGE_DEFAULT };

	if (take_number(target->query, "$skip", 0, INT32_MAX, &what.skip) &&
	    take_number(target->query, "$top", 1, API_PAGE_MAX, &what.top))
		ask(api, target, what, api->config.pool);
	else
		reply_error(target->request, 400, "QueryParameterOutOfRange", NULL,
			    "$skip is from 0 on, $top from 1 to %d.", API_PAGE_MAX);
}

static void answer_unknown(const struct target *target)
{
	reply_error(target->request, 404, "ResourceMissingAtURI", NULL,
		    "Quarantine has nothing at '%.*s'.", STR_ARG(target->rest));
}

void quarantine_get_one(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_ONE };

	if (quarantine_id_parse(target->rest, &what.id))
		ask(api, target, what, api->config.pool);
	else
		answer_unknown(target);
}

void quarantine_act(struct api *api, const struct target *target)
{
	struct asking what = { .kind = ASK_RETRY };
	struct str id = target->rest;

	if (str_ends_with(id, STR(RETRY_ACTION)))
		id.len -= strlen(RETRY_ACTION);
	if (id.len < target->rest.len && quarantine_id_parse(id, &what.id))
		ask(api, target, what, api->config.writes);
	else
		answer_unknown(target);
}
