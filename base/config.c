#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/config_name_priv.h"
#include "base/config_value_priv.h"
#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "base/yaml_priv.h"

#define MESSAGE_MAX_BYTES 600
/* Of a mistaken value, in a message. */
#define SHOWN_BYTES 80

/* One reading of one text. */
struct reading {
	const char *place;
	bool has_lines; /* of a file; a --set has none worth naming */
	struct arena *arena;
	struct err *err;
};

struct group {
	struct str path;
	size_t line;
	struct group *next;
};

/* One table of keys being filled: the whole configuration, or one element of a list of maps. */
struct scope {
	const struct config_key *keys;
	char *base;
	const char *label; /* "sources[2]." or "" */
	size_t *lines;     /* where each key was given; 0: not yet */
	struct group *groups;
};

static int fail(const struct reading *reading, size_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct reading *reading, size_t line, const char *format, ...)
{
	char text[MESSAGE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!reading->has_lines)
		return err_set(reading->err, -EINVAL, "%s: %s", reading->place, text);
	return err_set(reading->err, -EINVAL, "%s:%zu: %s", reading->place, line, text);
}

static int too_large(const struct reading *reading)
{
	return err_set(reading->err, -E2BIG, "%s: too large", reading->place);
}

/* --- what values own ---------------------------------------------------------------------------
 */

static void free_value(const struct config_key *key, void *at)
{
	struct config_list *list = at;
	struct config_maps *maps = at;
	char *text;

	switch (key->type) {
	case CONFIG_TEXT:
		text = *(char **)at;
		if (text && key->secret)
			secrets_wipe(text, strlen(text));
		free(text);
		*(char **)at = NULL;
		break;
	case CONFIG_LIST:
		for (size_t i = 0; i < list->n; i++)
			free(list->items[i]);
		free(list->items);
		*list = (struct config_list){ 0 };
		break;
	case CONFIG_MAPS:
		for (size_t i = 0; i < maps->n; i++)
			config_free(key->fields, (char *)maps->items + i * maps->item_bytes);
		free(maps->items);
		*maps = (struct config_maps){ .item_bytes = key->item_bytes };
		break;
	default: break;
	}
}

static void zero_value(const struct config_key *key, void *at)
{
	switch (key->type) {
	case CONFIG_TEXT: *(char **)at = NULL; break;
	case CONFIG_BOOL: *(bool *)at = false; break;
	case CONFIG_ENUM: *(int *)at = 0; break;
	case CONFIG_LIST: *(struct config_list *)at = (struct config_list){ 0 }; break;
	case CONFIG_MAPS:
		*(struct config_maps *)at = (struct config_maps){ .item_bytes = key->item_bytes };
		break;
	default: *(int64_t *)at = 0; break;
	}
}

void config_free(const struct config_key *keys, void *values)
{
	for (const struct config_key *key = keys; key->name; key++)
		free_value(key, (char *)values + key->offset);
}

/* --- one value ---------------------------------------------------------------------------------
 */

/* "log.level takes one of 'error', …, not 'loud'" */
static int fail_value(const struct reading *reading, const struct config_key *key, const char *name,
		      const struct yaml_node *node)
{
	static const char *const kinds[] = { "a value", "a list", "a map" };
	struct strbuf allowed;
	int r;

	strbuf_init(&allowed, MESSAGE_MAX_BYTES);
	config_value_allowed(key, &allowed);
	if (node->kind != YAML_SCALAR || key->secret)
		r = fail(reading, node->line, "%s takes %s, not %s", name, strbuf_str(&allowed).p,
			 kinds[node->kind]);
	else if (yaml_is_null(node))
		r = fail(reading, node->line, "%s takes %s; it has no value here", name,
			 strbuf_str(&allowed).p);
	else
		r = fail(reading, node->line, "%s takes %s, not '%.*s'", name,
			 strbuf_str(&allowed).p, SHOWN_BYTES, node->text.p);
	strbuf_fini(&allowed);
	return r;
}

static void store_text(const struct config_key *key, char *at, struct str text)
{
	free_value(key, at);
	if (text.len > 0)
		*(char **)at = xstrndup(text);
}

