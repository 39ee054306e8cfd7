#include "api/resources.h"

#include "api/account_service.h"
#include "api/aggregation.h"
#include "api/api_priv.h"
#include "api/limits.h"
#include "api/log_entry.h"
#include "api/query_options.h"
#include "api/service_root.h"
#include "api/sse.h"
#include "api/tasks.h"
#include "base/mem.h"
#include "registries/limits.h"

#define READ(fn)     .get = { ACCESS_READ, fn }
#define OPEN(fn)     .get = { ACCESS_OPEN, fn }
#define SELF(fn)     .get = { ACCESS_SELF, fn }

/* Of two rows that fit a path the first one counts: words before "{…}". */
static const struct resource resources[] = {
	/* Not Redfish. */
	{ "/-/healthy", .flags = RESOURCE_PLAIN, OPEN(api_get_healthy) },
	{ "/-/ready", .flags = RESOURCE_PLAIN, OPEN(api_get_ready) },
	{ "/metrics", .flags = RESOURCE_PLAIN, .get = { ACCESS_METRICS, api_get_metrics } },
	{ "/stream", .flags = RESOURCE_PLAIN, .get = { ACCESS_STREAM, stream_get } },
	{ "/rest/v1", .flags = RESOURCE_PLAIN, OPEN(service_root_moved),
	  .post = { ACCESS_OPEN, service_root_moved } },
	{ "/rest/v1/{Path…}", .flags = RESOURCE_PLAIN, OPEN(service_root_moved),
	  .post = { ACCESS_OPEN, service_root_moved } },
	/* The way in: no login (DSP0266, "Authentication requirements"). */
	{ "/redfish", .encode = service_root_encode_versions, OPEN(NULL) },
	{ "/redfish/v1", "ServiceRoot.v1_20_0", service_root_encode, OPEN(NULL) },
	{ "/redfish/v1/odata", .encode = service_root_encode_odata, OPEN(NULL) },
	{ "/redfish/v1/$metadata", .flags = RESOURCE_ANY_ACCEPT, OPEN(service_root_get_metadata) },
	{ "/redfish/v1/Managers", "ManagerCollection", managers_encode, READ(NULL) },
	{ "/redfish/v1/Managers/rfeventd", "Manager.v1_24_0", manager_encode, READ(NULL) },
	{ "/redfish/v1/Managers/rfeventd/LogServices", "LogServiceCollection", log_services_encode,
	  READ(NULL) },
	{ "/redfish/v1/Managers/rfeventd/LogServices/Events", "LogService.v1_9_0",
	  log_service_events_encode, READ(NULL) },
	{ LOG_ENTRIES_PATH, "LogEntryCollection", .flags = RESOURCE_ANY_ACCEPT,
	  .queries = QUERY_FILTER | QUERY_TOP | QUERY_SKIP | QUERY_ORDERBY | QUERY_SKIPTOKEN,
	  READ(entries_get) },
	{ LOG_ENTRIES_PATH "/{Id}", "LogEntry.v1_21_0", .flags = RESOURCE_ANY_ACCEPT,
	  READ(entries_get_one) },
	{ LOG_ENTRIES_PATH "/{Id}/attachment", .flags = RESOURCE_ANY_ACCEPT,
	  READ(entries_get_raw) },
	{ AUDIT_PATH, "LogService.v1_9_0", audit_encode, .get = { ACCESS_ADMINISTER, NULL } },
	{ AUDIT_ENTRIES_PATH, "LogEntryCollection",
	  .queries = QUERY_TOP | QUERY_SKIP | QUERY_SKIPTOKEN,
	  .get = { ACCESS_ADMINISTER, audit_entries_get } },
	{ AUDIT_ENTRIES_PATH "/{Id}", "LogEntry.v1_21_0",
	  .get = { ACCESS_ADMINISTER, audit_entries_get_one } },
	{ STORAGE_PATH, READ(storage_get) },
	{ QUARANTINE_PATH, .queries = QUERY_TOP | QUERY_SKIP, READ(quarantine_get) },
	{ QUARANTINE_PATH "/Actions/Oem/Rfeventd.RetryAll",
	  .post = { ACCESS_OPERATE, quarantine_retry_all } },
	{ QUARANTINE_PATH "/{Id}", READ(quarantine_get_one) },
	{ QUARANTINE_PATH "/{Id}/Actions/Oem/Rfeventd.Retry",
	  .post = { ACCESS_OPERATE, quarantine_retry_one } },
	{ REGISTRIES_PATH, "MessageRegistryFileCollection", registries_encode, READ(NULL),
	  .post = { ACCESS_ADMINISTER, registries_add }, .flags = RESOURCE_ANY_BODY,
	  .max_body_bytes = REGISTRY_MAX_BYTES },
	{ REGISTRIES_PATH "/Actions/Oem/Rfeventd.Resolve",
	  .post = { ACCESS_ASK, registries_resolve } },
	{ REGISTRIES_PATH "/{Id}", "MessageRegistryFile.v1_1_5", registry_encode, READ(NULL),
	  .delete = { ACCESS_ADMINISTER, registries_remove } },
	{ REGISTRIES_PATH "/{Id}/{File}", "MessageRegistry.v1_7_0", READ(registries_get_body) },
	{ AGGREGATION_PATH, "AggregationService.v1_0_1", aggregation_service_encode, READ(NULL) },
	{ SOURCES_PATH, "AggregationSourceCollection", READ(sources_get),
	  .post = { ACCESS_ADMINISTER, sources_add }, .queries = QUERY_MEMBERS },
	{ SOURCES_PATH "/{Id}", "AggregationSource.v1_3_1", source_encode, READ(NULL),
	  .patch = { ACCESS_ADMINISTER, source_patch },
	  .delete = { ACCESS_ADMINISTER, source_remove } },
	{ SOURCES_PATH "/{Id}/Oem/Rfeventd/Activity", READ(source_get_activity) },
	{ SOURCES_PATH "/{Id}/Actions/Oem/Rfeventd.RotateToken",
	  .post = { ACCESS_ADMINISTER, source_rotate_token } },
	{ SOURCES_PATH "/{Id}/Actions/Oem/Rfeventd.FetchRegistries",
	  .post = { ACCESS_OPERATE, sources_fetch_registries } },
	{ SOURCES_PATH "/{Id}/Actions/Oem/Rfeventd.ImportLog",
	  .post = { ACCESS_OPERATE, sources_import_log }, .flags = RESOURCE_ANY_BODY,
	  .max_body_bytes = API_IMPORT_MAX_BYTES },
	{ EVENT_SERVICE_PATH, "EventService.v1_12_0", event_service_encode, READ(NULL) },
	{ EVENT_SERVICE_PATH "/Actions/EventService.SubmitTestEvent",
	  .post = { ACCESS_OPERATE, event_service_submit_test } },
	{ SSE_PATH, .flags = RESOURCE_ANY_ACCEPT, .queries = QUERY_FILTER, READ(sse_get) },
	{ SUBSCRIPTIONS_PATH, "EventDestinationCollection", subscriptions_encode, READ(NULL),
	  .post = { ACCESS_OPERATE, subscriptions_add } },
	{ SUBSCRIPTIONS_PATH "/{Id}", "EventDestination.v1_16_0", subscription_encode, READ(NULL),
	  .patch = { ACCESS_OPERATE, subscription_patch },
	  .delete = { ACCESS_OPERATE, subscription_remove } },
	{ SUBSCRIPTIONS_PATH "/{Id}/Actions/EventDestination.SuspendSubscription",
	  .post = { ACCESS_OPERATE, subscription_suspend } },
	{ SUBSCRIPTIONS_PATH "/{Id}/Actions/EventDestination.ResumeSubscription",
	  .post = { ACCESS_OPERATE, subscription_resume } },
	{ TASK_SERVICE_PATH, "TaskService.v1_3_0", task_service_encode, READ(NULL) },
	{ TASKS_PATH, "TaskCollection", tasks_encode, SELF(NULL) },
	{ TASKS_PATH "/{Id}", "Task.v1_7_4", task_encode, SELF(NULL) },
	{ MONITORS_PATH "/{Id}", SELF(task_get_monitor) },
	{ ACCOUNT_SERVICE_PATH, "AccountService.v1_18_1", account_service_encode, READ(NULL),
	  .patch = { ACCESS_ADMINISTER, account_service_patch } },
	{ ACCOUNTS_PATH, "ManagerAccountCollection", accounts_encode, SELF(NULL),
	  .post = { ACCESS_ADMINISTER, accounts_add } },
	{ ACCOUNTS_PATH "/{Id}", "ManagerAccount.v1_14_1", account_encode, SELF(account_get),
	  .patch = { ACCESS_SELF, account_patch },
	  .delete = { ACCESS_ADMINISTER, account_remove } },
	{ ROLES_PATH, "RoleCollection", roles_encode, READ(NULL) },
	{ ROLES_PATH "/{Id}", "Role.v1_3_3", role_encode, READ(NULL) },
	{ TOKENS_PATH, .encode = tokens_encode, SELF(NULL), .post = { ACCESS_SELF, tokens_add } },
	{ TOKENS_PATH "/{Id}", .encode = token_encode, SELF(NULL),
	  .delete = { ACCESS_SELF, token_remove } },
	{ SESSION_SERVICE_PATH, "SessionService.v1_2_0", session_service_encode, READ(NULL),
	  .patch = { ACCESS_ADMINISTER, session_service_patch } },
	{ SESSIONS_PATH, "SessionCollection", sessions_encode, SELF(NULL),
	  .post = { ACCESS_OPEN, sessions_add } },
	{ SESSIONS_PATH "/{Id}", "Session.v1_8_0", session_encode, SELF(NULL),
	  .delete = { ACCESS_SELF, session_remove } },
};

