#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/connection_priv.h"

static const struct {
	int status;
	const char *text;
} statuses[] = {
	{ 200, "OK" },
	{ 204, "No Content" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "Unknown";
}

static bool has_line_break(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return true;
	return false;
}

static void put_status_line(struct strbuf *out, int status)
{
	if (status == 200) {
		strbuf_put(out, STR("HTTP/1.1 200 OK\r\nDate: "));
	} else if (status == 204) {
		strbuf_put(out, STR("HTTP/1.1 204 No Content\r\nDate: "));
	} else {
		strbuf_put(out, STR("HTTP/1.1 "));
		strbuf_put_u64(out, (uint64_t)status);
		strbuf_put_char(out, ' ');
		strbuf_put_text(out, http_status_text(status));
		strbuf_put(out, STR("\r\nDate: "));
	}
}

bool response_header_is_safe(const struct http_header *header)
{
	if (!has_line_break(header->name) && !has_line_break(header->value))
		return true;
	log_error("http", "a header with a line break was not sent");
	return false;
}

static void put_header(struct strbuf *out, const struct http_header *header)
{
	if (!response_header_is_safe(header))
		return;
	strbuf_put(out, header->name);
	strbuf_put(out, STR(": "));
	strbuf_put(out, header->value);
	strbuf_put(out, STR("\r\n"));
}

bool response_has_body(int status)
{
	return status != 204 && status != 304 && status >= 200;
}

void response_write(struct strbuf *out, const struct http_request *request, int status,
		    const struct http_header *headers, size_t n_headers, struct str body,
		    struct str date)
{
	strbuf_reserve(out, body.len + 512); /* grown once */
	put_status_line(out, status);
	strbuf_put(out, date);
	strbuf_put(out, STR("\r\n"));
	for (size_t i = 0; i < n_headers; i++)
		put_header(out, &headers[i]);
	if (response_has_body(status)) {
		strbuf_put(out, STR("Content-Length: "));
		strbuf_put_u64(out, body.len);
		strbuf_put(out, STR("\r\n"));
	}
	if (request->close)
		strbuf_put(out, STR("Connection: close\r\n"));
	else if (request->head.minor == 0)
		strbuf_put(out, STR("Connection: keep-alive\r\n"));
	strbuf_put(out, STR("\r\n"));
	if (response_has_body(status) && request->head.method != HTTP_HEAD)
		strbuf_put(out, body);
}

void response_write_flow(struct strbuf *out, const struct http_request *request,
			 const struct http_header *headers, size_t n_headers, struct str date)
{
	put_status_line(out, 200);
	strbuf_put(out, date);
	strbuf_put(out, STR("\r\n"));
	for (size_t i = 0; i < n_headers; i++)
		put_header(out, &headers[i]);
	if (request->head.minor > 0)
		strbuf_put(out, STR("Transfer-Encoding: chunked\r\n"));
	strbuf_put(out, STR("Connection: close\r\n\r\n"));
}

void http_error_body(struct strbuf *out, const char *message)
{
	static const char code[] = "Base.1.22.GeneralError";

	strbuf_putf(out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
	strbuf_put_json(out, str_of(message));
	strbuf_putf(out, ",\"@Message.ExtendedInfo\":[{\"MessageId\":\"%s\",\"Message\":", code);
	strbuf_put_json(out, str_of(message));
	strbuf_put(out, STR(",\"Severity\":\"Critical\",\"Resolution\":"
			    "\"Correct the request and send it again.\"}]}}"));
}
