#include "api/reply.h"

#include <stdarg.h>

#include "base/mem.h"
#include "http/server.h"

#define ERROR_MAX_BYTES 16384
#define MAX_HEADERS 6

static size_t common(struct http_header headers[MAX_HEADERS], struct str type)
{
	headers[0] = (struct http_header){ STR("Content-Type"), type };
	headers[1] = (struct http_header){ STR("OData-Version"), STR("4.0") };
	headers[2] = (struct http_header){ STR("Cache-Control"), STR("no-store") };
	return 3;
}

#define JSON_TYPE STR("application/json;charset=utf-8")

void reply_json_with(struct http_request *request, int status, const char *name, struct str value,
		     struct str body)
{
	struct http_header headers[MAX_HEADERS];
	size_t n = common(headers, JSON_TYPE);

	if (name)
		headers[n++] = (struct http_header){ str_of(name), value };
	http_respond(request, status, headers, n, body);
}

void reply_json(struct http_request *request, int status, const char *allow, struct str body)
{
	reply_json_with(request, status, allow ? "Allow" : NULL, str_of(allow), body);
}

void reply_text(struct http_request *request, int status, const char *type, struct str body)
{
	struct http_header headers[MAX_HEADERS];
	size_t n = common(headers, str_of(type));

	http_respond(request, status, headers, n, body);
}

void reply_error(struct http_request *request, int status, const char *key, const char *allow,
		 const char *format, ...)
{
	struct http_header headers[MAX_HEADERS];
	size_t n = common(headers, JSON_TYPE);
	struct strbuf words, body;
	va_list args;

	strbuf_init(&words, ERROR_MAX_BYTES / 8);
	va_start(args, format);
	strbuf_vputf(&words, format, args);
	va_end(args);
	strbuf_init(&body, ERROR_MAX_BYTES);
	strbuf_putf(&body, "{\"error\":{\"code\":\"Base.1.22.%s\",\"message\":", key);
	strbuf_put_json(&body, strbuf_str(&words));
	strbuf_putf(&body, ",\"@Message.ExtendedInfo\":[{\"@odata.type\":\"#Message.v1_3_0.Message\","
			   "\"MessageId\":\"Base.1.22.%s\",\"Message\":", key);
	strbuf_put_json(&body, strbuf_str(&words));
	strbuf_put_text(&body, ",\"MessageSeverity\":\"Critical\"}]}}");
	if (status == 401)
		headers[n++] = (struct http_header){ STR("WWW-Authenticate"),
						     STR("Basic realm=\"rfeventd\", charset=\"UTF-8\"") };
	if (status == 503)
		headers[n++] = (struct http_header){ STR("Retry-After"), STR("5") };
	if (allow)
		headers[n++] = (struct http_header){ STR("Allow"), str_of(allow) };
	http_respond(request, status, headers, n, strbuf_str(&body));
	strbuf_fini(&words);
	strbuf_fini(&body);
}
