/* Registries: the message registries as Redfish resources (DSP0268 MessageRegistryFile).
 *
 * One MessageRegistryFile per registry, with a Location for each language its messages can be read
 * in. Ids are "Prefix.Version"; where a version has several contents the one that answers first has
 * this Id, and the others the beginning of their hash behind it. Files are read, and registries
 * stored, on pool threads.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/negotiate.h"
#include "api/reply.h"
#include "api/tasks.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/slot.h"
#include "registries/archive.h"
#include "registries/limits.h"
#include "registries/registry.h"
#include "registries/registry_body.h"
#include "subscribe/registry_mirror.h"
#include "subscribe/registry_store.h"
#include "translations/catalog.h"

#define ID_MAX_BYTES   (REGISTRY_MAX_PREFIX_BYTES + 64)
#define ID_HASH_CHARS  8
#define HASH_CHARS     64
#define BODY_MAX_BYTES (4 * REGISTRY_MAX_BYTES) /* escaped, indented, in another script */

/* A registry and the others of its prefix and version, which stand together in the set. */
struct shelf {
	const struct registry_set *set;
	const struct catalog_set *catalogs; /* NULL: none */
	size_t first, end;
};

static void refresh(struct api *api)
{
	slot_refresh(api->config.registries, &api->registries, &api->registries_version);
	slot_refresh(api->config.catalogs, &api->catalogs, &api->catalogs_version);
}

static bool is_twin(const struct registry *a, const struct registry *b)
{
	return str_eq(registry_prefix(a), registry_prefix(b)) &&
	       str_eq(registry_version(a), registry_version(b));
}

static struct shelf shelf_at(struct api *api, size_t first)
{
	struct shelf shelf = { api->registries, api->catalogs, first, first + 1 };
	const struct registry *leader = registry_set_at(shelf.set, first);

	while (shelf.end < registry_set_count(shelf.set) &&
	       is_twin(leader, registry_set_at(shelf.set, shelf.end)))
		shelf.end++;
	return shelf;
}

/* A registry in a language that none before it has is a Location of the first one's file. */
static bool is_location(const struct shelf *shelf, size_t i)
{
	struct str language = registry_language(registry_set_at(shelf->set, i));

	for (size_t k = shelf->first; k < i; k++) {
		if (str_eq(registry_language(registry_set_at(shelf->set, k)), language))
			return false;
	}
	return i > shelf->first;
}

static void put_id(struct strbuf *out, const struct shelf *shelf, size_t i)
{
	const struct registry *registry = registry_set_at(shelf->set, i);

	strbuf_putf(out, "%.*s.%.*s", STR_ARG(registry_prefix(registry)),
		    STR_ARG(registry_version(registry)));
	if (i > shelf->first)
		strbuf_putf(out, "-%.*s", ID_HASH_CHARS, registry_sha256(registry).p);
}

/* --- languages -----------------------------------------------------------------------------------
 */

/* One Location: a registry in its own language, or a translated one. */
struct location {
	const struct registry *registry;
	struct str language;
	bool translated;
	size_t catalog_language; /* of a translated one */
};

static bool has_language(const struct shelf *shelf, size_t i, struct str language)
{
	if (str_eq(registry_language(registry_set_at(shelf->set, i)), language))
		return true;
	for (size_t k = shelf->first; i == shelf->first && k < shelf->end; k++) {
		if (is_location(shelf, k) &&
		    str_eq(registry_language(registry_set_at(shelf->set, k)), language))
			return true;
	}
	return false;
}

/* The n-th Location of the file of registry `i`. False at the end. */
static bool location_at(const struct shelf *shelf, size_t i, size_t n, struct location *out)
{
	const struct registry *registry = registry_set_at(shelf->set, i);
	size_t n_languages = shelf->catalogs ? catalog_set_n_languages(shelf->catalogs) : 0;

	*out = (struct location){ registry, registry_language(registry), false, 0 };
	if (n-- == 0)
		return true;
	for (size_t k = shelf->first; i == shelf->first && k < shelf->end; k++) {
		out->registry = registry_set_at(shelf->set, k);
		out->language = registry_language(out->registry);
		if (is_location(shelf, k) && n-- == 0)
			return true;
	}
	*out = (struct location){ .registry = registry, .translated = true };
	for (; out->catalog_language < n_languages; out->catalog_language++) {
		out->language =
			str_of(catalog_set_language(shelf->catalogs, out->catalog_language));
		if (!has_language(shelf, i, out->language) &&
		    registry_is_translated(registry, shelf->catalogs, out->catalog_language) &&
		    n-- == 0)
			return true;
	}
	return false;
}

