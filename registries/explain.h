/* Explain: how a MessageId becomes words, each step of the way, as JSON.
 *
 * What it says is what the service does: the same ladder, the same arguments, the same translation.
 * Pure but for the metric of resolving. Thread: any; makes what it needs.
 */
#ifndef REGISTRIES_EXPLAIN_H
#define REGISTRIES_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"

struct catalog_set;
struct registry_set;

struct question {
	struct str message_id;
	const struct str *args; /* at most DECODE_MAX_ARGS are looked at */
	size_t n_args;
	bool has_args;       /* false: nothing is known of the arguments */
	struct str text;     /* the sender's; p NULL: it gave none */
	struct str language; /* of the reader, as in Accept-Language; p NULL: the default one */
	struct uuid source;  /* zero: unknown */
};

/* Put one JSON object into `out`, without a line break: MessageId, Message, Resolution, Severity,
 * language, step, registry, version (null where there is none), args (in the order of the template;
 * null for one the template leaves out); and besides form, sha256, before and after (what the
 * sender's text says around the template), why (sentences) and candidates, best first. */
void registry_explain(const struct registry_set *set, const struct catalog_set *catalogs,
		      const struct question *question, struct strbuf *out);

#endif
