#include "api/sessions.h"

#include <jansson.h>

#include "api/auth.h"
#include "api/reply.h"
#include "api/request_json.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "http/server.h"

#define SESSION_MAX_BYTES 2048

static void answer_opened(struct http_request *request, const char *token, const char *id,
			  const char *user)
{
	struct strbuf body, location;

	strbuf_init(&body, SESSION_MAX_BYTES);
	strbuf_init(&location, SESSION_MAX_BYTES);
	strbuf_putf(&location, "/redfish/v1/SessionService/Sessions/%s", id);
	strbuf_putf(
		&body,
		"{\"@odata.id\":\"%s\",\"@odata.type\":\"#Session.v1_8_0.Session\",\"Id\":\"%s\","
		"\"Name\":\"Session %s\",\"UserName\":",
		location.p, id, id);
	strbuf_put_json(&body, str_of(user));
	strbuf_put_text(&body, ",\"Password\":null}");
	reply_created(request, strbuf_str(&location), token, strbuf_str(&body));
	strbuf_fini(&body);
	strbuf_fini(&location);
}

static void refuse_incomplete(struct http_request *request, const char *user, const char *password)
{
	static const char key[] = "CreateFailedMissingReqProperties";
	const struct fault faults[] = {
		{ .key = key, .args = { STR("UserName") }, .property = "/UserName" },
		{ .key = key, .args = { STR("Password") }, .property = "/Password" },
	};

	reply_faults(request, 400, &faults[user ? 1 : 0], (user || password) ? 1 : 2);
}

void sessions_open(struct auth *auth, struct http_request *request)
{
	char token[AUTH_TOKEN_CHARS + 1], id[AUTH_SESSION_ID_CHARS + 1];
	const char *user, *password;
	json_t *json = request_json(request);

	if (!json)
		return;
	user = json_string_value(json_object_get(json, "UserName"));
	password = json_string_value(json_object_get(json, "Password"));
	if (!user || !password)
		refuse_incomplete(request, user, password);
	else if (!auth_password_is(auth, str_of(user), str_of(password)))
		reply_error(request, 401, "AccessUnauthorized");
	else if (!auth_session_open(auth, token, id))
		reply_error(request, 503, "SessionLimitExceeded");
	else
		answer_opened(request, token, id, user);
	secrets_wipe(token, sizeof(token));
	json_decref(json);
}

void sessions_close(struct auth *auth, struct http_request *request, struct str id)
{
	if (auth_session_close(auth, id))
		reply_empty(request);
	else
		reply_error(request, 404, "ResourceNotFound", .args = { STR("Session"), id });
}