/* --- the resource --------------------------------------------------------------------------------
 */

/* "added", "fetched", or "folder" when it is a file of somebody else's. */
static const char *origin_of(const struct api *api, const struct registry *registry)
{
	struct str place = str_of(registry_place(registry));
	struct str mirror = str_of(api->config.registry_mirror);

	if (!str_starts_with(place, mirror))
		return "folder";
	place = (struct str){ place.p + mirror.len, place.len - mirror.len };
	return str_starts_with(place, STR("/" REGISTRY_MIRROR_ADDED "/")) ? "added" : "fetched";
}

static void put_member(struct strbuf *out, const char *name, struct str value)
{
	strbuf_putf(out, ",\"%s\":", name);
	strbuf_put_json(out, value);
}

static size_t count_findings(const struct registry *registry)
{
	const struct registry_finding *finding = registry_findings(registry);
	size_t n = 0;

	for (; finding; finding = finding->next)
		n++;
	return n;
}

static void put_locations(struct strbuf *out, const struct shelf *shelf, size_t i, struct str id)
{
	struct location location;

	strbuf_put_text(out, ",\"Languages\":[");
	for (size_t n = 0; location_at(shelf, i, n, &location); n++) {
		strbuf_put_text(out, n > 0 ? "," : "");
		strbuf_put_json(out, location.language);
	}
	strbuf_put_text(out, "],\"Location\":[");
	for (size_t n = 0; location_at(shelf, i, n, &location); n++) {
		strbuf_put_text(out, n > 0 ? ",{\"Language\":" : "{\"Language\":");
		strbuf_put_json(out, location.language);
		strbuf_putf(out, ",\"Uri\":\"" REGISTRIES_PATH "/%.*s/%.*s.%.*s.json\"}",
			    STR_ARG(id), STR_ARG(id), STR_ARG(location.language));
	}
	strbuf_put_char(out, ']');
}

/* The hashes of the file's registries, one for each language that is not translated. */
static void put_contents(struct strbuf *out, const struct shelf *shelf, size_t i)
{
	struct location location;

	strbuf_put_text(out, ",\"Contents\":[");
	for (size_t n = 0; location_at(shelf, i, n, &location) && !location.translated; n++) {
		strbuf_put_text(out, n > 0 ? "," : "");
		strbuf_put_json(out, registry_sha256(location.registry));
	}
	strbuf_put_char(out, ']');
}

static void put_file(struct api *api, struct strbuf *out, const struct shelf *shelf, size_t i)
{
	const struct registry *registry = registry_set_at(shelf->set, i);
	struct str numbers = registry_version(registry);
	struct strbuf id;

	strbuf_init(&id, ID_MAX_BYTES);
	put_id(&id, shelf, i);
	for (size_t n = numbers.len; n > 0; n--) { /* Registry has no errata: "Power.1.2" */
		if (numbers.p[n - 1] != '.')
			continue;
		numbers.len = n - 1;
		break;
	}
	strbuf_putf(out, "{\"@odata.id\":\"" REGISTRIES_PATH "/%s\"", id.p);
	strbuf_put_text(out,
			",\"@odata.type\":\"#MessageRegistryFile.v1_1_5.MessageRegistryFile\"");
	put_member(out, "Id", strbuf_str(&id));
	strbuf_putf(out, ",\"Name\":\"Message registry %s\",\"Registry\":\"%.*s.%.*s\"", id.p,
		    STR_ARG(registry_prefix(registry)), STR_ARG(numbers));
	put_locations(out, shelf, i, strbuf_str(&id));
	strbuf_put_text(out, ",\"Oem\":{\"Rfeventd\":{\"@odata.type\":"
			     "\"#RfeventdMessageRegistryFile.v1_0_0.MessageRegistryFile\"");
	put_member(out, "RegistryPrefix", registry_prefix(registry));
	put_member(out, "RegistryVersion", registry_version(registry));
	strbuf_putf(out, ",\"Keys\":%zu,\"Findings\":%zu", registry_count(registry),
		    count_findings(registry));
	put_member(out, "SHA256", registry_sha256(registry));
	put_contents(out, shelf, i);
	put_member(out, "Origin", str_of(origin_of(api, registry)));
	put_member(out, "Place", str_of(registry_place(registry)));
	strbuf_put_text(out, "}}}");
	strbuf_fini(&id);
}

/* Call for each file; false from `fn` ends it. */
typedef bool file_fn(struct api *api, const struct shelf *shelf, size_t i, void *ctx);

