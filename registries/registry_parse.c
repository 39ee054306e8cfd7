/* One registry file: JSON, envelope, identity. registry_messages.c does the messages. Pure. */
#include "registries/registry.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "registries/limits.h"
#include "registries/message_id.h"
#include "registries/registry_parse_priv.h"
#include "registries/registry_priv.h"
#include "translations/language.h"

#define NO_KEY          ((struct str){ NULL, 0 })
#define MAX_SHOWN_BYTES 64 /* of a name that a finding shows */

static const char *const envelope_names[] = {
	"Id",      "Name",         "Description", "Language", "RegistryPrefix", "RegistryVersion",
	"Release", "OwningEntity", "Messages",    "Oem",      "Actions",
};

/* Without the part of a character that the end of a buffer left. */
static struct str whole_characters(struct str s)
{
	for (size_t n = s.len; n > 0 && s.len - n < 3;) {
		unsigned char c = (unsigned char)s.p[--n];

		if (c < 0x80)
			break;
		if (c >= 0xc0)
			return str_is_utf8((struct str){ s.p + n, s.len - n })
				       ? s
				       : (struct str){ s.p, n };
	}
	return s;
}

struct str parse_front(const char *text)
{
	return whole_characters((struct str){ text, strnlen(text, MAX_SHOWN_BYTES) });
}

void parse_note(struct parse *parse, const char *code, struct str key, const char *format, ...)
{
	struct arena *arena = parse->registry->arena;
	struct registry_finding *finding;
	char words[512];
	va_list args;

	if (parse->n_findings >= REGISTRY_MAX_FINDINGS)
		return;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	finding = arena_alloc(arena, sizeof(*finding));
	if (!finding) {
		parse->full = true;
		return;
	}
	finding->code = code;
	finding->key = key;
	finding->words = arena_copy(arena, whole_characters(str_of(words)));
	if (!finding->words.p)
		parse->full = true;
	*parse->last = finding;
	parse->last = &finding->next;
	parse->n_findings++;
}

struct str parse_keep(struct parse *parse, struct str s)
{
	const char *known;
	struct str kept;

	if (!s.p)
		return s;
	known = map_get(parse->texts, s);
	if (known)
		return (struct str){ known, s.len };
	kept = arena_copy(parse->registry->arena, s);
	if (kept.p)
		map_put(parse->texts, kept, (void *)(uintptr_t)kept.p);
	else
		parse->full = true;
	return kept;
}

struct str parse_text(const json_t *value)
{
	if (!json_is_string(value))
		return NO_KEY;
	return (struct str){ json_string_value(value), json_string_length(value) };
}

/* Bytes of the UTF-8 sequence at the front of `s`, 0 when it starts with none. */
static size_t sequence_len(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++) {
		if (str_is_utf8((struct str){ s.p, n }))
			return n;
	}
	return 0;
}

/* Bytes that are not UTF-8 are read as Latin-1, which OEM files of Windows origin mean by them. */
static void repair_utf8(struct str text, struct strbuf *out)
{
	size_t i = 0;

	while (i < text.len) {
		size_t n = sequence_len((struct str){ text.p + i, text.len - i });

		if (n > 0) {
			strbuf_put(out, (struct str){ text.p + i, n });
		} else {
			unsigned char byte = (unsigned char)text.p[i];

			strbuf_put_char(out, (char)(0xc0 | byte >> 6));
			strbuf_put_char(out, (char)(0x80 | (byte & 0x3f)));
			n = 1;
		}
		i += n;
	}
}

/* Strict first; the same name twice in an object is noted and the last one counts. */
static json_t *load_json(struct parse *parse, struct str text, json_error_t *error)
{
	json_t *root = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, error);

	if (root || json_error_code(error) != json_error_duplicate_key)
		return root;
	parse_note(parse, "duplicate_key", NO_KEY, "line %d: %s", error->line, error->text);
	return json_loadb(text.p, text.len, 0, error);
}

static int read_json(struct parse *parse, struct str text, const char *place, json_t **out,
		     struct err *err)
{
	struct strbuf repaired;
	json_error_t error;
	int r = 0;

