#include "api/resource.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/server.h"

#define ETAG_MAX_BYTES 32

json_t *resource_body(struct http_request *request)
{
	struct str body = http_request_body(request);
	json_t *json = json_loadb(body.p ? body.p : "", body.len, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(json))
		return json;
	reply_error(request, 400, json ? "UnrecognizedRequestBody" : "MalformedJSON", NULL,
		    "The body must be a JSON object.");
	json_decref(json);
	return NULL;
}

struct str resource_text(const json_t *body, const char *name, bool *bad_out)
{
	const json_t *value = json_object_get(body, name);

	if (!value)
		return (struct str){ NULL, 0 };
	if (!json_is_string(value)) {
		*bad_out = true;
		return (struct str){ NULL, 0 };
	}
	return (struct str){ json_string_value(value), json_string_length(value) };
}

/* --- answers -------------------------------------------------------------------------------------
 */

void resource_reply(struct http_request *request, int status, const char *allow, int64_t etag,
		    const char *location, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT), tag[ETAG_MAX_BYTES];
	struct http_header headers[6] = {
		{ STR("Content-Type"), STR("application/json;charset=utf-8") },
		{ STR("OData-Version"), STR("4.0") },
		{ STR("Cache-Control"), STR("no-store") },
	};
	size_t n = 3;

	if (allow)
		headers[n++] = (struct http_header){ STR("Allow"), str_of(allow) };
	if (etag >= 0) {
		snprintf(tag, sizeof(tag), "W/\"%" PRId64 "\"", etag);
		headers[n++] = (struct http_header){ STR("ETag"), str_of(tag) };
	}
	if (location)
		headers[n++] = (struct http_header){ STR("Location"), str_of(location) };
	http_respond(request, status, headers, n, str_of(text));
	free(text);
	json_decref(body);
}

/* The number in W/"7" or "7". */
static bool parse_etag(struct str tag, int64_t *out)
{
	if (str_starts_with(tag, STR("W/")))
		tag = (struct str){ tag.p + 2, tag.len - 2 };
	return tag.len > 2 && tag.p[0] == '"' && tag.p[tag.len - 1] == '"' &&
	       str_to_i64((struct str){ tag.p + 1, tag.len - 2 }, out);
}

bool resource_if_match(struct http_request *request, bool required, int64_t *version_out)
{
	struct str tag = http_request_header(request, "If-Match");

	*version_out = -1;
	if (!tag.p && required) {
		reply_error(request, 428, "PreconditionRequired", NULL,
			    "Read the resource first, and send its ETag in If-Match.");
		return false;
	}
	if (!tag.p || str_eq(str_trim(tag), STR("*")))
		return true;
	if (parse_etag(str_trim(tag), version_out) && *version_out >= 0)
		return true;
	reply_error(request, 412, "PreconditionFailed", NULL, "If-Match names no version of this resource.");
	return false;
}

void resource_fail(struct http_request *request, int r, const struct err *err)
{
	static const struct {
		int r, status;
		const char *key;
	} answers[] = {
		{ -ENOENT, 404, "ResourceMissingAtURI" },
		{ -EEXIST, 409, "ResourceAlreadyExists" },
		{ -ESTALE, 412, "PreconditionFailed" },
		{ -EPERM, 409, "ResourceInUse" },
		{ -E2BIG, 400, "CreateLimitReachedForResource" },
		{ -EINVAL, 400, "GeneralError" },
		{ -ENOTCONN, 503, "ServiceTemporarilyUnavailable" },
		{ -EAGAIN, 503, "ServiceTemporarilyUnavailable" },
	};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (answers[i].r != r)
			continue;
		reply_error(request, answers[i].status, answers[i].key, NULL, "%s", err->text);
		return;
	}
	reply_error(request, 500, "InternalError", NULL, "%s", err->text);
}

