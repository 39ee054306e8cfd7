/* Properties by name: exact spelling first, then any (spec 1.4, item 4). */
#include <string.h>
#include <strings.h>

#include "event/decode_priv.h"

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

void decode_properties(const json_t *object, const struct property *table, size_t n,
		       struct found *found, size_t *unknown_out, uint64_t *quirks)
{
	json_t *tree = (json_t *)(uintptr_t)object; /* jansson's iterators want it so */
	size_t n_unknown = 0;

	memset(found, 0, n * sizeof(found[0]));
	for (void *it = json_object_iter(tree); it; it = json_object_iter_next(tree, it)) {
		const char *key = json_object_iter_key(it);
		bool exact;
		const struct property *p = property_named(table, n, key, strlen(key), &exact);
		struct found *f;

		if (!p) {
			n_unknown += strchr(key, '@') == NULL;
			continue;
		}
		f = &found[p - table];
		if (f->value)
			*quirks |= QUIRK_BIT(NAME_TWICE);
		if (!f->value || exact)
			*f = (struct found){ json_object_iter_value(it), key, exact };
	}
	for (size_t i = 0; i < n; i++) {
		if (found[i].value && !found[i].exact)
			*quirks |= QUIRK_BIT(NAME_CASE);
	}
	*unknown_out = n_unknown;
}

bool decode_has_form(const json_t *value, char form)
{
	if (form >= 'A' && form <= 'Z') {
		if (json_is_null(value))
			return true;
		form = (char)(form - 'A' + 'a');
	}
	switch (form) {
	case 't': return json_is_string(value);
	case 'b': return json_is_boolean(value);
	case 'i': return json_is_integer(value);
	case 'o': return json_is_object(value);
	case 'a': return json_is_array(value);
	case 'l':
		return json_is_object(value) && json_is_string(json_object_get(value, "@odata.id"));
	default: return true;
	}
}