static void each_file(struct api *api, file_fn *fn, void *ctx)
{
	struct shelf shelf = { .end = 0 };

	while (shelf.end < registry_set_count(api->registries)) {
		shelf = shelf_at(api, shelf.end);
		for (size_t i = shelf.first; i < shelf.end; i++) {
			if (!is_location(&shelf, i) && !fn(api, &shelf, i, ctx))
				return;
		}
	}
}

struct listing {
	struct strbuf *out;
	size_t n;
};

static bool list_file(struct api *api, const struct shelf *shelf, size_t i, void *ctx)
{
	struct listing *listing = ctx;

	strbuf_put_text(listing->out, listing->n++ > 0 ? "," : "");
	strbuf_put_text(listing->out, "{\"@odata.id\":\"" REGISTRIES_PATH "/");
	put_id(listing->out, shelf, i);
	strbuf_put_text(listing->out, "\"}");
	return true;
}

bool registries_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct listing listing = { .out = out };

	refresh(api);
	strbuf_put_text(out, "{\"@odata.id\":\"" REGISTRIES_PATH "\",\"@odata.type\":"
			     "\"#MessageRegistryFileCollection.MessageRegistryFileCollection\","
			     "\"Name\":\"Message registries\",\"Members\":[");
	each_file(api, list_file, &listing);
	strbuf_putf(out, "],\"Members@odata.count\":%zu}", listing.n);
	return true;
}

/* --- one file, and its bodies --------------------------------------------------------------------
 */

struct search {
	struct str id;
	struct shelf shelf;
	size_t i;
	bool found;
};

static bool compare_id(struct api *api, const struct shelf *shelf, size_t i, void *ctx)
{
	struct search *search = ctx;
	struct strbuf id;

	strbuf_init(&id, ID_MAX_BYTES);
	put_id(&id, shelf, i);
	if (str_eq(strbuf_str(&id), search->id)) {
		search->shelf = *shelf;
		search->i = i;
		search->found = true;
	}
	strbuf_fini(&id);
	return !search->found;
}

static struct search find_file(struct api *api, struct str id)
{
	struct search search = { .id = id };

	each_file(api, compare_id, &search);
	return search;
}

/* "<Id>.<language>.json" */
static bool find_location(const struct search *search, struct str name, struct location *out)
{
	size_t n_fixed = search->id.len + strlen(".") + strlen(".json");
	struct str language;

	if (name.len <= n_fixed || !str_starts_with(name, search->id) ||
	    name.p[search->id.len] != '.' || !str_ends_with(name, STR(".json")))
		return false;
	language = (struct str){ name.p + search->id.len + 1, name.len - n_fixed };
	for (size_t n = 0; location_at(&search->shelf, search->i, n, out); n++) {
		if (str_eq(out->language, language))
			return true;
	}
	return false;
}

/* A body being read. The sets are held, and with them what the location points into. */
struct reading {
	struct api_job job;
	struct location location;
	struct registry_set *set;
	struct catalog_set *catalogs;
	struct strbuf body;
	struct err err;
	int result;
};

static void read_body(struct query_job *query, struct db *db, const char *why)
{
	struct reading *reading = query->ctx;
	const struct location *location = &reading->location;
	char *file;
	size_t n;

	reading->result = file_read(registry_place(location->registry), REGISTRY_MAX_BYTES, &file,
				    &n, &reading->err);
	if (reading->result < 0)
		return;
	if (location->translated)
		reading->result = registry_body_translate(
			location->registry, (struct str){ file, n }, reading->catalogs,
			location->catalog_language, &reading->body, &reading->err);
	else
		strbuf_put(&reading->body, (struct str){ file, n });
	free(file);
}

static void answer_body(struct api *api, struct api_job *job)
{
	struct reading *reading = CONTAINER_OF(job, struct reading, job);

	if (reading->result < 0)
		reply_error(job->request, 500, "InternalError", .resolution = reading->err.text);
	else
		reply_json(job->request, 200, "GET, HEAD", strbuf_str(&reading->body));
	strbuf_fini(&reading->body);
	registry_set_unref(reading->set);
	catalog_set_unref(reading->catalogs);
	free(reading);
}

static void ask_for_body(struct api *api, struct http_request *request,
			 const struct location *location)
{
	struct reading *reading = xcalloc(1, sizeof(*reading));

	reading->job = (struct api_job){ .query = { .run = read_body, .ctx = reading },
					 .answer = answer_body,
					 .request = request };
	reading->location = *location;
	reading->set = registry_set_ref(api->registries);
	reading->catalogs = location->translated ? catalog_set_ref(api->catalogs) : NULL;
	strbuf_init(&reading->body, BODY_MAX_BYTES);
	if (api_submit(api, api->config.pool, &reading->job))
		return;
	strbuf_fini(&reading->body);
	registry_set_unref(reading->set);
	catalog_set_unref(reading->catalogs);
	free(reading);
}

