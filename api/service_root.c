#include "api/service_root.h"

#include <string.h>

#include "api/api_priv.h"
#include "api/limits.h"
#include "api/reply.h"
#include "base/mem.h"

#define ROOT         "/redfish/v1"
#define MANAGER      ROOT "/Managers/rfeventd"
#define SCHEMAS      "http://redfish.dmtf.org/schemas/v1/"
#define METADATA_MAX 65536

/* "Manager" of "Manager.v1_24_0" */
static struct str namespace_of(const struct resource *resource)
{
	struct str type = str_of(resource->type);

	return (struct str){ type.p, str_find_char(type, '.') };
}

static struct str last_segment(const struct resource *resource)
{
	return str_of(strrchr(resource->path, '/') + 1);
}

void resource_put_head(const struct resource *resource, struct str path, const char *id,
		       const char *name, struct strbuf *out)
{
	struct str space = namespace_of(resource);

	strbuf_put_text(out, "\"@odata.id\":");
	strbuf_put_json(out, path);
	strbuf_putf(out, ",\"@odata.type\":\"#%s.%.*s\"", resource->type, STR_ARG(space));
	if (id)
		strbuf_putf(out, ",\"Id\":\"%s\"", id);
	strbuf_put_text(out, ",\"Name\":");
	strbuf_put_json(out, str_of(name));
}

static void begin(const struct target *target, const char *id, const char *name, struct strbuf *out)
{
	strbuf_put_char(out, '{');
	resource_put_head(target->resource, str_of(target->resource->path), id, name, out);
}

/* The fixed resources below as a collection's members. */
static void put_members(const struct target *target, struct strbuf *out)
{
	struct str path = str_of(target->resource->path);
	const struct resource *child;
	size_t n = 0;

	strbuf_put_text(out, ",\"Members\":[");
	while ((child = resource_child(path, n)))
		strbuf_putf(out, "%s{\"@odata.id\":\"%s\"}", n++ > 0 ? "," : "", child->path);
	strbuf_putf(out, "],\"Members@odata.count\":%zu}", n);
}

/* --- the ways in --------------------------------------------------------------------------------
 */

bool service_root_encode_versions(struct api *api, const struct target *target, struct strbuf *out)
{
	strbuf_put_text(out, "{\"v1\":\"" ROOT "/\"}");
	return true;
}

bool service_root_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	const struct resource *child;
	char uuid[UUID_TEXT_BYTES];

	strbuf_put_char(out, '{');
	resource_put_head(target->resource, STR(ROOT "/"), "RootService", "rfeventd", out);
	strbuf_putf(out,
		    ",\"RedfishVersion\":\"1.20.0\",\"UUID\":\"%s\",\"Vendor\":\"rfeventd\","
		    "\"Product\":\"rfeventd " RFEVENTD_VERSION "\"",
		    uuid_format(api->config.uuid, uuid));
	for (size_t i = 0; (child = resource_child(STR(ROOT), i)); i++) {
		struct str name = last_segment(child);

		if (str_eq(name, STR("TaskService")))
			name = STR("Tasks");
		strbuf_putf(out, ",\"%.*s\":{\"@odata.id\":\"%s\"}", STR_ARG(name), child->path);
	}
	strbuf_put_text(
		out,
		",\"Links\":{\"Sessions\":{\"@odata.id\":\"" ROOT "/SessionService/Sessions\"}},"
		"\"ProtocolFeaturesSupported\":{\"SelectQuery\":true,\"FilterQuery\":true,"
		"\"FilterQueryComparisonOperations\":true,\"FilterQueryCompoundOperations\":true,"
		"\"OnlyMemberQuery\":true,\"TopSkipQuery\":true,\"ExcerptQuery\":false,"
		"\"IncludeOriginOfConditionQuery\":false,\"MultipleHTTPRequests\":true,"
		"\"ExpandQuery\":{\"ExpandAll\":true,\"Links\":true,\"NoLinks\":true,"
		"\"Levels\":true,\"MaxLevels\":1},"
		"\"DeepOperations\":{\"DeepPATCH\":false,\"DeepPOST\":false}}}");
	return true;
}

bool service_root_encode_odata(struct api *api, const struct target *target, struct strbuf *out)
{
	const struct resource *child;

	strbuf_put_text(out, "{\"@odata.context\":\"" ROOT "/$metadata\",\"value\":["
			     "{\"name\":\"Service\",\"kind\":\"Singleton\",\"url\":\"" ROOT "/\"}");
	for (size_t i = 0; (child = resource_child(STR(ROOT), i)); i++)
		strbuf_putf(out, ",{\"name\":\"%.*s\",\"kind\":\"Singleton\",\"url\":\"%s\"}",
			    STR_ARG(last_segment(child)), child->path);
	strbuf_put_text(out, "]}");
	return true;
}

