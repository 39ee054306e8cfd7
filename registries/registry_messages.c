/* The Messages of a registry file, and what is wrong with them. Pure. */
#include "registries/registry_parse_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "registries/limits.h"
#include "registries/placeholder_priv.h"
#include "registries/registry_priv.h"

static const char *const message_names[] = {
	"Description",
	"LongDescription",
	"Message",
	"Severity",
	"MessageSeverity",
	"NumberOfArgs",
	"ParamTypes",
	"ArgDescriptions",
	"Resolution",
	"ClearingLogic",
	"Deprecated",
	"ArgLongDescriptions",
	"VersionAdded",
	"ReplacedBy",
	"Oem",
	"VersionDeprecated",
	"MapsToGeneralMessages",
};

/* A text of the message, or p NULL with a note when it is not given. */
static struct str take_text(struct parse *parse, struct str key, json_t *object, const char *name,
			    const char *missing_code)
{
	struct str text = parse_text(json_object_get(object, name));

	if (str_trim(text).len == 0)
		parse_note(parse, missing_code, key, "%s is missing or empty", name);
	if (text.len > REGISTRY_MAX_TEXT_BYTES) {
		parse_note(parse, "text_cut", key, "%s is longer than %u bytes", name,
			   REGISTRY_MAX_TEXT_BYTES);
		text.len = REGISTRY_MAX_TEXT_BYTES;
		while (!str_is_utf8(text))
			text.len--; /* at most three: the whole was UTF-8 */
	}
	return parse_keep(parse, text);
}

static enum severity take_severity(struct parse *parse, struct str key, json_t *object)
{
	static const char *const names[] = { "MessageSeverity", "Severity" };
	enum severity severity = SEVERITY_NONE;
	bool given = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *value = json_object_get(object, names[i]);
		struct str text = parse_text(value);
		enum severity read;
		bool exact;

		if (!value)
			continue;
		given = true;
		read = severity_parse(text, &exact);
		if (severity == SEVERITY_NONE)
			severity = read;
		if (!exact)
			parse_note(parse, "severity_form", key,
				   "%s '%.*s' is none of OK, Warning, Critical", names[i],
				   STR_ARG(text));
	}
	if (!given)
		parse_note(parse, "severity_missing", key, "neither MessageSeverity nor Severity");
	return severity;
}

static void check_number_of_args(struct parse *parse, const struct message *message, json_t *object)
{
	json_t *value = json_object_get(object, "NumberOfArgs");
	double number = json_number_value(value);
	uint64_t digits;

	if (json_is_string(value)) {
		parse_note(parse, "number_of_args_text", message->key, "NumberOfArgs is a string");
		if (!str_to_u64(parse_text(value), &digits))
			digits = UINT64_MAX;
		number = (double)digits;
	} else if (!json_is_number(value)) {
		parse_note(parse, "number_of_args_missing", message->key, "no NumberOfArgs");
		return;
	}
	/* Compared as doubles: a file may say 1e300. */
	if (number < (double)message->n_args || number > (double)message->n_args)
		parse_note(parse, "number_of_args_wrong", message->key,
			   "NumberOfArgs says %g, the text asks for %u", number, message->n_args);
}

static void take_param_types(struct parse *parse, struct message *message, json_t *object)
{
	json_t *value = json_object_get(object, "ParamTypes");
	size_t n = json_array_size(value);

	if (!value)
		return;
	if (!json_is_array(value)) {
		parse_note(parse, "param_types", message->key, "ParamTypes is not an array");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct str type = parse_text(json_array_get(value, i));

		if (str_eq(type, STR("number")) && i < 64)
			message->number_args |= UINT64_C(1) << i;
		if (str_eq(type, STR("string")) || str_eq(type, STR("number")))
			continue;
		parse_note(parse, "param_types", message->key,
			   "ParamTypes holds '%.*s', neither string nor number", STR_ARG(type));
		return;
	}
	if (n != message->n_args)
		parse_note(parse, "param_types", message->key,
			   "ParamTypes has %zu items, the text asks for %u", n, message->n_args);
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* "$1" and "%d", which some authors write for "%1". "80% full" and "%1 %," are fine. */
static void check_placeholders(struct parse *parse, const struct message *message)
{
	struct str text = message->text;

	for (size_t i = 0; i + 1 < text.len; i++) {
		char next = text.p[i + 1];

		if (text.p[i] == '$' && next >= '1' && next <= '9')
			parse_note(parse, "placeholder_dollar", message->key,
				   "the text has $%c where %%%c would be a placeholder", next,
				   next);
		if (text.p[i] == '%' && strchr("dsuifxX", next) && next != '\0' &&
		    (i + 2 == text.len || !is_word(text.p[i + 2])))
			parse_note(parse, "placeholder_percent", message->key,
				   "the text has %%%c, which is no placeholder", next);
	}
}

static void check_names(struct parse *parse, const struct message *message, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		bool known = strchr(name, '@') != NULL;

		for (size_t i = 0; !known && i < ARRAY_LEN(message_names); i++)
			known = strcmp(name, message_names[i]) == 0;
		if (!known)
			parse_note(parse, "unknown_property", message->key,
				   "'%.*s' is no property of a message",
				   STR_ARG(parse_front(name)));
	}
}

