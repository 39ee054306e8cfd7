/* Sources made, changed and removed by operators: POST, PATCH, DELETE, and a new token.
 *
 * A change is made to the row as this node knows it, so that two who change it at once cannot undo each
 * other's work; it is answered when this node's receiver has it, which is the database's word come back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/aggregation.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/properties.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/secrets.h"
#include "base/slot.h"
#include "storage/source_store.h"
#include "subscribe/source_details.h"
#include "subscribe/source_url.h"

#define TOKEN_CHARS    32 /* 160 random bits, as the enrolment token */
#define NAME_MAX_BYTES 128
#define TEXT_MAX_BYTES 256 /* of site, rack, owner, address, certificate */
#define KNOWN_WAIT_US  (3 * CLOCK_US_PER_S) /* a large set of sources takes long to publish */
#define KNOWN_LOOK_US  2000
#define OEM	       "Oem/Rfeventd/"

enum kind { ADD, CHANGE, REMOVE, ROTATE };

/* A change on its way to the database. All texts are in `texts`. */
struct changing {
	struct api_job job;
	enum kind kind;
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
		changing->result =
			source_store_change(db, &changing->before, &changing->after, err);
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

static void make_token(struct changing *changing)
{
	char token[TOKEN_CHARS + 1];

	secrets_token(token, TOKEN_CHARS);
	changing->after.token = keep(changing, str_of(token));
	secrets_wipe(token, sizeof(token));
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

/* Members of Oem.Rfeventd under names of their own, "Oem/Rfeventd/Site": the errors point at those. */
static json_t *flatten(json_t *body)
{
	json_t *flat = json_object(), *oem = json_object_get(body, "Oem"), *value;
	json_t *ours = json_is_object(oem) ? json_object_get(oem, "Rfeventd") : NULL;
	const char *name;

	json_object_foreach(body, name, value)
	{
		if (strcmp(name, "Oem") != 0 || !json_is_object(oem))
			json_object_set(flat, name, value);
	}
	json_object_foreach(oem, name, value)
	{
		char *path = xasprintf("Oem/%s", name);

		if (value != ours || !json_is_object(ours))
			json_object_set(flat, path, value);
		free(path);
	}
	json_object_foreach(ours, name, value)
	{
		char *path = xasprintf(OEM "%s", name);

		json_object_set(flat, path, value);
		free(path);
	}
	return flat;
}

static bool is_plain(struct str text, size_t max_bytes)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return text.len > 0 && text.len <= max_bytes;
}

/* A text, or null for none; *out as it is when the body does not say. False: it does not, or says
 * nothing good. */
static bool take_text(struct properties *properties, const char *name, size_t max_bytes,
		      struct str *out)
{
	struct str text = { NULL, 0 };

	if (!json_object_get(properties->body, name))
		return false;
	if (!json_is_null(json_object_get(properties->body, name))) {
		text = properties_text(properties, name);
		if (!text.p)
			return false;
		if (!is_plain(text, max_bytes)) {
			properties_refuse(properties, name, "PropertyValueFormatError",
					  "A text is not empty, not longer than it may be, and without "
					  "control characters.");
			return false;
		}
	}
	*out = text;
	return true;
}

static void take_bool(struct properties *properties, const char *name, bool *out)
{
	const json_t *value = json_object_get(properties->body, name);

	if (!value)
		return;
	if (json_is_boolean(value))
		*out = json_is_true(value);
	else
		properties_refuse(properties, name, "PropertyValueTypeError", NULL);
}

static void take_host(struct properties *properties, struct changing *changing,
		      struct source_details *details)
{
	struct str host;
	struct strbuf url, origin;

