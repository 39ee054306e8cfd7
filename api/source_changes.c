/* Sources made, changed and removed by operators: POST, PATCH, DELETE, and a new token.
 *
 * A change is made to the row as this node knows it, so that two who change it at once cannot undo each
 * other's work; it is answered when this node's receiver has it, which is the database's word come back.
 */
#include <errno.h>
#include <stdlib.h>

#include "api/aggregation.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "api/source_body.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/secrets.h"
#include "base/slot.h"
#include "storage/source_store.h"
#include "subscribe/source_details.h"

#define TOKEN_CHARS    32 /* 160 random bits, as the enrolment token */
#define KNOWN_WAIT_US  (3 * CLOCK_US_PER_S) /* a large set of sources takes long to publish */
#define KNOWN_LOOK_US  2000
#define STALE_TRIES    3

enum kind { ADD, CHANGE, REMOVE, ROTATE };

/* A change on its way to the database. All texts are in `texts`. */
struct changing {
	struct api_job job;
	enum kind kind;
	bool any_version; /* no If-Match names one */
	struct arena *texts;
	struct source before, after;
	struct slot *sources;
	size_t max_sources;
	struct identity who;
	struct strbuf notes;
	int result;
	struct err err;
};

static void changing_free(struct changing *changing)
{
	arena_free(changing->texts);
	strbuf_fini(&changing->notes);
	free(changing);
}

static struct str keep(struct changing *changing, struct str text)
{
	return text.p ? arena_copy(changing->texts, text) : text;
}

static void copy_source(struct changing *changing, const struct source *from, struct source *to)
{
	*to = *from;
	to->name = keep(changing, from->name);
	to->address = keep(changing, from->address);
	to->token = keep(changing, from->token);
	to->certificate = keep(changing, from->certificate);
	to->site = keep(changing, from->site);
	to->rack = keep(changing, from->rack);
	to->owner = keep(changing, from->owner);
	to->details = keep(changing, from->details);
}

/* What REMOVE and ROTATE come to, whatever the source is now; a new one has a token, too. */
static void lay_over(struct changing *changing)
{
	struct source *after = &changing->after;
	char token[TOKEN_CHARS + 1];

	*after = changing->before;
	if (changing->kind == REMOVE) {
		after->state = SOURCE_REMOVED;
		after->token = after->certificate = after->details = (struct str){ NULL, 0 };
	} else {
		secrets_token(token, TOKEN_CHARS);
		after->token = keep(changing, str_of(token));
		secrets_wipe(token, sizeof(token));
	}
}

/* --- on a pool thread ----------------------------------------------------------------------------
 */

static bool is_known(struct changing *changing)
{
	struct source_set *set = slot_get(changing->sources);
	const struct source *source = source_set_by_id(set, changing->after.id);
	bool known = source && source_is_same(source, &changing->after);

	source_set_unref(set);
	return known;
}

/* The row's change notifies every replica, this one too: until its receiver has it. Whoever changes
 * the source again meanwhile makes this wait in vain. */
static void wait_until_known(struct changing *changing)
{
	const struct timespec pause = { .tv_nsec = KNOWN_LOOK_US * 1000L };
	int64_t end_us = clock_monotonic_us() + KNOWN_WAIT_US;

	while (!is_known(changing) && clock_monotonic_us() < end_us)
		nanosleep(&pause, NULL);
}

/* The source was changed elsewhere, and this node has not heard of it yet: until it has. False: it does
 * not hear of it. */
static bool learn_before(struct changing *changing)
{
	const struct timespec pause = { .tv_nsec = KNOWN_LOOK_US * 1000L };
	int64_t end_us = clock_monotonic_us() + KNOWN_WAIT_US;
	bool differs = false;

	while (!differs && clock_monotonic_us() < end_us) {
		struct source_set *set = slot_get(changing->sources);
		const struct source *source = source_set_by_id(set, changing->before.id);

		differs = source && !source_is_same(source, &changing->before);
		if (differs)
			copy_source(changing, source, &changing->before);
		source_set_unref(set);
		if (!differs)
			nanosleep(&pause, NULL);
	}
	return differs;
}