static void take_cleared_keys(struct parse *parse, struct message *message, json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return;
	message->clears = arena_alloc(parse->registry->arena, n * sizeof(struct str));
	if (!message->clears) {
		parse->full = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct str key = str_trim(parse_text(json_array_get(list, i)));

		if (key.len > 0 && key.len <= REGISTRY_MAX_KEY_BYTES)
			message->clears[message->n_clears++] = parse_keep(parse, key);
	}
}

static void take_clearing(struct parse *parse, struct message *message, json_t *object)
{
	json_t *clearing = json_object_get(object, "ClearingLogic");
	json_t *condition = json_object_get(clearing, "ClearsIf");

	if (!json_is_object(clearing))
		return;
	message->clears_same_origin = str_eq(parse_text(condition), STR("SameOriginOfCondition"));
	message->clears_all = json_is_true(json_object_get(clearing, "ClearsAll"));
	take_cleared_keys(parse, message, json_object_get(clearing, "ClearsMessage"));
	if (condition && !message->clears_same_origin)
		parse_note(parse, "clears_if_form", message->key,
			   "ClearsIf '%.*s' is not SameOriginOfCondition",
			   STR_ARG(parse_text(condition)));
}

static void take_message(struct parse *parse, struct message *message, json_t *object)
{
	struct str key = message->key;

	message->text = take_text(parse, key, object, "Message", "text_missing");
	message->description = take_text(parse, key, object, "Description", "description_missing");
	message->resolution = take_text(parse, key, object, "Resolution", "resolution_missing");
	message->n_args = placeholder_highest(message->text);
	message->severity = take_severity(parse, key, object);
	take_clearing(parse, message, object);
	check_number_of_args(parse, message, object);
	take_param_types(parse, message, object);
	check_placeholders(parse, message);
	check_names(parse, message, object);
}

/* The key as it will be looked up; len 0 when the message cannot be taken. */
static struct str take_key(struct parse *parse, const char *name, const json_t *value)
{
	struct str given = str_of(name), key = str_trim(given);

	if (key.len == 0 || key.len > REGISTRY_MAX_KEY_BYTES) {
		parse_note(parse, "key_form", (struct str){ NULL, 0 },
			   "a key of %zu bytes is left out", key.len);
		return (struct str){ NULL, 0 };
	}
	key = parse_keep(parse, key);
	if (!json_is_object(value)) {
		parse_note(parse, "message_form", key, "the message is not an object: left out");
		return (struct str){ NULL, 0 };
	}
	if (given.len != key.len)
		parse_note(parse, "key_blank", key, "blanks around the key");
	return key;
}

/* By key; the one that came first in the file first, which its place in the array tells. */
static int compare_messages(const void *a, const void *b)
{
	const struct message *const *left = a, *const *right = b;
	int order = str_cmp((*left)->key, (*right)->key);

	if (order == 0)
		order = *left < *right ? -1 : 1;
	return order;
}

/* Put the messages in order and leave out those whose key came before. */
static void sort_messages(struct parse *parse, const struct message *read, size_t n)
{
	const struct message **order = xcalloc(n, sizeof(*order));
	struct registry *registry = parse->registry;

	for (size_t i = 0; i < n; i++)
		order[i] = &read[i];
	qsort(order, n, sizeof(*order), compare_messages);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && str_eq(order[i]->key, order[i - 1]->key))
			parse_note(parse, "duplicate_key", order[i]->key,
				   "the key comes twice: the first one counts");
		else
			registry->messages[registry->n_messages++] = *order[i];
	}
	free(order);
}

static void check_clearing(struct parse *parse)
{
	const struct registry *registry = parse->registry;

	for (size_t i = 0; i < registry->n_messages; i++) {
		const struct message *message = &registry->messages[i];

		for (size_t k = 0; k < message->n_clears; k++) {
			if (!registry_find(registry, message->clears[k]))
				parse_note(parse, "clears_unknown_key", message->key,
					   "ClearsMessage names '%.*s', which is no key here",
					   STR_ARG(message->clears[k]));
		}
	}
}

void parse_messages(struct parse *parse, json_t *messages)
{
	size_t n_max = json_object_size(messages), n = 0;
	struct message *read = xcalloc(n_max, sizeof(*read));
	const char *name;
	json_t *value;

	json_object_foreach(messages, name, value)
	{
		struct str key = take_key(parse, name, value);

		if (parse->full)
			break;
		if (key.len == 0)
			continue;
		read[n].key = key;
		take_message(parse, &read[n], value);
		n++;
	}
	parse->registry->messages = arena_alloc(parse->registry->arena, n * sizeof(*read));
	if (!parse->registry->messages)
		parse->full = true;
	if (!parse->full) {
		sort_messages(parse, read, n);
		check_clearing(parse);
	}
	free(read);
}
