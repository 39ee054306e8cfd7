/* Stream door: an upgrade to WebSocket, checked here and handed on.
 *
 * What reaches libwebsockets is a request of our own making: it never sees a stranger's header. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api_priv.h"
#include "api/auth.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/websocket.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/tunnel.h"

#define REQUEST_MAX_BYTES 65536
#define KEY_CHARS         24 /* 16 bytes in Base64 */

static const char *const form_names[] = {
	[STREAM_RFEVENTS] = "rfevents.v1",
	[STREAM_CLOUDEVENTS] = "cloudevents.json",
};

/* Whether the comma-separated list `value` holds `token`, in any case. */
static bool list_has(struct str value, struct str token)
{
	while (value.len > 0) {
		size_t end = str_find_char(value, ',');

		if (str_eq_nocase(str_trim((struct str){ value.p, end }), token))
			return true;
		end = end < value.len ? end + 1 : end;
		value = (struct str){ value.p + end, value.len - end };
	}
	return false;
}

static bool key_is_good(struct str key)
{
	if (key.len != KEY_CHARS)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '+' || c == '/' || c == '='))
			return false;
	}
	return true;
}

/* A browser names the page it acts for: ours may, and those that the configuration names. Programs
 * send no Origin. */
static bool origin_may(const struct api_config *config, const struct http_request *request)
{
	struct str origin = http_request_header(request, "Origin");
	struct str host = http_request_header(request, "Host");
	size_t slashes;

	if (!origin.p)
		return true;
	for (size_t i = 0; i < config->n_origins; i++)
		if (str_eq_nocase(origin, str_of(config->origins[i])))
			return true;
	slashes = str_find(origin, STR("://"));
	if (slashes == origin.len)
		return false;
	origin = (struct str){ origin.p + slashes + 3, origin.len - slashes - 3 };
	return host.len > 0 && str_eq_nocase(origin, host);
}

/* The subprotocol: of those that the client names the first that we speak; -1 when it names others
 * only. Without any it is the first of these. */
static int choose_form(struct str protocols)
{
	while (protocols.len > 0) {
		size_t end = str_find_char(protocols, ',');
		struct str name = str_trim((struct str){ protocols.p, end });

		for (size_t k = 0; k < ARRAY_LEN(form_names); k++)
			if (str_eq_nocase(name, str_of(form_names[k])))
				return (int)k;
		end = end < protocols.len ? end + 1 : end;
		protocols = (struct str){ protocols.p + end, protocols.len - end };
	}
	return -1;
}

/* NULL when it is a good upgrade, else what is wrong with it. */
static const char *upgrade_fault(const struct http_request *request)
{
	struct str protocols = http_request_header(request, "Sec-WebSocket-Protocol");

	if (!list_has(http_request_header(request, "Upgrade"), STR("websocket")) ||
	    !list_has(http_request_header(request, "Connection"), STR("Upgrade")))
		return "The stream is a WebSocket: connect with Upgrade: websocket.";
	if (!str_eq(http_request_header(request, "Sec-WebSocket-Version"), STR("13")))
		return "Sec-WebSocket-Version must be 13.";
	if (!key_is_good(http_request_header(request, "Sec-WebSocket-Key")))
		return "Sec-WebSocket-Key must be 16 bytes in Base64.";
	if (protocols.p && choose_form(protocols) < 0)
		return "The subprotocols of the stream are rfevents.v1 and cloudevents.json.";
	return NULL;
}

static void write_request(const struct http_request *request, enum stream_form form,
			  struct strbuf *out)
{
	strbuf_put_text(out,
			"GET /stream HTTP/1.1\r\nHost: rfeventd\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	strbuf_put(out, http_request_header(request, "Sec-WebSocket-Key"));
	if (http_request_header(request, "Sec-WebSocket-Protocol").p)
		strbuf_putf(out, "\r\nSec-WebSocket-Protocol: %s", form_names[form]);
	strbuf_put_text(out, "\r\n\r\n");
}

static void adopt(struct api *api, const struct target *target)
{
	struct http_request *request = target->request;
	char *query = xstrndup(target->query);
	char *language = xstrndup(http_request_header(request, "Accept-Language"));
	char *peer = xstrndup(http_request_peer(request));
	char *account = target->who ? xstrndup(str_of(target->who->user)) : NULL;
	struct str protocols = http_request_header(request, "Sec-WebSocket-Protocol");
	struct websocket_arrival arrival = {
		.query = str_of(query),
		.language = str_of(language),
		.peer = str_of(peer),
		.account = { account, account ? strlen(account) : 0 },
		.form = protocols.p ? (enum stream_form)choose_form(protocols) : STREAM_RFEVENTS,
	};
	struct http_tunnel *tunnel;
	struct strbuf text, early;
	struct err err;
	int fd;

	/* The request is given back by the take-over: what is needed of it is copied before. */
	strbuf_init(&text, REQUEST_MAX_BYTES);
	write_request(request, arrival.form, &text);
	if (http_request_take_over(request, &fd, &tunnel, &early, &err) == 0) {
		strbuf_put(&text, strbuf_str(&early));
		strbuf_fini(&early);
		arrival.request = strbuf_str(&text);
		if (text.failed ||
		    websocket_adopt(api->websocket, fd, tunnel, &arrival, &err) < 0) {
			close(fd);
			http_tunnel_free(tunnel);
			http_takeover_closed(api->shared, str_of(peer));
		}
	} else {
		reply_error(request, 503, "ServiceTemporarilyUnavailable",
			    .args = { STR(API_RETRY_AFTER_TEXT) }, .resolution = err.text);
	}
	strbuf_fini(&text);
	free(query);
	free(language);
	free(peer);
	free(account);
}

void stream_get(struct api *api, const struct target *target)
{
	const char *fault = upgrade_fault(target->request);

	if (fault)
		reply_error(target->request, 400, "GeneralError", .resolution = fault);
	else if (!origin_may(&api->config, target->request))
		reply_error(target->request, 403, "InsufficientPrivilege",
			    .resolution = "A page of another origin may not open the stream.");
	else
		adopt(api, target);
}
