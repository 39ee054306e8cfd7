/* Entries: reading the log through the Events LogService. Queries run on the pool; the answer is
 * encoded here, on the API thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/log_entry.h"
#include "api/reply.h"
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
	char *filter_text;     /* percent-encoded as it came, for the next page's link; owned, or NULL */
	int64_t seq;
	/* the answer */
	int result;
	struct err err;
	struct entry_batch *batch;
	int64_t count;
	struct strbuf raw;
};

static void answer(struct api *api, struct api_job *job);

static void question_free(struct question *question)
{
	entry_batch_unref(question->batch);
	filter_free(question->filter);
	free(question->filter_text);
	strbuf_fini(&question->raw);
	free(question);
}

/* --- on a pool thread ------------------------------------------------------------------------- */

static int read_page(struct question *question, struct db *db)
{
	int r;

	/* One more than asked tells whether there is a next page. */
	question->query.limit++;
	r = log_read(db, &question->query, &question->batch, &question->err);
	question->query.limit--;
	if (r == 0 && question->format == FORMAT_REDFISH)
		r = log_count(db, question->filter, &question->count, &question->err);
	return r;
}

static void run_question(struct query_job *job, struct db *db, const char *why)
{
	struct question *question = job->ctx;

	if (!db)
		question->result = err_set(&question->err, -ENOTCONN,
					   "The log cannot be reached: %s. Events are kept meanwhile.", why);
	else if (question->kind == KIND_PAGE)
		question->result = read_page(question, db);
	else if (question->kind == KIND_ONE)
		question->result = log_get(db, question->seq, &question->batch, &question->err);
	else
		question->result = log_raw(db, question->seq, &question->raw, &question->err);
}

/* --- asking ------------------------------------------------------------------------------------ */

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

/* A decoded query parameter: 1 with *out (finished by the caller), 0 when absent, -EINVAL. */
static int parameter(struct str query, const char *name, struct strbuf *out)
{
	struct str raw;

	strbuf_init(out, 4 * FILTER_MAX_BYTES);
	if (!http_query_get(query, name, &raw))
		return 0;
	return http_percent_decode(raw, out) && !out->failed ? 1 : -EINVAL;
}

static bool number_parameter(struct str query, const char *name, uint64_t max, uint64_t *value,
			     struct err *err)
{
	struct strbuf text;
	int r = parameter(query, name, &text);
	uint64_t given;

	if (r == 1 && str_to_u64(strbuf_str(&text), &given)) {
		*value = given < max ? given : max;
	} else if (r != 0) {
		err_set(err, -EINVAL, "%s takes a whole number, not '%s'.", name, text.p ? text.p : "");
		strbuf_fini(&text);
		return false;
	}
	strbuf_fini(&text);
	return true;
}

static bool order_parameter(struct str query, bool *descending, struct err *err)
{
	struct strbuf text;
	int r = parameter(query, "$orderby", &text);
	struct str order = str_trim(strbuf_str(&text));
	bool good = true;

	if (r == 1 && (str_eq(order, STR("Id asc")) || str_eq(order, STR("Id"))))
		*descending = false;
	else if (r != 0 && !str_eq(order, STR("Id desc"))) {
		err_set(err, -EINVAL, "$orderby takes 'Id asc' or 'Id desc', not '%.*s'.", STR_ARG(order));
		good = false;
	}
	strbuf_fini(&text);
	return good;
}

static bool filter_parameter(struct str query, struct question *question, struct err *err)
{
	struct strbuf text;
	struct str raw;
	int r = parameter(query, "$filter", &text);
	bool good = r >= 0;

	if (r < 0)
		err_set(err, -EINVAL, "$filter is not well percent-encoded.");
	if (r == 1) {
		good = filter_parse(strbuf_str(&text), &question->filter, err) == 0;
		if (http_query_get(query, "$filter", &raw))
			question->filter_text = xstrndup(raw);
	}
	question->query.filter = question->filter;
	strbuf_fini(&text);
	return good;
}

static enum format format_wanted(const struct http_request *request)
{
	struct str accept = http_request_header(request, "Accept");

	if (!accept.p)
		return FORMAT_REDFISH;
	if (str_find(accept, STR("application/x-ndjson")) < accept.len)
		return FORMAT_NDJSON;
	return str_find(accept, STR("text/csv")) < accept.len ? FORMAT_CSV : FORMAT_REDFISH;
}

static const char *const known_parameters[] = { "$filter", "$top", "$skip", "$orderby", "$skiptoken" };

/* DSP0266: an unknown parameter that begins with $ is refused, others are ignored. */
static bool parameters_are_known(struct str query, struct err *err)
{
	while (query.len > 0) {
		size_t end = str_find_char(query, '&');
		struct str one = { query.p, end }, name;
		struct strbuf decoded;
		bool known = false;

		query = end < query.len ? (struct str){ query.p + end + 1, query.len - end - 1 } :
					  (struct str){ query.p, 0 };
		name = (struct str){ one.p, str_find_char(one, '=') };
		strbuf_init(&decoded, 4096);
		known = http_percent_decode(name, &decoded) &&
			(decoded.len == 0 || decoded.p[0] != '$');
		for (size_t i = 0; i < ARRAY_LEN(known_parameters); i++)
			known |= str_eq(strbuf_str(&decoded), str_of(known_parameters[i]));
		if (!known)
			err_set(err, -ENOSYS, "The query parameter '%s' is not supported here.",
				decoded.p ? decoded.p : "");
		strbuf_fini(&decoded);
		if (!known)
			return false;
	}
	return true;
}