unsigned resource_queries(const struct resource *resource)
{
	return QUERY_COMMON | resource->queries |
	       (resource->encode ? QUERY_FILTER | QUERY_ORDERBY : 0);
}

size_t resource_count(void)
{
	return ARRAY_LEN(resources);
}

const struct resource *resource_at(size_t i)
{
	return &resources[i];
}

/* The part of *path up to the next slash, which goes with it. */
static struct str next_segment(struct str *path)
{
	size_t end = str_find_char(*path, '/');
	struct str segment = { path->p, end };

	end += end < path->len;
	*path = (struct str){ path->p + end, path->len - end };
	return segment;
}

static bool fits(struct str path, const struct resource *resource, struct place *place)
{
	struct str pattern = str_of(resource->path);
	size_t n_ids = 0;

	*place = (struct place){ .resource = resource, .rest = { path.p + path.len, 0 } };
	while (path.len > 0 && pattern.len > 0) {
		struct str whole = path;
		struct str wanted = next_segment(&pattern), segment = next_segment(&path);

		if (wanted.len == 0 || wanted.p[0] != '{') {
			if (!str_eq(wanted, segment))
				return false;
			continue;
		}
		if (str_ends_with(wanted, STR("…}"))) { /* and all that follows */
			segment = whole;
			path.len = 0;
		}
		if (segment.len == 0)
			return false;
		if (n_ids == 0)
			place->rest = whole;
		place->ids[n_ids++] = segment;
	}
	return path.len == 0 && pattern.len == 0;
}

