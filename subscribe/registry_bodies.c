#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "registries/archive.h"
#include "subscribe/limits.h"
#include "subscribe/registry_fetch_priv.h"

/* One body on its way out, whole or file by file. */
struct giving {
	struct walk *walk;
	const struct wanted *wanted;
	struct str path;
	struct err *err;
	size_t n; /* given so far, or recognised as something else */
};

static struct str last_part(struct str path)
{
	size_t n;

	while (path.len > 0 && path.p[path.len - 1] == '/')
		path.len--;
	n = path.len;
	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return (struct str){ path.p + n, path.len - n };
}

/* Beside registries an archive may hold a licence or a page to read: passed over. */
static bool looks_like_json(struct str bytes)
{
	if (str_starts_with(bytes, STR("\xef\xbb\xbf")))
		bytes = (struct str){ bytes.p + 3, bytes.len - 3 };
	while (bytes.len > 0 && isspace((unsigned char)bytes.p[0]))
		bytes = (struct str){ bytes.p + 1, bytes.len - 1 };
	return bytes.len > 0 && bytes.p[0] == '{';
}

/* Which Location speaks of the file `name` of an archive: the one with this ArchiveFile; the one
 * that led here when it names none, or when the archive is one file in a gzip. NULL: none does. */
static const struct wanted *claim_of(const struct giving *giving, struct str name)
{
	const struct walk *walk = giving->walk;
	const struct wanted *own = giving->wanted;

	for (size_t i = 0; i < walk->n_wanted; i++) {
		const struct links_location *location = &walk->wanted[i].location;

		if (location->archive_file.p && str_eq(location->archive_uri, giving->path) &&
		    str_eq_nocase(last_part(location->archive_file), last_part(name)))
			return &walk->wanted[i];
	}
	return !own->location.archive_file.p || str_starts_with(last_part(giving->path), name)
		       ? own
		       : NULL;
}

static int give(struct giving *giving, struct str name, struct str bytes, bool from_archive)
{
	static const struct wanted nothing;
	struct walk *walk = giving->walk;
	const struct wanted *claim = from_archive ? claim_of(giving, name) : giving->wanted;
	struct registry_fetched fetched = { .bytes = bytes,
					    .uri = giving->path,
					    .name = name,
					    .registry = claim ? claim->registry : nothing.registry,
					    .language = claim ? claim->location.language
							      : nothing.location.language,
					    .etag = strbuf_str(&walk->answer.etag),
					    .from_archive = from_archive };
	struct err words = { "" };
	int r = walk->fn(walk->ctx, &fetched, &words);

	if (r == 0) {
		walk->result->fetched++;
	} else if (r == -EINVAL) {
		walk->result->not_registries++;
	} else if (r == -EBADMSG || r == -EFBIG) {
		err_prefix(&words, r, "%.*s", STR_ARG(giving->path));
		return walk_note(walk, &words, giving->err);
	} else {
		*giving->err = words;
		return r;
	}
	return 0;
}

/* archive_each: whatever ends the walk is kept aside from damage of the archive. */
static int on_file(void *ctx, struct str name, struct str bytes)
{
	struct giving *giving = ctx;
	struct walk *walk = giving->walk;
	bool from_archive = bytes.p != strbuf_str(&walk->answer.body).p;

	if (from_archive && !looks_like_json(bytes))
		return 0;
	giving->n++;
	if (links_body_is_other(bytes)) {
		walk->result->not_registries++;
		return 0;
	}
	walk->ended = give(giving, name, bytes, from_archive);
	if (walk->ended == 0)
		walk->ended = source_client_over(walk->client);
	return walk->ended;
}

int walk_give_answer(struct walk *walk, const struct wanted *wanted, struct str path,
		     struct err *err)
{
	struct str origin = source_client_origin(walk->client);
	char *place = xasprintf("%.*s%.*s", STR_ARG(origin), STR_ARG(path));
	struct giving giving = { .walk = walk, .wanted = wanted, .path = path, .err = err };
	struct err words;
	int r;

	words.text[0] = '\0';
	err->text[0] = '\0';
	r = archive_each(strbuf_str(&walk->answer.body), place, on_file, &giving, &words);
	if (r == 0 && giving.n == 0)
		r = err_set(&words, -EBADMSG, "%s: holds no JSON", place);
	if (walk->ended < 0 && !err->text[0])
		err_set(err, r, "%s: ended there", place);
	else if (r < 0 && walk->ended == 0)
		*err = words;
	free(place);
	return r;
}

/* What `path` holds, unless it is held here already. */
static int get_body(struct walk *walk, const struct wanted *wanted, struct str path,
		    struct err *err)
{
	struct strbuf etag;
	int r;

	strbuf_init(&etag, FETCH_MAX_ETAG_BYTES);
	if (walk->config->has && (!walk->config->has(walk->ctx, path, &etag) || etag.failed))
		strbuf_reset(&etag);
	r = walk_get(walk, path, strbuf_str(&etag), err);
	strbuf_fini(&etag);
	if (r < 0)
		return r;
	if (walk->answer.status == 304) {
		walk->result->unchanged++;
		return 0;
	}
	return walk_give_answer(walk, wanted, path, err);
}

/* By its Uri, else from its archive. On the first pass a 404 may wait for a better spelling. */
static int get_wanted(struct walk *walk, struct wanted *wanted, bool last, struct err *err)
{
	const struct links_location *location = &wanted->location;
	struct err words = { "" };
	int r = 0;

	if (location->uri.p && (last || walk_is_new(walk->bodies, location->uri))) {
		walk->result->asked += !last;
		r = get_body(walk, wanted, location->uri, &words);
		wanted->postponed = r == -ENOENT && !last;
	}
	if (wanted->postponed)
		return 0;
	if ((r < 0 || !location->uri.p) && walk->ended == 0 && location->archive_uri.p &&
	    walk_is_new(walk->bodies, location->archive_uri)) {
		walk->result->asked++;
		r = get_body(walk, wanted, location->archive_uri, &words);
	}
	if (walk->ended < 0) {
		*err = words;
		return walk->ended;
	}
	return r < 0 ? walk_note(walk, &words, err) : 0;
}

int walk_bodies(struct walk *walk, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < walk->n_wanted; i++)
		r = get_wanted(walk, &walk->wanted[i], false, err);
	for (size_t i = 0; r == 0 && i < walk->n_wanted; i++)
		if (walk->wanted[i].postponed)
			r = get_wanted(walk, &walk->wanted[i], true, err);
	return r;
}
