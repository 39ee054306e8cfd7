/* The Audit log: what operators did and were refused, newest first, in the reader's language. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "accounts/audit.h"
#include "accounts/audit_store.h"
#include "accounts/limits.h"
#include "api/account_service.h"
#include "api/api_priv.h"
#include "api/reply.h"
#include "api/limits.h"
#include "api/query_options.h"
#include "api/reply_priv.h"
#include "api/resource_json.h"
#include "api/service_root.h"
#include "base/err.h"
#include "base/mem.h"
#include "event/entry.h"
#include "http/server.h"
#include "storage/db.h"
#include "stream/words.h"

#define PAGE_DEFAULT 100

struct reading {
	struct api_job job;
	struct audit_query query;
	bool is_one;
	const char *language;
	struct db_result *rows;
	int64_t count;
	int result;
	struct err err;
};

bool audit_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	strbuf_put_char(out, '{');
	resource_put_head(target->resource, STR(AUDIT_PATH), "Audit", "Audit log", out);
	strbuf_put_text(out, ",\"Description\":\"What operators did and were refused\","
			     "\"LogEntryType\":\"Event\",\"LogPurposes\":[\"Security\"],"
			     "\"OverWritePolicy\":\"WrapsWhenFull\",\"ServiceEnabled\":true,"
			     "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
			     "\"Entries\":{\"@odata.id\":\"" AUDIT_ENTRIES_PATH "\"}}");
	return true;
}

/* --- one entry -----------------------------------------------------------------------------------
 */

/* As what the words are made of: an event of our own. The texts of `args` point into `json`. */
static void as_event(const struct audit_entry *record, const json_t *json, struct str *args,
		     struct entry *out)
{
	const json_t *arg;
	size_t i;

	*out = (struct entry){ .event = { .message_id = record->message_id,
					  .message_args = args,
					  .has_message_args = true,
					  .message = record->message_id } };
	json_array_foreach(json, i, arg)
	{
		if (i == AUDIT_MAX_ARGS)
			break;
		args[i] = (struct str){ json_string_value(arg), json_string_length(arg) };
		out->event.n_message_args = (uint32_t)i + 1;
	}
}

static const char *severity_of(int64_t status)
{
	return status == AUDIT_UNKNOWN || status == 401 || status == 403 || status == 429 ||
			       status >= 500
		       ? "Warning"
		       : "OK";
}

/* Facts that are not there are left out. */
static void put_fact(json_t *json, const char *name, struct str value)
{
	if (value.len > 0)
		json_object_set_new(json, name, json_stringn(value.p, value.len));
}

static json_t *encode_oem(const struct audit_entry *record)
{
	json_t *oem = json_pack("{s:s}", "@odata.type", "#RfeventdAuditEntry.v1_0_0.AuditEntry");

	put_fact(oem, "Address", record->address);
	put_fact(oem, "Method", record->method);
	put_fact(oem, "Uri", record->uri);
	put_fact(oem, "Authentication", record->way);
	/* 0: the service ended before it answered. */
	json_object_set_new(oem, "Status",
			    record->status == AUDIT_UNKNOWN ? json_null()
							    : json_integer(record->status));
	return json_pack("{s:o}", "Rfeventd", oem);
}

/* LogEntry has it as a URI; which protocol spoke is not what counts. */
static void put_origin(json_t *json, struct str address)
{
	bool is_ipv6 = str_find_char(address, ':') < address.len;
	char *uri;

	if (address.len == 0)
		return;
	uri = xasprintf(is_ipv6 ? "tcp://[%.*s]" : "tcp://%.*s", STR_ARG(address));
	put_fact(json, "OriginAddress", str_of(uri));
	free(uri);
}

static json_t *encode(struct api *api, const struct audit_entry *record, const char *language)
{
	char *path = xasprintf(AUDIT_ENTRIES_PATH "/%" PRId64, record->id);
	char *id = xasprintf("%" PRId64, record->id);
	json_t *args = json_loadb(record->args.p, record->args.len, 0, NULL), *json;
	struct str texts[AUDIT_MAX_ARGS];
	struct wording wording;
	struct entry entry;

	as_event(record, args, texts, &entry);
	wording = words_of(api->words, &entry, language);
	json = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s%,s:s%,s:o,s:s,s:o}", "@odata.id", path,
			 "@odata.type", "#LogEntry.v1_21_0.LogEntry", "Id", id, "Name",
			 "Audit entry", "EntryType", "Event", "Severity",
			 severity_of(record->status), "Created", resource_time(record->time_us),
			 "Message", wording.message.p, wording.message.len, "MessageId",
			 record->message_id.p, record->message_id.len, "MessageArgs", args,
			 "OriginatorType", "Client", "Oem", encode_oem(record));
	put_fact(json, "Username", record->account);
	put_origin(json, record->address);
	put_fact(json, "Resolution", wording.resolution);
	free(path);
	free(id);
	return json;
}

