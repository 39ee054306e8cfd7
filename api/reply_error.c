/* Reply error: "@Message.ExtendedInfo" of messages of the Base registry (DSP0266, "Error
 * responses"), in the words of the registries we have, in the language the caller asks for. */
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/query_options.h"
#include "api/reply.h"
#include "api/reply_priv.h"
#include "base/mem.h"
#include "base/slot.h"
#include "event/entry.h"
#include "registries/resolve.h"
#include "registries/registry.h"
#include "stream/words.h"

#define BASE "Base.1.22." /* the version of the shipped registry */

/* A fault as the event it would be. */
struct telling {
	struct entry entry;
	struct str args[REPLY_MAX_ARGS];
	struct strbuf id;
	struct wording wording;
	enum severity severity;
};

static void telling_init(struct telling *telling, const struct fault *fault)
{
	struct event *event = &telling->entry.event;

	*telling = (struct telling){ .severity = SEVERITY_CRITICAL };
	strbuf_init(&telling->id, API_MESSAGE_ID_MAX_BYTES);
	strbuf_putf(&telling->id, BASE "%s", fault->key);
	event->message_id = strbuf_str(&telling->id);
	event->message_args = telling->args;
	event->has_message_args = true;
	while (event->n_message_args < REPLY_MAX_ARGS && fault->args[event->n_message_args].p) {
		telling->args[event->n_message_args] =
			str_cut(fault->args[event->n_message_args], API_ERROR_ARG_MAX_BYTES);
		event->n_message_args++;
	}
}

/* Until the registries are read there is only the key. */
static void find_words(struct api *api, struct str accept_language, struct telling *telling)
{
	struct entry *entry = &telling->entry;
	struct match match;

	slot_refresh(api->config.registries, &api->registries, &api->registries_version);
	match = resolve_find(api->registries, entry->source, entry->event.message_id, true,
			     entry->event.n_message_args);
	if (match.message && match.message->severity != SEVERITY_NONE)
		telling->severity = match.message->severity;
	telling->wording = words_of(api->words, entry, words_language(api->words, accept_language));
	if (!telling->wording.message.p)
		telling->wording.message = entry->event.message_id;
}

static void put_args(struct strbuf *out, const struct event *event)
{
	strbuf_put_text(out, ",\"MessageArgs\":[");
	for (uint32_t i = 0; i < event->n_message_args; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		strbuf_put_json(out, event->message_args[i]);
	}
	strbuf_put_char(out, ']');
}

static void put_message(struct strbuf *out, const struct fault *fault,
			const struct telling *telling)
{
	const char *severity = severity_name(telling->severity);

	strbuf_putf(
		out,
		"{\"@odata.type\":\"#Message.v1_3_0.Message\",\"MessageId\":\"%s\",\"Message\":",
		telling->id.p);
	strbuf_put_json(out, telling->wording.message);
	put_args(out, &telling->entry.event);
	strbuf_putf(out, ",\"MessageSeverity\":\"%s\",\"Severity\":\"%s\"", severity, severity);
	if (fault->property) {
		strbuf_put_text(out, ",\"RelatedProperties\":[");
		strbuf_put_json(out, str_of(fault->property));
		strbuf_put_char(out, ']');
	}
	if (fault->resolution && fault->resolution[0]) {
		strbuf_put_text(out, ",\"Resolution\":");
		strbuf_put_json(out, str_of(fault->resolution));
	} else if (telling->wording.resolution.p) {
		strbuf_put_text(out, ",\"Resolution\":");
		strbuf_put_json(out, telling->wording.resolution);
	}
	strbuf_put_char(out, '}');
}

static void put_messages(struct api *api, struct str accept_language, const struct fault *faults,
			 size_t n, struct strbuf *out)
{
	struct telling telling;

	for (size_t i = 0; i < n; i++) {
		strbuf_put_text(out, i > 0 ? "," : "");
		telling_init(&telling, &faults[i]);
		find_words(api, accept_language, &telling);
		put_message(out, &faults[i], &telling);
		strbuf_fini(&telling.id);
	}
}

void reply_put_faults(struct http_request *request, const struct fault *faults, size_t n,
		      struct strbuf *out)
{
	strbuf_put_char(out, '[');
	put_messages(reply_api(), http_request_header(request, "Accept-Language"), faults, n, out);
	strbuf_put_char(out, ']');
}

static void put_error(struct api *api, struct str accept_language, const struct fault *faults,
		      size_t n, struct strbuf *body)
{
	static const struct fault several = { .key = "GeneralError" };
	struct telling telling;

	telling_init(&telling, n == 1 ? faults : &several);
	find_words(api, accept_language, &telling);
	strbuf_putf(body, "{\"error\":{\"code\":\"%s\",\"message\":", telling.id.p);
	strbuf_put_json(body, telling.wording.message);
	strbuf_fini(&telling.id);
	strbuf_put_text(body, ",\"@Message.ExtendedInfo\":[");
	put_messages(api, accept_language, faults, n, body);
	strbuf_put_text(body, "]}}");
}

static void add_headers(struct answer *answer, const struct fault *fault, struct strbuf *allow)
{
	const struct resource *resource =
		resource_find(http_request_path(answer->request)).resource;

	if (answer->status == 401)
		answer_add(answer, "WWW-Authenticate",
			   STR("Basic realm=\"rfeventd\", charset=\"UTF-8\""));
	if (answer->status == 503 || answer->status == 429)
		answer_add(answer, "Retry-After",
			   str_of(fault->retry_after ? fault->retry_after : API_RETRY_AFTER_TEXT));
	if (answer->status == 405 && resource)
		resource_put_allow(resource, allow);
	if (answer->status == 405)
		answer_add(answer, "Allow",
			   fault->allow ? str_of(fault->allow) : strbuf_str(allow));
}

void reply_faults(struct http_request *request, int status, const struct fault *faults, size_t n)
{
	struct api *api = reply_api();
	struct strbuf body, allow;
	struct answer answer;

	strbuf_init(&body, API_ERROR_MAX_BYTES);
	strbuf_init(&allow, API_ALLOW_MAX_BYTES);
	put_error(api, http_request_header(request, "Accept-Language"), faults, n, &body);
	answer_init(&answer, request, status, "application/json;charset=utf-8");
	add_headers(&answer, faults, &allow);
	answer_send(&answer, "no-store", body.failed ? STR("{}") : strbuf_str(&body));
	strbuf_fini(&allow);
	strbuf_fini(&body);
}

void reply_missing(struct http_request *request)
{
	reply_error(request, 404, "InvalidURI", .args = { http_request_path(request) });
}

void reply_query_fault(struct http_request *request, const struct query_fault *fault)
{
	struct str parameter = str_of(fault->parameter), value = str_of(fault->value);
	struct str none = { NULL, 0 };
	struct fault told = { .key = fault->key, .resolution = fault->err.text };

	if (str_eq(str_of(fault->key), STR("QueryParameterUnsupported")) ||
	    str_eq(str_of(fault->key), STR("QueryParameterValueError"))) {
		told.args[0] = parameter;
	} else if (str_starts_with(str_of(fault->key), STR("QueryParameter"))) {
		told.args[0] = value;
		told.args[1] = parameter;
		told.args[2] =
			str_ends_with(str_of(fault->key), STR("OutOfRange")) ? STR("1") : none;
	}
	reply_faults(request, fault->status, &told, 1);
}