static void answer_missing(const struct target *target)
{
	reply_error(target->request, 404, "ResourceNotFound",
		    .args = { STR("MessageRegistryFile"), target->rest });
}

bool registry_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct search search;

	refresh(api);
	search = find_file(api, target->ids[0]);
	if (search.found)
		put_file(api, out, &search.shelf, search.i);
	return search.found;
}

void registries_get_body(struct api *api, const struct target *target)
{
	struct search search;
	struct location location;

	refresh(api);
	search = find_file(api, target->ids[0]);
	if (search.found && find_location(&search, target->ids[1], &location))
		ask_for_body(api, target->request, &location);
	else
		answer_missing(target);
}

/* --- adding and removing -------------------------------------------------------------------------
 */

struct change {
	struct api_job job;
	struct strbuf hashes; /* to be removed: HASH_CHARS each */
	struct str body;      /* to be added; the request's, or `copy` */
	char *copy;
	struct strbuf report;
	char *location; /* of the first one added */
	size_t n_added, n_new, n_refused;
	int status;
	struct err err;
};

static struct change *change_new(struct http_request *request,
				 void (*run)(struct query_job *, struct db *, const char *),
				 void (*answer)(struct api *, struct api_job *))
{
	struct change *change = xcalloc(1, sizeof(*change));

	change->job = (struct api_job){ .query = { .run = run, .ctx = change },
					.answer = answer,
					.request = request };
	strbuf_init(&change->report, API_PAGE_MAX_BYTES);
	strbuf_init(&change->hashes, API_PAGE_MAX_BYTES);
	return change;
}

static void change_free(struct change *change)
{
	strbuf_fini(&change->report);
	strbuf_fini(&change->hashes);
	free(change->location);
	free(change->copy);
	free(change);
}

/* What was sent, being taken in. */
struct adding {
	struct change *change;
	struct db *db;
	int refusal; /* of the last file that is no registry */
};

static int status_of(int r)
{
	return r == -ENOTCONN || r == -EAGAIN ? 503 : 500;
}

static void report_added(struct change *change, const struct registry *registry, bool is_new)
{
	struct strbuf *out = &change->report;

	strbuf_put_text(out, change->n_added++ > 0 ? ",{" : "{");
	strbuf_putf(out, "\"Registry\":\"%.*s.%.*s\"", STR_ARG(registry_prefix(registry)),
		    STR_ARG(registry_version(registry)));
	put_member(out, "Language", registry_language(registry));
	put_member(out, "SHA256", registry_sha256(registry));
	strbuf_putf(out, ",\"Keys\":%zu,\"Findings\":%zu,\"New\":%s}", registry_count(registry),
		    count_findings(registry), is_new ? "true" : "false");
	change->n_new += is_new;
	if (!change->location)
		change->location =
			xasprintf(REGISTRIES_PATH "/%.*s.%.*s", STR_ARG(registry_prefix(registry)),
				  STR_ARG(registry_version(registry)));
}

/* A file of what was sent: what is no message registry is told, and passed by. */
static int add_file(void *ctx, struct str name, struct str bytes)
{
	struct adding *adding = ctx;
	struct change *change = adding->change;
	struct registry *registry = NULL;
	char *place = xstrndup(name);
	bool is_new = false;
	struct err err = { "" };
	int r;

	r = registry_parse(bytes, place, &registry, &err);
	free(place);
	if (r < 0) {
		adding->refusal = r;
		if (change->n_refused++ == 0)
			change->err = err;
		return 0;
	}
	r = registry_store_put(adding->db, registry, bytes, NULL, &is_new, &change->err);
	if (r == 0)
		report_added(change, registry, is_new);
	registry_unref(registry);
	return r;
}

static void run_add(struct query_job *query, struct db *db, const char *why)
{
	struct change *change = query->ctx;
	struct adding adding = { .change = change, .db = db };
	int r;

	if (!db) {
		change->status = 503;
		err_set(&change->err, 0, "The database cannot be reached: %s.", why);
		return;
	}
	r = archive_each(change->body, "the body", add_file, &adding, &change->err);
	if (r == -EFBIG || r == -EBADMSG)
		change->status = r == -EFBIG ? 413 : 400;
	else if (r < 0)
		change->status = status_of(r);
	else if (change->n_added == 0)
		change->status = adding.refusal == -EFBIG ? 413 : 400;
	else
		change->status = change->n_new > 0 ? 201 : 200;
}