	strbuf_init(&repaired, (size_t)REGISTRY_MAX_BYTES * 2);
	if (str_starts_with(text, STR("\xef\xbb\xbf"))) {
		parse_note(parse, "byte_order_mark", NO_KEY,
			   "the file starts with a byte order mark");
		text = (struct str){ text.p + 3, text.len - 3 };
	}
	if (!str_is_utf8(text)) {
		parse_note(parse, "not_utf8", NO_KEY,
			   "bytes that are not UTF-8 are read as Latin-1");
		repair_utf8(text, &repaired);
		text = strbuf_str(&repaired);
	}
	*out = load_json(parse, text, &error);
	if (!*out)
		r = err_set(err, -EBADMSG, "%s:%d:%d: not JSON: %s", place, error.line,
			    error.column, error.text);
	strbuf_fini(&repaired);
	return r;
}

static void hash_bytes(struct str bytes, char out[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)bytes.p, bytes.len, hash);
	for (size_t i = 0; i < sizeof(hash); i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[64] = '\0';
}

static void check_envelope_names(struct parse *parse, json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		bool known = strchr(name, '@') != NULL;

		for (size_t i = 0; !known && i < ARRAY_LEN(envelope_names); i++)
			known = strcmp(name, envelope_names[i]) == 0;
		if (!known)
			parse_note(parse, "unknown_property", NO_KEY,
				   "'%.*s' is no property of a message registry",
				   STR_ARG(parse_front(name)));
	}
}

/* "#MessageRegistry.v1_2_0.MessageRegistry" */
static void check_odata_type(struct parse *parse, json_t *root)
{
	struct str type = parse_text(json_object_get(root, "@odata.type"));
	const struct str front = STR("#MessageRegistry.v"), back = STR(".MessageRegistry");
	bool fine = str_starts_with(type, front) && str_ends_with(type, back) &&
		    type.len > front.len + back.len;

	for (size_t i = front.len; fine && i < type.len - back.len; i++)
		fine = type.p[i] == '_' || (type.p[i] >= '0' && type.p[i] <= '9');
	if (!fine)
		parse_note(parse, "odata_type_form", NO_KEY,
			   "@odata.type '%.*s' is not of the form "
			   "#MessageRegistry.vX_Y_Z.MessageRegistry",
			   STR_ARG(type));
}

/* Version numbers as far as they can be read. True when the text is plainly x.y.z. */
static bool read_version(struct str text, unsigned out[3])
{
	struct str rest = text;
	int n = 0;

	while (n < 3) {
		size_t dot = str_find_char(rest, '.');
		uint64_t number;

		if (dot > 9 || !str_to_u64((struct str){ rest.p, dot }, &number))
			break;
		out[n++] = (unsigned)number;
		if (dot == rest.len)
			return n == 3;
		rest = (struct str){ rest.p + dot + 1, rest.len - dot - 1 };
	}
	return false;
}

static void take_version(struct parse *parse, json_t *root)
{
	struct registry *registry = parse->registry;
	struct str given = parse_text(json_object_get(root, "RegistryVersion"));

	if (!read_version(given, registry->numbers))
		parse_note(parse, "version_form", NO_KEY,
			   "RegistryVersion '%.*s' is not of the form x.y.z", STR_ARG(given));
	registry->version = arena_putf(registry->arena, "%u.%u.%u", registry->numbers[0],
				       registry->numbers[1], registry->numbers[2]);
	if (!registry->version.p)
		parse->full = true;
}

static void take_language(struct parse *parse, json_t *root)
{
	struct str given = str_trim(parse_text(json_object_get(root, "Language")));
	char tag[LANGUAGE_MAX_BYTES];

	if (!language_tidy(given, tag))
		snprintf(tag, sizeof(tag), "en");
	if (!str_eq(given, str_of(tag)))
		parse_note(parse, "language_tag", NO_KEY, "Language '%.*s' is taken for '%s'",
			   STR_ARG(given), tag);
	parse->registry->language = parse_keep(parse, str_of(tag));
}

