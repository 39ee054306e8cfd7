#include "subscribe/registry_fetch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "subscribe/limits.h"
#include "subscribe/path_spelling.h"
#include "subscribe/registry_fetch_priv.h"
#include "subscribe/source_url.h"

#define ROOT       STR("/redfish/v1/")
#define REGISTRIES STR("/redfish/v1/Registries")

/* One GET; the status as walk_get says. */
static int get_once(struct walk *walk, struct str path, struct str etag, struct err *err)
{
	int r = source_client_get(walk->client, path, etag, &walk->answer, err);
	long status = walk->answer.status;

	if (r < 0)
		return r;
	if (status == 304 && etag.len > 0)
		return 0;
	if (status == 200) {
		path_spelling_learn(walk->spelling, strbuf_str(&walk->answer.path));
		return 0;
	}
	return err_set(err, status == 404 || status == 410 ? -ENOENT : -EIO, "%.*s%.*s: HTTP %ld",
		       STR_ARG(source_client_origin(walk->client)), STR_ARG(path), status);
}

int walk_get(struct walk *walk, struct str path, struct str etag, struct err *err)
{
	struct strbuf spelt;
	int r = get_once(walk, path, etag, err);

	if (r != -ENOENT)
		return r;
	strbuf_init(&spelt, FETCH_MAX_URI_BYTES);
	if (path_spelling_fix(walk->spelling, path, &spelt))
		r = get_once(walk, strbuf_str(&spelt), etag, err);
	strbuf_fini(&spelt);
	return r;
}

bool walk_is_new(struct map *paths, struct str path)
{
	return !map_put(paths, path, paths);
}

int walk_note(struct walk *walk, const struct err *words, struct err *err)
{
	int over = source_client_over(walk->client);

	if (walk->result->failed++ == 0)
		walk->result->first_failure = *words;
	return over < 0 ? err_set(err, over, "%s", words->text) : 0;
}

/* `reference` of the resource just answered, as a path that lives as long as the walk. */
static int resolve(struct walk *walk, struct str reference, struct str *out, struct err *err)
{
	struct str from = strbuf_str(&walk->answer.path);
	struct strbuf path;
	int r;

	strbuf_init(&path, FETCH_MAX_URI_BYTES);
	r = source_url_path(source_client_origin(walk->client), from, reference, &path, err);
	if (r < 0)
		err_prefix(err, r, "%.*s", STR_ARG(from));
	else
		*out = arena_copy(walk->arena, strbuf_str(&path));
	if (r == 0 && !out->p)
		r = err_set(err, -ENOMEM, "more addresses than %u bytes hold",
			    FETCH_ARENA_MAX_BYTES);
	strbuf_fini(&path);
	return r;
}

/* An address of a Location; one that is not followed is a failure, and absent. */
static int resolve_optional(struct walk *walk, struct str *reference, struct err *err)
{
	struct err words;
	struct str path = { 0 };
	int r = 0;

	if (reference->p && resolve(walk, *reference, &path, &words) < 0)
		r = walk_note(walk, &words, err);
	*reference = path;
	return r;
}

static int want(struct walk *walk, const struct links_file *file, size_t i, struct err *err)
{
	struct wanted *wanted = &walk->wanted[walk->n_wanted];
	int r;

	*wanted = (struct wanted){ .location = file->locations[i], .registry = file->registry };
	r = resolve_optional(walk, &wanted->location.uri, err);
	if (r == 0)
		r = resolve_optional(walk, &wanted->location.archive_uri, err);
	if (wanted->location.uri.p || wanted->location.archive_uri.p)
		walk->n_wanted++;
	return r;
}

/* A member that is a registry itself, or too large to be anything else. */
static int give_member(struct walk *walk, struct str path, struct err *err)
{
	struct wanted itself = { .location.uri = path };
	struct err words;
	int r;

	walk_is_new(walk->bodies, path);
	walk->result->asked++;
	r = walk_give_answer(walk, &itself, path, &words);
	if (walk->ended < 0)
		*err = words;
	return r < 0 && walk->ended == 0 ? walk_note(walk, &words, err) : r;
}

/* One MessageRegistryFile. */
static int read_member(struct walk *walk, struct str path, struct err *err)
{
	struct links_file file;
	struct err words;
	int r = walk_get(walk, path, (struct str){ 0 }, &words);

	if (r < 0)
		return walk_note(walk, &words, err);
	r = links_file_parse(strbuf_str(&walk->answer.body), walk->arena, &file, &words);
	if (r == -EFBIG || (r == 0 && file.is_registry))
		return give_member(walk, path, err);
	if (r < 0) {
		err_prefix(&words, r, "%.*s", STR_ARG(path));
		return walk_note(walk, &words, err);
	}
	if (links_name_is_other(file.registry)) {
		walk->result->not_registries++;
		return 0;
	}
	for (size_t i = 0; r == 0 && i < file.n_locations; i++)
		if (walk->n_wanted < FETCH_MAX_ALL_LOCATIONS)
			r = want(walk, &file, i, err);
	return r;
}