	if (!take_text(properties, "HostName", SOURCE_URL_MAX_BYTES, &host))
		return;
	details->url = host;
	if (!host.p)
		return;
	strbuf_init(&url, 2 * SOURCE_URL_MAX_BYTES);
	strbuf_init(&origin, 2 * SOURCE_URL_MAX_BYTES);
	if (str_find(host, STR("://")) == host.len)
		strbuf_put_text(&url, "https://");
	strbuf_put(&url, host);
	if (source_url_origin(strbuf_str(&url), &origin, NULL) < 0)
		properties_refuse(properties, "HostName", "PropertyValueFormatError",
				  "HostName is a name, an address or a URL as "
				  "https://10.1.2.3:8443; an IPv6 address stands in brackets.");
	else
		details->url = keep(changing, strbuf_str(&origin));
	strbuf_fini(&url);
	strbuf_fini(&origin);
}

/* The same fingerprint as tools print it, with colons, would match nothing. */
static void take_certificate(struct properties *properties, struct source *source)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const size_t n_mark = sizeof(SOURCE_FINGERPRINT) - 1;
	struct str certificate;
	bool good = true;

	if (!take_text(properties, OEM "Certificate", TEXT_MAX_BYTES, &certificate))
		return;
	if (certificate.p && str_starts_with(certificate, STR(SOURCE_FINGERPRINT))) {
		good = certificate.len == n_mark + 2 * SHA256_BYTES;
		for (size_t i = n_mark; i < certificate.len; i++)
			good &= memchr(hex, certificate.p[i], sizeof(hex) - 1) != NULL;
	}
	if (good)
		source->certificate = certificate;
	else
		properties_refuse(properties, OEM "Certificate", "PropertyValueFormatError",
				  "Certificate is 'sha256:' and 64 hex digits, or a name in it.");
}

static void take_password(struct api *api, struct properties *properties,
			  struct changing *changing, struct source_details *details)
{
	const json_t *value = json_object_get(properties->body, "Password");
	struct str password = { json_string_value(value), json_string_length(value) };
	struct strbuf sealed;

	if (!value)
		return;
	if (json_is_null(value)) {
		details->password = (struct str){ NULL, 0 };
	} else if (!password.p || !is_plain(password, SOURCE_SECRET_MAX_BYTES)) {
		properties_refuse_secret(properties, "Password", "PropertyValueError");
	} else if (!api->config.seal_key) {
		properties_refuse(properties, "Password", "PropertyValueError",
				  "Passwords are kept encrypted, and there is no key that all replicas of "
				  "the database share: give one in secrets.key_file.");
	} else {
		strbuf_init(&sealed, 4 * SOURCE_SECRET_MAX_BYTES);
		source_password_seal(api->config.seal_key, changing->after.id, password, &sealed);
		details->password = keep(changing, strbuf_str(&sealed));
		strbuf_fini(&sealed);
	}
}

static void drop_tag(struct source_details *details, struct str name)
{
	for (size_t i = 0; i < details->n_tags; i++) {
		if (!str_eq(details->tags[i].name, name))
			continue;
		details->n_tags--;
		memmove(&details->tags[i], &details->tags[i + 1],
			(details->n_tags - i) * sizeof(details->tags[0]));
		return;
	}
}

/* As PATCH does with objects: members are laid over those that are there, null takes one away. */
static void take_tags(struct properties *properties, struct source_details *details)
{
	json_t *tags = json_object_get(properties->body, OEM "Tags"), *value;
	const char *name;

	if (!tags)
		return;
	if (!json_is_object(tags)) {
		properties_refuse(properties, OEM "Tags", "PropertyValueTypeError", NULL);
		return;
	}
	json_object_foreach(tags, name, value)
	{
		struct str text = { json_string_value(value), json_string_length(value) };

		drop_tag(details, str_of(name));
		if (json_is_null(value))
			continue;
		if (!text.p || !is_plain(text, SOURCE_TAG_VALUE_MAX_BYTES) ||
		    !is_plain(str_of(name), SOURCE_TAG_NAME_MAX_BYTES) ||
		    details->n_tags == SOURCE_MAX_TAGS) {
			properties_refuse(properties, OEM "Tags", "PropertyValueError",
					  "A source has at most 16 tags, with names of at most 64 bytes "
					  "and texts of at most 256.");
			return;
		}
		details->tags[details->n_tags++] = (struct source_tag){ str_of(name), text };
	}
}

