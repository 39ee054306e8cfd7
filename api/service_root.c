#include "api/service_root.h"

#include "base/mem.h"

/* Bodies without "@odata.id", which is the path itself. */
static const struct {
	const char *path, *body;
} resources[] = {
	{ "/redfish/v1",
	  "\"@odata.type\":\"#ServiceRoot.v1_17_0.ServiceRoot\",\"Id\":\"RootService\","
	  "\"Name\":\"rfeventd\",\"Product\":\"rfeventd\",\"RedfishVersion\":\"1.20.0\","
	  "\"AccountService\":{\"@odata.id\":\"/redfish/v1/AccountService\"},"
	  "\"Managers\":{\"@odata.id\":\"/redfish/v1/Managers\"},"
	  "\"Registries\":{\"@odata.id\":\"/redfish/v1/Registries\"},"
	  "\"SessionService\":{\"@odata.id\":\"/redfish/v1/SessionService\"},"
	  "\"Links\":{\"Sessions\":{\"@odata.id\":\"/redfish/v1/SessionService/Sessions\"}}" },
	{ "/redfish/v1/Managers",
	  "\"@odata.type\":\"#ManagerCollection.ManagerCollection\",\"Name\":\"Managers\","
	  "\"Members@odata.count\":1,\"Members\":[{\"@odata.id\":\"/redfish/v1/Managers/rfeventd\"}]" },
	{ "/redfish/v1/Managers/rfeventd",
	  "\"@odata.type\":\"#Manager.v1_19_0.Manager\",\"Id\":\"rfeventd\",\"Name\":\"rfeventd\","
	  "\"ManagerType\":\"Service\",\"FirmwareVersion\":\"" RFEVENTD_VERSION "\","
	  "\"LogServices\":{\"@odata.id\":\"/redfish/v1/Managers/rfeventd/LogServices\"}" },
	{ "/redfish/v1/Managers/rfeventd/LogServices",
	  "\"@odata.type\":\"#LogServiceCollection.LogServiceCollection\",\"Name\":\"Logs\","
	  "\"Members@odata.count\":2,\"Members\":[{\"@odata.id\":"
	  "\"/redfish/v1/Managers/rfeventd/LogServices/Events\"},{\"@odata.id\":"
	  "\"/redfish/v1/Managers/rfeventd/LogServices/Audit\"}]" },
	{ "/redfish/v1/Managers/rfeventd/LogServices/Events",
	  "\"@odata.type\":\"#LogService.v1_8_0.LogService\",\"Id\":\"Events\",\"Name\":\"Events\","
	  "\"LogEntryType\":\"Event\",\"OverWritePolicy\":\"WrapsWhenFull\",\"ServiceEnabled\":true,"
	  "\"Entries\":{\"@odata.id\":\"/redfish/v1/Managers/rfeventd/LogServices/Events/Entries\"}" },
};

bool service_root_encode(struct strbuf *out, struct str path)
{
	if (str_eq(path, STR("/redfish"))) {
		strbuf_put_text(out, "{\"v1\":\"/redfish/v1/\"}");
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		if (!str_eq(path, str_of(resources[i].path)))
			continue;
		strbuf_put_text(out, "{\"@odata.id\":");
		strbuf_put_json(out, i == 0 ? STR("/redfish/v1/") : path);
		strbuf_putf(out, ",%s}", resources[i].body);
		return true;
	}
	return false;
}