struct place resource_find(struct str path)
{
	struct place place;

	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		if (fits(path, &resources[i], &place))
			return place;
	}
	return (struct place){ .resource = NULL };
}

const struct resource_method *resource_method(const struct resource *resource,
					      enum http_method method)
{
	const struct resource_method *found = NULL;

	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD: return resource->get.fn || resource->encode ? &resource->get : NULL;
	case HTTP_POST: found = &resource->post; break;
	case HTTP_PATCH: found = &resource->patch; break;
	case HTTP_DELETE: found = &resource->delete; break;
	case HTTP_PUT:
	case HTTP_OPTIONS:
	case HTTP_OTHER: break;
	}
	return found && found->fn ? found : NULL;
}

void resource_put_allow(const struct resource *resource, struct strbuf *out)
{
	static const struct {
		enum http_method method;
		const char *text;
	} methods[] = { { HTTP_GET, "GET, HEAD" },
			{ HTTP_POST, "POST" },
			{ HTTP_PATCH, "PATCH" },
			{ HTTP_DELETE, "DELETE" } };
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (!resource_method(resource, methods[i].method))
			continue;
		strbuf_putf(out, "%s%s", first ? "" : ", ", methods[i].text);
		first = false;
	}
}

const struct resource *resource_child(struct str path, size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(resources); k++) {
		struct str below = str_of(resources[k].path);

		if (!resources[k].type || !str_starts_with(below, path) ||
		    below.len <= path.len + 1 || below.p[path.len] != '/')
			continue;
		below = (struct str){ below.p + path.len + 1, below.len - path.len - 1 };
		if (below.p[0] != '{' && str_find_char(below, '/') == below.len && i-- == 0)
			return &resources[k];
	}
	return NULL;
}
