/* Real registries and log entries of the shared sample data, as the tests read them. */
#ifndef TESTS_UNIT_REGISTRIES_ORACLE_FIXTURE_H
#define TESTS_UNIT_REGISTRIES_ORACLE_FIXTURE_H

#include <stdlib.h>

#include <jansson.h>

#include "event/limits.h"
#include "registry_fixture.h"

/* NULL when the data are not there. */
static inline struct registry_set *fixture_shared_set(void)
{
	const char *shared = fixture_shared("registries");
	char *dmtf, *oem;
	struct registry_set *set;

	if (!shared)
		return NULL;
	dmtf = xasprintf("%s/dmtf", shared);
	oem = xasprintf("%s/oem", shared);
	set = registry_set_load((const char *const[]){ dmtf, oem }, 2, NULL);
	free(dmtf);
	free(oem);
	return set;
}

static inline struct str fixture_json_str(json_t *value)
{
	return (struct str){ json_string_value(value), json_string_length(value) };
}

/* Take the arguments of a log entry; how many. */
static inline uint32_t fixture_entry_args(json_t *entry, struct str args[DECODE_MAX_ARGS])
{
	json_t *list = json_object_get(entry, "MessageArgs"), *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (i == DECODE_MAX_ARGS || !json_is_string(value))
			return (uint32_t)i;
		args[i] = fixture_json_str(value);
	}
	return (uint32_t)json_array_size(list);
}

#endif
