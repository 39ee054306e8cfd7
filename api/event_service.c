/* EventService: what it can do, and SubmitTestEvent, which goes the way of all events: into the
 * journal, from there into the log, and to everybody who follows it (DSP0268, EventService). */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/request_json.h"
#include "api/resource_json.h"
#include "base/clock.h"
#include "base/mem.h"
#include "event/delivery.h"
#include "forward/forwarder.h"

#define SUBMIT      "EventService.SubmitTestEvent"
#define SUBMIT_PATH EVENT_SERVICE_PATH "/Actions/" SUBMIT

static const char *const event_types[] = { "StatusChange",  "ResourceUpdated",
					   "ResourceAdded", "ResourceRemoved",
					   "Alert",         "MetricReport",
					   "Other" };
static const char *const severities[] = { "OK", "Warning", "Critical" };

static json_t *texts(const char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_string(list[i]));
	return array;
}

static json_t *submit_action(void)
{
	return json_pack(
		"{s:s,s:o,s:o}", "target", SUBMIT_PATH, "MessageSeverity@Redfish.AllowableValues",
		texts(severities, ARRAY_LEN(severities)), "EventType@Redfish.AllowableValues",
		texts(event_types, ARRAY_LEN(event_types)));
}

/* What SSE takes in $filter; all names of the one filter language work there, too. */
static json_t *sse_filter(void)
{
	return json_pack("{s:b,s:b,s:b,s:b,s:b,s:b,s:b}", "EventFormatType", 0, "EventType", 1,
			 "MessageId", 1, "MetricReportDefinition", 0, "OriginResource", 1,
			 "RegistryPrefix", 1, "ResourceType", 0);
}

static void put_facts(struct api *api, json_t *json)
{
	const struct retry_rules rules = forwarder_rules(api->config.forwarder);

	json_object_set_new(json, "DeliveryRetryAttempts", json_integer(rules.attempts));
	json_object_set_new(json, "DeliveryRetryIntervalSeconds",
			    json_integer(rules.interval_us / CLOCK_US_PER_S));
	json_object_set_new(json, "EventFormatTypes", json_pack("[s]", "Event"));
	json_object_set_new(json, "Severities", texts(severities, ARRAY_LEN(severities)));
	json_object_set_new(json, "ExcludeMessageId", json_true());
	json_object_set_new(json, "ExcludeRegistryPrefix", json_true());
	json_object_set_new(json, "SubordinateResourcesSupported", json_true());
	json_object_set_new(json, "IncludeOriginOfConditionSupported", json_false());
	json_object_set_new(json, "Subscriptions", resource_link(SUBSCRIPTIONS_PATH));
	json_object_set_new(json, "Actions", json_pack("{s:o}", "#" SUBMIT, submit_action()));
	json_object_set_new(json, "Oem",
			    json_pack("{s:{s:s,s:s}}", "Rfeventd", "@odata.type",
				      "#RfeventdEventService.v1_0_0.EventService", "StreamUri",
				      "/stream"));
}

bool event_service_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	json_t *json = json_pack(
		"{s:s,s:s,s:s,s:s,s:b,s:{s:s,s:s}}", "@odata.id", EVENT_SERVICE_PATH, "@odata.type",
		"#EventService.v1_12_0.EventService", "Id", "EventService", "Name", "Events",
		"ServiceEnabled", 1, "Status", "State", "Enabled", "Health", "OK");

	put_facts(api, json);
	json_object_set_new(json, "ServerSentEventUri", json_string(SSE_PATH));
	json_object_set_new(json, "SSEFilterPropertiesSupported", sse_filter());
	resource_put_json(out, json);
	return true;
}

/* --- SubmitTestEvent: parameters ---------------------------------------------------------------
 */

enum form { FORM_TEXT, FORM_TIME, FORM_INTEGER, FORM_TEXTS, FORM_CHOICE, FORM_MESSAGE_ID };

static const struct parameter {
	const char *name;
	enum form form;
	const char *const *choices;
	size_t n_choices;
} parameters[] = {
	{ "MessageId", FORM_MESSAGE_ID, NULL, 0 },
	{ "EventGroupId", FORM_INTEGER, NULL, 0 },
	{ "EventId", FORM_TEXT, NULL, 0 },
	{ "EventTimestamp", FORM_TIME, NULL, 0 },
	{ "EventType", FORM_CHOICE, event_types, ARRAY_LEN(event_types) },
	{ "Message", FORM_TEXT, NULL, 0 },
	{ "MessageArgs", FORM_TEXTS, NULL, 0 },
	{ "MessageSeverity", FORM_CHOICE, severities, ARRAY_LEN(severities) },
	{ "Severity", FORM_TEXT, NULL, 0 },
	{ "OriginOfCondition", FORM_TEXT, NULL, 0 },
};

static bool is_word(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_'))
			return false;
	}
	return text.len > 0;
}

static bool is_number(struct str text)
{
	uint64_t ignored;

	return str_to_u64(text, &ignored);
}

/* Up to the next dot, which goes with it. */
static struct str next_part(struct str *rest)
{
	size_t n = str_find_char(*rest, '.');
	struct str part = { rest->p, n };

	n += n < rest->len;
	*rest = (struct str){ rest->p + n, rest->len - n };
	return part;
}

/* The schema's pattern: Prefix.Major.Minor.Key. */
static bool is_message_id(struct str id)
{
	bool good = is_word(next_part(&id));

	good &= is_number(next_part(&id));
	good &= is_number(next_part(&id));
	return good && is_word(id);
}

static bool is_choice(const struct parameter *parameter, const char *text)
{
	for (size_t i = 0; i < parameter->n_choices; i++)
		if (strcmp(text, parameter->choices[i]) == 0)
			return true;
	return false;
}

