/* Registries made up for a test, and the folder of real ones. */
#ifndef TESTS_UNIT_REGISTRIES_REGISTRY_FIXTURE_H
#define TESTS_UNIT_REGISTRIES_REGISTRY_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "registries/registry.h"

/* `messages`: the members of the Messages object, as JSON. */
static inline struct registry *fixture_registry(const char *prefix, const char *version,
						const char *messages)
{
	char *json = xasprintf("{\"@odata.type\":\"#MessageRegistry.v1_7_0.MessageRegistry\","
			       "\"Id\":\"%s.%s\",\"Name\":\"n\",\"Language\":\"en\","
			       "\"RegistryPrefix\":\"%s\",\"RegistryVersion\":\"%s\","
			       "\"OwningEntity\":\"Contoso\",\"Messages\":{%s}}",
			       prefix, version, prefix, version, messages);
	struct registry *registry = NULL;
	struct err err = { "" };
	int r = registry_parse(str_of(json), prefix, &registry, &err);

	if (r < 0)
		fprintf(stderr, "fixture: %s\n", err.text);
	free(json);
	return registry;
}

/* One message as a member of Messages. */
#define FIXTURE_MESSAGE(key, n_args, severity, text)                                               \
	"\"" key "\":{\"Description\":\"d\",\"Message\":\"" text                                   \
	"\",\"MessageSeverity\":\"" severity "\",\"NumberOfArgs\":" #n_args                        \
	",\"Resolution\":\"Look at " key ".\"}"

/* Fans in five versions, and what else the ladder has to tell apart. Rows of one file stand
 * together. */
static const struct fixture_row {
	int file;
	const char *prefix, *version, *key;
	int n_args;
	const char *severity, *text;
} fixture_rows[] = {
	{ 0, "Fans", "1.0.0", "Stopped", 1, "Warning", "F100 %1" },
	{ 0, "Fans", "1.0.0", "Old", 0, "OK", "F100" },
	{ 1, "Fans", "1.0.2", "Stopped", 1, "Warning", "F102 %1" },
	{ 2, "Fans", "1.2.0", "Stopped", 1, "Critical", "F120 %1" },
	{ 2, "Fans", "1.2.0", "New", 0, "OK", "F120" },
	{ 3, "Fans", "1.10.0", "Stopped", 2, "Critical", "F1100 %1 %2" },
	{ 3, "Fans", "1.10.0", "Exists", 3, "OK", "F1100 %1 %2 %3" },
	{ 4, "Fans", "2.0.0", "Stopped", 1, "Critical", "F200 %1" },
	{ 4, "Fans", "2.0.0", "Exists", 0, "OK", "F200" },
	{ 5, "iDRAC", "1.6.0", "TMP0100", 1, "OK", "D160 %1" },
	{ 5, "iDRAC", "1.6.0", "Shared", 0, "OK", "D160" },
	{ 6, "Other", "3.1.0", "Shared", 0, "OK", "O310" },
	{ 6, "Other", "3.1.0", "Some.Dotted", 0, "OK", "O310 dotted" },
	{ 7, "Cases", "1.0.0", "Alpha", 0, "OK", "C100 Alpha" },
	{ 7, "Cases", "1.0.0", "alpha", 0, "OK", "C100 alpha" },
	{ 8, "Cases", "1.1.0", "ALPHA", 0, "OK", "C110 ALPHA" },
	/* one prefix and version, three contents (seen with iLO) */
	{ 9, "Twin", "2.3.0", "Key", 0, "OK", "small" },
	{ 10, "Twin", "2.3.0", "Key", 0, "OK", "large" },
	{ 10, "Twin", "2.3.0", "More", 0, "OK", "m" },
	{ 11, "Twin", "2.3.0", "Key", 1, "OK", "one %1" },
};

static inline struct registry_set *fixture_set(void)
{
	const size_t n_rows = sizeof(fixture_rows) / sizeof(fixture_rows[0]);
	struct registry *registries[sizeof(fixture_rows) / sizeof(fixture_rows[0])];
	struct strbuf messages;
	size_t n = 0;

	strbuf_init(&messages, 1 << 16);
	for (size_t i = 0; i < n_rows; i++) {
		const struct fixture_row *row = &fixture_rows[i];

		strbuf_putf(&messages,
			    "%s\"%s\":{\"Description\":\"d\",\"Message\":\"%s\","
			    "\"MessageSeverity\":\"%s\",\"NumberOfArgs\":%d,"
			    "\"Resolution\":\"Look at %s.\"}",
			    messages.len > 0 ? "," : "", row->key, row->text, row->severity,
			    row->n_args, row->key);
		if (i + 1 < n_rows && fixture_rows[i + 1].file == row->file)
			continue;
		registries[n++] = fixture_registry(row->prefix, row->version, messages.p);
		strbuf_reset(&messages);
	}
	strbuf_fini(&messages);
	return registry_set_new(registries, n);
}

static inline size_t fixture_count_findings(const struct registry *registry, const char *code)
{
	const struct registry_finding *finding = registry_findings(registry);
	size_t n = 0;

	for (; finding; finding = finding->next) {
		if (!code || str_eq(str_of(finding->code), str_of(code)))
			n++;
	}
	return n;
}

/* A path below the folder of shared sample data; NULL when it is not there. Static memory. */
static inline const char *fixture_shared(const char *below)
{
	static char path[4096];
	const char *shared = getenv("RFEVENTD_SHARED");

	snprintf(path, sizeof(path), "%s/%s", shared ? shared : "../shared/data", below);
	return access(path, R_OK) == 0 ? path : NULL;
}

#endif