/* The first line of the file that a NAME_file key names. */
static int store_file(const struct reading *reading, const struct config_key *key, char *at,
		      const char *name, const struct yaml_node *node)
{
	struct err why;
	struct str line;
	char *content;
	size_t n;
	int r;

	if (node->kind != YAML_SCALAR || node->text.len == 0)
		return fail(reading, node->line, "%s_file takes the path of a file", name);
	r = file_read(node->text.p, CONFIG_MAX_SECRET_BYTES, &content, &n, &why);
	if (r < 0)
		return fail(reading, node->line, "%s_file: %s", name, why.text);
	line = (struct str){ content, n };
	line.len = str_find_char(line, '\n');
	line = str_trim(line);
	if (line.len == 0 || memchr(line.p, '\0', line.len))
		r = fail(reading, node->line, "%s_file: no text in the first line of '%s'", name,
			 node->text.p);
	else
		store_text(key, at, line);
	secrets_wipe(content, n);
	free(content);
	return r;
}

static void append(struct config_list *list, struct str text)
{
	list->items = xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
	list->items[list->n++] = xstrndup(text);
}

/* "a, b": each part trimmed, empty ones left out. */
static void store_commas(const struct config_key *key, char *at, struct str text)
{
	struct config_list list = { 0 };

	while (text.len > 0) {
		size_t n = str_find_char(text, ',');
		struct str part = str_trim((struct str){ text.p, n });

		if (part.len > 0)
			append(&list, part);
		n += n < text.len;
		text = (struct str){ text.p + n, text.len - n };
	}
	free_value(key, at);
	*(struct config_list *)(void *)at = list;
}

static int store_list(const struct reading *reading, const struct config_key *key, char *at,
		      const char *name, const struct yaml_node *node)
{
	struct config_list list = { 0 };

	if (node->kind == YAML_MAP)
		return fail_value(reading, key, name, node);
	if (node->kind == YAML_SCALAR && (node->plain || node->text.len == 0)) {
		store_commas(key, at, yaml_is_null(node) ? STR("") : node->text);
		return 0;
	}
	for (const struct yaml_node *item = node->first; item; item = item->next) {
		if (item->kind != YAML_SCALAR || item->text.len == 0)
			return fail(reading, item->line, "%s takes a list of texts; one of them %s",
				    name, item->kind == YAML_SCALAR ? "is empty" : "is none");
	}
	if (node->kind == YAML_SCALAR)
		append(&list, node->text);
	for (const struct yaml_node *item = node->first; item; item = item->next)
		append(&list, item->text);
	free_value(key, at);
	*(struct config_list *)(void *)at = list;
	return 0;
}

static int store_maps(const struct reading *reading, const struct config_key *key, char *at,
		      const char *name, const struct yaml_node *node);

static int store(const struct reading *reading, const struct config_key *key, char *at,
		 const char *name, const struct yaml_node *node)
{
	switch (key->type) {
	case CONFIG_LIST: return store_list(reading, key, at, name, node);
	case CONFIG_MAPS: return store_maps(reading, key, at, name, node);
	case CONFIG_TEXT:
		if (node->kind != YAML_SCALAR)
			return fail_value(reading, key, name, node);
		store_text(key, at, yaml_is_null(node) ? STR("") : node->text);
		return 0;
	default:
		if (node->kind != YAML_SCALAR || !config_value_parse(key, node->text, at))
			return fail_value(reading, key, name, node);
		return 0;
	}
}

/* --- maps of keys ------------------------------------------------------------------------------
 */

static int fail_unknown(const struct reading *reading, const struct scope *scope, struct str path,
			size_t line)
{
	struct strbuf near;
	int r;

	strbuf_init(&near, MESSAGE_MAX_BYTES);
	if (config_name_nearest(scope->keys, path, &near))
		r = fail(reading, line, "unknown key '%s%s' (did you mean '%s%s'?)", scope->label,
			 path.p, scope->label, strbuf_str(&near).p);
	else
		r = fail(reading, line, "unknown key '%s%s'", scope->label, path.p);
	strbuf_fini(&near);
	return r;
}

static int fail_twice(const struct reading *reading, const struct scope *scope, const char *name,
		      size_t line, size_t first_line)
{
	return fail(reading, line, "'%s%s' is given twice, first in line %zu", scope->label, name,
		    first_line);
}

static int apply_key(const struct reading *reading, struct scope *scope,
		     const struct config_key *key, bool is_file, const struct yaml_node *node)
{
	size_t *line = &scope->lines[key - scope->keys];
	char *at = scope->base + key->offset;
	struct str name;

	if (*line != 0)
		return fail_twice(reading, scope, key->name, node->line, *line);
	*line = node->line;
	name = arena_putf(reading->arena, "%s%s", scope->label, key->name);
	if (!name.p)
		return too_large(reading);
	if (is_file)
		return store_file(reading, key, at, name.p, node->value);
	return store(reading, key, at, name.p, node->value);
}

