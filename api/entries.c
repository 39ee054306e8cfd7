/* Entries: reading the log through the Events LogService. Queries run on the pool; the answer is
 * encoded here, on the API thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/export.h"
#include "api/limits.h"
#include "api/log_entry.h"
#include "api/negotiate.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "event/filter.h"
#include "event/limits.h"
#include "event/source_set.h"
#include "storage/log.h"
#include "storage/query_pool.h"
#include "stream/words.h"

enum format { FORMAT_REDFISH, FORMAT_NDJSON, FORMAT_CSV };
enum kind { KIND_PAGE, KIND_ONE, KIND_ATTACHMENT };

/* One question to the log on its way. */
struct question {
	struct api_job job;
	enum kind kind;
	enum format format;
	const char *language;
	struct log_query query;
	struct filter *filter; /* owned */
	/* Percent-encoded as they came, for the next page's link; owned, or NULL. */
	char *filter_text, *select_text;
	int64_t seq;
	uint64_t top; /* $top; UINT64_MAX: all */
	/* the answer */
	int result;
	struct err err;
	struct entry_batch *batch;
	int64_t count;
	bool exact; /* else there are at least `count` */
	struct strbuf raw;
};

static void answer(struct api *api, struct api_job *job);

static void question_free(struct question *question)
{
	entry_batch_unref(question->batch);
	filter_free(question->filter);
	free(question->filter_text);
	free(question->select_text);
	strbuf_fini(&question->raw);
	free(question);
}

/* --- on a pool thread ------------------------------------------------------------------------- */

/* Who asks wants the page: what it took is taken from the time for counting. */
static int64_t time_to_count(int64_t page_us)
{
	int64_t left_us = API_PAGE_AIM_US - page_us;

	return left_us < API_COUNT_MIN_US   ? API_COUNT_MIN_US
	       : left_us > API_COUNT_MAX_US ? API_COUNT_MAX_US
					    : left_us;
}

/* Of the collection, whatever the page. A first page that holds all of it is the count. */
static int count(struct question *question, struct db *db, int64_t page_us)
{
	const struct log_query *query = &question->query;
	int64_t n = (int64_t)question->batch->n;
	int r;

	question->exact = true;
	question->count = n;
	if (question->filter && n <= (int64_t)query->limit && query->skip == 0 &&
	    query->after_seq == 0 && query->before_seq == 0)
		return 0;
	r = log_count(db, question->filter, time_to_count(page_us), &question->count,
		      &question->exact, &question->err);
	if (!question->exact && question->count < n)
		question->count = n; /* those of the page, and of the one behind it */
	return r;
}

static int read_page(struct question *question, struct db *db)
{
	int64_t start_us = clock_monotonic_us();
	int r;

	/* One more than asked tells whether there is a next page. */
	question->query.limit++;
	r = log_read(db, &question->query, &question->batch, &question->err);
	question->query.limit--;
	if (r == 0 && question->format == FORMAT_REDFISH)
		r = count(question, db, clock_monotonic_us() - start_us);
	return r;
}

static void run_question(struct query_job *job, struct db *db, const char *why)
{
	struct question *question = job->ctx;

	if (!db)
		question->result =
			err_set(&question->err, -ENOTCONN,
				"The log cannot be reached: %s. Events are kept meanwhile.", why);
	else if (question->kind == KIND_PAGE)
		question->result = read_page(question, db);
	else if (question->kind == KIND_ONE)
		question->result = log_get(db, question->seq, &question->batch, &question->err);
	else
		question->result = log_raw(db, question->seq, &question->raw, &question->err);
}

/* --- asking ------------------------------------------------------------------------------------
 */

static struct question *question_new(struct api *api, struct http_request *request, enum kind kind)
{
	struct question *question = xcalloc(1, sizeof(*question));

	question->job = (struct api_job){ .query = { .run = run_question, .ctx = question },
					  .answer = answer,
					  .request = request };
	question->kind = kind;
	question->language =
		words_language(api->words, http_request_header(request, "Accept-Language"));
	strbuf_init(&question->raw, API_PAGE_MAX_BYTES);
	return question;
}

static void ask(struct api *api, struct question *question)
{
	if (!api_submit(api, api->config.pool, &question->job))
		question_free(question);
}

static bool order_of(struct str order, bool *descending)
{
	order = str_trim(order);
	*descending = str_eq(order, STR("Id desc"));
	return *descending || str_eq(order, STR("Id asc")) || str_eq(order, STR("Id"));
}

static void refuse(const struct target *target, const char *key, struct str value, struct str name,
		   const char *words)
{
	reply_error(target->request, 400, key, .args = { value, name }, .resolution = words);
}

