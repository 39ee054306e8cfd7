/* Source body: what a POST or PATCH says of a source, laid over what is known of it. Pure; thread: any. */
#ifndef API_SOURCE_BODY_H
#define API_SOURCE_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "event/source_set.h"
#include "subscribe/source_details.h"

struct arena;
struct properties;
struct seal_key;

struct source_body {
	const struct seal_key *seal_key; /* NULL: no password is taken */
	struct arena *texts;		 /* for those that are made */
	bool is_new;			 /* POST */
	/* What is known before, and after; texts are borrowed, also from the properties. `details` of the
	 * source itself is not looked at. */
	struct source source;
	struct source_details details;
};

/* The members of Oem.Rfeventd under names of their own, "Oem/Rfeventd/Site", to which errors then
 * point; new. Its values are the body's. */
json_t *source_body_flatten(json_t *body);
/* `properties` are begun with a flattened body. What is refused is as it was before. */
void source_body_read(struct source_body *body, struct properties *properties);

#endif
