#include "api/resource_json.h"

#include <errno.h>
#include <stdlib.h>

#include "api/limits.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

void resource_put_json(struct strbuf *out, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (text)
		strbuf_put_text(out, text);
	else
		out->failed = true;
	free(text);
	json_decref(json);
}

json_t *resource_link(const char *path)
{
	return json_pack("{s:s}", "@odata.id", path);
}

json_t *resource_time(int64_t time_us)
{
	char text[CLOCK_TEXT_BYTES];

	return json_string(clock_format(time_us, text));
}

void members_begin(struct members *members, const char *path, const char *type, const char *name,
		   struct strbuf *out)
{
	*members = (struct members){ .out = out, .path = path };
	strbuf_putf(out, "{\"@odata.id\":\"%s\",\"@odata.type\":\"#%s.%s\",\"Name\":", path, type,
		    type);
	strbuf_put_json(out, str_of(name));
	strbuf_put_text(out, ",\"Members\":[");
}

void members_put(struct members *members, struct str id)
{
	strbuf_putf(members->out, "%s{\"@odata.id\":\"%s/%.*s\"}", members->n++ > 0 ? "," : "",
		    members->path, STR_ARG(id));
}

void members_end(struct members *members)
{
	strbuf_putf(members->out, "],\"Members@odata.count\":%zu}", members->n);
}

void reply_unchanged(struct http_request *request, int r, const struct err *err)
{
	static const struct {
		int r, status;
		struct fault fault;
	} answers[] = {
		{ -ESTALE, 412, { .key = "PreconditionFailed" } },
		{ -EPERM, 409, { .key = "AccessForbidden" } },
		{ -E2BIG, 400, { .key = "CreateLimitReachedForResource" } },
		{ -EINVAL, 400, { .key = "GeneralError" } },
		{ -ENOTCONN,
		  503,
		  { .key = "ServiceTemporarilyUnavailable",
		    .args = { STR(API_RETRY_AFTER_TEXT) } } },
		{ -EAGAIN,
		  503,
		  { .key = "ServiceTemporarilyUnavailable",
		    .args = { STR(API_RETRY_AFTER_TEXT) } } },
	};

	if (r == -ENOENT) {
		reply_missing(request);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct fault fault = answers[i].fault;

		if (answers[i].r != r)
			continue;
		fault.resolution = err->text;
		reply_faults(request, answers[i].status, &fault, 1);
		return;
	}
	reply_error(request, 500, "InternalError", .resolution = err->text);
}
