#include "registries/registry_body.h"

#include <errno.h>
#include <jansson.h>

#include "base/err.h"
#include "registries/placeholder_priv.h"
#include "registries/registry_priv.h"
#include "translations/catalog.h"

/* NULL: there is none, or it asks for other arguments. */
static const struct translated *fitting(const struct registry *registry,
					const struct message *message,
					const struct catalog_set *catalogs, size_t language)
{
	const struct translated *found =
		catalog_set_find(catalogs, language, registry->prefix, message->key);

	if (!found || !found->message.p || !placeholder_same_set(message->text, found->message))
		return NULL;
	return found;
}

bool registry_is_translated(const struct registry *registry, const struct catalog_set *catalogs,
			    size_t language)
{
	for (size_t i = 0; i < registry->n_messages; i++) {
		if (fitting(registry, &registry->messages[i], catalogs, language))
			return true;
	}
	return false;
}

static void set_text(json_t *object, const char *name, struct str text)
{
	if (text.p)
		json_object_set_new(object, name, json_stringn_nocheck(text.p, text.len));
}

static void translate_messages(const struct registry *registry, json_t *messages,
			       const struct catalog_set *catalogs, size_t language)
{
	const struct translated *found;
	const struct message *message;
	const char *key;
	json_t *body;

	json_object_foreach(messages, key, body)
	{
		message = registry_find(registry, str_trim(str_of(key)));
		found = message && json_is_object(body)
				? fitting(registry, message, catalogs, language)
				: NULL;
		if (!found)
			continue;
		set_text(body, "Message", found->message);
		set_text(body, "Resolution", found->resolution);
	}
}

static int put_bytes(const char *bytes, size_t n, void *out)
{
	strbuf_put(out, (struct str){ bytes, n });
	return ((struct strbuf *)out)->failed ? -1 : 0;
}

int registry_body_translate(const struct registry *registry, struct str file,
			    const struct catalog_set *catalogs, size_t language, struct strbuf *out,
			    struct err *err)
{
	const char *tag = catalog_set_language(catalogs, language);
	json_t *root;
	int r = 0;

	if (str_starts_with(file, STR("\xef\xbb\xbf")))
		file = (struct str){ file.p + 3, file.len - 3 };
	root = json_loadb(file.p, file.len, 0, NULL);
	if (!json_is_object(root)) {
		r = err_set(err, -EBADMSG, "registries: '%s' is not what it was when it was loaded",
			    registry_place(registry));
	} else {
		translate_messages(registry, json_object_get(root, "Messages"), catalogs, language);
		set_text(root, "Language", str_of(tag));
		json_object_set_new(root, "Id",
				    json_sprintf("%.*s.%.*s.%s", STR_ARG(registry->prefix),
						 STR_ARG(registry->version), tag));
		if (json_dump_callback(root, put_bytes, out, JSON_INDENT(4)) < 0)
			r = err_set(err, -EFBIG, "registries: '%s' is too large in '%s'",
				    registry_place(registry), tag);
	}
	json_decref(root);
	return r;
}
