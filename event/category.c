#include "event/category.h"

#include "base/mem.h"
#include "event/quirks.h"

static const struct {
	const char *event_type;
	enum category category;
} by_event_type[] = {
	{ "Alert", CATEGORY_ALERT },
	{ "ResourceAdded", CATEGORY_LIFECYCLE },
	{ "ResourceRemoved", CATEGORY_LIFECYCLE },
	{ "ResourceUpdated", CATEGORY_LIFECYCLE },
	{ "StatusChange", CATEGORY_LIFECYCLE },
	{ "MetricReport", CATEGORY_TELEMETRY },
};

/* Keys of ResourceEvent that tell of a resource's life; a trailing '*' stands for any ending. */
static const char *const lifecycle_keys[] = {
	"ResourceCreated",       "ResourceRemoved",        "ResourceChanged",
	"URIForResourceChanged", "PropertyValueModified*", "ResourceStatusChanged*",
	"ResourceStateChanged",  "ResourcePower*",         "ResourcePaused",
};

static const char *const control_keys[] = { "TestMessage", "EventBufferExceeded",
					    "SubscriptionTerminated" };

static bool key_matches(struct str key, struct str pattern)
{
	if (pattern.p[pattern.len - 1] != '*')
		return str_eq_nocase(key, pattern);
	pattern.len--;
	return key.len >= pattern.len && str_eq_nocase((struct str){ key.p, pattern.len }, pattern);
}

static bool key_in(struct str key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (key_matches(key, str_of(list[i])))
			return true;
	}
	return false;
}

enum category category_of(const struct event *event, struct str registry_prefix, struct str key)
{
	if (str_eq_nocase(registry_prefix, STR("HeartbeatEvent")) ||
	    key_in(key, control_keys, ARRAY_LEN(control_keys)))
		return CATEGORY_CONTROL;
	if (event->quirks & QUIRK_BIT(METRIC_IN_OEM))
		return CATEGORY_TELEMETRY;
	for (size_t i = 0; i < ARRAY_LEN(by_event_type); i++) {
		if (str_eq_nocase(event->event_type, str_of(by_event_type[i].event_type)))
			return by_event_type[i].category;
	}
	if (str_eq_nocase(registry_prefix, STR("ResourceEvent")) &&
	    key_in(key, lifecycle_keys, ARRAY_LEN(lifecycle_keys)))
		return CATEGORY_LIFECYCLE;
	if (event->severity == SEVERITY_WARNING || event->severity == SEVERITY_CRITICAL)
		return CATEGORY_ALERT;
	return CATEGORY_OTHER;
}