static void check_id(struct parse *parse, json_t *root)
{
	const struct registry *registry = parse->registry;
	struct str id = parse_text(json_object_get(root, "Id"));
	size_t n = registry->prefix.len;

	if (id.len == n + 1 + registry->version.len && str_starts_with(id, registry->prefix) &&
	    id.p[n] == '.' && str_ends_with(id, registry->version))
		return;
	parse_note(parse, "id_differs", NO_KEY, "Id is '%.*s', not '%.*s.%.*s'", STR_ARG(id),
		   STR_ARG(registry->prefix), STR_ARG(registry->version));
}

static void check_place(struct parse *parse)
{
	const struct registry *registry = parse->registry;
	const char *slash = strrchr(registry->place.p, '/');
	struct str name = str_of(slash ? slash + 1 : registry->place.p);

	if (str_starts_with(name, registry->prefix) &&
	    (name.len == registry->prefix.len || name.p[registry->prefix.len] == '.'))
		return;
	parse_note(parse, "prefix_differs_from_file", NO_KEY,
		   "RegistryPrefix is '%.*s', the file is named '%.*s'", STR_ARG(registry->prefix),
		   STR_ARG(name));
}

/* The prefix, or the front of the Id in its place. p NULL: there is none. */
static struct str find_prefix(struct parse *parse, json_t *root)
{
	struct str prefix = str_trim(parse_text(json_object_get(root, "RegistryPrefix")));

	if (prefix.len > 0)
		return prefix;
	prefix = message_id_parse(parse_text(json_object_get(root, "Id"))).prefix;
	if (prefix.len > 0)
		parse_note(parse, "prefix_missing", NO_KEY, "no RegistryPrefix: taken from the Id");
	return prefix;
}

static int take_envelope(struct parse *parse, json_t *root, const char *place, struct err *err)
{
	struct registry *registry = parse->registry;
	struct str prefix;

	if (!json_is_object(json_object_get(root, "Messages")))
		return err_set(err, -EINVAL, "%s: no message registry: it has no Messages object",
			       place);
	prefix = find_prefix(parse, root);
	if (prefix.len == 0 || prefix.len > REGISTRY_MAX_PREFIX_BYTES)
		return err_set(err, -EINVAL, "%s: no message registry: it has no RegistryPrefix",
			       place);
	if (json_object_size(json_object_get(root, "Messages")) > REGISTRY_MAX_MESSAGES)
		return err_set(err, -EFBIG, "%s: more than %d messages", place,
			       REGISTRY_MAX_MESSAGES);
	registry->prefix = parse_keep(parse, prefix);
	take_version(parse, root);
	take_language(parse, root);
	if (parse->full)
		return 0; /* said by the caller */
	check_odata_type(parse, root);
	check_id(parse, root);
	check_place(parse);
	check_envelope_names(parse, root);
	return 0;
}

/* A registry that lives in its own arena. */
static struct registry *registry_make(struct str json, const char *place)
{
	struct arena *arena = arena_new(REGISTRY_ARENA_MAX_BYTES);
	struct registry *registry = arena_alloc(arena, sizeof(*registry));

	atomic_init(&registry->refs, 1);
	registry->arena = arena;
	registry->place = arena_copy(arena, str_of(place));
	hash_bytes(json, registry->sha256);
	return registry;
}

int registry_parse(struct str json, const char *place, struct registry **out, struct err *err)
{
	struct parse parse = { 0 };
	json_t *root = NULL;
	int r;

	if (json.len > REGISTRY_MAX_BYTES)
		return err_set(err, -EFBIG, "%s: more than %u bytes", place, REGISTRY_MAX_BYTES);
	parse.registry = registry_make(json, place);
	parse.texts = map_new(1024);
	parse.last = &parse.registry->findings;
	r = read_json(&parse, json, place, &root, err);
	if (r < 0)
		goto out;
	r = take_envelope(&parse, root, place, err);
	if (r < 0)
		goto out;
	if (!parse.full)
		parse_messages(&parse, json_object_get(root, "Messages"));
	if (parse.full) {
		r = err_set(err, -EFBIG, "%s: more than %u bytes of texts", place,
			    REGISTRY_ARENA_MAX_BYTES);
		goto out;
	}
	*out = parse.registry;
	parse.registry = NULL; /* handed to the caller */
out:
	json_decref(root);
	map_free(parse.texts);
	registry_unref(parse.registry);
	return r;
}
