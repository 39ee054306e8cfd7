#include "event/filter.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "event/filter_priv.h"

#define NEAR_ENOUGH 2 /* edits between a name and what was probably meant */

static const struct filter_name_info names[] = {
	[FILTER_SEVERITY] = { "Severity", FILTER_TYPE_SEVERITY },
	[FILTER_MESSAGE_ID] = { "MessageId", FILTER_TYPE_TEXT },
	[FILTER_REGISTRY_PREFIX] = { "RegistryPrefix", FILTER_TYPE_TEXT },
	[FILTER_CATEGORY] = { "Category", FILTER_TYPE_CATEGORY },
	[FILTER_EVENT_TYPE] = { "EventType", FILTER_TYPE_TEXT },
	[FILTER_SOURCE] = { "Source", FILTER_TYPE_TEXT },
	[FILTER_SITE] = { "Site", FILTER_TYPE_TEXT },
	[FILTER_RACK] = { "Rack", FILTER_TYPE_TEXT },
	[FILTER_ORIGIN] = { "OriginOfCondition", FILTER_TYPE_TEXT },
	[FILTER_MESSAGE] = { "Message", FILTER_TYPE_TEXT },
	[FILTER_CREATED] = { "Created", FILTER_TYPE_TIME },
	[FILTER_EVENT_TIMESTAMP] = { "EventTimestamp", FILTER_TYPE_TIME },
	[FILTER_EVENT_ID] = { "EventId", FILTER_TYPE_TEXT },
	[FILTER_EVENT_GROUP_ID] = { "EventGroupId", FILTER_TYPE_INT },
	[FILTER_ID] = { "Id", FILTER_TYPE_INT },
};

const struct filter_name_info *filter_name_info(enum filter_name name)
{
	return &names[name];
}

size_t filter_name_count(void)
{
	return ARRAY_LEN(names);
}

bool filter_name_is_alias(struct str word, enum filter_name name)
{
	return name == FILTER_ORIGIN && str_eq(word, STR("OriginResource"));
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t n = a < b ? a : b;

	return n < c ? n : c;
}

/* Edits (one character put in, left out or changed) between two words; case does not count. */
static size_t distance(struct str a, struct str b)
{
	size_t row[32];

	if (a.len > 24 || b.len >= ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			bool same = str_eq_nocase((struct str){ a.p + i, 1 },
						  (struct str){ b.p + j, 1 });
			size_t next = min3(row[j] + 1, row[j + 1] + 1, corner + !same);

			corner = row[j + 1];
			row[j + 1] = next;
		}
	}
	return row[b.len];
}

const char *filter_name_near(struct str word)
{
	size_t best = NEAR_ENOUGH + 1;
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t n = distance(word, str_of(names[i].name));

		if (n < best) {
			best = n;
			name = names[i].name;
		}
	}
	return name;
}

static bool bounds(const struct filter_node *node, enum filter_name name)
{
	if (node->op == FILTER_AND)
		return bounds(node->a, name) || bounds(node->b, name);
	switch (node->op) {
	case FILTER_EQ:
	case FILTER_GT:
	case FILTER_GE:
	case FILTER_LT:
	case FILTER_LE:
	case FILTER_STARTSWITH: return node->name == name;
	default: return false;
	}
}

bool filter_bounds(const struct filter *filter, enum filter_name name)
{
	return filter && filter->root && bounds(filter->root, name);
}

static void narrow(const struct filter_node *node, enum filter_name name, int64_t *low, int64_t *high)
{
	int64_t value;

	if (node->op == FILTER_AND) {
		narrow(node->a, name, low, high);
		narrow(node->b, name, low, high);
		return;
	}
	if (node->op < FILTER_EQ || node->name != name || node->values[0].kind == FILTER_IS_NULL)
		return;
	value = node->values[0].number;
	if ((node->op == FILTER_EQ || node->op == FILTER_GT || node->op == FILTER_GE) && value > *low)
		*low = value;
	if ((node->op == FILTER_EQ || node->op == FILTER_LT || node->op == FILTER_LE) && value < *high)
		*high = value;
}

void filter_range(const struct filter *filter, enum filter_name name, int64_t *low, int64_t *high)
{
	*low = INT64_MIN;
	*high = INT64_MAX;
	if (filter && filter->root)
		narrow(filter->root, name, low, high);
}

static struct str part(const struct filter_node *node, enum filter_name name)
{
	struct str a, b;

	if (node->op == FILTER_AND) {
		a = part(node->a, name);
		b = part(node->b, name);
		return a.len >= b.len ? a : b;
	}
	switch (node->op) {
	case FILTER_EQ:
	case FILTER_CONTAINS:
	case FILTER_STARTSWITH:
	case FILTER_ENDSWITH:
		if (node->name == name && node->values[0].kind == FILTER_IS_TEXT &&
		    node->values[0].text.len > 0)
			return node->values[0].text;
		break;
	default: break;
	}
	return (struct str){ 0 };
}

struct str filter_part(const struct filter *filter, enum filter_name name)
{
	return filter && filter->root ? part(filter->root, name) : (struct str){ 0 };
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	arena_free(filter->memory);
	free(filter);
}
