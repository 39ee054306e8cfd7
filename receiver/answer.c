#include "receiver/answer.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "event/delivery.h"
#include "http/server.h"
#include "receiver/limits.h"

#define TEXT_OF(x) #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)

/* A body that explains itself stays small, whatever the sender's text was. */
#define ANSWER_MAX_BYTES 4096

static const struct http_header json_type = { STR("Content-Type"), STR("application/json") };

/* The body was set aside: why, as our own registry words it (source, reason). */
static void put_quarantined(struct strbuf *body, struct str peer, struct str reason)
{
	struct strbuf words;

	strbuf_init(&words, ANSWER_MAX_BYTES);
	strbuf_putf(&words, "Stored, and set aside: %.*s", STR_ARG(reason));
	strbuf_put_text(body, "{\"@Message.ExtendedInfo\":[{\"MessageId\":"
			      "\"Rfeventd.1.0.DeliveryQuarantined\",\"MessageArgs\":[");
	strbuf_put_json(body, peer);
	strbuf_put_char(body, ',');
	strbuf_put_json(body, reason);
	strbuf_put_text(body, "],\"Message\":");
	strbuf_put_json(body, strbuf_str(&words));
	strbuf_put_text(body, ",\"MessageSeverity\":\"Warning\"}]}");
	strbuf_fini(&words);
}

void answer_stored(struct http_request *request, int status, const struct delivery *delivery)
{
	struct strbuf body;

	if (delivery->kind != DELIVERY_NOT_JSON && delivery->kind != DELIVERY_QUARANTINED) {
		http_respond(request, status, &json_type, 1, status == 204 ? STR("") : STR("{}"));
		return;
	}
	strbuf_init(&body, ANSWER_MAX_BYTES);
	put_quarantined(&body, delivery->peer, delivery->detail);
	http_respond(request, status == 204 ? 200 : status, &json_type, 1,
		     body.failed ? STR("{}") : strbuf_str(&body));
	strbuf_fini(&body);
}

void answer_refused(struct http_request *request, int status, const char *reason,
		    const char *message)
{
	struct http_header headers[2] = { json_type };
	size_t n_headers = 1;
	struct strbuf body;

	metric_add(METRIC_DELIVERIES_REJECTED, reason, 1);
	if (status == 503)
		headers[n_headers++] = (struct http_header){
			STR("Retry-After"), STR(TEXT_OF_VALUE(RECEIVER_RETRY_AFTER_S))
		};
	else if (status == 405)
		headers[n_headers++] = (struct http_header){ STR("Allow"), STR("POST") };
	strbuf_init(&body, ANSWER_MAX_BYTES);
	strbuf_put_text(&body, "{\"error\":{\"code\":\"Base.1.22.GeneralError\",\"message\":");
	strbuf_put_json(&body, str_of(message));
	strbuf_put_text(&body, ",\"@Message.ExtendedInfo\":[{\"MessageId\":\"Base.1.22.GeneralError\","
			       "\"Message\":");
	strbuf_put_json(&body, str_of(message));
	strbuf_put_text(&body, ",\"MessageSeverity\":\"Critical\"}]}}");
	http_respond(request, status, headers, n_headers, strbuf_str(&body));
	strbuf_fini(&body);
}

void answer_healthy(struct http_request *request)
{
	http_respond(request, 200, &json_type, 1, STR("{\"status\":\"ok\"}"));
}
