/* One walk through a source's registries: finding the Locations (registry_fetch.c), then getting
 * what they name (registry_bodies.c). Private to the room. */
#ifndef SUBSCRIBE_REGISTRY_FETCH_PRIV_H
#define SUBSCRIBE_REGISTRY_FETCH_PRIV_H

#include "subscribe/registry_fetch.h"
#include "subscribe/registry_links.h"
#include "subscribe/source_client.h"

struct arena;
struct map;
struct path_spelling;

/* One Location, its addresses made paths on the source; p NULL: not given, or not to be followed.
 */
struct wanted {
	struct links_location location;
	struct str registry;
	bool postponed; /* 404 at first: again when more spellings are known */
};

struct walk {
	const struct registry_fetch_config *config;
	registry_fetched_fn *fn;
	void *ctx;
	struct registry_fetch_result *result;
	struct source_client *client;
	struct source_answer answer;
	struct arena *arena;
	struct path_spelling *spelling;
	struct map *seen;   /* paths of pages and members asked for */
	struct map *bodies; /* paths of bodies and archives asked for */
	int ended;          /* negative: why `fn`, or the client, ended the walk */
	struct wanted *wanted;
	size_t n_wanted;
};

/* GET with this source's spelling of the path when its own gives 404; `etag` may be empty. 0 with
 * an answer of 200 or 304, in walk->answer. -ENOENT for 404, -EIO for another status, else as
 * source_client_get. */
int walk_get(struct walk *walk, struct str path, struct str etag, struct err *err);
/* True the first time; `path` lives as long as the map. */
bool walk_is_new(struct map *paths, struct str path);
/* Count a failure and go on: 0. When nothing more can be asked for, the reason: the walk ends. */
int walk_note(struct walk *walk, const struct err *words, struct err *err);
/* What stands in walk->answer, got from `path`, to walk->fn: as it is, or file by file. Negative
 * with words when it cannot be unpacked, or (walk->ended) the walk is to end. */
int walk_give_answer(struct walk *walk, const struct wanted *wanted, struct str path,
		     struct err *err);
/* Get each body of walk->wanted and give it to walk->fn. */
int walk_bodies(struct walk *walk, struct err *err);

#endif
