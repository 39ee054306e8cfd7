/* Chore: what is done beside the loading again and again, on a thread and a connection of its own,
 * so that nothing it waits for holds up the loader. The connection is made when it is needed and
 * made again when it is lost; what fails is said once and tried again. Thread: start and stop the
 * owner's, `turn` the chore's.
 */
#ifndef STORAGE_CHORE_H
#define STORAGE_CHORE_H

struct chore;
struct db;
struct err;

struct chore_config {
	const char *thread, *application; /* names; static */
	const char *url;      /* past any pool of connections: locks belong to the session */
	const char *settings; /* SQL for a new connection; static */
	/* Table that the newest migration which it needs has made; static. Asked for once a
	 * connection, before the first turn: the loader makes the tables. */
	const char *table;
	/* What there is to do. 1: there is more, 0: nothing is left, -EAGAIN: somebody is in the
	 * way, -ENOTCONN: the database is away. */
	int (*turn)(void *ctx, struct db *db, struct err *err);
	void *ctx;
	int idle_ms, more_ms; /* between turns: when nothing is left, when there is more */
	/* Said when it waits for others, and when it fails; static. */
	const char *waits, *fails;
};

int chore_start(const struct chore_config *config, struct chore **out, struct err *err);
void chore_stop(struct chore *chore); /* gives up what runs; NULL is allowed */

#endif
