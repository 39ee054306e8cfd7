/* Filter: the one filter language ($filter, streams, routes, CLI): parse and match.
 *
 * OData: eq ne gt ge lt le and or not ( ) in, contains() startswith() endswith() over the names
 * of the contract (Severity MessageId RegistryPrefix Category EventType Source Site Rack
 * OriginOfCondition Message Created EventTimestamp EventId EventGroupId Id). Pure; the tree is
 * open so that storage/ can turn it into SQL. Precedence: or < and < not < comparison.
 *
 * Keywords and names are case-sensitive, as OData's are. Severity is ordered OK, Warning, Critical and
 * knows no other value; Category has no order. RegistryPrefix and Message are compared with ASCII
 * case folded and all else exact, every other text exactly. OriginOfCondition is compared without the
 * slashes at its end, and startswith(…,'/a/') holds for '/a' itself. EventGroupId, Id and times may
 * stand in quotes.
 */
#ifndef EVENT_FILTER_H
#define EVENT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct entry;
struct err;
struct source;

enum filter_name {
	FILTER_SEVERITY,
	FILTER_MESSAGE_ID,
	FILTER_REGISTRY_PREFIX,
	FILTER_CATEGORY,
	FILTER_EVENT_TYPE,
	FILTER_SOURCE, /* the source's name, or its id */
	FILTER_SITE,
	FILTER_RACK,
	FILTER_ORIGIN,
	FILTER_MESSAGE, /* the stored text, case-folded */
	FILTER_CREATED, /* received */
	FILTER_EVENT_TIMESTAMP,
	FILTER_EVENT_ID,
	FILTER_EVENT_GROUP_ID,
	FILTER_ID, /* seq */
};

enum filter_op {
	FILTER_AND, /* a, b */
	FILTER_OR,
	FILTER_NOT, /* a */
	FILTER_EQ,
	FILTER_NE,
	FILTER_GT,
	FILTER_GE,
	FILTER_LT,
	FILTER_LE,
	FILTER_IN, /* values */
	FILTER_CONTAINS,
	FILTER_STARTSWITH,
	FILTER_ENDSWITH,
};

enum filter_kind {
	FILTER_IS_TEXT,
	FILTER_IS_INT,
	FILTER_IS_TIME,
	FILTER_IS_NULL,
	FILTER_IS_REAL, /* of members (event/filter_grammar.h), as the next */
	FILTER_IS_BOOL,
};

struct filter_value {
	enum filter_kind kind;
	struct str text;
	int64_t number; /* INT, or TIME in us; the enum's value for Severity and Category; BOOL: 0 or 1 */
	double real;    /* REAL */
};

struct filter_node {
	enum filter_op op;
	struct filter_node *a, *b; /* connectives */
	enum filter_name name;	   /* comparisons */
	struct str path;	   /* of a member's property, in place of `name` */
	struct filter_value *values;
	size_t n_values;
};

struct filter {
	struct filter_node *root; /* NULL: the empty filter, which passes everything */
	struct str text;	  /* as given, trimmed */
	void *memory;		  /* private: arena of the tree */
};

/* New filter, or -EINVAL with words that say the column (from 1) and what was expected. */
int filter_parse(struct str text, struct filter **out, struct err *err);
void filter_free(struct filter *filter); /* NULL is allowed */
/* Whether `name` bounds what passes: a comparison by order, equality or beginning that stands alone or
 * under `and`. NULL: false. */
bool filter_bounds(const struct filter *filter, enum filter_name name);
/* What lies outside of *low <= `name` <= *high does not pass; of a number or a time, by comparisons that
 * stand alone or under `and`. INT64_MIN and INT64_MAX: no bound. */
void filter_range(const struct filter *filter, enum filter_name name, int64_t *low, int64_t *high);
/* The longest text that `name` has to contain, by a comparison of its beginning, end, part or all that
 * stands alone or under `and`; borrowed from the filter. p NULL: there is none. */
struct str filter_part(const struct filter *filter, enum filter_name name);
/* NULL filter passes. A fact that is absent is null: only `ne` and `eq null` pass. */
bool filter_match(const struct filter *filter, const struct entry *entry, const struct source *source);

#endif