/* A type is named once, at the first row that has it. */
static bool is_new_type(size_t i)
{
	const char *type = resource_at(i)->type;

	for (size_t k = 0; type && k < i; k++) {
		if (resource_at(k)->type && strcmp(resource_at(k)->type, type) == 0)
			return false;
	}
	return type != NULL;
}

static void put_reference(const struct resource *resource, struct strbuf *out)
{
	struct str space = namespace_of(resource);

	strbuf_putf(out,
		    "<edmx:Reference Uri=\"" SCHEMAS "%.*s_v1.xml\">"
		    "<edmx:Include Namespace=\"%.*s\"/>",
		    STR_ARG(space), STR_ARG(space));
	if (strchr(resource->type, '.'))
		strbuf_putf(out, "<edmx:Include Namespace=\"%s\"/>", resource->type);
	strbuf_put_text(out, "</edmx:Reference>\n");
}

void service_root_get_metadata(struct api *api, const struct target *target)
{
	struct strbuf out;

	strbuf_init(&out, METADATA_MAX);
	strbuf_put_text(&out,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<edmx:Edmx Version=\"4.0\" "
			"xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">\n");
	for (size_t i = 0; i < resource_count(); i++) {
		if (is_new_type(i))
			put_reference(resource_at(i), &out);
	}
	strbuf_putf(
		&out,
		"<edmx:Reference Uri=\"" SCHEMAS "RedfishExtensions_v1.xml\">"
		"<edmx:Include Namespace=\"RedfishExtensions.v1_0_0\" Alias=\"Redfish\"/>"
		"</edmx:Reference>\n<edmx:DataServices>"
		"<Schema xmlns=\"http://docs.oasis-open.org/odata/ns/edm\" Namespace=\"Service\">"
		"<EntityContainer Name=\"Service\" Extends=\"%s.ServiceContainer\"/>"
		"</Schema></edmx:DataServices>\n</edmx:Edmx>\n",
		resource_find(STR(ROOT)).resource->type);
	reply_text(target->request, 200, "application/xml;charset=utf-8", strbuf_str(&out));
	strbuf_fini(&out);
}

void service_root_moved(struct api *api, const struct target *target)
{
	struct strbuf place, body;

	strbuf_init(&place, METADATA_MAX);
	strbuf_init(&body, 2 * METADATA_MAX);
	strbuf_put_text(&place, ROOT "/");
	strbuf_put(&place, target->rest);
	strbuf_put_text(&body, "{\"MovedTo\":");
	strbuf_put_json(&body, strbuf_str(&place));
	strbuf_put_text(&body,
			",\"Message\":\"The service is a Redfish service now, at " ROOT "/.\"}");
	reply_json_with(target->request, 308, "Location", strbuf_str(&place), strbuf_str(&body));
	strbuf_fini(&place);
	strbuf_fini(&body);
}

/* --- managers and logs ---------------------------------------------------------------------------
 */

bool managers_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	begin(target, NULL, "Managers", out);
	put_members(target, out);
	return true;
}

bool manager_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	char uuid[UUID_TEXT_BYTES];

	begin(target, "rfeventd", "rfeventd", out);
	strbuf_putf(
		out,
		",\"Description\":\"Receives, keeps and explains the events of other services\","
		"\"ManagerType\":\"Service\",\"FirmwareVersion\":\"" RFEVENTD_VERSION "\","
		"\"UUID\":\"%s\",\"ServiceEntryPointUUID\":\"%s\","
		"\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
		"\"LogServices\":{\"@odata.id\":\"" MANAGER "/LogServices\"},"
		"\"Oem\":{\"Rfeventd\":{\"@odata.type\":\"#RfeventdManager.v1_0_0.Manager\","
		"\"Storage\":{\"@odata.id\":\"" STORAGE_PATH "\"},"
		"\"Quarantine\":{\"@odata.id\":\"" QUARANTINE_PATH "\"}}}}",
		uuid_format(api->config.uuid, uuid), uuid);
	return true;
}

bool log_services_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	begin(target, NULL, "Logs", out);
	put_members(target, out);
	return true;
}

bool log_service_events_encode(struct api *api, const struct target *target, struct strbuf *out)
{
	begin(target, "Events", "Events", out);
	strbuf_put_text(
		out, ",\"Description\":\"Every event that was received, in the order it was kept\","
		     "\"LogEntryType\":\"Event\",\"LogPurposes\":[\"ExternalEntity\"],"
		     "\"OverWritePolicy\":\"WrapsWhenFull\",\"ServiceEnabled\":true,"
		     "\"Status\":{\"State\":\"Enabled\",\"Health\":\"OK\"},"
		     "\"Entries\":{\"@odata.id\":\"" MANAGER "/LogServices/Events/Entries\"}}");
	return true;
}

