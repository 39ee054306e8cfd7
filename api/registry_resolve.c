/* Registry resolve: what a MessageId means to this service, and why. */
#include <jansson.h>

#include "api/aggregation.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/request_json.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/limits.h"
#include "event/source_set.h"
#include "registries/explain.h"

#define ANSWER_MAX_BYTES (64u << 20)

static struct str text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return (struct str){ json_string_value(value), json_string_length(value) };
}

static void take_args(struct question *question, const json_t *array, struct str *args)
{
	const json_t *item;
	size_t i;

	question->has_args = json_is_array(array);
	question->args = args;
	json_array_foreach(array, i, item)
	{
		if (i == DECODE_MAX_ARGS)
			break;
		args[i] = json_is_string(item) ? (struct str){ json_string_value(item),
							       json_string_length(item) }
					       : STR("");
		question->n_args = i + 1;
	}
}

/* False when the source is none: answered. */
static bool take_source(struct api *api, struct http_request *request, struct str name,
			struct question *question)
{
	const struct source *source;

	if (!name.p)
		return true;
	source = sources_find(api->sources, name);
	if (!source) {
		reply_error(request, 400, "ActionParameterValueNotInList",
			    .args = { name, STR("Source"), STR("Rfeventd.Resolve") },
			    .property = "/Source");
		return false;
	}
	question->source = source->id;
	return true;
}

static void answer(struct api *api, struct http_request *request, const struct question *question)
{
	struct strbuf out;

	slot_refresh(api->config.registries, &api->registries, &api->registries_version);
	slot_refresh(api->config.catalogs, &api->catalogs, &api->catalogs_version);
	if (!api->registries || !api->catalogs) {
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = "The registries are still being read.");
		return;
	}
	strbuf_init(&out, ANSWER_MAX_BYTES);
	registry_explain(api->registries, api->catalogs, question, &out);
	if (out.failed)
		reply_error(request, 507, "InsufficientStorage",
			    .resolution = "The explanation is too long to be shown.");
	else
		reply_json(request, 200, NULL, strbuf_str(&out));
	strbuf_fini(&out);
}

void registries_resolve(struct api *api, const struct target *target)
{
	json_t *json = request_json(target->request);
	struct str args[DECODE_MAX_ARGS];
	struct question question = {
		.message_id = text_of(json, "MessageId"),
		.text = text_of(json, "Message"),
		.language = text_of(json, "Language"),
	};

	if (!json)
		return;
	if (!question.language.p)
		question.language = http_request_header(target->request, "Accept-Language");
	take_args(&question, json_object_get(json, "MessageArgs"), args);
	if (!question.message_id.p)
		reply_error(target->request, 400, "ActionParameterMissing",
			    .args = { STR("Rfeventd.Resolve"), STR("MessageId") },
			    .property = "/MessageId");
	else if (take_source(api, target->request, text_of(json, "Source"), &question))
		answer(api, target->request, &question);
	json_decref(json);
}
