/* Sources: as AggregationSources (AggregationSource.v1_3_1), read from this node's own source set. */
#include "api/aggregation.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/member_query.h"
#include "api/reply.h"
#include "api/resource_json.h"
#include "api/service_root.h"
#include "api/tasks.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/slot.h"
#include "storage/source_store.h"
#include "subscribe/registry_fetcher.h"
#include "subscribe/source_details.h"

#define NAME_MAX_BYTES   1024
#define ANSWER_MAX_BYTES 8192
#define DAY_MAX_EVENTS	 1000000 /* counted of a source; beyond, "many" is enough to know */

const struct source *sources_find(const struct source_set *set, struct str name)
{
	const struct source *source;
	struct uuid id;

	if (uuid_parse(name, &id)) {
		source = source_set_by_id(set, id);
		if (source && source->state != SOURCE_REMOVED)
			return source;
	}
	for (size_t i = 0; i < source_set_count(set); i++) {
		source = source_set_at(set, i);
		if (source->state != SOURCE_REMOVED && str_eq(source->name, name))
			return source;
	}
	return NULL;
}

const struct source *sources_of_target(struct api *api, const struct target *target)
{
	const struct source *source = NULL;
	struct strbuf name;

	strbuf_init(&name, NAME_MAX_BYTES);
	if (http_percent_decode(target->ids[0], &name))
		source = sources_find(api->sources, strbuf_str(&name));
	strbuf_fini(&name);
	return source && !source_is_own(source) ? source : NULL;
}

/* --- the resource --------------------------------------------------------------------------------
 */

static json_t *text_or_null(struct str text)
{
	return text.p ? json_stringn(text.p, text.len) : json_null();
}

static const char *state_name(const struct source *source)
{
	if (source->is_declared)
		return "Declared";
	return source->state == SOURCE_ENROLLED ? "Enrolled" : "Configured";
}

static json_t *tags_of(const struct source_details *details)
{
	json_t *tags = json_object();

	for (size_t i = 0; i < details->n_tags; i++) {
		const struct source_tag *tag = &details->tags[i];

		json_object_setn_new(tags, tag->name.p, tag->name.len,
				     json_stringn(tag->value.p, tag->value.len));
	}
	return tags;
}

/* Where it sends to, with the token that is a password. */
static void put_event_uri(const char *public_url, const struct source *source, json_t *oem)
{
	char *uri;

	if (!source->token.p || !public_url)
		return;
	uri = xasprintf("%s/events/%.*s", public_url, STR_ARG(source->token));
	json_object_set_new(oem, "EventUri", json_string(uri));
	free(uri);
}

static json_t *oem_of(const char *public_url, const struct source *source,
		      const struct source_details *details, const char *path)
{
	char *activity = xasprintf("%s/Oem/Rfeventd/Activity", path);
	json_t *oem = json_pack(
		"{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:b,s:b,s:b,s:o,s:{s:s}}", "@odata.type",
		"#RfeventdAggregationSource.v1_0_0.AggregationSource", "State", state_name(source),
		"Site", text_or_null(source->site), "Rack", text_or_null(source->rack), "Owner",
		text_or_null(source->owner), "Tags", tags_of(details), "Address",
		text_or_null(source->address), "Certificate", text_or_null(source->certificate),
		"Insecure", (int)details->insecure, "PasswordSet", details->password.p != NULL,
		"TokenSet", source->token.p != NULL, "Subscribe", 0, "Created",
		resource_time(source->created_us), "Activity", "@odata.id", activity);

	put_event_uri(public_url, source, oem);
	free(activity);
	return oem;
}

/* What URIs with tokens begin with; NULL: they are not shown. */
static const char *public_url_for(const struct api *api, const struct identity *who)
{
	return identity_is_administrator(who) ? api->config.public_url : NULL;
}