/* The members of a page, which the next answer overwrites: all paths first. */
static int read_members(struct walk *walk, struct links_page *page, struct err *err)
{
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < page->n_members; i++) {
		struct str path = page->members[i];

		r = resolve_optional(walk, &path, err);
		if (!path.p || !walk_is_new(walk->seen, path))
			continue;
		if (links_name_is_other(path))
			walk->result->not_registries++;
		else
			page->members[n++] = path;
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_member(walk, page->members[i], err);
	return r;
}

/* The page just answered, its members, and the path of the one after it (p NULL: none). */
static int read_page(struct walk *walk, struct str path, size_t *n_members, struct str *next,
		     struct err *err)
{
	struct links_page page;
	struct err words;
	int r = links_page_parse(strbuf_str(&walk->answer.body), walk->arena, &page, err);

	*next = (struct str){ 0 };
	if (r < 0)
		return err_prefix(err, r, "%.*s%.*s", STR_ARG(source_client_origin(walk->client)),
				  STR_ARG(path));
	if (page.next.p && resolve(walk, page.next, next, &words) < 0)
		r = walk_note(walk, &words, err);
	if (page.n_members > FETCH_MAX_MEMBERS - *n_members)
		page.n_members = FETCH_MAX_MEMBERS - *n_members;
	*n_members += page.n_members;
	return r < 0 ? r : read_members(walk, &page, err);
}

/* Pages from the one just answered on. A chain that comes back to itself, or never ends, is cut. */
static int read_collection(struct walk *walk, struct str path, struct err *err)
{
	size_t n_members = 0, n_pages = 1;
	struct err words;
	struct str next;
	int r;

	walk_is_new(walk->seen, path);
	r = read_page(walk, path, &n_members, &next, err);
	while (r == 0 && next.p) {
		path = next;
		if (!walk_is_new(walk->seen, path) || ++n_pages > FETCH_MAX_PAGES) {
			err_set(&words, -ELOOP, "%.*s: pages without end, cut after %zu",
				STR_ARG(path), n_pages);
			return walk_note(walk, &words, err);
		}
		r = walk_get(walk, path, (struct str){ 0 }, &words);
		if (r < 0)
			return walk_note(walk, &words, err);
		r = read_page(walk, path, &n_members, &next, &words);
		if (r == -EBADMSG)
			return walk_note(walk, &words, err);
		if (r < 0)
			*err = words;
	}
	return r;
}

/* The service root, for its links: what it does not say is taken from the standard. */
static int read_root(struct walk *walk, struct str *registries, struct err *err)
{
	struct links_root root = { 0 };
	int r = walk_get(walk, ROOT, (struct str){ 0 }, err);

	*registries = REGISTRIES;
	if (r == -ENOENT || (r == -EIO && walk->answer.status > 0))
		return 0;
	if (r < 0)
		return r;
	if (links_root_parse(strbuf_str(&walk->answer.body), walk->arena, &root, NULL) < 0)
		return 0;
	if (root.sessions.p && resolve(walk, root.sessions, &root.sessions, NULL) == 0)
		source_client_set_sessions(walk->client, root.sessions);
	if (root.registries.p && resolve(walk, root.registries, &root.registries, NULL) == 0)
		*registries = root.registries;
	return 0;
}

static int find_all(struct walk *walk, struct err *err)
{
	struct str path;
	int r = read_root(walk, &path, err);

	if (r < 0)
		return r;
	r = walk_get(walk, path, (struct str){ 0 }, err);
	if (r == -ENOENT && !str_eq(path, REGISTRIES)) {
		path = REGISTRIES;
		r = walk_get(walk, path, (struct str){ 0 }, err);
	}
	return r < 0 ? r : read_collection(walk, path, err);
}

int registry_fetch(const struct registry_fetch_config *config, registry_fetched_fn *fn, void *ctx,
		   struct registry_fetch_result *result, struct err *err)
{
	const struct source_client_config client = {
		.url = config->url,
		.user = config->user,
		.password = config->password,
		.ca_file = config->ca_file,
		.insecure = config->insecure,
		.request_ms = config->request_ms,
		.budget_ms = config->budget_ms,
		.stop = config->stop,
	};
	struct walk walk = { .config = config, .fn = fn, .ctx = ctx, .result = result };
	int r;

	*result = (struct registry_fetch_result){ 0 };
	r = source_client_open(&client, &walk.client, err);
	if (r < 0)
		return r;
	source_answer_init(&walk.answer);
	walk.arena = arena_new(FETCH_ARENA_MAX_BYTES);
	walk.spelling = path_spelling_new(walk.arena);
	walk.seen = map_new(256);
	walk.bodies = map_new(256);
	walk.wanted = xcalloc(FETCH_MAX_ALL_LOCATIONS, sizeof(*walk.wanted));
	r = find_all(&walk, err);
	if (r == 0)
		r = walk_bodies(&walk, err);
	result->requests = source_client_requests(walk.client);
	source_client_free(walk.client);
	source_answer_fini(&walk.answer);
	path_spelling_free(walk.spelling);
	map_free(walk.seen);
	map_free(walk.bodies);
	arena_free(walk.arena);
	free(walk.wanted);
	return r;
}