/* --- asking --------------------------------------------------------------------------------------
 */

static void run_reading(struct query_job *query, struct db *db, const char *why)
{
	struct reading *reading = query->ctx;

	reading->result =
		db ? audit_store_read(db, &reading->query, &reading->rows,
				      reading->is_one ? NULL : &reading->count, &reading->err)
		   : err_set(&reading->err, -ENOTCONN,
			     "The Audit log cannot be read while the database is away: %s. It is "
			     "written on.",
			     why);
}

/* The link of the page behind this one; NULL when there is none. One more than asked was read. */
static char *next_of(const struct reading *reading, int64_t last_id)
{
	if (last_id == 0 || (int64_t)db_rows(reading->rows) < reading->query.limit)
		return NULL;
	return xasprintf(AUDIT_ENTRIES_PATH "?$top=%" PRId64 "&$skiptoken=%" PRId64,
			 reading->query.limit - 1, last_id);
}

static void put_page(struct api *api, const struct reading *reading, struct strbuf *out)
{
	size_t n = db_rows(reading->rows);
	struct audit_entry entry = { .id = 0 };
	char *next;

	if ((int64_t)n == reading->query.limit)
		n--;
	strbuf_putf(out,
		    "{\"@odata.id\":\"" AUDIT_ENTRIES_PATH "\",\"@odata.type\":"
		    "\"#LogEntryCollection.LogEntryCollection\",\"Name\":\"Audit log\","
		    "\"Members@odata.count\":%" PRId64 ",\"Members\":[",
		    reading->count);
	for (size_t i = 0; i < n; i++) {
		audit_store_entry(reading->rows, i, &entry);
		strbuf_put_text(out, i > 0 ? "," : "");
		resource_put_json(out, encode(api, &entry, reading->language));
	}
	strbuf_put_char(out, ']');
	next = next_of(reading, entry.id);
	if (next)
		strbuf_putf(out, ",\"Members@odata.nextLink\":\"%s\"", next);
	free(next);
	strbuf_put_char(out, '}');
}

static void answer_reading(struct api *api, struct api_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);
	struct audit_entry entry;
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (reading->result < 0) {
		reply_unchanged(job->request, reading->result, &reading->err);
	} else if (!reading->is_one) {
		put_page(api, reading, &body);
		reply_json(job->request, 200, NULL, strbuf_str(&body));
	} else if (db_rows(reading->rows) == 0) {
		reply_missing(job->request);
	} else {
		audit_store_entry(reading->rows, 0, &entry);
		resource_put_json(&body, encode(api, &entry, reading->language));
		reply_json(job->request, 200, NULL, strbuf_str(&body));
	}
	strbuf_fini(&body);
	db_result_free(reading->rows);
	free(reading);
}

static struct reading *reading_new(struct api *api, const struct target *target)
{
	struct reading *reading = xcalloc(1, sizeof(*reading));

	reading->job = (struct api_job){ .query = { .run = run_reading, .ctx = reading },
					 .answer = answer_reading,
					 .request = target->request };
	reading->language =
		words_language(api->words, http_request_header(target->request, "Accept-Language"));
	return reading;
}

void audit_entries_get(struct api *api, const struct target *target)
{
	struct reading *reading = reading_new(api, target);
	struct query_options options;
	struct query_fault fault;
	uint64_t top = PAGE_DEFAULT;

	if (query_options_parse(target->query, QUERY_COMMON | target->resource->queries, &options,
				&fault) < 0) {
		reply_query_fault(target->request, &fault);
		free(reading);
		return;
	}
	if (options.given & QUERY_TOP)
		top = options.top < AUDIT_PAGE_MAX ? options.top : AUDIT_PAGE_MAX;
	reading->query.limit = (int64_t)top + 1;
	reading->query.skip = options.skip < INT64_MAX ? (int64_t)options.skip : INT64_MAX;
	reading->query.before =
		options.skiptoken < INT64_MAX ? (int64_t)options.skiptoken : INT64_MAX;
	query_options_fini(&options);
	if (!api_submit(api, api->config.pool, &reading->job))
		free(reading);
}

void audit_entries_get_one(struct api *api, const struct target *target)
{
	struct reading *reading = reading_new(api, target);

	reading->is_one = true;
	reading->query.limit = 1;
	if (!str_to_i64(target->ids[0], &reading->query.only) || reading->query.only <= 0) {
		reply_missing(target->request);
		free(reading);
	} else if (!api_submit(api, api->config.pool, &reading->job)) {
		free(reading);
	}
}
