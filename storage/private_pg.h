/* Private PostgreSQL: a server of our own in the state directory, started and stopped with us.
 *
 * initdb at first run with the distribution's binaries (/usr/lib/postgresql/<newest>/bin, or the
 * version that made the data directory), Unix socket only, own process group, never as root. An
 * orphan left by a kill -9 is adopted. Restarted (with a pause) when it dies.
 * Thread: one of its own; start and stop from main.
 */
#ifndef STORAGE_PRIVATE_PG_H
#define STORAGE_PRIVATE_PG_H

#include <stdbool.h>

struct err;
struct private_pg;

struct private_pg_config {
	const char *state_dir;
	const char *user; /* NULL: ourselves, or "postgres" when we are root */
};

/* Check what can be checked at once (binaries there, directory reachable by the user), start
 * the supervising thread and return; the server comes up meanwhile. */
int private_pg_start(const struct private_pg_config *config, struct private_pg **out,
		     struct err *err);
/* libpq conninfo of the server, whether it is up or not; lives as long as `pg`. */
const char *private_pg_url(const struct private_pg *pg);
/* Fast shutdown, at most `timeout_ms`, then immediate. Frees. NULL is allowed. */
void private_pg_stop(struct private_pg *pg, int timeout_ms);

#endif
