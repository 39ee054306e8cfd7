/* Properties: those that a body brings to a resource, which of them are not taken, and why.
 *
 * A POST is refused for the first that is wrong; a PATCH does what it can and tells the rest with
 * the answer (DSP0266, "PATCH (update)"). API thread only.
 */
#ifndef API_PROPERTIES_H
#define API_PROPERTIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/limits.h"
#include "api/reply.h"

struct arena;

struct properties {
	json_t *body; /* the caller's */
	struct arena *texts;
	struct fault faults[API_MAX_FAULTS];
	const char *names[API_MAX_FAULTS];
	size_t n_faults, n_good;
};

void properties_begin(struct properties *properties, json_t *body);
void properties_fini(struct properties *properties);

/* A text; p NULL when it is absent, or refused for being something else. */
struct str properties_text(struct properties *properties, const char *name);
/* `name` is not taken: `key` of the Base registry, whose arguments are the value (where it says it)
 * and the name. `resolution`, which must live on, says more; NULL: what the registry says. */
void properties_refuse(struct properties *properties, const char *name, const char *key,
		       const char *resolution);
/* The same, of what must not be said again. */
void properties_refuse_secret(struct properties *properties, const char *name, const char *key);
/* Refuse all but `known` (ended by NULL); annotations ask for nothing. */
void properties_refuse_others(struct properties *properties, const char *const *known,
			      const char *const *read_only);

/* POST. False when one was refused: answered 400. */
bool properties_are_good(const struct properties *properties, struct http_request *request);
/* PATCH. False when nothing is left to do: answered 400. */
bool properties_are_of_use(const struct properties *properties, struct http_request *request);
/* `,"Name@Message.ExtendedInfo":[…]` for each that was refused, and all of them as the object's. */
void properties_put_notes(const struct properties *properties, struct http_request *request,
			  struct strbuf *out);

#endif