void reply_login_refused(struct http_request *request, int r)
{
	static const char words[] =
		"{\"error\":{\"code\":\"Base.1.22.GeneralError\",\"message\":\"Too many wrong passwords "
		"came from your address: wait.\",\"@Message.ExtendedInfo\":[{\"@odata.type\":"
		"\"#Message.v1_3_0.Message\",\"MessageId\":\"Base.1.22.GeneralError\",\"Message\":"
		"\"Too many wrong passwords came from your address: wait.\",\"MessageSeverity\":"
		"\"Warning\"}]}}";
	char seconds[16];

	if (r < 0) {
		reply_error(request, 503, "ServiceTemporarilyUnavailable", NULL,
			    "Too many logins wait to be checked; try again in a moment.");
		return;
	}
	snprintf(seconds, sizeof(seconds), "%d", r);
	http_respond(request, 429,
		     (const struct http_header[]){
			     { STR("Content-Type"), STR("application/json;charset=utf-8") },
			     { STR("OData-Version"), STR("4.0") },
			     { STR("Cache-Control"), STR("no-store") },
			     { STR("Retry-After"), str_of(seconds) } },
		     4, str_of(words));
}

/* --- PATCH ---------------------------------------------------------------------------------------
 */

void patch_begin(struct patch *patch, json_t *body)
{
	*patch = (struct patch){ .body = body, .notes = json_object() };
	patch->n_good = json_object_size(body);
}

void patch_refuse(struct patch *patch, const char *name, const char *key, const char *format, ...)
{
	char words[sizeof(patch->first_words)], *member = xasprintf("%s@Message.ExtendedInfo", name);
	char *id = xasprintf("Base.1.22.%s", key), *pointer = xasprintf("/%s", name);
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (!json_object_get(patch->notes, member)) {
		json_object_set_new(patch->notes, member,
				    json_pack("[{s:s,s:s,s:s,s:s,s:[s]}]", "@odata.type",
					      "#Message.v1_3_0.Message", "MessageId", id, "Message",
					      words, "MessageSeverity", "Warning",
					      "RelatedProperties", pointer));
		patch->n_good--;
	}
	if (!patch->first_key) {
		patch->first_key = key;
		memcpy(patch->first_words, words, sizeof(words));
	}
	free(member);
	free(id);
	free(pointer);
}

static bool is_among(const char *const *names, const char *name)
{
	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void patch_refuse_others(struct patch *patch, const char *const *known,
			 const char *const *read_only)
{
	void *iterator = json_object_iter(patch->body);

	for (; iterator; iterator = json_object_iter_next(patch->body, iterator)) {
		const char *name = json_object_iter_key(iterator);

		if (strchr(name, '@')) /* an annotation asks for nothing */
			patch->n_good--;
		else if (is_among(read_only, name))
			patch_refuse(patch, name, "PropertyNotWritable", "'%s' cannot be changed.",
				     name);
		else if (!is_among(known, name))
			patch_refuse(patch, name, "PropertyUnknown", "There is no '%s' here.", name);
	}
}

bool patch_is_of_use(struct patch *patch, struct http_request *request)
{
	if (patch->n_good > 0)
		return true;
	if (patch->first_key)
		reply_error(request, 400, patch->first_key, NULL, "%s", patch->first_words);
	else
		reply_error(request, 400, "NoOperation", NULL, "The body asks for no change.");
	return false;
}

void patch_fini(struct patch *patch)
{
	json_decref(patch->notes);
	patch->notes = NULL;
}

/* --- parts of bodies -----------------------------------------------------------------------------
 */

json_t *resource_link(const char *path)
{
	return json_pack("{s:s}", "@odata.id", path);
}

json_t *resource_time(int64_t time_us)
{
	char text[CLOCK_TEXT_BYTES];

	return json_string(clock_format(time_us, text));
}

json_t *resource_collection(const char *path, const char *type, const char *name, json_t *members)
{
	return json_pack("{s:s,s:s,s:s,s:i,s:o}", "@odata.id", path, "@odata.type", type, "Name", name,
			 "Members@odata.count", (int)json_array_size(members), "Members", members);
}
