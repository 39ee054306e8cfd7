#include "translations/catalog.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "translations/catalog_priv.h"
#include "translations/language.h"

#define NO_KEY ((struct str){ NULL, 0 })

static void note(struct catalog *catalog, const char *code, struct str key, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void note(struct catalog *catalog, const char *code, struct str key, const char *format, ...)
{
	struct catalog_finding *finding;
	char words[256];
	va_list args;

	if (catalog->n_findings >= CATALOG_MAX_FINDINGS)
		return;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	finding = arena_alloc(catalog->arena, sizeof(*finding));
	if (!finding)
		return; /* the texts did not fit either, which is said */
	finding->code = code;
	finding->key = key;
	finding->words = arena_copy(catalog->arena, str_of(words));
	*catalog->last_finding = finding;
	catalog->last_finding = &finding->next;
	catalog->n_findings++;
}

/* --- texts ---------------------------------------------------------------------------------------
 */

/* `text` (UTF-8, at most CATALOG_MAX_TEXT) in NFC, in the arena; p NULL when it does not fit. */
static struct str compose(struct catalog *catalog, struct str text, bool *was_composed)
{
	const UNormalizer2 *nfc;
	UErrorCode status = U_ZERO_ERROR;
	UChar *from = xmalloc((text.len + 1) * sizeof(*from));
	UChar *to = xmalloc((3 * text.len + 1) * sizeof(*to)); /* NFC grows UTF-16 by 3 at most */
	struct str out = { NULL, 0 };
	int32_t n, n_bytes = 0;

	nfc = unorm2_getNFCInstance(&status);
	u_strFromUTF8(from, (int32_t)text.len + 1, &n, text.p, (int32_t)text.len, &status);
	if (U_FAILURE(status))
		goto out;
	*was_composed = unorm2_isNormalized(nfc, from, n, &status);
	if (*was_composed) {
		out = arena_copy(catalog->arena, text);
		goto out;
	}
	n = unorm2_normalize(nfc, from, n, to, 3 * (int32_t)text.len + 1, &status);
	u_strToUTF8(NULL, 0, &n_bytes, to, n, &status);
	if (status == U_BUFFER_OVERFLOW_ERROR || status == U_STRING_NOT_TERMINATED_WARNING) {
		char *room = arena_alloc(catalog->arena, (size_t)n_bytes + 1);

		status = U_ZERO_ERROR;
		if (room)
			u_strToUTF8(room, n_bytes + 1, &n_bytes, to, n, &status);
		if (room && U_SUCCESS(status))
			out = (struct str){ room, (size_t)n_bytes };
	}
out:
	free(from);
	free(to);
	return out;
}

static struct str take_text(struct catalog *catalog, struct str key, json_t *object,
			    const char *name)
{
	json_t *value = json_object_get(object, name);
	struct str text = { json_string_value(value), json_string_length(value) };
	bool was_composed = true;
	struct str kept;

	if (!value)
		return NO_KEY;
	if (!json_is_string(value) || str_trim(text).len == 0) {
		note(catalog, "text_missing", key, "%s is not a text or is empty: left out", name);
		return NO_KEY;
	}
	if (text.len > CATALOG_MAX_TEXT) {
		note(catalog, "text_long", key, "%s is longer than %u bytes: left out", name,
		     CATALOG_MAX_TEXT);
		return NO_KEY;
	}
	kept = compose(catalog, text, &was_composed);
	if (!was_composed)
		note(catalog, "not_nfc", key, "%s is not in normal form C: composed", name);
	if (!kept.p)
		catalog->full = true;
	return kept;
}

static void take_message(struct catalog *catalog, const char *name, json_t *object)
{
	struct translated *message = &catalog->messages[catalog->n_messages];
	struct str key = arena_copy(catalog->arena, str_trim(str_of(name)));

	if (!key.p) {
		catalog->full = true;
		return;
	}
	if (!json_is_object(object) || key.len == 0) {
		note(catalog, "message_form", key, "the message is not an object: left out");
		return;
	}
	*message =
		(struct translated){ .key = key,
				     .message = take_text(catalog, key, object, "Message"),
				     .resolution = take_text(catalog, key, object, "Resolution") };
	if (message->message.p || message->resolution.p)
		catalog->n_messages++;
	else
		note(catalog, "text_missing", key, "neither Message nor Resolution: left out");
}

/* --- the file ------------------------------------------------------------------------------------
 */

static struct str member_text(json_t *root, const char *name)
{
	json_t *value = json_object_get(root, name);
	struct str text = { json_string_value(value), json_string_length(value) };

	return text.p ? str_trim(text) : STR("");
}

static struct str quote(struct str tag)
{
	return str_cut(tag, LANGUAGE_MAX_BYTES);
}

static int take_language(struct catalog *catalog, json_t *root, const char *folder, struct err *err)
{
	struct str given = member_text(root, "Language");
	bool valid = language_tidy(given, catalog->language);

	if (valid && !str_eq(given, str_of(catalog->language)))
		note(catalog, "language_tag", NO_KEY, "Language '%.*s' is taken for '%s'",
		     STR_ARG(quote(given)), catalog->language);
	if (!folder)
		return valid ? 0
			     : err_set(err, -EINVAL,
				       "%s: Language '%.*s' is no language tag (BCP 47)",
				       catalog->place.p, STR_ARG(quote(given)));
	if (strcmp(folder, catalog->language) != 0)
		note(catalog, "language_differs", NO_KEY,
		     "Language '%.*s' differs from the folder's '%s', which counts",
		     STR_ARG(quote(given)), folder);
	snprintf(catalog->language, sizeof(catalog->language), "%s", folder);
	return 0;
}

static int take_envelope(struct catalog *catalog, json_t *root, const char *folder, struct err *err)
{
	json_t *messages = json_object_get(root, "Messages");

	catalog->prefix = arena_copy(catalog->arena, member_text(root, "RegistryPrefix"));
	catalog->version = arena_copy(catalog->arena, member_text(root, "RegistryVersion"));
	if (!json_is_object(messages))
		return err_set(err, -EINVAL, "%s: no translation: it has no Messages object",
			       catalog->place.p);
	if (catalog->prefix.len == 0)
		return err_set(err, -EINVAL, "%s: no translation: it has no RegistryPrefix",
			       catalog->place.p);
	if (json_object_size(messages) > CATALOG_MAX_MESSAGES)
		return err_set(err, -EFBIG, "%s: more than %d messages", catalog->place.p,
			       CATALOG_MAX_MESSAGES);
	return take_language(catalog, root, folder, err);
}

static int take_root(struct catalog *catalog, json_t *root, const char *folder, struct err *err)
{
	json_t *messages = json_object_get(root, "Messages"), *value;
	int r = take_envelope(catalog, root, folder, err);
	const char *key;

	if (r < 0)
		return r;
	catalog->messages = arena_alloc(catalog->arena, (json_object_size(messages) + 1) *
								sizeof(*catalog->messages));
	catalog->full = catalog->full || !catalog->messages;
	json_object_foreach(messages, key, value)
	{
		if (!catalog->full)
			take_message(catalog, key, value);
	}
	if (catalog->full)
		return err_set(err, -EFBIG, "%s: more than %u bytes of texts", catalog->place.p,
			       CATALOG_ARENA_BYTES);
	return 0;
}

int catalog_parse(struct str json, const char *place, const char *folder_language,
		  struct catalog **out, struct err *err)
{
	struct arena *arena;
	struct catalog *catalog;
	json_error_t error;
	json_t *root;
	int r;

	if (json.len > CATALOG_MAX_BYTES)
		return err_set(err, -EFBIG, "%s: more than %u bytes", place, CATALOG_MAX_BYTES);
	if (str_starts_with(json, STR("\xef\xbb\xbf")))
		json = (struct str){ json.p + 3, json.len - 3 };
	root = json_loadb(json.p, json.len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(err, -EBADMSG, "%s:%d:%d: not JSON: %s", place, error.line,
			       error.column, error.text);
	arena = arena_new(CATALOG_ARENA_BYTES);
	catalog = arena_alloc(arena, sizeof(*catalog));
	catalog->arena = arena;
	catalog->place = arena_copy(arena, str_of(place));
	catalog->last_finding = &catalog->findings;
	r = take_root(catalog, root, folder_language, err);
	json_decref(root);
	if (r < 0)
		catalog_free(catalog);
	else
		*out = catalog;
	return r;
}

void catalog_free(struct catalog *catalog)
{
	if (catalog)
		arena_free(catalog->arena);
}

const char *catalog_place(const struct catalog *catalog)
{
	return catalog->place.p;
}

const char *catalog_language(const struct catalog *catalog)
{
	return catalog->language;
}

struct str catalog_prefix(const struct catalog *catalog)
{
	return catalog->prefix;
}

struct str catalog_version(const struct catalog *catalog)
{
	return catalog->version;
}

size_t catalog_count(const struct catalog *catalog)
{
	return catalog->n_messages;
}

const struct translated *catalog_at(const struct catalog *catalog, size_t i)
{
	return &catalog->messages[i];
}

const struct catalog_finding *catalog_findings(const struct catalog *catalog)
{
	return catalog->findings;
}
