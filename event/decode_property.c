/* Properties by name: exact spelling first, then any (spec 1.4, item 4). */
#include <string.h>
#include <strings.h>

#include "event/decode_priv.h"
#include "event/tree.h"

static const struct property *property_named(const struct property *table, size_t n,
					     const char *key, size_t len, bool *exact_out)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].len != len || strncasecmp(table[i].name, key, len) != 0)
			continue;
		*exact_out = memcmp(table[i].name, key, len) == 0;
		return &table[i];
	}
	return NULL;
}

void decode_properties(const struct tree *object, const struct property *table, size_t n,
		       struct found *found, size_t *unknown_out, uint64_t *quirks)
{
	size_t n_unknown = 0;

	memset(found, 0, n * sizeof(found[0]));
	for (const struct tree *member = tree_first(object); member; member = member->next) {
		bool exact;
		const struct property *p =
			property_named(table, n, member->key.p, member->key.len, &exact);
		struct found *f;

		if (!p) {
			n_unknown += str_find_char(member->key, '@') == member->key.len;
			continue;
		}
		f = &found[p - table];
		if (f->value)
			*quirks |= QUIRK_BIT(NAME_TWICE);
		if (!f->value || exact)
			*f = (struct found){ member, exact };
	}
	for (size_t i = 0; i < n; i++) {
		if (found[i].value && !found[i].exact)
			*quirks |= QUIRK_BIT(NAME_CASE);
	}
	*unknown_out = n_unknown;
}

bool decode_has_form(const struct tree *value, char form)
{
	if (form >= 'A' && form <= 'Z') {
		if (tree_is(value, TREE_NULL))
			return true;
		form = (char)(form - 'A' + 'a');
	}
	switch (form) {
	case 't': return tree_is(value, TREE_STRING);
	case 'b': return tree_is_boolean(value);
	case 'i': return tree_is(value, TREE_INTEGER);
	case 'o': return tree_is(value, TREE_OBJECT);
	case 'a': return tree_is(value, TREE_ARRAY);
	case 'l': return tree_is(tree_member(value, STR("@odata.id")), TREE_STRING);
	default: return true;
	}
}