static int apply_map(const struct reading *reading, struct scope *scope, struct str prefix,
		     const struct yaml_node *map);

static int apply_group(const struct reading *reading, struct scope *scope,
		       const struct config_key *below, struct str path,
		       const struct yaml_node *node)
{
	struct group *group;

	for (group = scope->groups; group; group = group->next)
		if (str_eq(group->path, path))
			return fail_twice(reading, scope, path.p, node->line, group->line);
	group = arena_alloc(reading->arena, sizeof(*group));
	if (!group)
		return too_large(reading);
	*group = (struct group){ path, node->line, scope->groups };
	scope->groups = group;
	if (yaml_is_null(node->value))
		return 0; /* "log:" with everything below commented out */
	if (node->value->kind != YAML_MAP)
		return fail(reading, node->line, "'%s%s' takes a map of keys such as '%s'",
			    scope->label, path.p, below->name);
	return apply_map(reading, scope, path, node->value);
}

static int apply_map(const struct reading *reading, struct scope *scope, struct str prefix,
		     const struct yaml_node *map)
{
	for (const struct yaml_node *node = map->first; node; node = node->next) {
		struct str path =
			arena_putf(reading->arena, "%s%s%s", prefix.len > 0 ? prefix.p : "",
				   prefix.len > 0 ? "." : "", node->text.p);
		const struct config_key *key, *below;
		bool is_file;
		int r;

		if (!path.p)
			return too_large(reading);
		key = config_name_find(scope->keys, path, &is_file);
		below = key ? NULL : config_name_group(scope->keys, path);
		if (key)
			r = apply_key(reading, scope, key, is_file, node);
		else if (below)
			r = apply_group(reading, scope, below, path, node);
		else
			r = fail_unknown(reading, scope, path, node->line);
		if (r < 0)
			return r;
	}
	return 0;
}

static int scope_init(const struct reading *reading, const struct config_key *keys, void *base,
		      const char *label, struct scope *out)
{
	size_t n = 0;

	while (keys[n].name)
		n++;
	*out = (struct scope){ .keys = keys, .base = base, .label = label };
	out->lines = arena_alloc(reading->arena, (n + 1) * sizeof(*out->lines));
	return out->lines ? 0 : too_large(reading);
}

static bool is_empty(const struct config_key *key, const void *at)
{
	return key->type == CONFIG_TEXT && !*(char *const *)at;
}

static int store_map(const struct reading *reading, const struct config_key *key, char *item,
		     const char *name, size_t index, const struct yaml_node *node)
{
	struct str label = arena_putf(reading->arena, "%s[%zu].", name, index);
	struct scope scope;
	int r;

	if (!label.p)
		return too_large(reading);
	if (node->kind != YAML_MAP)
		return fail(reading, node->line, "%s takes a list of maps; element %zu is none",
			    name, index);
	r = config_defaults(key->fields, item, reading->err);
	if (r == 0)
		r = scope_init(reading, key->fields, item, label.p, &scope);
	if (r == 0)
		r = apply_map(reading, &scope, STR(""), node);
	for (const struct config_key *field = key->fields; r == 0 && field->name; field++)
		if (field->required && (scope.lines[field - key->fields] == 0 ||
					is_empty(field, item + field->offset)))
			r = fail(reading, node->line, "%s%s is missing", label.p, field->name);
	return r;
}

static int store_maps(const struct reading *reading, const struct config_key *key, char *at,
		      const char *name, const struct yaml_node *node)
{
	struct config_maps maps = { .item_bytes = key->item_bytes };
	const struct yaml_node *element = node->first;
	int r = 0;

	if (node->kind != YAML_LIST && !yaml_is_null(node))
		return fail_value(reading, key, name, node);
	maps.items = node->n > 0 ? xcalloc(node->n, key->item_bytes) : NULL;
	for (; r == 0 && element; element = element->next) {
		char *item = (char *)maps.items + maps.n * key->item_bytes;

		r = store_map(reading, key, item, name, maps.n++, element);
	}
	/* What stays behind goes the way the old value would. */
	if (r == 0) {
		free_value(key, at);
		*(struct config_maps *)(void *)at = maps;
	} else {
		free_value(key, &maps);
	}
	return r;
}

/* --- doors ---------------------------------------------------------------------------------------
 */

