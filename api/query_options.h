/* Query options: $select $filter $top $skip $orderby $expand only, taken from a query string.
 *
 * DSP0266, "Query parameters". Unknown ones that begin with "$" are faults, others are passed over.
 * Pure; thread: any.
 */
#ifndef API_QUERY_OPTIONS_H
#define API_QUERY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum query_option {
	QUERY_SELECT = 1 << 0,
	QUERY_FILTER = 1 << 1,
	QUERY_TOP = 1 << 2,
	QUERY_SKIP = 1 << 3,
	QUERY_ORDERBY = 1 << 4,
	QUERY_EXPAND = 1 << 5,
	QUERY_ONLY = 1 << 6,
	QUERY_SKIPTOKEN = 1 << 7,
};
#define QUERY_MEMBERS (QUERY_FILTER | QUERY_ORDERBY | QUERY_TOP | QUERY_SKIP)
/* What every resource takes; $top, $skip and `only` need Members. */
#define QUERY_COMMON (QUERY_SELECT | QUERY_TOP | QUERY_SKIP | QUERY_EXPAND | QUERY_ONLY)

enum query_expand {
	QUERY_EXPAND_LINKS = 1 << 0,    /* "~": what stands under Links */
	QUERY_EXPAND_NO_LINKS = 1 << 1, /* ".": all else; "*" is both */
};

struct query_options {
	unsigned given;                        /* enum query_option */
	struct strbuf select, filter, orderby; /* decoded */
	uint64_t top, skip, skiptoken;
	unsigned expand; /* enum query_expand */
};

#define QUERY_NAME_BYTES 64
/* Why a query is refused: a message of the Base registry with its arguments. */
struct query_fault {
	int status;
	const char *key;
	char parameter[QUERY_NAME_BYTES], value[QUERY_NAME_BYTES]; /* cut when longer */
	struct err err; /* how to do better; "" for none */
};

/* `taken`: enum query_option. 0 with `options` to be finished; -EINVAL with `fault` and nothing to
 * finish. */
int query_options_parse(struct str query, unsigned taken, struct query_options *options,
			struct query_fault *fault);
void query_options_fini(struct query_options *options);
/* -EINVAL: the value of `parameter` makes no sense; why is in fault->err, and stays. */
int query_fault_of_value(struct query_fault *fault, const char *parameter, struct str value);
/* The next parameter of *query, cut off it: raw name and value. False at the end. */
bool query_next(struct str *query, struct str *name_out, struct str *value_out);

#endif
