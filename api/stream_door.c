/* Stream door: an upgrade to WebSocket, checked here and handed on.
 *
 * What reaches libwebsockets is a request of our own making: it never sees a stranger's header. */
#include <stdlib.h>
#include <unistd.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "api/websocket.h"
#include "base/err.h"
#include "base/mem.h"

#define REQUEST_MAX_BYTES 65536
#define KEY_CHARS         24 /* 16 bytes in Base64 */

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

/* A browser names the page it acts for: only ours may. Programs send no Origin. */
static bool origin_is_ours(const struct http_request *request)
{
	struct str origin = http_request_header(request, "Origin");
	struct str host = http_request_header(request, "Host");
	size_t slashes;

	if (!origin.p)
		return true;
	slashes = str_find(origin, STR("://"));
	if (slashes == origin.len)
		return false;
	origin = (struct str){ origin.p + slashes + 3, origin.len - slashes - 3 };
	return host.len > 0 && str_eq_nocase(origin, host);
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
	if (protocols.p && !list_has(protocols, STR("rfevents.v1")))
		return "The subprotocol of the stream is rfevents.v1.";
	return NULL;
}

static void write_request(const struct http_request *request, struct strbuf *out)
{
	strbuf_put_text(out,
			"GET /stream HTTP/1.1\r\nHost: rfeventd\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	strbuf_put(out, http_request_header(request, "Sec-WebSocket-Key"));
	if (http_request_header(request, "Sec-WebSocket-Protocol").p)
		strbuf_put_text(out, "\r\nSec-WebSocket-Protocol: rfevents.v1");
	strbuf_put_text(out, "\r\n\r\n");
}

static void adopt(struct api *api, const struct target *target, bool authenticated)
{
	struct http_request *request = target->request;
	char *query = xstrndup(target->query);
	char *language = xstrndup(http_request_header(request, "Accept-Language"));
	char *peer = xstrndup(http_request_peer(request));
	bool tls = http_request_is_tls(request);
	struct strbuf text, early;
	struct err err;
	int fd;

	/* The request is given back by the take-over: what is needed of it is copied before. */
	strbuf_init(&text, REQUEST_MAX_BYTES);
	write_request(request, &text);
	if (http_request_take_over(request, &fd, &early, &err) == 0) {
		strbuf_put(&text, strbuf_str(&early));
		strbuf_fini(&early);
		if (text.failed ||
		    websocket_adopt(api->websocket, fd, strbuf_str(&text), str_of(query),
				    str_of(language), str_of(peer), authenticated, &err) < 0) {
			close(fd);
			if (!tls)
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
}

void stream_get(struct api *api, const struct target *target)
{
	const char *fault = upgrade_fault(target->request);

	if (fault)
		reply_error(target->request, 400, "GeneralError", .resolution = fault);
	else if (!origin_is_ours(target->request))
		reply_error(target->request, 403, "InsufficientPrivilege",
			    .resolution = "A page of another origin may not open the stream.");
	else
		adopt(api, target, target->who != NULL);
}