static void refuse_change(const struct change *change)
{
	const char *words = change->err.text;

	if (change->status == 503)
		reply_error(change->job.request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = words);
	else if (change->status == 413)
		reply_error(change->job.request, 413, "PayloadTooLarge", .resolution = words);
	else if (change->status == 400)
		reply_error(change->job.request, 400, "UnrecognizedRequestBody",
			    .resolution = words);
	else
		reply_error(change->job.request, change->status, "InternalError",
			    .resolution = words);
}

static void answer_change(struct api *api, struct api_job *job)
{
	struct change *change = CONTAINER_OF(job, struct change, job);
	struct strbuf body;

	if (change->status >= 400) {
		refuse_change(change);
	} else if (change->status == 204) {
		reply_empty(job->request);
	} else {
		strbuf_init(&body, API_PAGE_MAX_BYTES);
		strbuf_putf(&body, "{\"Added\":[%.*s],\"Refused\":%zu",
			    STR_ARG(strbuf_str(&change->report)), change->n_refused);
		if (change->n_refused > 0)
			put_member(&body, "FirstRefusal", str_of(change->err.text));
		strbuf_put_char(&body, '}');
		reply_json_with(job->request, change->status, "Location", str_of(change->location),
				strbuf_str(&body));
		strbuf_fini(&body);
	}
	change_free(change);
}

static void drop_change(struct api_job *job)
{
	change_free(CONTAINER_OF(job, struct change, job));
}

static bool change_failed(const struct api_job *job, struct err *why)
{
	const struct change *change = (const struct change *)(const void *)job;

	static_assert(offsetof(struct change, job) == 0, "as the cast has it");
	*why = change->err;
	return change->status >= 400;
}

void registries_add(struct api *api, const struct target *target)
{
	struct change *change = change_new(target->request, run_add, answer_change);
	bool is_task = task_is_preferred(target->request);

	change->body = http_request_body(target->request);
	change->job.drop = drop_change;
	change->job.failure = change_failed;
	if (is_task) { /* the request will not be there any more */
		change->copy = xstrndup(change->body);
		change->body.p = change->copy;
	}
	if (!api_submit(api, api->config.writes, &change->job))
		change_free(change);
	else if (is_task)
		task_begin(api, target, &change->job, "Adding registries");
}

static void run_remove(struct query_job *query, struct db *db, const char *why)
{
	struct change *change = query->ctx;
	int r = 0;

	change->status = 503;
	if (!db) {
		err_set(&change->err, 0, "The database cannot be reached: %s.", why);
		return;
	}
	for (size_t at = 0; r >= 0 && at < change->hashes.len; at += HASH_CHARS)
		r = registry_store_remove(db, (struct str){ change->hashes.p + at, HASH_CHARS },
					  &change->err);
	change->status = r < 0 ? status_of(r) : 204;
}

/* The file's own registry, and those that are its other Locations. */
static void put_hashes(const struct api *api, struct strbuf *out, const struct search *search)
{
	const struct shelf *shelf = &search->shelf;

	for (size_t i = shelf->first; i < shelf->end; i++) {
		const struct registry *registry = registry_set_at(shelf->set, i);

		if ((i == search->i || (search->i == shelf->first && is_location(shelf, i))) &&
		    strcmp(origin_of(api, registry), "folder") != 0)
			strbuf_put(out, registry_sha256(registry));
	}
}

void registries_remove(struct api *api, const struct target *target)
{
	const struct registry *registry;
	struct change *change;
	struct search search;
	struct strbuf body;
	char etag[ETAG_BYTES];
	struct err err;
	bool matches;

	refresh(api);
	search = find_file(api, target->rest);
	if (!search.found) {
		answer_missing(target);
		return;
	}
	strbuf_init(&body, API_PAGE_MAX_BYTES);
	put_file(api, &body, &search.shelf, search.i);
	matches = reply_if_match(target->request, etag_of(strbuf_str(&body), etag), false);
	strbuf_fini(&body);
	if (!matches)
		return;
	registry = registry_set_at(api->registries, search.i);
	if (strcmp(origin_of(api, registry), "folder") == 0) {
		err_set(&err, 0, "It is the file '%s': take it out of its folder and send SIGHUP.",
			registry_place(registry));
		reply_error(target->request, 405, "ResourceCannotBeDeleted", .resolution = err.text,
			    .allow = "GET, HEAD");
		return;
	}
	change = change_new(target->request, run_remove, answer_change);
	put_hashes(api, &change->hashes, &search);
	if (!api_submit(api, api->config.writes, &change->job))
		change_free(change);
}
