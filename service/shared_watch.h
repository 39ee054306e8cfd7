/* Shared watch: brings this node in line with what the replicas of one database agreed on.
 *
 * At each connection: the key is compared, enrolment token and first account are said or learned,
 * all sources read; then, woken by LISTEN and by a look now and then, what changed. Tells the
 * keeper, on main's loop.
 * Thread: its own; start and stop on main's.
 */
#ifndef SERVICE_SHARED_WATCH_H
#define SERVICE_SHARED_WATCH_H

#include <stdbool.h>

struct err;
struct keeper;
struct loop;
struct shared_watch;

struct shared_watch_config {
	const char *url; /* a connection that can LISTEN */
	bool is_private; /* nobody else writes to it: what was read once stays current */
	struct keeper *keeper;
	const char *key_file; /* for words; NULL: none */
	struct loop *loop;    /* main's: stopped when this node must not go on */
};

int shared_watch_start(const struct shared_watch_config *config, struct shared_watch **out,
		       struct err *err);
/* Why this node must not go on: negative errno with words; 0: nothing is wrong. */
int shared_watch_verdict(const struct shared_watch *watch, struct err *err);
void shared_watch_stop(struct shared_watch *watch); /* NULL is allowed */

#endif