/* What is asked of a source whatever it is now is not refused for what this node does not know. */
static int change_row(struct changing *changing, struct db *db)
{
	int r = source_store_change(db, &changing->before, &changing->after, &changing->err);

	for (int i = 0; i < STALE_TRIES && r == -ESTALE && changing->any_version; i++) {
		if (!learn_before(changing))
			break;
		lay_over(changing);
		r = source_store_change(db, &changing->before, &changing->after, &changing->err);
	}
	return r;
}

static void run_change(struct query_job *query, struct db *db, const char *why)
{
	struct changing *changing = query->ctx;
	struct err *err = &changing->err;

	if (!db)
		changing->result = err_set(
			err, -ENOTCONN,
			"Sources cannot be changed while the database is away: %s.", why);
	else if (changing->kind == ADD)
		changing->result = source_store_add(db, &changing->after, changing->max_sources, err);
	else
		changing->result = change_row(changing, db);
	if (changing->result == 0)
		wait_until_known(changing);
}

/* --- the answer ----------------------------------------------------------------------------------
 */

static void say(const struct changing *changing)
{
	static const char *const messages[] = { [ADD] = "Rfeventd.1.0.SourceMade",
						[CHANGE] = "Rfeventd.1.0.SourceChanged",
						[REMOVE] = "Rfeventd.1.0.SourceRemoved",
						[ROTATE] = "Rfeventd.1.0.SourceTokenRenewed" };
	char *name = xstrndup(changing->after.name);

	visit_say(changing->job.request, messages[changing->kind], AUDIT_ARGS(name));
	free(name);
}

static void answer_made(struct api *api, struct changing *changing)
{
	struct http_request *request = changing->job.request;
	char id[UUID_TEXT_BYTES];
	char *path = xasprintf(SOURCES_PATH "/%s", uuid_format(changing->after.id, id));
	struct strbuf body;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	sources_put(api, &changing->after, &changing->who, &body);
	if (changing->kind == REMOVE)
		reply_empty(request);
	else if (changing->kind == ADD)
		reply_created(request, str_of(path), NULL, strbuf_str(&body));
	else
		reply_changed(request, strbuf_str(&body), strbuf_str(&changing->notes));
	strbuf_fini(&body);
	free(path);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct changing *changing = CONTAINER_OF(job, struct changing, job);

	if (changing->result == -EEXIST) {
		reply_error(job->request, 409, "ResourceAlreadyExists",
			    .args = { STR("AggregationSource"), STR("Name"), changing->after.name },
			    .property = "/Name");
	} else if (changing->result < 0) {
		reply_unchanged(job->request, changing->result, &changing->err);
	} else {
		say(changing);
		answer_made(api, changing);
	}
	changing_free(changing);
}

/* --- beginning -----------------------------------------------------------------------------------
 */

/* `source` NULL: a new one. */
static struct changing *changing_new(struct api *api, const struct target *target, enum kind kind,
				     const struct source *source)
{
	const struct source fresh = { .id = uuid_v4(),
				      .state = SOURCE_CONFIGURED,
				      .created_us = clock_time_us() };
	struct changing *changing = xcalloc(1, sizeof(*changing));

	changing->job = (struct api_job){ .query = { .run = run_change, .ctx = changing },
					  .answer = answer_change,
					  .request = target->request };
	changing->kind = kind;
	changing->texts = arena_new(4 * SOURCE_DETAILS_MAX_BYTES + API_MAX_BODY_BYTES);
	changing->sources = api->config.sources;
	changing->max_sources = api->config.max_sources;
	changing->who = *target->who;
	strbuf_init(&changing->notes, API_ERROR_MAX_BYTES);
	copy_source(changing, source ? source : &fresh, &changing->before);
	changing->after = changing->before;
	return changing;
}