static json_t *source_json(const char *public_url, const struct source *source)
{
	struct source_details details;
	char id[UUID_TEXT_BYTES], *path, *rotate, *fetch;
	json_t *json;
	void *held;

	source_details_parse(source->details, &details, &held);
	path = xasprintf(SOURCES_PATH "/%s", uuid_format(source->id, id));
	rotate = xasprintf("%s/Actions/Oem/Rfeventd.RotateToken", path);
	fetch = xasprintf("%s/Actions/Oem/Rfeventd.FetchRegistries", path);
	json = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:n,s:{s:{s:{s:s},s:{s:s}}},s:{s:o}}",
			 "@odata.id", path, "@odata.type",
			 "#AggregationSource.v1_3_1.AggregationSource", "Id", id, "Name",
			 text_or_null(source->name), "HostName", text_or_null(details.url),
			 "UserName", text_or_null(details.user_name), "Password", "Actions", "Oem",
			 "#Rfeventd.RotateToken", "target", rotate, "#Rfeventd.FetchRegistries",
			 "target", fetch, "Oem", "Rfeventd",
			 oem_of(public_url, source, &details, path));
	free(path);
	free(rotate);
	free(fetch);
	source_details_release(held);
	return json;
}

void sources_put(struct api *api, const struct source *source, const struct identity *who,
		 struct strbuf *out)
{
	resource_put_json(out, source_json(public_url_for(api, who), source));
}

bool source_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	const struct source *source = sources_of_target(api, target);

	if (source)
		sources_put(api, source, target->who, out);
	return source != NULL;
}

bool aggregation_service_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	strbuf_put_char(out, '{');
	resource_put_head(target->resource, STR(AGGREGATION_PATH), "AggregationService",
			  "Sources of events", out);
	strbuf_put_text(out, ",\"ServiceEnabled\":true,"
			     "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
			     "\"AggregationSources\":{\"@odata.id\":\"" SOURCES_PATH "\"}}");
	return true;
}

/* --- the collection ------------------------------------------------------------------------------
 */

/* What the collection is made from, on whichever thread. */
struct listing {
	struct source_set *set; /* one reference */
	const char *public_url; /* the configuration's, or NULL */
};

static json_t *listed_json(void *ctx, size_t i)
{
	const struct listing *listing = ctx;

	return source_json(listing->public_url, source_set_at(listing->set, i));
}

static bool listed_put_id(void *ctx, size_t i, struct strbuf *out)
{
	const struct listing *listing = ctx;
	const struct source *source = source_set_at(listing->set, i);
	char id[UUID_TEXT_BYTES];

	if (source->state == SOURCE_REMOVED || source_is_own(source))
		return false;
	strbuf_put_text(out, uuid_format(source->id, id));
	return true;
}

static void release_listing(void *ctx)
{
	struct listing *listing = ctx;

	source_set_unref(listing->set);
	free(listing);
}

void sources_get(struct api *api, const struct target *target)
{
	struct listing *listing = xcalloc(1, sizeof(*listing));

	*listing = (struct listing){ source_set_ref(api->sources), public_url_for(api, target->who) };
	const struct member_list list = { .path = SOURCES_PATH,
					  .type = target->resource->type,
					  .name = "Sources of events",
					  .n = source_set_count(listing->set),
					  .json = listed_json,
					  .put_id = listed_put_id,
					  .release = release_listing,
					  .ctx = listing };

	member_query_answer(api, target, &list);
}

/* --- what the log has of it ----------------------------------------------------------------------
 */

struct looking {
	struct api_job job;
	struct uuid id;
	int64_t last_us, n_day;
	int result;
	struct err err;
};

static void run_looking(struct query_job *query, struct db *db, const char *why)
{
	struct looking *looking = query->ctx;

	if (!db)
		looking->result = err_set(&looking->err, -ENOTCONN,
					  "The database cannot be reached: %s.", why);
	else
		looking->result = source_activity(db, looking->id, DAY_MAX_EVENTS, &looking->last_us,
						  &looking->n_day, &looking->err);
}