static bool are_texts(const json_t *array)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	return json_is_array(array);
}

/* The message that says what is wrong with it; NULL: nothing. */
static const char *fault_of(const struct parameter *parameter, const json_t *value)
{
	const char *text = json_string_value(value);
	int64_t ignored;

	if (parameter->form == FORM_INTEGER)
		return json_is_integer(value) ? NULL : "ActionParameterValueTypeError";
	if (parameter->form == FORM_TEXTS)
		return are_texts(value) ? NULL : "ActionParameterValueTypeError";
	if (!text)
		return "ActionParameterValueTypeError";
	if (parameter->form == FORM_CHOICE && !is_choice(parameter, text))
		return "ActionParameterValueNotInList";
	if ((parameter->form == FORM_TIME && !clock_parse(str_of(text), &ignored, NULL)) ||
	    (parameter->form == FORM_MESSAGE_ID && !is_message_id(str_of(text))))
		return "ActionParameterValueFormatError";
	return NULL;
}

static void refuse_value(struct http_request *request, const char *key,
			 const struct parameter *parameter, const json_t *value)
{
	char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	struct str shown = str_cut(str_of(json ? json : ""), API_ERROR_ARG_MAX_BYTES);

	if (json_is_string(value))
		shown = str_of(json_string_value(value));
	reply_error(request, 400, key, .args = { shown, str_of(parameter->name), STR(SUBMIT) });
	free(json);
}

static bool is_parameter(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		if (strcmp(name, parameters[i].name) == 0)
			return true;
	return false;
}

/* False: answered. */
static bool parameters_are_good(struct http_request *request, json_t *body)
{
	void *iterator = json_object_iter(body);

	for (; iterator; iterator = json_object_iter_next(body, iterator)) {
		const char *name = json_object_iter_key(iterator);

		if (strchr(name, '@') || is_parameter(name))
			continue;
		reply_error(request, 400, "ActionParameterUnknown",
			    .args = { STR(SUBMIT), str_of(name) });
		return false;
	}
	if (!json_object_get(body, "MessageId")) {
		reply_error(request, 400, "ActionParameterMissing",
			    .args = { STR(SUBMIT), STR("MessageId") });
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		const json_t *value = json_object_get(body, parameters[i].name);
		const char *key = value ? fault_of(&parameters[i], value) : NULL;

		if (!key)
			continue;
		refuse_value(request, key, &parameters[i], value);
		return false;
	}
	return true;
}

/* --- SubmitTestEvent: the event -----------------------------------------------------------------
 */

struct submission {
	struct intake intake;
	struct http_request *request;
};

/* What was not given is not invented, but for what tells this event from others. */
static char *make_body(const json_t *given, struct uuid id)
{
	char time[CLOCK_TEXT_BYTES], name[UUID_TEXT_BYTES];
	const char *origin = json_string_value(json_object_get(given, "OriginOfCondition"));
	json_t *record = json_pack("{s:s,s:s,s:s,s:s}", "MemberId", "0", "EventType", "Other",
				   "EventId", uuid_format(id, name), "EventTimestamp",
				   clock_format(clock_time_us(), time));
	json_t *body;
	char *text;

	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		if (json_object_get(given, parameters[i].name))
			json_object_set(record, parameters[i].name,
					json_object_get(given, parameters[i].name));
	if (origin)
		json_object_set_new(record, "OriginOfCondition", resource_link(origin));
	body = json_pack("{s:s,s:s,s:s,s:[o]}", "@odata.type", "#Event.v1_13_0.Event", "Id", name,
			 "Name", "Test event", "Events", record);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

static void submit(struct api *api, struct http_request *request, const char *body, struct uuid id)
{
	const struct api_config *config = &api->config;
	struct submission *submission = xcalloc(1, sizeof(*submission));
	struct delivery *delivery =
		delivery_new(id, config->own_source, clock_time_us(), DELIVERY_ENROLLED,
			     STR("rfeventd"), (struct str){ NULL, 0 }, STR("own"), str_of(body));

	submission->request = request;
	submission->intake =
		(struct intake){ .delivery = delivery_ref(delivery), .reply_to = api->intakes };
	if (config->deliver(config->deliver_ctx, &submission->intake) == 0) {
		api->n_jobs++;
		config->prepare_delivered(config->prepare_ctx, delivery);
	} else {
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) });
		delivery_unref(submission->intake.delivery);
		free(submission);
	}
	delivery_unref(delivery);
}

void event_service_submit_test(struct api *api, const struct target *target)
{
	json_t *given = request_json(target->request);
	struct uuid id = uuid_v7(clock_time_us());
	char *body;

	if (!given)
		return;
	if (parameters_are_good(target->request, given)) {
		body = make_body(given, id);
		submit(api, target->request, body, id);
		free(body);
	}
	json_decref(given);
}

/* The journal has it, or has no room. */
static void answer(struct submission *submission)
{
	if (submission->intake.result == 0)
		reply_empty(submission->request);
	else
		reply_error(submission->request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) },
			    .resolution = "The journal takes no events now.");
	free(submission);
}

void event_service_on_intakes(struct mailbox_item *first, void *ctx)
{
	struct api *api = ctx;

	while (first) {
		struct intake *intake = CONTAINER_OF(first, struct intake, item);

		first = first->next;
		api->n_jobs--;
		answer(CONTAINER_OF(intake, struct submission, intake));
	}
}

void event_service_drop_intakes(struct mailbox_item *first)
{
	while (first) {
		struct intake *intake = CONTAINER_OF(first, struct intake, item);

		first = first->next;
		free(CONTAINER_OF(intake, struct submission, intake));
	}
}
