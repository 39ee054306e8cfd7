#include "subscribe/registry_links.h"

#include <errno.h>
#include <jansson.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "subscribe/limits.h"

#define MAX_LINK_DEPTH 2 /* {"Uri": {"extref": {"@odata.id": …}}} is as deep as it gets */

static int load(struct str json, json_t **out, struct err *err)
{
	json_error_t at;
	json_t *root;

	if (json.len > FETCH_MAX_DOCUMENT_BYTES)
		return err_set(err, -EFBIG, "more than %u bytes", FETCH_MAX_DOCUMENT_BYTES);
	if (str_starts_with(json, STR("\xef\xbb\xbf"))) {
		json.p += 3;
		json.len -= 3;
	}
	root = json_loadb(json.p ? json.p : "", json.len, JSON_ALLOW_NUL, &at);
	if (!root)
		return err_set(err, -EBADMSG, "not JSON: %s (line %d)", at.text, at.line);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, -EBADMSG, "not a JSON object");
	}
	*out = root;
	return 0;
}

/* Borrows. Exact spelling wins. */
static json_t *member(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	const char *key;
	json_t *at;

	if (value)
		return value;
	json_object_foreach(object, key, at) if (strcasecmp(key, name) == 0) return at;
	return NULL;
}

static struct str text_of(const json_t *value, size_t max_bytes)
{
	struct str s = { json_string_value(value), json_string_length(value) };

	return s.len > 0 && s.len <= max_bytes ? s : (struct str){ 0 };
}

/* The address of a link, whichever form it has. Borrows from `value`. */
static struct str link_of(json_t *value)
{
	static const char *const names[] = { "@odata.id", "extref", "href" };

	for (int depth = 0; json_is_object(value) && depth < MAX_LINK_DEPTH; depth++) {
		json_t *next = NULL;

		for (size_t i = 0; !next && i < ARRAY_LEN(names); i++)
			next = member(value, names[i]);
		value = next;
	}
	return text_of(value, FETCH_MAX_URI_BYTES);
}

/* A copy in the arena; `full` is set when it did not fit. */
static struct str keep(struct arena *arena, struct str s, bool *full)
{
	struct str copy = { 0 };

	if (!s.p)
		return copy;
	copy = arena_copy(arena, s);
	*full = *full || !copy.p;
	return copy;
}

static int fail_full(struct err *err)
{
	return err_set(err, -ENOMEM, "more addresses than %u bytes hold", FETCH_ARENA_MAX_BYTES);
}

int links_root_parse(struct str json, struct arena *arena, struct links_root *out, struct err *err)
{
	bool full = false;
	json_t *root, *links;
	int r = load(json, &root, err);

	if (r < 0)
		return r;
	*out = (struct links_root){ 0 };
	links = member(root, "Links");
	out->registries = keep(arena, link_of(member(root, "Registries")), &full);
	if (!out->registries.p)
		out->registries = keep(arena, link_of(member(links, "Registries")), &full);
	out->sessions = keep(arena, link_of(member(links, "Sessions")), &full);
	json_decref(root);
	return full ? fail_full(err) : 0;
}

int links_page_parse(struct str json, struct arena *arena, struct links_page *out, struct err *err)
{
	bool full = false;
	json_t *root, *members;
	size_t n;
	int r = load(json, &root, err);

	if (r < 0)
		return r;
	*out = (struct links_page){ 0 };
	members = member(root, "Members");
	n = json_array_size(members);
	if (n > FETCH_MAX_MEMBERS)
		n = FETCH_MAX_MEMBERS;
	out->members = arena_alloc(arena, (n + 1) * sizeof(*out->members));
	for (size_t i = 0; out->members && i < n; i++) {
		struct str link = keep(arena, link_of(json_array_get(members, i)), &full);

		if (link.p)
			out->members[out->n_members++] = link;
	}
	out->next = keep(arena, link_of(member(root, "Members@odata.nextLink")), &full);
	if (!json_is_array(members))
		r = err_set(err, -EBADMSG, "a collection without Members");
	json_decref(root);
	return full || !out->members ? fail_full(err) : r;
}

static struct links_location read_location(json_t *at, struct arena *arena, bool *full)
{
	return (struct links_location){
		.language =
			keep(arena, text_of(member(at, "Language"), FETCH_MAX_TEXT_BYTES), full),
		.uri = keep(arena, link_of(member(at, "Uri")), full),
		.archive_uri = keep(arena, link_of(member(at, "ArchiveUri")), full),
		.archive_file =
			keep(arena, text_of(member(at, "ArchiveFile"), FETCH_MAX_TEXT_BYTES), full),
	};
}

int links_file_parse(struct str json, struct arena *arena, struct links_file *out, struct err *err)
{
	bool full = false;
	json_t *root, *locations;
	size_t n;
	int r = load(json, &root, err);

	if (r < 0)
		return r;
	*out = (struct links_file){ 0 };
	out->registry = keep(arena, text_of(member(root, "Registry"), FETCH_MAX_TEXT_BYTES), &full);
	locations = member(root, "Location");
	out->is_registry = json_is_object(member(root, "Messages"));
	n = json_array_size(locations);
	if (n > FETCH_MAX_LOCATIONS)
		n = FETCH_MAX_LOCATIONS;
	out->locations = arena_alloc(arena, (n + 1) * sizeof(*out->locations));
	for (size_t i = 0; out->locations && i < n; i++)
		out->locations[out->n_locations++] =
			read_location(json_array_get(locations, i), arena, &full);
	json_decref(root);
	return full || !out->locations ? fail_full(err) : 0;
}

bool links_name_is_other(struct str name)
{
	static const struct str others[] = { { "attributeregistry", 17 },
					     { "privilegeregistry", 17 } };

	for (size_t i = 0; i + others[0].len <= name.len; i++)
		for (size_t k = 0; k < ARRAY_LEN(others); k++)
			if (str_eq_nocase((struct str){ name.p + i, others[k].len }, others[k]))
				return true;
	return false;
}

bool links_body_is_other(struct str body)
{
	static const struct str types[] = { { "\"#AttributeRegistry.", 20 },
					    { "\"#PrivilegeRegistry.", 20 } };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_find(body, types[i]) < body.len)
			return str_find(body, STR("\"#MessageRegistry.")) == body.len;
	return false;
}
