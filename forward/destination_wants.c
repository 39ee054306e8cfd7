/* Which events a subscription wants (DSP0268, EventDestination; what a ResourceType is, is told by
 * the origin's path alone: the resource itself is on the source). */
#include <string.h>

#include "event/entry.h"
#include "forward/destination.h"
#include "registries/message_id.h"

static bool has_prefix(const struct text_list *list, struct str prefix)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq_nocase(str_of(list->items[i]), prefix))
			return true;
	return false;
}

/* "Prefix.Key", or with a version, which does not count, or a key alone. */
static bool has_id(const struct text_list *list, const struct message_id *id)
{
	for (size_t i = 0; i < list->n; i++) {
		struct message_id wanted = message_id_parse(str_of(list->items[i]));

		if (str_eq(wanted.key, id->key) &&
		    (wanted.prefix.len == 0 || str_eq_nocase(wanted.prefix, id->prefix)))
			return true;
	}
	return false;
}

static struct str without_slash(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

static bool has_origin(const struct destination *destination, struct str origin)
{
	origin = without_slash(origin);
	for (size_t i = 0; i < destination->origins.n; i++) {
		struct str wanted = without_slash(str_of(destination->origins.items[i]));

		if (str_eq(origin, wanted) ||
		    (destination->subordinate && str_starts_with(origin, wanted) &&
		     origin.p[wanted.len] == '/'))
			return true;
	}
	return false;
}

/* The name of the collection that holds the origin: the last segment but one. */
static struct str collection_of(struct str origin)
{
	size_t end, start;

	origin = without_slash(origin);
	for (end = origin.len; end > 0 && origin.p[end - 1] != '/'; end--)
		;
	if (end == 0)
		return (struct str){ "", 0 };
	end--;
	for (start = end; start > 0 && origin.p[start - 1] != '/'; start--)
		;
	return (struct str){ origin.p + start, end - start };
}

/* Members of "PowerSupplies" are of the type "PowerSupply". */
static bool is_type(struct str collection, struct str type)
{
	static const struct {
		const char *collection, *type;
	} others[] = { { "Systems", "ComputerSystem" }, { "Chassis", "Chassis" } };
	const struct str ies = { "ies", 3 };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_eq(collection, str_of(others[i].collection)))
			return str_eq(type, str_of(others[i].type));
	if (str_ends_with(collection, ies) && type.len == collection.len - 2 &&
	    type.p[type.len - 1] == 'y')
		return memcmp(collection.p, type.p, collection.len - ies.len) == 0;
	return collection.len == type.len + 1 && str_starts_with(collection, type) &&
	       collection.p[type.len] == 's';
}

static bool has_type(const struct text_list *list, struct str origin)
{
	struct str collection = collection_of(origin);

	for (size_t i = 0; i < list->n; i++)
		if (collection.len > 0 && is_type(collection, str_of(list->items[i])))
			return true;
	return false;
}

/* EventTypes, which is from before 2018: of an event without a type its category tells. */
static bool has_event_type(const struct text_list *list, const struct event *event)
{
	for (size_t i = 0; i < list->n; i++) {
		struct str type = str_of(list->items[i]);

		if (event->event_type.len > 0    ? str_eq(type, event->event_type)
		    : str_eq(type, STR("Alert")) ? event->category == CATEGORY_ALERT
		    : str_eq(type, STR("Other")) ? event->category != CATEGORY_ALERT &&
							   event->category != CATEGORY_LIFECYCLE
						 : event->category == CATEGORY_LIFECYCLE)
			return true;
	}
	return false;
}

bool destination_wants(const struct destination *d, const struct entry *entry)
{
	const struct event *event = &entry->event;
	struct message_id id = message_id_parse(event->message_id);

	if ((d->registry_prefixes.n > 0 || d->message_ids.n > 0) &&
	    !has_prefix(&d->registry_prefixes, id.prefix) && !has_id(&d->message_ids, &id))
		return false;
	if (has_prefix(&d->exclude_prefixes, id.prefix) || has_id(&d->exclude_ids, &id))
		return false;
	if (d->severities && !(d->severities & (1u << event->severity)))
		return false;
	if (d->origins.n > 0 && !has_origin(d, event->origin))
		return false;
	if (d->event_types.n > 0 && !has_event_type(&d->event_types, event))
		return false;
	return d->resource_types.n == 0 || has_type(&d->resource_types, event->origin);
}
