#include <string.h>

#include "event/entry.h"
#include "event/filter_priv.h"
#include "event/source_set.h"

/* A fact of an entry. Source has two texts: either may match. */
struct fact {
	bool is_null;
	bool fold; /* ASCII case does not count */
	struct str text, other_text;
	int64_t number;
};

static struct str without_slashes(struct str uri)
{
	while (uri.len > 1 && uri.p[uri.len - 1] == '/')
		uri.len--;
	return uri;
}

static struct fact fact_text(struct str text)
{
	return (struct fact){ .is_null = !text.p, .text = text };
}

static struct fact fact_number(bool known, int64_t number)
{
	return (struct fact){ .is_null = !known, .number = number };
}

/* The registry that answered, else what the MessageId says. */
static struct fact fact_prefix(const struct event *event)
{
	struct str id = event->message_id;
	size_t dot = str_find_char(id, '.');
	struct fact fact = { .is_null = true };

	if (event->resolved_by.registry.p)
		fact = fact_text(event->resolved_by.registry);
	else if (dot < id.len)
		fact = fact_text((struct str){ id.p, dot });
	fact.fold = true;
	return fact;
}

static struct fact fact_of(enum filter_name name, const struct entry *entry,
			   const struct source *source, char id_text[UUID_TEXT_BYTES])
{
	const struct event *event = &entry->event;
	struct fact fact;

	switch (name) {
	case FILTER_SEVERITY: return fact_number(event->severity != SEVERITY_NONE, event->severity);
	case FILTER_MESSAGE_ID: return fact_text(event->message_id);
	case FILTER_REGISTRY_PREFIX: return fact_prefix(event);
	case FILTER_CATEGORY: return fact_number(true, event->category);
	case FILTER_EVENT_TYPE: return fact_text(event->event_type);
	case FILTER_SOURCE:
		if (uuid_is_zero(entry->source))
			return (struct fact){ .is_null = true };
		fact = fact_text(str_of(uuid_format(entry->source, id_text)));
		fact.other_text = source ? source->name : fact.text;
		return fact;
	case FILTER_SITE: return fact_text(source ? source->site : (struct str){ 0 });
	case FILTER_RACK: return fact_text(source ? source->rack : (struct str){ 0 });
	case FILTER_ORIGIN: return fact_text(without_slashes(event->origin));
	case FILTER_MESSAGE:
		fact = fact_text(event->message.p ? event->message : event->sender_message);
		fact.fold = true;
		return fact;
	case FILTER_CREATED: return fact_number(true, entry->received_us);
	case FILTER_EVENT_TIMESTAMP:
		return fact_number(event->has_event_time, event->event_time_us);
	case FILTER_EVENT_ID: return fact_text(event->event_id);
	case FILTER_EVENT_GROUP_ID:
		return fact_number(event->has_event_group_id, event->event_group_id);
	case FILTER_ID: return fact_number(entry->seq > 0, entry->seq);
	}
	return (struct fact){ .is_null = true };
}

/* --- texts ------------------------------------------------------------------------------------ */

static unsigned char folded(char c)
{
	return (unsigned char)char_lower(c);
}

static int compare_text(struct str a, struct str b, bool fold)
{
	size_t n = a.len < b.len ? a.len : b.len;

	if (!fold)
		return str_cmp(a, b);
	for (size_t i = 0; i < n; i++) {
		if (folded(a.p[i]) != folded(b.p[i]))
			return folded(a.p[i]) < folded(b.p[i]) ? -1 : 1;
	}
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static bool is_at(struct str text, size_t at, struct str part, bool fold)
{
	return text.len - at >= part.len &&
	       compare_text((struct str){ text.p + at, part.len }, part, fold) == 0;
}

static bool contains(struct str text, struct str part, bool fold)
{
	if (!fold)
		return part.len == 0 || str_find(text, part) < text.len;
	for (size_t i = 0; i + part.len <= text.len; i++) {
		if (is_at(text, i, part, true))
			return true;
	}
	return false;
}

static bool text_passes(const struct filter_node *node, struct str text, bool fold)
{
	struct str value = node->values[0].text;

	switch (node->op) {
	case FILTER_CONTAINS: return contains(text, value, fold);
	case FILTER_STARTSWITH:
		/* ".../Systems/1/" means the resource and what is below it. */
		if (node->name == FILTER_ORIGIN && value.len == text.len + 1 &&
		    value.p[text.len] == '/')
			value.len--;
		return is_at(text, 0, value, fold);
	case FILTER_ENDSWITH:
		return text.len >= value.len && is_at(text, text.len - value.len, value, fold);
	default: return false;
	}
}

/* --- comparisons ------------------------------------------------------------------------------ */

static bool is_text(enum filter_name name)
{
	return filter_name_info(name)->type == FILTER_TYPE_TEXT;
}

static int compare(const struct filter_node *node, const struct fact *fact,
		   const struct filter_value *value)
{
	if (is_text(node->name))
		return compare_text(fact->text, value->text, fact->fold);
	return fact->number < value->number ? -1 : fact->number > value->number;
}

static bool equals(const struct filter_node *node, const struct fact *fact,
		   const struct filter_value *value)
{
	if (fact->is_null || value->kind == FILTER_IS_NULL)
		return fact->is_null && value->kind == FILTER_IS_NULL;
	if (compare(node, fact, value) == 0)
		return true;
	return node->name == FILTER_SOURCE &&
	       compare_text(fact->other_text, value->text, false) == 0;
}

static bool equals_any(const struct filter_node *node, const struct fact *fact)
{
	for (size_t i = 0; i < node->n_values; i++) {
		if (equals(node, fact, &node->values[i]))
			return true;
	}
	return false;
}

static bool node_passes(const struct filter_node *node, const struct fact *fact)
{
	if (node->op == FILTER_EQ || node->op == FILTER_IN)
		return equals_any(node, fact);
	if (node->op == FILTER_NE)
		return !equals_any(node, fact);
	if (fact->is_null)
		return false;
	switch (node->op) {
	case FILTER_GT: return compare(node, fact, node->values) > 0;
	case FILTER_GE: return compare(node, fact, node->values) >= 0;
	case FILTER_LT: return compare(node, fact, node->values) < 0;
	case FILTER_LE: return compare(node, fact, node->values) <= 0;
	default: break;
	}
	return text_passes(node, fact->text, fact->fold) ||
	       (node->name == FILTER_SOURCE && text_passes(node, fact->other_text, false));
}

static bool match(const struct filter_node *node, const struct entry *entry,
		  const struct source *source)
{
	char id_text[UUID_TEXT_BYTES];
	struct fact fact;

	switch (node->op) {
	case FILTER_AND: return match(node->a, entry, source) && match(node->b, entry, source);
	case FILTER_OR: return match(node->a, entry, source) || match(node->b, entry, source);
	case FILTER_NOT: return !match(node->a, entry, source);
	default: break;
	}
	fact = fact_of(node->name, entry, source, id_text);
	return node_passes(node, &fact);
}

bool filter_match(const struct filter *filter, const struct entry *entry,
		  const struct source *source)
{
	if (!filter || !filter->root)
		return true;
	return match(filter->root, entry, source);
}