/* No subscription is made on a source yet: asking for one must not look as if it had worked. */
static void take_subscribe(struct properties *properties)
{
	bool subscribe = false;

	take_bool(properties, OEM "Subscribe", &subscribe);
	if (subscribe)
		properties_refuse(properties, OEM "Subscribe", "PropertyValueNotInList",
				  "This service makes no subscriptions on its sources: give the source "
				  "EventUri as the Destination of one.");
}

static void take_all(struct api *api, struct properties *properties, struct changing *changing,
		     struct source_details *details)
{
	struct source *source = &changing->after;
	struct str name;

	if (take_text(properties, "Name", NAME_MAX_BYTES, &name)) {
		if (name.p)
			source->name = name;
		else
			properties_refuse(properties, "Name", "PropertyValueTypeError", NULL);
	}
	take_host(properties, changing, details);
	take_text(properties, "UserName", SOURCE_SECRET_MAX_BYTES, &details->user_name);
	take_password(api, properties, changing, details);
	take_text(properties, OEM "Site", TEXT_MAX_BYTES, &source->site);
	take_text(properties, OEM "Rack", TEXT_MAX_BYTES, &source->rack);
	take_text(properties, OEM "Owner", TEXT_MAX_BYTES, &source->owner);
	take_text(properties, OEM "Address", TEXT_MAX_BYTES, &source->address);
	take_certificate(properties, source);
	take_bool(properties, OEM "Insecure", &details->insecure);
	take_tags(properties, details);
	take_subscribe(properties);
	if (str_eq(source->address, STR(SOURCE_OWN_NAME)))
		properties_refuse(properties, OEM "Address", "PropertyValueFormatError",
				  "Address is the one that the source sends from.");
}

/* The whole of what is asked for, laid over what is there. False: refused and answered. */
static bool read_body(struct api *api, json_t *body, struct changing *changing)
{
	static const char *const known[] = { "Name",	    "HostName",		"UserName",
					     "Password",    OEM "Site",		OEM "Rack",
					     OEM "Owner",   OEM "Tags",		OEM "Address",
					     OEM "Insecure", OEM "Certificate", OEM "Subscribe",
					     NULL };
	static const char *const read_only[] = { "Id",		"Actions",	 "Links",
						 OEM "State",	OEM "EventUri",	 OEM "Created",
						 OEM "Activity", OEM "TokenSet", OEM "PasswordSet",
						 NULL };
	struct http_request *request = changing->job.request;
	json_t *flat = flatten(body);
	struct properties properties;
	struct source_details details;
	struct strbuf text;
	void *held;
	bool ok;

	source_details_parse(changing->before.details, &details, &held);
	strbuf_init(&text, SOURCE_DETAILS_MAX_BYTES);
	properties_begin(&properties, flat);
	properties_refuse_others(&properties, known, read_only);
	if (changing->kind == ADD && !json_object_get(flat, "HostName"))
		properties_refuse(&properties, "HostName", "CreateFailedMissingReqProperties", NULL);
	take_all(api, &properties, changing, &details);
	if (changing->kind == ADD && !changing->after.name.p)
		changing->after.name = details.url;
	source_details_put(&details, &text);
	changing->after.details = text.len > 0 ? strbuf_str(&text) : (struct str){ NULL, 0 };
	copy_source(changing, &changing->after, &changing->after); /* out of the body */
	ok = changing->kind == ADD ? properties_are_good(&properties, request) :
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
	make_token(changing);
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
	changing->after.state = SOURCE_REMOVED;
	changing->after.token = (struct str){ NULL, 0 };
	changing->after.certificate = (struct str){ NULL, 0 };
	changing->after.details = (struct str){ NULL, 0 };
	submit(api, changing);
}

void source_rotate_token(struct api *api, const struct target *target)
{
	const struct source *source = find_writable(api, target);
	struct changing *changing;

	if (!source || !match(api, target, source, false))
		return;
	changing = changing_new(api, target, ROTATE, source);
	make_token(changing);
	submit(api, changing);
}