static void answer_looking(struct api *api, struct api_job *job)
{
	struct looking *looking = CONTAINER_OF(job, struct looking, job);
	char id[UUID_TEXT_BYTES];
	struct strbuf body;
	json_t *json;
	char *path;

	if (looking->result < 0) {
		reply_unchanged(job->request, looking->result, &looking->err);
		free(looking);
		return;
	}
	path = xasprintf(SOURCES_PATH "/%s/Oem/Rfeventd/Activity", uuid_format(looking->id, id));
	json = json_pack("{s:s,s:s,s:s,s:s,s:o,s:I}", "@odata.id", path, "@odata.type",
			 "#RfeventdSourceActivity.v1_0_0.RfeventdSourceActivity", "Id", "Activity",
			 "Name", "What the log has of this source", "LastSeen",
			 looking->last_us > 0 ? resource_time(looking->last_us) : json_null(),
			 "EventsLastDay", (json_int_t)looking->n_day);
	strbuf_init(&body, ANSWER_MAX_BYTES);
	resource_put_json(&body, json);
	reply_json(job->request, 200, NULL, strbuf_str(&body));
	strbuf_fini(&body);
	free(path);
	free(looking);
}

void source_get_activity(struct api *api, const struct target *target)
{
	const struct source *source = sources_of_target(api, target);
	struct looking *looking;

	if (!source) {
		reply_missing(target->request);
		return;
	}
	looking = xcalloc(1, sizeof(*looking));
	looking->job = (struct api_job){ .query = { .run = run_looking, .ctx = looking },
					 .answer = answer_looking,
					 .request = target->request };
	looking->id = source->id;
	if (!api_submit(api, api->config.pool, &looking->job))
		free(looking);
}

/* --- its registries ------------------------------------------------------------------------------
 */

/* A source being asked for its registries. */
struct asking {
	struct api_job job;
	struct registry_ask ask;
};

static void answer_fetched(struct api *api, struct api_job *job)
{
	struct asking *asking = CONTAINER_OF(job, struct asking, job);
	const struct registry_ask *ask = &asking->ask;
	struct strbuf body;

	if (ask->result < 0) {
		reply_error(job->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = ask->why);
	} else {
		strbuf_init(&body, ANSWER_MAX_BYTES);
		strbuf_putf(
			&body,
			"{\"Fetched\":%zu,\"New\":%zu,\"Unchanged\":%zu,\"Failed\":%zu,\"Why\":",
			ask->n_fetched, ask->n_new, ask->n_unchanged, ask->n_failed);
		strbuf_put_json(&body, str_of(ask->why));
		strbuf_put_char(&body, '}');
		reply_json(job->request, 200, NULL, strbuf_str(&body));
		strbuf_fini(&body);
	}
	free(asking);
}

static void drop_fetched(struct api_job *job)
{
	free(CONTAINER_OF(job, struct asking, job));
}

static bool fetch_failed(const struct api_job *job, struct err *why)
{
	const struct asking *asking = (const struct asking *)(const void *)job;

	static_assert(offsetof(struct asking, job) == 0, "as the cast has it");
	snprintf(why->text, sizeof(why->text), "%s", asking->ask.why);
	return asking->ask.result < 0 ||
	       (asking->ask.n_failed > 0 && asking->ask.n_fetched + asking->ask.n_unchanged == 0);
}

static void fetch_registries(struct api *api, const struct target *target,
			     const struct source *source)
{
	struct http_request *request = target->request;
	struct asking *asking = xcalloc(1, sizeof(*asking));
	int r;

	asking->job = (struct api_job){ .answer = answer_fetched,
					.request = request,
					.drop = drop_fetched,
					.failure = fetch_failed };
	asking->ask = (struct registry_ask){ .item = &asking->job.query.item,
					     .reply_to = api->answers,
					     .source = source->id };
	r = registry_fetcher_ask(api->config.fetcher, &asking->ask);
	if (r == 0) {
		api->n_jobs++;
		task_begin(api, target, &asking->job, "Reading a source's registries");
		return;
	}
	free(asking);
	if (r == -ENOENT)
		reply_error(request, 400, "ActionNotSupported",
			    .args = { STR("Rfeventd.FetchRegistries") },
			    .resolution =
				    "The source has no HostName, UserName and Password (of one of the "
				    "configuration: url, username and password).");
	else
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) });
}

void sources_fetch_registries(struct api *api, const struct target *target)
{
	const struct source *source = sources_of_target(api, target);

	if (source)
		fetch_registries(api, target, source);
	else
		reply_error(target->request, 404, "ResourceNotFound",
			    .args = { STR("AggregationSource"), target->ids[0] });
}