/* `text` as it would be written behind "key: " or "--set key=". */
static int set_text(const struct reading *reading, const struct config_key *key, char *at,
		    struct str text)
{
	struct yaml_node nothing = { .plain = true, .line = 1 };
	struct yaml_node *node = NULL;
	bool is_text;
	int r = yaml_read(reading->arena, text, reading->place, &node, reading->err);

	if (r == 0 && !node)
		node = &nothing;
	is_text = node && node->kind == YAML_SCALAR && (!node->plain || yaml_is_null(node));
	/* A URL or an address may look like something else to YAML: "[::]:8443". */
	if (key->type == CONFIG_TEXT && !is_text) {
		store_text(key, at, str_trim(text));
		return 0;
	}
	if (key->type == CONFIG_LIST && !is_text && !(node && node->kind == YAML_LIST)) {
		text = str_trim(text);
		if (r < 0 && str_starts_with(text, STR("[")) && str_ends_with(text, STR("]")))
			return r;
		store_commas(key, at, text);
		return 0;
	}
	return r < 0 ? r : store(reading, key, at, key->name, node);
}

int config_defaults(const struct config_key *keys, void *out, struct err *err)
{
	struct reading reading = { .place = "default", .err = err };
	int r = 0;

	/* All first: after a failure config_free() must find no garbage. */
	for (const struct config_key *key = keys; key->name; key++)
		zero_value(key, (char *)out + key->offset);
	reading.arena = arena_new(CONFIG_MAX_TREE_BYTES);
	for (const struct config_key *key = keys; r == 0 && key->name; key++)
		if (key->initial)
			r = set_text(&reading, key, (char *)out + key->offset,
				     str_of(key->initial));
	arena_free(reading.arena);
	return r;
}

int config_parse(const struct config_key *keys, void *out, struct str yaml, const char *place,
		 struct err *err)
{
	struct reading reading = { .place = place, .has_lines = true, .err = err };
	struct yaml_node *root = NULL;
	struct scope scope;
	int r;

	if (yaml.len > CONFIG_MAX_BYTES)
		return err_set(err, -EFBIG, "%s: larger than %u bytes", place, CONFIG_MAX_BYTES);
	reading.arena = arena_new(CONFIG_MAX_TREE_BYTES);
	r = yaml_read(reading.arena, yaml, place, &root, err);
	if (r < 0 || !root || yaml_is_null(root))
		goto out;
	if (root->kind != YAML_MAP) {
		r = fail(&reading, root->line, "takes a map of keys, not a %s",
			 root->kind == YAML_LIST ? "list" : "value");
		goto out;
	}
	r = scope_init(&reading, keys, out, "", &scope);
	if (r == 0)
		r = apply_map(&reading, &scope, STR(""), root);
out:
	arena_free(reading.arena);
	return r;
}

/* A name that no key has. */
static int fail_set_name(const struct reading *reading, const struct config_key *keys,
			 struct str name)
{
	const struct config_key *below = config_name_group(keys, name);
	struct scope scope = { .keys = keys, .label = "" };

	if (below)
		return fail(reading, 1, "'%s' is a group of keys; set one of them, such as '%s'",
			    name.p, below->name);
	return fail_unknown(reading, &scope, name, 1);
}

int config_set(const struct config_key *keys, void *out, const char *assignment, struct err *err)
{
	struct reading reading = { .place = "--set", .err = err };
	struct str all = str_of(assignment), name, text;
	struct yaml_node path = { .kind = YAML_SCALAR, .line = 1 };
	const struct config_key *key;
	size_t equals = str_find_char(all, '=');
	bool is_file;
	int r;

	if (equals == all.len)
		return err_set(err, -EINVAL, "--set: '%s' is not KEY=VALUE", assignment);
	if (all.len > CONFIG_MAX_BYTES)
		return err_set(err, -EFBIG, "--set: larger than %u bytes", CONFIG_MAX_BYTES);
	reading.arena = arena_new(CONFIG_MAX_TREE_BYTES);
	name = arena_copy(reading.arena, str_trim((struct str){ all.p, equals }));
	text = (struct str){ all.p + equals + 1, all.len - equals - 1 };
	key = config_name_find(keys, name, &is_file);
	path.text = text;
	if (!key)
		r = fail_set_name(&reading, keys, name);
	else if (is_file)
		r = store_file(&reading, key, (char *)out + key->offset, key->name, &path);
	else
		r = set_text(&reading, key, (char *)out + key->offset, text);
	arena_free(reading.arena);
	return r;
}