void entries_get(struct api *api, const struct target *target)
{
	struct question *question = question_new(api, target->request, KIND_PAGE);
	uint64_t top = API_PAGE_DEFAULT, skip = 0, token = 0;
	bool descending = true;
	struct err err;

	if (!parameters_are_known(target->query, &err)) {
		reply_error(target->request, 501, "QueryParameterUnsupported", NULL, "%s", err.text);
		question_free(question);
		return;
	}
	if (!number_parameter(target->query, "$top", API_PAGE_MAX, &top, &err) ||
	    !number_parameter(target->query, "$skip", INT64_MAX, &skip, &err) ||
	    !number_parameter(target->query, "$skiptoken", INT64_MAX, &token, &err) ||
	    !order_parameter(target->query, &descending, &err) ||
	    !filter_parameter(target->query, question, &err)) {
		reply_error(target->request, 400, "QueryParameterValueFormatError", NULL, "%s", err.text);
		question_free(question);
		return;
	}
	question->format = format_wanted(target->request);
	question->query.descending = descending;
	question->query.limit = (size_t)top;
	question->query.skip = (size_t)skip;
	if (descending)
		question->query.before_seq = (int64_t)token;
	else
		question->query.after_seq = (int64_t)token;
	ask(api, question);
}

void entries_get_one(struct api *api, const struct target *target)
{
	struct str rest = target->rest;
	size_t slash = str_find_char(rest, '/');
	struct str number = { rest.p, slash };
	bool attachment = slash < rest.len &&
			  str_eq((struct str){ rest.p + slash, rest.len - slash }, STR("/attachment"));
	struct question *question;
	int64_t seq;

	if (!str_to_i64(number, &seq) || seq < 1 || (slash < rest.len && !attachment)) {
		reply_error(target->request, 404, "ResourceMissingAtURI", NULL,
			    "'%.*s' is no log entry: its Id is a number.", STR_ARG(rest));
		return;
	}
	question = question_new(api, target->request, attachment ? KIND_ATTACHMENT : KIND_ONE);
	question->seq = seq;
	question->format = format_wanted(target->request);
	ask(api, question);
}

/* --- answering --------------------------------------------------------------------------------- */

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
}

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
		if (next.len > 0) {
			strbuf_put_text(&body, ",\"Members@odata.nextLink\":");
			strbuf_put_json(&body, strbuf_str(&next));
		}
		strbuf_put_char(&body, '}');
	}
	if (body.failed) {
		reply_error(question->job.request, 507, "InsufficientStorage", NULL,
			    "The answer is too large: ask for fewer entries with $top.");
	} else if (question->format == FORMAT_REDFISH) {
		reply_json(question->job.request, 200, "GET, HEAD", strbuf_str(&body));
	} else {
		struct http_header headers[] = {
			{ STR("Content-Type"), question->format == FORMAT_CSV ?
						       STR("text/csv;charset=utf-8") :
						       STR("application/x-ndjson;charset=utf-8") },
			{ STR("Cache-Control"), STR("no-store") },
			{ STR("Link"), { NULL, 0 } },
		};
		struct strbuf link;

		strbuf_init(&link, 8 * FILTER_MAX_BYTES + 64);
		strbuf_putf(&link, "<%s>; rel=\"next\"", next.p ? next.p : "");
		headers[2].value = strbuf_str(&link);
		http_respond(question->job.request, 200, headers, next.len > 0 ? 3 : 2, strbuf_str(&body));
		strbuf_fini(&link);
	}
	strbuf_fini(&next);
	strbuf_fini(&body);
}

static void answer_one(struct api *api, struct question *question)
{
	struct strbuf body;

	if (!question->batch || question->batch->n == 0) {
		reply_error(question->job.request, 404, "ResourceMissingAtURI", NULL,
			    "There is no event %" PRId64 " in the log: it was never there, or its time of "
			    "keeping is over.",
			    question->seq);
		return;
	}
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	encode(api, question, &question->batch->entries[0], &body);
	if (question->format == FORMAT_REDFISH)
		reply_json(question->job.request, 200, "GET, HEAD", strbuf_str(&body));
	else
		reply_text(question->job.request, 200,
			   question->format == FORMAT_CSV ? "text/csv;charset=utf-8" :
							    "application/x-ndjson;charset=utf-8",
			   strbuf_str(&body));
	strbuf_fini(&body);
}

static void answer(struct api *api, struct api_job *job)
{
	struct question *question = CONTAINER_OF(job, struct question, job);

	if (question->result == -ENOTCONN)
		reply_error(question->job.request, 503, "ServiceTemporarilyUnavailable", NULL, "%s",
			    question->err.text);
	else if (question->result == -ENOENT)
		reply_error(question->job.request, 404, "ResourceMissingAtURI", NULL,
			    "There is no delivery of event %" PRId64 ".", question->seq);
	else if (question->result < 0)
		reply_error(question->job.request, 500, "InternalError", NULL, "%s", question->err.text);
	else if (question->kind == KIND_PAGE)
		answer_page(api, question);
	else if (question->kind == KIND_ONE)
		answer_one(api, question);
	else
		reply_text(question->job.request, 200, "application/octet-stream",
			   strbuf_str(&question->raw));
	question_free(question);
}
