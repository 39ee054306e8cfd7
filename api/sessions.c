#include "api/sessions.h"

#include <jansson.h>

#include "api/auth.h"
#include "api/reply.h"
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
	strbuf_putf(&body,
		    "{\"@odata.id\":\"%s\",\"@odata.type\":\"#Session.v1_7_2.Session\",\"Id\":\"%s\","
		    "\"Name\":\"Session %s\",\"UserName\":",
		    location.p, id, id);
	strbuf_put_json(&body, str_of(user));
	strbuf_put_text(&body, ",\"Password\":null}");
	http_respond(request, 201,
		     (const struct http_header[]){
			     { STR("Content-Type"), STR("application/json;charset=utf-8") },
			     { STR("OData-Version"), STR("4.0") },
			     { STR("Cache-Control"), STR("no-store") },
			     { STR("Location"), strbuf_str(&location) },
			     { STR("X-Auth-Token"), str_of(token) } },
		     5, strbuf_str(&body));
	strbuf_fini(&body);
	strbuf_fini(&location);
}

void sessions_open(struct auth *auth, struct http_request *request)
{
	struct str body = http_request_body(request);
	char token[AUTH_TOKEN_CHARS + 1], id[AUTH_SESSION_ID_CHARS + 1];
	const char *user, *password;
	json_t *json = json_loadb(body.p ? body.p : "", body.len, 0, NULL);

	user = json_string_value(json_object_get(json, "UserName"));
	password = json_string_value(json_object_get(json, "Password"));
	if (!user || !password)
		reply_error(request, 400, "PropertyMissing", NULL,
			    "A session is opened with {\"UserName\": …, \"Password\": …}.");
	else if (!auth_password_is(auth, str_of(user), str_of(password)))
		reply_error(request, 401, "ResourceAtUriUnauthorized", NULL,
			    "The user name or the password is wrong.");
	else if (!auth_session_open(auth, token, id))
		reply_error(request, 503, "SessionLimitExceeded", NULL,
			    "Too many sessions are open: close one or wait until one times out.");
	else
		answer_opened(request, token, id, user);
	secrets_wipe(token, sizeof(token));
	json_decref(json);
}

void sessions_close(struct auth *auth, struct http_request *request, struct str id)
{
	if (auth_session_close(auth, id))
		http_respond(request, 204, NULL, 0, STR(""));
	else
		reply_error(request, 404, "ResourceMissingAtURI", NULL, "There is no such session.");
}
