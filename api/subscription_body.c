#include "api/subscription_body.h"

#include <string.h>

#include "api/properties.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "forward/destination.h"
#include "forward/limits.h"

#define HEARTBEAT_MAX_MINUTES 65535 /* the schema's */

enum form {
	FORM_TEXT,
	FORM_CONTEXT, /* a text, or null */
	FORM_URL,
	FORM_ONE, /* the one value that there is */
	FORM_POLICY,
	FORM_BOOLEAN,
	FORM_FALSE, /* what we cannot do */
	FORM_MINUTES,
	FORM_TEXTS,
	FORM_SEVERITIES,
	FORM_LINKS,
	FORM_HEADERS,
};

static const struct rule {
	const char *name;
	enum form form;
	const char *only;
	bool writable; /* by PATCH, too (DSP0268) */
} rules[] = {
	{ "Destination", FORM_URL, NULL, false },
	{ "Protocol", FORM_ONE, "Redfish", false },
	{ "SubscriptionType", FORM_ONE, "RedfishEvent", false },
	{ "EventFormatType", FORM_ONE, "Event", false },
	{ "Name", FORM_TEXT, NULL, false },
	{ "Context", FORM_CONTEXT, NULL, true },
	{ "RegistryPrefixes", FORM_TEXTS, NULL, false },
	{ "MessageIds", FORM_TEXTS, NULL, false },
	{ "ResourceTypes", FORM_TEXTS, NULL, false },
	{ "EventTypes", FORM_TEXTS, NULL, false },
	{ "ExcludeRegistryPrefixes", FORM_TEXTS, NULL, false },
	{ "ExcludeMessageIds", FORM_TEXTS, NULL, false },
	{ "OriginResources", FORM_LINKS, NULL, false },
	{ "SubordinateResources", FORM_BOOLEAN, NULL, false },
	{ "Severities", FORM_SEVERITIES, NULL, false },
	{ "IncludeOriginOfCondition", FORM_FALSE, NULL, false },
	{ "DeliveryRetryPolicy", FORM_POLICY, NULL, true },
	{ "VerifyCertificate", FORM_BOOLEAN, NULL, true },
	{ "SendHeartbeat", FORM_BOOLEAN, NULL, true },
	{ "HeartbeatIntervalMinutes", FORM_MINUTES, NULL, true },
	{ "HttpHeaders", FORM_HEADERS, NULL, true },
};

static bool is_text(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) <= FORWARD_MAX_TEXT_BYTES &&
	       strlen(json_string_value(value)) == json_string_length(value);
}

/* --- destinations and headers ------------------------------------------------------------------
 */

static bool is_url(const json_t *value, bool allow_http)
{
	struct str url = { json_string_value(value), json_string_length(value) };
	size_t n_scheme = 8;

	if (url.len > FORWARD_MAX_URL_BYTES)
		return false;
	for (size_t i = 0; i < url.len; i++)
		if (url.p[i] <= ' ' || url.p[i] > '~')
			return false;
	if (allow_http && str_starts_with(url, STR("http://")))
		n_scheme = 7;
	else if (!str_starts_with(url, STR("https://")))
		return false;
	url = (struct str){ url.p + n_scheme, url.len - n_scheme };
	/* A login in it would be shown to everybody. */
	url.len = str_find_char(url, '/');
	return url.len > 0 && str_find_char(url, '@') == url.len;
}

static bool is_header_name(struct str name)
{
	static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection",
					    "Host", "Expect" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq_nocase(name, str_of(ours[i])))
			return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", name.p[i]))
			return false;
	return name.len > 0 && name.len <= FORWARD_MAX_TEXT_BYTES;
}

static bool put_header(const char *name, const json_t *value, struct strbuf *out)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	if (!is_text(value) || !is_header_name(str_of(name)))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	strbuf_putf(out, "%s: ", name);
	strbuf_put(out, text);
	strbuf_put_char(out, '\n');
	return true;
}

static bool put_object(json_t *object, size_t *n, struct strbuf *out)
{
	void *iterator = json_object_iter(object);

	for (; iterator; iterator = json_object_iter_next(object, iterator))
		if (++*n > FORWARD_MAX_HEADERS ||
		    !put_header(json_object_iter_key(iterator), json_object_iter_value(iterator),
				out))
			return false;
	return json_is_object(object);
}

/* An array of objects with a header each, or, as some clients write, one object. */
static bool read_headers(json_t *value, struct subscription_body *body)
{
	json_t *item;
	size_t i, n = 0;

	body->has_headers = true;
	strbuf_reset(&body->headers);
	if (json_is_object(value))
		return put_object(value, &n, &body->headers);
	json_array_foreach(value, i, item)
	{
		if (!put_object(item, &n, &body->headers))
			return false;
	}
	return json_is_array(value) || json_is_null(value);
}

/* --- forms -------------------------------------------------------------------------------------
 */

static bool are_links(const json_t *array)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		const json_t *uri = json_object_get(item, "@odata.id");

		if (!is_text(uri) || json_string_value(uri)[0] != '/')
			return false;
	}
	return true;
}

static bool are_texts(const json_t *array, bool severities)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		const char *text = json_string_value(item);

		if (!is_text(item) ||
		    (severities && strcmp(text, "OK") != 0 && strcmp(text, "Warning") != 0 &&
		     strcmp(text, "Critical") != 0))
			return false;
	}
	return true;
}

