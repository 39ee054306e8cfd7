/* Conditions: what is wrong with the service itself, told as events by the way all others take.
 *
 * An own event is a delivery of the built-in source `rfeventd`: into the journal (its reserved
 * piece when it is full), decoded, resolved, loaded, streamed. What is open and what is not in the
 * journal yet is kept in state_dir/conditions, fsynced before an event is handed over: a restart
 * neither forgets nor doubles one. An event that the journal did not take is tried again. Thread:
 * its own delivers; all functions but open, start, stop and close from any.
 */
#ifndef SERVICE_CONDITIONS_H
#define SERVICE_CONDITIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "base/uuid.h"
#include "event/delivery.h"
#include "event/source_set.h"
#include "service/condition_set.h"

struct conditions;
struct err;

struct conditions_config {
	const char *state_dir;
	struct uuid source; /* our own: condition_source_id() */
};

/* Where own events go: as the receiver's. */
struct conditions_door {
	deliver_fn *deliver;
	void *deliver_ctx;
	prepare_fn *prepare;
	void *prepare_ctx;
};

#define CONDITIONS_SOURCE_NAME SOURCE_OWN_NAME

/* The id of the source of a node's own events: the same over restarts. */
struct uuid condition_source_id(struct uuid node);

/* Read what the last run left. A file that cannot be read is said, and begun anew. */
void conditions_open(const struct conditions_config *config, struct conditions **out);
/* From now on events are delivered; those told before come first. */
int conditions_start(struct conditions *conditions, const struct conditions_door *door,
		     struct err *err);
/* What waits is in the journal, or in the file for the next start. Before the journal thread ends.
 * NULL is allowed. */
void conditions_stop(struct conditions *conditions);
void conditions_close(struct conditions *conditions); /* NULL is allowed */

/* As those of condition_set.h, now. */
void conditions_raise(struct conditions *conditions, enum condition_kind kind, struct str object,
		      const struct str *args, size_t n_args);
void conditions_clear(struct conditions *conditions, enum condition_kind kind, struct str object);
void conditions_level(struct conditions *conditions, enum condition_kind kind, double percent);
void conditions_keep(struct conditions *conditions, enum condition_kind kind,
		     const struct str *objects, size_t n_objects);
void conditions_tell(struct conditions *conditions, enum condition_kind kind, struct str object,
		     const struct str *args, size_t n_args);
void conditions_report(struct conditions *conditions, enum condition_kind kind, struct str object,
		       struct str reason);
bool conditions_is_open(struct conditions *conditions, enum condition_kind kind, struct str object);
size_t conditions_count(struct conditions *conditions);
/* The process is about to end: raise this, and have it in the file when this returns. */
void conditions_last_words(struct conditions *conditions, enum condition_kind kind,
			   struct str reason);

#endif
