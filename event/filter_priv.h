/* Filter, inside: what parser and matcher share. Private to event/. */
#ifndef EVENT_FILTER_PRIV_H
#define EVENT_FILTER_PRIV_H

#include "event/filter.h"

/* What a name's values are. */
enum filter_type {
	FILTER_TYPE_TEXT,
	FILTER_TYPE_SEVERITY,
	FILTER_TYPE_CATEGORY,
	FILTER_TYPE_INT,
	FILTER_TYPE_TIME
};

struct filter_name_info {
	const char *name;
	enum filter_type type;
};

/* Whether it is what DSP0268 calls a name of ours in filters of server-sent events. */
bool filter_name_is_alias(struct str word, enum filter_name name);
const struct filter_name_info *filter_name_info(enum filter_name name);
size_t filter_name_count(void);
/* The name that `word` was probably meant to be, or NULL. */
const char *filter_name_near(struct str word);

#endif