/* The message for what is wrong with an array; NULL: nothing. */
static const char *array_fault(enum form form, const json_t *value)
{
	if (!json_is_array(value))
		return "PropertyValueTypeError";
	if (json_array_size(value) > FORWARD_MAX_LIST)
		return "PropertyValueOutOfRange";
	if (form == FORM_LINKS)
		return are_links(value) ? NULL : "PropertyValueTypeError";
	if (are_texts(value, form == FORM_SEVERITIES))
		return NULL;
	return form == FORM_SEVERITIES ? "PropertyValueNotInList" : "PropertyValueTypeError";
}

static const char *text_fault(const struct rule *rule, const json_t *value, bool allow_http)
{
	enum retry_policy policy;

	if (!json_is_string(value))
		return "PropertyValueTypeError";
	if (rule->form == FORM_URL)
		return is_url(value, allow_http) ? NULL : "PropertyValueFormatError";
	if (rule->form == FORM_ONE)
		return strcmp(json_string_value(value), rule->only) == 0 ? NULL
									 : "PropertyValueNotInList";
	if (rule->form == FORM_POLICY)
		return retry_policy_parse(str_of(json_string_value(value)), &policy)
			       ? NULL
			       : "PropertyValueNotInList";
	return is_text(value) ? NULL : "PropertyValueOutOfRange";
}

static const char *number_fault(const json_t *value)
{
	if (!json_is_integer(value))
		return "PropertyValueTypeError";
	return json_integer_value(value) < 1 || json_integer_value(value) > HEARTBEAT_MAX_MINUTES
		       ? "PropertyValueOutOfRange"
		       : NULL;
}

static const char *fault_of(const struct rule *rule, const json_t *value, bool allow_http)
{
	switch (rule->form) {
	case FORM_BOOLEAN: return json_is_boolean(value) ? NULL : "PropertyValueTypeError";
	case FORM_FALSE: return json_is_false(value) ? NULL : "PropertyValueError";
	case FORM_MINUTES: return number_fault(value);
	case FORM_TEXTS:
	case FORM_SEVERITIES:
	case FORM_LINKS: return array_fault(rule->form, value);
	case FORM_CONTEXT:
		if (json_is_null(value))
			return NULL;
		break;
	default: break;
	}
	return text_fault(rule, value, allow_http);
}

static const char *advice_of(const struct rule *rule)
{
	switch (rule->form) {
	case FORM_URL:
		return "A Destination is https://host[:port]/path without a login (http:// where "
		       "subscriptions.allow_http is set), of at most 2048 bytes.";
	case FORM_ONE:
		return "Protocol is Redfish, SubscriptionType RedfishEvent, EventFormatType Event.";
	case FORM_FALSE: return "The resource itself is on the source: it cannot be included.";
	case FORM_TEXTS:
	case FORM_LINKS: return "A list has at most 64 members, of at most 1024 bytes each.";
	default: return NULL;
	}
}

static void take(struct properties *properties, const struct rule *rule, bool allow_http,
		 struct subscription_body *body)
{
	json_t *value = json_object_get(properties->body, rule->name);
	const char *key;

	if (!value)
		return;
	if (rule->form == FORM_HEADERS) {
		if (!read_headers(value, body))
			properties_refuse_secret(properties, rule->name, "PropertyValueError");
		return;
	}
	key = fault_of(rule, value, allow_http);
	if (key)
		properties_refuse(properties, rule->name, key, advice_of(rule));
	else
		json_object_set(body->config, rule->name, value);
}

static void refuse_others(struct properties *properties, bool is_patch)
{
	const char *known[ARRAY_LEN(rules) + 1] = { NULL }, *fixed[ARRAY_LEN(rules) + 4] = { NULL };
	size_t n_known = 0, n_fixed = 0;

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (!is_patch || rules[i].writable)
			known[n_known++] = rules[i].name;
		else
			fixed[n_fixed++] = rules[i].name;
	}
	fixed[n_fixed++] = "Id";
	fixed[n_fixed++] = "Status";
	fixed[n_fixed++] = "Actions";
	properties_refuse_others(properties, known, fixed);
}

void subscription_body_read(struct properties *properties, const json_t *before, bool allow_http,
			    struct subscription_body *out)
{
	static const char *const needed[] = { "Destination", "Protocol" };

	*out = (struct subscription_body){ .config = before ? json_deep_copy(before)
							    : json_object() };
	strbuf_init(&out->headers, FORWARD_MAX_HEADERS * (size_t)(2 * FORWARD_MAX_TEXT_BYTES + 4));
	refuse_others(properties, before != NULL);
	for (size_t i = 0; !before && i < ARRAY_LEN(needed); i++)
		if (!json_object_get(properties->body, needed[i]))
			properties_refuse(properties, needed[i], "CreateFailedMissingReqProperties",
					  NULL);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!before || rules[i].writable)
			take(properties, &rules[i], allow_http, out);
	if (json_is_true(json_object_get(out->config, "SendHeartbeat")) &&
	    !json_object_get(out->config, "HeartbeatIntervalMinutes"))
		json_object_set_new(out->config, "HeartbeatIntervalMinutes", json_integer(1));
}

void subscription_body_fini(struct subscription_body *body)
{
	json_decref(body->config);
	if (body->headers.p)
		secrets_wipe(body->headers.p, body->headers.size);
	strbuf_fini(&body->headers);
}