/* False: refused. */
static bool take_options(const struct target *target, const struct query_options *options,
			 struct question *question)
{
	struct str order = strbuf_str(&options->orderby), filter = strbuf_str(&options->filter),
		   raw;
	struct log_query *query = &question->query;
	uint64_t top = options->given & QUERY_TOP ? options->top : API_PAGE_DEFAULT;
	struct err err;

	query->descending = true;
	if (options->given & QUERY_ORDERBY && !order_of(order, &query->descending)) {
		refuse(target, "QueryParameterValueFormatError", order, STR("$orderby"),
		       "$orderby takes 'Id asc' or 'Id desc'.");
		return false;
	}
	if (options->given & QUERY_FILTER && filter_parse(filter, &question->filter, &err) < 0) {
		refuse(target, "QueryParameterValueFormatError", filter, STR("$filter"), err.text);
		return false;
	}
	if (http_query_get(target->query, "$filter", &raw))
		question->filter_text = xstrndup(raw);
	if (http_query_get(target->query, "$select", &raw))
		question->select_text = xstrndup(raw);
	question->top = options->given & QUERY_TOP ? options->top : UINT64_MAX;
	query->filter = question->filter;
	query->limit = (size_t)(top < API_PAGE_MAX ? top : API_PAGE_MAX);
	query->skip = (size_t)options->skip;
	*(query->descending ? &query->before_seq : &query->after_seq) = (int64_t)options->skiptoken;
	return true;
}

/* False: a form that we have not; refused. */
static bool take_format(struct http_request *request, struct question *question)
{
	struct str accept = http_request_header(request, "Accept");

	question->format = FORMAT_REDFISH;
	if (accept.p && str_find(accept, STR("application/x-ndjson")) < accept.len)
		question->format = FORMAT_NDJSON;
	else if (accept.p && str_find(accept, STR("text/csv")) < accept.len)
		question->format = FORMAT_CSV;
	else if (!negotiate_accepts(accept, "application/json")) {
		reply_error(request, 406, "HeaderInvalid", .args = { STR("Accept") });
		return false;
	}
	return true;
}

/* More than a page, in a form that has no end to be written at the beginning. */
static bool is_export(const struct question *question)
{
	return question->format != FORMAT_REDFISH && question->top > API_PAGE_MAX &&
	       question->query.skip == 0;
}

static void export(struct api *api, struct question *question)
{
	export_start(api, question->job.request,
		     &(const struct export_question){ .query = question->query,
						      .filter = question->filter,
						      .language = question->language,
						      .n_left = question->top,
						      .csv = question->format == FORMAT_CSV });
	question->filter = NULL;
	question_free(question);
}

void entries_get(struct api *api, const struct target *target)
{
	struct question *question = question_new(api, target->request, KIND_PAGE);
	struct query_options options;
	struct query_fault fault;
	bool good;

	if (query_options_parse(target->query, QUERY_COMMON | target->resource->queries, &options,
				&fault) < 0) {
		reply_query_fault(target->request, &fault);
		question_free(question);
		return;
	}
	good = take_format(target->request, question) && take_options(target, &options, question);
	query_options_fini(&options);
	if (good && is_export(question))
		export(api, question);
	else if (good)
		ask(api, question);
	else
		question_free(question);
}

static void ask_for_one(struct api *api, const struct target *target, enum kind kind)
{
	struct question *question;
	int64_t seq;

	if (!str_to_i64(target->ids[0], &seq) || seq < 1) {
		reply_error(target->request, 404, "ResourceNotFound",
			    .args = { STR("LogEntry"), target->ids[0] });
		return;
	}
	question = question_new(api, target->request, kind);
	question->seq = seq;
	if (kind == KIND_ATTACHMENT || take_format(target->request, question))
		ask(api, question);
	else
		question_free(question);
}

void entries_get_one(struct api *api, const struct target *target)
{
	ask_for_one(api, target, KIND_ONE);
}

void entries_get_raw(struct api *api, const struct target *target)
{
	ask_for_one(api, target, KIND_ATTACHMENT);
}

/* --- answering ---------------------------------------------------------------------------------
 */

static void encode(struct api *api, struct question *question, const struct entry *entry,
		   struct strbuf *out)
{
	const struct source *source = source_set_by_id(api->sources, entry->source);
	struct wording wording = words_of(api->words, entry, question->language);

	if (question->format == FORMAT_CSV) {
		log_entry_csv(out, entry, source, &wording);
	} else if (question->format == FORMAT_NDJSON) {
		entry_encode(out, entry, source, &wording);
		strbuf_put_char(out, '\n');
	} else {
		log_entry_encode(out, entry, source, &wording);
	}
}

