/* Subscriptions: EventDestinations, which other receivers make to get our events (DSP0268). The
 * forwarder delivers to them; here they are shown and changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "api/subscription_body.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/slot.h"
#include "forward/destination.h"
#include "forward/destination_store.h"
#include "forward/forwarder.h"

#define SUSPEND "EventDestination.SuspendSubscription"
#define RESUME  "EventDestination.ResumeSubscription"

static struct destination_set *get_set(struct api *api)
{
	return slot_get(forwarder_destinations(api->config.forwarder));
}

/* NULL when it is not there. */
static const struct destination *find(const struct destination_set *set,
				      const struct target *target)
{
	struct uuid id;

	return uuid_parse(target->ids[0], &id) ? destination_set_find(set, id) : NULL;
}

/* --- showing -----------------------------------------------------------------------------------
 */

static json_t *status_of(const struct destination *destination)
{
	const char *health = destination->suspended ? "Warning" : "OK";

	if (!destination->suspended && destination->failing_us > 0)
		health = "Critical";
	return json_pack("{s:s,s:s}", "State", destination->suspended ? "Disabled" : "Enabled",
			 "Health", health);
}

static json_t *actions_of(const char *path)
{
	char *suspend = xasprintf("%s/Actions/" SUSPEND, path);
	char *resume = xasprintf("%s/Actions/" RESUME, path);
	json_t *json = json_pack("{s:{s:s},s:{s:s}}", "#" SUSPEND, "target", suspend, "#" RESUME,
				 "target", resume);

	free(suspend);
	free(resume);
	return json;
}

static json_t *oem_of(const struct destination *destination)
{
	json_t *oem = json_pack("{s:s,s:o}", "@odata.type",
				"#RfeventdEventDestination.v1_0_0.EventDestination", "Created",
				resource_time(destination->created_us));

	if (destination->failing_us > 0)
		json_object_set_new(oem, "FailingSince", resource_time(destination->failing_us));
	if (destination->error)
		json_object_set_new(oem, "LastError", json_string(destination->error));
	return json_pack("{s:o}", "Rfeventd", oem);
}

static json_t *encode(const struct destination *destination)
{
	char id[UUID_TEXT_BYTES];
	char *path = xasprintf(SUBSCRIPTIONS_PATH "/%s", uuid_format(destination->id, id));
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:n,s:s,s:s,s:[],s:s,s:b}", "@odata.id", path,
				 "@odata.type", "#EventDestination.v1_16_0.EventDestination", "Id",
				 id, "Name", "Subscription", "Context", "SubscriptionType",
				 "RedfishEvent", "EventFormatType", "Event", "HttpHeaders",
				 "DeliveryRetryPolicy", retry_policy_name(destination->policy),
				 "VerifyCertificate", destination->verify);
	json_t *config = json_loads(destination->config, 0, NULL);

	json_object_update(json, config);
	json_object_set_new(json, "Status", status_of(destination));
	json_object_set_new(json, "Actions", actions_of(path));
	json_object_set_new(json, "Oem", oem_of(destination));
	json_decref(config);
	free(path);
	return json;
}

static void put(const struct destination *destination, struct strbuf *out)
{
	resource_put_json(out, encode(destination));
}

bool subscriptions_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct destination_set *set = get_set(api);
	struct members members;
	char id[UUID_TEXT_BYTES];

	members_begin(&members, SUBSCRIPTIONS_PATH, "EventDestinationCollection", "Subscriptions",
		      out);
	for (size_t i = 0; set && i < set->n; i++)
		members_put(&members, str_of(uuid_format(set->items[i]->id, id)));
	members_end(&members);
	destination_set_unref(set);
	return true;
}

bool subscription_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct destination_set *set = get_set(api);
	const struct destination *destination = find(set, target);

	if (destination)
		put(destination, out);
	destination_set_unref(set);
	return destination != NULL;
}

/* --- changing ----------------------------------------------------------------------------------
 */

enum kind { ADD, CHANGE, REMOVE, SUSPEND_IT, RESUME_IT };

struct changing {
	struct api_job job;
	struct forwarder *forwarder;
	enum kind kind;
	struct uuid id;
	int64_t version;
	char *config, *sealed; /* new; sealed NULL: as it is, "": none */
	bool skip;
	struct strbuf notes;
	int result;
	struct err err;
};

