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
#include "api/resource.h"
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

void audit_get(struct api *api, const struct target *target)
{
	resource_reply(target->request, 200, "GET, HEAD", -1, NULL,
		       json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:[s],s:b,s:o}", "@odata.id", AUDIT_PATH,
				 "@odata.type", "#LogService.v1_9_0.LogService", "Id", "Audit", "Name",
				 "What operators did and were refused", "LogEntryType", "Event",
				 "OverWritePolicy", "WrapsWhenFull", "LogPurposes", "Security",
				 "ServiceEnabled", 1, "Entries", resource_link(AUDIT_ENTRIES_PATH)));
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
			       status >= 500 ?
		       "Warning" :
		       "OK";
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
			    record->status == AUDIT_UNKNOWN ? json_null() :
							      json_integer(record->status));
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
			 "@odata.type", "#LogEntry.v1_21_0.LogEntry", "Id", id, "Name", "Audit entry",
			 "EntryType", "Event", "Severity", severity_of(record->status), "Created",
			 resource_time(record->time_us), "Message", wording.message.p,
			 wording.message.len, "MessageId", record->message_id.p,
			 record->message_id.len, "MessageArgs", args, "OriginatorType", "Client",
			 "Oem", encode_oem(record));
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
				      reading->is_one ? NULL : &reading->count, &reading->err) :
		     err_set(&reading->err, -ENOTCONN,
			     "The Audit log cannot be read while the database is away: %s. It is "
			     "written on.",
			     why);
}

/* The link of the page behind this one; NULL when there is none. One more than asked was read. */
static char *next_of(const struct reading *reading, int64_t last_id)
{
	if ((int64_t)db_rows(reading->rows) < reading->query.limit)
		return NULL;
	return xasprintf(AUDIT_ENTRIES_PATH "?$top=%" PRId64 "&$skiptoken=%" PRId64,
			 reading->query.limit - 1, last_id);
}

static void reply_page(struct api *api, struct reading *reading)
{
	json_t *members = json_array(), *page;
	struct audit_entry entry = { .id = 0 };
	char *next;

	for (size_t i = 0; i < db_rows(reading->rows); i++) {
		if ((int64_t)i == reading->query.limit - 1)
			break;
		audit_store_entry(reading->rows, i, &entry);
		json_array_append_new(members, encode(api, &entry, reading->language));
	}
	next = next_of(reading, entry.id);
	page = resource_collection(AUDIT_ENTRIES_PATH, "#LogEntryCollection.LogEntryCollection",
				   "Audit log", members);
	json_object_set_new(page, "Members@odata.count", json_integer(reading->count));
	if (next)
		json_object_set_new(page, "Members@odata.nextLink", json_string(next));
	free(next);
	resource_reply(reading->job.request, 200, "GET, HEAD", -1, NULL, page);
}

static void answer_reading(struct api *api, struct api_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);
	struct audit_entry entry;

	if (reading->result < 0) {
		resource_fail(job->request, reading->result, &reading->err);
	} else if (!reading->is_one) {
		reply_page(api, reading);
	} else if (db_rows(reading->rows) == 0) {
		reply_error(job->request, 404, "ResourceMissingAtURI", NULL,
			    "There is no such entry in the Audit log.");
	} else {
		audit_store_entry(reading->rows, 0, &entry);
		resource_reply(job->request, 200, "GET, HEAD", -1, NULL,
			       encode(api, &entry, reading->language));
	}
	db_result_free(reading->rows);
	free(reading);
}

/* A number of the query, `*value` when it is absent. False: answered. */
static bool number(const struct target *target, const char *name, int64_t least, int64_t *value)
{
	struct str raw;

	if (!http_query_get(target->query, name, &raw))
		return true;
	if (str_to_i64(raw, value) && *value >= least)
		return true;
	reply_error(target->request, 400, "QueryParameterValueFormatError", NULL,
		    "%s takes a whole number from %" PRId64 " on.", name, least);
	return false;
}

static struct reading *reading_new(struct api *api, const struct target *target)
{
	struct reading *reading = xcalloc(1, sizeof(*reading));

	reading->job = (struct api_job){ .query = { .run = run_reading, .ctx = reading },
					 .answer = answer_reading,
					 .request = target->request };
	reading->language = words_language(
		api->words, http_request_header(target->request, "Accept-Language"));
	return reading;
}

void audit_entries_get(struct api *api, const struct target *target)
{
	struct reading *reading = reading_new(api, target);
	int64_t top = PAGE_DEFAULT;

	if (!number(target, "$top", 0, &top) ||
	    !number(target, "$skip", 0, &reading->query.skip) ||
	    !number(target, "$skiptoken", 1, &reading->query.before)) {
		free(reading);
		return;
	}
	reading->query.limit = (top < AUDIT_PAGE_MAX ? top : AUDIT_PAGE_MAX) + 1;
	if (!api_submit(api, api->config.pool, &reading->job))
		free(reading);
}

void audit_entries_get_one(struct api *api, const struct target *target)
{
	struct reading *reading = reading_new(api, target);

	reading->is_one = true;
	reading->query.limit = 1;
	if (!str_to_i64(target->rest, &reading->query.only) || reading->query.only <= 0) {
		reply_error(target->request, 404, "ResourceMissingAtURI", NULL,
			    "There is no such entry in the Audit log.");
		free(reading);
	} else if (!api_submit(api, api->config.pool, &reading->job)) {
		free(reading);
	}
}
