/* Real registries and log entries of the shared sample data, as the tests read them. */
#ifndef TESTS_UNIT_REGISTRIES_ORACLE_FIXTURE_H
#define TESTS_UNIT_REGISTRIES_ORACLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/file.h"
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

/* The log entries, in the file's order: a new array, to be released; NULL when the data are not
 * there. */
static inline json_t *fixture_entries(void)
{
	const char *path = fixture_shared("oracle/logentries.jsonl");
	json_t *entries;
	struct err err;
	char *text, *line, *next;
	size_t n;

	if (!path)
		return NULL;
	assert_int_equal(file_read(path, 64 << 20, &text, &n, &err), 0);
	entries = json_array();
	for (line = text; *line; line = next + (*next == '\n')) {
		json_t *entry;

		next = strchrnul(line, '\n');
		entry = json_loadb(line, (size_t)(next - line), 0, NULL);
		assert_non_null(entry);
		json_array_append_new(entries, entry);
	}
	free(text);
	return entries;
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

/* What a test does with one of them; `data` is the test's own. */
typedef void fixture_entry_fn(const struct registry_set *set, json_t *entry, void *data);

/* `fn` for each log entry, with the real registries. False: the data are not there. */
static inline bool fixture_each_entry(fixture_entry_fn *fn, void *data)
{
	struct registry_set *set = fixture_shared_set();
	json_t *entries = fixture_entries(), *entry;
	bool there = set && entries;
	size_t i;

	if (!there)
		print_message("no shared sample data (RFEVENTD_SHARED)\n");
	json_array_foreach(there ? entries : NULL, i, entry)
	{
		fn(set, entry, data);
	}
	json_decref(entries);
	registry_set_unref(set);
	return there;
}

#endif
