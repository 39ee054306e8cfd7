/* Session resources: the open sessions as Redfish shows them. */
#include "api/api_priv.h"
#include "api/auth.h"
#include "api/service_root.h"
#include "api/sessions.h"

struct listing {
	struct strbuf *out;
	const char *path;
	struct str wanted; /* p NULL: all */
	size_t n;
};

static void list_session(void *ctx, struct str id)
{
	struct listing *listing = ctx;

	if (listing->wanted.p && !str_eq(listing->wanted, id))
		return;
	if (!listing->wanted.p)
		strbuf_putf(listing->out, "%s{\"@odata.id\":\"%s/%.*s\"}",
			    listing->n > 0 ? "," : "", listing->path, STR_ARG(id));
	listing->n++;
}

bool sessions_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct listing listing = { .out = out, .path = target->resource->path };

	strbuf_put_char(out, '{');
	resource_put_head(target->resource, str_of(listing.path), NULL, "Sessions", out);
	strbuf_put_text(out, ",\"Members\":[");
	auth_session_each(api->auth, list_session, &listing);
	strbuf_putf(out, "],\"Members@odata.count\":%zu}", listing.n);
	return true;
}

bool session_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	struct listing listing = { .wanted = target->ids[0] };

	auth_session_each(api->auth, list_session, &listing);
	if (listing.n == 0)
		return false;
	strbuf_putf(out,
		    "{\"@odata.id\":\"/redfish/v1/SessionService/Sessions/%.*s\","
		    "\"@odata.type\":\"#%s.Session\",\"Id\":\"%.*s\",\"Name\":\"Session\","
		    "\"UserName\":",
		    STR_ARG(target->ids[0]), target->resource->type, STR_ARG(target->ids[0]));
	strbuf_put_json(out, str_of(api->config.admin_user));
	strbuf_put_text(out, ",\"Password\":null}");
	return true;
}

void session_post(struct api *api, const struct target *target)
{
	sessions_open(api->auth, target->request);
}

void session_delete(struct api *api, const struct target *target)
{
	sessions_close(api->auth, target->request, target->ids[0]);
}
