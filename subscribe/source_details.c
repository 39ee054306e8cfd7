#include "subscribe/source_details.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"
#include "base/uuid.h"

static struct str text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

void source_details_parse(struct str text, struct source_details *out, void **held)
{
	json_t *json = text.p ? json_loadb(text.p, text.len, 0, NULL) : NULL;
	const char *name;
	json_t *value;

	*out = (struct source_details){ .url = text_of(json, "url"),
					.user_name = text_of(json, "user_name"),
					.password = text_of(json, "password"),
					.insecure = json_is_true(json_object_get(json, "insecure")) };
	json_object_foreach(json_object_get(json, "tags"), name, value)
	{
		if (out->n_tags < SOURCE_MAX_TAGS && json_is_string(value))
			out->tags[out->n_tags++] = (struct source_tag){
				str_of(name), { json_string_value(value), json_string_length(value) }
			};
	}
	*held = json;
}

void source_details_release(void *held)
{
	json_decref(held);
}

static void put_text(struct strbuf *out, const char *name, struct str text)
{
	if (!text.p)
		return;
	strbuf_putf(out, "%c\"%s\":", out->p[out->len - 1] == '{' ? ' ' : ',', name);
	strbuf_put_json(out, text);
}

static int compare_tags(const void *a, const void *b)
{
	return str_cmp(((const struct source_tag *)a)->name, ((const struct source_tag *)b)->name);
}

static void put_tags(const struct source_details *details, struct strbuf *out)
{
	struct source_tag tags[SOURCE_MAX_TAGS];

	memcpy(tags, details->tags, sizeof(tags));
	qsort(tags, details->n_tags, sizeof(tags[0]), compare_tags);
	strbuf_putf(out, "%c\"tags\":{", out->p[out->len - 1] == '{' ? ' ' : ',');
	for (size_t i = 0; i < details->n_tags; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		strbuf_put_json(out, tags[i].name);
		strbuf_put_char(out, ':');
		strbuf_put_json(out, tags[i].value);
	}
	strbuf_put_char(out, '}');
}

void source_details_put(const struct source_details *details, struct strbuf *out)
{
	size_t from = out->len;

	strbuf_put_char(out, '{');
	if (out->failed)
		return;
	put_text(out, "url", details->url);
	put_text(out, "user_name", details->user_name);
	put_text(out, "password", details->password);
	if (details->insecure && !out->failed)
		strbuf_putf(out, "%c\"insecure\":true", out->p[out->len - 1] == '{' ? ' ' : ',');
	if (details->n_tags > 0 && !out->failed)
		put_tags(details, out);
	if (out->len == from + 1)
		out->len = from;
	else
		strbuf_put_char(out, '}');
}

/* --- the password --------------------------------------------------------------------------------
 */

static struct str context_of(struct uuid id, char text[UUID_TEXT_BYTES])
{
	return str_of(uuid_format(id, text));
}

void source_password_seal(const struct seal_key *key, struct uuid id, struct str password,
			  struct strbuf *out)
{
	char text[UUID_TEXT_BYTES];

	seal_close(key, context_of(id, text), password, out);
}

bool source_password_open(const struct seal_key *key, struct uuid id, struct str sealed,
			  struct strbuf *out)
{
	char text[UUID_TEXT_BYTES];

	return sealed.p && seal_open(key, context_of(id, text), sealed, out);
}