static void changing_free(struct changing *changing)
{
	free(changing->config);
	free(changing->sealed);
	strbuf_fini(&changing->notes);
	free(changing);
}

static int change(struct changing *c, struct db *db)
{
	switch (c->kind) {
	case ADD:
		return destination_store_add(db, c->id, str_of(c->config),
					     c->sealed && c->sealed[0] ? str_of(c->sealed)
								       : (struct str){ NULL, 0 },
					     &c->err);
	case CHANGE:
		return destination_store_change(db, c->id, c->version, str_of(c->config),
						str_of(c->sealed), &c->err);
	case REMOVE: return destination_store_remove(db, c->id, &c->err);
	case SUSPEND_IT:
		return destination_store_suspend(db, c->id, true, false, "suspended by an operator",
						 &c->err);
	case RESUME_IT: break;
	}
	return destination_store_suspend(db, c->id, false, c->skip, NULL, &c->err);
}

static void run_change(struct query_job *query, struct db *db, const char *why)
{
	struct changing *changing = query->ctx;

	if (!db) {
		changing->result = err_set(
			&changing->err, -ENOTCONN,
			"Subscriptions cannot be changed while the database is away: %s.", why);
		return;
	}
	changing->result = change(changing, db);
	if (changing->result == 0)
		changing->result = forwarder_refresh(changing->forwarder, db, &changing->err);
}

static void reply_resource(struct api *api, struct changing *changing)
{
	struct destination_set *set = get_set(api);
	const struct destination *destination = destination_set_find(set, changing->id);
	struct http_request *request = changing->job.request;
	char id[UUID_TEXT_BYTES];
	char *path = xasprintf(SUBSCRIPTIONS_PATH "/%s", uuid_format(changing->id, id));
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	if (destination)
		put(destination, &body);
	if (!destination)
		reply_missing(request); /* removed meanwhile */
	else if (changing->kind == ADD)
		reply_created(request, str_of(path), NULL, strbuf_str(&body));
	else
		reply_changed(request, strbuf_str(&body), strbuf_str(&changing->notes));
	strbuf_fini(&body);
	free(path);
	destination_set_unref(set);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct changing *changing = CONTAINER_OF(job, struct changing, job);

	if (changing->result == -EDQUOT)
		reply_error(job->request, 503, "EventSubscriptionLimitExceeded");
	else if (changing->result == -ENOENT)
		reply_missing(job->request);
	else if (changing->result < 0)
		reply_unchanged(job->request, changing->result, &changing->err);
	else if (changing->kind == ADD || changing->kind == CHANGE)
		reply_resource(api, changing);
	else
		reply_empty(job->request);
	changing_free(changing);
}

static struct changing *changing_new(struct api *api, const struct target *target, enum kind kind)
{
	struct changing *changing = xcalloc(1, sizeof(*changing));

	changing->job = (struct api_job){ .query = { .run = run_change, .ctx = changing },
					  .answer = answer_change,
					  .request = target->request };
	changing->forwarder = api->config.forwarder;
	changing->kind = kind;
	strbuf_init(&changing->notes, API_ERROR_MAX_BYTES);
	return changing;
}

static void submit(struct api *api, struct changing *changing)
{
	if (!api_submit(api, api->config.writes, &changing->job))
		changing_free(changing);
}

/* False: there is no key to seal with. */
static bool seal_headers(struct api *api, const struct subscription_body *body,
			 struct changing *changing)
{
	const struct seal_key *key = forwarder_key(api->config.forwarder);
	char id[UUID_TEXT_BYTES];
	struct strbuf sealed;

	if (!body->has_headers)
		return true;
	if (body->headers.len == 0) {
		changing->sealed = xstrdup("");
		return true;
	}
	if (!key)
		return false;
	strbuf_init(&sealed, 4 * body->headers.len + 128);
	seal_close(key, str_of(uuid_format(changing->id, id)), strbuf_str(&body->headers), &sealed);
	changing->sealed = sealed.p;
	return true;
}

/* What the body asks for, into `changing`. False: answered. */
static bool read_body(struct api *api, json_t *body, const json_t *before,
		      struct changing *changing)
{
	struct http_request *request = changing->job.request;
	struct properties properties;
	struct subscription_body read;
	bool ok;

