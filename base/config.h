/* Configuration: one table of keys, read from YAML and from --set, with errors that name the
 * place and the cure.
 *
 * The table (in service/config.c) says name, type, default, range and words; this file parses,
 * checks, prints. Values land in a caller's struct by offset. An unknown key is an error that
 * names the line and, when one is near, the key that was probably meant.
 * Thread: whoever owns the struct being filled.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;

enum config_type {
	CONFIG_TEXT,	 /* char *, new; NULL when empty */
	CONFIG_BOOL,	 /* bool */
	CONFIG_INT,	 /* int64_t within min..max */
	CONFIG_BYTES,	 /* int64_t; "8 GiB", "512MiB", "100k" (1024), "1 GB" (1000) or a number */
	CONFIG_DURATION, /* int64_t microseconds; "90d", "10m", "1h30m", "250ms"; a unit is needed */
	CONFIG_ENUM,	 /* int: place in `choices` */
	CONFIG_LIST,	 /* struct config_list: texts, none empty; also "a, b" */
	CONFIG_MAPS,	 /* struct config_maps: a list of maps checked against `fields` */
};

struct config_list {
	char **items; /* new */
	size_t n;
};

/* Each element is a struct of `item_bytes` laid out by the key's `fields`. */
struct config_maps {
	void *items; /* new */
	size_t n;
	size_t item_bytes;
};

/* Keys of one group stand together in the table. */
struct config_key {
	const char *name;    /* dotted: "receiver.tls.min_version" */
	enum config_type type;
	size_t offset;	     /* of the value in the caller's struct */
	const char *initial; /* default, as it would be written in YAML; NULL: empty */
	int64_t min, max;    /* INT, BYTES and DURATION (us); both 0: no range */
	const char *const *choices; /* ENUM: NULL-terminated */
	const struct config_key *fields; /* MAPS: NULL-name-terminated */
	size_t item_bytes;	     /* MAPS */
	bool secret;   /* printed as "…"; also accepted as NAME_file, the file's first line */
	bool required; /* in MAPS: must be given, and not empty */
	bool reload;   /* SIGHUP takes it over; otherwise a restart is needed */
	const char *help;
};

/* All return 0 or a negative errno with words; *out is then still for config_free(). `keys` ends
 * with a NULL name. */
/* Fill *out, which holds nothing yet, with the table's defaults. */
int config_defaults(const struct config_key *keys, void *out, struct err *err);
/* Lay a YAML document over *out; a list in it replaces the one there. `place` names the file in
 * errors ("rfeventd.yaml:12: …"). */
int config_parse(const struct config_key *keys, void *out, struct str yaml, const char *place,
		 struct err *err);
/* Lay one "a.b=value" over *out; the value is YAML, and a bare comma-separated text is taken
 * for a list. */
int config_set(const struct config_key *keys, void *out, const char *assignment, struct err *err);
/* The whole configuration as YAML, with secrets masked. */
void config_print(const struct config_key *keys, const void *values, struct strbuf *out);
/* The reference: every key, type, default and help as a Markdown table. */
void config_print_reference(const struct config_key *keys, struct strbuf *out);
void config_free(const struct config_key *keys, void *values); /* what the values own */

#endif
