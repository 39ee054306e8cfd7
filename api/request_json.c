#include "api/request_json.h"

#include <stdio.h>

#include "api/reply.h"
#include "base/err.h"
#include "http/server.h"

static void refuse(struct http_request *request, const json_error_t *error)
{
	struct err words;
	char line[16];

	snprintf(line, sizeof(line), "%d", error->line);
	err_set(&words, 0, "Line %d, column %d: %s.", error->line, error->column, error->text);
	reply_error(request, 400, "InvalidJSON", .args = { str_of(line) },
		    .resolution = words.text);
}

json_t *request_json(struct http_request *request)
{
	struct str body = http_request_body(request);
	json_error_t error;
	json_t *json;

	if (str_trim(body).len == 0) {
		reply_error(request, 400, "EmptyJSON");
		return NULL;
	}
	json = json_loadb(body.p, body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		refuse(request, &error);
	} else if (!json_is_object(json)) {
		reply_error(request, 400, "UnrecognizedRequestBody");
		json_decref(json);
		json = NULL;
	}
	return json;
}