	properties_begin(&properties, body);
	subscription_body_read(&properties, before, api->config.allow_http, &read);
	if (!seal_headers(api, &read, changing))
		properties_refuse_secret(&properties, "HttpHeaders", "PropertyValueError");
	changing->config = json_dumps(read.config, JSON_COMPACT);
	ok = before ? properties_are_of_use(&properties, request)
		    : properties_are_good(&properties, request);
	if (before)
		properties_put_notes(&properties, request, &changing->notes);
	subscription_body_fini(&read);
	properties_fini(&properties);
	return ok;
}

void subscriptions_add(struct api *api, const struct target *target)
{
	json_t *body = request_json(target->request);
	struct changing *changing;

	if (!body)
		return;
	changing = changing_new(api, target, ADD);
	changing->id = uuid_v4();
	if (read_body(api, body, NULL, changing))
		submit(api, changing);
	else
		changing_free(changing);
	json_decref(body);
}

/* What If-Match says. False: answered. */
static bool match(const struct destination *destination, struct http_request *request,
		  bool required)
{
	char etag[ETAG_BYTES];
	struct strbuf body;
	bool ok;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	put(destination, &body);
	ok = reply_if_match(request, etag_of(strbuf_str(&body), etag), required);
	strbuf_fini(&body);
	return ok;
}

static void patch(struct api *api, const struct target *target,
		  const struct destination *destination, json_t *body)
{
	struct changing *changing = changing_new(api, target, CHANGE);
	json_t *before = json_loads(destination->config, 0, NULL);

	changing->id = destination->id;
	changing->version = destination->version;
	if (match(destination, target->request, false) && read_body(api, body, before, changing))
		submit(api, changing);
	else
		changing_free(changing);
	json_decref(before);
}

void subscription_patch(struct api *api, const struct target *target)
{
	struct destination_set *set = get_set(api);
	const struct destination *destination = find(set, target);
	json_t *body = destination ? request_json(target->request) : NULL;

	if (!destination)
		reply_missing(target->request);
	else if (body)
		patch(api, target, destination, body);
	json_decref(body);
	destination_set_unref(set);
}

static void act(struct api *api, const struct target *target, enum kind kind, bool skip)
{
	struct destination_set *set = get_set(api);
	const struct destination *destination = find(set, target);
	struct changing *changing;

	if (!destination) {
		reply_missing(target->request);
	} else if (kind != REMOVE || match(destination, target->request, false)) {
		changing = changing_new(api, target, kind);
		changing->id = destination->id;
		changing->skip = skip;
		submit(api, changing);
	}
	destination_set_unref(set);
}

void subscription_remove(struct api *api, const struct target *target)
{
	act(api, target, REMOVE, false);
}

/* The parameters of an action without required ones; NULL: none were sent, or (*ok false) answered.
 */
static json_t *read_parameters(const struct target *target, const char *action, const char *known,
			       bool *ok)
{
	json_t *body = NULL;
	void *iterator;

	*ok = true;
	if (http_request_body(target->request).len == 0)
		return NULL;
	body = request_json(target->request);
	*ok = body != NULL;
	for (iterator = json_object_iter(body); iterator;
	     iterator = json_object_iter_next(body, iterator)) {
		const char *name = json_object_iter_key(iterator);

		if (strchr(name, '@') || (known && strcmp(name, known) == 0))
			continue;
		reply_error(target->request, 400, "ActionParameterUnknown",
			    .args = { str_of(action), str_of(name) });
		*ok = false;
		break;
	}
	return body;
}

void subscription_suspend(struct api *api, const struct target *target)
{
	bool ok;
	json_t *parameters = read_parameters(target, SUSPEND, NULL, &ok);

	if (ok)
		act(api, target, SUSPEND_IT, false);
	json_decref(parameters);
}

/* All that waited is delivered, or with DeliverBufferedEventDuration PT0S nothing of it. */
void subscription_resume(struct api *api, const struct target *target)
{
	static const char name[] = "DeliverBufferedEventDuration";
	bool ok;
	json_t *parameters = read_parameters(target, RESUME, name, &ok);
	const json_t *duration = json_object_get(parameters, name);
	bool skip = duration && json_is_string(duration) &&
		    strcmp(json_string_value(duration), "PT0S") == 0;

	if (ok && duration && !skip)
		reply_error(target->request, 400, "ActionParameterValueError",
			    .args = { str_of(name), STR(RESUME) },
			    .resolution =
				    "Leave it out for all events that waited, or say PT0S for "
				    "none of them.");
	else if (ok)
		act(api, target, RESUME_IT, skip);
	json_decref(parameters);
}
