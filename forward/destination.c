#include "forward/destination.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "event/event.h"

static const char *const policies[RETRY_POLICIES] = {
	[RETRY_FOREVER_WITH_BACKOFF] = "RetryForeverWithBackoff",
	[RETRY_FOREVER] = "RetryForever",
	[RETRY_SUSPEND] = "SuspendRetries",
	[RETRY_TERMINATE] = "TerminateAfterRetries",
};

const char *retry_policy_name(enum retry_policy policy)
{
	return policies[policy];
}

bool retry_policy_parse(struct str text, enum retry_policy *out)
{
	for (int i = 0; i < RETRY_POLICIES; i++) {
		if (str_eq(text, str_of(policies[i]))) {
			*out = (enum retry_policy)i;
			return true;
		}
	}
	return false;
}

char *destination_cursor(struct uuid id, char out[DESTINATION_CURSOR_BYTES])
{
	char text[UUID_TEXT_BYTES];

	snprintf(out, DESTINATION_CURSOR_BYTES, "subscription:%s", uuid_format(id, text));
	return out;
}

static void take_list(const json_t *config, const char *name, struct text_list *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(config, name), i, item)
	{
		if (json_is_string(item) && out->n < FORWARD_MAX_LIST)
			out->items[out->n++] = xstrdup(json_string_value(item));
	}
}

/* Links are objects with "@odata.id". */
static void take_origins(const json_t *config, struct text_list *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(config, "OriginResources"), i, item)
	{
		const char *uri = json_string_value(json_object_get(item, "@odata.id"));

		if (uri && out->n < FORWARD_MAX_LIST)
			out->items[out->n++] = xstrdup(uri);
	}
}

static unsigned take_severities(const json_t *config)
{
	const json_t *item;
	unsigned severities = 0;
	size_t i;

	json_array_foreach(json_object_get(config, "Severities"), i, item) severities |=
		1u << severity_parse(str_of(json_string_value(item)), NULL);
	return severities;
}

static void take_facts(struct destination *destination, const json_t *config)
{
	const char *context = json_string_value(json_object_get(config, "Context"));
	const char *policy = json_string_value(json_object_get(config, "DeliveryRetryPolicy"));

	destination->context = context ? xstrdup(context) : NULL;
	destination->verify = json_is_true(json_object_get(config, "VerifyCertificate"));
	destination->subordinate = json_is_true(json_object_get(config, "SubordinateResources"));
	retry_policy_parse(str_of(policy), &destination->policy);
	if (json_is_true(json_object_get(config, "SendHeartbeat")))
		destination->heartbeat_minutes =
			json_integer_value(json_object_get(config, "HeartbeatIntervalMinutes"));
	destination->severities = take_severities(config);
	take_list(config, "RegistryPrefixes", &destination->registry_prefixes);
	take_list(config, "MessageIds", &destination->message_ids);
	take_list(config, "ResourceTypes", &destination->resource_types);
	take_list(config, "ExcludeRegistryPrefixes", &destination->exclude_prefixes);
	take_list(config, "ExcludeMessageIds", &destination->exclude_ids);
	take_list(config, "EventTypes", &destination->event_types);
	take_origins(config, &destination->origins);
}

int destination_parse(struct destination *destination, struct err *err)
{
	json_t *config = json_loads(destination->config, 0, NULL);
	const char *url = json_string_value(json_object_get(config, "Destination"));
	int r = 0;

	if (url) {
		destination->url = xstrdup(url);
		take_facts(destination, config);
	} else {
		r = err_set(err, -EINVAL, "a subscription's row cannot be read");
	}
	json_decref(config);
	return r;
}

static void list_fini(struct text_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
}

void destination_free(struct destination *destination)
{
	if (!destination)
		return;
	list_fini(&destination->registry_prefixes);
	list_fini(&destination->message_ids);
	list_fini(&destination->resource_types);
	list_fini(&destination->origins);
	list_fini(&destination->exclude_prefixes);
	list_fini(&destination->exclude_ids);
	list_fini(&destination->event_types);
	free(destination->config);
	free(destination->error);
	free(destination->sealed);
	free(destination->url);
	free(destination->context);
	free(destination);
}

/* --- sets --------------------------------------------------------------------------------------
 */

struct destination_set *destination_set_new(size_t n)
{
	struct destination_set *set = xcalloc(1, sizeof(*set) + n * sizeof(set->items[0]));

	set->refs = 1;
	set->n = n;
	return set;
}

void *destination_set_ref(void *ctx)
{
	struct destination_set *set = ctx;

	__atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
	return set;
}

void destination_set_unref(void *ctx)
{
	struct destination_set *set = ctx;

	if (!set || __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < set->n; i++)
		destination_free(set->items[i]);
	free(set);
}

const struct destination *destination_set_find(const struct destination_set *set, struct uuid id)
{
	for (size_t i = 0; set && i < set->n; i++)
		if (uuid_eq(set->items[i]->id, id))
			return set->items[i];
	return NULL;
}
