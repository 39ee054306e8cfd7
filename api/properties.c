#include "api/properties.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define TEXTS_MAX_BYTES (API_MAX_FAULTS * (size_t)8192)

void properties_begin(struct properties *properties, json_t *body)
{
	*properties = (struct properties){ .body = body, .texts = arena_new(TEXTS_MAX_BYTES) };
	properties->n_good = json_object_size(body);
}

void properties_fini(struct properties *properties)
{
	arena_free(properties->texts);
}

struct str properties_text(struct properties *properties, const char *name)
{
	const json_t *value = json_object_get(properties->body, name);

	if (json_is_string(value))
		return (struct str){ json_string_value(value), json_string_length(value) };
	if (value)
		properties_refuse(properties, name, "PropertyValueTypeError", NULL);
	return (struct str){ NULL, 0 };
}

static bool is_refused(const struct properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n_faults; i++) {
		if (strcmp(properties->names[i], name) == 0)
			return true;
	}
	return false;
}

static struct fault *add(struct properties *properties, const char *name, const char *key)
{
	struct str pointer = arena_putf(properties->texts, "/%s", name);
	struct fault *fault;

	if (!pointer.p || properties->n_faults == API_MAX_FAULTS || is_refused(properties, name))
		return NULL;
	properties->n_good -= json_object_get(properties->body, name) != NULL;
	properties->names[properties->n_faults] = pointer.p + 1;
	fault = &properties->faults[properties->n_faults++];
	*fault = (struct fault){ .key = key, .property = pointer.p };
	return fault;
}

/* As it is told to the caller: texts as they are, all else as JSON. */
static struct str value_text(const struct properties *properties, const char *name)
{
	const json_t *value = json_object_get(properties->body, name);
	struct str text = { "", 0 }, kept;
	char *json;

	if (json_is_string(value))
		return (struct str){ json_string_value(value), json_string_length(value) };
	json = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (json)
		text = str_cut(str_of(json), API_ERROR_ARG_MAX_BYTES);
	kept = arena_copy(properties->texts, text);
	free(json);
	return kept.p ? kept : STR("");
}

/* The names of those messages that say the value, too. */
static bool says_value(const char *key)
{
	static const char *const keys[] = { "PropertyValueTypeError", "PropertyValueFormatError",
					    "PropertyValueNotInList", "PropertyValueOutOfRange" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

void properties_refuse(struct properties *properties, const char *name, const char *key,
		       const char *resolution)
{
	struct fault *fault = add(properties, name, key);
	size_t n = 0;

	if (!fault)
		return;
	if (says_value(key))
		fault->args[n++] = value_text(properties, name);
	fault->args[n] = str_of(fault->property + 1);
	fault->resolution = resolution;
}

void properties_refuse_secret(struct properties *properties, const char *name, const char *key)
{
	add(properties, name, key);
}

static bool is_among(const char *const *names, const char *name)
{
	for (size_t i = 0; names[i]; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

void properties_refuse_others(struct properties *properties, const char *const *known,
			      const char *const *read_only)
{
	void *iterator = json_object_iter(properties->body);

	for (; iterator; iterator = json_object_iter_next(properties->body, iterator)) {
		const char *name = json_object_iter_key(iterator);

		if (strchr(name, '@'))
			properties->n_good--;
		else if (is_among(read_only, name))
			properties_refuse(properties, name, "PropertyNotWritable", NULL);
		else if (!is_among(known, name))
			properties_refuse(properties, name, "PropertyUnknown", NULL);
	}
}

bool properties_are_good(const struct properties *properties, struct http_request *request)
{
	if (properties->n_faults == 0)
		return true;
	reply_faults(request, 400, properties->faults, properties->n_faults);
	return false;
}

bool properties_are_of_use(const struct properties *properties, struct http_request *request)
{
	if (properties->n_good > 0)
		return true;
	if (properties->n_faults > 0)
		reply_faults(request, 400, properties->faults, properties->n_faults);
	else
		reply_error(request, 400, "NoOperation");
	return false;
}

void properties_put_notes(const struct properties *properties, struct http_request *request,
			  struct strbuf *out)
{
	char member[API_ERROR_ARG_MAX_BYTES];

	for (size_t i = 0; i < properties->n_faults; i++) {
		snprintf(member, sizeof(member), "%s@Message.ExtendedInfo", properties->names[i]);
		strbuf_put_char(out, ',');
		strbuf_put_json(out, str_of(member));
		strbuf_put_char(out, ':');
		reply_put_faults(request, &properties->faults[i], 1, out);
	}
	if (properties->n_faults == 0)
		return;
	strbuf_put_text(out, ",\"@Message.ExtendedInfo\":");
	reply_put_faults(request, properties->faults, properties->n_faults, out);
}
