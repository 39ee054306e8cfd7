/* Condition watch: looks at the running parts a few times a second and tells the conditions what
 * holds and what does not.
 *
 * A part knows nothing of conditions: what it can say of itself is asked here. What is open from
 * before a restart and holds no more is cleared by the first look that can tell.
 * Thread: main's loop.
 */
#ifndef SERVICE_CONDITION_WATCH_H
#define SERVICE_CONDITION_WATCH_H

#include <stddef.h>
#include <stdint.h>

struct condition_watch;
struct conditions;
struct config;
struct journal;
struct loader;
struct loop;
struct slot;

struct condition_watch_config {
	struct conditions *conditions;
	struct journal *journal;
	uint64_t journal_room_bytes; /* of it, for senders */
	struct loader *loader;
	struct slot *sources; /* of struct source_set */
	size_t max_sources;
	size_t max_deliveries_bytes;
	struct loop *loop;
};

/* All borrowed, and outlive the watch. */
void condition_watch_start(const struct condition_watch_config *config,
			   const struct config *settings, struct condition_watch **out);
/* The certificates as they are configured now. */
void condition_watch_reconfigure(struct condition_watch *watch, const struct config *settings);
void condition_watch_stop(struct condition_watch *watch); /* NULL is allowed */

#endif