static void put_next_link(struct strbuf *out, const struct question *question, int64_t last_seq)
{
	strbuf_putf(out, LOG_ENTRIES_PATH "?$skiptoken=%" PRId64 "&$top=%zu", last_seq,
		    question->query.limit);
	if (!question->query.descending)
		strbuf_put_text(out, "&$orderby=Id%20asc");
	if (question->filter_text)
		strbuf_putf(out, "&$filter=%s", question->filter_text);
	if (question->select_text)
		strbuf_putf(out, "&$select=%s", question->select_text);
}

/* With a count that would take too long to find. */
static const char at_least[] =
	",\"Oem\":{\"Rfeventd\":{\"@odata.type\":"
	"\"#RfeventdLogEntryCollection.v1_0_0.LogEntryCollection\",\"CountIs\":\"AtLeast\"}}";

static void answer_page(struct api *api, struct question *question)
{
	size_t n = question->batch->n;
	bool more = n > question->query.limit;
	struct strbuf body, next;

	if (more)
		n = question->query.limit;
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	strbuf_init(&next, 8 * FILTER_MAX_BYTES);
	if (more && n > 0)
		put_next_link(&next, question, question->batch->entries[n - 1].seq);
	if (question->format == FORMAT_REDFISH)
		strbuf_putf(&body,
			    "{\"@odata.id\":\"" LOG_ENTRIES_PATH "\","
			    "\"@odata.type\":\"#LogEntryCollection.LogEntryCollection\","
			    "\"Name\":\"Events\",\"Members@odata.count\":%" PRId64 ",\"Members\":[",
			    question->count);
	else if (question->format == FORMAT_CSV)
		log_entry_csv_header(&body);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && question->format == FORMAT_REDFISH)
			strbuf_put_char(&body, ',');
		encode(api, question, &question->batch->entries[i], &body);
	}
	if (question->format == FORMAT_REDFISH) {
		strbuf_put_char(&body, ']');
		if (!question->exact)
			strbuf_put_text(&body, at_least);
		if (next.len > 0) {
			strbuf_put_text(&body, ",\"Members@odata.nextLink\":");
			strbuf_put_json(&body, strbuf_str(&next));
		}
		strbuf_put_char(&body, '}');
	}
	if (body.failed) {
		reply_error(question->job.request, 507, "InsufficientStorage",
			    .resolution =
				    "The answer is too large: ask for fewer entries with $top.");
	} else if (question->format == FORMAT_REDFISH) {
		reply_json(question->job.request, 200, "GET, HEAD", strbuf_str(&body));
	} else {
		struct http_header headers[] = {
			{ STR("Content-Type"),
			  question->format == FORMAT_CSV
				  ? STR("text/csv;charset=utf-8")
				  : STR("application/x-ndjson;charset=utf-8") },
			{ STR("Cache-Control"), STR("no-store") },
			{ STR("Link"), { NULL, 0 } },
		};
		struct strbuf link;

		strbuf_init(&link, 8 * FILTER_MAX_BYTES + 64);
		strbuf_putf(&link, "<%s>; rel=\"next\"", next.p ? next.p : "");
		headers[2].value = strbuf_str(&link);
		http_respond(question->job.request, 200, headers, next.len > 0 ? 3 : 2,
			     strbuf_str(&body));
		strbuf_fini(&link);
	}
	strbuf_fini(&next);
	strbuf_fini(&body);
}

static void refuse_missing(const struct question *question)
{
	char seq[24];

	snprintf(seq, sizeof(seq), "%" PRId64, question->seq);
	reply_error(question->job.request, 404, "ResourceNotFound",
		    .args = { STR("LogEntry"), str_of(seq) },
		    .resolution = "It was never there, or its time of keeping is over.");
}

static void answer_one(struct api *api, struct question *question)
{
	struct strbuf body;

	if (!question->batch || question->batch->n == 0) {
		refuse_missing(question);
		return;
	}
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	encode(api, question, &question->batch->entries[0], &body);
	if (question->format == FORMAT_REDFISH)
		reply_json(question->job.request, 200, "GET, HEAD", strbuf_str(&body));
	else
		reply_text(question->job.request, 200,
			   question->format == FORMAT_CSV ? "text/csv;charset=utf-8"
							  : "application/x-ndjson;charset=utf-8",
			   strbuf_str(&body));
	strbuf_fini(&body);
}

static void answer(struct api *api, struct api_job *job)
{
	struct question *question = CONTAINER_OF(job, struct question, job);

	if (question->result == -ENOTCONN)
		reply_error(question->job.request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = question->err.text);
	else if (question->result == -ENOENT)
		refuse_missing(question);
	else if (question->result < 0)
		reply_error(question->job.request, 500, "InternalError",
			    .resolution = question->err.text);
	else if (question->kind == KIND_PAGE)
		answer_page(api, question);
	else if (question->kind == KIND_ONE)
		answer_one(api, question);
	else
		reply_text(question->job.request, 200, "application/octet-stream",
			   strbuf_str(&question->raw));
	question_free(question);
}