static void submit(struct api *api, struct changing *changing)
{
	if (!api_submit(api, api->config.writes, &changing->job))
		changing_free(changing);
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

/* False: refused and answered. */
static bool read_body(struct api *api, json_t *body, struct changing *changing)
{
	struct source_body said = { .seal_key = api->config.seal_key,
				    .texts = changing->texts,
				    .is_new = changing->kind == ADD,
				    .source = changing->after };
	struct http_request *request = changing->job.request;
	json_t *flat = source_body_flatten(body);
	struct properties properties;
	struct strbuf text;
	void *held;
	bool ok;

	source_details_parse(changing->before.details, &said.details, &held);
	strbuf_init(&text, SOURCE_DETAILS_MAX_BYTES);
	properties_begin(&properties, flat);
	source_body_read(&said, &properties);
	source_details_put(&said.details, &text);
	said.source.details = text.len > 0 ? strbuf_str(&text) : (struct str){ NULL, 0 };
	copy_source(changing, &said.source, &changing->after);
	ok = said.is_new ? properties_are_good(&properties, request) :
			   properties_are_of_use(&properties, request);
	properties_put_notes(&properties, request, &changing->notes);
	properties_fini(&properties);
	strbuf_fini(&text);
	source_details_release(held);
	json_decref(flat);
	return ok;
}

/* --- the requests --------------------------------------------------------------------------------
 */

void sources_add(struct api *api, const struct target *target)
{
	json_t *body = request_json(target->request);
	struct changing *changing;

	if (!body)
		return;
	changing = changing_new(api, target, ADD, NULL);
	lay_over(changing); /* a token */
	if (read_body(api, body, changing))
		submit(api, changing);
	else
		changing_free(changing);
	json_decref(body);
}

/* The source that may be changed. NULL: there is none, or not here; answered. */
static const struct source *find_writable(struct api *api, const struct target *target)
{
	const struct source *source = sources_of_target(api, target);

	if (!source) {
		reply_missing(target->request);
		return NULL;
	}
	if (!source->is_declared)
		return source;
	reply_error(target->request, 405, "OperationNotAllowed", .allow = "GET, HEAD",
		    .resolution = api->config.sources_file);
	return NULL;
}

/* What If-Match says of the source as the caller saw it. False: answered. */
static bool match(struct api *api, const struct target *target, const struct source *source,
		  bool required)
{
	char etag[ETAG_BYTES];
	struct strbuf body;
	bool ok;

	strbuf_init(&body, API_PAGE_MAX_BYTES);
	sources_put(api, source, target->who, &body);
	ok = reply_if_match(target->request, etag_of(strbuf_str(&body), etag), required);
	strbuf_fini(&body);
	return ok;
}

void source_patch(struct api *api, const struct target *target)
{
	json_t *body = request_json(target->request);
	const struct source *source = body ? find_writable(api, target) : NULL;
	struct changing *changing;

	if (source && match(api, target, source, true)) {
		changing = changing_new(api, target, CHANGE, source);
		if (read_body(api, body, changing))
			submit(api, changing);
		else
			changing_free(changing);
	}
	json_decref(body);
}

void source_remove(struct api *api, const struct target *target)
{
	const struct source *source = find_writable(api, target);
	struct changing *changing;

	if (!source || !match(api, target, source, false))
		return;
	changing = changing_new(api, target, REMOVE, source);
	changing->any_version = !reply_names_version(target->request);
	lay_over(changing);
	submit(api, changing);
}

void source_rotate_token(struct api *api, const struct target *target)
{
	const struct source *source = find_writable(api, target);
	struct changing *changing;

	if (!source || !match(api, target, source, false))
		return;
	changing = changing_new(api, target, ROTATE, source);
	changing->any_version = !reply_names_version(target->request);
	lay_over(changing);
	submit(api, changing);
}
